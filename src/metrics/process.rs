//! This process as Linux sees it: read from `/proc` when the page is written, so that nobody pays for it between.
//!
//! On another system nothing is read, and the page has no `process_` series.

use std::fs;

/// `/proc` counts CPU time in this unit on every Linux that runs Rust programs (USER_HZ, proc(5)).
const TICKS_A_SECOND: f64 = 100.0;

/// What the operating system says of this process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Process {
    /// User and system CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Virtual memory.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many may be open.
    pub max_fds: u64,
    /// Threads.
    pub threads: u64,
    /// When it began, in seconds of Unix time.
    pub started_at_seconds: f64,
}

impl Process {
    /// Reads it; `None` where the system does not tell. It blocks for as long as it takes to list the open files.
    #[must_use]
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        let open_fds = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
        Self::parse(&stat, &status, &limits, &system, open_fds)
    }

    fn parse(stat: &str, status: &str, limits: &str, system: &str, open_fds: u64) -> Option<Self> {
        // The second field is the command's name in brackets, which may itself hold spaces and brackets.
        let (_, after_name) = stat.rsplit_once(')')?;
        // So this counts from the third field: user time is the 14th, system time the 15th, the start the 22nd.
        let field = |number: usize| after_name.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_A_SECOND,
            resident_bytes: after(status, "VmRSS:")? * 1024,
            virtual_bytes: after(status, "VmSize:")? * 1024,
            open_fds,
            max_fds: after(limits, "Max open files").unwrap_or(u64::MAX),
            threads: after(status, "Threads:")?,
            started_at_seconds: whole(after(system, "btime")?) + field(22)? / TICKS_A_SECOND,
        })
    }
}

/// The first number behind `label` at the start of a line.
fn after(text: &str, label: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "seconds of Unix time are far below 2^53")]
const fn whole(seconds: u64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a ) name) S 1 42 42 0 -1 4194560 9000 0 0 0 150 50 0 0 20 0 7 0 12345 1000000 500 1844";
    const STATUS: &str = "Name:\tbreakwater\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t7\n";
    const SYSTEM: &str = "cpu  1 2 3\nbtime 1700000000\n";

    #[test]
    fn a_process_is_read_from_what_linux_writes() {
        let limits =
            "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024        4096       files\n";
        let process = Process::parse(STAT, STATUS, limits, SYSTEM, 12);
        assert_eq!(
            process,
            Some(Process {
                cpu_seconds: 2.0,
                resident_bytes: 1_048_576,
                virtual_bytes: 2_097_152,
                open_fds: 12,
                max_fds: 1024,
                threads: 7,
                started_at_seconds: 1_700_000_123.45,
            })
        );
    }

    #[test]
    fn no_limit_on_open_files_is_the_largest_number() {
        let limits = "Max open files            unlimited    unlimited   files\n";
        assert_eq!(Process::parse(STAT, STATUS, limits, SYSTEM, 12).map(|process| process.max_fds), Some(u64::MAX));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_threads() {
        let process = Process::read().expect("Linux has /proc");
        assert!(process.resident_bytes > 0 && process.threads > 0 && process.open_fds > 0, "{process:?}");
    }
}
