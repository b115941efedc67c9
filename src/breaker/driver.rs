//! The half of a breaker that belongs to its target's actor: time, probes, operators, and what is committed.
//!
//! Each method that can change the state returns everything that was decided and not taken yet, oldest first, also what
//! calls decided meanwhile. The actor commits it, then calls [`Driver::publish`]; only that lets a gate admit more. An
//! operator's act, and the end of its hold in a tick, can let calls pass without a change of state: publish
//! [`Driver::generation`] after those too, once the act is committed.

use std::sync::Arc;

use super::engine::Engine;
use super::gate::Gate;
use super::shared::{Core, Decided, Shared};
use crate::domain::breaker::{Breaker, Cause, Hold, Policy, Restored, Transition, View};
use crate::domain::time::Moment;

/// Makes a breaker: as `restored` says, or closed.
///
/// `seed` is where the jitter of open times begins. `hint` is called outside of any lock when a call decided something
/// for [`Driver::take_pending`] or when [`Driver::wake_at`] must be asked again; it may be lost. If the policy's mode no
/// longer fits the restored state, a transition is pending at once.
pub fn new(
    policy: Policy,
    restored: Option<Restored>,
    now: Moment,
    seed: u64,
    hint: Box<dyn Fn() + Send + Sync>,
) -> (Driver, Gate) {
    let (breaker, transition) = match restored {
        Some(restored) => Breaker::restore(policy, restored, super::shared::Draws::new(!seed).next(), now),
        None => (Breaker::new(policy, now), None),
    };
    let engine = Engine::new();
    engine.execute(breaker.state(), breaker.open_remaining(now));
    let shared = Arc::new(Shared::new(breaker, transition, seed, hint));
    let gate = Gate::new(Arc::clone(&shared));
    (Driver { shared, engine }, gate)
}

/// Drives one breaker; there is one.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    engine: Engine,
}

impl Driver {
    /// Goes on counting what ended and who was refused where `before`, the breaker whose place this one takes, stopped. A
    /// call that ends later under a permit of that one is counted by nobody.
    pub fn go_on_counting(&mut self, before: &View) {
        self.shared.drive(|core| core.breaker.absorb_uncounted(before.lifetime, before.refused));
    }

    /// Another handle for callers.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate::new(Arc::clone(&self.shared))
    }

    /// What was decided and not taken yet, oldest first.
    #[must_use = "what was taken is not returned again"]
    pub fn take_pending(&mut self) -> Vec<Decided> {
        self.shared.drive(Core::take_pending)
    }

    /// What was decided and not taken yet, and the generation to publish once that and all before it are committed.
    #[must_use = "what was taken is not returned again"]
    pub fn take(&mut self) -> (Vec<Decided>, u64) {
        self.shared.drive(|core| (core.take_pending(), core.generation()))
    }

    /// The generation of everything decided so far: publish it when all of that is committed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.drive(|core| core.generation())
    }

    /// Everything up to `generation` is on disk: failsafe executes it, and the gate may admit as far as it did. Nothing
    /// happens if more was decided meanwhile; publish that when it is committed.
    pub fn publish(&mut self, generation: u64) {
        let engine = &self.engine;
        self.shared.drive(|core| {
            if generation >= core.generation() {
                let breaker = &core.breaker;
                let executed = engine.execute(breaker.state(), breaker.open_remaining(breaker.latest()));
                core.published(generation, executed);
            }
        });
    }

    /// What time alone changes. Due at [`Driver::wake_at`].
    #[must_use = "what was decided must be committed and published"]
    pub fn tick(&mut self, now: Moment) -> Vec<Decided> {
        self.change(|breaker, draw| breaker.tick(draw, now))
    }

    /// When to call [`Driver::tick`] next. Ask again after every other method, and when hinted.
    #[must_use]
    pub fn wake_at(&mut self) -> Option<Moment> {
        self.shared.drive(|core| {
            core.watched = core.breaker.slow_call_due_at().is_some();
            core.breaker.wake_at()
        })
    }

    /// The target FAILED, by its probe or by a report.
    #[must_use = "what was decided must be committed and published"]
    pub fn target_failed(&mut self, cause: Cause, now: Moment) -> Vec<Decided> {
        self.change(|breaker, draw| breaker.target_failed(cause, draw, now))
    }

    /// As many probes in a row have passed as make the target CONNECTED.
    #[must_use = "what was decided must be committed and published"]
    pub fn probe_passed_threshold(&mut self, now: Moment) -> Vec<Decided> {
        self.change(|breaker, _| breaker.probe_passed_threshold(now))
    }

    /// A probe has ended at `now`. To be told of every probe, with the same `now` as
    /// [`Driver::probe_passed_threshold`] where it was that one.
    #[must_use = "what was decided must be committed and published"]
    pub fn probe_observed(&mut self, ok: bool, now: Moment) -> Vec<Decided> {
        self.change(|breaker, draw| breaker.probe_observed(ok, draw, now))
    }

    /// An operator takes hold, or with `None` lets go (`auto`).
    #[must_use = "what was decided must be committed and published"]
    pub fn set_mode(&mut self, hold: Option<Hold>, now: Moment) -> Vec<Decided> {
        self.change(|breaker, draw| breaker.set_hold(hold, draw, now))
    }

    /// Empties the window, forgets the level and closes, unless it is forced open.
    #[must_use = "what was decided must be committed and published"]
    pub fn reset(&mut self, now: Moment) -> Vec<Decided> {
        self.change(|breaker, _| breaker.reset(now))
    }

    /// Decides by `policy` from now on; what was counted stays.
    #[must_use = "what was decided must be committed and published"]
    pub fn set_policy(&mut self, policy: Policy, now: Moment) -> Vec<Decided> {
        self.change(|breaker, draw| breaker.set_policy(policy, draw, now))
    }

    /// The breaker at `now`, as it was decided: what is not published yet is in it.
    #[must_use]
    pub fn view(&self, now: Moment) -> View {
        self.shared.drive(|core| core.breaker.view(now))
    }

    fn change(&mut self, change: impl FnOnce(&mut Breaker, f64) -> Option<Transition>) -> Vec<Decided> {
        self.shared.drive(|core| {
            let mode_before = core.breaker.mode();
            let draw = core.draw();
            match change(&mut core.breaker, draw) {
                Some(transition) => core.decided(transition),
                None if core.breaker.mode() != mode_before => core.changed(),
                None => {}
            }
            core.take_pending()
        })
    }
}
