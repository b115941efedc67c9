//! Chance for the pauses between attempts: seeded, and drawn without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// 2^64 / golden ratio, by which splitmix64 (Steele, Lea, Flood 2014) steps.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Numbers in 0..=1, one after the other.
#[derive(Debug)]
pub(super) struct Draws(AtomicU64);

impl Draws {
    pub(super) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A seed from the machine's chance.
    pub(super) fn any_seed() -> u64 {
        StdRng::from_os_rng().random()
    }

    pub(super) fn next(&self) -> f64 {
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        // 53 bits fill the mantissa.
        (bits >> 11) as f64 / ((1_u64 << 53) - 1) as f64
    }
}
