//! The whole configuration from its documents.

use super::attachments::Attachments;
use super::target::Surroundings;
use super::{alerting, channel, proxy, settings, target};
use crate::config::model::Config;
use crate::config::raw::section::{Reading, Section};
use crate::config::raw::tree::Table;

/// Reads every document; `incomplete` if one could not be read, so that names may be missing that are not.
pub(crate) fn config(reading: &Reading, tables: &[Table], attachments: &Attachments, incomplete: bool) -> Config {
    let mut documents = tables.iter().map(|table| Section::new(reading, table, ""));
    let empty = Table::EMPTY;
    let mut main = documents.next().unwrap_or_else(|| Section::new(reading, &empty, ""));
    let mut included: Vec<Section<'_>> = documents.collect();

    settings::include(&mut main);
    let node = settings::node(&mut main);
    let http = settings::http(&mut main);
    let store = settings::store(&mut main);
    let monitor = settings::monitor(&mut main);
    let mut alerting_section = main.section("alerting");
    let mut channel_sections = main.sections("channel");
    let mut target_sections = main.sections("target");
    for document in &mut included {
        channel_sections.extend(document.sections("channel"));
        target_sections.extend(document.sections("target"));
    }
    let (channels, grouping) = channel::channels(&mut alerting_section, channel_sections, attachments);
    let alerting = alerting::alerting(alerting_section, &channels, grouping);
    let surroundings =
        Surroundings { attachments, channels: &channels, everyone: &alerting.everyone, monitor: &monitor, incomplete };
    let targets = target::targets(main.section("defaults"), target_sections, &surroundings);

    let around = proxy::Around { attachments, targets: &targets, http: http.listen, incomplete };
    let proxy = proxy::proxy(main.section("proxy"), &around);
    main.not_in_this_version(&["payments", "status_page", "cluster", "export"]);
    main.finish();
    for document in included {
        finish_included(document);
    }
    Config { node, http, store, monitor, alerting, targets, proxy, channels }
}

/// An included file holds targets and channels; settings stand in one place, the main file.
fn finish_included(mut document: Section<'_>) {
    for key in ["include", "node", "http", "store", "monitor", "alerting", "defaults", "proxy"] {
        if let Some(field) = document.take_own(key) {
            field.fail("this belongs in the main file", "An included file holds [[target]] and [[channel]]");
        }
    }
    document.finish();
}
