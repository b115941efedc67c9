//! Log lines of which one of each kind in a while is enough: who is attacked should not drown in the telling of it.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Says when the next line of a kind may be written.
#[derive(Debug)]
pub struct Complaints {
    every: Duration,
    said: Mutex<BTreeMap<&'static str, Said>>,
}

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    /// At most one line of each kind in each `every`.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, said: Mutex::default() }
    }

    /// Whether to say it now; then with how many times it was not said since the last time. A line of one `kind` keeps
    /// none of another one back.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut all = self.said.lock();
        let said = all.entry(kind).or_default();
        if said.last.is_some_and(|last| now.duration_since(last) < self.every) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_a_while_is_said_and_the_others_are_counted() {
        let complaints = Complaints::new(Duration::from_secs(1));
        let mut said = Vec::new();
        for pause in [0, 50, 900, 50, 50] {
            tokio::time::advance(Duration::from_millis(pause)).await;
            said.push(complaints.due("one"));
        }
        assert_eq!(said, [Some(0), None, None, Some(2), None]);
        assert_eq!(complaints.due("another"), Some(0), "kinds do not silence each other");
    }
}
