//! The `teams` channel: a Power Automate workflow that posts an Adaptive Card.
//!
//! Formats: a message with one card, as the workflow "Post to a channel when a webhook request is received" wants it
//! (<https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook>), and
//! <https://adaptivecards.io/explorer/AdaptiveCard.html>, whose texts are a subset of Markdown. Mentions would need
//! entities beside the text, of which there are none. A message has at most about 28 KB
//! (<https://learn.microsoft.com/connectors/teams/#known-issues-and-limitations-with-actions>); people have counted 21.

use serde_json::json;

use super::quote::{JSON_BYTES, cut_to};
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Hook;
use crate::config::template::Escaping;
use crate::domain::alert::Severity;

/// Bytes of a user's text. Our own lines are 21 at most and take less.
const TEXT_MAX: usize = 16 * 1024;

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
        Some(custom) => json!({"type": "TextBlock", "text": cut_to(custom, TEXT_MAX, JSON_BYTES), "wrap": true}),
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
        // Else lines are broken at the width of a phone.
        "msteams": {"width": "Full"},
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
/// once it is turned off or removed, 400 or 404. A workflow with an answer of its own, and the connectors of old, may say
/// under a good status what went wrong, such as `... returned HTTP error 429 ...`
/// (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#rate-limiting-for-connectors>).
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    let said = String::from_utf8_lossy(answer.body).to_ascii_lowercase();
    let complains = ["error", "fail"].iter().any(|word| said.contains(word));
    if !answer.is_good() || !complains {
        return answer.by_status();
    }
    let code = said.split("http error ").nth(1).and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    Answer { status: code.filter(|code| (400..600).contains(code)).unwrap_or(400), ..answer.clone() }.by_status()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{crowded, every, hostile, teller, teller_with, wire};
    use super::*;
    use crate::config::template::Template;
    use crate::config::{Language, Secret};

    fn hook() -> Hook {
        Hook { url: Secret::new(b"https://prod-1.logic.azure.com/workflows/1/triggers/manual/paths/invoke?sig=x") }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &hook()))));
    }

    #[test]
    fn however_crowded_it_is_it_is_not_too_large() {
        let template = Template::new("{% for n in range(2000) %}결제 \"*\"{% endfor %}", Escaping::Markdown).unwrap();
        let (teller, templated, crowded) = (teller(Language::Korean), teller_with(template), crowded());
        for told in [teller.tell(&crowded), templated.tell(&crowded)] {
            let body = render(&told, &hook()).body;
            assert!(body.len() <= 21_000, "{} bytes: {body}", body.len());
        }
    }

    #[test]
    fn what_went_wrong_is_heard_under_a_good_status() {
        let judged = |status, body: &str| judge(&Answer { status, retry_after: None, body: body.as_bytes() });
        let told = |code| {
            format!(
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {code} with ContextId x"
            )
        };
        let later = Verdict::Transient { retry_after: None };
        assert_eq!((judged(202, ""), judged(200, "1")), (Verdict::Delivered, Verdict::Delivered));
        assert_eq!((judged(200, &told(429)), judged(200, &told(413))), (later, Verdict::Permanent));
        assert_eq!(judged(200, r#"{"error":{"code":"BadRequest"}}"#), Verdict::Permanent);
        assert_eq!(judged(400, r#"{"error":{"code":"TriggerInputSchemaMismatch"}}"#), Verdict::Permanent);
        assert_eq!((judged(404, ""), judged(429, ""), judged(502, "")), (Verdict::Permanent, later, later));
    }

    #[test]
    fn words_that_try_to_be_more_stay_words() {
        let body = render(&teller(Language::English).tell(&hostile()), &hook()).body;
        assert!(body.contains("\\\\[x\\\\](http://evil)"), "{body}");
    }
}
