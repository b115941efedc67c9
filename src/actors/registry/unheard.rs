//! Who will not hear of an end: an incident ends where it was told, and a channel that left the configuration, or has
//! another name there, is told nothing. What waits for it goes when its name is back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::actors::board::Board;
use crate::config::Config;
use crate::domain::alert::Incident;

/// Says so, for each such channel, while it can be mended.
pub(super) fn warn(board: &Board, config: &Config) {
    let live = board.all();
    let incidents = live.iter().filter_map(|slot| slot.live(|live| live.watch.incident.clone()));
    for (channel, incidents) in unheard(incidents, |name| config.channels.contains_key(name)) {
        tracing::warn!(
            %channel,
            incidents,
            "people were told of what lasts over a channel that is not configured any more, and do not hear of its end: \
             give a channel this name again until it is over"
        );
    }
}

fn unheard(
    incidents: impl Iterator<Item = Box<Incident>>,
    is_there: impl Fn(&str) -> bool,
) -> BTreeMap<Arc<str>, usize> {
    let mut found = BTreeMap::new();
    for incident in incidents {
        for channel in incident.channels.iter().filter(|channel| !is_there(channel)) {
            *found.entry(channel.clone()).or_default() += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::tests::incident;

    #[test]
    fn a_channel_that_went_is_named_with_how_much_was_told_over_it() {
        let told = |channels: &[&str]| {
            Box::new(Incident { channels: channels.iter().map(|name| Arc::from(*name)).collect(), ..incident() })
        };
        let incidents = [told(&["log", "pd"]), told(&["pd", "chat"]), told(&["log"])];
        let found = unheard(incidents.into_iter(), |name| name == "log");
        assert_eq!(found, [("chat".into(), 1), ("pd".into(), 2)].into());
    }
}
