//! `[alerting]` and `[[channel]]`: the ways to tell people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::attachments::Attachments;
use super::{address, name, secret};
use crate::config::model::{Channel, ChannelKind, Secret};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

/// Each channel has a queue of its own in the store and a series in the metrics.
const MAX_CHANNELS: usize = 64;
/// A receiver changes from one key to the next; more than a few at a time is a mistake.
const MAX_SECRETS: usize = 8;
/// 128 bits.
const MIN_SECRET_BYTES: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(10);
const LOG: &str = "log";

/// Channels by name.
pub(crate) type Channels = BTreeMap<Arc<str>, Arc<Channel>>;

/// Every channel, the built-in one among them.
pub(crate) fn channels(alerting: &mut Section<'_>, sections: Vec<Section<'_>>, attachments: &Attachments) -> Channels {
    let mut channels = Channels::new();
    let mut named: BTreeMap<Arc<str>, Field<'_>> = BTreeMap::new();
    let with_log = alerting.take("log").and_then(|field| field.boolean()).unwrap_or(true);
    if with_log {
        channels.insert(LOG.into(), Arc::new(Channel { name: LOG.into(), kind: ChannelKind::Log }));
    }
    for (index, mut section) in sections.into_iter().enumerate() {
        if index == MAX_CHANNELS {
            section.fail(&format!("more than {MAX_CHANNELS} channels"), "Remove some");
            break;
        }
        let field = section.require("name", "Write name = \"ops\"");
        let kind = kind(&mut section, attachments);
        section.finish();
        let Some(field) = field else { continue };
        let Some(name) = name::name(&field) else { continue };
        if with_log && &*name == LOG {
            field
                .fail("`log` is the name of the built-in channel", "Use another name, or write [alerting] log = false");
        } else if let Some(first) = named.get(&name) {
            let detail = format!("`{name}` is already the name of `{}` ({})", first.path(), first.location());
            field.fail(&detail, "A name is given once");
        } else {
            named.insert(Arc::clone(&name), field);
            channels.insert(Arc::clone(&name), Arc::new(Channel { name, kind: kind.unwrap_or(ChannelKind::Log) }));
        }
    }
    channels
}

#[derive(Clone, Copy)]
enum Known {
    Log,
    Webhook,
    Later,
}

const KINDS: [(&str, Known); 14] = [
    ("webhook", Known::Webhook),
    ("log", Known::Log),
    ("alertmanager", Known::Later),
    ("slack", Known::Later),
    ("discord", Known::Later),
    ("teams", Known::Later),
    ("telegram", Known::Later),
    ("pagerduty", Known::Later),
    ("opsgenie", Known::Later),
    ("mattermost", Known::Later),
    ("ntfy", Known::Later),
    ("kakaotalk", Known::Later),
    ("email", Known::Later),
    ("exec", Known::Later),
];

fn kind(section: &mut Section<'_>, attachments: &Attachments) -> Option<ChannelKind> {
    let field = section.require("kind", "Write kind = \"webhook\" or kind = \"log\"");
    match field.as_ref().and_then(|field| field.word(&KINDS)) {
        Some(Known::Log) => Some(ChannelKind::Log),
        Some(Known::Webhook) => webhook(section, attachments),
        Some(Known::Later) => {
            if let Some(field) = field {
                let detail = format!("a channel of the kind {} is not in this version", field.shown());
                field.fail(&detail, "webhook and log are");
            }
            webhook_keys(section);
            None
        }
        None => {
            webhook_keys(section);
            None
        }
    }
}

/// Nobody can say whether the keys of a kind that is not known are right, so they are not told of.
fn webhook_keys(section: &mut Section<'_>) {
    for key in ["url", "secret", "secret_file", "secrets", "secrets_file", "timeout"] {
        section.take(key);
    }
}

fn webhook(section: &mut Section<'_>, attachments: &Attachments) -> Option<ChannelKind> {
    let url = section.require("url", "Write url = \"https://hooks.example/breakwater\"");
    let url = url.and_then(|field| address::url_of(&field));
    let first = secret::secret(section, "secret", "secret_file", attachments);
    let further = secret::secrets(section, "secrets", "secrets_file", attachments);
    let secrets: Vec<Secret> =
        first.into_iter().chain(further).filter_map(|(field, bytes)| signing_key(&field, &bytes)).collect();
    if secrets.len() > MAX_SECRETS {
        section.fail(&format!("{} secrets, and at most {MAX_SECRETS} may sign", secrets.len()), "Remove the oldest");
    }
    let timeout = section.take("timeout").and_then(|field| field.duration(Duration::from_millis(100)..=6 * TIMEOUT));
    Some(ChannelKind::Webhook { url: url?.to_string(), secrets, timeout: timeout.unwrap_or(TIMEOUT) })
}

/// Standard Webhooks writes a key as `whsec_` and Base64; anything else is the key's own bytes.
fn signing_key(field: &Field<'_>, written: &[u8]) -> Option<Secret> {
    let key = match written.strip_prefix(b"whsec_") {
        Some(encoded) => match STANDARD.decode(encoded) {
            Ok(key) => key,
            Err(_) => {
                field.fail("what follows `whsec_` is not Base64", "Copy it whole, with its `=` signs at the end");
                return None;
            }
        },
        None => written.to_vec(),
    };
    if key.len() < MIN_SECRET_BYTES {
        let detail = format!("the secret has {} bytes, and at least {MIN_SECRET_BYTES} are needed", key.len());
        field.fail(&detail, "Make one: echo whsec_$(openssl rand -base64 32)");
        return None;
    }
    Some(Secret::new(&key))
}
