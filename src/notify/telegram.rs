//! The `telegram` channel: a bot's message to a chat.
//!
//! In plain text, which needs no escaping and cannot be misread. Format:
//! <https://core.telegram.org/bots/api#sendmessage>.

use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Telegram;

/// Letters of a message.
const TEXT_MAX: usize = 4_096;

pub(super) fn render(told: &Told<'_>, telegram: &Telegram) -> Request {
    let Telegram { url, token, chat_id } = telegram;
    let url = format!("{}/bot{}/sendMessage", url.text(), token.text());
    let body = json!({
        "chat_id": &**chat_id,
        "text": cut(&told.whole_text(), TEXT_MAX),
        "link_preview_options": {"is_disabled": true},
    });
    Request::json(url, &body)
}

/// Flood control says in its body when to come again
/// (<https://core.telegram.org/bots/api#responseparameters>); a 409 is another program that uses the bot's updates.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    if answer.status == 429 {
        return Verdict::Transient { retry_after: answer.pause(&["parameters", "retry_after"]) };
    }
    answer.by_status()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::examples::{every, wire};
    use super::*;
    use crate::config::{Language, Secret};

    fn bot() -> Telegram {
        Telegram {
            url: Secret::new(b"https://api.telegram.org"),
            token: Secret::new(b"123456:ABC-DEF"),
            chat_id: "-1001234567890".into(),
        }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &bot()))));
    }

    #[test]
    fn every_message_in_korean() {
        insta::assert_snapshot!(every(Language::Korean, |told| render(told, &bot()).body));
    }

    #[test]
    fn the_pause_stands_in_the_body() {
        let judged = |status, body: &str| judge(&Answer { status, retry_after: None, body: body.as_bytes() });
        let flood = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}"#;
        assert_eq!(judged(429, flood), Verdict::Transient { retry_after: Some(Duration::from_secs(5)) });
        assert_eq!(judged(400, r#"{"ok":false,"description":"Bad Request: chat not found"}"#), Verdict::Permanent);
        assert_eq!(judged(401, r#"{"ok":false,"description":"Unauthorized"}"#), Verdict::Permanent);
        assert_eq!(judged(502, "<html>"), Verdict::Transient { retry_after: None });
    }
}
