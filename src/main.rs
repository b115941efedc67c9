//! The binary: parses the command line and runs it.

/// Gives back to the machine what reading a large configuration took, also what one thread freed for another.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    breakwater::cli::run()
}
