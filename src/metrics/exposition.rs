//! The two text formats that Prometheus reads, as a writer of families and lines.
//!
//! It writes in pieces of about 64 KiB, so that a page of ten thousand targets never is in memory as a whole.
//! The formats: Prometheus text 0.0.4 and OpenMetrics 1.0, <https://prometheus.io/docs/instrumenting/exposition_formats/>
//! and <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::Write as _;
use std::io;

use super::names::{Family, Kind};

/// How much is collected before it is handed on: large enough to make the handing on cheap.
const PIECE: usize = 64 * 1024;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4: what everything reads.
    Text,
    /// OpenMetrics 1.0: for those who ask for it.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header asks for: OpenMetrics where it is named and not refused by `q=0`, else text.
    #[must_use]
    pub fn from_accept(accept: &str) -> Self {
        let asked = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/openmetrics-text"))
                && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"))
        });
        if asked { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` of a page in this format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes a page, family by family.
pub(super) struct Exposition<'w, W: io::Write> {
    out: &'w mut W,
    piece: String,
    format: Format,
}

impl<'w, W: io::Write> Exposition<'w, W> {
    pub(super) fn new(out: &'w mut W, format: Format) -> Self {
        Self { out, piece: String::with_capacity(PIECE + PIECE / 4), format }
    }

    /// All lines of one family: `write` is called once for each item. A family without lines is not announced.
    pub(super) fn family<T>(
        &mut self,
        family: &Family,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Lines<'_>, T),
    ) -> io::Result<()> {
        let mut announced = false;
        for item in items {
            write(&mut Lines { text: &mut self.piece, family, format: self.format, announced: &mut announced }, item);
            if self.piece.len() >= PIECE {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    /// Ends the page.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.format == Format::OpenMetrics {
            self.piece.push_str("# EOF\n");
        }
        self.hand_on()
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(self.piece.as_bytes())?;
        self.piece.clear();
        Ok(())
    }
}

/// Labels in the order they are written.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The lines of one family.
pub(super) struct Lines<'p> {
    text: &'p mut String,
    family: &'p Family,
    format: Format,
    announced: &'p mut bool,
}

impl Lines<'_> {
    /// A whole number.
    pub(super) fn count(&mut self, labels: Labels<'_>, value: u64) {
        self.series("", labels);
        push_whole(self.text, value);
        self.text.push('\n');
    }

    /// Any number.
    pub(super) fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.series("", labels);
        push_number(self.text, value);
        self.text.push('\n');
    }

    /// One series a value of a closed set: 1 for the one that holds, 0 for the others.
    pub(super) fn one_of(&mut self, target: &str, label: &str, all: impl Iterator<Item = &'static str>, holds: &str) {
        for word in all {
            self.count(&[("target", target), (label, word)], u64::from(word == holds));
        }
    }

    /// A histogram: `counts` are those of each bucket by itself, the last one without an upper bound.
    pub(super) fn histogram(
        &mut self,
        target: &str,
        upper_bounds: &[&str],
        counts: impl IntoIterator<Item = u64>,
        sum: f64,
    ) {
        let mut so_far = 0;
        for (bound, count) in upper_bounds.iter().chain(&["+Inf"]).zip(counts) {
            so_far += count;
            self.series("_bucket", &[("target", target), ("le", bound)]);
            push_whole(self.text, so_far);
            self.text.push('\n');
        }
        self.series("_sum", &[("target", target)]);
        push_number(self.text, sum);
        self.text.push('\n');
        self.series("_count", &[("target", target)]);
        push_whole(self.text, so_far);
        self.text.push('\n');
    }

    /// A line that somebody else wrote in the text format.
    pub(super) fn line(&mut self, line: &str) {
        self.announce();
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn series(&mut self, suffix: &str, labels: Labels<'_>) {
        self.announce();
        self.text.push_str(self.family.name);
        self.text.push_str(suffix);
        for (place, (name, value)) in labels.iter().enumerate() {
            self.text.push(if place == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.text.push(' ');
    }

    /// HELP and TYPE, once. OpenMetrics names a counter without its `_total` there, and wants the unit.
    fn announce(&mut self) {
        if std::mem::replace(self.announced, true) {
            return;
        }
        let Family { name, kind, help } = *self.family;
        let name = match self.format {
            Format::Text => name,
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
        };
        let kind = word_of(kind, self.format);
        // Writing to a String cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        if self.format == Format::OpenMetrics
            && let Some(unit) = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit))
        {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }
}

const fn word_of(kind: Kind, format: Format) -> &'static str {
    match (kind, format) {
        (Kind::Counter, _) => "counter",
        (Kind::Gauge, _) => "gauge",
        (Kind::Histogram, _) => "histogram",
        (Kind::Unspecified, Format::Text) => "untyped",
        (Kind::Unspecified, Format::OpenMetrics) => "unknown",
    }
}

/// A label's value: backslash, quote and line feed are escaped, as both formats say.
fn push_escaped(text: &mut String, value: &str) {
    if !value.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
        text.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// Most numbers of a page are 0 or 1; the formatting machinery costs more than the rest of their line.
fn push_whole(text: &mut String, value: u64) {
    match u8::try_from(value) {
        Ok(digit @ 0..=9) => text.push(char::from(b'0' + digit)),
        Ok(_) | Err(_) => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{value}");
        }
    }
}

/// The shortest text that reads back as the same number.
fn push_number(text: &mut String, value: f64) {
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "{value}");
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    fn written(format: Format, family: &Family, write: impl FnMut(&mut Lines<'_>, ())) -> String {
        let mut out = Vec::new();
        let mut exposition = Exposition::new(&mut out, format);
        exposition.family(family, [()], write).expect("a vector takes everything");
        exposition.finish().expect("a vector takes everything");
        String::from_utf8(out).expect("only text was written")
    }

    #[test]
    fn a_label_keeps_quotes_backslashes_and_line_feeds_readable() {
        let page = written(Format::Text, &names::PROBE_SUCCESS, |lines, ()| {
            lines.count(&[("target", "a\"b\\c\nd 결제")], 1);
        });
        insta::assert_snapshot!(page, @r#"
        # HELP probe_success Whether the last probe found what was expected.
        # TYPE probe_success gauge
        probe_success{target="a\"b\\c\nd 결제"} 1
        "#);
    }

    #[test]
    fn open_metrics_names_a_counter_without_total_gives_the_unit_and_ends() {
        let page = written(Format::OpenMetrics, &names::PROCESS_CPU, |lines, ()| lines.value(&[], 1.5));
        insta::assert_snapshot!(page, @r"
        # HELP process_cpu_seconds User and system CPU time that this process used.
        # TYPE process_cpu_seconds counter
        # UNIT process_cpu_seconds seconds
        process_cpu_seconds_total 1.5
        # EOF
        ");
    }

    #[test]
    fn a_family_without_lines_is_not_announced() {
        assert_eq!(written(Format::Text, &names::PROBE_SUCCESS, |_, ()| {}), "");
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        for (value, text) in [(0.0, "0"), (0.00025, "0.00025"), (1_717_236_000.5, "1717236000.5")] {
            let mut written = String::new();
            push_number(&mut written, value);
            assert_eq!(written, text);
        }
        let mut written = String::new();
        for value in [0, 9, 10, u64::MAX] {
            push_whole(&mut written, value);
            written.push(' ');
        }
        assert_eq!(written, "0 9 10 18446744073709551615 ");
    }

    #[test]
    fn open_metrics_is_given_to_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::from_accept(prometheus), Format::OpenMetrics);
        for accept in ["", "*/*", "text/plain", "text/html,application/xhtml+xml", "application/openmetrics-text; q=0"]
        {
            assert_eq!(Format::from_accept(accept), Format::Text, "{accept}");
        }
    }
}
