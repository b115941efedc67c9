//! How a target is probed: the schedule, the attempt on the other runtime, and what becomes of what it found.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler};
use futures_util::FutureExt;
use rand::Rng;

use super::actor::{TargetActor, Then, Waiting};
use super::messages::{Errand, ProbeFinished};
use crate::actors::answer::{Outcome, Refused};
use crate::actors::correlation;
use crate::config::probe::Probe;
use crate::domain::breaker::State;
use crate::domain::failure_history::FailureDetail;
use crate::domain::id::CorrelationId;
use crate::domain::observation::{Failure, Observation, Phases, Reason};
use crate::domain::schedule::{Pace, next_probe};
use crate::domain::status::{IntegrationState, Refusal};
use crate::domain::time::{Moment, Timestamp};
use crate::domain::turn::{Asked, Attempt, Turn};
use crate::domain::watch::Origin;

impl TargetActor {
    pub(super) fn arm_first_probe(&mut self, context: &mut Context<Self>) {
        if self.probe.is_some() && self.probing_since.is_none() {
            self.arm_probe(self.first_probe_at, context);
        }
    }

    fn arm_probe(&mut self, at: Moment, context: &mut Context<Self>) {
        if let Some(timer) = self.probe_timer.take() {
            context.cancel_future(timer);
        }
        let pause = at.since(self.links.clock.moment());
        self.probe_timer = Some(context.run_later(pause, move |actor, context| {
            actor.probe_timer = None;
            actor.links.metrics.probe_schedule_lag(actor.links.clock.moment().since(at));
            actor.begin_probe(context);
        }));
    }

    /// Somebody wants an attempt now. One that is under way serves all who wait.
    pub(super) fn attempt(&mut self, waiting: Waiting, context: &mut Context<Self>) {
        let name = self.slot.name.clone();
        if self.silence.is_some() {
            return drop(waiting.answer.send(Err(Refused::ReportsIn { name })));
        }
        if self.probe.is_none() {
            return drop(waiting.answer.send(Err(Refused::NotConfigured { name })));
        }
        let expected = self.watch.status.retry_count.saturating_add(1);
        if let Errand::Attempt { retry_count: Some(count), .. } = waiting.errand
            && count != expected
        {
            let refused = Refused::Status(Refusal::RetryCount { expected });
            return drop(waiting.answer.send(Err(refused)));
        }
        self.waiting.push(waiting);
        if let Some(timer) = self.probe_timer.take() {
            context.cancel_future(timer);
        }
        self.begin_probe(context);
    }

    fn begin_probe(&mut self, context: &mut Context<Self>) {
        let (Some(probe), Some(spec)) = (&self.probe, &self.spec) else { return };
        if self.probing_since.is_some() {
            return;
        }
        self.probing_since = Some(self.links.clock.moment());
        let (probe, timeout, actor, clock) = (probe.clone(), spec.timeout, context.address(), self.links.clock);
        let board = self.links.board.clone();
        self.links.io.spawn(async move {
            let probed = AssertUnwindSafe(probe.probe(timeout)).catch_unwind().await;
            let observation = probed.unwrap_or_else(|_| fell_over(clock.now()));
            let observation = board.connectivity().judge(observation, clock).await;
            actor.do_send(ProbeFinished { observation });
        });
    }

    fn arm_next(&mut self, observation: &Observation, context: &mut Context<Self>) {
        let Some(spec) = &self.spec else { return };
        let ended = self.links.clock.moment();
        let began = self.probing_since.take().unwrap_or(ended);
        let refused = observation.failure.as_ref().is_some_and(|failure| failure.reason == Reason::RateLimited);
        let confirming = match (self.watch.breaker.state, self.watch.status.state) {
            // Who asks us to come less often is not asked more often.
            _ if refused => 0,
            // A target that nobody calls is tried by its probes, and the trials must fit into the time of half-open.
            (State::HalfOpen, _) => 1,
            (State::Closed | State::Open, IntegrationState::Failed) => 0,
            (
                State::Closed | State::Open,
                IntegrationState::Unknown | IntegrationState::Connected | IntegrationState::Retrying,
            ) => self.watch.failures_in_row,
        };
        self.not_before = observation.retry_after.map_or(self.not_before, |pause| ended.plus(pause));
        let jitter = self.rng.random_range(-1.0..=1.0);
        let pace = Pace { interval: spec.interval, confirming, asked_pause: observation.retry_after, jitter };
        self.arm_probe(next_probe(began, ended, &pace), context);
    }

    pub(super) fn found(&mut self, observation: &Observation, context: &mut Context<Self>) {
        self.sample();
        let waiting = std::mem::take(&mut self.waiting);
        let internal = observation.failure.as_ref().filter(|failure| failure.reason == Reason::Internal);
        if let Some(failure) = internal {
            // That it is cut off was logged once, and concerns all targets.
            if !self.links.board.blind() {
                tracing::warn!(target = %self.slot.name, error = %failure.message, "this node could not run a probe");
            }
            for one in waiting {
                let message = failure.message.clone();
                drop(one.answer.send(Err(Refused::AttemptImpossible { message })));
            }
            return;
        }
        if observation.is_ok() {
            self.degraded = Some(observation.degraded);
            let by_page = observation.degraded && observation.provider.is_some();
            self.degraded_by = observation.warning.clone().filter(|_| by_page);
            self.note_certificate(observation);
        }
        let waiting = self.still_right(waiting);
        if waiting.is_empty() && self.is_quiet(observation) {
            return self.note_quiet_success(observation);
        }
        let asked = waiting.iter().map(|one| asked(&one.errand)).max_by_key(|asked| rank(*asked));
        let correlation = waiting.first().map_or_else(correlation::fresh, |one| one.correlation.clone());
        self.turn(observation, asked.unwrap_or(Asked::No), &correlation, waiting, context);
    }

    /// Who counted on a retry count that has moved meanwhile is refused, as if he had come now.
    fn still_right(&self, waiting: Vec<Waiting>) -> Vec<Waiting> {
        let expected = self.watch.status.retry_count.saturating_add(1);
        let (right, wrong): (Vec<_>, Vec<_>) = waiting.into_iter().partition(
            |one| !matches!(one.errand, Errand::Attempt { retry_count: Some(count), .. } if count != expected),
        );
        for one in wrong {
            drop(one.answer.send(Err(Refused::Status(Refusal::RetryCount { expected }))));
        }
        right
    }

    /// Nothing was wrong and nothing is: the common case, which allocates nothing.
    pub(super) fn is_quiet(&self, observation: &Observation) -> bool {
        let driver_closed = self.watch.breaker.state == State::Closed;
        observation.is_ok()
            && driver_closed
            && self.watch.status.state == IntegrationState::Connected
            && self.watch.incident.is_none()
            && !observation.degraded
            && !self.has_something_to_tell()
    }

    /// For m of n. What fails while somebody works on it is not held against it afterwards.
    fn count(&mut self, ok: bool) {
        let counts = self.spec.as_deref().is_some_and(|spec| spec.policy.failure_window.is_some());
        if counts && !self.is_in_maintenance() {
            self.recent.attempted(ok);
        }
    }

    pub(super) fn note_quiet_success(&mut self, observation: &Observation) {
        let at = Some(observation.at);
        self.count(true);
        self.watch.successes_in_row = self.watch.successes_in_row.saturating_add(1);
        self.watch.failures_in_row = 0;
        let status = &mut self.watch.status;
        status.last_attempted_at = status.last_attempted_at.max(at);
        status.last_succeeded_at = status.last_succeeded_at.max(at);
    }

    pub(super) fn turn(
        &mut self,
        observation: &Observation,
        asked: Asked,
        correlation: &CorrelationId,
        waiting: Vec<Waiting>,
        context: &mut Context<Self>,
    ) {
        let fault = observation.failure.as_ref().map(|failure| FailureDetail {
            error_code: failure.code.clone(),
            error_message: failure.message.clone(),
            request_payload: self.spec.as_ref().map_or_else(|| "N/A".into(), |spec| request_of(&spec.probe)),
            response_payload: "N/A".into(),
            additional_info: format!("probe failed: {}", failure.reason.as_str()).into(),
        });
        let origin = if self.opened_by_calls { Origin::Traffic } else { Origin::Probe };
        self.count(observation.is_ok());
        let attempt = Attempt { at: observation.at, fault, origin, asked, recent: self.recent };
        let mut turn = self.decide(correlation, |watch, with| Turn::attempted(watch, attempt, with));
        self.breaker_saw_probe(observation.is_ok(), &mut turn, correlation);
        let mut waiting = waiting.into_iter();
        let first = waiting.next().map(|one| one.answer);
        let answer = share(first, waiting.map(|one| one.answer).collect());
        self.finish(turn, correlation, Then { answer, observation: Some(observation.clone()) }, context);
    }
}

/// What was asked, without what may be secret in it.
fn request_of(probe: &Probe) -> Box<str> {
    match probe {
        Probe::Http(http) => {
            let (scheme, host) = (http.url.scheme_str().unwrap_or("http"), http.url.host().unwrap_or_default());
            let port = http.url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{} {scheme}://{host}{port}{}", http.method, http.url.path()).into()
        }
        Probe::Tcp(tcp) => format!("connect {}:{}", tcp.host, tcp.port).into(),
        Probe::Tls(tls) => format!("TLS handshake with {}:{}", tls.host, tls.port).into(),
        Probe::Dns(dns) => {
            let by = dns.resolver.map(|resolver| format!(" by {resolver}")).unwrap_or_default();
            format!("look up {} of {}{by}", dns.record.as_str(), dns.name).into()
        }
        Probe::Grpc(grpc) => {
            let of = if grpc.service.is_empty() { String::new() } else { format!(" of {}", grpc.service) };
            format!("grpc.health.v1.Health/Check{of} at {}:{}", grpc.host, grpc.port).into()
        }
        Probe::Icmp(icmp) => format!("ICMP echo to {}", icmp.host).into(),
        Probe::Heartbeat(_) => "wait for a heartbeat".into(),
        Probe::StatusPage(page) => format!("GET {}{}", page.url.host().unwrap_or_default(), page.url.path()).into(),
    }
}

/// A probe that panicked says nothing about the target.
fn fell_over(at: Timestamp) -> Observation {
    let failure = Failure {
        reason: Reason::Internal,
        message: "the probe itself fell over; the log says where".into(),
        code: "N/A".into(),
    };
    Observation {
        at,
        took: Duration::ZERO,
        failure: Some(failure),
        degraded: false,
        phases: Phases::default(),
        status_code: None,
        bytes: 0,
        certificate_expires_at: None,
        retry_after: None,
        warning: None,
        provider: None,
    }
}

/// One answer for all who waited for the same attempt.
fn share(
    first: Option<crate::actors::answer::Answer>,
    others: Vec<crate::actors::answer::Answer>,
) -> Option<crate::actors::answer::Answer> {
    if others.is_empty() {
        return first;
    }
    let (shared, outcome) = tokio::sync::oneshot::channel::<Result<Outcome, Refused>>();
    actix::spawn(async move {
        let Ok(outcome) = outcome.await else { return };
        for answer in first.into_iter().chain(others) {
            drop(answer.send(outcome.clone()));
        }
    });
    Some(shared)
}

const fn asked(errand: &Errand) -> Asked {
    match errand {
        Errand::Attempt { asked, .. } => *asked,
        Errand::Report(_) | Errand::Control(_) | Errand::Acknowledge(..) | Errand::Beat(_) => Asked::No,
    }
}

const fn rank(asked: Asked) -> u8 {
    match asked {
        Asked::No => 0,
        Asked::HistoryRetry => 1,
        Asked::Connect => 2,
        Asked::Retry => 3,
    }
}

impl Handler<ProbeFinished> for TargetActor {
    type Result = ();

    fn handle(&mut self, finished: ProbeFinished, context: &mut Context<Self>) {
        let observation = finished.observation;
        if self.silence.is_some() {
            return self.no_longer_called();
        }
        self.book(&observation);
        self.found(&observation, context);
        self.arm_next(&observation, context);
        let maintenance = self.is_in_maintenance();
        self.slot.live(|live| live.found(observation, &self.watch.status, maintenance));
    }
}
