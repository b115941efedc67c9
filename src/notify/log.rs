//! The `log` channel: one line in this node's own log.
//!
//! It cannot fail and it is on unless the config turns it off, so there is always one channel that a message reaches.

use super::quote::one_line;
use super::told::{Kind, Told};
use crate::clock::Rfc3339;

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
pub(super) fn write(told: &Told<'_>) {
    let Line { attention, text } = render(told);
    let (id, correlation) = (told.id.trim_start_matches("n-"), told.correlation);
    match attention {
        Attention::Wanted => tracing::warn!(notice = %id, %correlation, "{text}"),
        Attention::NotWanted => tracing::info!(notice = %id, %correlation, "{text}"),
    }
}

fn render(told: &Told<'_>) -> Line {
    let (target, severity, since) = (told.target, told.severity.as_str(), Rfc3339(told.since));
    let cause = one_line(&told.cause, CAUSE_MAX);
    let incident = told.incident.unwrap_or_default();
    let trouble = |how: &str| format!("{target} {how}: {severity} incident {incident} since {since}: {cause}");
    let (attention, text) = match told.kind {
        Kind::Firing => (Attention::Wanted, trouble("is in trouble")),
        Kind::Reminder => (Attention::Wanted, trouble("is still in trouble")),
        Kind::Resolved => {
            let until = Rfc3339(told.until.unwrap_or(told.since));
            let text = format!(
                "{target} is well again: {severity} incident {incident} resolved, it lasted from {since} to {until}; \
                 its cause was: {cause}"
            );
            (Attention::NotWanted, text)
        }
        Kind::Recorded => {
            let (kind, history) = (told.failure_type.unwrap_or_default(), told.history.unwrap_or_default());
            let text = format!("{target}: a {kind} failure was reported, history {history}, at {since}: {cause}");
            (Attention::Wanted, text)
        }
        Kind::Test | Kind::TestOver => (Attention::NotWanted, told.title.clone()),
    };
    Line { attention, text }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{delivery, firing, recorded, reminder, resolved, teller};
    use super::*;
    use crate::config::Language;
    use crate::domain::delivery::Message;

    fn line(message: Message) -> (Attention, String) {
        let Line { attention, text } = render(&teller(Language::Korean).tell(&delivery(message)));
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
