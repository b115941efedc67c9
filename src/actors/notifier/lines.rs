//! Which messages of a channel must be told in order, and which may leave together.

use std::sync::Arc;

use crate::config::Config;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Delivery, Message, Of};
use crate::domain::failure_history::FailureType;
use crate::domain::id::DeliveryId;
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
    /// A group's messages; those that wait leave together.
    Group(Arc<str>),
    /// Something that was joined under another configuration.
    Alone(DeliveryId),
}

impl Line {
    /// Whether its messages may be joined.
    pub(super) const fn waits(&self) -> bool {
        match self {
            Self::Reports(_) | Self::Group(_) => true,
            Self::Incident(_) | Self::Alone(_) => false,
        }
    }

    /// Whether it waits for more although nothing is before it.
    pub(super) const fn is_paced(&self) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Incident(_) | Self::Reports(_) | Self::Alone(_) => false,
        }
    }

    /// What its messages have in common, in words.
    pub(super) fn name(&self) -> Box<str> {
        match self {
            Self::Reports(name) | Self::Group(name) => (&**name).into(),
            Self::Incident(_) | Self::Alone(_) => "".into(),
        }
    }

    /// The line of a delivery.
    pub(super) fn of(delivery: &Delivery, config: &Config) -> Self {
        let by = &*config.alerting.group_by;
        let alone = by.contains(&Label::Target);
        match &delivery.message {
            Message::Firing(alert)
            | Message::Reminder(alert)
            | Message::Escalated(alert)
            | Message::Resolved { alert, .. }
                if alone =>
            {
                Self::Incident(alert.incident.0)
            }
            Message::FailureRecorded { target, .. } if alone => Self::Reports(target.clone()),
            Message::Firing(alert)
            | Message::Reminder(alert)
            | Message::Escalated(alert)
            | Message::Resolved { alert, .. } => {
                let failure_type = config.targets.get(&alert.target).map(|target| target.policy.failure_type);
                let failure_type = failure_type.unwrap_or(FailureType::Other);
                Self::group(&subject(&alert.target, alert.severity, failure_type, config), by)
            }
            Message::FailureRecorded { target, failure_type, .. } => {
                Self::group(&report(target, *failure_type, config), by)
            }
            Message::Grouped(group) if !alone => Self::Group((&*group.name).into()),
            Message::Grouped(group) if group.of == Of::Reports => Self::Reports((&*group.name).into()),
            Message::Grouped(_) => Self::Alone(delivery.id),
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

/// What a matcher sees of a report: a system that is not configured is of no group, and critical.
pub(super) fn report<'a>(target: &'a str, failure_type: FailureType, config: &'a Config) -> Subject<'a> {
    let severity = config.targets.get(target).map_or(Severity::Critical, |target| target.policy.alert.severity);
    subject(target, severity, failure_type, config)
}

fn subject<'a>(target: &'a str, severity: Severity, failure_type: FailureType, config: &'a Config) -> Subject<'a> {
    let group = config.targets.get(target).map_or("", |target| &*target.group);
    Subject { target, group, severity, failure_type }
}
