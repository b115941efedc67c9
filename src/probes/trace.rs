//! What is known of a probe while it runs, so that a passed deadline can say how far it came.

use std::time::Duration;

use crate::clock::{self, Clock};
use crate::domain::observation::{Failure, Observation, Phases, ProviderStatus};
use crate::domain::time::{Moment, Timestamp};

/// What a probe is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Something that is in no phase.
    Between,
    /// Waiting for a token that is not the target's to give.
    FetchingToken,
    /// Resolving the name.
    Resolving,
    /// Connecting.
    Connecting,
    /// Asking a proxy for a tunnel.
    Tunnelling,
    /// In the TLS handshake.
    Handshaking,
    /// Sending the request.
    Sending,
    /// Waiting for the answer's first byte.
    Processing,
    /// Reading the answer.
    Transferring,
}

/// A probe's record. Entering a stage ends the one before it and writes down how long that took.
#[derive(Debug)]
pub(super) struct Trace {
    clock: Clock,
    at: Timestamp,
    began: Moment,
    deadline: Duration,
    stage: Stage,
    stage_began: Moment,
    token_took: Duration,
    /// A certificate that ends within this time is warned of.
    warn_before: Option<Duration>,
    phases: Phases,
    pub(super) status_code: Option<u16>,
    pub(super) bytes: u64,
    pub(super) certificate_expires_at: Option<Timestamp>,
    pub(super) retry_after: Option<Duration>,
    pub(super) warning: Option<Box<str>>,
    pub(super) provider: Option<ProviderStatus>,
}

impl Trace {
    pub(super) fn begin(clock: Clock, deadline: Duration) -> Self {
        let began = clock.moment();
        Self {
            clock,
            at: clock.now(),
            began,
            deadline,
            stage: Stage::Between,
            stage_began: began,
            token_took: Duration::ZERO,
            warn_before: None,
            phases: Phases::default(),
            status_code: None,
            bytes: 0,
            certificate_expires_at: None,
            retry_after: None,
            warning: None,
            provider: None,
        }
    }

    /// The same, warning of certificates that end within this time.
    pub(super) const fn warning(mut self, before: Option<Duration>) -> Self {
        self.warn_before = before;
        self
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) const fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// What is left of the deadline.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.moment().since(self.began))
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        let now = self.clock.moment();
        self.leave(now);
        self.stage = stage;
        self.stage_began = now;
    }

    /// Forgets the phases and the answer of a request that another one takes the place of: a redirect's, or one on a
    /// connection that turned out to be gone.
    pub(super) fn begin_request(&mut self) {
        self.enter(Stage::Between);
        self.phases = Phases::default();
        self.status_code = None;
        self.bytes = 0;
        self.certificate_expires_at = None;
        self.retry_after = None;
        self.warning = None;
        self.provider = None;
    }

    /// Ends the probe. A good one is degraded if it took longer than `max_latency`, not counting the wait for a token.
    pub(super) fn finish(mut self, outcome: Result<(), Failure>, max_latency: Option<Duration>) -> Observation {
        let now = self.clock.moment();
        self.leave(now);
        let took = now.since(self.began);
        let failure = outcome.err();
        let warning = self.warning.take().or_else(|| self.warning_of_certificate());
        let slow = max_latency.is_some_and(|most| took.saturating_sub(self.token_took) > most);
        Observation {
            at: self.at,
            took,
            degraded: failure.is_none() && slow,
            failure,
            phases: self.phases,
            status_code: self.status_code,
            bytes: self.bytes,
            certificate_expires_at: self.certificate_expires_at,
            retry_after: self.retry_after,
            warning,
            provider: self.provider,
        }
    }

    /// One that has ended already is no warning but a failure.
    fn warning_of_certificate(&self) -> Option<Box<str>> {
        let (end, before) = (self.certificate_expires_at?, self.warn_before?);
        let left = end.since(self.at);
        if left.is_zero() || left > before {
            return None;
        }
        let hours = left.as_secs() / 3_600;
        let (count, unit) = if hours < 48 { (hours, "hour") } else { (hours / 24, "day") };
        let plural = if count == 1 { "" } else { "s" };
        Some(format!("a certificate of the chain ends in {count} {unit}{plural}, on {}", clock::format(end)).into())
    }

    fn leave(&mut self, now: Moment) {
        let took = now.since(self.stage_began);
        let phase = match self.stage {
            Stage::Between | Stage::Tunnelling | Stage::Sending => return,
            Stage::FetchingToken => {
                self.token_took += took;
                return;
            }
            Stage::Resolving => &mut self.phases.resolve,
            Stage::Connecting => &mut self.phases.connect,
            Stage::Handshaking => &mut self.phases.tls,
            Stage::Processing => &mut self.phases.processing,
            Stage::Transferring => &mut self.phases.transfer,
        };
        *phase = Some(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::failure;

    const SECOND: Duration = Duration::from_secs(1);

    async fn spend(trace: &mut Trace, stage: Stage, time: Duration) {
        trace.enter(stage);
        tokio::time::advance(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_stage_is_timed_and_what_lies_between_counts_for_the_whole() {
        let mut trace = Trace::begin(Clock::simulated(Timestamp::default()), SECOND * 60);
        for (stage, seconds) in [
            (Stage::Resolving, 1),
            (Stage::Connecting, 2),
            (Stage::Between, 3),
            (Stage::Handshaking, 4),
            (Stage::Sending, 5),
            (Stage::Processing, 6),
            (Stage::Transferring, 7),
        ] {
            spend(&mut trace, stage, SECOND * seconds).await;
        }
        assert_eq!(trace.left(), SECOND * 32);
        let observation = trace.finish(Ok(()), Some(SECOND * 27));
        assert_eq!((observation.took, observation.degraded), (SECOND * 28, true));
        let phases = Phases {
            resolve: Some(SECOND),
            connect: Some(SECOND * 2),
            tls: Some(SECOND * 4),
            processing: Some(SECOND * 6),
            transfer: Some(SECOND * 7),
        };
        assert_eq!(observation.phases, phases);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_token_does_not_make_a_target_slow() {
        let mut trace = Trace::begin(Clock::simulated(Timestamp::default()), SECOND * 60);
        spend(&mut trace, Stage::FetchingToken, SECOND * 10).await;
        spend(&mut trace, Stage::Processing, SECOND).await;
        let observation = trace.finish(Ok(()), Some(SECOND));
        assert_eq!((observation.took, observation.degraded), (SECOND * 11, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_is_warned_of_from_its_time_on_until_it_ends() {
        let day = SECOND * 86_400;
        let warning = |left: Duration, before| {
            let mut trace = Trace::begin(Clock::simulated(Timestamp::default()), SECOND).warning(before);
            trace.certificate_expires_at = Some(Timestamp::default().plus(left));
            trace.finish(Ok(()), None).warning.map(String::from)
        };
        let soon = "a certificate of the chain ends in 14 days, on 1970-01-15T00:00:00Z";
        assert_eq!(warning(day * 14, Some(day * 14)).as_deref(), Some(soon));
        let sooner = "a certificate of the chain ends in 1 hour, on 1970-01-01T01:30:00Z";
        assert_eq!(warning(SECOND * 5_400, Some(day)).as_deref(), Some(sooner));
        assert_eq!(warning(day * 15, Some(day * 14)), None);
        assert_eq!(warning(Duration::ZERO, Some(day)), None);
        assert_eq!(warning(SECOND, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_the_deadline_ended_shows_how_long_it_lasted() {
        let mut trace = Trace::begin(Clock::simulated(Timestamp::default()), SECOND * 2);
        spend(&mut trace, Stage::Connecting, SECOND * 2).await;
        let failure = failure::timed_out(&trace, &"example:80");
        assert_eq!(&*failure.message, "there was no connection after 2s (example:80)");
        let observation = trace.finish(Err(failure), None);
        assert_eq!(observation.phases.connect, Some(SECOND * 2));
    }
}
