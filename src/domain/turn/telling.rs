//! The end of a turn: whether people are told, of what, and who.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Context, HistoryStep, Turn, correlation};
use crate::domain::alert::{self, Acknowledged, Condition, Incident, Reason};
use crate::domain::delivery::{Alert, Message};
use crate::domain::ending::Unrecovered;
use crate::domain::event::{Cause, Event, Occurrence};
use crate::domain::id::{CorrelationId, NoticeId};
use crate::domain::notice::{About, deliveries};
use crate::domain::status::IntegrationState;
use crate::domain::time::{SET_BACK, Timestamp};
use crate::domain::watch::{Beside, Watch};

impl Turn {
    /// Ends the turn: decides whether people are told, given all that is true now, and says what was decided.
    pub fn settle(&mut self, watch: &mut Watch, beside: &Beside<'_>, context: &Context<'_>) -> Reason {
        self.note_set_back(watch, context.now);
        let conditions = watch.conditions(beside);
        self.note_further(watch, conditions, beside, context);
        let policy = &context.policy.alert;
        let reason = alert::due(watch.incident.as_deref(), conditions, policy, beside.holding, context.now);
        // Nobody is reminded of what nobody knows.
        let known = watch.conditions(&Beside { unknown: alert::Conditions::NONE, ..*beside });
        let repeats = matches!(reason, Reason::Reminder | Reason::Escalated { .. });
        let reason = if repeats && known.and(policy.on).is_empty() { Reason::NotDue } else { reason };
        match reason {
            Reason::NotDue | Reason::Suppressed { .. } => {}
            Reason::FirstNotification => self.fire(watch, conditions, beside, context),
            Reason::Reminder => self.remind(watch, context),
            Reason::Escalated { worse, late } => {
                let heard = conditions.and(policy.on).without(beside.holding.silenced);
                let worse = worse.then(|| (heard, self.cause(watch, beside, policy)));
                self.escalate(watch, worse, late, context);
            }
            Reason::Resolved => {
                let told = watch.incident.as_ref().map_or(alert::Conditions::NONE, |incident| incident.told);
                let lasts = !known.and(told).without(policy.on).is_empty();
                self.resolve(watch, lasts.then_some(Unrecovered::NotAlertedOn), context);
            }
        }
        reason
    }

    /// People cannot have been told in the future: the clock was set back since. Reminders and escalation come after
    /// their pauses from now on, and not so much later.
    fn note_set_back(&mut self, watch: &mut Watch, now: Timestamp) {
        let Some(incident) = watch.incident.as_mut() else { return };
        if incident.last_told_at.max(incident.fired_at).since(now) <= SET_BACK {
            return;
        }
        incident.last_told_at = incident.last_told_at.min(now);
        incident.fired_at = incident.fired_at.min(now);
        self.kept = true;
        self.record(watch, None);
    }

    /// What an incident learns without anybody being told: its outage's history, and what else is wrong.
    fn note_further(
        &mut self,
        watch: &mut Watch,
        conditions: alert::Conditions,
        beside: &Beside<'_>,
        context: &Context<'_>,
    ) {
        let history = watch.trouble.as_ref().and_then(|trouble| trouble.history);
        let Some(before) = watch.incident.as_deref() else { return };
        let policy = &context.policy.alert;
        let further = conditions.and(policy.on).without(before.told);
        let silently = !further.is_empty() && !policy.escalate;
        let attached = before.history.is_none() && history.is_some();
        if !silently && !attached {
            return;
        }
        let cause = silently.then(|| self.cause(watch, beside, policy));
        let Some(incident) = watch.incident.as_mut() else { return };
        incident.history = incident.history.or(history);
        if let Some(cause) = cause {
            incident.told = incident.told.or(further);
            incident.cause = cause;
        }
        self.kept = true;
        self.record(watch, None);
    }

    /// For those who look back.
    fn record(&mut self, watch: &Watch, until: Option<Timestamp>) {
        let Some(incident) = watch.incident.as_deref() else { return };
        let (status, target) = (watch.status.id, watch.status.target.system_name.clone());
        self.alerts.retain(|record| record.incident.id != incident.id);
        self.alerts.push(alert::Record { incident: incident.clone(), status, target, until });
    }

    /// The target leaves the configuration: whoever was told that it is in trouble is told that it is over.
    pub fn retire(&mut self, watch: &mut Watch, context: &Context<'_>) {
        self.resolve(watch, Some(Unrecovered::NotWatched), context);
    }

    /// Somebody has seen the incident and takes care; the first who says so stays.
    pub fn acknowledged(&mut self, watch: &mut Watch, by: Acknowledged, context: &Context<'_>) {
        let Some(incident) = watch.incident.as_mut().filter(|incident| incident.acknowledged.is_none()) else { return };
        let (which, correlation) = (incident.id, incident.correlation.clone());
        incident.acknowledged = Some(Box::new(by.clone()));
        let (id, target) = (watch.status.id, watch.status.target.system_name.clone());
        let Acknowledged { who, comment, at: _ } = by;
        let event = Event::AlertAcknowledged { id, target, incident: which, who, comment };
        self.push_alert(event, correlation, context);
        self.record(watch, None);
    }

    fn push_alert(&mut self, event: Event, correlation: CorrelationId, context: &Context<'_>) {
        let cause = (!self.events.is_empty()).then_some(Cause::Earlier(0));
        self.events.push(Occurrence { event, at: context.now, correlation, cause });
    }

    fn fire(&mut self, watch: &mut Watch, conditions: alert::Conditions, beside: &Beside<'_>, context: &Context<'_>) {
        let policy = &context.policy.alert;
        let told = conditions.and(policy.on);
        // What a channel gave up it is not told of, or that would be given up as well, and so on.
        let working = beside.working.filter(|_| told.is_only(Condition::DeadLetters));
        let mut incident = Box::new(Incident {
            id: context.ids.incident(),
            severity: policy.severity,
            cause: self.cause(watch, beside, policy),
            since: watch.trouble.as_ref().map_or(context.now, |trouble| trouble.since),
            channels: working.unwrap_or(&policy.channels).clone(),
            history: watch.trouble.as_ref().and_then(|trouble| trouble.history),
            correlation: correlation(watch, context),
            last_told_at: context.now,
            fired_at: context.now,
            notice: NoticeId::default(),
            siblings: 0,
            told,
            reminders: 0,
            escalated_at: None,
            acknowledged: None,
        });
        let (id, target) = (watch.status.id, watch.status.target.system_name.clone());
        let message = Message::Firing(alert(&incident, &target));
        self.told_late(watch);
        self.queue(&incident, &incident.channels, &message, context);
        if let Some(first) = self.deliveries.last() {
            (incident.notice, incident.siblings) = (first.id.notice, first.siblings);
        }
        self.push(watch, Event::AlertFired { id, target, incident: incident.clone() }, context);
        watch.incident = Some(incident);
        self.record(watch, None);
    }

    /// The outage was recorded by an earlier turn, with nobody told.
    fn told_late(&mut self, watch: &Watch) {
        let Some(trouble) = &watch.trouble else { return };
        let recorded_now = self.steps.iter().any(|step| matches!(step, HistoryStep::Record { .. }));
        if let Some(id) = trouble.history.filter(|_| !recorded_now) {
            self.steps.push(HistoryStep::Told { id });
            self.outage = Some((trouble.correlation.clone(), trouble.began_by));
        }
    }

    fn remind(&mut self, watch: &mut Watch, context: &Context<'_>) {
        let Some(incident) = watch.incident.as_mut() else { return };
        incident.last_told_at = context.now;
        incident.reminders = incident.reminders.saturating_add(1);
        let message = Message::Reminder(alert(incident, &watch.status.target.system_name));
        let incident = incident.clone();
        self.queue(&incident, &incident.channels, &message, context);
        self.kept = true;
        self.record(watch, None);
    }

    /// `worse`, and what is wrong now: those who know of it are told; `late`: others are, from now on.
    fn escalate(
        &mut self,
        watch: &mut Watch,
        worse: Option<(alert::Conditions, Box<str>)>,
        late: bool,
        context: &Context<'_>,
    ) {
        let Some(incident) = watch.incident.as_mut() else { return };
        let mut told: Vec<Arc<str>> = Vec::new();
        let is_worse = worse.is_some();
        if let Some((heard, cause)) = worse {
            if incident.told.is_only(Condition::DeadLetters) {
                // Who gave up a letter was not told of that. What is wrong beside it concerns everybody.
                incident.channels = united(&incident.channels, &context.policy.alert.channels);
            }
            incident.told = incident.told.or(heard);
            incident.cause = cause;
            told.extend(incident.channels.iter().cloned());
        }
        if let Some(escalation) = context.policy.alert.escalation.as_ref().filter(|_| late) {
            incident.escalated_at = Some(context.now);
            told.extend(escalation.to.iter().filter(|channel| !told.contains(channel)).cloned().collect::<Vec<_>>());
            incident.channels = united(&incident.channels, &escalation.to);
        }
        incident.last_told_at = context.now;
        let (id, target) = (watch.status.id, watch.status.target.system_name.clone());
        let message = Message::Escalated(alert(incident, &target));
        let incident = incident.clone();
        self.queue(&incident, &told, &message, context);
        let (which, cause) = (incident.id, incident.cause.clone());
        let event =
            Event::AlertEscalated { id, target, incident: which, cause, channels: told.into(), worse: is_worse };
        self.push_alert(event, incident.correlation.clone(), context);
        self.record(watch, None);
    }

    /// `why` it ends where it is not known to be well.
    fn resolve(&mut self, watch: &mut Watch, why: Option<Unrecovered>, context: &Context<'_>) {
        if let Some((incident, why)) = watch.incident.as_mut().zip(why) {
            incident.cause = why.cause(&incident.cause).into();
        }
        // Also by a clock that was set back nothing ends before it began.
        let until = watch.incident.as_ref().map_or(context.now, |incident| incident.since.max(context.now));
        self.record(watch, Some(until));
        let Some(incident) = watch.incident.take() else { return };
        let (id, target) = (watch.status.id, watch.status.target.system_name.clone());
        let message = Message::Resolved { alert: alert(&incident, &target), until };
        self.queue(&incident, &incident.channels, &message, context);
        let Incident { id: which, severity, since, correlation, .. } = *incident;
        let event = Event::AlertResolved { id, target, incident: which, severity, since };
        self.push_alert(event, correlation, context);
    }

    fn queue(&mut self, incident: &Incident, channels: &[Arc<str>], message: &Message, context: &Context<'_>) {
        let history = match message {
            Message::Firing(_) => incident.history,
            Message::Reminder(_)
            | Message::Escalated(_)
            | Message::Resolved { .. }
            | Message::FailureRecorded { .. }
            | Message::Grouped(_) => None,
        };
        let about = About { message, history, correlation: &incident.correlation };
        self.deliveries.extend(deliveries(&about, channels, context.ids, context.now));
    }

    /// In words, of all that is wrong and that somebody asked for.
    fn cause(&self, watch: &Watch, beside: &Beside<'_>, policy: &alert::Policy) -> Box<str> {
        let wanted = watch.conditions(beside).and(policy.on);
        let (down, open) = (wanted.contains(Condition::Down), wanted.contains(Condition::BreakerOpen));
        let outage = (down || open).then(|| self.why_it_is_down(watch, (down, open)));
        let words =
            outage.into_iter().chain(beside.words().filter(|(of, _)| wanted.contains(*of)).map(|(_, said)| said));
        let words = words.collect::<Vec<_>>().join("; ");
        if words.is_empty() { "it is not wholly well".into() } else { words.into() }
    }

    fn why_it_is_down<'a>(&'a self, watch: &'a Watch, (down, open): (bool, bool)) -> Cow<'a, str> {
        let said = self.said.as_ref().or(watch.status.failure_reason.as_ref()).filter(|said| !said.is_empty());
        match (said, watch.breaker.forced.as_ref().filter(|_| open)) {
            (Some(said), _) => Cow::Borrowed(said),
            (None, Some(forced)) => format!("the breaker was opened by {}: {}", forced.who, forced.reason).into(),
            (None, None) if down && !open => "a failure was reported".into(),
            (None, None) if watch.status.state == IntegrationState::Failed => "a failure was reported".into(),
            (None, None) => "the circuit breaker opened".into(),
        }
    }
}

impl Beside<'_> {
    /// What each of the conditions that are known beside the watch is, in words.
    fn words(&self) -> impl Iterator<Item = (Condition, Cow<'_, str>)> {
        let Self {
            degraded,
            degraded_by,
            certificate,
            flapping,
            burning,
            dead_letters,
            working: _,
            unknown: _,
            holding: _,
        } = *self;
        let slow = || Cow::from(degraded_by.unwrap_or("it answers too slowly"));
        let many = if dead_letters == 1 { "message about it was" } else { "messages about it were" };
        [
            degraded.then(|| (Condition::Degraded, slow())),
            certificate.map(|said| (Condition::Certificate, said.into())),
            flapping.map(|score| (Condition::Flapping, format!("it flaps, with a score of {score} %").into())),
            burning.map(|said| (Condition::Slo, said.into())),
            (dead_letters > 0)
                .then(|| (Condition::DeadLetters, format!("{dead_letters} {many} given up: see the outbox").into())),
        ]
        .into_iter()
        .flatten()
    }
}

/// The channels of both, each once.
fn united(some: &[Arc<str>], others: &[Arc<str>]) -> Arc<[Arc<str>]> {
    let mut all: Vec<Arc<str>> = Vec::new();
    for channel in some.iter().chain(others) {
        if !all.contains(channel) {
            all.push(channel.clone());
        }
    }
    all.into()
}

fn alert(incident: &Incident, target: &Arc<str>) -> Alert {
    Alert {
        incident: incident.id,
        severity: incident.severity,
        target: target.clone(),
        cause: incident.cause.clone(),
        since: incident.since,
        acknowledge: None,
    }
}
