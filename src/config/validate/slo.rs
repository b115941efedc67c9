//! `[target.slo]`: what a target is to be.

use std::time::Duration;

use crate::config::raw::section::Section;
use crate::domain::slo::{DAYS_MAX, Objective};

const DAY: Duration = Duration::from_secs(86_400);
/// The time of the Site Reliability Workbook's factors.
const WINDOW: Duration = Duration::from_secs(30 * 86_400);
/// Its shortest window is five minutes: ten probes in it are the least that says something.
const INTERVAL_MAX: Duration = Duration::from_secs(30);

/// Reads and finishes the table; `None` where it is not there. `every` is how often the target is probed, and `told`
/// whether anybody wants to hear of it.
pub(crate) fn slo(mut section: Section<'_>, every: Duration, told: bool) -> Option<Objective> {
    let objective_field = section.take("objective");
    let window = section.take("window").and_then(|field| {
        let window = field.duration(DAY..=DAY * DAYS_MAX)?;
        if !window.as_secs().is_multiple_of(DAY.as_secs()) {
            field.fail("it is not in whole days", "Write window = \"30d\"");
            return None;
        }
        Some(window)
    });
    let tickets = section.take("tickets").and_then(|field| field.boolean());
    let is_given = window.is_some() || tickets.is_some();
    let Some(field) = objective_field else {
        if is_given {
            section.fail("`objective` is missing", "Write objective = \"99.9%\"");
        }
        section.finish();
        return None;
    };
    section.finish();
    // 99.999 % is meant, and not 99.9989999999999 %.
    let ratio = (field.part(0.5..=0.99999)? * 1e7).round() / 1e7;
    if told && every > INTERVAL_MAX {
        let detail = format!("a probe every {every:?} is too rare to tell by five minutes how fast failures come");
        field.warn(&detail, "Probe at least every 30s, or alert on down with failure_threshold and failure_window");
    }
    let days = u32::try_from(window.unwrap_or(WINDOW).as_secs() / DAY.as_secs()).unwrap_or(DAYS_MAX);
    Some(Objective { ratio, days, tickets: tickets.unwrap_or(false), every })
}
