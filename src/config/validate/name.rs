//! Names: metric labels, path segments and words in messages at the same time.

use std::sync::Arc;

use crate::config::raw::field::Field;

const MAX_LETTERS: usize = 64;
const RULE: &str = "A name has 1 to 64 letters, digits, `_`, `-` or `.`, and begins with a letter or a digit";

/// A target's or a channel's name. Letters and digits of any script; a first `_` or `.` would make `_passive`, `.` and
/// `..` possible, which mean something else in labels and paths.
pub(crate) fn name(field: &Field<'_>) -> Option<Arc<str>> {
    checked(field, char::is_alphanumeric, RULE)
}

/// A node's name, which is part of HTTP headers and so in ASCII.
pub(crate) fn ascii_name(field: &Field<'_>) -> Option<Arc<str>> {
    checked(field, |letter| letter.is_ascii_alphanumeric(), &format!("{RULE}, all of them ASCII"))
}

/// A group's name: for people, so any printable text; empty for none.
pub(crate) fn group(field: &Field<'_>) -> Option<Arc<str>> {
    let text = field.text()?;
    if text.chars().count() > MAX_LETTERS || text.chars().any(char::is_control) {
        field.fail("it is not a group's name", "It has at most 64 printable characters");
        return None;
    }
    Some(text.into())
}

fn checked(field: &Field<'_>, is_letter: impl Fn(char) -> bool, rule: &str) -> Option<Arc<str>> {
    let text = field.filled_text()?;
    let good = text.chars().all(|letter| is_letter(letter) || matches!(letter, '_' | '-' | '.'))
        && text.chars().next().is_some_and(is_letter)
        && text.chars().count() <= MAX_LETTERS;
    if !good {
        field.fail(&format!("{} is not a name", field.shown()), rule);
        return None;
    }
    Some(text.into())
}
