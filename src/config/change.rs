//! What a reload changes: the difference of two configurations.
//!
//! Pure. Targets that are equal in both are in no list, so that nobody touches them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::model::{Config, Target};

/// The difference of two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Targets that are new, by name.
    pub added: Vec<Arc<str>>,
    /// Targets that are gone.
    pub removed: Vec<Arc<str>>,
    /// Targets that are in both and differ.
    pub altered: Vec<Arc<str>>,
    /// Whether any channel, or the list of all of them, differs.
    pub channels_changed: bool,
    /// Whether anything differs that concerns all targets.
    pub monitor_changed: bool,
    /// Whether the proxy's routes differ.
    pub proxy_changed: bool,
    /// What the new configuration asks for and only a restart can give, a sentence each.
    pub needs_restart: Vec<String>,
}

impl Change {
    /// Whether nothing that a reload can apply differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let targets_are_equal = self.added.is_empty() && self.removed.is_empty() && self.altered.is_empty();
        targets_are_equal && !self.channels_changed && !self.monitor_changed && !self.proxy_changed
    }
}

/// What `new` changes in `old`.
#[must_use]
pub fn change(old: &Config, new: &Config) -> Change {
    Change {
        added: missing_in(&old.targets, &new.targets),
        removed: missing_in(&new.targets, &old.targets),
        altered: altered(&old.targets, &new.targets),
        channels_changed: old.channels != new.channels || old.alerting != new.alerting,
        monitor_changed: old.monitor != new.monitor,
        proxy_changed: old.proxy != new.proxy,
        needs_restart: needs_restart(old, new),
    }
}

type Targets = BTreeMap<Arc<str>, Arc<Target>>;

fn missing_in(known: &Targets, targets: &Targets) -> Vec<Arc<str>> {
    targets.keys().filter(|name| !known.contains_key(*name)).cloned().collect()
}

fn altered(old: &Targets, new: &Targets) -> Vec<Arc<str>> {
    new.iter()
        .filter(|(name, target)| old.get(*name).is_some_and(|before| before != *target))
        .map(|(name, _)| Arc::clone(name))
        .collect()
}

fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    [
        ("node.name", old.node.name != new.node.name),
        ("node.data_dir", old.node.data_dir != new.node.data_dir),
        ("http.listen", old.http.listen != new.http.listen),
        ("http.max_connections", old.http.max_connections != new.http.max_connections),
        ("proxy.threads", old.proxy.threads != new.proxy.threads),
        ("proxy.max_connections", old.proxy.max_connections != new.proxy.max_connections),
        ("store.cache", old.store.cache_bytes != new.store.cache_bytes),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(key, _)| format!("`{key}` was changed; it needs a restart, until then the old value stays"))
    .chain(sockets(old, new))
    .collect()
}

/// Sockets are bound once.
fn sockets(old: &Config, new: &Config) -> Vec<String> {
    let [before, after] = [old, new].map(|config| config.proxy.listens().collect::<BTreeSet<_>>());
    let added = after.difference(&before).map(|address| {
        format!("a route with `listen = \"{address}\"` was added; it needs a restart, until then nobody listens there")
    });
    let removed = before.difference(&after).map(|address| {
        format!("the route with `listen = \"{address}\"` was removed; until a restart its clients are answered 404")
    });
    added.chain(removed).collect()
}
