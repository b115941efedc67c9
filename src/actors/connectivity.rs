//! Whether this node sees the world: it connects to addresses that are always there, and if none of them answers, it is
//! this node that is cut off, and not all of its targets that failed.
//!
//! One task checks, every interval and whenever a probe failed in a way that being cut off would explain too
//! (`Connectivity::explains`). Such a probe waits for a check that began after it, so that no failure is counted that
//! a cut line may have caused, and the first targets that notice are treated as the last. Waiting costs as long as the
//! nearest address needs to answer; all who wait share one check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::observation::{Failure, Observation, Reason};
use crate::domain::time::Moment;
use crate::metrics::NodeMetrics;

/// Checks begin at least this far apart, so that ten thousand failing targets ask the world ten times a second and no
/// more; the next failure waits for as long.
const LEAST_DISTANCE: Duration = Duration::from_millis(100);

/// While this node is cut off it checks at least this often, so that it is not blind for longer than it must.
const BLIND_INTERVAL: Duration = Duration::from_secs(1);
/// While nothing is configured, so often the configuration is looked at: as often as its files are.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whether this node is cut off. Shared by all that probes.
#[derive(Debug)]
pub struct Connectivity {
    blind: AtomicBool,
    /// Since when it has not been cut off, in nanoseconds of the clock's moments; 0 if it never was.
    seeing_since: AtomicU64,
    asked: Notify,
    checked: watch::Sender<Checked>,
}

/// The last check.
#[derive(Debug, Clone, Copy)]
struct Checked {
    /// When it began; `None` while nobody checks.
    began: Option<Moment>,
    /// Whether no address answered; who waited when the checks ended is told what the last one found.
    blind: bool,
}

impl Default for Connectivity {
    fn default() -> Self {
        let (checked, _) = watch::channel(Checked { began: None, blind: false });
        Self { blind: AtomicBool::new(false), seeing_since: AtomicU64::new(0), asked: Notify::new(), checked }
    }
}

impl Connectivity {
    /// Whether no address answered the last time.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind.load(Ordering::Acquire)
    }

    /// When the last time ended that this node was cut off, if it ever was; of no meaning while it is.
    #[must_use]
    pub fn seeing_since(&self) -> Option<Moment> {
        Some(self.seeing_since.load(Ordering::Acquire)).filter(|nanos| *nanos > 0).map(Moment::from_nanos)
    }

    /// Somebody will check: who asks from now on waits for the first check.
    pub fn will_be_checked(&self) {
        self.checked.send_replace(Checked { began: Some(Moment::default()), blind: self.is_blind() });
    }

    /// Whether being cut off would look like this too. Who was answered by anybody is not cut off.
    fn explains(failure: &Failure) -> bool {
        match failure.reason {
            Reason::Dns | Reason::Connect | Reason::Timeout | Reason::Tls => true,
            Reason::HttpStatus
            | Reason::Assertion
            | Reason::Auth
            | Reason::RateLimited
            | Reason::Protocol
            | Reason::Internal => false,
        }
    }

    /// What a probe found, with the word of a check that began after it: a failure that being cut off explains is a
    /// cut-off node's own, and says nothing about the target. Any other was told by somebody, and counts as ever.
    pub(crate) async fn judge(&self, observation: Observation, clock: Clock) -> Observation {
        if !observation.failure.as_ref().is_some_and(Self::explains) {
            return observation;
        }
        let blind = self.check_after(clock.moment()).await;
        ascribe(observation, blind)
    }

    /// Waits for a check that began at `moment` or later, and tells whether this node is cut off by it; by the last one
    /// where nobody checks any more.
    async fn check_after(&self, moment: Moment) -> bool {
        let mut checked = self.checked.subscribe();
        if checked.borrow().began.is_none() {
            return self.is_blind();
        }
        self.asked.notify_one();
        let enough = |checked: &Checked| checked.began.is_none_or(|began| began >= moment);
        // The sender is ours.
        checked.wait_for(enough).await.map_or_else(|_| self.is_blind(), |checked| checked.blind)
    }

    /// Checks until `end`, by the configuration of the moment. A node that ends while it is cut off stays so: what its
    /// last probes find is as little the targets' as before.
    pub async fn watch_over(
        &self,
        config: &ArcSwap<Config>,
        metrics: &NodeMetrics,
        clock: Clock,
        end: &CancellationToken,
    ) {
        loop {
            let rules = config.load().monitor.connectivity.clone();
            let began = clock.moment();
            let pause = match &rules {
                Some(rules) => {
                    let blind = tokio::select! {
                        () = end.cancelled() => break,
                        answers = any_answers(rules) => !answers,
                    };
                    self.saw(blind, rules, metrics, clock);
                    self.checked.send_replace(Checked { began: Some(began), blind });
                    if blind { rules.interval.min(BLIND_INTERVAL) } else { rules.interval }
                }
                None => {
                    self.nobody_checks();
                    self.sees_again(metrics, clock);
                    LOOK_EVERY
                }
            };
            let distance = LEAST_DISTANCE.saturating_sub(clock.moment().since(began));
            tokio::select! {
                () = end.cancelled() => break,
                () = tokio::time::sleep(distance) => {}
            }
            tokio::select! {
                () = end.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                () = self.asked.notified() => {}
            }
        }
        self.nobody_checks();
    }

    fn saw(&self, blind: bool, rules: &config::Connectivity, metrics: &NodeMetrics, clock: Clock) {
        if !blind {
            return self.sees_again(metrics, clock);
        }
        metrics.blind(true);
        if !self.blind.swap(true, Ordering::AcqRel) {
            let addresses = rules.addresses.len();
            tracing::warn!(addresses, "this node is cut off: no address of monitor.connectivity answers");
        }
    }

    fn sees_again(&self, metrics: &NodeMetrics, clock: Clock) {
        metrics.blind(false);
        if !self.is_blind() {
            return;
        }
        // Before it is seen that it sees: who finds that nothing is cut off finds since when.
        self.seeing_since.store(clock.moment().as_nanos(), Ordering::Release);
        self.blind.store(false, Ordering::Release);
        tracing::info!("this node is no longer cut off");
    }

    /// Who waits for a check is told what the last one found.
    fn nobody_checks(&self) {
        self.checked.send_if_modified(|checked| checked.began.take().is_some());
    }
}

/// A failure of a node that is cut off is its own, if being cut off explains it.
fn ascribe(mut observation: Observation, blind: bool) -> Observation {
    let failure = observation.failure.as_mut().filter(|failure| blind && Connectivity::explains(failure));
    if let Some(failure) = failure {
        let found = &failure.message;
        failure.message = format!("this node is cut off, so this says nothing about the target: {found}").into();
        failure.reason = Reason::Internal;
    }
    observation
}

/// Whether any address answers within the time limit. The first answer is enough.
async fn any_answers(rules: &config::Connectivity) -> bool {
    let mut attempts: FuturesUnordered<_> = rules.addresses.iter().map(answers).collect();
    let any = async {
        while let Some(answered) = attempts.next().await {
            if answered {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(rules.timeout, any).await.unwrap_or(false)
}

async fn answers(address: &Arc<str>) -> bool {
    TcpStream::connect(&**address).await.is_ok()
}

#[cfg(test)]
mod tests;
