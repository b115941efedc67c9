//! What the gates and the driver of one breaker share: the word that callers read, and the decision behind its lock.
//!
//! Everything that callers read without a lock is written by who holds the lock, so a plain store is the
//! compare-and-swap. The word says what a caller gets and for which generation and epoch; [`Core`] says how far the
//! word may go: a refusal at once, an admission only once the driver has published it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::aside::Aside;
use super::stripes::Stripes;
use crate::domain::breaker::{
    Attempt, Breaker, Buckets, Judged, Mode, Pass, Refusal, Rejected, State, Ticket, Transition,
};
use crate::domain::time::Moment;

/// A change of state that was decided and waits to be committed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decided {
    /// To be published when it is committed.
    pub generation: u64,
    /// When it was decided.
    pub at: Moment,
    /// What changed.
    pub transition: Transition,
    /// What calls said, if they opened it.
    pub judged: Option<Judged>,
}

/// What the word tells a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Closed: pass, and be counted.
    Counted,
    /// Pass, nothing is counted.
    Uncounted,
    /// Half-open with trials left: ask behind the lock.
    Ask,
    /// Refused.
    Refused(Refusal),
}

/// What a caller reads first. Lowest three bits the admission, eight of the epoch, the rest the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    fn new(admission: Admission, generation: u64, epoch: u8) -> Self {
        let bits = match admission {
            Admission::Counted => 0,
            Admission::Uncounted => 1,
            Admission::Ask => 2,
            Admission::Refused(Refusal::Open) => 3,
            Admission::Refused(Refusal::ForcedOpen) => 4,
            Admission::Refused(Refusal::TrialsTaken) => 5,
            Admission::Refused(Refusal::Ramping) => 6,
        };
        Self(generation << 11 | u64::from(epoch) << 3 | bits)
    }

    #[inline]
    pub(super) fn admission(self) -> Admission {
        match self.0 & 7 {
            0 => Admission::Counted,
            1 => Admission::Uncounted,
            2 => Admission::Ask,
            4 => Admission::Refused(Refusal::ForcedOpen),
            5 => Admission::Refused(Refusal::TrialsTaken),
            6 => Admission::Refused(Refusal::Ramping),
            _ => Admission::Refused(Refusal::Open),
        }
    }

    #[inline]
    pub(super) fn epoch(self) -> u8 {
        (self.0 >> 3) as u8
    }

    #[inline]
    pub(super) fn generation(self) -> u64 {
        self.0 >> 11
    }

    /// For a call that passes without the lock.
    #[inline]
    pub(super) fn ticket(self, pass: Pass, now: Moment) -> Ticket {
        let (generation, epoch) = (self.generation(), self.epoch());
        Ticket { generation, epoch, at: now, pass, attempt: Attempt::Whole, slow_after: None }
    }
}

/// How far calls may pass; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Shut,
    Trials,
    Wide,
}

impl Width {
    fn of(state: State, mode: Mode) -> Self {
        match (state, mode) {
            (State::Closed, _) | (_, Mode::DryRun | Mode::Disabled) => Self::Wide,
            (State::HalfOpen, Mode::Enforce | Mode::ForcedOpen | Mode::ForcedClosed) => Self::Trials,
            (State::Open, Mode::Enforce | Mode::ForcedOpen | Mode::ForcedClosed) => Self::Shut,
        }
    }
}

/// In this order and aligned, so that what every call reads lies apart from what is written while closed.
#[repr(C, align(128))]
pub(super) struct Shared {
    word: AtomicU64,
    quiet_until: AtomicU64,
    slow_call: AtomicU64,
    buckets: AtomicU64,
    refuses_until: AtomicU64,
    pub(super) stripes: Stripes,
    last_uncounted: AtomicU64,
    pub(super) aside: Aside,
    core: Mutex<Core>,
    hint: Box<dyn Fn() + Send + Sync>,
    /// How often the lock was taken, so that a test can say who does not take it.
    #[cfg(test)]
    pub(super) locked: AtomicU64,
}

/// The decision, and how much of it is published.
pub(super) struct Core {
    pub(super) breaker: Breaker,
    pending: VecDeque<Decided>,
    generation: u64,
    width: Width,
    /// The epoch of the stripes' cells.
    epoch: u8,
    draws: Draws,
    /// The driver has a timer for calls in flight that become slow, or was just told to set one.
    pub(super) watched: bool,
}

impl Shared {
    pub(super) fn new(
        breaker: Breaker,
        transition: Option<Transition>,
        seed: u64,
        hint: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let mut core = Core {
            width: Width::of(breaker.state(), breaker.mode()),
            pending: VecDeque::new(),
            generation: 0,
            epoch: breaker.epoch(),
            draws: Draws::new(seed),
            watched: false,
            breaker,
        };
        if let Some(transition) = transition {
            core.decided(transition);
        }
        let shared = Self {
            word: AtomicU64::new(0),
            quiet_until: AtomicU64::new(0),
            slow_call: AtomicU64::new(0),
            buckets: AtomicU64::new(0),
            refuses_until: AtomicU64::new(0),
            stripes: Stripes::new(core.epoch),
            last_uncounted: AtomicU64::new(0),
            aside: Aside::default(),
            core: Mutex::new(core),
            hint,
            #[cfg(test)]
            locked: AtomicU64::new(0),
        };
        shared.show(&mut shared.core.lock());
        shared
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Before this moment good calls may be counted in the stripes alone.
    #[inline]
    pub(super) fn is_quiet(&self, now: Moment) -> bool {
        now.as_nanos() < self.quiet_until.load(Ordering::Relaxed)
    }

    /// Whether the attempt that is under way is slow if it ends at `now`.
    #[inline]
    pub(super) fn is_slow(&self, ticket: &Ticket, now: Moment) -> bool {
        match ticket.slow_after {
            None => now.as_nanos().saturating_sub(ticket.at.as_nanos()) >= self.slow_call.load(Ordering::Relaxed),
            Some(limit) => now.since(ticket.at) >= limit,
        }
    }

    #[inline]
    pub(super) fn cell(&self, now: Moment) -> usize {
        self.buckets().cell(now)
    }

    pub(super) fn in_one_bucket(&self, one: Moment, other: Moment) -> bool {
        self.buckets().are_one(one, other)
    }

    #[inline]
    fn buckets(&self) -> Buckets {
        Buckets::from_bits(self.buckets.load(Ordering::Relaxed))
    }

    /// A refusal without the lock.
    pub(super) fn rejected(&self, reason: Refusal, now: Moment) -> Rejected {
        let end = Moment::from_nanos(self.refuses_until.load(Ordering::Relaxed));
        Rejected { reason, retry_after: reason.retry_after(end, now) }
    }

    /// A call that no window counts; it still shows that the target is called.
    pub(super) fn uncounted_call(&self, now: Moment) {
        self.last_uncounted.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Decides behind the lock: takes in what the stripes hold, lets `decide` work, shows callers the outcome, and hints
    /// at the driver if there is something for it to commit or to wait for.
    pub(super) fn decide<R>(&self, decide: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.lock();
        let pending_before = core.pending.len();
        let result = decide(&mut core);
        let begins_to_watch = !core.watched && core.breaker.slow_call_due_at().is_some();
        core.watched |= begins_to_watch;
        self.show(&mut core);
        let hint = core.pending.len() > pending_before || begins_to_watch;
        drop(core);
        if hint {
            (self.hint)();
        }
        result
    }

    /// As [`Shared::decide`] for the driver itself, which needs no hint.
    pub(super) fn drive<R>(&self, decide: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.lock();
        let result = decide(&mut core);
        self.show(&mut core);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        #[cfg(test)]
        self.locked.fetch_add(1, Ordering::Relaxed);
        let mut core = self.core.lock();
        let Core { breaker, epoch, .. } = &mut *core;
        self.stripes.take(*epoch, |counted| {
            breaker.absorb(counted.cell, counted.in_flight, counted.good_calls);
        });
        let last_uncounted = self.last_uncounted.load(Ordering::Relaxed);
        if last_uncounted > 0 {
            breaker.call_seen(Moment::from_nanos(last_uncounted));
        }
        let (ended, refused) = self.aside.take();
        breaker.absorb_uncounted(ended, refused);
        core
    }

    /// Writes what callers read. The word goes first: from then on nobody new relies on the old epoch, and who did is
    /// told by its cell.
    fn show(&self, core: &mut Core) {
        let breaker = &core.breaker;
        let admission = core.admission();
        self.refuses_until.store(core.refuses_until().as_nanos(), Ordering::Relaxed);
        let slow_call = u64::try_from(breaker.policy().slow_call.as_nanos()).unwrap_or(u64::MAX);
        self.slow_call.store(slow_call, Ordering::Relaxed);
        self.buckets.store(breaker.buckets().to_bits(), Ordering::Relaxed);
        self.quiet_until.store(core.quiet_until().as_nanos(), Ordering::Relaxed);
        self.word.store(Word::new(admission, breaker.generation(), breaker.epoch()).0, Ordering::Release);
        if core.epoch != breaker.epoch() {
            core.epoch = breaker.epoch();
            // No state's window is told of them any more; that they ended well is true all the same.
            self.stripes.take(core.epoch, |counted| core.breaker.late_good_calls(counted.good_calls));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("word", &self.word()).finish_non_exhaustive()
    }
}

impl Core {
    /// Opens if there is reason to, then lets one caller in or not.
    pub(super) fn acquire(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        let draw = self.draw();
        if let Some(transition) = self.breaker.judge(draw, now) {
            self.decided(transition);
        }
        if let Admission::Refused(reason) = self.admission() {
            let told = self.breaker.refuse(reason, now);
            return Err(Rejected { retry_after: reason.retry_after(self.refuses_until(), now), ..told });
        }
        self.breaker.acquire(now)
    }

    /// A number in -1..=1 for the jitter of an open time.
    pub(super) fn draw(&mut self) -> f64 {
        self.draws.next()
    }

    /// Queues what was decided. The queue is short by construction: after an opening nothing but the driver moves it.
    pub(super) fn decided(&mut self, transition: Transition) {
        self.changed();
        let at = self.breaker.latest();
        self.pending.push_back(Decided { generation: self.generation, at, transition, judged: self.breaker.judged() });
    }

    /// What callers get may have changed: no wider than before until it is published.
    pub(super) fn changed(&mut self) {
        self.generation += 1;
        self.width = self.width.min(Width::of(self.breaker.state(), self.breaker.mode()));
    }

    /// Everything up to `generation` is committed, and `executed` is carried out.
    pub(super) fn published(&mut self, generation: u64, executed: State) {
        if generation >= self.generation {
            self.width = Width::of(executed, self.breaker.mode());
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn take_pending(&mut self) -> Vec<Decided> {
        self.pending.drain(..).collect()
    }

    /// While nobody watches the calls in flight, the next one must come by the lock, so that the driver is told.
    fn quiet_until(&self) -> Moment {
        let unseen = !self.watched && self.breaker.slow_calls_matter();
        if unseen { Moment::default() } else { self.breaker.quiet_until() }
    }

    /// Until its commit, what is decided already is due at any moment.
    fn refuses_until(&self) -> Moment {
        let waits = Width::of(self.breaker.state(), self.breaker.mode()) > self.width;
        if waits { Moment::default() } else { self.breaker.refuses_until() }
    }

    fn admission(&self) -> Admission {
        let (state, mode) = (self.breaker.state(), self.breaker.mode());
        if Width::of(state, mode) > self.width {
            return Admission::Refused(Refusal::Open);
        }
        match (state, mode) {
            (_, Mode::Disabled) => Admission::Uncounted,
            (State::Closed, _) => Admission::Counted,
            (State::HalfOpen, _) if self.breaker.has_trials_left() => Admission::Ask,
            (State::Open | State::HalfOpen, Mode::DryRun) => Admission::Uncounted,
            (State::HalfOpen, Mode::Enforce | Mode::ForcedOpen | Mode::ForcedClosed) => {
                Admission::Refused(Refusal::TrialsTaken)
            }
            (State::Open, Mode::ForcedOpen) => Admission::Refused(Refusal::ForcedOpen),
            (State::Open, Mode::Enforce | Mode::ForcedClosed) => Admission::Refused(Refusal::Open),
        }
    }
}

/// Draws for jitter: splitmix64 (Steele, Lea, Flood 2014), seeded by who makes the breaker.
#[derive(Debug)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        // 53 bits fill the mantissa: 0..=1, then moved to -1..=1.
        (bits >> 11) as f64 / ((1_u64 << 53) - 1) as f64 * 2.0 - 1.0
    }
}
