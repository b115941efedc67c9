//! The `slack` channel: an incoming webhook.
//!
//! An incoming webhook cannot change what it has posted, so each message is a post of its own; the key in its footer is
//! the same through an incident. Format: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
//! with a secondary attachment (<https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments>),
//! since only that has a colour, and as many fields as a group has lines where a section of Block Kit has ten. Names are
//! not linked (`link_names` is left out), so an `@` calls nobody.

use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Hook;
use crate::config::template::Escaping;

/// Letters of a footer, and of an attachment's text: of more Slack shows no more.
const FOOTER_MAX: usize = 300;
const TEXT_MAX: usize = 8_000;

pub(super) fn render(told: &Told<'_>, hook: &Hook) -> Request {
    let escaped = |text: &str| Escaping::Slack.escape(text).into_owned();
    let title = escaped(&told.title);
    let text = match &told.link {
        Some(link) => format!("<{link}|{title}>"),
        None => title.clone(),
    };
    let mut attachment = json!({
        "color": told.colour(),
        "fallback": escaped(&told.text()),
        "footer": cut(&escaped(&told.key), FOOTER_MAX),
    });
    match &told.custom {
        // Its values were escaped where they were put in; what else it says is the user's.
        Some(custom) => {
            let custom = cut(custom, TEXT_MAX);
            attachment["fallback"] = json!(custom);
            attachment["text"] = json!(custom);
            attachment["mrkdwn_in"] = json!(["text"]);
        }
        None => {
            let one_by_one = told.group.is_some();
            let fields = told.facts.iter().enumerate().map(|(index, fact)| {
                let is_short = index > 0 && !one_by_one;
                json!({"title": escaped(&fact.label), "value": escaped(&fact.value), "short": is_short})
            });
            let acknowledge = told
                .acknowledge
                .map(|url| json!({"title": "", "value": format!("<{url}|{}>", told.to_acknowledge), "short": false}));
            attachment["fields"] = fields.chain(acknowledge).collect();
        }
    }
    Request::json(hook.url.text().into_owned(), &json!({"text": text, "attachments": [attachment]}))
}

/// Slack's errors are words in plain text, and its statuses say what they are worth: `invalid_payload` (400),
/// `action_prohibited` and `posting_to_general_channel_denied` (403), `channel_not_found` and `no_service` (404),
/// `channel_is_archived` (410) will not get better; 429 comes with `Retry-After`; `rollup_error` is a 500. What was taken
/// is answered `ok`, and by what imitates Slack with a JSON that says so.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_ok()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{every, hostile, teller, teller_with, wire};
    use super::*;
    use crate::config::template::Template;
    use crate::config::{Language, Secret};

    fn hook() -> Hook {
        Hook { url: Secret::new(b"https://hooks.slack.com/services/T024F/B024F/x") }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &hook()))));
    }

    #[test]
    fn every_message_in_korean() {
        insta::assert_snapshot!(every(Language::Korean, |told| render(told, &hook()).body));
    }

    #[test]
    fn words_that_try_to_be_more_stay_words() {
        let body = render(&teller(Language::English).tell(&hostile()), &hook()).body;
        assert!(!body.contains("<!channel>") && body.contains("&lt;!channel&gt;"), "{body}");
    }

    #[test]
    fn a_template_makes_the_text_and_its_values_are_escaped() {
        let template = Template::new("*{{ target }}* {{ cause }}", Escaping::Slack).unwrap();
        let body = render(&teller_with(template).tell(&hostile()), &hook()).body;
        assert!(body.contains("*PG_KCP* &lt;!channel&gt; @everyone"), "{body}");
        assert!(!body.contains("\"fields\""), "{body}");
    }

    #[test]
    fn what_will_not_get_better_is_permanent() {
        for (status, body, verdict) in [
            (200, "ok", Verdict::Delivered),
            (200, "ok\n", Verdict::Delivered),
            (200, r#"{"ok":true}"#, Verdict::Delivered),
            (200, r#"{"success":true}"#, Verdict::Delivered),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, Verdict::Permanent),
            (200, "no_text", Verdict::Permanent),
            (200, "", Verdict::Permanent),
            (400, "invalid_payload", Verdict::Permanent),
            (403, "action_prohibited", Verdict::Permanent),
            (404, "no_service", Verdict::Permanent),
            (404, "channel_not_found", Verdict::Permanent),
            (410, "channel_is_archived", Verdict::Permanent),
            (429, "rate_limited", Verdict::Transient { retry_after: None }),
            (500, "rollup_error", Verdict::Transient { retry_after: None }),
        ] {
            assert_eq!(judge(&Answer { status, retry_after: None, body: body.as_bytes() }), verdict, "{status} {body}");
        }
    }
}
