//! `kind = "heartbeat"`.

use std::time::Duration;

/// Waits for the other side to report in, which it should do once an interval of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatProbe {
    /// A beat may be this much later than the interval.
    pub grace: Duration,
}
