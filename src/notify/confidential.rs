//! What a receiver's words must not repeat, whichever way it writes them.
//!
//! A receiver that refuses a request often shows it: a proxy's error page in HTML, an API in JSON, a debugger in Base64.
//! So what lets one in is looked for in every usual notation before its words are kept. What signs a link to acknowledge
//! is the message's own, and is known by how it stands there.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use super::quote::{HIDDEN, one_line, without};
use crate::config::Secret;

/// How much of a receiver's words is kept, in characters.
const WORDS_MAX: usize = 300;
/// A secret that is shorter is no secret; hiding it would tear words apart.
const SECRET_MIN: usize = 4;
/// Parts of a URL's path or query, of a body's template, and a program's arguments, are taken for tokens from this length
/// on. (Slack's and Discord's are 24 and more.)
pub(super) const TOKEN_MIN: usize = 12;
/// The least of a secret within a longer text in Base64 that is hidden by itself.
const BASE64_MIN: usize = 8;

/// What must never be repeated: the longest first, so that no end of one stays where a shorter one was hidden.
pub(super) struct Confidential(Vec<String>);

impl Confidential {
    /// Of the addresses, what of them lets one in.
    pub(super) fn new(urls: &[Url], secrets: &[Secret]) -> Self {
        let mut hidden: Vec<String> = Vec::new();
        for part in urls.iter().flat_map(parts_of) {
            hidden.extend(notations(&part));
        }
        for secret in secrets {
            hidden.push(STANDARD.encode(secret.expose()));
            let text = secret.text();
            if text.len() >= SECRET_MIN {
                hidden.extend(notations(&text));
            }
        }
        hidden.retain(|text| !text.is_empty());
        hidden.sort_by(|one, other| (other.len(), one).cmp(&(one.len(), other)));
        hidden.dedup();
        Self(hidden)
    }

    /// Of a program's arguments, those that may be a key, also behind `--key=`.
    pub(super) fn of_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let parts = arguments.into_iter().flat_map(|argument| {
            let value = argument.split_once('=').map(|(_, value)| value);
            [Some(argument), value].into_iter().flatten()
        });
        let secrets = parts.filter(|part| part.len() >= TOKEN_MIN).map(|part| Secret::new(part.as_bytes()));
        Self::new(&[], &secrets.collect::<Vec<_>>())
    }

    /// Words on one line, cut to what is kept, without what must not be repeated.
    pub(super) fn clean(&self, words: &str) -> String {
        one_line(&without(&without_tokens(words), &self.0), WORDS_MAX)
    }

    /// The same of the first bytes of an answer. Of one that is longer than the `limit` the end is left out, where half
    /// of a secret could stand.
    pub(super) fn clean_beginning(&self, bytes: &[u8], limit: usize) -> String {
        let longest = self.0.first().map_or(0, String::len);
        let whole = if bytes.len() < limit { bytes.len() } else { limit.saturating_sub(longest) };
        self.clean(&String::from_utf8_lossy(&bytes[..whole]))
    }
}

/// The ways in which a text is written within another one.
fn notations(text: &str) -> Vec<String> {
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned();
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let encoded = [STANDARD_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(text)];
    let within =
        (0..3).flat_map(|before| [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| within(text, before, engine)));
    let base64: Vec<String> = encoded.into_iter().chain(within.flatten()).collect();
    let base64_in_urls = base64.iter().map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    [
        text.to_owned(),
        with_small_digits(&percent),
        percent,
        form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        json.replace('/', "\\/"),
        json,
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        html,
    ]
    .into_iter()
    .chain(base64_in_urls.collect::<Vec<_>>())
    .chain(base64)
    .collect()
}

/// What is always the same of a text in Base64 that has `before` bytes, of three, in front of it.
fn within(text: &str, before: usize, engine: &impl base64::Engine) -> Option<String> {
    let encoded = engine.encode([&vec![0; before], text.as_bytes()].concat());
    // The signs that the bytes in front, and those behind, have a part in.
    let (first, last) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
    encoded.get(first..last).filter(|part| part.len() >= BASE64_MIN).map(str::to_owned)
}

/// `%2F` as `%2f`.
fn with_small_digits(percent: &str) -> String {
    let mut digits = 0;
    let small = percent.chars().map(|sign| {
        if sign == '%' {
            digits = 2;
            return sign;
        }
        let is_digit = digits > 0;
        digits -= i32::from(is_digit);
        if is_digit { sign.to_ascii_lowercase() } else { sign }
    });
    small.collect()
}

fn parts_of(url: &Url) -> Vec<String> {
    let path_and_query = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let whole = [url.as_str(), &path_and_query, url.path()].into_iter().filter(|text| text.len() > 1);
    let tokens = path_and_query.split(['/', '?', '&', '=']).filter(|text| text.len() >= TOKEN_MIN);
    let login = [url.username(), url.password().unwrap_or_default()].into_iter().filter(|text| !text.is_empty());
    whole.chain(tokens).chain(login).map(str::to_owned).collect()
}

/// `text` without the tokens of its links, wherever else they stand in it. In one pass, since a stranger may write a
/// great many of them.
fn without_tokens(text: &str) -> String {
    let tokens = tokens_in(text);
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|sign| !is_of_token(sign)).unwrap_or(rest.len()));
        // `%3D`, `\u003d` or `\n` may stand in front of one, and look like a part of it.
        let longest = if clean.ends_with(['%', '\\']) { 5 } else { 0 };
        let token = (0..=longest).find(|skip| word.get(*skip..).is_some_and(|end| tokens.contains(end)));
        clean.push_str(&word[..token.unwrap_or(word.len())]);
        clean.push_str(token.map_or("", |_| HIDDEN));
        let mut signs = after.chars();
        clean.extend(signs.next());
        rest = signs.as_str();
    }
    clean
}

/// The tokens of links: what stands behind `token=`, also as JSON and URLs write that.
fn tokens_in(text: &str) -> BTreeSet<&str> {
    const SIGNS: [&str; 6] = ["=", "%3D", "%3d", "\\u003d", "&#61;", "&#x3D;"];
    let after = text.match_indices("token").map(|(at, word)| &text[at + word.len()..]);
    let values = after.filter_map(|rest| SIGNS.into_iter().find_map(|sign| rest.strip_prefix(sign)));
    let tokens = values.filter_map(|value| value.split(|sign| !is_of_token(sign)).next());
    tokens.filter(|token| token.len() >= TOKEN_MIN).collect()
}

const fn is_of_token(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_one_in_is_confidential() {
        let url = "https://bot:pa55@hooks.example/services/T024F/Bxyzxyzxyzxyz?key=abcdefghijklmn".parse().unwrap();
        let Confidential(hidden) = Confidential::new(&[url], &[Secret::new(b"key"), Secret::new(b"a/b \"c\"")]);
        assert!(hidden.windows(2).all(|pair| pair[0].len() >= pair[1].len()), "{hidden:?}");
        for part in [
            "pa55",
            "Bxyzxyzxyzxyz",
            "abcdefghijklmn",
            "a2V5",
            "/services/T024F/Bxyzxyzxyzxyz",
            "a/b \"c\"",
            "a%2Fb%20%22c%22",
            "a%2fb%20%22c%22",
            "a\\/b \\\"c\\\"",
            "a/b &quot;c&quot;",
        ] {
            assert!(hidden.iter().any(|hidden| hidden == part), "{part} in {hidden:?}");
        }
    }

    #[test]
    fn it_is_hidden_in_base64_wherever_it_stands_in_the_text() {
        let secret = "hunter2-hunter2";
        let confidential = Confidential::new(&[], &[Secret::new(secret.as_bytes())]);
        for before in ["", "a", "ab", "abc", "Basic me:"] {
            for after in ["", "x", "xy", "xyz"] {
                let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
                let cleaned = confidential.clean(&encoded);
                assert!(cleaned.contains("[hidden]") && cleaned.len() < 30, "{encoded}: {cleaned}");
            }
        }
    }

    #[test]
    fn half_a_secret_at_the_end_of_what_was_read_is_not_kept() {
        let confidential = Confidential::new(&[], &[Secret::new(b"hunter2-hunter2")]);
        let answer = format!("{}hunter2-hun", " ".repeat(100));
        assert_eq!(confidential.clean_beginning(answer.as_bytes(), answer.len()), "");
        assert_eq!(confidential.clean_beginning(b"a hunter2-hunter2", 1_000), "a [hidden]");
    }

    #[test]
    fn a_programs_argument_is_hidden_if_it_may_be_a_key() {
        let confidential = Confidential::of_arguments(["--loud", "--key=0123456789ab", "a-key-of-many-letters"]);
        assert_eq!(confidential.clean("--loud 0123456789ab a-key-of-many-letters"), "--loud [hidden] [hidden]");
    }

    #[test]
    fn the_token_of_a_link_is_hidden() {
        let confidential = Confidential::new(&[], &[]);
        for (said, kept) in [
            ("GET /alerts/7/acknowledge?token=0123456789abc_-", "GET /alerts/7/acknowledge?token=[hidden]"),
            ("token%3D0123456789abcdef&x", "token%3D[hidden]&x"),
            (r"token\u003d0123456789abcdef\u0022", r"token\u003d[hidden]\u0022"),
            ("token=a token=", "token=a token="),
            ("invalid token, invalid_auth", "invalid token, invalid_auth"),
            ("token=0123456789abcdef {\"token\": \"0123456789abcdef\"}", "token=[hidden] {\"token\": \"[hidden]\"}"),
            (
                r"%220123456789abcdef%22 \n0123456789abcdef ?token=0123456789abcdef",
                r"%22[hidden]%22 \n[hidden] ?token=[hidden]",
            ),
        ] {
            assert_eq!(confidential.clean(said), kept);
        }
    }

    #[test]
    fn many_tokens_of_a_stranger_cost_no_more_than_one() {
        let confidential = Confidential::new(&[], &[]);
        let said: String = (0..2_000).map(|number| format!("token={number:012} ")).collect();
        let taken = allocation_counter::measure(|| assert!(confidential.clean(&said).starts_with("token=[hidden] ")));
        assert!(taken.bytes_total < 16 * said.len() as u64, "{} bytes for {}", taken.bytes_total, said.len());
    }
}
