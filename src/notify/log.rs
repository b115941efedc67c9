//! The `log` channel: one line in this node's own log.
//!
//! It cannot fail and it is on unless the config turns it off, so there is always one channel that a message reaches.

use super::words::one_line;
use crate::clock::Rfc3339;
use crate::domain::delivery::{Alert, Delivery, Group, Message, Of};

/// A cause longer than this is cut; the whole of it is in the failure history.
const CAUSE_MAX: usize = 300;

/// What is written, apart from where.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    attention: Attention,
    text: String,
}

/// How loudly it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attention {
    /// WARN: somebody should look.
    Wanted,
    /// INFO: nobody needs to any more.
    NotWanted,
}

/// Writes the message's line.
pub(super) fn write(delivery: &Delivery) {
    let Line { attention, text } = render(delivery);
    let (id, correlation) = (delivery.id, &delivery.correlation);
    match attention {
        Attention::Wanted => tracing::warn!(notice = %id, %correlation, "{text}"),
        Attention::NotWanted => tracing::info!(notice = %id, %correlation, "{text}"),
    }
}

fn render(delivery: &Delivery) -> Line {
    of(&delivery.message)
}

fn of(message: &Message) -> Line {
    match message {
        Message::Firing(alert) => Line { attention: Attention::Wanted, text: trouble("is in trouble", alert) },
        Message::Reminder(alert) => Line { attention: Attention::Wanted, text: trouble("is still in trouble", alert) },
        Message::Escalated(alert) => Line { attention: Attention::Wanted, text: trouble("needs somebody", alert) },
        Message::Grouped(group) => grouped(group),
        Message::Resolved { alert, until } => {
            let Alert { incident, severity, target, cause, since, acknowledge: _ } = alert;
            let text = format!(
                "{target} is well again: {severity} incident {incident} resolved, it lasted from {since} to {until}; \
                 its cause was: {cause}",
                severity = severity.as_str(),
                since = Rfc3339(*since),
                until = Rfc3339(*until),
                cause = one_line(cause, CAUSE_MAX),
            );
            Line { attention: Attention::NotWanted, text }
        }
        Message::FailureRecorded { history, failure_type, target, cause, occurred_at } => {
            let text = format!(
                "{target}: a {kind} failure was reported, history {history}, at {at}: {cause}",
                kind = failure_type.as_str(),
                at = Rfc3339(*occurred_at),
                cause = one_line(cause, CAUSE_MAX),
            );
            Line { attention: Attention::Wanted, text }
        }
    }
}

/// Members of a group that are written out.
const WRITTEN_OUT: usize = 5;

fn grouped(group: &Group) -> Line {
    let Group { of: what, name, count, messages, members: _ } = group;
    let (attention, words) = match what {
        Of::Trouble => (Attention::Wanted, "alerts"),
        Of::Ends => (Attention::NotWanted, "alerts resolved"),
        Of::Reports => (Attention::Wanted, "reported failures"),
    };
    let told: Vec<String> = messages.iter().take(WRITTEN_OUT).map(|message| of(message).text).collect();
    let name = if name.is_empty() { "everything" } else { name };
    let more = usize::try_from(*count).unwrap_or(usize::MAX).saturating_sub(told.len());
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    Line { attention, text: format!("{count} {words} of {name}: {}{rest}", told.join("; ")) }
}

fn trouble(how: &str, alert: &Alert) -> String {
    let Alert { incident, severity, target, cause, since, acknowledge: _ } = alert;
    format!(
        "{target} {how}: {severity} incident {incident} since {since}: {cause}",
        severity = severity.as_str(),
        since = Rfc3339(*since),
        cause = one_line(cause, CAUSE_MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::super::webhook::tests::{delivery, firing, recorded, reminder, resolved};
    use super::*;

    fn line(message: Message) -> (Attention, String) {
        let Line { attention, text } = render(&delivery(message));
        (attention, text)
    }

    #[test]
    fn each_message_has_its_line() {
        let lines: Vec<String> = [firing(), reminder(), resolved(), recorded()]
            .into_iter()
            .map(|message| {
                let (attention, text) = line(message);
                format!("{attention:?}: {text}")
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_cause_cannot_begin_a_line_of_its_own() {
        let Message::Firing(mut alert) = firing() else { unreachable!() };
        alert.cause = "bad\n2024-06-01 INFO all is well".into();
        assert!(!line(Message::Firing(alert)).1.contains('\n'));
    }
}
