//! Reads a query: every parameter is looked at, so that one answer lists everything that is wrong with it.
//!
//! A parameter without a value is as good as none; one that is given twice is wrong; unknown ones are ignored.

use std::cell::RefCell;

use super::dto::problem::FieldError;
use super::error::Problem;
use crate::clock;
use crate::domain::time::Timestamp;

/// Elements of a page where the caller does not say.
pub(super) const SIZE_DEFAULT: usize = 20;
/// Elements of a page at most; more is refused.
pub(super) const SIZE_MAX: usize = 200;

/// The parameters of a query, with what was wrong with them so far.
#[derive(Debug, Default)]
pub(super) struct Query {
    parameters: Vec<(String, String)>,
    errors: RefCell<Vec<FieldError>>,
}

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) number: usize,
    pub(super) size: usize,
}

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { parameters, errors: RefCell::default() }
    }

    /// The value, if nothing was wrong with any parameter.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub(super) fn accept<T>(&self, value: T) -> Result<T, Problem> {
        let errors = self.errors.take();
        if errors.is_empty() { Ok(value) } else { Err(Problem::invalid_query(errors)) }
    }

    fn wrong<T>(&self, name: &str, detail: impl Into<String>) -> Option<T> {
        self.errors.borrow_mut().push(FieldError::in_query(name, detail));
        None
    }

    /// Whether it is there, with or without a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == name)
    }

    /// Text; `None` where it is not given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.text_of(&[name])
    }

    /// Text that must be given.
    pub(super) fn needed_text(&self, name: &str) -> Option<&str> {
        if !self.parameters.iter().any(|(known, value)| known == name && !value.is_empty()) {
            return self.wrong(name, "must be given");
        }
        self.text(name)
    }

    /// Text of a parameter that has several names.
    pub(super) fn text_of(&self, names: &[&str]) -> Option<&str> {
        let mut given = self.parameters.iter().filter(|(name, value)| names.contains(&&**name) && !value.is_empty());
        let (name, value) = given.next()?;
        if given.next().is_some() {
            return self.wrong(name, "must be given once");
        }
        Some(value)
    }

    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        let wrong = || self.wrong(name, "must be a time by RFC 3339, such as 2024-06-01T10:00:00Z");
        clock::parse(text).ok().or_else(wrong)
    }

    /// A whole number within a range.
    pub(super) fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(name)?;
        let number = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
        number.filter(|number| range.contains(number)).or_else(|| {
            let (from, to) = range.into_inner();
            let detail = if to == u64::MAX {
                format!("must be a whole number from {from}")
            } else {
                format!("must be a whole number from {from} to {to}")
            };
            self.wrong(name, detail)
        })
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => self.wrong(name, "must be true or false"),
        }
    }

    /// One of a few words.
    pub(super) fn word_of<T: Copy>(&self, name: &str, words: &[T], as_str: impl Fn(T) -> &'static str) -> Option<T> {
        let asked = self.text(name)?;
        words.iter().copied().find(|word| asked == as_str(*word)).or_else(|| {
            let known: Vec<_> = words.iter().map(|word| as_str(*word)).collect();
            self.wrong(name, format!("must be one of {}", known.join(", ")))
        })
    }

    /// `page` and `size`.
    pub(super) fn window(&self) -> Window {
        let number = self.number("page", 0..=u64::from(u32::MAX)).unwrap_or(0);
        let size = self.number("size", 1..=SIZE_MAX as u64).unwrap_or(SIZE_DEFAULT as u64);
        Window { number: to_usize(number), size: to_usize(size) }
    }
}

/// For numbers that were just seen to be in a range that every machine's `usize` holds.
pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_no_parameter() {
        let query = Query::parse("systemName=&page=1&size=");
        assert_eq!(query.text("systemName"), None);
        assert_eq!(query.window(), Window { number: 1, size: SIZE_DEFAULT });
        assert!(query.accept(()).is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let query = Query::parse("page=-1&size=201&at=yesterday&open=yes&kind=x&name=a&name=b&n=%2B1");
        query.window();
        query.time("at");
        query.flag("open");
        query.word_of("kind", &["a", "b"], |word| word);
        query.text("name");
        query.number("n", 0..=u64::MAX);
        let problem = query.accept(()).unwrap_err();
        insta::assert_json_snapshot!(problem.body(&crate::domain::id::CorrelationId::new("c")), @r#"
        {
          "type": "urn:breakwater:problem:invalid-query",
          "title": "The query is not what it must be",
          "status": 400,
          "detail": "7 query parameters are wrong",
          "correlationId": "c",
          "errors": [
            {
              "parameter": "page",
              "detail": "must be a whole number from 0 to 4294967295"
            },
            {
              "parameter": "size",
              "detail": "must be a whole number from 1 to 200"
            },
            {
              "parameter": "at",
              "detail": "must be a time by RFC 3339, such as 2024-06-01T10:00:00Z"
            },
            {
              "parameter": "open",
              "detail": "must be true or false"
            },
            {
              "parameter": "kind",
              "detail": "must be one of a, b"
            },
            {
              "parameter": "name",
              "detail": "must be given once"
            },
            {
              "parameter": "n",
              "detail": "must be a whole number from 0"
            }
          ]
        }
        "#);
    }

    #[test]
    fn a_percent_sign_is_decoded_and_a_plus_is_a_space() {
        let query = Query::parse("endpoint=https%3A%2F%2Fapi.kcp.com%2Fa+b");
        assert_eq!(query.text("endpoint"), Some("https://api.kcp.com/a b"));
    }
}
