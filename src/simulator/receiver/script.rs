//! What the receiver answers, request by request.

use std::fmt;
use std::str::FromStr;

use http::StatusCode;

use super::super::knob::{Wrong, split};

/// The longest script, and the longest Retry-After: a day in seconds.
const MOST_ANSWERS: usize = 10_000;
const LONGEST_RETRY_AFTER: u64 = 86_400;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A status, with a Retry-After of so many seconds if there is one. As text `200`, `429(3)`.
    Status(StatusCode, Option<u64>),
    /// None at all (`hang`).
    Hang,
    /// A connection that is reset (`reset`).
    Reset,
    /// 200 with a body that says it did not work (`lie`), as some chat services answer.
    Lie,
}

impl Answer {
    /// What an honest receiver says.
    pub const OK: Self = Self::Status(StatusCode::OK, None);
}

impl FromStr for Answer {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(
                text,
                "an answer; write a status from 200 to 599, one with a Retry-After in seconds such as 429(3), or one of hang, reset, lie",
            )
        };
        match split(text).ok_or_else(wrong)? {
            ("hang", None) => Ok(Self::Hang),
            ("reset", None) => Ok(Self::Reset),
            ("lie", None) => Ok(Self::Lie),
            (status, seconds) => {
                let status = status.parse::<StatusCode>().map_err(|_| wrong())?;
                let seconds = seconds.map(str::parse::<u64>).transpose().map_err(|_| wrong())?;
                let fits = (200..600).contains(&status.as_u16())
                    && seconds.is_none_or(|seconds| seconds <= LONGEST_RETRY_AFTER);
                if fits { Ok(Self::Status(status, seconds)) } else { Err(wrong()) }
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status, None) => f.write_str(status.as_str()),
            Self::Status(status, Some(seconds)) => write!(f, "{}({seconds})", status.as_str()),
            Self::Hang => f.write_str("hang"),
            Self::Reset => f.write_str("reset"),
            Self::Lie => f.write_str("lie"),
        }
    }
}

/// Answers in their order, one a request. When they are used up it is 200, or they begin again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    answers: Vec<Answer>,
    repeat: bool,
    next: usize,
}

impl Script {
    /// These answers.
    #[must_use]
    pub fn new(answers: impl Into<Vec<Answer>>, repeat: bool) -> Self {
        Self { answers: answers.into(), repeat, next: 0 }
    }

    /// Whether it is longer than a script may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.answers.len() > MOST_ANSWERS
    }

    pub(super) fn next(&mut self) -> Answer {
        if self.repeat && self.next >= self.answers.len() {
            self.next = 0;
        }
        let answer = self.answers.get(self.next).copied().unwrap_or(Answer::OK);
        self.next = self.next.saturating_add(1);
        answer
    }

    /// The answers that are still to come, as text.
    pub(super) fn remaining(&self) -> Vec<String> {
        self.answers.iter().skip(self.next).map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(texts: &[&str], repeat: bool) -> Script {
        Script::new(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Answer>>(), repeat)
    }

    fn first(script: &mut Script, count: usize) -> Vec<String> {
        (0..count).map(|_| script.next().to_string()).collect()
    }

    #[test]
    fn a_script_that_is_used_up_answers_200_or_begins_again() {
        assert_eq!(first(&mut script(&["500", "429(3)"], false), 4), ["500", "429(3)", "200", "200"]);
        assert_eq!(first(&mut script(&["hang", "lie"], true), 3), ["hang", "lie", "hang"]);
        assert_eq!(first(&mut script(&[], true), 2), ["200", "200"]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in ["", "ok", "100", "600", "429(soon)", "429(3", "hang(1)", "500(86401)"] {
            assert!(text.parse::<Answer>().is_err(), "{text:?}");
        }
    }
}
