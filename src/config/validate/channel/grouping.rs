//! `group_by`, `group_wait` and `group_interval`: in `[alerting]` for every channel, in a `[[channel]]` for itself.

use std::sync::Arc;
use std::time::Duration;

use crate::config::channel::{Grouping, Together};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::quiet::Label;

/// Nobody waits an hour for the first word of an outage.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const BY: &str = "group_by";
const WAIT: &str = "group_wait";
const INTERVAL: &str = "group_interval";

/// What a section says of it.
struct Said<'t> {
    by: Option<Field<'t>>,
    wait: Option<Field<'t>>,
    interval: Option<Field<'t>>,
}

impl<'t> Said<'t> {
    fn take(section: &mut Section<'t>) -> Self {
        Self { by: section.take(BY), wait: section.take(WAIT), interval: section.take(INTERVAL) }
    }

    /// What is not said is as in `defaults`.
    fn or(&self, defaults: &Grouping) -> Grouping {
        let duration = |field: &Option<Field<'t>>, max| field.as_ref()?.duration(Duration::ZERO..=max);
        Grouping {
            by: self.by.as_ref().map_or_else(|| defaults.by.clone(), labels),
            wait: duration(&self.wait, WAIT_MAX).unwrap_or(defaults.wait),
            interval: duration(&self.interval, INTERVAL_MAX).unwrap_or(defaults.interval),
        }
    }

    fn times(&self) -> impl Iterator<Item = &Field<'t>> {
        self.wait.iter().chain(&self.interval)
    }

    fn all(&self) -> impl Iterator<Item = &Field<'t>> {
        self.by.iter().chain(self.times())
    }
}

/// What holds for every channel that says nothing else.
pub(super) struct Defaults<'t> {
    said: Said<'t>,
    grouping: Grouping,
}

impl<'t> Defaults<'t> {
    pub(super) fn take(alerting: &mut Section<'t>) -> Self {
        let said = Said::take(alerting);
        let grouping = said.or(&Grouping::default());
        Self { said, grouping }
    }

    /// For a channel that says nothing of it.
    pub(super) fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// For a channel whose messages leave in this way; `None` where its kind is not known.
    pub(super) fn of_channel(&self, section: &mut Section<'_>, together: Option<Together>) -> Grouping {
        let said = Said::take(section);
        let grouping = said.or(&self.grouping);
        match together {
            Some(Together::Never) => said.all().for_each(|field| {
                field.fail(
                    "a request of this kind opens or closes one alert, so messages never leave together",
                    "Remove it",
                );
            }),
            Some(Together::Told | Together::Each) if !grouping.joins_targets() => {
                said.times().for_each(nothing_waits);
            }
            Some(Together::Told | Together::Each) | None => {}
        }
        grouping
    }

    /// Tells of defaults that no channel takes.
    pub(super) fn warn_of_unused(&self, mut channels: impl Iterator<Item = (Together, Grouping)>) {
        let joins =
            |(together, grouping): (Together, Grouping)| together != Together::Never && grouping.joins_targets();
        if !channels.any(joins) {
            self.said.times().for_each(nothing_waits);
        }
    }
}

fn nothing_waits(field: &Field<'_>) {
    field.warn(
        "with `target` in group_by, which is the default, nothing waits for it",
        "Write group_by = [\"group\"], or [] for everything, or remove it",
    );
}

fn labels(field: &Field<'_>) -> Arc<[Label]> {
    // A message speaks of an incident, which may have several conditions.
    let known = Label::ALL.map(|label| (label.as_str(), label));
    let known: Vec<_> = known.into_iter().filter(|(_, label)| *label != Label::Condition).collect();
    let mut labels: Vec<Label> = Vec::new();
    for element in field.elements() {
        let Some(label) = element.word(&known) else { continue };
        if labels.contains(&label) {
            element.fail(&format!("{} is named twice", element.shown()), "Name it once");
        } else {
            labels.push(label);
        }
    }
    labels.into()
}
