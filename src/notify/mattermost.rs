//! The `mattermost` channel: an incoming webhook.
//!
//! Format: <https://developers.mattermost.com/integrate/webhooks/incoming/> with one attachment
//! (<https://developers.mattermost.com/integrate/reference/message-attachments/>). A field's value is Markdown and calls
//! people; its title and the footer are plain; the attachment's title is plain where it is a link, and Markdown where it
//! is none (the webapp's `message_attachment.tsx`).

use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Hook;
use crate::config::template::Escaping;

/// Letters of a post.
const TEXT_MAX: usize = 16_383;

pub(super) fn render(told: &Told<'_>, hook: &Hook) -> Request {
    let escaped = |text: &str| Escaping::Markdown.escape(text).into_owned();
    let mut attachment = json!({
        "color": told.colour(),
        "fallback": told.title,
        "footer": told.key,
    });
    match &told.link {
        Some(link) => {
            attachment["title"] = json!(told.title);
            attachment["title_link"] = json!(link);
        }
        None => attachment["title"] = json!(escaped(&told.title)),
    }
    match &told.custom {
        Some(custom) => attachment["text"] = json!(cut(custom, TEXT_MAX)),
        None => {
            let one_by_one = told.group.is_some();
            let fields = told.facts.iter().enumerate().map(|(index, fact)| {
                let is_short = index > 0 && !one_by_one;
                json!({"title": fact.label, "value": escaped(&fact.value), "short": is_short})
            });
            let acknowledge = told
                .acknowledge
                .map(|url| json!({"title": "", "value": format!("[{}]({url})", told.to_acknowledge), "short": false}));
            attachment["fields"] = fields.chain(acknowledge).collect();
        }
    }
    Request::json(hook.url.text().into_owned(), &json!({"attachments": [attachment]}))
}

/// Its errors are JSON with a sentence; its statuses say what they are worth. What was taken is answered `ok`.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_ok()
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
