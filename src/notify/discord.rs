//! The `discord` channel: a webhook.
//!
//! Format and limits: <https://discord.com/developers/docs/resources/webhook#execute-webhook>. With `wait` the answer
//! comes when the message is saved, so that a message that cannot be is told. Nobody can be called by a text: nothing in
//! it is parsed for mentions. An embed's limits: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.

use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::clock;
use crate::config::channel::Hook;
use crate::config::template::Escaping;

/// Letters of an embed's title or a field's name, of its description and of a field's value.
const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 4_096;
const VALUE_MAX: usize = 1_024;
/// Letters of a name and a value where a group has a field for each message: an embed has at most 6,000 in all, and 25
/// fields.
const GROUP_MAX: (usize, usize) = (64, 200);

pub(super) fn render(told: &Told<'_>, hook: &Hook) -> Request {
    let escaped = |text: &str, limit| cut(&Escaping::Markdown.escape(text), limit);
    let colour = u32::from_str_radix(told.colour().trim_start_matches('#'), 16).unwrap_or_default();
    let mut embed = json!({
        "title": escaped(&told.title, TITLE_MAX),
        "color": colour,
        "timestamp": clock::format(told.at),
        "footer": {"text": told.key},
    });
    if let Some(link) = &told.link {
        embed["url"] = json!(link);
    }
    match &told.custom {
        Some(custom) => embed["description"] = json!(cut(custom, DESCRIPTION_MAX)),
        None => {
            let one_by_one = told.group.is_some();
            let (name_max, value_max) = if one_by_one { GROUP_MAX } else { (TITLE_MAX, VALUE_MAX) };
            let fields = told.facts.iter().enumerate().map(|(index, fact)| {
                let (name, value) = (escaped(&fact.label, name_max), escaped(&fact.value, value_max));
                json!({"name": name, "value": value, "inline": index > 0 && !one_by_one})
            });
            let acknowledge = told.acknowledge.map(|url| {
                let name = told.to_acknowledge;
                json!({"name": name, "value": format!("[{name}]({url})"), "inline": false})
            });
            embed["fields"] = fields.chain(acknowledge).collect();
        }
    }
    let url = hook.url.text();
    let sign = if url.contains('?') { '&' } else { '?' };
    let message = json!({"embeds": [embed], "allowed_mentions": {"parse": []}});
    let mut request = Request::json(format!("{url}{sign}wait=true"), &message);
    // Its own form (<https://discord.com/developers/docs/reference#user-agent>); others may be turned away.
    for (name, value) in &mut request.headers {
        if *name == "user-agent" {
            *value = concat!("DiscordBot (breakwater, ", env!("CARGO_PKG_VERSION"), ")").to_owned();
        }
    }
    request
}

/// A 429 says in its body, to the millisecond, when to come again
/// (<https://discord.com/developers/docs/topics/rate-limits>). What was taken comes back with its `id`, or, where `wait`
/// was lost on the way, as 204.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    match answer.status {
        204 => Verdict::Delivered,
        429 => Verdict::Transient { retry_after: answer.pause(&["retry_after"]) },
        _ => answer.by_member("id"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::examples::{crowded, delivery, every, firing, hostile, teller, wire};
    use super::*;
    use crate::config::{Language, Secret};
    use crate::domain::delivery::Message;

    fn hook() -> Hook {
        Hook { url: Secret::new(b"https://discord.com/api/webhooks/1/x?thread_id=2") }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &hook()))));
    }

    #[test]
    fn words_that_try_to_be_more_stay_words() {
        let body = render(&teller(Language::English).tell(&hostile()), &hook()).body;
        assert!(body.contains("@\u{200b}everyone") && body.contains(r#""allowed_mentions":{"parse":[]}"#), "{body}");
    }

    #[test]
    fn however_crowded_a_group_is_its_embed_is_within_the_limits() {
        let crowded = crowded();
        let body = render(&teller(Language::Korean).tell(&crowded), &hook()).body;
        let embed = &serde_json::from_str::<serde_json::Value>(&body).unwrap()["embeds"][0];
        let letters = |value: &serde_json::Value| value.as_str().unwrap().encode_utf16().count();
        let fields = embed["fields"].as_array().unwrap();
        assert!(fields.len() <= 25 && fields.iter().all(|field| letters(&field["name"]) > 0));
        let in_fields: usize = fields.iter().map(|field| letters(&field["name"]) + letters(&field["value"])).sum();
        let all = in_fields + letters(&embed["title"]) + letters(&embed["footer"]["text"]);
        assert!(all <= 6_000, "{all}");
        assert_eq!(fields[20]["value"], "외 10건");
    }

    #[test]
    fn a_cause_that_nobody_gave_leaves_no_field_empty() {
        let Message::Firing(mut alert) = firing() else { unreachable!() };
        alert.cause = " ".into();
        let delivery = delivery(Message::Firing(alert));
        let body = render(&teller(Language::English).tell(&delivery), &hook()).body;
        assert!(body.contains("no reason was given"), "{body}");
    }

    #[test]
    fn the_pause_is_the_bodys_and_only_without_it_the_headers() {
        let judged = |status, body: &str| {
            judge(&Answer { status, retry_after: Some(Duration::from_secs(2)), body: body.as_bytes() })
        };
        let limited = r#"{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}"#;
        assert_eq!(judged(429, limited), Verdict::Transient { retry_after: Some(Duration::from_secs_f64(64.57)) });
        assert_eq!(judged(429, "no JSON"), Verdict::Transient { retry_after: Some(Duration::from_secs(2)) });
        assert_eq!(judged(404, r#"{"message": "Unknown Webhook", "code": 10015}"#), Verdict::Permanent);
        assert_eq!(judged(400, r#"{"message": "Invalid Form Body", "code": 50035}"#), Verdict::Permanent);
        assert_eq!(judged(204, ""), Verdict::Delivered);
        assert_eq!(judged(200, r#"{"id": "1234", "type": 0, "content": ""}"#), Verdict::Delivered);
        assert_eq!(judged(200, "<html>"), Verdict::Transient { retry_after: Some(Duration::from_secs(2)) });
    }
}
