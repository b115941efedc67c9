//! `breakwater store ...`: what an operator does with a store that no node is using.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Exit, chain, say, say_error};
use crate::store::{self, Copied, Error, Report};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Looks at every record and says what is wrong.
    Verify {
        /// The data folder.
        folder: PathBuf,
        /// Afterwards, go on without the commits that were lost. What they held is gone for good.
        #[arg(long)]
        accept_loss: bool,
    },
    /// Copies the store, without the space that it has freed.
    Backup {
        /// The data folder.
        folder: PathBuf,
        /// Where to; it must not exist or be empty.
        to: PathBuf,
    },
    /// Puts a backup in the place of a store.
    Restore {
        /// The backup.
        from: PathBuf,
        /// The data folder.
        folder: PathBuf,
        /// Also where there is a store already: it is kept aside, under another name.
        #[arg(long)]
        force: bool,
    },
    /// Gives back the space that the store has freed.
    Compact {
        /// The data folder.
        folder: PathBuf,
    },
}

pub(super) fn run(command: Command) -> Exit {
    let done = match command {
        Command::Verify { folder, accept_loss: true } => store::accept_loss(&folder).map(|()| {
            say("the store is taken as it is; what was lost is gone");
            Exit::Done
        }),
        Command::Verify { folder, accept_loss: false } => store::verify(&folder).map(|report| say_report(&report)),
        Command::Backup { folder, to } => store::backup(&folder, &to).map(|copied| say_copied(&copied)),
        Command::Restore { from, folder, force } => {
            store::restore(&from, &folder, force).map(|copied| say_copied(&copied))
        }
        Command::Compact { folder } => store::compact(&folder).map(|copied| say_copied(&copied)),
    };
    done.unwrap_or_else(|error: Error| {
        say_error(&chain(&error));
        Exit::Store
    })
}

fn say_report(report: &Report) -> Exit {
    let Report { records, events, histories, findings, more_findings } = report;
    say(&format!("{records} records, of them {events} events and {histories} failure histories"));
    for finding in findings {
        say_error(finding);
    }
    if *more_findings > 0 {
        say_error(&format!("and {more_findings} more"));
    }
    if findings.is_empty() {
        say("the store is whole");
        return Exit::Done;
    }
    Exit::Store
}

fn say_copied(copied: &Copied) -> Exit {
    let Copied { records, bytes_before, bytes_after, kept_aside } = copied;
    say(&format!("{records} records copied; {bytes_before} bytes before, {bytes_after} after"));
    if let Some(aside) = kept_aside {
        say(&format!("what was there before is kept in {}", aside.display()));
    }
    Exit::Done
}
