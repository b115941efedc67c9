//! Chance, seeded.
//!
//! Each request's whole fate is drawn when it comes, from a generator of its own that is made from the seed and the
//! request's number. So the same seed and the same order of requests have the same results, however long anything
//! takes in between, and turning one rate does not shift what the others would have done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::knob::{CommitFailure, Outage, Span};
use super::settings::Settings;

/// Kinds of requests whose numbers are counted apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Payment,
    Gateway,
    Weather,
}

/// The simulator's only source of chance.
#[derive(Debug)]
pub(super) struct Dice {
    seed: u64,
    payments: AtomicU64,
    gateway: AtomicU64,
    weather: AtomicU64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, payments: AtomicU64::new(0), gateway: AtomicU64::new(0), weather: AtomicU64::new(0) }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// What becomes of the next payment request.
    pub(super) fn fortune(&self, settings: &Settings) -> Fortune {
        let mut rng = self.next(Stream::Payment);
        let latency = time_within(&mut rng, &settings.latency);
        let process = time_within(&mut rng, &settings.process);
        let hangs = settings.hang_rate.hits(roll(&mut rng));
        let resets = settings.reset_rate.hits(roll(&mut rng));
        let is_rejected = settings.reject_rate.hits(roll(&mut rng));
        let fails_after_commit = settings.fail_after_commit_rate.hits(roll(&mut rng));
        let way_of_failing = rng.random_range(0..3_u8);
        let result = roll(&mut rng);
        let callback_roll = roll(&mut rng);
        Fortune {
            latency,
            process,
            refusal: if hangs {
                Refusal::Hang
            } else if resets {
                Refusal::Reset
            } else if is_rejected {
                Refusal::Error
            } else {
                Refusal::None
            },
            fails_after_commit: fails_after_commit.then(|| concrete(settings.fail_after_commit_with, way_of_failing)),
            verdict: verdict(settings, result),
            callback_roll,
            keys: rng,
        }
    }

    /// What an outage does to the next request, and after how long.
    pub(super) fn strike(&self, stream: Stream, outage: &Outage) -> Strike {
        if *outage == Outage::None {
            return Strike::None;
        }
        let mut rng = self.next(stream);
        let roll = roll(&mut rng);
        let (rate, strike) = match outage {
            Outage::None => return Strike::None,
            Outage::Slow(span) => return Strike::Wait(time_within(&mut rng, span)),
            Outage::Errors(rate) => (rate, Strike::Error),
            Outage::Unavailable(rate) => (rate, Strike::Unavailable),
            Outage::RateLimited(rate) => (rate, Strike::RateLimited),
            Outage::Hang(rate) => (rate, Strike::Hang),
            Outage::Down(rate) => (rate, Strike::Reset),
            Outage::NoLocation(rate) => (rate, Strike::NoLocation),
        };
        if rate.hits(roll) { strike } else { Strike::None }
    }

    fn next(&self, stream: Stream) -> StdRng {
        let (counter, tag) = match stream {
            Stream::Payment => (&self.payments, 1_u64),
            Stream::Gateway => (&self.gateway, 2),
            Stream::Weather => (&self.weather, 3),
        };
        seeded(self.seed, tag, counter.fetch_add(1, Ordering::Relaxed))
    }
}

/// A generator for one purpose: `tag` says which, `number` tells its uses apart.
pub(super) fn seeded(seed: u64, tag: u64, number: u64) -> StdRng {
    let mut bytes = [0; 32];
    for (place, part) in bytes.chunks_exact_mut(8).zip([seed, tag, number, 0]) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    StdRng::from_seed(bytes)
}

/// What becomes of one payment request.
#[derive(Debug)]
pub(super) struct Fortune {
    pub(super) latency: Duration,
    pub(super) process: Duration,
    pub(super) refusal: Refusal,
    pub(super) fails_after_commit: Option<CommitFailure>,
    pub(super) verdict: Verdict,
    pub(super) callback_roll: f64,
    pub(super) keys: StdRng,
}

/// How a request ends before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    None,
    Error,
    Hang,
    Reset,
}

/// What the card's issuer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Approved,
    OverLimit,
    InvalidCard,
}

/// What an outage does to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    None,
    Wait(Duration),
    Error,
    Unavailable,
    RateLimited,
    Hang,
    Reset,
    NoLocation,
}

/// The original draws 1 to 100: 1 to 20 over the limit, 21 to 30 a bad card. Here a finer draw, in the same order.
fn verdict(settings: &Settings, result: f64) -> Verdict {
    if result < settings.limit_rate.get() {
        Verdict::OverLimit
    } else if result < settings.limit_rate.get() + settings.invalid_rate.get() {
        Verdict::InvalidCard
    } else {
        Verdict::Approved
    }
}

fn concrete(failure: CommitFailure, drawn: u8) -> CommitFailure {
    match failure {
        CommitFailure::Any => match drawn {
            0 => CommitFailure::Error,
            1 => CommitFailure::Hang,
            _ => CommitFailure::Reset,
        },
        CommitFailure::Error | CommitFailure::Hang | CommitFailure::Reset => failure,
    }
}

/// From 0 up to but not including 1.
fn roll(rng: &mut StdRng) -> f64 {
    rng.random_range(0.0..1.0)
}

fn time_within(rng: &mut StdRng, span: &Span) -> Duration {
    Duration::from_millis(rng.random_range(span.range_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fortunes(seed: u64, settings: &Settings) -> Vec<String> {
        let dice = Dice::new(seed);
        (0..50)
            .map(|_| {
                let Fortune { latency, process, refusal, fails_after_commit, verdict, callback_roll, mut keys } =
                    dice.fortune(settings);
                let key: u32 = keys.random();
                format!("{latency:?} {process:?} {refusal:?} {fails_after_commit:?} {verdict:?} {callback_roll} {key}")
            })
            .collect()
    }

    #[test]
    fn the_same_seed_has_the_same_results() {
        let settings = Settings::default();
        assert_eq!(fortunes(7, &settings), fortunes(7, &settings));
        assert_ne!(fortunes(7, &settings), fortunes(8, &settings));
    }

    #[test]
    fn an_outage_in_between_does_not_shift_what_payments_draw() {
        let settings = Settings::default();
        let (calm, stormy) = (Dice::new(7), Dice::new(7));
        let storm = Outage::Errors(super::super::knob::Rate::of(0.5));
        for _ in 0..20 {
            stormy.strike(Stream::Gateway, &storm);
            assert_eq!(calm.fortune(&settings).latency, stormy.fortune(&settings).latency);
        }
    }

    #[test]
    fn the_defaults_shares_are_the_originals() {
        let dice = Dice::new(1);
        let settings = Settings::default();
        let mut counts = [0_u32; 4];
        for _ in 0..20_000 {
            let fortune = dice.fortune(&settings);
            assert!((100..=500).contains(&fortune.latency.as_millis()));
            assert!((1000..=5000).contains(&fortune.process.as_millis()));
            assert_eq!(fortune.fails_after_commit, None);
            counts[usize::from(fortune.refusal == Refusal::Error)] += 1;
            counts[2] += u32::from(fortune.verdict == Verdict::OverLimit);
            counts[3] += u32::from(fortune.verdict == Verdict::InvalidCard);
        }
        // Four standard deviations of a share of 20,000 draws are under 1.4 %.
        for (count, share) in counts.into_iter().zip([0.6, 0.4, 0.2, 0.1]) {
            assert!((f64::from(count) / 20_000.0 - share).abs() < 0.014, "{counts:?}");
        }
    }
}
