//! One turn of a target: what a finding does to its [`Watch`], and everything that follows from it.
//!
//! A [`Turn`] begins with one finding (an attempt, a report, a move of the breaker), lets the shell carry out what the
//! breaker should do ([`Cue`]), and ends with [`Turn::settle`], which decides whether people are told. The watch is
//! moved at once; the shell commits what the turn collected before anything else may see it.

use super::alert;
use super::breaker;
use super::delivery::Delivery;
use super::event::{Cause, Event, Occurrence, StateChange};
use super::failure_history::{FailureDetail, Record};
use super::id::{CorrelationId, Sequence, StatusId};
use super::recent::Recent;
use super::status::{Command, IntegrationState, Refusal, RetryOrigin, StatusEvent};
use super::time::Timestamp;
use super::watch::{Origin, Trouble, Watch};

mod telling;
mod words;

use words::opened_because;
pub use words::{Asked, Attempt, Context, Cue, HistoryStep};

/// What one finding led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turn {
    /// For the log.
    pub events: Vec<Occurrence>,
    /// For the FailureHistory actor, which adds its events to the same commit.
    pub steps: Vec<HistoryStep>,
    /// For the target's transition log.
    pub transitions: Vec<(StatusId, StateChange)>,
    /// For the outbox.
    pub deliveries: Vec<Delivery>,
    /// Incidents as they stand after it, for those who look back.
    pub alerts: Vec<alert::Record>,
    /// For the breaker.
    pub cues: Vec<Cue>,
    /// The watch must be stored although there is no event (a reminder was queued).
    pub kept: bool,
    /// With what the steps belong together, and the event that began it: the outage may be over when they are added.
    pub outage: Option<(CorrelationId, Option<Sequence>)>,
    /// Who asked for this turn finds what it caused under the correlation that he gave.
    asked_by: Option<CorrelationId>,
    /// The last thing that was wrong, in words, for an alert that this turn may cause.
    said: Option<Box<str>>,
}

impl Turn {
    /// A turn after which the watch is stored even if nothing happens in it.
    #[must_use]
    pub fn keeping() -> Self {
        Self { kept: true, ..Self::default() }
    }

    /// An attempt of ours came back.
    pub fn attempted(watch: &mut Watch, attempt: Attempt, context: &Context<'_>) -> Self {
        let asked_by = (attempt.asked != Asked::No).then(|| context.correlation.clone());
        let mut turn = Self { asked_by, ..Self::default() };
        let before = watch.status.state;
        let Attempt { at, fault, origin, asked, recent } = attempt;
        match fault {
            Some(fault) => turn.failed(watch, fault, Tried { at, origin, asked, recent }, context),
            None => turn.passed(watch, at, asked, context),
        }
        let status = &mut watch.status;
        status.last_attempted_at = status.last_attempted_at.max(Some(at));
        turn.note_transition(watch, before, context.now);
        turn
    }

    /// A caller reports. What may not be is refused before this, by [`super::status::IntegrationStatus::admit_report`].
    ///
    /// # Errors
    /// The aggregate's refusal; nothing was changed then.
    pub fn reported(watch: &mut Watch, command: Command, context: &Context<'_>) -> Result<Self, Refusal> {
        let mut turn = Self { asked_by: Some(context.correlation.clone()), ..Self::default() };
        let before = watch.status.state;
        let event = watch.status.decide(command)?;
        match &event {
            StatusEvent::Connected { last_succeeded_at } => {
                let at = *last_succeeded_at;
                turn.push_status(watch, event, context);
                watch.failures_in_row = 0;
                turn.end_trouble(watch, at);
                turn.cues.push(Cue::Passed);
            }
            StatusEvent::ConnectionFailed { failure_reason, last_failed_at } => {
                let (detail, at) = (reported_detail(failure_reason), *last_failed_at);
                turn.begin_trouble(watch, Origin::Report, at, context);
                turn.push_status(watch, event, context);
                watch.successes_in_row = 0;
                turn.open_outage(watch, Origin::Report, detail, at, context);
                turn.cues.push(Cue::TargetFailed(breaker::Cause::Report));
            }
            StatusEvent::Retried { .. } => turn.push_status(watch, event, context),
        }
        turn.note_transition(watch, before, context.now);
        Ok(turn)
    }

    fn failed(&mut self, watch: &mut Watch, fault: FailureDetail, tried: Tried, context: &Context<'_>) {
        watch.failures_in_row = watch.failures_in_row.saturating_add(1);
        watch.successes_in_row = 0;
        match watch.status.state {
            IntegrationState::Failed if watch.trouble.is_some() => {
                self.failed_again(watch, &fault, tried, context);
            }
            // It was left alone in the middle of an outage, and is still in one: that is an outage of its own.
            IntegrationState::Failed => {
                self.begin_trouble(watch, tried.origin, tried.at, context);
                self.crossed_threshold(watch, fault, tried, context);
            }
            IntegrationState::Unknown | IntegrationState::Connected | IntegrationState::Retrying => {
                self.begin_trouble(watch, tried.origin, tried.at, context);
                if context.policy.is_too_many(watch.failures_in_row, tried.recent) {
                    self.crossed_threshold(watch, fault, tried, context);
                } else {
                    self.push_retry(watch, false, tried.at, context);
                }
            }
        }
    }

    fn failed_again(&mut self, watch: &mut Watch, fault: &FailureDetail, tried: Tried, context: &Context<'_>) {
        let Tried { at, asked, origin: _, recent: _ } = tried;
        let news = watch.status.failure_reason.as_deref() != Some(&*fault.error_message);
        if !(news || asked != Asked::No || within(watch, context)) {
            watch.status.retry_count = watch.status.retry_count.saturating_add(1);
            watch.status.last_failed_at = watch.status.last_failed_at.max(Some(at));
            return;
        }
        self.push_retry(watch, false, at, context);
        self.push_fail(watch, fault, at, context);
        self.step_retry(watch, false, at);
    }

    fn crossed_threshold(&mut self, watch: &mut Watch, fault: FailureDetail, tried: Tried, context: &Context<'_>) {
        let Tried { at, asked, origin, recent: _ } = tried;
        if asked == Asked::Retry {
            self.push_retry(watch, false, at, context);
        }
        self.push_fail(watch, &fault, at, context);
        self.open_outage(watch, origin, fault, at, context);
        self.cues.push(Cue::TargetFailed(breaker::Cause::Probe));
    }

    fn passed(&mut self, watch: &mut Watch, at: Timestamp, asked: Asked, context: &Context<'_>) {
        watch.successes_in_row = watch.successes_in_row.saturating_add(1);
        watch.failures_in_row = 0;
        let enough = watch.successes_in_row >= context.policy.success_threshold;
        // Only where it is known to be open: a trial that fails meanwhile opens it anew, and is not yet known here.
        if enough && watch.breaker.state == breaker::State::Open {
            self.cues.push(Cue::Passed);
        }
        let ends = watch.ends_by_probe() || asked == Asked::Connect;
        let connected = watch.status.state == IntegrationState::Connected;
        if asked == Asked::Retry || (asked == Asked::Connect && !connected && !enough) {
            self.push_retry(watch, true, at, context);
        }
        if connected && matches!(asked, Asked::No | Asked::HistoryRetry) {
            watch.status.last_succeeded_at = watch.status.last_succeeded_at.max(Some(at));
            return;
        }
        if within(watch, context) || asked == Asked::HistoryRetry {
            self.step_retry(watch, true, at);
        }
        if let Some(trouble) = watch.trouble.as_mut() {
            trouble.attempts = trouble.attempts.saturating_add(1);
        }
        if connected || (enough && ends) {
            self.push_status(watch, StatusEvent::Connected { last_succeeded_at: at }, context);
            self.end_trouble(watch, at);
        }
    }

    fn begin_trouble(&mut self, watch: &mut Watch, origin: Origin, at: Timestamp, context: &Context<'_>) {
        if watch.trouble.is_none() {
            let correlation = context.correlation.clone();
            watch.trouble =
                Some(Trouble { correlation, began_by: None, since: at, attempts: 0, history: None, origin });
        }
    }

    fn open_outage(
        &mut self,
        watch: &mut Watch,
        origin: Origin,
        detail: FailureDetail,
        at: Timestamp,
        context: &Context<'_>,
    ) {
        self.said = Some(detail.error_message.clone());
        let status = &watch.status;
        let Some(trouble) = watch.trouble.as_mut() else { return };
        self.outage = Some((trouble.correlation.clone(), trouble.began_by));
        if let Some(id) = trouble.history {
            trouble.also_said_by(origin);
            if origin != Origin::Report {
                self.steps.push(HistoryStep::Retry { id, ok: false, at });
            }
            return;
        }
        let id = context.ids.history();
        trouble.attempts = 0;
        trouble.history = Some(id);
        trouble.origin = origin;
        let record = Record {
            failure_type: context.policy.failure_type,
            detail,
            target_system: (&*status.target.system_name).into(),
            occurred_at: at,
            status_id: status.id,
        };
        self.steps.push(HistoryStep::Record { id, record });
    }

    fn end_trouble(&mut self, watch: &mut Watch, at: Timestamp) {
        let Some(trouble) = watch.trouble.take() else { return };
        if let Some(id) = trouble.history {
            self.steps.push(HistoryStep::Recover { id, at });
            self.outage = Some((trouble.correlation, trouble.began_by));
        }
    }

    fn push_retry(&mut self, watch: &mut Watch, ok: bool, at: Timestamp, context: &Context<'_>) {
        let command = Command::Retry { retry_count: None, retried_at: at, origin: RetryOrigin::Attempted { ok } };
        if let Ok(event) = watch.status.decide(command) {
            self.push_status(watch, event, context);
        }
        if let Some(trouble) = watch.trouble.as_mut() {
            trouble.attempts = trouble.attempts.saturating_add(1);
        }
    }

    fn push_fail(&mut self, watch: &mut Watch, fault: &FailureDetail, at: Timestamp, context: &Context<'_>) {
        let event = StatusEvent::ConnectionFailed { failure_reason: fault.error_message.clone(), last_failed_at: at };
        self.push_status(watch, event, context);
    }

    fn step_retry(&mut self, watch: &Watch, ok: bool, at: Timestamp) {
        let Some(trouble) = &watch.trouble else { return };
        if let Some(id) = trouble.history {
            self.steps.push(HistoryStep::Retry { id, ok, at });
            self.outage = Some((trouble.correlation.clone(), trouble.began_by));
        }
    }

    fn push_status(&mut self, watch: &mut Watch, event: StatusEvent, context: &Context<'_>) {
        watch.status.apply(&event);
        let (id, target) = (watch.status.id, watch.status.target.clone());
        self.push(watch, Event::Status { id, target, event }, context);
        if let (Some(asked_by), Some(pushed)) = (&self.asked_by, self.events.last_mut()) {
            pushed.correlation = asked_by.clone();
        }
    }

    fn push(&mut self, watch: &Watch, event: Event, context: &Context<'_>) {
        let trouble = watch.trouble.as_ref();
        let earlier = (!self.events.is_empty()).then_some(Cause::Earlier(0));
        self.events.push(Occurrence {
            event,
            at: context.now,
            correlation: correlation(watch, context),
            cause: earlier.or_else(|| trouble.and_then(|t| t.began_by).map(Cause::Logged)),
        });
    }

    fn note_transition(&mut self, watch: &Watch, before: IntegrationState, now: Timestamp) {
        let status = &watch.status;
        if status.state != before {
            let cause = match (status.state, &status.failure_reason, &self.said) {
                (IntegrationState::Failed, Some(reason), _) => reason.clone(),
                (IntegrationState::Connected, ..) => "an attempt succeeded".into(),
                (IntegrationState::Failed | IntegrationState::Retrying | IntegrationState::Unknown, ..) => {
                    "an attempt is being repeated".into()
                }
            };
            self.transitions.push((status.id, StateChange { at: now, from: before, to: status.state, cause }));
        }
    }

    /// The breaker moved, by a cue of this turn or by itself. Its closing ends what a report or traffic began.
    pub fn breaker_moved(&mut self, watch: &mut Watch, moved: breaker::Transition, context: &Context<'_>) {
        let before = watch.status.state;
        let waits_for_trials = !watch.ends_by_probe();
        let open_until = moved.open_for.map(|length| context.now.plus(length));
        let record = &mut watch.breaker;
        (record.state, record.level, record.since, record.open_until) =
            (moved.to, moved.level, context.now, open_until);
        let (id, target) = (watch.status.id, watch.status.target.clone());
        self.push(watch, Event::BreakerTransitioned { id, target, transition: moved, open_until }, context);
        if moved.to == breaker::State::Open {
            // What passed before it opened says nothing of what opened it, and must not end its open time.
            watch.successes_in_row = 0;
        }
        if moved.to == breaker::State::Open && moved.cause.is_by_calls() {
            self.said.get_or_insert_with(|| opened_because(moved.cause).into());
            if let Some(trouble) = watch.trouble.as_mut() {
                trouble.also_said_by(Origin::Traffic);
            }
        }
        let closed_by_trials = moved.to == breaker::State::Closed && moved.cause == breaker::Cause::TrialsPassed;
        if closed_by_trials && waits_for_trials {
            self.push_status(watch, StatusEvent::Connected { last_succeeded_at: context.now }, context);
            self.end_trouble(watch, context.now);
            self.note_transition(watch, before, context.now);
        }
    }

    /// An operator took hold of the breaker: the event comes before what the breaker did about it.
    pub fn breaker_controlled(&mut self, watch: &Watch, event: Event, context: &Context<'_>) {
        self.push(watch, event, context);
    }

    /// Whether an outage ends in it.
    #[must_use]
    pub fn ends_outage(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, HistoryStep::Recover { .. }))
    }

    /// Whether anything must be stored.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty() && self.steps.is_empty() && !self.kept
    }
}

/// When an attempt was made, for whom, and who else says that it fails.
#[derive(Clone, Copy)]
struct Tried {
    at: Timestamp,
    origin: Origin,
    asked: Asked,
    recent: Recent,
}

fn correlation(watch: &Watch, context: &Context<'_>) -> CorrelationId {
    let known = watch.trouble.as_ref().map(|trouble| &trouble.correlation);
    let told = watch.incident.as_ref().map(|incident| &incident.correlation);
    known.or(told).unwrap_or(context.correlation).clone()
}

fn within(watch: &Watch, context: &Context<'_>) -> bool {
    watch.trouble.as_ref().is_none_or(|trouble| trouble.attempts < context.policy.max_retries)
}

fn reported_detail(reason: &str) -> FailureDetail {
    let nothing = || Box::from("N/A");
    FailureDetail {
        error_code: nothing(),
        error_message: reason.into(),
        request_payload: nothing(),
        response_payload: nothing(),
        additional_info: "reported by a caller".into(),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
