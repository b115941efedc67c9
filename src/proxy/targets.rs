//! A route's target as it is at this moment: its gate, and what is around it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::actors::board::{Board, Slot};
use crate::breaker::Gate;
use crate::clock::Clock;
use crate::domain::guard::Policy;
use crate::guard::Around;

/// One target, for all routes that lead to it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: Arc<str>,
    seen: ArcSwapOption<Guarded>,
    /// Looking it up anew makes what is around a gate, of which there must be one.
    looking: Mutex<()>,
}

/// What stands between a call and the target.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) gate: Gate,
    pub(super) around: Around,
    slot: Arc<Slot>,
    board_version: u64,
}

impl Target {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, seen: ArcSwapOption::empty(), looking: Mutex::default() }
    }

    /// `None` while this node does not guard it.
    pub(super) fn guarded(&self, board: &Board, clock: Clock) -> Option<Arc<Guarded>> {
        // Read first: a slot that is put meanwhile is then looked for once too often, not once too seldom.
        let version = board.version();
        if let Some(seen) = self.seen.load_full()
            && seen.board_version == version
        {
            return Some(seen);
        }
        self.look(board, version, clock)
    }

    #[cold]
    fn look(&self, board: &Board, board_version: u64, clock: Clock) -> Option<Arc<Guarded>> {
        let _one_at_a_time = self.looking.lock();
        let slot = board.named(&self.name)?;
        let (gate, spec) = (slot.gate.clone()?, slot.spec.as_ref()?);
        let policy = &spec.guard;
        let around = match self.seen.load_full() {
            Some(before) if Arc::ptr_eq(&before.slot.traffic, &slot.traffic) => same_or_with(&before.around, policy),
            Some(_) | None => Around::new(policy, slot.traffic.clone(), clock),
        };
        let seen = Arc::new(Guarded { gate, around, slot, board_version });
        self.seen.store(Some(seen.clone()));
        Some(seen)
    }
}

fn same_or_with(around: &Around, policy: &Policy) -> Around {
    if around.policy() == policy { around.clone() } else { around.with_policy(policy) }
}
