//! What a body must be.

use memchr::memmem;
use serde_json::Value;

use crate::config::probe::BodyCheck;
use crate::domain::observation::{Failure, Reason};
use crate::probes::failure::{at_most, plain};

/// How much of an expected or found value a message shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// The first check that `body` does not meet.
pub(super) fn check(checks: &[BodyCheck], body: &[u8]) -> Result<(), Failure> {
    let needs_json = checks.iter().any(|check| matches!(check, BodyCheck::Json { .. }));
    let json = if needs_json { Some(parse(body)?) } else { None };
    for check in checks {
        let problem = match (check, &json) {
            (BodyCheck::Contains(text), _) => (memmem::find(body, text.as_bytes()).is_none())
                .then(|| format!("the body ({} bytes) does not contain \"{}\"", body.len(), short(text))),
            (BodyCheck::Matches(pattern), _) => (!pattern.is_match(body))
                .then(|| format!("the body ({} bytes) does not match {}", body.len(), short(pattern.as_str()))),
            (BodyCheck::Json { path, equals }, Some(value)) => {
                compare(&path.query(value).all(), equals).map(|found| format!("{} {found}", short(&path.to_string())))
            }
            (BodyCheck::Json { .. }, None) => None,
        };
        if let Some(problem) = problem {
            return Err(plain(Reason::Assertion, problem));
        }
    }
    Ok(())
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        // Not the library's words, which may quote the body.
        let (line, column) = (error.line(), error.column());
        plain(Reason::Assertion, format!("the body is no JSON: it is broken in line {line}, column {column}"))
    })
}

/// What is wrong with what a path selects: all of it must be equal, and there must be some.
fn compare(found: &[&Value], expected: &Value) -> Option<String> {
    if found.is_empty() {
        return Some(format!("is not in the body, expected {}", show(expected)));
    }
    let other = found.iter().find(|value| !equal(value, expected))?;
    Some(format!("is {}, expected {}", show(other), show(expected)))
}

/// Numbers are equal by value: 1 is 1.0. Everything else as JSON has it, so that "1" is not 1.
fn equal(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64() && !(a.is_i64() && b.is_i64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| equal(value, other)))
        }
        (
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => found == expected,
    }
}

/// Words and small numbers as they are. What could be a card or an account is not shown.
fn show(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_) => {
            let text = value.to_string();
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            if digits > 12 { "a long number".to_owned() } else { short(&text) }
        }
    }
}

fn short(text: &str) -> String {
    at_most(text.to_owned(), SHOWN_CHARACTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json(path: &str, equals: Value) -> BodyCheck {
        BodyCheck::Json { path: serde_json_path::JsonPath::parse(path).unwrap(), equals }
    }

    #[track_caller]
    fn problem(check: BodyCheck, body: &str) -> String {
        super::check(&[check], body.as_bytes()).map_or_else(|failure| failure.message.into(), |()| "none".to_owned())
    }

    #[test]
    fn a_value_equals_by_type_and_numbers_by_value() {
        let body =
            r#"{"status":"UP","count":1,"ratio":1.0,"big":9007199254740993,"all":["UP","UP"],"some":["UP","DOWN"]}"#;
        for (path, equals, expected) in [
            ("$.status", json!("UP"), "none"),
            ("$.status", json!("DOWN"), r#"$.status is "UP", expected "DOWN""#),
            ("$.count", json!(1), "none"),
            ("$.count", json!(1.0), "none"),
            ("$.ratio", json!(1), "none"),
            ("$.count", json!("1"), r#"$.count is 1, expected "1""#),
            ("$.big", json!(9007199254740992_i64), "$.big is a long number, expected a long number"),
            ("$.all[*]", json!("UP"), "none"),
            ("$.some[*]", json!("UP"), r#"$.some[*] is "DOWN", expected "UP""#),
            ("$.none", json!(true), "$.none is not in the body, expected true"),
            ("$.all", json!(["UP", "UP"]), "none"),
            ("$.all", json!(["UP"]), "$.all is a list of 2, expected a list of 1"),
        ] {
            assert_eq!(problem(json(path, equals), body), expected);
        }
    }

    #[test]
    fn a_body_that_is_no_json_is_told_without_quoting_it() {
        assert_eq!(
            problem(json("$.a", json!(1)), "<html>4111111111111111"),
            "the body is no JSON: it is broken in line 1, column 1"
        );
    }

    #[test]
    fn text_and_patterns_are_looked_for_in_bytes() {
        assert_eq!(problem(BodyCheck::Contains("OK".into()), "all OK"), "none");
        assert_eq!(problem(BodyCheck::Contains("OK".into()), "ko"), r#"the body (2 bytes) does not contain "OK""#);
        let pattern = || BodyCheck::Matches(regex::bytes::Regex::new("^v[0-9]+$").unwrap());
        assert_eq!(problem(pattern(), "v12"), "none");
        assert_eq!(problem(pattern(), "12"), "the body (2 bytes) does not match ^v[0-9]+$");
    }

    #[test]
    fn the_first_check_that_fails_is_told() {
        let checks =
            [BodyCheck::Contains("a".into()), BodyCheck::Contains("b".into()), BodyCheck::Contains("c".into())];
        let failure = super::check(&checks, b"a").unwrap_err();
        assert_eq!(&*failure.message, r#"the body (1 bytes) does not contain "b""#);
    }
}
