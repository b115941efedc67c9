//! What is wrong with a configuration: every problem at once, each with its place and what to do.
//!
//! Sentences never hold a secret: what a variable or a file gave is not repeated, only how it was written.

use std::fmt;

/// Problems that are listed; more of them are only counted.
pub(crate) const MAX_PROBLEMS: usize = 1_000;

/// One thing that is wrong, or (as a warning) that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named, or `environment variable NAME`.
    pub file: String,
    /// The line, from 1; none where the problem is the file itself or a variable.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// The path of the key, such as `target[2].probe.expect_status`, counted within its file; empty for the file.
    pub key: String,
    /// What is wrong, without a full stop.
    pub detail: String,
    /// What to do, as whole sentences; may be empty.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.detail)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, ". {}", self.hint) }
    }
}

/// Everything that is wrong, by place; one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    /// What is listed, by place, and how many more there are.
    pub(crate) const fn new(listed: Vec<Problem>, unlisted: usize) -> Self {
        Self { listed, unlisted }
    }

    /// The problems by place, the main file's first; at most a thousand.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.listed
    }

    /// How many there are, also those that are not listed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.listed.len() + self.unlisted
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The listed ones.
    pub(crate) fn into_listed(self) -> Vec<Problem> {
        self.listed
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.listed.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        if self.unlisted == 0 { Ok(()) } else { write!(f, "\nand {} more", self.unlisted) }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u32) -> Problem {
        Problem {
            file: "a.toml".into(),
            line: Some(line),
            column: Some(1),
            key: "interval".into(),
            detail: "a duration carries its unit".into(),
            hint: "Write interval = \"10s\"".into(),
        }
    }

    #[test]
    fn problems_are_told_one_a_line_and_beyond_the_limit_only_counted() {
        let problems = Problems::new((1..=2).map(problem).collect(), 2);
        let text = problems.to_string();
        assert_eq!(
            text.lines().next(),
            Some("a.toml:1:1: `interval`: a duration carries its unit. Write interval = \"10s\"")
        );
        assert_eq!(text.lines().last(), Some("and 2 more"));
        assert_eq!((problems.as_slice().len(), problems.count()), (2, 4));
    }
}
