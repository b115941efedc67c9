//! `breakwater alert ...`: telling people, tried out without a node.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Subcommand;

use super::{Exit, Serve, chain, say, say_error, say_problems};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::delivery::Outcome;
use crate::notify::Sender;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Sends a test message over one channel now and says what the receiver said.
    Test {
        /// Its name in the configuration.
        channel: String,
        #[command(flatten)]
        serve: Serve,
    },
}

pub(super) async fn run(command: Command, environment: &BTreeMap<String, String>) -> Exit {
    match command {
        Command::Test { channel, serve } => test(&channel, &serve.config, environment).await,
    }
}

async fn test(name: &str, path: &Path, environment: &BTreeMap<String, String>) -> Exit {
    let config = match Config::load(path, environment) {
        Ok(loaded) => loaded.config,
        Err(problems) => return say_problems(&problems),
    };
    let Some(channel) = config.channels.get(name) else {
        let known: Vec<&str> = config.channels.keys().map(|name| &**name).collect();
        say_error(&format!("{} has no channel {name}; it has: {}", path.display(), known.join(", ")));
        return Exit::Wrong;
    };
    let clock = Clock::system();
    let sender = match Sender::new(&config, channel, clock) {
        Ok(sender) => sender,
        Err(error) => {
            say_error(&chain(&error));
            return Exit::Failed;
        }
    };
    let began = clock.moment();
    let outcome = sender.test().await;
    let took = clock.moment().since(began).as_millis();
    let kind = channel.kind.as_str();
    let (said, exit) = match outcome {
        Outcome::Delivered => ("delivered".to_owned(), Exit::Done),
        Outcome::Transient { error, retry_after } => {
            let when = retry_after.map_or_else(String::new, |pause| format!(" (to be tried again after {pause:?})"));
            (format!("not delivered, it may work later{when}: {error}"), Exit::Wrong)
        }
        Outcome::Permanent { error } => (format!("not delivered, and it will not be as it is: {error}"), Exit::Wrong),
    };
    say(&format!("{name} ({kind}): {said} ({took} ms)"));
    exit
}
