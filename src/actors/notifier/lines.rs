//! Which messages of a channel must be told in order, and which may leave together.

use std::sync::Arc;

use crate::config::channel::Together;
use crate::config::{Config, Target};
use crate::domain::alert::Severity;
use crate::domain::delivery::{Delivery, Message, Of};
use crate::domain::failure_history::FailureType;
use crate::domain::quiet::{Label, Subject};

/// What stands for a label that a target does not have.
const NONE: &str = "none";

/// What is told one after another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// An incident's messages: its beginning before its end.
    Incident(u64),
    /// Reports of one target; those that wait for the one before them leave together.
    Reports(Arc<str>),
    /// A report by itself, for a channel whose messages never leave together.
    Report(u64),
    /// A group's messages; those that wait leave together.
    Group(Arc<str>),
    /// What was joined under another configuration, by its name: one after another, as it was joined.
    Old(Arc<str>),
}

impl Line {
    /// Whether its messages may be joined.
    pub(super) const fn waits(&self) -> bool {
        match self {
            Self::Reports(_) | Self::Group(_) => true,
            Self::Incident(_) | Self::Report(_) | Self::Old(_) => false,
        }
    }

    /// Whether it waits for more although nothing is before it.
    pub(super) const fn is_paced(&self) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Incident(_) | Self::Reports(_) | Self::Report(_) | Self::Old(_) => false,
        }
    }

    /// What its messages have in common, in words.
    pub(super) fn name(&self) -> Box<str> {
        match self {
            Self::Reports(name) | Self::Group(name) => (&**name).into(),
            Self::Incident(_) | Self::Report(_) | Self::Old(_) => "".into(),
        }
    }

    /// The line of a delivery.
    pub(super) fn of(delivery: &Delivery, config: &Config) -> Self {
        let channel = config.channels.get(&delivery.channel);
        let never = channel.is_some_and(|channel| channel.kind.together() == Together::Never);
        // Of a channel that is not configured any more each message waits by itself.
        let by =
            channel.filter(|_| !never).map(|channel| &channel.grouping).filter(|grouping| grouping.joins_targets());
        let (alone, by) = (by.is_none(), by.map_or(&[][..], |grouping| &grouping.by));
        match &delivery.message {
            Message::Firing(alert)
            | Message::Reminder(alert)
            | Message::Escalated(alert)
            | Message::Resolved { alert, .. }
                if alone =>
            {
                Self::Incident(alert.incident.0)
            }
            Message::FailureRecorded { history, .. } if never => Self::Report(history.0),
            Message::FailureRecorded { target, .. } if alone => Self::Reports(target.clone()),
            Message::Firing(alert)
            | Message::Reminder(alert)
            | Message::Escalated(alert)
            | Message::Resolved { alert, .. } => {
                let failure_type = config.targets.get(&alert.target).map(|target| target.policy.failure_type);
                let failure_type = failure_type.unwrap_or(FailureType::Other);
                Self::group(&subject(&alert.target, alert.severity, failure_type, config), by)
            }
            Message::FailureRecorded { target, failure_type, severity, .. } => {
                Self::group(&subject(target, *severity, *failure_type, config), by)
            }
            Message::Grouped(group) if !alone => Self::Group((&*group.name).into()),
            Message::Grouped(group) if group.of == Of::Reports && !never => Self::Reports((&*group.name).into()),
            Message::Grouped(group) => Self::Old((&*group.name).into()),
        }
    }

    fn group(subject: &Subject<'_>, by: &[Label]) -> Self {
        let values: Vec<&str> = by
            .iter()
            .map(|label| subject.value(*label, ""))
            .map(|value| if value.is_empty() { NONE } else { value })
            .collect();
        Self::Group(values.join(", ").into())
    }
}

/// What of the targets' configuration decides on lines, of channels whose groups are of several targets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sorting<'a>(Vec<Subject<'a>>);

impl<'a> Sorting<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        let subject = |target: &'a Arc<Target>| Subject {
            target: &target.name,
            group: &target.group,
            severity: target.policy.alert.severity,
            failure_type: target.policy.failure_type,
        };
        Self(config.targets.values().map(subject).collect())
    }
}

/// What a matcher sees of a message: a system that is not configured is of no group.
pub(super) fn subject<'a>(
    target: &'a str,
    severity: Severity,
    failure_type: FailureType,
    config: &'a Config,
) -> Subject<'a> {
    let group = config.targets.get(target).map_or("", |target| &*target.group);
    Subject { target, group, severity, failure_type }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::domain::delivery::{Alert, Group};
    use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, IncidentId, NoticeId};
    use crate::domain::time::Timestamp;

    const AT: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);

    fn config() -> Config {
        let text = "[alerting]\ngroup_by = [\"group\"]\n\
            [[channel]]\nname = \"urgent\"\nkind = \"log\"\ngroup_by = [\"target\"]\n\
            [[channel]]\nname = \"digest\"\nkind = \"log\"\ngroup_by = []\n\
            [[channel]]\nname = \"pager\"\nkind = \"pagerduty\"\nrouting_key = \"R0UTINGKEYR0UTINGKEYR0UTINGKEY01\"\n\
            [[channel]]\nname = \"am\"\nkind = \"alertmanager\"\nurls = [\"http://alertmanager:9093\"]\n";
        let loaded = Config::parse(text, "test.toml", Path::new(""), &BTreeMap::new());
        loaded.unwrap_or_else(|problems| panic!("{problems}")).config
    }

    fn line(channel: &str, message: Message) -> Line {
        let delivery = Delivery {
            id: DeliveryId { notice: NoticeId(1), ordinal: 0 },
            siblings: 1,
            channel: channel.into(),
            message,
            history: None,
            correlation: CorrelationId::new("c"),
            queued_at: AT,
            tried_since: AT,
            attempts: 0,
            next_attempt_at: AT,
            last_error: None,
        };
        Line::of(&delivery, &config())
    }

    fn firing() -> Message {
        Message::Firing(Alert {
            incident: IncidentId(7),
            severity: Severity::Critical,
            target: "PG_KCP".into(),
            cause: "503".into(),
            since: AT,
            acknowledge: None,
        })
    }

    fn reported() -> Message {
        let (history, failure_type) = (HistoryId(12), FailureType::Other);
        Message::FailureRecorded {
            history,
            failure_type,
            target: "SMS".into(),
            severity: Severity::Warning,
            cause: "503".into(),
            occurred_at: AT,
        }
    }

    #[test]
    fn messages_of_a_group_wait_for_each_other() {
        for channel in ["log", "am"] {
            assert_eq!(line(channel, firing()), Line::Group(NONE.into()));
            assert_eq!(line(channel, reported()), Line::Group(NONE.into()));
        }
    }

    #[test]
    fn a_channel_that_says_so_is_grouped_otherwise_than_the_others() {
        assert_eq!(line("urgent", firing()), Line::Incident(7));
        assert_eq!(line("urgent", reported()), Line::Reports("SMS".into()));
        for message in [firing(), reported()] {
            assert_eq!(line("digest", message), Line::Group("".into()));
        }
    }

    #[test]
    fn for_a_pager_each_message_goes_by_itself_and_so_does_a_group_of_before() {
        assert_eq!(line("pager", firing()), Line::Incident(7));
        assert_eq!(line("pager", reported()), Line::Report(12));
        for line in [line("pager", firing()), line("pager", reported())] {
            assert!(!line.waits() && !line.is_paced());
        }
        let group = Group { of: Of::Reports, name: "SMS".into(), count: 0, messages: Vec::new(), members: Vec::new() };
        assert_eq!(line("pager", Message::Grouped(group)), Line::Old("SMS".into()));
    }
}
