//! Configuration, checked: what the rest of the program gets to see.
//!
//! A [`Config`] that exists is right: every value is in its range, every name that is referred to exists. What may be
//! secret (keys, a webhook's address, a probe's query and body) is left out of every `Debug`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::channel::{Channel, Grouping};
use super::probe::{Probe, StatusPageProbe};
use super::proxy::Proxy;
use crate::domain::quiet::Quiet;
use crate::domain::{breaker, guard, maintenance, slo, watch};

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
    /// The guarded proxy.
    pub proxy: Proxy,
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
    /// What a caller without a token may do: everything on a loopback address, else what the file names.
    pub anonymous: BTreeSet<Scope>,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Look: queries, events, metrics, pages.
    Read,
    /// Report connections, failures, observations and events.
    Report,
    /// Probe now, force a breaker, retry a delivery.
    Operate,
    /// Reload the configuration.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Report, Self::Operate, Self::Admin];

    /// The word in config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Report => "report",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
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
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Targets that nobody configured and that exist through reports; one more is refused with 429.
    pub max_passive_targets: usize,
    /// Reported retries of one history that are accepted; also the retries of an outage that are events.
    pub max_retries: u32,
    /// The system name that the policy IntegrationFailureNotification records weather failures under.
    pub weather_system: Arc<str>,
    /// How this node finds out that it is cut off; `None` if it does not.
    pub connectivity: Option<Connectivity>,
    /// The score from which on a target flaps, and below which it no longer does, 0..=1.
    pub flapping: (f64, f64),
}

/// How this node finds out that it is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connectivity {
    /// `host:port` that answer to a TCP connection as long as there is a network; at least one.
    pub addresses: Arc<[Arc<str>]>,
    /// How often it connects to them.
    pub interval: Duration,
    /// How long it waits for an answer.
    pub timeout: Duration,
}

/// Alerting apart from the targets' own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerting {
    /// Every channel's name in order: who is told of a failure of a system that is not configured.
    pub everyone: Arc<[Arc<str>]>,
    /// How messages are grouped where a channel says nothing of it.
    pub grouping: Grouping,
    /// Entries of the outbox for one channel; what goes beyond it is written where it is held to.
    pub outbox_max: usize,
    /// Silences and maintenance windows.
    pub quiets: Vec<Quiet>,
    /// The language of messages to people.
    pub language: Language,
    /// Where people reach this node, without a slash at its end, for links in messages: to a target's page, and to
    /// acknowledge an alert.
    pub external_url: Option<Arc<str>>,
    /// Whether channels may start programs; looked at where channels are read.
    pub allow_exec: bool,
}

/// A language that people are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Korean.
    Korean,
}

/// The longest deadline that a probe may be given: who asks for an attempt waits for as long.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// One integration target.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its name: systemName, metrics label.
    pub name: Arc<str>,
    /// Where it is.
    pub endpoint: Arc<str>,
    /// What it belongs to; empty for none.
    pub group: Arc<str>,
    /// The targets that it needs, by name; they exist, and nothing depends on itself.
    pub depends_on: Arc<[Arc<str>]>,
    /// Thresholds and alert rules: what the domain decides by.
    pub policy: watch::Policy,
    /// The breaker's policy.
    pub breaker: breaker::Policy,
    /// What lies around the breaker.
    pub guard: guard::Policy,
    /// How often it is probed.
    pub interval: Duration,
    /// A probe's deadline.
    pub timeout: Duration,
    /// How it is probed.
    pub probe: Probe,
    /// The provider's own page, read beside the probe as a second opinion.
    pub status_page: Option<Arc<StatusPageProbe>>,
    /// What it is to be, where somebody says so.
    pub slo: Option<slo::Objective>,
    /// When it is worked on, as announced.
    pub maintenance: Arc<[maintenance::Window]>,
}
