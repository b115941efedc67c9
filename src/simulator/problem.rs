//! What was wrong with settings, a scenario or a command line: all of it at once, in sentences.

use std::fmt;
use std::path::PathBuf;

use crate::listener;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a setting's name, or a line of a file.
    pub at: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// All mistakes of one input.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, at: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem { at: at.into(), what: what.into() });
    }

    pub(super) fn or<T>(self, right: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(right) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Why there is no simulator, or why it did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its socket could not be had.
    #[error(transparent)]
    Listener(#[from] listener::Error),
    /// Its settings are wrong.
    #[error("the simulator's settings are wrong:\n{0}")]
    Settings(Problems),
    /// A scenario file cannot be read.
    #[error("cannot read the scenario {}; check the path and its permissions", path.display())]
    UnreadableScenario {
        /// The file.
        path: PathBuf,
        /// What the machine said.
        #[source]
        source: std::io::Error,
    },
    /// A scenario's text is wrong.
    #[error("the scenario {} is wrong:\n{problems}", path.display())]
    WrongScenario {
        /// The file.
        path: PathBuf,
        /// By line.
        problems: Problems,
    },
    /// A phase that the scenario does not have.
    #[error("there is no phase {name:?}; the scenario has: {known}")]
    NoSuchPhase {
        /// Asked for.
        name: String,
        /// What there is.
        known: String,
    },
}
