//! The `teams` channel: a Power Automate workflow that posts an Adaptive Card.
//!
//! Formats: a message with one card, as the workflow "Post to a channel when a webhook request is received" wants it
//! (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>), and
//! <https://adaptivecards.io/explorer/AdaptiveCard.html>, whose texts are a subset of Markdown.

use serde_json::json;

use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Hook;
use crate::config::template::Escaping;
use crate::domain::alert::Severity;

pub(super) fn render(told: &Told<'_>, hook: &Hook) -> Request {
    let escaped = |text: &str| Escaping::Markdown.escape(text).into_owned();
    let colour = match (told.kind.is_over(), told.severity) {
        (true, _) => "Good",
        (false, Severity::Critical) => "Attention",
        (false, Severity::Warning) => "Warning",
        (false, Severity::Info) => "Accent",
    };
    let title = json!({
        "type": "TextBlock", "text": escaped(&told.title), "size": "Large", "weight": "Bolder", "color": colour,
        "wrap": true,
    });
    let text = match &told.custom {
        Some(custom) => json!({"type": "TextBlock", "text": custom, "wrap": true}),
        None => {
            let facts =
                told.facts.iter().map(|fact| json!({"title": escaped(&fact.label), "value": escaped(&fact.value)}));
            json!({"type": "FactSet", "facts": facts.collect::<Vec<_>>()})
        }
    };
    let key = json!({"type": "TextBlock", "text": escaped(&told.key), "size": "Small", "isSubtle": true, "wrap": true});
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, text, key],
    });
    if let Some(link) = &told.link {
        let acknowledge = told.acknowledge.map(|url| (told.to_acknowledge, url));
        let actions = std::iter::once((told.open, &**link)).chain(acknowledge);
        card["actions"] =
            actions.map(|(title, url)| json!({"type": "Action.OpenUrl", "title": title, "url": url})).collect();
    }
    let attachment =
        json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card});
    Request::json(hook.url.text().into_owned(), &json!({"type": "message", "attachments": [attachment]}))
}

/// A workflow takes a message with 202 and runs later. While it is being changed or over its quota it says 429 or 5xx;
/// once it is turned off or removed, 400 or 404.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_status()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{every, hostile, teller, wire};
    use super::*;
    use crate::config::{Language, Secret};

    fn hook() -> Hook {
        Hook { url: Secret::new(b"https://prod-1.logic.azure.com/workflows/1/triggers/manual/paths/invoke?sig=x") }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &hook()))));
    }

    #[test]
    fn words_that_try_to_be_more_stay_words() {
        let body = render(&teller(Language::English).tell(&hostile()), &hook()).body;
        assert!(body.contains("\\\\[x\\\\](http://evil)"), "{body}");
    }
}
