//! The words of strangers, made fit for a line of ours.

/// What stands where something confidential stood.
const HIDDEN: &str = "[hidden]";

/// `text` on one line of at most `limit` characters: control characters and runs of spaces become one space.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, limit)
}

/// `text` of at most `limit` characters, its lines left as they are.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `text` of at most `limit` bytes, and no half letter at its end.
pub(super) fn cut_bytes(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// `text` without any of `confidential`. Done before a text is cut, so that no half of a secret stays.
pub(super) fn without(text: &str, confidential: &[String]) -> String {
    confidential.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_one_line() {
        assert_eq!(one_line("<h1>\r\n  Bad\tGateway\u{1b}[31m </h1>\n", 200), "<h1> Bad Gateway [31m </h1>");
    }

    #[test]
    fn a_long_text_is_cut_by_characters_and_says_so() {
        let cut = one_line(&"결제".repeat(200), 200);
        assert_eq!(cut.chars().count(), 200);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn a_text_is_cut_by_bytes_between_letters() {
        assert_eq!((cut_bytes("결제", 4), cut_bytes("결제", 6), cut_bytes("", 3)), ("결", "결제", ""));
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        assert_eq!(without("no /a/token here, /a/token", &["/a/token".into()]), "no [hidden] here, [hidden]");
    }
}
