//! Callers outside of this process: they are lent permits, and report afterwards how their calls went.
//!
//! Owns the permits that are out. A permit that is not reported in [`PERMIT_TIME`] was a cancelled call: a trial can be
//! handed out again, nothing is counted. Nothing of it survives a restart, and nothing has to: who reports under a permit
//! that is not known any more is counted as one who never had one. There is no actor here: a breaker is asked through
//! its gate, which tells the target's actor where something was decided.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::board::Slot;
use crate::breaker::Permit;
use crate::clock::Clock;
use crate::config;
use crate::domain::breaker::{Rejected, State, Window};
use crate::domain::call::Call;
use crate::domain::id::StatusId;
use crate::domain::scrub::scrub;
use crate::domain::time::{Moment, Timestamp};
use crate::metrics::{ERRORS_KEPT, SeenError};

/// A permit that is not reported in this time is taken back.
pub const PERMIT_TIME: Duration = Duration::from_secs(30);
/// Permits that may be out at a time, of all targets: some 3 MB. One more is refused until one comes back.
pub const PERMITS_MAX: usize = 10_000;
/// Permits of one target that may be out at a time, so that one caller that forgets to report does not take the others'.
pub const PERMITS_OF_TARGET_MAX: usize = 1_000;
/// When to ask again where too many permits are out: by then some are reported or taken back.
const PERMITS_PAUSE: Duration = Duration::from_secs(1);
/// A report about a breaker that looks back over a number of calls counts up to this age: the default window's length.
const AGE_OF_COUNT: Duration = Duration::from_secs(60);

/// What is lent to callers outside, and what they report. One for a node.
#[derive(Debug)]
pub struct Callers {
    clock: Clock,
    lent: Mutex<Lent>,
}

#[derive(Debug, Default)]
struct Lent {
    permits: HashMap<Uuid, Held>,
    due: BTreeSet<(Moment, Uuid)>,
    of_target: BTreeMap<StatusId, usize>,
    /// Somebody waits for the first that is due.
    watched: bool,
}

#[derive(Debug)]
struct Held {
    permit: Permit<'static>,
    target: StatusId,
    due_at: Moment,
}

/// A permit as its caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan {
    /// To be named in the report.
    pub id: Uuid,
    /// The breaker's state.
    pub state: State,
    /// Whether the call is one of half-open's trials.
    pub trial: bool,
    /// When it is taken back.
    pub expires_at: Timestamp,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLent {
    /// The target has no breaker, because nobody configured it.
    #[error("the target is not configured, so it has no breaker")]
    NotConfigured,
    /// The breaker does not let the call pass.
    #[error(transparent)]
    Rejected(Rejected),
    /// Too many permits are out.
    #[error("{limit} permits are out and were not reported")]
    TooMany {
        /// How many there may be.
        limit: usize,
        /// When to ask again.
        retry_after: Duration,
    },
}

/// A call that somebody reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// The call.
    pub call: Call,
    /// The permit it was made under.
    pub permit: Option<Uuid>,
    /// What was called; as it was sent.
    pub operation: Option<&'a str>,
    /// What the target, or the caller's client, called the error; as it was sent.
    pub error_code: Option<&'a str>,
}

impl Callers {
    /// Nothing is lent.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, lent: Mutex::default() }
    }

    /// Asks for a call to a target. Must be called on a runtime: the first permit that is out is waited for there.
    ///
    /// # Errors
    /// See [`NotLent`].
    pub fn lend(self: &Arc<Self>, slot: &Slot) -> Result<Loan, NotLent> {
        let gate = slot.gate.as_ref().ok_or(NotLent::NotConfigured)?;
        slot.traffic.begin();
        let (now, moment) = (self.clock.now(), self.clock.moment());
        let mut lent = self.lent.lock();
        lent.has_room(slot.id)?;
        let mut permit = gate.acquire_owned(moment).map_err(NotLent::Rejected)?;
        // A caller reports when it likes, often several calls at once: until then nobody can tell a call that hangs from
        // one that ended well, so it is not among the slow calls in flight. The report says how long it took.
        permit.attempt_ended(moment);
        let trial = permit.is_trial();
        let id = Uuid::now_v7();
        let due_at = moment.plus(PERMIT_TIME);
        lent.put(id, Held { permit, target: slot.id, due_at });
        let begin_to_watch = !std::mem::replace(&mut lent.watched, true);
        drop(lent);
        if begin_to_watch {
            tokio::spawn(self.clone().take_back());
        }
        let state = if trial { State::HalfOpen } else { gate.view(moment).state };
        Ok(Loan { id, state, trial, expires_at: now.plus(PERMIT_TIME) })
    }

    /// How many permits of a target are out.
    #[must_use]
    pub fn lent(&self, target: StatusId) -> usize {
        self.lent.lock().of_target.get(&target).copied().unwrap_or(0)
    }

    /// Takes back what is not reported in time; ends when nothing is out.
    async fn take_back(self: Arc<Self>) {
        loop {
            let (expired, next) = self.lent.lock().expired(self.clock.moment());
            // A breaker is told outside of our lock.
            drop(expired);
            let Some(next) = next else { return };
            tokio::time::sleep(next.since(self.clock.moment())).await;
        }
    }

    /// Counts what was reported of a target. Returns the permits that are not known: they were taken back or reported
    /// before, are another target's, or were lent before a restart. Their calls are counted as those without a permit.
    ///
    /// # Errors
    /// [`NotLent::NotConfigured`]; nothing was counted then.
    pub fn count(&self, slot: &Slot, reports: &[Report<'_>]) -> Result<Vec<Uuid>, NotLent> {
        let (Some(gate), Some(spec)) = (&slot.gate, &slot.spec) else { return Err(NotLent::NotConfigured) };
        let mut unknown = Vec::new();
        let mut without = Vec::new();
        let (now, moment) = (self.clock.now(), self.clock.moment());
        let age_max = age_max(spec);
        // The breaker of a new target that never moved has no state that began after a call.
        let state_since =
            slot.live(|live| (live.stored || live.numbers.breaker_has_changed()).then_some(live.watch.breaker.since));
        for report in reports {
            let Call { outcome, took, .. } = report.call;
            slot.traffic.call(outcome, took);
            // What the caller did inside of the call is not known here: it is one attempt.
            slot.traffic.attempt(outcome);
            if took >= spec.breaker.slow_call {
                slot.traffic.slow();
            }
            let permit = report.permit.and_then(|id| {
                let permit = self.lent.lock().take(id, slot.id);
                if permit.is_none() {
                    unknown.push(id);
                }
                permit
            });
            match permit {
                Some(permit) => permit.done_after(outcome, took, moment),
                None if report.call.still_counts(age_max, state_since, now) => without.push((outcome, took)),
                None => {}
            }
        }
        gate.observe_all(without, moment);
        note_errors(slot, reports);
        Ok(unknown)
    }
}

/// Up to which age a report counts for the breaker.
fn age_max(spec: &config::Target) -> Duration {
    match spec.breaker.window {
        Window::Time { length, .. } => length,
        Window::Count(_) => AGE_OF_COUNT,
    }
}

/// Remembers which errors were told, for people. Of a batch with more codes than are kept, the latest.
fn note_errors(slot: &Slot, reports: &[Report<'_>]) {
    let mut codes: BTreeMap<&str, (u64, &Report<'_>)> = BTreeMap::new();
    for report in reports {
        let Some(code) = report.error_code else { continue };
        let (count, latest) = codes.entry(code).or_insert((0, report));
        *count += 1;
        if report.call.ended_at >= latest.call.ended_at {
            *latest = report;
        }
    }
    let mut codes: Vec<_> = codes.into_iter().collect();
    codes.sort_by_key(|(_, (_, latest))| latest.call.ended_at);
    let from = codes.len().saturating_sub(ERRORS_KEPT);
    for (code, (count, latest)) in codes.split_off(from) {
        slot.traffic.failed_with(SeenError {
            code: scrub(code).into(),
            operation: latest.operation.map(|operation| scrub(operation).into()),
            count,
            at: latest.call.ended_at,
        });
    }
}

impl Lent {
    fn has_room(&self, target: StatusId) -> Result<(), NotLent> {
        let of_target = self.of_target.get(&target).copied().unwrap_or(0);
        let full = [(self.permits.len(), PERMITS_MAX), (of_target, PERMITS_OF_TARGET_MAX)];
        match full.into_iter().find(|(out, limit)| out >= limit) {
            Some((_, limit)) => Err(NotLent::TooMany { limit, retry_after: PERMITS_PAUSE }),
            None => Ok(()),
        }
    }

    fn put(&mut self, id: Uuid, held: Held) {
        *self.of_target.entry(held.target).or_insert(0) += 1;
        self.due.insert((held.due_at, id));
        self.permits.insert(id, held);
    }

    fn take(&mut self, id: Uuid, target: StatusId) -> Option<Permit<'static>> {
        self.permits.get(&id).filter(|held| held.target == target)?;
        let Held { permit, target, due_at } = self.permits.remove(&id)?;
        self.due.remove(&(due_at, id));
        if let Some(out) = self.of_target.get_mut(&target) {
            *out -= 1;
            if *out == 0 {
                self.of_target.remove(&target);
            }
        }
        Some(permit)
    }

    /// What was due at `now`, and when the next is; without a next one nobody waits any more.
    fn expired(&mut self, now: Moment) -> (Vec<Permit<'static>>, Option<Moment>) {
        let mut expired = Vec::new();
        while let Some((due_at, id)) = self.due.first().copied() {
            if due_at > now {
                return (expired, Some(due_at));
            }
            let target = self.permits.get(&id).map(|held| held.target);
            expired.extend(target.and_then(|target| self.take(id, target)));
        }
        self.watched = false;
        (expired, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{self, Driver};
    use crate::config::Config;
    use crate::domain::breaker::{Cause, Mode, Outcome, Refusal};
    use crate::domain::id::Target;
    use crate::domain::watch::Watch;

    const NOON: Timestamp = Timestamp::from_nanos(1_717_243_200_000_000_000);

    struct Scene {
        callers: Arc<Callers>,
        clock: Clock,
        driver: Driver,
        slot: Slot,
    }

    /// A configured target with a breaker of the default policy.
    fn scene() -> Scene {
        scene_of(StatusId(1))
    }

    fn scene_of(id: StatusId) -> Scene {
        let clock = Clock::simulated(NOON);
        let text = "[[target]]\nname = \"PG\"\nendpoint = \"http://127.0.0.1:9\"\n[target.probe]\nkind = \"http\"\n";
        let loaded = Config::parse(text, "test.toml", std::path::Path::new("."), &BTreeMap::new());
        let spec = loaded.unwrap().config.targets["PG"].clone();
        let (driver, gate) = breaker::new(spec.breaker.clone(), None, clock.moment(), 1, Box::new(|| {}));
        let watch = Watch::new(id, Target::new("PG", "http://127.0.0.1:9"), Mode::Enforce, clock.now());
        Scene { callers: Arc::new(Callers::new(clock)), clock, driver, slot: Slot::new(watch, Some(spec), Some(gate)) }
    }

    impl Scene {
        fn report(&self, outcome: Outcome, took_ms: u64, permit: Option<Uuid>) -> Report<'static> {
            let call = Call { outcome, took: Duration::from_millis(took_ms), ended_at: self.clock.now() };
            Report { call, permit, operation: None, error_code: None }
        }

        fn count(&self, reports: &[Report<'_>]) -> Vec<Uuid> {
            self.callers.count(&self.slot, reports).unwrap()
        }

        fn lend(&self) -> Result<Loan, NotLent> {
            self.callers.lend(&self.slot)
        }

        fn view(&self) -> crate::domain::breaker::View {
            self.slot.gate.as_ref().unwrap().view(self.clock.moment())
        }

        /// What its actor does when a commit lands.
        fn publish(&mut self) -> Vec<Cause> {
            let (decided, generation) = self.driver.take();
            self.driver.publish(generation);
            decided.into_iter().map(|one| one.transition.cause).collect()
        }

        async fn half_open(&mut self) {
            let failed = vec![self.report(Outcome::Failure, 5, None); 10];
            self.count(&failed);
            assert_eq!(self.publish(), [Cause::FailureRate]);
            tokio::time::advance(Duration::from_secs(6)).await;
            let over = self.driver.tick(self.clock.moment());
            assert_eq!(over.len(), 1);
            self.publish();
            assert_eq!(self.view().state, State::HalfOpen);
        }
    }

    fn refused(lent: Result<Loan, NotLent>) -> Refusal {
        match lent {
            Err(NotLent::Rejected(rejected)) => rejected.reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_nobody_reports_is_lent_to_somebody_else_after_30_s() {
        let mut scene = scene();
        // So that half-open does not end before.
        let patient = crate::domain::breaker::Policy { half_open_max: Duration::from_secs(300), ..Default::default() };
        assert!(scene.driver.set_policy(patient, scene.clock.moment()).is_empty());
        scene.half_open().await;
        for _ in 0..3 {
            assert!(scene.lend().unwrap().trial);
        }
        assert_eq!(refused(scene.lend()), Refusal::TrialsTaken);
        tokio::time::sleep(PERMIT_TIME - Duration::from_millis(2)).await;
        assert_eq!((refused(scene.lend()), scene.callers.lent(StatusId(1))), (Refusal::TrialsTaken, 3));
        tokio::time::sleep(Duration::from_millis(4)).await;
        assert_eq!((scene.callers.lent(StatusId(1)), scene.view().trials.granted), (0, 0));
        assert!(scene.lend().unwrap().trial);
        assert_eq!(scene.view().lifetime.cancelled, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn trials_that_are_reported_good_close_the_breaker() {
        let mut scene = scene();
        scene.half_open().await;
        let trials: Vec<_> = (0..3).map(|_| scene.lend().unwrap()).collect();
        let reports: Vec<_> = trials.iter().map(|trial| scene.report(Outcome::Success, 20, Some(trial.id))).collect();
        assert!(scene.count(&reports).is_empty());
        assert_eq!(scene.publish(), [Cause::TrialsPassed]);
        assert_eq!(scene.view().state, State::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_without_a_permit_is_no_trial() {
        let mut scene = scene();
        scene.half_open().await;
        scene.count(&vec![scene.report(Outcome::Success, 20, None); 10]);
        assert!(scene.publish().is_empty());
        scene.count(&vec![scene.report(Outcome::Failure, 20, None); 10]);
        assert!(scene.publish().is_empty());
        assert_eq!(scene.slot.traffic.sample().unwrap().calls.all(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_was_reported_says_whether_a_call_was_slow_not_the_time_of_its_report() {
        let scene = scene();
        let permits: Vec<_> = (0..20).map(|_| scene.lend().unwrap()).collect();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(scene.view().slow_in_flight, 0);
        let quick = permits[..10].iter().map(|permit| scene.report(Outcome::Success, 100, Some(permit.id)));
        scene.count(&quick.collect::<Vec<_>>());
        let window = scene.view().window;
        assert_eq!((window.calls, window.slow), (10, 0));
        let slow = permits[10..15].iter().map(|permit| scene.report(Outcome::Success, 1_000, Some(permit.id)));
        scene.count(&slow.collect::<Vec<_>>());
        let window = scene.view().window;
        assert_eq!((window.calls, window.slow), (15, 5));
        assert_eq!((scene.view().in_flight, scene.callers.lent(StatusId(1))), (0, 5));
        assert_eq!(scene.slot.traffic.sample().unwrap().slow, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_is_reported_once_and_for_its_own_target() {
        let scene = scene();
        let permit = scene.lend().unwrap().id;
        let other = scene_of(StatusId(2)).slot;
        let report = scene.report(Outcome::Failure, 5, Some(permit));
        assert_eq!(scene.callers.count(&other, std::slice::from_ref(&report)), Ok(vec![permit]));
        assert_eq!(scene.callers.lent(StatusId(1)), 1);
        assert_eq!(scene.count(&[report.clone(), report]), [permit]);
        assert_eq!(scene.view().window.failed, 2, "the second one counts as one without a permit");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_report_is_counted_in_the_metrics_and_not_in_the_window() {
        let mut scene = scene();
        let mut late = scene.report(Outcome::Failure, 5, None);
        late.call.ended_at = NOON.minus(Duration::from_secs(61));
        scene.count(std::slice::from_ref(&late));
        late.call.ended_at = NOON.minus(Duration::from_secs(60));
        scene.count(&[late]);
        assert_eq!((scene.slot.traffic.sample().unwrap().calls.failure, scene.view().window.failed), (2, 1));

        // What ended before the breaker closed says nothing about it.
        scene.half_open().await;
        let before = scene.report(Outcome::Failure, 5, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        let good: Vec<_> = (0..3).map(|_| scene.report(Outcome::Success, 5, Some(scene.lend().unwrap().id))).collect();
        scene.count(&good);
        scene.publish();
        scene.slot.live(|live| {
            live.numbers.breaker_changed(State::HalfOpen, State::Closed);
            live.watch.breaker.since = scene.clock.now();
        });
        scene.count(&[before]);
        assert_eq!(scene.view().window.failed, 0);
        scene.count(&[scene.report(Outcome::Failure, 5, None)]);
        assert_eq!(scene.view().window.failed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_restart_a_report_from_before_the_breaker_closed_is_not_counted_either() {
        let scene = scene();
        let mut early = scene.report(Outcome::Failure, 5, None);
        early.call.ended_at = NOON.minus(Duration::from_secs(1));
        scene.slot.live(|live| live.stored = true);
        scene.count(&[early.clone()]);
        assert_eq!(scene.view().window.failed, 0);
        scene.slot.live(|live| live.watch.breaker.since = NOON.minus(Duration::from_secs(2)));
        scene.count(&[early]);
        assert_eq!(scene.view().window.failed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_target_does_not_take_all_permits_and_all_targets_take_no_more_than_there_are() {
        let scene = scene();
        let too_many = |limit| Err(NotLent::TooMany { limit, retry_after: PERMITS_PAUSE });
        for _ in 0..PERMITS_OF_TARGET_MAX {
            scene.lend().unwrap();
        }
        assert_eq!(scene.lend(), too_many(PERMITS_OF_TARGET_MAX));
        let of_others = PERMITS_MAX / PERMITS_OF_TARGET_MAX;
        for id in 2..=of_others as u64 {
            let other = scene_of(StatusId(id)).slot;
            for _ in 0..PERMITS_OF_TARGET_MAX {
                scene.callers.lend(&other).unwrap();
            }
        }
        let one_more = scene_of(StatusId(1_000)).slot;
        assert_eq!(scene.callers.lend(&one_more), too_many(PERMITS_MAX));
        tokio::time::sleep(PERMIT_TIME + Duration::from_millis(2)).await;
        assert!(scene.callers.lend(&one_more).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_error_codes_of_a_batch_are_kept_and_scrubbed() {
        let scene = scene();
        let codes = ["A", "B", "B", "C", "D", "E", "card 4111111111111111"];
        let reports: Vec<_> = (0_u64..)
            .zip(codes)
            .map(|(second, code)| {
                let mut report = Report { error_code: Some(code), ..scene.report(Outcome::Failure, 5, None) };
                report.call.ended_at = NOON.plus(Duration::from_secs(second));
                report
            })
            .collect();
        scene.count(&reports);
        let kept = scene.slot.traffic.last_errors();
        let kept: Vec<_> = kept.iter().map(|error| (&*error.code, error.count)).collect();
        assert_eq!(kept, [("card 411111******1111", 1), ("E", 1), ("D", 1), ("C", 1), ("B", 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passive_target_has_nothing_to_lend_and_nothing_to_count() {
        let scene = scene();
        let passive = scene.slot.with(None, None);
        assert_eq!(scene.callers.lend(&passive), Err(NotLent::NotConfigured));
        let report = scene.report(Outcome::Success, 5, None);
        assert_eq!(scene.callers.count(&passive, &[report]), Err(NotLent::NotConfigured));
        assert_eq!(scene.slot.traffic.sample(), None);
    }
}
