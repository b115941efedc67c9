//! How a value is written where some signs mean something.

use std::borrow::Cow;

/// The signs that mean something, by the format that a text goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// None.
    Plain,
    /// A value becomes a JSON value; a text with its quotes.
    Json,
    /// Only `@` where it calls people (<https://core.telegram.org/api/mentions>).
    Mentions,
    /// `&`, `<` and `>` (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
    Slack,
    /// Everything that Markdown gives a meaning, and `@`, which calls people.
    Markdown,
}

impl Escaping {
    /// `text` in which no sign has a meaning. JSON is written by whoever writes the whole of it.
    #[must_use]
    pub fn escape(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plain | Self::Json => Cow::Borrowed(text),
            Self::Mentions => mentions(text),
            Self::Slack => replaced(text, |sign| match sign {
                '&' => Some("&amp;"),
                '<' => Some("&lt;"),
                '>' => Some("&gt;"),
                _ => None,
            }),
            Self::Markdown => markdown(text),
        }
    }
}

fn replaced(text: &str, by: impl Fn(char) -> Option<&'static str>) -> Cow<'_, str> {
    if !text.contains(|sign| by(sign).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match by(sign) {
            Some(instead) => escaped.push_str(instead),
            None => escaped.push(sign),
        }
    }
    Cow::Owned(escaped)
}

/// A space of no width after each `@` that does not stand in a word, as in an address of mail.
fn mentions(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut is_in_word = false;
    for sign in text.chars() {
        escaped.push(sign);
        if sign == '@' && !is_in_word {
            escaped.push('\u{200b}');
        }
        is_in_word = sign.is_alphanumeric();
    }
    Cow::Owned(escaped)
}

/// A backslash before each ASCII punctuation that begins something (CommonMark 2.4 lets it stand before any), and a
/// space of no width after `@`, which no backslash keeps from calling people. A `.` or `-` means something only at the
/// beginning of a line, and a `:` only where two of them make a picture of a word; both are left readable elsewhere.
fn markdown(text: &str) -> Cow<'_, str> {
    let means =
        |sign: char| matches!(sign, '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '~' | '|' | '@');
    if !text.contains(means) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        if sign == '@' {
            escaped.push_str("@\u{200b}");
            continue;
        }
        if means(sign) {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_sees_no_link_and_no_mention() {
        assert_eq!(Escaping::Slack.escape("<!channel> a & b"), "&lt;!channel&gt; a &amp; b");
    }

    #[test]
    fn nobody_is_called_and_addresses_of_mail_stay_whole() {
        let escaped = Escaping::Mentions.escape("@bob (@ops) ops@example.com");
        assert_eq!(escaped, "@\u{200b}bob (@\u{200b}ops) ops@example.com");
    }

    #[test]
    fn markdown_sees_no_style_no_link_and_no_mention() {
        assert_eq!(
            Escaping::Markdown.escape("PG_KCP *x* [a](http://b) @here `c`"),
            "PG\\_KCP \\*x\\* \\[a\\](http://b) @\u{200b}here \\`c\\`"
        );
    }

    #[test]
    fn what_means_nothing_is_left_as_it_is() {
        for escaping in [Escaping::Plain, Escaping::Mentions, Escaping::Slack, Escaping::Markdown] {
            assert!(matches!(escaping.escape("캠핑장 503 at 10:00-11:00."), Cow::Borrowed(_)));
        }
    }
}
