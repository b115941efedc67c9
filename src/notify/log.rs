//! The `log` channel: one line in this node's own log.
//!
//! It cannot fail and it is on unless the config turns it off, so there is always one channel that a message reaches.

use super::grouped::Grouped;
use super::quote::one_line;
use super::told::{Kind, Told};
use super::words;
use crate::clock::Rfc3339;
use crate::domain::delivery::Of;
use crate::domain::ending::Unrecovered;

/// A cause longer than this is cut; the whole of it is in the failure history.
const CAUSE_MAX: usize = 300;
/// Members of a group that are written out.
const WRITTEN_OUT: usize = 5;

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
    let (id, correlation) = (in_outbox(&told.id), told.correlation);
    match attention {
        Attention::Wanted => tracing::warn!(notice = %id, %correlation, "{text}"),
        Attention::NotWanted => tracing::info!(notice = %id, %correlation, "{text}"),
    }
}

/// A message's id as `/outbox` has it.
fn in_outbox(id: &str) -> &str {
    let own = id.strip_prefix("n-").and_then(|id| id.split_once('-'));
    own.map_or(id, |(id, _)| id)
}

fn render(told: &Told<'_>) -> Line {
    if let Some(group) = &told.group {
        return grouped(group);
    }
    let (target, severity, since) = (told.target, told.severity.as_str(), Rfc3339(told.since));
    let cause = one_line(&told.cause, CAUSE_MAX);
    let incident = told.incident.unwrap_or_default();
    let trouble = |how: &str| format!("{target} {how}: {severity} incident {incident} since {since}: {cause}");
    let (attention, text) = match told.kind {
        Kind::Firing => (Attention::Wanted, trouble("is in trouble")),
        Kind::Reminder => (Attention::Wanted, trouble("is still in trouble")),
        Kind::Escalated => (Attention::Wanted, trouble("needs somebody")),
        Kind::Resolved => {
            let until = Rfc3339(told.until.unwrap_or(told.since));
            let ended = words::ended(Unrecovered::of(&told.cause));
            let text = format!(
                "{target} {ended}: {severity} incident {incident} resolved, it lasted from {since} to {until}; \
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

fn grouped(group: &Grouped<'_>) -> Line {
    let Grouped { of, name, count, members, .. } = group;
    let (attention, words) = match of {
        Of::Trouble => (Attention::Wanted, "alerts of"),
        Of::Ends => (Attention::NotWanted, "resolved alerts of"),
        Of::Reports => (Attention::Wanted, "reported failures of"),
    };
    let told: Vec<String> = members.iter().take(WRITTEN_OUT).map(|member| render(member).text).collect();
    let name = if name.is_empty() { "everything" } else { name };
    let more = usize::try_from(*count).unwrap_or(usize::MAX).saturating_sub(told.len());
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    Line { attention, text: format!("{count} {words} {name}: {}{rest}", told.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{at, delivery, escalated, firing, groups, recorded, reminder, resolved, teller};
    use super::*;
    use crate::config::Language;
    use crate::domain::delivery::Message;

    fn line(message: Message) -> (Attention, String) {
        let Line { attention, text } = render(&teller(Language::Korean).tell(&delivery(message)));
        (attention, text)
    }

    #[test]
    fn each_message_has_its_line() {
        let lines: Vec<String> = [firing(), reminder(), escalated(), resolved(), recorded()]
            .into_iter()
            .chain(groups())
            .map(|message| {
                let (attention, text) = line(message);
                format!("{attention:?}: {text}")
            })
            .chain([format!("{:?}", render(&teller(Language::Korean).test(Kind::Test, at("2024-06-01T10:00:03Z"))))])
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_message_is_named_as_the_outbox_names_it() {
        let teller = teller(Language::English);
        assert_eq!(in_outbox(&teller.tell(&delivery(firing())).id), "41.1");
        let test = teller.test(Kind::Test, at("2024-06-01T10:00:03Z")).id;
        assert_eq!(in_outbox(&test), test);
    }

    #[test]
    fn an_end_that_is_no_recovery_is_told_as_none() {
        let Message::Resolved { mut alert, until } = resolved() else { unreachable!() };
        alert.cause = Unrecovered::NotWatched.cause("503").into();
        let text = line(Message::Resolved { alert, until }).1;
        assert!(text.starts_with("PG_KCP is not watched any more: critical incident 7 resolved"), "{text}");
    }

    #[test]
    fn a_cause_cannot_begin_a_line_of_its_own() {
        let Message::Firing(mut alert) = firing() else { unreachable!() };
        alert.cause = "bad\n2024-06-01 INFO all is well".into();
        assert!(!line(Message::Firing(alert)).1.contains('\n'));
    }
}
