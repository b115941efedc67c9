//! The simulator as a server, and the handle by which the same process talks to it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::control::change_settings;
use super::options::Options;
use super::problem::Error;
use super::routing::routes;
use super::settings::Settings;
use super::simulation::{Report, Simulation};
use super::stage::PhaseEntered;
use crate::clock::Clock;
use crate::listener::{Limits, Listener, from_tower};

/// A simulator whose socket is bound.
pub struct Simulator {
    listener: Listener,
    limits: Limits,
    simulation: Arc<Simulation>,
}

impl Simulator {
    /// Binds. Clients wait until [`run`](Self::run). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be had, or a phase of the scenario does not go together with the settings.
    pub fn bind(listen: SocketAddr, options: Options, clock: Clock) -> Result<Self, Error> {
        let listener = Listener::bind(listen)?;
        let limits = options.limits;
        let simulation = Simulation::new(options, clock).map_err(Error::Settings)?;
        Ok(Self { listener, limits, simulation })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// A way to talk to it, also while it runs.
    #[must_use]
    pub fn handle(&self) -> SimulatorHandle {
        SimulatorHandle { simulation: Arc::clone(&self.simulation) }
    }

    /// The phases as they begin; the one that is on is there at once. Without a scenario it is `steady` for ever.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<PhaseEntered> {
        self.simulation.stage.phases()
    }

    /// Serves, and plays the scenario, until `shutdown` is ready. Payments that are still processed then are dropped.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, limits, simulation } = self;
        let _stop_if_dropped = simulation.stop_guard();
        tracing::info!(listen = %listener.local_addr(), seed = simulation.dice.seed(), "the PG simulator is ready");
        let player = Arc::clone(&simulation);
        simulation.spawn(async move { player.stage.play().await });
        let closing = async {
            shutdown.await;
            simulation.closing.cancel();
        };
        listener.serve(from_tower(warp::service(routes(&simulation))), limits, closing).await;
        simulation.stop().await;
    }
}

/// Talks to a simulator from within its process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SimulatorHandle {
    simulation: Arc<Simulation>,
}

impl SimulatorHandle {
    /// What it did so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.simulation.report(None)
    }

    /// What it did so far, with the charges of one order.
    #[must_use]
    pub fn report_of_order(&self, order_id: &str) -> Report {
        self.simulation.report(Some(order_id))
    }

    /// What holds now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.simulation.settings()
    }

    /// Changes settings by name, as `PUT /_simulator` does: seen by every request from here on.
    ///
    /// # Errors
    /// All that is wrong; then nothing was changed.
    pub fn change<'a>(&self, changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), Error> {
        let changes: Vec<_> = changes.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        change_settings(&self.simulation, &changes).map_err(Error::Settings)
    }

    /// Enters the first phase of this name now, whatever the timeline says; the timeline goes on from there.
    ///
    /// # Errors
    /// The scenario has no such phase.
    pub fn enter(&self, phase: &str) -> Result<(), Error> {
        self.simulation.stage.enter(phase)
    }

    /// The phases as they begin.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<PhaseEntered> {
        self.simulation.stage.phases()
    }
}
