//! Takes card numbers and card secrets out of text before anybody keeps it.
//!
//! Two rules. A run of 13 or more digits with single spaces or hyphens between keeps at most its first 6 and its last 4
//! (PCI DSS 3.4.1), whether or not it is a valid card number; a longer run than a card's 19 may be two cards, so it is
//! cut in the same way. The value of a member with a telling name (card number, PAN, CVC, CVV) is masked wholly, in
//! JSON, in JSON within a JSON string at any depth, in JavaScript's and other loose notations, in `key=value` and query
//! form, and in XML.
//!
//! It goes through the text once; text without either comes back untouched. It knows no encodings: a number in Base64 or
//! with percent signs between its digits is not seen.

use std::borrow::Cow;

/// Digits from which on a run is taken for a card number.
const CARD_DIGITS: usize = 13;
/// Digits that stay at its beginning.
const KEPT_FIRST: usize = 6;
/// Digits that stay at its end.
const KEPT_LAST: usize = 4;
/// What stands for the value of a secret member, however long that was.
const MASK: &str = "***";

/// Members whose values are masked wholly: in any case, also as the last word of a longer name (`user_cvc`, `encCardNo`).
const NAMES: [&str; 11] =
    ["card_number", "card-number", "cardnumber", "card_no", "card-no", "cardno", "cvc2", "cvv2", "cvc", "cvv", "pan"];

/// The text without what must not be kept.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    let mut scrubber = Scrubber { text, copied: 0, scrubbed: String::new() };
    scrubber.run();
    scrubber.finish()
}

struct Scrubber<'a> {
    text: &'a str,
    /// Up to here the text is in `scrubbed`; both stay empty as long as nothing was found.
    copied: usize,
    scrubbed: String,
}

impl<'a> Scrubber<'a> {
    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            at = match bytes[at] {
                b'0'..=b'9' => self.digits(at),
                b'a'..=b'z' | b'A'..=b'Z' => self.word(at),
                _ => at + 1,
            };
        }
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.copied == 0 {
            return Cow::Borrowed(self.text);
        }
        self.scrubbed.push_str(&self.text[self.copied..]);
        Cow::Owned(self.scrubbed)
    }

    fn replace(&mut self, from: usize, to: usize, by: &str) {
        self.scrubbed.push_str(&self.text[self.copied..from]);
        self.scrubbed.push_str(by);
        self.copied = to;
    }

    /// A run of digits that begins here; returns where it ends.
    fn digits(&mut self, start: usize) -> usize {
        let (end, count) = run_of_digits(self.text.as_bytes(), start);
        if count < CARD_DIGITS {
            return end;
        }
        let mut seen = 0;
        let masked: String = self.text[start..end]
            .chars()
            .map(|char| {
                if !char.is_ascii_digit() {
                    return char;
                }
                seen += 1;
                if seen <= KEPT_FIRST || seen > count - KEPT_LAST { char } else { '*' }
            })
            .collect();
        self.replace(start, end, &masked);
        end
    }

    /// A letter: the beginning of a telling name with its value, or nothing. Returns where to go on.
    fn word(&mut self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        if !begins_a_word(bytes, start) {
            return start + 1;
        }
        let Some(name_end) = name_at(bytes, start).map(|length| start + length) else { return start + 1 };
        let Some(value) = value_after(bytes, start, name_end) else { return name_end };
        let end = value.end(bytes);
        if value.start < end {
            self.replace(value.start, end, MASK);
        }
        end
    }
}

/// Where the run ends, and how many digits it has. A separator belongs to it only between two digits.
fn run_of_digits(bytes: &[u8], start: usize) -> (usize, usize) {
    let (mut at, mut count) = (start, 0);
    loop {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
            count += 1;
        }
        if !joins_digits(bytes, at) {
            return (at, count);
        }
        at += 1;
    }
}

fn joins_digits(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b' ' | b'-'))
        && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
        && at.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_digit())
}

fn begins_a_word(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|place| bytes[place]) else { return true };
    !before.is_ascii_alphanumeric() || (!before.is_ascii_uppercase() && bytes[at].is_ascii_uppercase())
}

/// How long the telling name is that stands here as a whole word.
fn name_at(bytes: &[u8], start: usize) -> Option<usize> {
    NAMES.iter().map(|name| name.len()).zip(NAMES).find_map(|(length, name)| {
        let there = bytes.get(start..start + length)?;
        let ends = bytes.get(start + length).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'_');
        (ends && there.eq_ignore_ascii_case(name.as_bytes())).then_some(length)
    })
}

/// A value, and how its end is to be found.
struct Value {
    start: usize,
    kind: Kind,
}

enum Kind {
    /// Between quotes that have this many backslashes before them.
    Quoted { quote: u8, backslashes: usize },
    /// An array or an object.
    Nested,
    /// Anything else.
    Bare,
    /// The content of an XML element.
    Element,
}

/// The value that belongs to the name in `start..name_end`, if one does.
fn value_after(bytes: &[u8], start: usize, name_end: usize) -> Option<Value> {
    let in_tag = start > 0 && bytes[start - 1] == b'<';
    if in_tag && bytes.get(name_end) == Some(&b'>') {
        return Some(Value { start: name_end + 1, kind: Kind::Element });
    }
    // The name's own closing quote, or the bracket of `card[cvc]=`, may come before the sign.
    let mut at = skip(bytes, name_end, |byte| matches!(byte, b'\\' | b'"' | b'\'' | b'`' | b']'));
    at = skip_space(bytes, at);
    if !matches!(bytes.get(at), Some(b':' | b'=')) {
        return None;
    }
    at = skip(bytes, at, |byte| matches!(byte, b':' | b'=' | b'>'));
    at = skip_space(bytes, at);
    let begin = skip(bytes, at, |byte| byte == b'\\');
    Some(match bytes.get(begin) {
        Some(&quote @ (b'"' | b'\'' | b'`')) => {
            Value { start: begin + 1, kind: Kind::Quoted { quote, backslashes: begin - at } }
        }
        Some(b'{' | b'[') => Value { start: begin, kind: Kind::Nested },
        _ => Value { start: begin, kind: Kind::Bare },
    })
}

impl Value {
    fn end(&self, bytes: &[u8]) -> usize {
        match self.kind {
            Kind::Quoted { quote, backslashes } => end_of_quoted(bytes, self.start, quote, backslashes),
            Kind::Nested => end_of_bare(bytes, end_of_nested(bytes, self.start)),
            Kind::Bare => end_of_bare(bytes, self.start),
            Kind::Element => skip(bytes, self.start, |byte| byte != b'<'),
        }
    }
}

/// Where the closing quote (with its backslashes) is; the text's end where it is missing.
///
/// A quote of the opening one's depth has `backslashes` before it; one within the value has more, and closes only where
/// they are pairs of the next depth (an escaped backslash at the value's end); one with fewer ends what is around.
fn end_of_quoted(bytes: &[u8], start: usize, quote: u8, backslashes: usize) -> usize {
    let (mut at, mut before) = (start, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            before += 1;
        } else if byte == quote {
            let deeper = before.checked_sub(backslashes).map(|more| more / (backslashes + 1));
            if deeper.is_none_or(|escapes| escapes % 2 == 0) {
                return at - before.min(backslashes);
            }
            before = 0;
        } else {
            before = 0;
        }
        at += 1;
    }
    bytes.len()
}

/// Behind the bracket that closes; the text's end where none does.
fn end_of_nested(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// Where a value without quotes ends; a space or hyphen within a card number does not end it.
fn end_of_bare(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        let ends = byte.is_ascii_whitespace()
            || matches!(byte, b',' | b';' | b'&' | b'}' | b']' | b')' | b'"' | b'\'' | b'`' | b'<' | b'\\');
        if ends && !joins_digits(bytes, at) {
            break;
        }
        at += 1;
    }
    at
}

fn skip(bytes: &[u8], from: usize, which: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !which(*byte)).map_or(bytes.len(), |length| from + length)
}

/// White space, also where it stands escaped in a JSON string.
fn skip_space(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = skip(bytes, at, |byte| byte.is_ascii_whitespace());
        let escape = skip(bytes, at, |byte| byte == b'\\');
        if escape == at || !matches!(bytes.get(escape), Some(b'n' | b'r' | b't')) {
            return at;
        }
        at = escape + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(scrub(text), expected, "of {text}");
    }

    #[test]
    fn a_card_number_keeps_its_first_six_and_last_four() {
        check("4111111111111111", "411111******1111");
        check("card 4111 1111 1111 1111 was declined", "card 4111 11** **** 1111 was declined");
        check("4111-1111-1111-1111", "4111-11**-****-1111");
        check("카드 4111111111111111번", "카드 411111******1111번");
    }

    #[test]
    fn twelve_digits_are_left_and_thirteen_are_not() {
        check("411111111111", "411111111111");
        check("4111111111111", "411111***1111");
        check("4111111111111111111", "411111*********1111");
    }

    #[test]
    fn a_number_need_not_be_a_valid_card_number() {
        check("1234567890123456", "123456******3456");
    }

    #[test]
    fn two_card_numbers_side_by_side_hide_each_other() {
        check("4111111111111111 5500000000000004", "411111********** ************0004");
        check("4111111111111111  5500000000000004", "411111******1111  550000******0004");
    }

    #[test]
    fn times_amounts_and_ids_are_left_alone() {
        for text in [
            "2024-06-01T10:00:00.123456789Z",
            "amount 1000 of 25000 KRW",
            "order 2024-06-01-0001",
            "018f9a3e-1c2b-7d4e-8f00-0123456789ab",
            "{location:'Seoul'}",
            "",
            "japan: 1, company: 2, panic: 3",
        ] {
            assert!(matches!(scrub(text), Cow::Borrowed(_)), "{text} became {}", scrub(text));
        }
    }

    #[test]
    fn telling_members_are_masked_in_json() {
        check(r#"{"cvc":"123","amount":1000}"#, r#"{"cvc":"***","amount":1000}"#);
        check(r#"{"cardNo" : 4111111111111111}"#, r#"{"cardNo" : ***}"#);
        check(r#"{"CARD_NUMBER":"1"}"#, r#"{"CARD_NUMBER":"***"}"#);
        check(r#"{"pan":{"number":"4111","x":[1]},"a":1}"#, r#"{"pan":***,"a":1}"#);
        check(r#"{"cvv":"1\"2","a":1}"#, r#"{"cvv":"***","a":1}"#);
        check(r#"{"cvv":"12\\","a":1}"#, r#"{"cvv":"***","a":1}"#);
    }

    #[test]
    fn telling_members_are_masked_in_json_within_json() {
        check(r#"{"body":"{\"cvc\":\"123\",\"a\":1}"}"#, r#"{"body":"{\"cvc\":\"***\",\"a\":1}"}"#);
        check(r#"{\"cvc\":\"1\\\"2\",\"a\":1}"#, r#"{\"cvc\":\"***\",\"a\":1}"#);
        check(r#"{\\\"cvc\\\":\\\"123\\\"}"#, r#"{\\\"cvc\\\":\\\"***\\\"}"#);
        check(r#"{\"cvc\":123}"#, r#"{\"cvc\":***}"#);
        check(r#""{\"cvc\":\n 123}""#, r#""{\"cvc\":\n ***}""#);
    }

    #[test]
    fn telling_members_are_masked_in_loose_notations() {
        check("{cardNo:4111,amount:1}", "{cardNo:***,amount:1}");
        check("{cvc:'123'}", "{cvc:'***'}");
        check("cvc = 123; amount = 1", "cvc = ***; amount = 1");
        check("https://pay/x?cvc=123&amount=1", "https://pay/x?cvc=***&amount=1");
        check("card[cvc]=123&card[name]=a", "card[cvc]=***&card[name]=a");
        check("cardNo=4111 1111 1111 1111 ok", "cardNo=*** ok");
        check("Card(pan=4111-1111, cvv2=9)", "Card(pan=***, cvv2=***)");
        check("<cardNo>4111</cardNo><a>1</a>", "<cardNo>***</cardNo><a>1</a>");
        check("encCardNo=abc&user_cvc=1", "encCardNo=***&user_cvc=***");
        check("cvc => 123", "cvc => ***");
    }

    #[test]
    fn a_value_whose_end_is_missing_is_masked_to_the_end() {
        check(r#"{"cvc":"12"#, r#"{"cvc":"***"#);
        check(r#"{"pan":{"a":[1"#, r#"{"pan":***"#);
        check("cvc=", "cvc=");
    }

    fn hazardous() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[0-9]{1,20}",
            "[ \\-]{1,2}",
            "[a-z]{1,3}",
            Just("cvc".to_owned()),
            Just("cardNo".to_owned()),
            Just("PAN".to_owned()),
            "[:=\"'\\\\{}\\[\\],&<>가 n]{1,4}",
        ];
        proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_run_of_thirteen_digits_survives(text in hazardous()) {
            let scrubbed = scrub(&text);
            let bytes = scrubbed.as_bytes();
            for at in 0..bytes.len() {
                if bytes[at].is_ascii_digit() {
                    prop_assert!(run_of_digits(bytes, at).1 < CARD_DIGITS, "{scrubbed} of {text}");
                }
            }
        }

        #[test]
        fn what_was_scrubbed_is_not_scrubbed_further(text in hazardous()) {
            let once = scrub(&text).into_owned();
            prop_assert_eq!(scrub(&once), once.as_str(), "of {}", text);
        }

        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            drop(scrub(&text));
        }

        #[test]
        fn text_without_a_long_run_or_a_telling_name_is_untouched(text in "[0-9 ]{0,12}[xyz가:=\"]{0,9}[0-9-]{0,12}") {
            prop_assume!((0..text.len()).all(|at| run_of_digits(text.as_bytes(), at).1 < CARD_DIGITS));
            prop_assert_eq!(scrub(&text), text.as_str());
        }
    }
}
