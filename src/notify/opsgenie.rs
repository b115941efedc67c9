//! The `opsgenie` channel: an alert that is made and closed by its alias.
//!
//! An alias (512 letters; ours has at most 168) has one open alert, so a reminder counts on the same one. Format and
//! limits: <https://docs.opsgenie.com/docs/alert-api>; Jira Service Management has the same under
//! `https://api.atlassian.com/jsm/ops/integration`, where an alert is closed by its alias, too, though its pages do not
//! say so (<https://jira.atlassian.com/browse/JSDCLOUD-14179>).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Opsgenie;
use crate::domain::alert::Severity;

/// Letters of a message, a description, a note and a source.
const MESSAGE_MAX: usize = 130;
const DESCRIPTION_MAX: usize = 15_000;
const NOTE_MAX: usize = 25_000;
const SOURCE_MAX: usize = 100;

pub(super) fn render(told: &Told<'_>, opsgenie: &Opsgenie) -> Request {
    let Opsgenie { url, api_key } = opsgenie;
    let source = cut(&format!("breakwater/{}", told.node), SOURCE_MAX);
    let mut request = if told.kind.is_over() {
        let alias = alias(told);
        let alias = utf8_percent_encode(&alias, NON_ALPHANUMERIC);
        let url = format!("{}/v2/alerts/{alias}/close?identifierType=alias", url.text());
        Request::json(url, &json!({"source": source, "note": told.text_in_letters(NOTE_MAX)}))
    } else {
        let priority = match told.severity {
            Severity::Critical => "P1",
            Severity::Warning => "P3",
            Severity::Info => "P5",
        };
        let mut details = json!({"severity": told.severity.as_str(), "node": told.node});
        if let Some(link) = &told.link {
            details["link"] = json!(link);
        }
        if let Some(url) = told.acknowledge {
            details["acknowledge"] = json!(url);
        }
        let alert = json!({
            "message": cut(&told.title, MESSAGE_MAX),
            "alias": alias(told),
            "description": told.text_in_letters(DESCRIPTION_MAX),
            "entity": told.target,
            "source": source,
            "priority": priority,
            "tags": ["breakwater"],
            "details": details,
        });
        Request::json(format!("{}/v2/alerts", url.text()), &alert)
    };
    request.headers.push(("authorization", format!("GenieKey {}", api_key.text())));
    request
}

/// The key without slashes: it is part of a path, where what stands between us and Opsgenie may turn away an encoded
/// slash or read it as one, and a close that finds no alert is taken all the same.
fn alias(told: &Told<'_>) -> String {
    told.key.replace('/', ":")
}

/// Requests are taken with 202 and worked on later; what imitates it may say so with another good status and a `result`.
/// Anything else that looks good is sent again, which the alias makes harmless. 422 is one that will never be taken
/// (<https://docs.opsgenie.com/docs/response>); a 429 names no pause.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    if answer.status == 202 { Verdict::Delivered } else { answer.by_member("result") }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{every_apart, wire};
    use super::*;
    use crate::config::{Language, Secret};

    #[test]
    fn every_message_on_the_wire() {
        let opsgenie = Opsgenie { url: Secret::new(b"https://api.opsgenie.com"), api_key: Secret::new(b"APIKEY") };
        insta::assert_snapshot!(every_apart(Language::English, |told| wire(render(told, &opsgenie))));
    }

    #[test]
    fn only_what_says_that_it_was_taken_was() {
        let judged = |status, body: &str| judge(&Answer { status, retry_after: None, body: body.as_bytes() });
        let later = Verdict::Transient { retry_after: None };
        assert_eq!(judged(202, r#"{"result":"Request will be processed","requestId":"43a2"}"#), Verdict::Delivered);
        assert_eq!(judged(200, r#"{"result":"ok"}"#), Verdict::Delivered);
        assert_eq!(judged(200, "<html>Log in</html>"), later);
        assert_eq!(judged(422, r#"{"message":"Request body is not processable."}"#), Verdict::Permanent);
        assert_eq!(judged(403, r#"{"message":"You are not authorized"}"#), Verdict::Permanent);
        assert_eq!(judged(429, r#"{"message":"You are making too many requests!"}"#), later);
    }
}
