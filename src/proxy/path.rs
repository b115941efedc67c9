//! A request's path in one form that every reader takes for the same.
//!
//! Dot segments are resolved here (RFC 3986, 5.2.4), encoded or not, so that no target has to: what would leave the
//! route's prefix is refused. An encoded slash stays encoded, and is refused where decoding it would make a dot segment.

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

/// Whether there is anything in it that has to be looked at: a segment that begins with a dot, a percent sign that
/// stands for something with a meaning, a backslash.
fn is_suspicious(path: &str) -> bool {
    let bytes = path.as_bytes();
    let encoded = |at: usize| {
        let Some(code) = bytes.get(at + 1..at + 3) else { return true };
        [b"2e", b"2f", b"5c", b"00"].iter().any(|known| code.eq_ignore_ascii_case(*known))
    };
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

fn dots(segment: &str) -> Dots {
    let mut rest = segment;
    let mut number = 0;
    while !rest.is_empty() {
        let after = rest.strip_prefix('.').or_else(|| {
            let code = rest.get(..3)?;
            code.eq_ignore_ascii_case("%2e").then(|| &rest[3..])
        });
        let Some(after) = after else { return Dots::None };
        rest = after;
        number += 1;
    }
    match number {
        1 => Dots::One,
        2 => Dots::Two,
        _ => Dots::None,
    }
}

/// A backslash, which some take for a slash; a zero byte, where some stop reading; a percent sign that encodes nothing;
/// and dots beside an encoded slash.
fn is_ambiguous(segment: &str) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
    let bytes = segment.as_bytes();
    let bad_code = memchr::memchr_iter(b'%', bytes).any(|at| {
        let code = bytes.get(at + 1..at + 3);
        !code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    });
    let inner = decoded.split(|byte| *byte == b'/');
    bad_code
        || decoded.contains(&b'\\')
        || decoded.contains(&0)
        || inner.into_iter().any(|part| part == b".." || part == b".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_that_is_plain_stays_as_it_is() {
        for path in ["/", "/v1/payments", "//a//b", "/a.b/..c/...", "/%EA%B0%80/a%20b", "/a;b=1,2@x", "/v1/"] {
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
    }

    proptest! {
        #[test]
        fn no_dot_segment_is_ever_passed_on(path in "(/(\\.|%2e|%2E|a|%2f|\\\\){0,4}){0,5}") {
            if let Ok(path) = plain(&path) {
                let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
                prop_assert!(path.starts_with('/'));
                prop_assert!(decoded.split(['/', '\\']).all(|segment| segment != ".." && segment != "."), "{}", path);
            }
        }
    }
}
