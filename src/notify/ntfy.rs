//! The `ntfy` channel: a push notification to whoever listens to a topic.
//!
//! Format: <https://docs.ntfy.sh/publish/#publish-as-json>.

use serde_json::json;

use super::quote::cut_bytes;
use super::request::{Answer, Request, Verdict};
use super::told::{Kind, Told};
use crate::config::channel::Ntfy;
use crate::domain::alert::Severity;

/// Bytes of a message; a longer one would become a file.
const MESSAGE_MAX: usize = 4_096;

pub(super) fn render(told: &Told<'_>, ntfy: &Ntfy) -> Request {
    let (priority, tag) = match (told.kind, told.severity) {
        (Kind::Resolved | Kind::TestOver, _) => (3, "white_check_mark"),
        (Kind::Test, _) => (3, "wrench"),
        (Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Recorded, Severity::Critical) => (5, "rotating_light"),
        (Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Recorded, Severity::Warning) => (4, "warning"),
        (Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Recorded, Severity::Info) => (3, "information_source"),
    };
    let text = told.text();
    let mut message = json!({
        "topic": ntfy.topic.text(),
        "title": told.title,
        "message": cut_bytes(&text, MESSAGE_MAX),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = &told.link {
        message["click"] = json!(link);
    }
    if let Some(url) = told.acknowledge {
        message["actions"] = json!([{"action": "view", "label": told.to_acknowledge, "url": url}]);
    }
    Request::json(ntfy.url.text().into_owned(), &message).authorized(&ntfy.login)
}

/// Its errors are JSON with a sentence; its statuses say what they are worth. 507 is a server without room.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_status()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{every, wire};
    use super::*;
    use crate::config::channel::Login;
    use crate::config::{Language, Secret};

    #[test]
    fn every_message_on_the_wire() {
        let ntfy = Ntfy {
            url: Secret::new(b"https://ntfy.sh"),
            topic: Secret::new(b"shop-ops"),
            login: Login::Bearer(Secret::new(b"tk_x")),
        };
        insta::assert_snapshot!(every(Language::English, |told| wire(render(told, &ntfy))));
    }
}
