//! Reads a command's body: every member is looked at, so that one answer lists everything that is wrong with it.
//!
//! Members that a command does not know are ignored, so that clients can be newer than a node; `null` is the same as a
//! missing member. Text is scrubbed of card numbers here, so that nothing behind this sees one. What goes on with a
//! wrong member is nothing: its reader returns `None` and has noted why.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::dto::problem::FieldError;
use super::error::Problem;
use crate::clock;
use crate::config::Config;
use crate::domain::id::Target;
use crate::domain::scrub::scrub;
use crate::domain::time::Timestamp;

/// Characters of a system's name; a longer one is refused.
pub(super) const NAME_MAX: usize = 64;
/// Characters of an endpoint; a longer one is refused. Browsers and proxies agree on about this much for a URL.
pub(super) const ENDPOINT_MAX: usize = 2_048;
/// Characters of a reason, a message or a payload; a longer one is refused, since half a payload misleads.
pub(super) const TEXT_MAX: usize = 16 * 1_024;

/// The members of an object, with what was wrong with them so far.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    errors: Rc<RefCell<Vec<FieldError>>>,
}

impl<'a> Fields<'a> {
    /// What `read` makes of a body's members. It must look at each that it needs before it gives up.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn read<T>(body: &'a Value, read: impl FnOnce(&Self) -> Option<T>) -> Result<T, Problem> {
        let Value::Object(object) = body else {
            return Err(Problem::invalid_body(vec![FieldError::in_body("", "must be an object")]));
        };
        let fields = Self { object, pointer: String::new(), errors: Rc::default() };
        let value = read(&fields);
        let errors = fields.errors.take();
        value.filter(|_| errors.is_empty()).ok_or_else(|| Problem::invalid_body(errors))
    }

    /// What `read` makes of each object of an array of at most `max`, which may also be the member `name` of an object.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn read_each<T>(
        body: &'a Value,
        name: &str,
        max: usize,
        mut read: impl FnMut(&Self) -> Option<T>,
    ) -> Result<Vec<T>, Problem> {
        let (list, at) = body.get(name).map_or_else(|| (body, String::new()), |list| (list, format!("/{name}")));
        let wrong = |detail: String| Err(Problem::invalid_body(vec![FieldError::in_body(at.clone(), detail)]));
        let Value::Array(objects) = list else { return wrong(format!("must be an array, or an object with {name}")) };
        if objects.len() > max {
            return wrong(format!("must not have more than {max} elements; it has {}", objects.len()));
        }
        let errors: Rc<RefCell<Vec<FieldError>>> = Rc::default();
        let mut values = Vec::with_capacity(objects.len());
        for (place, object) in objects.iter().enumerate() {
            let pointer = format!("{at}/{place}");
            match object {
                Value::Object(object) => values.extend(read(&Self { object, pointer, errors: errors.clone() })),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    errors.borrow_mut().push(FieldError::in_body(pointer, "must be an object"));
                }
            }
        }
        let errors = errors.take();
        if errors.is_empty() { Ok(values) } else { Err(Problem::invalid_body(errors)) }
    }

    /// Notes what is wrong with a member.
    pub(super) fn wrong<T>(&self, name: &str, detail: impl Into<String>) -> Option<T> {
        let pointer = format!("{}/{name}", self.pointer);
        self.errors.borrow_mut().push(FieldError::in_body(pointer, detail));
        None
    }

    pub(super) fn is_given(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str) -> Option<&'a Value> {
        self.get(name).or_else(|| self.wrong(name, "must be given"))
    }

    /// Reads a member that may be missing: the outer `None` is a wrong one.
    pub(super) fn optional<T>(&self, name: &str, read: impl FnOnce(&Self, &str) -> Option<T>) -> Option<Option<T>> {
        if self.is_given(name) { read(self, name).map(Some) } else { Some(None) }
    }

    /// An object within.
    pub(super) fn object(&self, name: &str) -> Option<Fields<'a>> {
        let Value::Object(object) = self.required(name)? else { return self.wrong(name, "must be an object") };
        Some(Fields { object, pointer: format!("{}/{name}", self.pointer), errors: self.errors.clone() })
    }

    /// Every object of a list, whose length is in this range.
    pub(super) fn list<T>(
        &self,
        name: &str,
        length: std::ops::RangeInclusive<usize>,
        read: impl Fn(&Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let elements = self.required(name)?.as_array().filter(|elements| length.contains(&elements.len()));
        let Some(elements) = elements else {
            return self.wrong(name, format!("must be a list of {} to {} objects", length.start(), length.end()));
        };
        let elements = elements.iter().enumerate().map(|(place, element)| {
            let Value::Object(object) = element else {
                return self.wrong(&format!("{name}/{place}"), "must be an object");
            };
            let pointer = format!("{}/{name}/{place}", self.pointer);
            read(&Fields { object, pointer, errors: self.errors.clone() })
        });
        // Each is looked at, so that all that is wrong is told.
        elements.collect::<Vec<_>>().into_iter().collect()
    }

    /// Text as it was sent, at most `max` characters. Only for what is compared and never kept; else [`Fields::text`].
    pub(super) fn raw_text(&self, name: &str, max: usize) -> Option<&'a str> {
        let Value::String(text) = self.required(name)? else { return self.wrong(name, "must be a string") };
        if text.len() > max && text.chars().count() > max {
            return self.wrong(name, format!("must not be longer than {max} characters"));
        }
        Some(text)
    }

    /// Text, scrubbed; it may be empty.
    pub(super) fn text(&self, name: &str) -> Option<Box<str>> {
        self.raw_text(name, TEXT_MAX).map(|text| scrub(text).into())
    }

    /// Text that says something, as it was sent: not blank, and without control characters.
    pub(super) fn raw_word(&self, name: &str, max: usize) -> Option<&'a str> {
        let text = self.raw_text(name, max)?;
        if text.trim().is_empty() {
            return self.wrong(name, "must not be empty");
        }
        if text.chars().any(char::is_control) {
            return self.wrong(name, "must not contain control characters");
        }
        Some(text)
    }

    /// A time.
    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        const EXPECTED: &str = "must be a time by RFC 3339 between 1678 and 2262, such as 2024-06-01T10:00:00Z";
        let Value::String(text) = self.required(name)? else { return self.wrong(name, EXPECTED) };
        clock::parse(text).ok().or_else(|| self.wrong(name, EXPECTED))
    }

    /// True or false.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        self.required(name)?.as_bool().or_else(|| self.wrong(name, "must be true or false"))
    }

    /// A whole number from 0.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.required(name)?.as_u64().or_else(|| self.wrong(name, "must be a whole number from 0"))
    }

    /// A time in milliseconds from 0 to `max`, also with a fraction.
    pub(super) fn millis(&self, name: &str, max: Duration) -> Option<Duration> {
        let millis = self.required(name)?.as_f64();
        let took = millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1_000.0).ok());
        took.filter(|took| *took <= max)
            .or_else(|| self.wrong(name, format!("must be a number of milliseconds from 0 to {}", max.as_millis())))
    }

    /// A whole number, also below 0.
    pub(super) fn signed(&self, name: &str) -> Option<i64> {
        self.required(name)?.as_i64().or_else(|| self.wrong(name, "must be a whole number"))
    }

    /// A count of retries.
    pub(super) fn count(&self, name: &str) -> Option<u32> {
        let number = self.number(name)?;
        u32::try_from(number).ok().or_else(|| self.wrong(name, format!("must not be above {}", u32::MAX)))
    }

    /// One of a few words.
    pub(super) fn word_of<T: Copy>(&self, name: &str, words: &[T], as_str: impl Fn(T) -> &'static str) -> Option<T> {
        let asked = self.required(name)?.as_str();
        let found = words.iter().copied().find(|word| asked == Some(as_str(*word)));
        found.or_else(|| {
            let known: Vec<_> = words.iter().map(|word| as_str(*word)).collect();
            self.wrong(name, format!("must be one of {}", known.join(", ")))
        })
    }

    /// A system's name; scrubbed, unless it is configured.
    pub(super) fn system_name(&self, name: &str, config: &Config) -> Option<Box<str>> {
        let word = self.raw_word(name, NAME_MAX)?;
        Some(if config.targets.contains_key(word) { word.into() } else { scrub(word).into() })
    }

    /// `target`. What is configured is known and kept as it is, whatever it looks like; else both parts are scrubbed.
    pub(super) fn target(&self, config: &Config) -> Option<Target> {
        let fields = self.object("target")?;
        let (name, endpoint) = (fields.raw_word("systemName", NAME_MAX), fields.raw_word("endpoint", ENDPOINT_MAX));
        let (name, endpoint) = (name?, endpoint?);
        match config.targets.get(name) {
            Some(known) if *known.endpoint == *endpoint => Some(Target::new(name, endpoint)),
            Some(_) => Some(Target::new(name, &scrub(endpoint))),
            None => Some(Target::new(&scrub(name), &scrub(endpoint))),
        }
    }
}
