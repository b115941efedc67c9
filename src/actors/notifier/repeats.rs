//! What a channel is told again and again, because its receiver takes silence for the end.
//!
//! Pure. Built from what was committed and delivered, and at a start from the incidents in the store, so a restart
//! forgets nothing that fires. What ended is said again for a while too, for a receiver that missed the end; that is
//! not stored, since an end that nobody heard comes by silence as well.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::delivery::{Alert, Message};
use crate::domain::id::IncidentId;
use crate::domain::time::Timestamp;
use crate::domain::watch::Watch;
use crate::notify::Standing;

/// How long an end is said again, as Prometheus does.
const SAID_AGAIN_FOR: Duration = Duration::from_secs(5 * 60);

/// What one channel is told again.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    firing: BTreeMap<IncidentId, Alert>,
    over: BTreeMap<IncidentId, Over>,
}

/// An incident that is over.
#[derive(Debug)]
struct Over {
    alert: Alert,
    until: Timestamp,
    /// Whether its end was tried. Before that something of it may wait in front of the end, which would fire again at a
    /// receiver that had heard of the end here.
    is_said: bool,
    /// After this it is not said any more.
    last: Timestamp,
}

impl Repeats {
    /// What fires as the store knows it, for a channel that was told of it.
    pub(crate) fn restored(watches: &[Watch], channel: &str) -> Self {
        let firing = watches.iter().filter_map(|watch| {
            let incident = watch.incident.as_ref()?;
            let told = incident.channels.iter().any(|name| &**name == channel);
            let alert = Alert {
                incident: incident.id,
                severity: incident.severity,
                target: watch.status.target.system_name.clone(),
                cause: incident.cause.clone(),
                since: incident.since,
                acknowledge: None,
            };
            told.then_some((incident.id, alert))
        });
        Self { firing: firing.collect(), over: BTreeMap::new() }
    }

    /// The receiver took a message.
    pub(crate) fn delivered(&mut self, message: &Message, now: Timestamp) {
        match message {
            Message::Firing(alert) | Message::Reminder(alert) | Message::Escalated(alert) => {
                if !self.over.contains_key(&alert.incident) {
                    self.firing.insert(alert.incident, alert.clone());
                }
            }
            Message::Resolved { .. } => self.was_tried(message, now),
            Message::Grouped(group) => group.messages.iter().for_each(|message| self.delivered(message, now)),
            Message::FailureRecorded { .. } => {}
        }
    }

    /// A message is committed: what is over is not said to fire any more. That it is over is said once the message was
    /// tried.
    pub(crate) fn ended(&mut self, message: &Message, now: Timestamp) {
        self.end(message, false, now);
    }

    /// A message was tried, whether or not it was taken: all before it was.
    pub(crate) fn was_tried(&mut self, message: &Message, now: Timestamp) {
        self.end(message, true, now);
    }

    fn end(&mut self, message: &Message, was_tried: bool, now: Timestamp) {
        match message {
            Message::Resolved { alert, until } => {
                self.firing.remove(&alert.incident);
                let last = now.plus(SAID_AGAIN_FOR);
                let over = || Over { alert: alert.clone(), until: *until, is_said: false, last };
                let over = self.over.entry(alert.incident).or_insert_with(over);
                if was_tried && !std::mem::replace(&mut over.is_said, true) {
                    over.last = last;
                }
            }
            Message::Grouped(group) => group.messages.iter().for_each(|message| self.end(message, was_tried, now)),
            Message::Firing(_) | Message::Reminder(_) | Message::Escalated(_) | Message::FailureRecorded { .. } => {}
        }
    }

    /// What is to be said now.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Standing> {
        self.over.retain(|_, over| over.last >= now);
        let firing = self.firing.values().map(|alert| Standing { alert: alert.clone(), until: None });
        let over = self.over.values().filter(|over| over.is_said);
        let over = over.map(|over| Standing { alert: over.alert.clone(), until: Some(over.until) });
        firing.chain(over).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Condition, Conditions, Incident, Severity};
    use crate::domain::breaker::Mode;
    use crate::domain::delivery::{Group, Of};
    use crate::domain::id::{CorrelationId, NoticeId, StatusId, Target};

    const START: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn alert() -> Alert {
        Alert {
            incident: IncidentId(7),
            severity: Severity::Critical,
            target: "PG_KCP".into(),
            cause: "3 probes in a row failed".into(),
            since: START,
            acknowledge: None,
        }
    }

    fn resolved() -> Message {
        Message::Resolved { alert: alert(), until: START.plus(MINUTE) }
    }

    fn standing(until: Option<Timestamp>) -> Vec<Standing> {
        vec![Standing { alert: alert(), until }]
    }

    #[test]
    fn what_was_delivered_is_said_again_until_it_is_over_and_then_its_end_for_five_minutes() {
        let mut repeats = Repeats::default();
        repeats.delivered(&Message::Firing(alert()), START);
        assert_eq!(repeats.due(START), standing(None));
        repeats.ended(&resolved(), START.plus(MINUTE));
        assert_eq!(repeats.due(START.plus(MINUTE)), [], "a reminder may wait before it, which would fire again");
        let over = standing(Some(START.plus(MINUTE)));
        repeats.was_tried(&resolved(), START.plus(2 * MINUTE));
        assert_eq!(repeats.due(START.plus(2 * MINUTE)), over);
        repeats.delivered(&resolved(), START.plus(3 * MINUTE));
        assert_eq!(repeats.due(START.plus(7 * MINUTE)), over);
        assert_eq!(repeats.due(START.plus(8 * MINUTE)), []);
    }

    #[test]
    fn a_beginning_that_is_heard_after_the_end_does_not_fire_again() {
        let mut repeats = Repeats::default();
        repeats.ended(&resolved(), START.plus(MINUTE));
        repeats.delivered(&Message::Firing(alert()), START.plus(MINUTE));
        assert_eq!(repeats.due(START.plus(MINUTE)), []);
        repeats.delivered(&resolved(), START.plus(MINUTE));
        assert_eq!(repeats.due(START.plus(MINUTE)), standing(Some(START.plus(MINUTE))));
    }

    #[test]
    fn an_end_that_was_given_up_ends_what_fires_all_the_same() {
        let mut repeats = Repeats::default();
        repeats.was_tried(&resolved(), START.plus(MINUTE));
        assert_eq!(repeats.due(START.plus(60 * MINUTE)), []);
        repeats.delivered(&Message::Firing(alert()), START.plus(60 * MINUTE));
        assert_eq!(repeats.due(START.plus(60 * MINUTE)), standing(None));
        repeats.was_tried(&resolved(), START.plus(61 * MINUTE));
        assert_eq!(repeats.due(START.plus(61 * MINUTE)), standing(Some(START.plus(MINUTE))));
    }

    #[test]
    fn what_left_in_a_group_is_said_again_as_if_it_had_left_alone() {
        let group = |of, message| {
            let (name, messages, members) = ("payments".into(), vec![message], Vec::new());
            Message::Grouped(Group { of, name, count: 1, messages, members })
        };
        let mut repeats = Repeats::default();
        repeats.delivered(&group(Of::Trouble, Message::Escalated(alert())), START);
        assert_eq!(repeats.due(START), standing(None));
        repeats.delivered(&group(Of::Ends, resolved()), START.plus(MINUTE));
        assert_eq!(repeats.due(START.plus(MINUTE)), standing(Some(START.plus(MINUTE))));
    }

    #[test]
    fn after_a_restart_a_channel_goes_on_with_what_it_was_told_of() {
        let mut watch = Watch::new(StatusId(1), Target::new("PG_KCP", "https://api.kcp.com"), Mode::Enforce, START);
        watch.incident = Some(Box::new(Incident {
            id: IncidentId(7),
            severity: Severity::Critical,
            cause: "3 probes in a row failed".into(),
            since: START,
            channels: ["am".into()].into(),
            history: None,
            correlation: CorrelationId::new("c"),
            last_told_at: START,
            fired_at: START,
            notice: NoticeId(9),
            siblings: 1,
            told: Conditions::NONE.with(Condition::Down),
            reminders: 0,
            escalated_at: None,
            acknowledged: None,
        }));
        let watches = [watch];
        assert_eq!(Repeats::restored(&watches, "am").due(START), standing(None));
        assert_eq!(Repeats::restored(&watches, "ops").due(START), []);
    }
}
