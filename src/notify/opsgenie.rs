//! The `opsgenie` channel: an alert that is made and closed by its alias.
//!
//! An alias has one open alert, so a reminder counts on the same one. Format:
//! <https://docs.opsgenie.com/docs/alert-api>; Jira Service Management has the same under
//! `https://api.atlassian.com/jsm/ops/integration`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::config::channel::Opsgenie;
use crate::domain::alert::Severity;

/// Letters of a message and of a description.
const MESSAGE_MAX: usize = 130;
const DESCRIPTION_MAX: usize = 15_000;

pub(super) fn render(told: &Told<'_>, opsgenie: &Opsgenie) -> Request {
    let Opsgenie { url, api_key } = opsgenie;
    let source = format!("breakwater/{}", told.node);
    let mut request = if told.kind.is_over() {
        let alias = utf8_percent_encode(&told.key, NON_ALPHANUMERIC);
        let url = format!("{}/v2/alerts/{alias}/close?identifierType=alias", url.text());
        Request::json(url, &json!({"source": source, "note": told.text()}))
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
            "alias": told.key,
            "description": cut(&told.text(), DESCRIPTION_MAX),
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

/// Requests are taken with 202 and worked on later; 422 is one that will never be taken
/// (<https://docs.opsgenie.com/docs/response>).
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_status()
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
}
