//! Keys that several kinds have.

use std::sync::Arc;

use crate::config::channel::{Login, Rate};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::secret::Secret;
use crate::config::template::{Escaping, Template};
use crate::config::validate::attachments::Attachments;
use crate::config::validate::{address, secret};

/// No receiver of messages takes more.
const MAX_RATE: u32 = 100_000;
/// Templates are read by people.
const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// Every key of every kind, so that none of them is told as unknown.
pub(super) fn forgive(section: &mut Section<'_>) {
    for key in [
        "url",
        "url_file",
        "urls",
        "secret",
        "secret_file",
        "secrets",
        "secrets_file",
        "timeout",
        "template",
        "template_file",
        "content_type",
        "rate_limit",
        "interval",
        "labels",
        "user",
        "password",
        "password_file",
        "token",
        "token_file",
        "chat_id",
        "routing_key",
        "routing_key_file",
        "api_key",
        "api_key_file",
        "topic",
        "host",
        "port",
        "encryption",
        "ca_file",
        "from",
        "to",
        "command",
    ] {
        section.take(key);
    }
}

/// `url`, or the vendor's own.
pub(super) fn url_or(section: &mut Section<'_>, vendors: &str) -> Option<Secret> {
    match section.take("url") {
        Some(field) => url(&field),
        None => Some(Secret::new(vendors.as_bytes())),
    }
}

/// The URL that a value holds, without a slash at its end.
pub(super) fn url(field: &Field<'_>) -> Option<Secret> {
    let url = address::url_of(field)?;
    Some(Secret::new(url.to_string().trim_end_matches('/').as_bytes()))
}

/// `url` where it lets one in by itself, so that it is kept like a secret: as text with a warning, or in a file.
pub(super) fn secret_url(section: &mut Section<'_>, attachments: &Attachments) -> Option<Secret> {
    let (field, bytes) = needed(section, "url", "url_file", attachments)?;
    let text = String::from_utf8_lossy(&bytes);
    match address::http_url(&text) {
        Ok(url) => Some(Secret::new(url.to_string().as_bytes())),
        Err(error) => {
            error.tell(&field, "a URL");
            None
        }
    }
}

/// A secret that goes into a header, a path or a form, so without a line break.
pub(super) fn needed_secret(
    section: &mut Section<'_>,
    key: &'static str,
    key_file: &'static str,
    attachments: &Attachments,
) -> Option<Secret> {
    let (field, bytes) = needed(section, key, key_file, attachments)?;
    in_one_line(&field, &bytes)
}

fn needed<'t>(
    section: &mut Section<'t>,
    key: &'static str,
    key_file: &'static str,
    attachments: &Attachments,
) -> Option<(Field<'t>, Vec<u8>)> {
    if section.take(key).is_none() && section.take(key_file).is_none() {
        section.fail(&format!("`{key}` is missing"), &format!("Write {key} = \"${{NAME}}\" or {key_file} = \"...\""));
        return None;
    }
    secret::secret(section, key, key_file, attachments)
}

fn in_one_line(field: &Field<'_>, bytes: &[u8]) -> Option<Secret> {
    if bytes.iter().any(u8::is_ascii_control) || std::str::from_utf8(bytes).is_err() {
        field.fail("the secret has a line break or another control character", "");
        return None;
    }
    Some(Secret::new(bytes))
}

/// `token`, or `user` and `password`, or neither.
pub(super) fn login(section: &mut Section<'_>, attachments: &Attachments) -> Option<Login> {
    let token = secret::secret(section, "token", "token_file", attachments);
    let user = user(section, attachments);
    match (token, user) {
        (Some((field, _)), Some(_)) => {
            field.fail("a token and a user are given", "Remove one of them");
            None
        }
        (Some((field, bytes)), None) => in_one_line(&field, &bytes).map(Login::Bearer),
        (None, Some((user, password))) => Some(Login::Basic { user, password }),
        (None, None) => Some(Login::None),
    }
}

/// `user` with its `password`.
pub(super) fn user(section: &mut Section<'_>, attachments: &Attachments) -> Option<(Arc<str>, Secret)> {
    let user = section.take("user");
    let password = secret::secret(section, "password", "password_file", attachments);
    match (user, password) {
        (Some(user), Some((field, bytes))) => {
            let password = in_one_line(&field, &bytes);
            Some((line_of(&user)?, password?))
        }
        (Some(user), None) => {
            user.fail("a user and a password go together", "Write both `user` and `password_file`");
            None
        }
        (None, Some((field, _))) => {
            field.fail("a user and a password go together", "Write both `user` and `password_file`");
            None
        }
        (None, None) => None,
    }
}

/// A text of one line that is not empty.
pub(super) fn line_of(field: &Field<'_>) -> Option<Arc<str>> {
    let text = field.filled_text()?;
    if text.chars().any(char::is_control) {
        field.fail("it has a line break or another control character", "Write it in one line");
        return None;
    }
    Some(text.trim().into())
}

/// `rate_limit`, or the vendor's.
pub(super) fn rate_limit(section: &mut Section<'_>, vendors: Option<Rate>) -> Option<Rate> {
    let Some(field) = section.take("rate_limit") else { return vendors };
    let (count, per) = field.rate_or_off(1..=MAX_RATE)??;
    Some(Rate { count, per })
}

/// `template`, or the file that holds it.
pub(super) fn template(section: &mut Section<'_>, escaping: Escaping, attachments: &Attachments) -> Option<Template> {
    let (text, file) = (section.take("template"), section.take("template_file"));
    let (field, source) = match (text, file) {
        (Some(_), Some(file)) => {
            file.fail("both `template` and `template_file` are given", "Remove one of them");
            return None;
        }
        (Some(text), None) => {
            let source = text.filled_text()?.as_bytes().to_vec();
            (text, source)
        }
        (None, Some(file)) => {
            let source = attachments.read(&file)?.to_vec();
            (file, source)
        }
        (None, None) => return None,
    };
    let Some(source) = String::from_utf8(source).ok().filter(|source| source.len() <= MAX_TEMPLATE_BYTES) else {
        field.fail("the template is no text in UTF-8 of at most 64KiB", "");
        return None;
    };
    match Template::new(&source, escaping) {
        Ok(template) => Some(template),
        Err(error) => {
            field.fail(
                &format!("the template cannot be used: {error}"),
                "The names are listed in config/breakwater.toml",
            );
            None
        }
    }
}
