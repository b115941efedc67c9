//! `kind = "webhook"`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys;
use crate::config::channel::Webhook;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::secret::Secret;
use crate::config::validate::attachments::Attachments;
use crate::config::validate::{address, secret};

/// A receiver changes from one key to the next; more than a few at a time is a mistake.
const MAX_SECRETS: usize = 8;
/// 128 bits.
const MIN_SECRET_BYTES: usize = 16;

pub(super) fn read(section: &mut Section<'_>, attachments: &Attachments) -> Option<Webhook> {
    let url = section.require("url", "Write url = \"https://hooks.example/breakwater\"");
    let url = url.and_then(|field| address::url_of(&field));
    let first = secret::secret(section, "secret", "secret_file", attachments);
    let further = secret::secrets(section, "secrets", "secrets_file", attachments);
    let secrets: Vec<Secret> =
        first.into_iter().chain(further).filter_map(|(field, bytes)| signing_key(&field, &bytes)).collect();
    if secrets.len() > MAX_SECRETS {
        section.fail(&format!("{} secrets, and at most {MAX_SECRETS} may sign", secrets.len()), "Remove the oldest");
    }
    let content_type = content_type(section);
    Some(Webhook { url: Secret::new(url?.to_string().as_bytes()), secrets, content_type })
}

/// What a template's body is called. Without a template the body is a CloudEvent and is called so.
fn content_type(section: &mut Section<'_>) -> Arc<str> {
    let field = section.take("content_type");
    let has_template = section.take("template").is_some() || section.take("template_file").is_some();
    let Some(field) = field else { return "application/json".into() };
    if !has_template {
        field.fail("only a body that a template makes can be called otherwise", "Write a `template`, or remove this");
    }
    let written = keys::line_of(&field);
    let good = |text: &&str| text.is_ascii() && text.contains('/');
    match written.as_deref().filter(good) {
        Some(text) => text.into(),
        None => {
            if written.is_some() {
                field.fail(&format!("{} is no media type", field.shown()), "Write content_type = \"application/json\"");
            }
            "application/json".into()
        }
    }
}

/// Standard Webhooks writes a key as `whsec_` and Base64; anything else is the key's own bytes.
fn signing_key(field: &Field<'_>, written: &[u8]) -> Option<Secret> {
    let key = match written.strip_prefix(b"whsec_") {
        Some(encoded) => match STANDARD.decode(encoded) {
            Ok(key) => key,
            Err(_) => {
                field.fail("what follows `whsec_` is not Base64", "Copy it whole, with its `=` signs at the end");
                return None;
            }
        },
        None => written.to_vec(),
    };
    if key.len() < MIN_SECRET_BYTES {
        let detail = format!("the secret has {} bytes, and at least {MIN_SECRET_BYTES} are needed", key.len());
        field.fail(&detail, "Make one: echo whsec_$(openssl rand -base64 32)");
        return None;
    }
    Some(Secret::new(&key))
}
