//! The command line: what a person can ask of the binary, and how it answers them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, App, Ended, Source};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Problems};
use crate::simulator::{Options, Simulator};
use switches::Switches;

mod alert;
mod demo;
mod probe;
mod store;
mod switches;

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
        /// Print it with every key's value, without secrets, as GET /config answers.
        #[arg(long)]
        show: bool,
    },
    /// Looks after a store that no node is using.
    #[command(subcommand)]
    Store(store::Command),
    /// Tells people, to see whether it works.
    #[command(subcommand)]
    Alert(alert::Command),
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
}

/// Parses the arguments, runs what they ask for, and says how it ended.
#[must_use]
pub fn run() -> ExitCode {
    let cli = parse();
    // The demo tells its own story; a log would tell it twice.
    install_log(cli.log, if matches!(cli.command, Some(Command::Demo)) { "error" } else { "info" });
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed before");
    }
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say_error(&format!("the machine gave no threads to run on: {error}"));
            return Exit::Failed.into();
        }
    };
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    let exit = runtime.block_on(carry_out(command, &environment));
    // What still runs (a probe that hangs) does not keep the process.
    runtime.shutdown_background();
    exit.into()
}

/// A configuration that is named before a command would be read by nobody, and another one in its place.
fn parse() -> Cli {
    let matches = Cli::command().get_matches();
    let is_before = matches.value_source("config") == Some(ValueSource::CommandLine);
    if let Some(command) = matches.subcommand_name().filter(|_| is_before) {
        let what = format!("--config stands behind the command that reads it: breakwater {command} ... --config FILE");
        Cli::command().error(ErrorKind::ArgumentConflict, what).exit();
    }
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

async fn carry_out(command: Command, environment: &BTreeMap<String, String>) -> Exit {
    match command {
        Command::Serve(serve) => serve_node(&serve.config, environment).await,
        Command::Demo => demo::run(environment).await,
        Command::Simulate(simulate) => run_simulator(*simulate).await,
        Command::CheckConfig { file, show } => check_config(&file, show, environment),
        Command::Store(command) => store::run(command),
        Command::Alert(command) => alert::run(command, environment).await,
        Command::Probe { target, serve } => probe::run(&target, &serve.config, environment).await,
    }
}

fn install_log(format: LogFormat, level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // warp writes out every part of a path that it looks at, at this level; a path may hold what nobody should read.
    let filter = match "warp::filters::path=debug".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

async fn serve_node(path: &Path, environment: &BTreeMap<String, String>) -> Exit {
    let loaded = match Config::load(path, environment) {
        Ok(loaded) => loaded,
        Err(problems) => return say_problems(&problems),
    };
    let Loaded { config, warnings, files, folders } = loaded;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let watched = files.into_iter().chain(folders).collect();
    let source = Source::File { path: path.to_owned(), environment: environment.clone(), watched };
    match App::build(config, source, Clock::system()).await {
        Ok(app) => exit_of(app.run(told_to_stop()).await),
        Err(error) => say_not_started(error),
    }
}

const fn exit_of(ended: Ended) -> Exit {
    match ended {
        Ended::AsAsked => Exit::Done,
        Ended::StoreFailed => Exit::Store,
        Ended::ActorDied => Exit::Failed,
    }
}

/// SIGTERM, or Ctrl-C.
async fn told_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return drop(tokio::signal::ctrl_c().await);
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("told to stop: answering what was begun, then saving");
}

fn check_config(path: &Path, show: bool, environment: &BTreeMap<String, String>) -> Exit {
    match Config::load(path, environment) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                say_error(&format!("warning: {warning}"));
            }
            let Config { targets, channels, .. } = &loaded.config;
            if show {
                say(loaded.config.show().trim_end());
                return Exit::Done;
            }
            say(&format!("{} is right: {} targets, {} channels", path.display(), targets.len(), channels.len()));
            Exit::Done
        }
        Err(problems) => say_problems(&problems),
    }
}

async fn run_simulator(simulate: Simulate) -> Exit {
    let pairs = simulate.switches.pairs();
    let options = match Options::from_pairs(pairs.iter().map(|(name, text)| (*name, text.as_str()))) {
        Ok(options) => options,
        Err(error) => {
            say_error(&chain(&error));
            return Exit::Wrong;
        }
    };
    match Simulator::bind(simulate.listen, options, Clock::system()) {
        Ok(simulator) => {
            say(&format!("the PG simulator listens on http://{}/api/v1/payments", simulator.local_addr()));
            simulator.run(told_to_stop()).await;
            Exit::Done
        }
        Err(error) => {
            say_error(&chain(&error));
            Exit::Address
        }
    }
}

fn say_not_started(error: app::Error) -> Exit {
    say_error(&chain(&error));
    match error {
        app::Error::Listen(_) | app::Error::Proxy(crate::proxy::Error::Listen(_)) => Exit::Address,
        app::Error::Store(_) => Exit::Store,
        app::Error::Probes(_) | app::Error::Actors(_) | app::Error::Proxy(crate::proxy::Error::Thread(_)) => {
            Exit::Failed
        }
    }
}

fn say_problems(problems: &Problems) -> Exit {
    say_error(&problems.to_string());
    Exit::Wrong
}

/// An error with everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// One line to the one who asked. If nobody reads it there is nobody to tell.
fn say(line: &str) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// One line about what is wrong.
fn say_error(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
