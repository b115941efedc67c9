//! The expressions of silences and windows: compiled in one way wherever they are written, in the file or in the API.

use regex::{Regex, RegexBuilder};

/// What the compiled expressions of one silence or window may take, together; `\w` alone takes fifty KiB, since it is
/// every letter of Unicode. A thousand of them take two hundred megabytes at the most, and with what a thread keeps from
/// its searches twice that; those that people write take a hundredth of it.
const MAX_BYTES: usize = 200 << 10;
/// What they may keep from their searches, together, on each thread that searches. With less they are slower, and never
/// wrong.
const MAX_SEARCH_BYTES: usize = 64 << 10;

/// Compiles one of `count` that share what may be taken; it matches a whole value.
///
/// # Errors
/// Why it cannot be, in one line that does not repeat it.
pub fn expression(value: &str, count: usize) -> Result<Regex, String> {
    let whole = RegexBuilder::new(&format!("^(?:{value})$"))
        .size_limit(MAX_BYTES / count.max(1))
        .dfa_size_limit(MAX_SEARCH_BYTES / count.max(1))
        .build();
    whole.map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            let shared = if count > 1 { format!(", which {count} expressions share") } else { String::new() };
            return format!("it would take more than {} KiB{shared}", MAX_BYTES >> 10);
        }
        // The library's report repeats the pattern over several lines; its last line says what is wrong.
        let report = error.to_string();
        report.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_a_whole_value() {
        let is_match = |value| expression("a|ab", 1).unwrap().is_match(value);
        assert!(is_match("a") && is_match("ab") && !is_match("abc") && !is_match("xa"));
    }

    #[test]
    fn one_that_is_wrong_or_large_is_refused_in_one_line() {
        let said = |value, count| expression(value, count).unwrap_err();
        assert_eq!(said("(", 1), "unclosed group");
        assert_eq!(said(r"(\w{100}){100}", 1), "it would take more than 200 KiB");
        assert!(expression(r"\w+", 4).is_ok());
        assert_eq!(said(r"\w+", 5), "it would take more than 200 KiB, which 5 expressions share");
    }
}
