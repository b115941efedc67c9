//! `auth`: how an HTTP probe says who it is.

use super::attachments::Attachments;
use super::{address, secret};
use crate::config::probe::Auth;
use crate::config::raw::section::Section;
use crate::config::secret::Secret;

#[derive(Clone, Copy)]
enum Kind {
    None,
    Basic,
    Bearer,
    OAuth2,
}

/// Reads and finishes the table.
pub(crate) fn auth(mut section: Section<'_>, attachments: &Attachments) -> Auth {
    let words = [("none", Kind::None), ("basic", Kind::Basic), ("bearer", Kind::Bearer), ("oauth2", Kind::OAuth2)];
    let field = section.take("kind");
    if field.is_none() && section.is_written() {
        section.fail("`kind` is missing", "Write kind = \"basic\", \"bearer\", \"oauth2\" or \"none\"");
        return Auth::None;
    }
    let Some(field) = field else { return Auth::None };
    let auth = match field.word(&words) {
        Some(Kind::None) => Some(Auth::None),
        Some(Kind::Basic) => basic(&mut section, attachments),
        Some(Kind::Bearer) => bearer(&mut section, attachments),
        Some(Kind::OAuth2) => oauth2(&mut section, attachments),
        None => return Auth::None,
    };
    section.finish();
    auth.unwrap_or(Auth::None)
}

fn basic(section: &mut Section<'_>, attachments: &Attachments) -> Option<Auth> {
    let user = needed_text(section, "user");
    let password = needed_secret(section, "password", "password_file", attachments);
    Some(Auth::Basic { user: user?, password: password? })
}

fn bearer(section: &mut Section<'_>, attachments: &Attachments) -> Option<Auth> {
    needed_secret(section, "token", "token_file", attachments).map(Auth::Bearer)
}

fn oauth2(section: &mut Section<'_>, attachments: &Attachments) -> Option<Auth> {
    let token_url = needed(section, "token_url").and_then(|field| address::url_of(&field));
    let client_id = needed_text(section, "client_id");
    let client_secret = needed_secret(section, "client_secret", "client_secret_file", attachments);
    let scope = section.take("scope").and_then(|field| field.text()).unwrap_or_default();
    Some(Auth::OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: scope.into(),
    })
}

fn needed<'t>(section: &mut Section<'t>, key: &'static str) -> Option<crate::config::raw::field::Field<'t>> {
    let field = section.take(key);
    if field.is_none() {
        section.fail(&format!("`{key}` is missing"), "");
    }
    field
}

fn needed_text(section: &mut Section<'_>, key: &'static str) -> Option<Box<str>> {
    needed(section, key)?.filled_text().map(Into::into)
}

/// What goes into a header has no line break, whatever the file's editor put at its end.
fn needed_secret(
    section: &mut Section<'_>,
    key: &'static str,
    key_file: &'static str,
    attachments: &Attachments,
) -> Option<Secret> {
    let given = section.take(key).is_some() || section.take(key_file).is_some();
    if !given {
        section.fail(&format!("`{key}` is missing"), &format!("Write {key} = \"${{NAME}}\" or {key_file} = \"...\""));
        return None;
    }
    let (field, bytes) = secret::secret(section, key, key_file, attachments)?;
    if bytes.iter().any(u8::is_ascii_control) {
        field.fail("the secret has a line break or another control character", "");
        return None;
    }
    Some(Secret::new(&bytes))
}
