//! Every choice of the simulation, from one seed: who chooses has dice of his own, so that the schedule of threads changes
//! nobody else's choices.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// One chooser's dice.
#[derive(Debug)]
pub(crate) struct Dice(SmallRng);

impl Dice {
    /// Those of this chooser in the run with this seed.
    pub(crate) fn of(seed: u64, chooser: &str) -> Self {
        // FNV-1a: the same on every machine and in every version, which the standard library's hashers do not promise.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = seed.to_le_bytes().into_iter().chain(chooser.bytes()).fold(0xcbf2_9ce4_8422_2325, mix);
        Self(SmallRng::seed_from_u64(hash))
    }

    /// 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit)
    }

    /// Whether something that happens so often in a hundred times happens.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A pause of less than this.
    pub(crate) fn millis(&mut self, limit: usize) -> Duration {
        Duration::from_millis(self.below(limit) as u64)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    /// One of these, each as often as its weight says.
    pub(crate) fn weighed<T: Copy>(&mut self, some: &[(usize, T)]) -> T {
        let mut left = self.below(some.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in some {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *one,
            }
        }
        some[0].1
    }
}
