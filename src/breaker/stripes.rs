//! Counters that callers change without a lock and mostly without meeting each other.
//!
//! A closed breaker with nothing to decide is told of its calls in bulk: each thread counts starts and good ends in a
//! stripe of its own, one atomic step each, and who holds the lock takes them over. A cell holds three numbers: the
//! epoch, good calls, and by how many the calls in flight changed. The epoch is compared in the same step, so that what is
//! late by a change of state is never counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::breaker::CELLS;

/// So many threads count without meeting: 512 bytes a breaker. More callers than this still count right.
const STRIPES: usize = 4;

const GOOD_SHIFT: u32 = 28;
const EPOCH_SHIFT: u32 = 56;
const FIELD: u64 = (1 << 28) - 1;
/// The calls in flight are kept around the middle of their field, because one thread may end what another began.
/// Taken over at least once a second (`quiet_until`), a field has room for 134 million calls a second and stripe.
const MIDDLE: u64 = 1 << 27;

/// One call more in flight.
pub(super) const BEGAN: u64 = 1;
/// One call less in flight.
pub(super) const LEFT: u64 = BEGAN.wrapping_neg();
/// A good call that was not in flight any more.
pub(super) const GOOD: u64 = 1 << GOOD_SHIFT;
/// One call less in flight, and it was good.
pub(super) const ENDED_WELL: u64 = GOOD.wrapping_add(LEFT);

#[derive(Debug)]
#[repr(align(128))]
struct Stripe([AtomicU64; CELLS]);

/// What was counted in one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) cell: usize,
    pub(super) in_flight: i32,
    pub(super) good_calls: u64,
}

#[derive(Debug)]
pub(super) struct Stripes([Stripe; STRIPES]);

impl Stripes {
    pub(super) fn new(epoch: u8) -> Self {
        Self(std::array::from_fn(|_| Stripe(std::array::from_fn(|_| AtomicU64::new(empty(epoch))))))
    }

    /// Adds to this thread's stripe; `false`, and nothing added, if the cells are of another epoch. Compared and swapped
    /// rather than added and taken back: between the two somebody might already have believed it.
    #[inline]
    pub(super) fn add(&self, cell: usize, change: u64, epoch: u8) -> bool {
        let place = &self.0[own_stripe()].0[cell % CELLS];
        let mut before = place.load(Ordering::Relaxed);
        while before >> EPOCH_SHIFT == u64::from(epoch) {
            let after = before.wrapping_add(change);
            match place.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => before = seen,
            }
        }
        false
    }

    /// Takes over what was counted, and leaves empty cells of `epoch`.
    pub(super) fn take(&self, epoch: u8, mut taken: impl FnMut(Counted)) {
        for stripe in &self.0 {
            for (cell, place) in stripe.0.iter().enumerate() {
                if place.load(Ordering::Relaxed) != empty(epoch) {
                    taken(Counted::of(cell, place.swap(empty(epoch), Ordering::Relaxed)));
                }
            }
        }
    }
}

impl Counted {
    fn of(cell: usize, bits: u64) -> Self {
        let in_flight = (bits & FIELD) as i32 - MIDDLE as i32;
        Self { cell, in_flight, good_calls: (bits >> GOOD_SHIFT) & FIELD }
    }
}

const fn empty(epoch: u8) -> u64 {
    (epoch as u64) << EPOCH_SHIFT | MIDDLE
}

/// A thread's stripe by where its own memory lies: no registry, no number to hand out. Threads' stacks are at least a
/// page apart; the multiplication (2^64 / golden ratio) spreads the rest.
#[inline]
fn own_stripe() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    let page = PLACE.with(|place| std::ptr::from_ref(place).addr()) >> 12;
    ((page as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62) as usize % STRIPES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stripes: &Stripes, epoch: u8) -> Vec<Counted> {
        let mut counted = Vec::new();
        stripes.take(epoch, |one| counted.push(one));
        counted
    }

    #[test]
    fn what_was_added_is_taken_once() {
        let stripes = Stripes::new(7);
        assert!(stripes.add(3, BEGAN, 7));
        assert!(stripes.add(3, BEGAN, 7));
        assert!(stripes.add(3, ENDED_WELL, 7));
        assert_eq!(all(&stripes, 7), [Counted { cell: 3, in_flight: 1, good_calls: 1 }]);
        assert_eq!(all(&stripes, 7), []);
    }

    #[test]
    fn more_ends_than_starts_are_a_negative_change_and_no_other_number_suffers() {
        let stripes = Stripes::new(255);
        for _ in 0..1_000 {
            assert!(stripes.add(15, ENDED_WELL, 255));
        }
        assert_eq!(all(&stripes, 255), [Counted { cell: 15, in_flight: -1_000, good_calls: 1_000 }]);
    }

    #[test]
    fn an_addition_for_another_epoch_is_refused_and_leaves_nothing() {
        let stripes = Stripes::new(1);
        assert!(!stripes.add(0, BEGAN, 2));
        assert!(!stripes.add(0, ENDED_WELL, 0));
        assert_eq!(all(&stripes, 1), []);
    }
}
