//! Services with a key and an API: `telegram`, `pagerduty`, `opsgenie`, `ntfy`, `kakaotalk`.

use std::sync::Arc;

use super::keys;
use crate::config::channel::{KakaoTalk, Ntfy, Opsgenie, PagerDuty, Telegram};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::secret::Secret;
use crate::config::validate::attachments::Attachments;

pub(super) fn telegram(section: &mut Section<'_>, attachments: &Attachments) -> Option<Telegram> {
    let url = keys::url_or(section, "https://api.telegram.org");
    let token = keys::needed_secret(section, "token", "token_file", attachments);
    let chat_id = section.require("chat_id", "Write chat_id = \"-1001234567890\" or \"@channel\"");
    let chat_id = chat_id.and_then(|field| chat(&field));
    Some(Telegram { url: url?, token: token?, chat_id: chat_id? })
}

/// A number, which is written as one or as a text, or `@name`.
fn chat(field: &Field<'_>) -> Option<Arc<str>> {
    use crate::config::raw::tree::Kind;
    if let Kind::Integer(number) = &field.value().kind {
        return Some(number.to_string().into());
    }
    let text = keys::line_of(field)?;
    let is_name = text
        .strip_prefix('@')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    if !is_name && text.parse::<i64>().is_err() {
        field.fail(&format!("{} is no chat", field.shown()), "Write chat_id = \"-1001234567890\" or \"@channel\"");
        return None;
    }
    Some(text)
}

pub(super) fn pagerduty(section: &mut Section<'_>, attachments: &Attachments) -> Option<PagerDuty> {
    let url = keys::url_or(section, "https://events.pagerduty.com");
    let routing_key = keys::needed_secret(section, "routing_key", "routing_key_file", attachments);
    Some(PagerDuty { url: url?, routing_key: routing_key? })
}

pub(super) fn opsgenie(section: &mut Section<'_>, attachments: &Attachments) -> Option<Opsgenie> {
    let url = keys::url_or(section, "https://api.opsgenie.com");
    let api_key = keys::needed_secret(section, "api_key", "api_key_file", attachments);
    Some(Opsgenie { url: url?, api_key: api_key? })
}

pub(super) fn ntfy(section: &mut Section<'_>, attachments: &Attachments) -> Option<Ntfy> {
    let url = keys::url_or(section, "https://ntfy.sh");
    let topic = section.require("topic", "Write topic = \"${NTFY_TOPIC}\"").and_then(|field| topic(&field));
    let login = keys::login(section, attachments);
    Some(Ntfy { url: url?, topic: topic?, login: login? })
}

/// What a topic may be called (<https://docs.ntfy.sh/publish/>).
fn topic(field: &Field<'_>) -> Option<Secret> {
    let text = field.filled_text()?;
    let good = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !good {
        field.fail("this is not a topic's name", "It has 1 to 64 ASCII letters, digits, `_` and `-`");
        return None;
    }
    Some(Secret::new(text.as_bytes()))
}

pub(super) fn kakaotalk(section: &mut Section<'_>, attachments: &Attachments) -> Option<KakaoTalk> {
    let url = keys::url_or(section, "https://kapi.kakao.com");
    let token = keys::needed_secret(section, "token", "token_file", attachments);
    Some(KakaoTalk { url: url?, token: token? })
}
