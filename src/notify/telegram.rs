//! The `telegram` channel: a bot's message to a chat.
//!
//! In plain text (no `parse_mode`), of which Telegram itself makes links, and calls whoever stands after an `@`: that
//! alone is taken from strangers' words. Format: <https://core.telegram.org/bots/api#sendmessage> (Bot API 7.0, which
//! brought `link_preview_options`).

use serde_json::{Value, json};

use super::quote::{LETTERS, Measure, cut, size};
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Telegram;
use crate::config::template::Escaping;

/// Letters of a message; a longer one is refused (`message is too long`).
const TEXT_MAX: usize = 4_096;
/// A letter with what [`Escaping::Mentions`] may put after it.
const WITH_ESCAPES: Measure = |sign| sign.len_utf16() + (sign == '@') as usize;

pub(super) fn render(told: &Told<'_>, telegram: &Telegram) -> Request {
    let Telegram { url, token, chat_id } = telegram;
    let url = format!("{}/bot{}/sendMessage", url.text(), token.text());
    let body = json!({
        "chat_id": &**chat_id,
        "text": text(told),
        "link_preview_options": {"is_disabled": true},
    });
    Request::json(url, &body)
}

/// All of it in one text; what is cut for want of room is never a link.
fn text(told: &Told<'_>) -> String {
    if let Some(custom) = &told.custom {
        return cut(custom, TEXT_MAX);
    }
    let escaped = |text: &str| Escaping::Mentions.escape(text).into_owned();
    let head = escaped(&told.title);
    let links = told.link.clone().into_iter().chain(told.acknowledge_line());
    let tail: String = links.map(|link| format!("\n{link}")).collect();
    let room = TEXT_MAX.saturating_sub(size(&head, LETTERS) + size(&tail, LETTERS) + 1);
    cut(&format!("{head}\n{}{tail}", escaped(&told.text_within(room, WITH_ESCAPES))), TEXT_MAX)
}

/// An answer is JSON with `ok`, and without it with the status again as `error_code`
/// (<https://core.telegram.org/bots/api#making-requests>). Flood control says in its body when to come again
/// (<https://core.telegram.org/bots/api#responseparameters>).
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    let status = match answer.member("ok") {
        Some(Value::Bool(true)) if answer.is_good() => return Verdict::Delivered,
        Some(Value::Bool(false)) if answer.is_good() => {
            // What is no status is refused without a reason, and so for good.
            answer.number(&["error_code"]).filter(|code| (400.0..600.0).contains(code)).map_or(400, as_status)
        }
        Some(_) | None if answer.is_good() => return Verdict::Transient { retry_after: answer.retry_after },
        Some(_) | None => answer.status,
    };
    let retry_after = answer.pause(&["parameters", "retry_after"]);
    Answer { status, retry_after, body: answer.body }.by_status()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 400 and 600")]
const fn as_status(code: f64) -> u16 {
    code as u16
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::examples::{crowded, every, hostile, teller, wire};
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
    fn words_of_strangers_call_nobody() {
        let body = render(&teller(Language::English).tell(&hostile()), &bot()).body;
        assert!(body.contains("@\u{200b}everyone") && body.contains("a@b"), "{body}");
    }

    #[test]
    fn a_crowded_group_fits_with_its_link_and_says_how_many_are_left_out() {
        let crowded = crowded();
        let text = text(&teller(Language::Korean).tell(&crowded));
        assert!(text.encode_utf16().count() <= TEXT_MAX, "{text}");
        let told = text.lines().filter(|line| line.contains("부터")).count();
        assert!(told > 10, "{text}");
        assert!(text.ends_with(&format!("부터\n외 {}건\nhttps://breakwater.example/", 30 - told)), "{text}");
    }

    #[test]
    fn a_good_status_is_not_believed_where_the_body_says_no() {
        let judged = |body: &str| judge(&Answer { status: 200, retry_after: None, body: body.as_bytes() });
        assert_eq!(judged(r#"{"ok":true,"result":{"message_id":5}}"#), Verdict::Delivered);
        assert_eq!(judged(r#"{"ok":false,"error_code":403,"description":"Forbidden"}"#), Verdict::Permanent);
        assert_eq!(judged(r#"{"ok":false,"error_code":502}"#), Verdict::Transient { retry_after: None });
        assert_eq!(judged(r#"{"ok":false}"#), Verdict::Permanent);
        assert_eq!(judged("<html>Log in</html>"), Verdict::Transient { retry_after: None });
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
