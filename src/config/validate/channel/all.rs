//! All channels together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::grouping::Defaults;
use super::kind::{self, Known};
use crate::config::channel::{Channel, ChannelKind, Grouping};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::validate::attachments::Attachments;
use crate::config::validate::name;

/// Each channel has a queue of its own in the store and a series in the metrics.
const MAX_CHANNELS: usize = 64;
const LOG: &str = "log";

/// Channels by name.
pub(crate) type Channels = BTreeMap<Arc<str>, Arc<Channel>>;

/// Every channel, the built-in one among them; and how messages are grouped where a channel says nothing of it.
pub(crate) fn channels(
    alerting: &mut Section<'_>,
    sections: Vec<Section<'_>>,
    attachments: &Attachments,
) -> (Channels, Grouping) {
    let mut channels = Channels::new();
    let mut named: BTreeMap<Arc<str>, Field<'_>> = BTreeMap::new();
    let defaults = Defaults::take(alerting);
    let with_log = alerting.take("log").and_then(|field| field.boolean()).unwrap_or(true);
    if with_log {
        channels.insert(LOG.into(), Arc::new(log(LOG.into(), defaults.grouping().clone())));
    }
    let allow_exec = alerting.take("allow_exec").and_then(|field| field.boolean()).unwrap_or(false);
    for (index, mut section) in sections.into_iter().enumerate() {
        if index == MAX_CHANNELS {
            section.fail(&format!("more than {MAX_CHANNELS} channels"), "Remove some");
            break;
        }
        let field = section.require("name", "Write name = \"ops\"");
        let read = kind::read(&mut section, Known { attachments, allow_exec });
        let grouping = defaults.of_channel(&mut section, read.as_ref().map(|channel| channel.kind.together()));
        section.finish();
        let Some(field) = field else { continue };
        let Some(name) = name::name(&field) else { continue };
        let channel = match read {
            Some(read) => Channel { name: Arc::clone(&name), grouping, ..read },
            None => log(Arc::clone(&name), grouping),
        };
        if with_log && &*name == LOG {
            field
                .fail("`log` is the name of the built-in channel", "Use another name, or write [alerting] log = false");
        } else if let Some(first) = named.get(&name) {
            let detail = format!("`{name}` is already the name of `{}` ({})", first.path(), first.location());
            field.fail(&detail, "A name is given once");
        } else {
            named.insert(Arc::clone(&name), field);
            channels.insert(name, Arc::new(channel));
        }
    }
    defaults.warn_of_unused(channels.values().map(|channel| (channel.kind.together(), channel.grouping.clone())));
    (channels, defaults.grouping().clone())
}

/// One that cannot fail; it also stands for a channel that is not right, until the whole configuration is refused.
fn log(name: Arc<str>, grouping: Grouping) -> Channel {
    Channel { name, kind: ChannelKind::Log, timeout: kind::TIMEOUT, rate_limit: None, template: None, grouping }
}
