//! The only place that constructs and connects: a configuration goes in, a running node comes out.
//!
//! [`App::build`] opens the store, binds the socket and starts the actors, in this order, so that what cannot work says
//! so before anything is promised. [`App::run`] serves until it is told to stop, then drains: the web first, then the
//! actors, then what is still unsaved.

mod housekeeping;
mod reload;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::actors::board::Board;
use crate::actors::system::{Parts, System};
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::http::{Http, Vitals};
use crate::listener::{Limits, Listener};
use crate::metrics::{Build, NodeMetrics};
use crate::probes::Prober;
use crate::store::{Reader, Store, Writer};

pub use reload::Source;

/// How long the web may take to answer what it has begun, and the actors to end.
const DRAIN: Duration = Duration::from_secs(10);

/// A node that is ready to run.
pub struct App {
    clock: Clock,
    listener: Listener,
    limits: Limits,
    system: System,
    board: Arc<Board>,
    writer: Writer,
    reader: Reader,
    metrics: Arc<NodeMetrics>,
    config: Arc<ArcSwap<Config>>,
    source: Source,
    vitals: Arc<Vitals>,
    fatal: CancellationToken,
}
