//! The words of strangers, made fit for a line of ours.

/// What ends a text that was cut.
const CUT: char = '…';
/// What stands where something confidential stood.
pub(super) const HIDDEN: &str = "[hidden]";

/// `text` on one line of at most `limit` letters: control characters, what turns the direction of writing, and runs of
/// spaces become one space.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let steers = |sign: char| sign.is_control() || matches!(sign, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let spaced: String = text.chars().map(|sign| if steers(sign) { ' ' } else { sign }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, limit)
}

/// How much one sign takes, in what a receiver counts.
pub(super) type Measure = fn(char) -> usize;

/// Letters, as Java, JavaScript and Telegram count them (UTF-16); never fewer than a reader sees.
pub(super) const LETTERS: Measure = char::len_utf16;

/// Bytes of a text within JSON, its quotes not counted.
pub(super) const JSON_BYTES: Measure = |sign| match sign {
    '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
    '\0'..='\u{1f}' => 6,
    _ => sign.len_utf8(),
};

/// How much a text takes.
pub(super) fn size(text: &str, measure: Measure) -> usize {
    text.chars().map(measure).sum()
}

/// `text` of at most `limit` letters, its lines left as they are.
pub(super) fn cut(text: &str, limit: usize) -> String {
    cut_to(text, limit, LETTERS)
}

/// `text` that takes at most `limit`; its end says whether it was cut.
pub(super) fn cut_to(text: &str, limit: usize, measure: Measure) -> String {
    if size(text, measure) <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(measure(CUT));
    let fits = |sign: &char| room.checked_sub(measure(*sign)).map(|rest| room = rest).is_some();
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push(CUT);
    cut
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
        assert_eq!(one_line("a\u{202e}b\u{2028}c\u{2066}", 200), "a b c");
    }

    #[test]
    fn a_long_text_is_cut_by_characters_and_says_so() {
        let cut = one_line(&"결제".repeat(200), 200);
        assert_eq!(cut.chars().count(), 200);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn what_a_receiver_counts_is_what_is_counted() {
        assert_eq!(cut(&"🚨".repeat(10), 10), "🚨🚨🚨🚨…", "two in UTF-16, each");
        assert_eq!(cut_to("결제 대행", 9, JSON_BYTES), "결제…");
        let quoted = "\"\n\u{1}".repeat(10);
        assert_eq!(size(&quoted, JSON_BYTES), serde_json::to_string(&quoted).unwrap().len() - 2);
        assert_eq!(size(&cut_to(&quoted, 24, JSON_BYTES), JSON_BYTES), 23, "no half of an escaped sign");
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        assert_eq!(without("no /a/token here, /a/token", &["/a/token".into()]), "no [hidden] here, [hidden]");
    }
}
