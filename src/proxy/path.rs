//! A request's path in one form that every reader takes for the same.
//!
//! Dot segments are resolved here (RFC 3986, 5.2.4), encoded or not, so that no target has to: what would leave the
//! route's prefix is refused. An encoded slash stays encoded, and is refused where decoding it would make a dot segment.
//! Characters that need no encoding are decoded (RFC 3986, 6.2.2.2): what is compared with the operations of a route is what
//! is sent.

use std::borrow::Cow;

/// Why a path is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It goes up beyond its beginning.
    Escapes,
    /// Different readers take it for different paths.
    Ambiguous,
}

/// The path `rest` behind a route's prefix, or all of it where there is none; it is empty or begins with a slash.
pub(super) fn plain(rest: &str) -> Result<Cow<'_, str>, Refused> {
    if !is_suspicious(rest) {
        return Ok(Cow::Borrowed(if rest.is_empty() { "/" } else { rest }));
    }
    let rest = decoded_where_needless(rest)?;
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_slash = false;
    for segment in rest.split('/').skip(1) {
        ends_in_slash = true;
        match dots(segment) {
            Dots::One => {}
            Dots::Two => {
                kept.pop().ok_or(Refused::Escapes)?;
            }
            Dots::None if is_ambiguous(segment) => return Err(Refused::Ambiguous),
            Dots::None => {
                kept.push(segment);
                ends_in_slash = false;
            }
        }
    }
    let mut path = String::with_capacity(rest.len());
    for segment in &kept {
        path.push('/');
        path.push_str(segment);
    }
    if ends_in_slash || path.is_empty() {
        path.push('/');
    }
    Ok(Cow::Owned(path))
}

/// What the percent sign at `at` and its two digits stand for, if they are two.
fn coded(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at + 1)? << 4 | digit(at + 2)?).ok()
}

/// What means the same encoded or not (RFC 3986, 2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Fails for a percent sign that encodes nothing, which could encode something with what follows it decoded.
fn decoded_where_needless(path: &str) -> Result<String, Refused> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, code) = rest.split_at(at);
        decoded.push_str(before);
        let byte = coded(code.as_bytes(), 0).ok_or(Refused::Ambiguous)?;
        let (code, after) = code.split_at(3);
        if is_unreserved(byte) {
            decoded.push(char::from(byte));
        } else {
            decoded.push_str(code);
        }
        rest = after;
    }
    decoded.push_str(rest);
    Ok(decoded)
}

/// Whether there is anything in it that has to be looked at: a segment that begins with a dot, a percent sign that
/// stands for something with a meaning, for what needs no encoding or for nothing, a backslash.
fn is_suspicious(path: &str) -> bool {
    let bytes = path.as_bytes();
    let encoded =
        |at: usize| coded(bytes, at).is_none_or(|byte| is_unreserved(byte) || [b'/', b'\\', b';', 0].contains(&byte));
    memchr::memchr3_iter(b'.', b'%', b'\\', bytes).any(|at| match bytes[at] {
        b'.' => at == 0 || bytes[at - 1] == b'/',
        b'%' => encoded(at),
        _ => true,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    None,
    One,
    Two,
}

/// Of a segment in which no dot is encoded any more.
fn dots(segment: &str) -> Dots {
    match segment {
        "." => Dots::One,
        ".." => Dots::Two,
        _ => Dots::None,
    }
}

/// A backslash, which some take for a slash; a zero byte, where some stop reading; and dots beside an encoded slash, or before a semicolon, behind which some read parameters that they leave out.
fn is_ambiguous(segment: &str) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
    let without_parameters = |part: &[u8]| part.split(|byte| *byte == b';').next().is_some_and(is_dots);
    decoded.contains(&b'\\') || decoded.contains(&0) || decoded.split(|byte| *byte == b'/').any(without_parameters)
}

fn is_dots(part: &[u8]) -> bool {
    part == b"." || part == b".."
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_that_is_plain_stays_as_it_is() {
        for path in
            ["/", "/v1/payments", "//a//b", "/a.b/..c/...", "/%EA%B0%80/a%20b", "/a;b=1,2@x", "/v1/", "/a;b/..c;d"]
        {
            assert_eq!(plain(path), Ok(Cow::Borrowed(path)), "{path}");
        }
        assert_eq!(plain(""), Ok(Cow::Borrowed("/")));
    }

    #[test]
    fn dot_segments_are_resolved_encoded_or_not() {
        for (path, resolved) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b/", "/b/"),
            ("/a/b/..", "/a/"),
            ("/.", "/"),
            ("/a/..", "/"),
            ("/a%2Fb/.", "/a%2Fb/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/v1/p%61y%6De%4e%74s%2D%7e", "/v1/paymeNts-~"),
            ("/a%2eb/%25%61/%EA%B0%80", "/a.b/%25a/%EA%B0%80"),
        ] {
            assert_eq!(plain(path).as_deref(), Ok(resolved), "{path}");
        }
    }

    #[test]
    fn what_leaves_its_prefix_or_could_be_read_in_two_ways_is_refused() {
        for path in ["/..", "/a/../../b", "/%2e%2e/b", "/a/../%2E."] {
            assert_eq!(plain(path), Err(Refused::Escapes), "{path}");
        }
        for path in ["/a/..%2fb", "/a%2f..%2fb", "/%2e%2e%2fb", "/a\\..\\b", "/a%5c..%5cb", "/a%00", "/a%2", "/a/%2f."]
        {
            assert_eq!(plain(path), Err(Refused::Ambiguous), "{path}");
        }
        for path in [
            "/..;/..;/admin",
            "/a/..;x=1/b",
            "/a/%2e%2e;x",
            "/a/..%3bx",
            "/.;",
            "/a%2f..;b",
            "/%zz",
            "/%u002e",
            "/%",
            "/%%361",
        ] {
            assert_eq!(plain(path), Err(Refused::Ambiguous), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_dot_segment_is_ever_passed_on(path in "(/(\\.|%2e|%2E|a|%2f|\\\\|;|%3b|%zz|%u002e|%61|%25){0,4}){0,5}") {
            if let Ok(path) = plain(&path) {
                let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
                prop_assert!(path.starts_with('/'));
                let name = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
                prop_assert!(decoded.split(['/', '\\']).all(|segment| !is_dots(name(segment).as_bytes())), "{}", path);
                let bytes = path.as_bytes();
                let codes = memchr::memchr_iter(b'%', bytes).map(|at| coded(bytes, at));
                prop_assert!(codes.into_iter().all(|byte| byte.is_some_and(|byte| !is_unreserved(byte))), "{}", path);
                let again = plain(&path);
                prop_assert_eq!(again.as_deref(), Ok(&*path), "it is plain now");
            }
        }
    }
}
