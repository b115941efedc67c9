//! The attempts of one call, one after the other, each within its time.

use std::time::Duration;

use super::entered::Entered;
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Next, Safety, WhyEnough};

/// An attempt that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which it is; the first is 1.
    pub number: u32,
    /// How long it may take; then it is dropped.
    pub limit: Duration,
}

/// How the attempts of a call ended.
pub(super) struct Attempted<R> {
    /// What the last one came back with; nothing if it took too long, or if there was no time for any.
    pub(super) came: Option<R>,
    pub(super) outcome: Outcome,
    pub(super) why: WhyEnough,
    /// How long the last one might take.
    pub(super) limit: Duration,
}

/// Makes attempts until one is enough, or `request` has none; `None` if the call's time was over before the first. `ended`
/// says what one that came back means; one that took too long is unknown, and as safe as `safety`.
pub(super) async fn make<R, F: Future<Output = R>>(
    entered: &mut Entered,
    safety: Safety,
    mut request: impl FnMut(Attempt) -> Option<F>,
    ended: impl Fn(&R) -> Ended,
) -> Option<Attempted<R>> {
    let mut last = None;
    loop {
        let limit = entered.attempt_limit();
        let attempt = Attempt { number: entered.attempts() + 1, limit };
        let Some(request) = Some(attempt).filter(|_| !limit.is_zero()).and_then(&mut request) else { return last };
        entered.attempt_began();
        let came = tokio::time::timeout(limit, request).await.ok();
        let meant = came.as_ref().map_or_else(|| Ended::new(Outcome::Unknown).with_safety(safety), &ended);
        let next = entered.attempt_ended(&meant);
        let attempted = |why| Attempted { came, outcome: meant.outcome, why, limit };
        match next {
            Next::Enough(why) => return Some(attempted(why)),
            Next::Again { after } => {
                last = Some(attempted(WhyEnough::TimeSpent));
                tokio::time::sleep(after).await;
            }
        }
    }
}
