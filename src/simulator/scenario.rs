//! A scenario: a timeline of phases, told in one TOML file.
//!
//! ```toml
//! repeat = true               # after the last phase comes the first; else the last one stays
//! seed = 7                    # the command line's seed wins
//!
//! [[phase]]
//! name = "healthy"
//! duration = "20s"            # ms, s, m, h; the last phase of a scenario that does not repeat may go without
//! reject_rate = 0             # any setting, by its name
//!
//! [[phase]]
//! name = "down"
//! duration = "15s"
//! outage = "down"
//! ```
//!
//! A phase begins from the settings that the simulator was started with (and that `PUT /_simulator` has changed since)
//! and makes its own changes to them; what it does not name is as it was without a scenario. So a phase without changes
//! is the way back to health.
//!
//! Deliberately not here: the passing of time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::{Error, Problems};
use super::settings::Settings;

/// More phases than a person writes.
const MOST_PHASES: usize = 1_000;

/// A timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// At least one.
    pub(super) phases: Vec<Phase>,
    /// Whether the first phase follows the last.
    pub(super) repeat: bool,
    pub(super) seed: Option<u64>,
}

/// One stretch of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) name: Arc<str>,
    /// `None`: it does not end by itself.
    pub(super) duration: Option<Duration>,
    /// Settings by name, as text.
    pub(super) changes: Vec<(String, String)>,
}

impl Phase {
    pub(super) fn apply(&self, base: &Settings) -> Result<Settings, Problems> {
        base.with(self.changes.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or says something wrong.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::UnreadableScenario { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problems| Error::WrongScenario { path: path.to_owned(), problems })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// All that is wrong with it, by line.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let mut reader = Reader { text, complaints: Vec::new() };
        let scenario = reader.scenario();
        match (reader.problems(), scenario) {
            (problems, Some(scenario)) => problems.or(scenario),
            (problems, None) => Err(problems),
        }
    }

    /// The phases' names in their order.
    pub fn phase_names(&self) -> impl Iterator<Item = &str> {
        self.phases.iter().map(|phase| &*phase.name)
    }
}

struct Reader<'t> {
    text: &'t str,
    /// By line.
    complaints: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn scenario(&mut self) -> Option<Scenario> {
        let document = match DeTable::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                self.complain(start, error.message());
                return None;
            }
        };
        let mut scenario = Scenario { phases: Vec::new(), repeat: false, seed: None };
        for (name, value) in document.get_ref() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("repeat", DeValue::Boolean(repeat)) => scenario.repeat = *repeat,
                ("repeat", _) => self.complain(value.span().start, "repeat is true or false"),
                ("seed", DeValue::Integer(seed)) => match u64::from_str_radix(seed.as_str(), seed.radix()) {
                    Ok(seed) => scenario.seed = Some(seed),
                    Err(_) => self.complain(value.span().start, "seed is a whole number from 0 on"),
                },
                ("seed", _) => self.complain(value.span().start, "seed is a whole number from 0 on"),
                ("phase", DeValue::Array(phases)) => scenario.phases = self.phases(phases),
                ("phase", _) => self.complain(value.span().start, "write each phase as [[phase]], with two brackets"),
                (other, _) => {
                    self.complain(
                        name.span().start,
                        &format!("{other:?} is not known here; there are repeat, seed, [[phase]]"),
                    );
                }
            }
        }
        self.check_timeline(&scenario);
        Some(scenario)
    }

    fn phases(&mut self, phases: &DeArray<'_>) -> Vec<Phase> {
        phases.iter().filter_map(|phase| self.phase(phase)).collect()
    }

    fn phase(&mut self, phase: &Spanned<DeValue<'_>>) -> Option<Phase> {
        let start = phase.span().start;
        let Some(table) = phase.get_ref().as_table() else {
            self.complain(start, "write each phase as [[phase]], with two brackets");
            return None;
        };
        let mut read = Phase { name: Arc::from(""), duration: None, changes: Vec::new() };
        for (name, value) in table {
            let at = value.span().start;
            let Some(text) = plain_text(value.get_ref()) else {
                self.complain(at, &format!("{} is a text, a number, true or false", name.get_ref()));
                continue;
            };
            match name.get_ref().as_ref() {
                "name" => read.name = text.into(),
                "duration" => match duration(&text) {
                    Some(duration) => read.duration = Some(duration),
                    None => {
                        self.complain(at, &format!("{text:?} is not a duration; write one such as 500ms, 20s, 5m"));
                        read.duration = Some(Duration::ZERO);
                    }
                },
                setting => match Settings::check(setting, &text) {
                    Ok(()) => read.changes.push((setting.to_owned(), text)),
                    Err(what) => self.complain(at, &format!("{setting}: {what}")),
                },
            }
        }
        if let Err(problems) = read.apply(&Settings::default()) {
            for problem in problems.0 {
                self.complain(start, &format!("the phase {:?}: {}", read.name, problem.what));
            }
        }
        if read.name.is_empty() {
            self.complain(start, "this phase has no name; give it one, such as name = \"down\"");
        }
        Some(read)
    }

    fn check_timeline(&mut self, scenario: &Scenario) {
        let phases = &scenario.phases;
        let at_end = self.text.len();
        if phases.is_empty() {
            self.complain(at_end, "there is no phase; write at least one [[phase]]");
        }
        if phases.len() > MOST_PHASES {
            self.complain(at_end, &format!("there are {} phases; {MOST_PHASES} are the most", phases.len()));
        }
        for (index, phase) in phases.iter().enumerate() {
            let may_stay = index + 1 == phases.len() && !scenario.repeat;
            if phase.duration.is_none() && !may_stay {
                self.complain(
                    at_end,
                    &format!("the phase {:?} has no duration, so what follows never comes", phase.name),
                );
            }
        }
    }

    fn complain(&mut self, offset: usize, what: &str) {
        let line = self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
        self.complaints.push((line, what.to_owned()));
    }

    fn problems(self) -> Problems {
        let Self { text: _, mut complaints } = self;
        complaints.sort_by_key(|(line, _)| *line);
        let mut problems = Problems::default();
        for (line, what) in complaints {
            problems.add(format!("line {line}"), what);
        }
        problems
    }
}

fn plain_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|it| it.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(if *truth { "on" } else { "off" }.to_owned()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// A number above zero and a unit.
fn duration(text: &str) -> Option<Duration> {
    let unit_start = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_start);
    let milliseconds = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let total = number.parse::<u64>().ok()?.checked_mul(milliseconds)?;
    // A year: more is a mistake, and tokio's timers end there too.
    (1..=31_536_000_000).contains(&total).then(|| Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_that_is_shipped_is_right() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenarios");
        let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let read: Vec<String> = paths
            .iter()
            .map(|path| {
                let scenario = Scenario::read(path).unwrap_or_else(|error| panic!("{error}"));
                let names: Vec<&str> = scenario.phase_names().collect();
                format!("{}: {}", path.file_name().unwrap().to_string_lossy(), names.join(", "))
            })
            .collect();
        insta::assert_snapshot!(read.join("\n"), @r#"
        black-friday.toml: calm, rush, throttled, errors, down, maintenance page, half back, slow, recovered
        demo.toml: healthy, errors, down, slow, recovered
        "#);
    }

    #[test]
    fn all_mistakes_are_listed_with_their_lines() {
        let problems = Scenario::parse(
            "repeat = \"yes\"\ncolour = 1\n\n[[phase]]\nname = \"a\"\nreject_rate = 2\nspeed = 1\n\n[[phase]]\nduration = \"soon\"\n\
             latency_ms = [1, 2]\n\n[[phase]]\nname = \"c\"\nduration = \"1s\"\nlimit_rate = 0.9\ninvalid_rate = 0.9\n",
        )
        .unwrap_err();
        insta::assert_snapshot!(problems, @r#"
        line 1: repeat is true or false
        line 2: "colour" is not known here; there are repeat, seed, [[phase]]
        line 6: reject_rate: "2" is not a rate; write a number from 0 to 1, such as 0.4, or 40%
        line 7: speed: there is no such setting; there are latency_ms, process_ms, reject_rate, limit_rate, invalid_rate, callback, callback_signature, workers, fail_after_commit_rate, fail_after_commit_with, hang_rate, reset_rate, idempotency, cancel_endpoint, outage, weather
        line 9: this phase has no name; give it one, such as name = "down"
        line 10: "soon" is not a duration; write one such as 500ms, 20s, 5m
        line 11: latency_ms is a text, a number, true or false
        line 13: the phase "c": limit_rate (0.9) and invalid_rate (0.9) are parts of one draw; make them 1 or less together
        line 18: the phase "a" has no duration, so what follows never comes
        "#);
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        insta::assert_snapshot!(Scenario::parse("repeat = true\n[[phase\n").unwrap_err(), @"line 2: unclosed array table, expected `]]`");
        insta::assert_snapshot!(Scenario::parse("").unwrap_err(), @"line 1: there is no phase; write at least one [[phase]]");
    }

    #[test]
    fn only_the_last_phase_of_a_scenario_that_ends_may_stay() {
        let one = "[[phase]]\nname = \"a\"\nduration = \"5m\"\n[[phase]]\nname = \"b\"\n";
        let scenario = Scenario::parse(one).unwrap();
        assert_eq!(scenario.phases[0].duration, Some(Duration::from_secs(300)));
        assert!(Scenario::parse(&format!("repeat = true\n{one}")).is_err());
    }
}
