//! Configuration, checked: what the rest of the program gets to see.
//!
//! A [`Config`] that exists is right: every value is in its range, every name that is referred to exists.

pub mod probe;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{breaker, watch};
use probe::Probe;

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// The HTTP surface.
    pub http: Http,
    /// The store.
    pub store: Store,
    /// What concerns all targets.
    pub monitor: Monitor,
    /// Alerting apart from the targets' own rules.
    pub alerting: Alerting,
    /// The integration targets by their names.
    pub targets: BTreeMap<Arc<str>, Arc<Target>>,
    /// The channels by their names; the built-in `log` channel is among them unless it is turned off.
    pub channels: BTreeMap<Arc<str>, Arc<Channel>>,
}

/// This node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// CloudEvents source and the webhooks' user agent.
    pub name: Arc<str>,
    /// Where the store lives.
    pub data_dir: PathBuf,
}

/// The HTTP surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Connections at a time; one more waits in the kernel's queue.
    pub max_connections: usize,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Bytes of sled's page cache.
    pub cache_bytes: u64,
    /// How long closed histories and events are kept after they were stored.
    pub retention: Duration,
}

/// What concerns all targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Targets that nobody configured and that exist through reports; one more is refused with 429.
    pub max_passive_targets: usize,
    /// Reported retries of one history that are accepted; also the retries of an outage that are events.
    pub max_retries: u32,
    /// The system name that the policy IntegrationFailureNotification records weather failures under.
    pub weather_system: Arc<str>,
}

/// Alerting apart from the targets' own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerting {
    /// Every channel's name in order: who is told of a failure of a system that is not configured.
    pub everyone: Arc<[Arc<str>]>,
}

/// One integration target.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its name: systemName, metrics label.
    pub name: Arc<str>,
    /// Where it is.
    pub endpoint: Arc<str>,
    /// What it belongs to; empty for none.
    pub group: Arc<str>,
    /// Thresholds and alert rules: what the domain decides by.
    pub policy: watch::Policy,
    /// The breaker's policy.
    pub breaker: breaker::Policy,
    /// How often it is probed.
    pub interval: Duration,
    /// A probe's deadline.
    pub timeout: Duration,
    /// How it is probed.
    pub probe: Probe,
}

/// One way to tell people.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: ChannelKind,
}

/// What a channel is.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelKind {
    /// The node's own log.
    Log,
    /// A signed HTTP request.
    Webhook {
        /// To where.
        url: String,
        /// Signing keys, decoded; each signs, so that a receiver can change from one to the next. None: unsigned.
        secrets: Vec<Secret>,
        /// An attempt's deadline.
        timeout: Duration,
    },
}

/// Bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Keeps `bytes` to itself.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one who signs or logs in with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
