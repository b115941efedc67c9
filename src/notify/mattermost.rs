//! The `mattermost` channel: an incoming webhook.
//!
//! Format: <https://developers.mattermost.com/integrate/webhooks/incoming/> with one attachment
//! (<https://developers.mattermost.com/integrate/reference/message-attachments/>). All texts are Markdown there.

use serde_json::json;

use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Hook;
use crate::config::template::Escaping;

pub(super) fn render(told: &Told<'_>, hook: &Hook) -> Request {
    let escaped = |text: &str| Escaping::Markdown.escape(text).into_owned();
    let mut attachment = json!({
        "color": told.colour(),
        "fallback": told.title,
        "title": told.title,
        "footer": told.key,
    });
    if let Some(link) = &told.link {
        attachment["title_link"] = json!(link);
    }
    match &told.custom {
        Some(custom) => attachment["text"] = json!(custom),
        None => {
            let one_by_one = told.group.is_some();
            let fields = told.facts.iter().enumerate().map(|(index, fact)| {
                let is_short = index > 0 && !one_by_one;
                json!({"title": escaped(&fact.label), "value": escaped(&fact.value), "short": is_short})
            });
            let acknowledge = told
                .acknowledge
                .map(|url| json!({"title": "", "value": format!("[{}]({url})", told.to_acknowledge), "short": false}));
            attachment["fields"] = fields.chain(acknowledge).collect();
        }
    }
    Request::json(hook.url.text().into_owned(), &json!({"attachments": [attachment]}))
}

/// Its errors are JSON with a sentence; its statuses say what they are worth.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_status()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{every, hostile, teller, wire};
    use super::*;
    use crate::config::{Language, Secret};

    fn hook() -> Hook {
        Hook { url: Secret::new(b"https://mattermost.example/hooks/xxx-generatedkey-xxx") }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &hook()))));
    }

    #[test]
    fn words_that_try_to_be_more_stay_words() {
        let body = render(&teller(Language::English).tell(&hostile()), &hook()).body;
        assert!(body.contains("@\u{200b}everyone \\\\[x\\\\](http://evil) \\\\*b\\\\*"), "{body}");
    }
}
