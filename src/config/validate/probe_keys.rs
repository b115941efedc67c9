//! What several kinds of probe have: their times, and some keys of `[target.probe]`.

use std::time::Duration;

use crate::config::probe::WARN_BEFORE;
use crate::config::raw::section::Section;
use crate::config::units;

const WARN_BEFORE_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// A target's own times.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// `max_latency`, for every kind of probe.
pub(crate) fn max_latency(section: &mut Section<'_>, timeout: Duration) -> Option<Duration> {
    let field = section.take("max_latency")?;
    let limit = field.duration_or_off(Duration::from_millis(1)..=Duration::from_secs(300))??;
    if limit >= timeout {
        let detail =
            format!("the probe ends after its timeout of {}, so this is never seen", units::write_duration(timeout));
        field.warn(&detail, "Write less than the timeout");
    }
    Some(limit)
}

/// `warn_before`, for every kind of probe that may see a certificate.
pub(crate) fn warn_before(section: &mut Section<'_>) -> Option<Duration> {
    let Some(field) = section.take("warn_before") else { return Some(WARN_BEFORE) };
    field.duration_or_off(Duration::from_secs(1)..=WARN_BEFORE_MAX).unwrap_or(Some(WARN_BEFORE))
}
