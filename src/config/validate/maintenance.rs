//! `[[target.maintenance]]`: times in which a target is worked on.

use std::sync::Arc;

use crate::config::raw::section::Section;
use crate::domain::maintenance::Window;

/// Announced times of one target. Each look at it goes through all of them.
const WINDOWS_MAX: usize = 100;
const REASON_MAX: usize = 200;

/// Reads the tables.
pub(crate) fn maintenance(target: &mut Section<'_>) -> Arc<[Window]> {
    let mut windows = Vec::new();
    for (index, section) in target.sections("maintenance").into_iter().enumerate() {
        if index == WINDOWS_MAX {
            section.fail(&format!("more than {WINDOWS_MAX} times of maintenance"), "Remove those that are over");
            break;
        }
        windows.extend(window(section));
    }
    // Most targets have none, and all of those share the same.
    if windows.is_empty() { Arc::default() } else { windows.into() }
}

fn window(mut section: Section<'_>) -> Option<Window> {
    let from = section.require("from", "Write from = \"2026-06-01T22:00:00+09:00\"").and_then(|field| field.time());
    let until_field = section.require("until", "Write until = \"2026-06-02T02:00:00+09:00\"");
    let until = until_field.as_ref().and_then(|field| field.time());
    let reason = section.require("reason", "Say why, for the people who see it").and_then(|field| {
        let reason = field.filled_text()?;
        if reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
            field.fail(&format!("it is longer than {REASON_MAX} characters or has a line break"), "Say it in one line");
            return None;
        }
        Some(Box::from(reason))
    });
    for key in ["rrule", "cron", "length", "time_zone"] {
        if let Some(field) = section.take(key) {
            let hint = "Write it in [[alerting.maintenance]], with matchers = [{ name = \"target\", value = \"…\" }]";
            field.fail("a time of maintenance of one target does not recur here", hint);
        }
    }
    section.finish();
    let (from, until) = (from?, until?);
    if let Some(field) = until_field.filter(|_| until <= from) {
        field.fail("it is not after `from`", "A time of maintenance ends after it began");
        return None;
    }
    Some(Window { from, until, reason: reason? })
}
