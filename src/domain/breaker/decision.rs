//! The breaker itself: its state, and what calls and time do to it.
//!
//! A call is asked for with [`Breaker::acquire`] and ended with [`Breaker::done`] or [`Breaker::cancelled`]; the
//! [`Ticket`] between them says which state it was let through in, so that a late result cannot speak about a state it
//! does not know. The caller passes the time and, where an open time may be decided, the draw for its jitter.

use std::time::Duration;

use super::attempt::Attempt;
use super::call::{Outcome, Pass, Refusal, Rejected, Ticket};
use super::control::Hold;
use super::half_open::HalfOpen;
use super::in_flight::InFlight;
use super::policy::{Cause, Mode, Policy, State, Transition};
use super::ramp::Ramp;
use super::tally::{Lifetime, Refused};
use super::verdict;
use super::view::{Judged, ProbeOutcome};
use super::window::{Call, SlidingWindow};
use crate::domain::time::Moment;

/// How long a breaker must stay closed for its level to fall by one.
pub(super) const HEALTHY_TIME: Duration = Duration::from_secs(60);
/// Longer than this no count is trusted to a caller that counts by itself, so that its counters can be small.
const QUIET_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Closed { healthy_since: Moment, ramp: Option<Ramp> },
    Open { until: Moment },
    HalfOpen(HalfOpen),
}

/// One target's breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    pub(super) policy: Policy,
    pub(super) hold: Option<Hold>,
    pub(super) phase: Phase,
    pub(super) generation: u64,
    pub(super) epoch: u8,
    pub(super) level: u32,
    pub(super) window: SlidingWindow,
    pub(super) in_flight: InFlight,
    pub(super) failures_in_row: u32,
    /// What calls said when they last opened it; `None` if something else did.
    pub(super) judged: Option<Judged>,
    pub(super) last_call: Option<Moment>,
    pub(super) last_probe: Option<ProbeOutcome>,
    pub(super) lifetime: Lifetime,
    pub(super) refused: Refused,
    pub(super) latest: Moment,
}

impl Breaker {
    /// The end of what has no end that is known.
    pub const NO_END: Moment = Moment::from_nanos(u64::MAX);

    /// A closed breaker that has seen nothing.
    #[must_use]
    pub fn new(policy: Policy, now: Moment) -> Self {
        let mut breaker = Self {
            hold: None,
            phase: Phase::Closed { healthy_since: now, ramp: None },
            generation: 0,
            epoch: 0,
            level: 0,
            window: SlidingWindow::new(policy.window, now),
            in_flight: InFlight::new(policy.slow_call, now),
            failures_in_row: 0,
            judged: None,
            last_call: None,
            last_probe: None,
            lifetime: Lifetime::default(),
            refused: Refused::default(),
            latest: now,
            policy,
        };
        if breaker.mode() == Mode::ForcedOpen {
            breaker.phase = Phase::Open { until: now };
        }
        breaker
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Its mode: the operator's where one holds it, else the policy's.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.hold.map_or(self.policy.mode, |hold| hold.mode)
    }

    /// How often in a row it had to open.
    #[must_use]
    pub const fn level(&self) -> u32 {
        self.level
    }

    /// Grows with each change of state.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Another one whenever the calls in flight are counted anew. Wraps: within one generation only a changed
    /// [`Policy::slow_call`] moves it.
    #[must_use]
    pub const fn epoch(&self) -> u8 {
        self.epoch
    }

    /// What calls said when they opened it, before that made an end of the calls in flight; `None` in another state, and
    /// if something else opened it.
    #[must_use]
    pub const fn judged(&self) -> Option<Judged> {
        self.judged
    }

    /// What it decides by.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The latest moment it was told.
    #[must_use]
    pub const fn latest(&self) -> Moment {
        self.latest
    }

    /// Asks for a call. Call [`Breaker::judge`] before, so that slow calls in flight are seen first.
    ///
    /// # Errors
    /// [`Rejected`] while it is open, all trials are out, or it is another caller's turn in the ramp; never in a dry run.
    pub fn acquire(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        self.roll(now);
        self.call_seen(now);
        let pass = self.pass(now).map_err(|reason| self.refuse(reason, now))?;
        match pass {
            Pass::Counted => self.in_flight.began(now),
            Pass::Trial => self.trials_changed(|trying| trying.granted += 1),
            Pass::Uncounted => {}
        }
        let (generation, epoch) = (self.generation, self.epoch);
        Ok(Ticket { generation, epoch, at: now, pass, attempt: Attempt::Whole, slow_after: None })
    }

    fn pass(&mut self, now: Moment) -> Result<Pass, Refusal> {
        let mode = self.mode();
        let turn_in_ramp = self.turn_in_ramp(now);
        match (self.phase, mode) {
            (_, Mode::Disabled) => Ok(Pass::Uncounted),
            (Phase::Closed { .. }, Mode::Enforce) if !turn_in_ramp => Err(Refusal::Ramping),
            (Phase::Closed { .. }, Mode::DryRun) if !turn_in_ramp => Ok(Pass::Uncounted),
            (Phase::Closed { .. }, _) => Ok(Pass::Counted),
            (Phase::HalfOpen(trying), _) if trying.granted < self.policy.trials.max(1) => Ok(Pass::Trial),
            (Phase::Open { .. } | Phase::HalfOpen(_), Mode::DryRun) => Ok(Pass::Uncounted),
            (Phase::Open { .. }, Mode::ForcedOpen) => Err(Refusal::ForcedOpen),
            (Phase::Open { .. }, Mode::Enforce | Mode::ForcedClosed) => Err(Refusal::Open),
            (Phase::HalfOpen(_), Mode::Enforce | Mode::ForcedOpen | Mode::ForcedClosed) => Err(Refusal::TrialsTaken),
        }
    }

    /// One caller more, or `false` if it is another one's turn. Always true where there is no ramp.
    fn turn_in_ramp(&mut self, now: Moment) -> bool {
        match (&mut self.phase, self.policy.ramp) {
            (Phase::Closed { ramp: Some(ramp), .. }, Some(length)) => ramp.admits(length, now),
            (Phase::Closed { .. } | Phase::Open { .. } | Phase::HalfOpen(_), _) => true,
        }
    }

    /// Counts a caller that is refused for `reason`, and says what it is told.
    pub fn refuse(&mut self, reason: Refusal, now: Moment) -> Rejected {
        self.call_seen(now);
        self.refused.count(reason);
        Rejected { reason, retry_after: reason.retry_after(self.refuses_until(), now) }
    }

    /// When what refuses callers ends by itself, at the latest.
    #[must_use]
    pub fn refuses_until(&self) -> Moment {
        match (self.phase, self.mode()) {
            (_, Mode::ForcedOpen) => self.hold.and_then(|hold| hold.until).unwrap_or(Self::NO_END),
            (Phase::Open { until }, _) => until,
            (Phase::HalfOpen(trying), _) => trying.due(&self.policy),
            (Phase::Closed { ramp, .. }, _) => {
                ramp.zip(self.policy.ramp).map_or(self.latest, |(ramp, length)| ramp.end(length))
            }
        }
    }

    /// A call has ended. `draw` in -1..=1 moves the open time if this opens it.
    pub fn done(&mut self, ticket: &Ticket, outcome: Outcome, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        self.lifetime.ended(outcome);
        if ticket.generation != self.generation {
            return None;
        }
        let slow = ticket.is_slow(self.policy.slow_call, now);
        match ticket.pass {
            Pass::Uncounted => None,
            Pass::Trial => self.trial_done(outcome, slow, draw, now),
            Pass::Counted => {
                self.ended(ticket);
                self.count(outcome, slow);
                self.judge(draw, now)
            }
        }
    }

    /// A call was given up by its caller: nothing is counted, a trial can be handed out again.
    pub fn cancelled(&mut self, ticket: &Ticket) {
        self.lifetime.cancelled += 1;
        if ticket.generation != self.generation {
            return;
        }
        match ticket.pass {
            Pass::Uncounted => {}
            Pass::Trial => self.trials_changed(|trying| trying.granted = trying.granted.saturating_sub(1)),
            Pass::Counted => self.ended(ticket),
        }
    }

    /// A caller came at `at`, whether it was let through or not: while real calls come, probes are no trials.
    pub fn call_seen(&mut self, at: Moment) {
        self.last_call = self.last_call.max(Some(at));
    }

    /// Takes in what was counted in cell `cell` of a ring of [`Buckets`](super::Buckets) since the last call that was
    /// told here: good calls, and by how many the calls in flight changed. Allowed until [`Breaker::quiet_until`].
    pub fn absorb(&mut self, cell: usize, in_flight: i32, good_calls: u64) {
        self.in_flight.add(cell, in_flight);
        self.lifetime.success += good_calls;
        if good_calls > 0 {
            self.window.succeeded(good_calls);
            self.failures_in_row = 0;
        }
        if good_calls > 0 || in_flight > 0 {
            self.call_seen(self.latest);
        }
    }

    /// Good calls of a state that is over.
    pub const fn late_good_calls(&mut self, count: u64) {
        self.lifetime.success += count;
    }

    /// Takes in what was counted elsewhere since the last time, of calls that no window counts and of refused callers.
    pub const fn absorb_uncounted(&mut self, ended: Lifetime, refused: Refused) {
        self.lifetime.add(ended);
        self.refused.add(refused);
    }

    /// Until when calls may begin, and good ones end, without being told here at once, because they cannot change what
    /// is decided. The zero moment if they may not.
    #[must_use]
    pub fn quiet_until(&self) -> Moment {
        let harmless = self.reason_to_open().is_none()
            && verdict::good_calls_are_harmless(&self.policy, self.window.totals(), self.in_flight.slow());
        let counts = matches!(self.phase, Phase::Closed { ramp: None, .. }) && self.mode() != Mode::Disabled;
        if !(harmless && counts) {
            return Moment::default();
        }
        let unchanged = self.window.unchanged_until().min(self.in_flight.unchanged_until());
        unchanged.min(self.latest.plus(QUIET_MAX))
    }

    /// Opens it if what was counted is reason enough.
    pub fn judge(&mut self, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        if self.state() != State::Closed || !self.may_open() {
            return None;
        }
        let cause = self.reason_to_open()?;
        let judged = verdict::all_of(self.window.totals(), self.in_flight.slow());
        Some(self.open(cause, judged, draw, now))
    }

    /// What time alone changes: an open time that is over, a half-open state that lasts too long or goes on, a level that falls,
    /// an operator's hold that ends, calls in flight that have become slow. At most one change; ask
    /// [`Breaker::wake_at`] for the next.
    pub fn tick(&mut self, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        if self.hold.is_some_and(|hold| hold.until.is_some_and(|until| until <= now)) {
            return self.set_hold(None, draw, now);
        }
        match self.phase {
            Phase::Open { until } if until <= now && self.mode() != Mode::ForcedOpen => {
                Some(self.half_open(Cause::OpenTimeOver, now))
            }
            Phase::HalfOpen(trying) if trying.due(&self.policy) <= now => self.half_open_due(draw, now),
            Phase::Closed { .. } => {
                self.forgive(now);
                self.judge(draw, now)
            }
            Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    /// When [`Breaker::tick`] next has something to do.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        let by_phase = match self.phase {
            Phase::Open { until } => (self.mode() != Mode::ForcedOpen).then_some(until),
            Phase::HalfOpen(trying) => Some(trying.due(&self.policy)),
            Phase::Closed { healthy_since, .. } => {
                let forgiven_at = (self.level > 0).then(|| healthy_since.plus(HEALTHY_TIME));
                earlier(forgiven_at, self.slow_call_due_at())
            }
        };
        earlier(by_phase, self.hold.and_then(|hold| hold.until))
    }

    /// When a call in flight can next become a slow one, where that can open it.
    #[must_use]
    pub fn slow_call_due_at(&self) -> Option<Moment> {
        if self.slow_calls_matter() { self.in_flight.next_slow_at() } else { None }
    }

    /// Whether a call that hangs can open it.
    #[must_use]
    pub fn slow_calls_matter(&self) -> bool {
        self.may_open() && self.policy.judges_latency() && self.state() == State::Closed
    }

    fn reason_to_open(&self) -> Option<Cause> {
        verdict::of(&self.policy, self.window.totals(), self.in_flight.slow(), self.failures_in_row)
    }

    pub(super) fn may_open(&self) -> bool {
        match self.mode() {
            Mode::Enforce | Mode::DryRun => true,
            Mode::Disabled | Mode::ForcedOpen | Mode::ForcedClosed => false,
        }
    }

    pub(super) fn roll(&mut self, now: Moment) {
        self.latest = self.latest.max(now);
        self.window.roll(now);
        self.in_flight.roll(now);
        if self.ramp_share(now).is_none()
            && let Phase::Closed { ramp, .. } = &mut self.phase
        {
            *ramp = None;
        }
    }

    pub(super) fn ramp_share(&self, now: Moment) -> Option<f64> {
        match self.phase {
            Phase::Closed { ramp, .. } => ramp?.share(self.policy.ramp?, now),
            Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    pub(super) fn count(&mut self, outcome: Outcome, slow: bool) {
        if outcome == Outcome::Ignored {
            self.window.ignored();
            return;
        }
        let failed = outcome.is_failure();
        self.window.record(Call { failed, slow });
        self.failures_in_row = if failed { self.failures_in_row.saturating_add(1) } else { 0 };
    }

    /// `judged` is what calls said, where they are why it opens.
    pub(super) fn open(&mut self, cause: Cause, judged: Option<Judged>, draw: f64, now: Moment) -> Transition {
        self.forgive(now);
        let open_for = self.policy.open_time_at(self.level, draw);
        self.level = self.policy.level_after(self.level);
        let opened = self.enter(Phase::Open { until: now.plus(open_for) }, cause, Some(open_for));
        self.judged = judged;
        opened
    }

    pub(super) fn close(&mut self, cause: Cause, now: Moment) -> Transition {
        self.window.clear();
        // An operator who closes it wants every call to pass.
        let ramp = (cause == Cause::TrialsPassed && self.policy.ramp.is_some()).then(|| Ramp::new(now));
        self.enter(Phase::Closed { healthy_since: now, ramp }, cause, None)
    }

    pub(super) fn enter(&mut self, phase: Phase, cause: Cause, open_for: Option<Duration>) -> Transition {
        let from = self.state();
        self.phase = phase;
        self.generation += 1;
        self.epoch = self.epoch.wrapping_add(1);
        self.in_flight.clear();
        self.failures_in_row = 0;
        self.judged = None;
        Transition { from, to: self.state(), cause, level: self.level, open_for }
    }

    /// One level less for each healthy minute.
    fn forgive(&mut self, now: Moment) {
        let Phase::Closed { healthy_since, .. } = &mut self.phase else { return };
        while self.level > 0 && healthy_since.plus(HEALTHY_TIME) <= now {
            *healthy_since = healthy_since.plus(HEALTHY_TIME);
            self.level -= 1;
        }
        if self.level == 0 {
            *healthy_since = now.max(*healthy_since);
        }
    }
}

fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
