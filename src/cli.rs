//! The command line: what a person can ask of the binary, and how it answers them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::simulator::{Options, Simulator};

mod demo;
mod probe;
mod store;

/// Where the configuration is unless `--config` says otherwise.
const DEFAULT_CONFIG: &str = "config/breakwater.toml";

/// How a run ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Done,
    /// The configuration, or a file that it names, is wrong; or the thing asked about is not well.
    Wrong,
    /// An address cannot be listened on.
    Address,
    /// The store cannot be used.
    Store,
    /// Anything else.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // 2 is what a wrong command line ends with.
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Wrong => Self::from(1),
            Exit::Address => Self::from(3),
            Exit::Store => Self::from(4),
            Exit::Failed => Self::from(70),
        }
    }
}

/// Stands between a shop and the systems it depends on: watches them, guards calls, remembers failures, tells people.
#[derive(Debug, Parser)]
#[command(name = "breakwater", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
    /// How the log is written; what is in it is chosen by RUST_LOG (default: info).
    #[arg(long, value_enum, default_value = "text", global = true)]
    log: LogFormat,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 something asked about is wrong (a configuration, a target), 2 the command line, \
3 an address is taken, 4 the store cannot be used, 70 anything else.";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
struct Serve {
    /// The configuration.
    #[arg(long, default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the node (what happens without a command).
    Serve(Serve),
    /// Shows everything in two minutes: a simulator, a node, a receiver, and an outage that repeats.
    Demo,
    /// Runs the payment gateway simulator.
    Simulate(Box<Simulate>),
    /// Reads a configuration and prints every problem of it.
    CheckConfig {
        /// The configuration.
        #[arg(default_value = DEFAULT_CONFIG)]
        file: PathBuf,
    },
    /// Looks after a store that no node is using.
    #[command(subcommand)]
    Store(store::Command),
    /// Probes one target once and shows how long each part took.
    Probe {
        /// Its name in the configuration.
        target: String,
        #[command(flatten)]
        serve: Serve,
    },
}

/// The switches of the simulator; each default is how the original behaves.
#[derive(Debug, Args)]
struct Simulate {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    #[command(flatten)]
    switches: Switches,
    /// A timeline of phases (TOML).
    #[arg(long)]
    scenario: Option<PathBuf>,
}

/// Parses the arguments, runs what they ask for, and says how it ended.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    install_log(cli.log);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed before");
    }
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say_failed(&anyhow::Error::new(error).context("no runtime could be built")).into(),
    };
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    let exit = runtime.block_on(carry_out(command, &environment));
    // What still runs (a probe that hangs) does not keep the process.
    runtime.shutdown_background();
    exit.into()
}

async fn carry_out(command: Command, environment: &BTreeMap<String, String>) -> Exit {
    match command {
        Command::Serve(serve) => serve_node(&serve.config, environment).await,
        Command::Demo => demo::run(environment).await,
        Command::Simulate(simulate) => run_simulator(*simulate).await,
        Command::CheckConfig { file } => check_config(&file, environment),
        Command::Store(command) => store::run(command),
        Command::Probe { target, serve } => probe::run(&target, &serve.config, environment).await,
    }
}

fn install_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
