//! A breaker of one's own with what belongs around it: [`Guard`], for programs that have no node.
//!
//! It owns the breaker's driver behind a small lock and needs no task: what time changes is done by the next call that
//! comes, and what a call decides by itself is carried out when it ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::around::{Around, Refused};
use super::builder::Builder;
use super::entered::Entered;
use super::operation::Operation;
use crate::breaker::{Decided, Driver, Gate};
use crate::clock::Clock;
use crate::domain::breaker::{self, Hold, Mode};
use crate::domain::guard::Policy;
use crate::domain::time::Moment;

/// Lets calls to one target through its breaker. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Guard {
    pub(super) inner: Arc<Inner>,
}

/// Who is told of the breaker's transitions.
pub(super) type Listener = Box<dyn Fn(&Decided) + Send + Sync>;

pub(super) struct Inner {
    pub(super) name: Box<str>,
    around: Around,
    gate: Gate,
    clock: Clock,
    driver: Mutex<Driver>,
    /// A call has decided something, or the time to wake at must be asked for anew.
    hinted: Arc<AtomicBool>,
    /// The [`Moment`] at which time alone changes something.
    wake_at: AtomicU64,
    forced_because: Mutex<Option<Arc<str>>>,
    listener: Option<Listener>,
}

/// A guard at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its breaker.
    pub breaker: breaker::View,
    /// Why an operator holds it, while one does.
    pub forced_because: Option<Arc<str>>,
}

impl Guard {
    /// Begins a guard for the target of this name.
    pub fn builder(name: &str) -> Builder {
        Builder::new(name)
    }

    /// Its target's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// By what it guards, besides its breaker.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.inner.around.policy()
    }

    /// Rate limit, bulkhead, breaker: what [`Guard::call`] does before its first attempt, for who makes the attempts himself.
    ///
    /// # Errors
    /// [`Refused`], with when to ask again.
    pub async fn enter(&self, operation: &Operation) -> Result<Entered, Refused> {
        let inner = &self.inner;
        inner.settle(inner.clock.moment());
        let mut entered = inner.around.enter_with(&inner.gate, operation.limits(self.policy())).await;
        if let (Ok(entered), Some(limit)) = (&mut entered, operation.slow_after()) {
            entered.slow_after(limit);
        }
        inner.settle_if_hinted();
        entered
    }

    /// How it is. Looking changes nothing but what time has changed already.
    #[must_use]
    pub fn view(&self) -> View {
        let now = self.inner.clock.moment();
        self.inner.settle(now);
        let breaker = self.inner.gate.view(now);
        let forced_because = breaker.hold.and_then(|_| self.inner.forced_because.lock().clone());
        View { breaker, forced_because }
    }

    /// Refuses every call, until [`Guard::let_go`] or for as long as said.
    pub fn force_open(&self, reason: &str, lasting: Option<Duration>) {
        self.hold(Mode::ForcedOpen, reason, lasting);
    }

    /// Refuses no call for its breaker's sake, until [`Guard::let_go`] or for as long as said.
    pub fn force_closed(&self, reason: &str, lasting: Option<Duration>) {
        self.hold(Mode::ForcedClosed, reason, lasting);
    }

    /// The breaker decides again. One that was forced open finds out by trials how the target is.
    pub fn let_go(&self) {
        self.inner.drive(|driver, now| driver.set_mode(None, now));
    }

    /// Empties the breaker's window, forgets how often it had to open, and closes it unless it is forced open.
    pub fn reset(&self) {
        self.inner.drive(|driver, now| driver.reset(now));
    }

    fn hold(&self, mode: Mode, reason: &str, lasting: Option<Duration>) {
        *self.inner.forced_because.lock() = Some(reason.into());
        self.inner.drive(|driver, now| {
            driver.set_mode(Some(Hold { mode, until: lasting.map(|lasting| now.plus(lasting)) }), now)
        });
    }

    pub(super) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// What a call decided is carried out with its end, so that who listens hears of it now.
    pub(super) fn ended(&self) {
        self.inner.settle_if_hinted();
    }
}

impl Inner {
    pub(super) fn new(
        name: Box<str>,
        policy: breaker::Policy,
        around: Around,
        clock: Clock,
        seed: u64,
        listener: Option<Listener>,
    ) -> Self {
        let hinted = Arc::new(AtomicBool::new(true));
        let hint = Arc::clone(&hinted);
        let hint = Box::new(move || hint.store(true, Ordering::Release));
        let (driver, gate) = crate::breaker::new(policy, None, clock.moment(), seed, hint);
        Self {
            name,
            around,
            gate,
            clock,
            driver: Mutex::new(driver),
            hinted,
            wake_at: AtomicU64::new(0),
            forced_because: Mutex::default(),
            listener,
        }
    }

    #[inline]
    fn settle(&self, now: Moment) {
        if now.as_nanos() >= self.wake_at.load(Ordering::Relaxed) {
            self.drive(Driver::tick);
        } else {
            self.settle_if_hinted();
        }
    }

    #[inline]
    fn settle_if_hinted(&self) {
        if self.hinted.load(Ordering::Acquire) {
            self.drive(Driver::tick);
        }
    }

    /// Lets the driver work, carries out what was decided at once, since there is no disk to wait for, and tells of it.
    fn drive(&self, work: impl FnOnce(&mut Driver, Moment) -> Vec<Decided>) {
        let now = self.clock.moment();
        let mut driver = self.driver.lock();
        // Before the work: what is decided after it hints anew.
        self.hinted.store(false, Ordering::Release);
        let mut decided = work(&mut driver, now);
        loop {
            let further = driver.tick(now);
            let is_settled = further.is_empty();
            decided.extend(further);
            if is_settled {
                break;
            }
        }
        let generation = driver.generation();
        driver.publish(generation);
        let wake_at = driver.wake_at().map_or(u64::MAX, Moment::as_nanos);
        self.wake_at.store(wake_at, Ordering::Relaxed);
        drop(driver);
        self.tell(&decided);
    }

    fn tell(&self, decided: &[Decided]) {
        for one in decided {
            let breaker::Transition { from, to, .. } = one.transition;
            tracing::info!(target = %self.name, from = from.as_str(), to = to.as_str(), cause = ?one.transition.cause, "the circuit breaker moved");
            if let Some(listener) = &self.listener {
                listener(one);
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("name", &self.name).finish_non_exhaustive()
    }
}
