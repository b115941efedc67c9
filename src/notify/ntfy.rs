//! The `ntfy` channel: a push notification to whoever listens to a topic.
//!
//! As JSON, in UTF-8 as it is, where headers would want it encoded. Format, priorities (1 to 5), tags and actions (at most
//! three): <https://docs.ntfy.sh/publish/#publish-as-json>.

use serde_json::json;

use super::quote::{JSON_BYTES, cut_to};
use super::request::{Answer, Request, Verdict};
use super::told::{Kind, Told};
use crate::config::channel::Ntfy;
use crate::domain::alert::Severity;

/// Bytes of a message; a longer one would become a file. They are counted as JSON writes them, since all of the JSON may
/// have only twice as many (else 413).
const MESSAGE_MAX: usize = 4_096;
/// Bytes of a title, for which no limit is published.
const TITLE_MAX: usize = 1_024;

pub(super) fn render(told: &Told<'_>, ntfy: &Ntfy) -> Request {
    let (priority, tag) = match (told.kind, told.severity) {
        (Kind::Resolved | Kind::TestOver, _) => (3, "white_check_mark"),
        (Kind::Test, _) => (3, "wrench"),
        (Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Recorded, Severity::Critical) => (5, "rotating_light"),
        (Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Recorded, Severity::Warning) => (4, "warning"),
        (Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Recorded, Severity::Info) => (3, "information_source"),
    };
    let mut message = json!({
        "topic": ntfy.topic.text(),
        "title": cut_to(&told.title, TITLE_MAX, JSON_BYTES),
        "message": told.text_within(MESSAGE_MAX, JSON_BYTES),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = &told.link {
        message["click"] = json!(link);
    }
    if let Some(url) = told.acknowledge {
        message["actions"] = json!([{"action": "view", "label": told.to_acknowledge, "url": url}]);
    }
    Request::json(ntfy.url.text().into_owned(), &message).authorized(&ntfy.login)
}

/// Its errors are JSON with a sentence; its statuses say what they are worth. 429 is a limit of requests or of the day.
/// A message that was taken comes back with its `id`.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_member("id")
}

#[cfg(test)]
mod tests {
    use super::super::examples::{crowded, every, hostile, teller, teller_with, wire};
    use super::*;
    use crate::config::channel::Login;
    use crate::config::template::{Escaping, Template};
    use crate::config::{Language, Secret};

    fn topic() -> Ntfy {
        Ntfy {
            url: Secret::new(b"https://ntfy.sh"),
            topic: Secret::new(b"shop-ops"),
            login: Login::Bearer(Secret::new(b"tk_x")),
        }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &topic()))));
    }

    #[test]
    fn however_long_it_is_the_server_reads_it_as_a_message() {
        let template = Template::new("{{ cause }}{% for n in range(2000) %}\"\n{% endfor %}", Escaping::Plain).unwrap();
        let (teller, templated, crowded, hostile) =
            (teller(Language::Korean), teller_with(template), crowded(), hostile());
        for told in [teller.tell(&crowded), templated.tell(&hostile)] {
            let body = render(&told, &topic()).body;
            let message: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(
                message["message"].as_str().unwrap().len() <= MESSAGE_MAX && body.len() <= 2 * MESSAGE_MAX,
                "{body}"
            );
        }
    }

    #[test]
    fn a_message_that_was_taken_has_an_id() {
        let judged = |status, body: &str| judge(&Answer { status, retry_after: None, body: body.as_bytes() });
        assert_eq!(judged(200, r#"{"id":"xE73Iyuabi","event":"message"}"#), Verdict::Delivered);
        assert_eq!(judged(200, "<html>Log in</html>"), Verdict::Transient { retry_after: None });
        assert_eq!(judged(413, r#"{"code":41303,"error":"JSON body too large"}"#), Verdict::Permanent);
        assert_eq!(judged(507, ""), Verdict::Transient { retry_after: None });
    }
}
