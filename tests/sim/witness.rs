//! What happened, for who reads a failure, and what should not have.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lines that are shown of a run that failed.
const LINES: usize = 1_000;

/// Sees everything. A thing that should not have happened is noted where it is seen, and ends the run soon after.
#[derive(Debug)]
pub(crate) struct Witness {
    began: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: VecDeque<String>,
    wrong: Vec<String>,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), seen: Mutex::default() }
    }

    /// Something happened.
    pub(crate) fn note(&self, what: impl AsRef<str>) {
        let line = format!("{:>6} ms  {}", self.began.elapsed().as_millis(), what.as_ref());
        let mut seen = self.seen.lock();
        if seen.lines.len() == LINES {
            seen.lines.pop_front();
        }
        seen.lines.push_back(line);
    }

    /// Something happened that must never.
    pub(crate) fn accuse(&self, what: String) {
        self.note(format!("WRONG: {what}"));
        self.seen.lock().wrong.push(what);
    }

    /// Notes `what` where it is not so.
    pub(crate) fn expect(&self, is_so: bool, what: impl FnOnce() -> String) {
        if !is_so {
            self.accuse(what());
        }
    }

    pub(crate) fn is_wrong(&self) -> bool {
        !self.seen.lock().wrong.is_empty()
    }

    /// What happened, the last of it.
    pub(crate) fn story(&self) -> String {
        self.seen.lock().lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// All that is known, where something is wrong.
    pub(crate) fn complaint(&self) -> Option<String> {
        let wrong = self.seen.lock().wrong.join("\n  ");
        (!wrong.is_empty()).then(|| format!("{}what is wrong:\n  {wrong}", self.story()))
    }
}
