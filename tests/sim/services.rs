//! The systems that are watched: each answers as it was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::wire;

/// How a system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Up,
    Down,
    /// It answers later than anybody waits.
    Slow,
    /// Every other answer is a failure.
    Flapping,
}

/// The systems.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) address: SocketAddr,
    health: Arc<Mutex<BTreeMap<String, (Health, bool)>>>,
}

impl Services {
    pub(crate) async fn start() -> Self {
        let health: Arc<Mutex<BTreeMap<String, (Health, bool)>>> = Arc::default();
        let known = health.clone();
        let address = wire::listen(move |mut stream| {
            let known = known.clone();
            async move {
                let Some(called) = wire::read(&mut stream).await else { return };
                let (health, odd) = {
                    let mut known = known.lock();
                    let entry = known.entry(called.path).or_insert((Health::Up, false));
                    entry.1 = !entry.1;
                    *entry
                };
                match health {
                    Health::Up => wire::answer(stream, 200, "").await,
                    Health::Down => wire::answer(stream, 503, "").await,
                    Health::Flapping => wire::answer(stream, if odd { 503 } else { 200 }, "").await,
                    Health::Slow => {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        wire::answer(stream, 200, "").await;
                    }
                }
            }
        })
        .await;
        Self { address, health }
    }

    pub(crate) fn become_(&self, target: &str, health: Health) {
        self.health.lock().entry(format!("/{target}")).or_insert((Health::Up, false)).0 = health;
    }
}
