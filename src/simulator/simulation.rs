//! What all routes share: the settings, the ledger, chance, the counts, and the tasks that outlive a request.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callback_allow::CallbackAllow;
use super::callbacks::Callbacks;
use super::dice::Dice;
use super::ledger::{ChargeReport, Ledger, TransactionReport};
use super::options::Options;
use super::problem::Problems;
use super::processing::Queue;
use super::replays::Replays;
use super::settings::Settings;
use super::stage::Stage;
use super::tally::{CallbackReport, Counts, Tally};
use crate::clock::Clock;

/// One running simulator.
#[derive(Debug)]
pub(super) struct Simulation {
    pub(super) clock: Clock,
    pub(super) stage: Stage,
    pub(super) dice: Dice,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) queue: Queue,
    pub(super) callbacks: Callbacks,
    pub(super) callback_allow: CallbackAllow,
    pub(super) replays: Arc<Replays>,
    pub(super) tally: Tally,
    /// The shutdown has begun: open requests are still answered.
    pub(super) closing: CancellationToken,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Simulation {
    pub(super) fn new(options: Options, clock: Clock) -> Result<Arc<Self>, Problems> {
        let Options { settings, seed, scenario, callback_allow, callback_secret, max_transactions, limits: _ } =
            options;
        let seed = seed
            .or_else(|| scenario.as_ref().and_then(|scenario| scenario.seed))
            .unwrap_or_else(|| StdRng::from_os_rng().random());
        Ok(Arc::new(Self {
            clock,
            stage: Stage::set(settings, scenario)?,
            dice: Dice::new(seed),
            ledger: Mutex::new(Ledger::new(max_transactions)),
            queue: Queue::new(max_transactions),
            callbacks: Callbacks::new(callback_secret),
            callback_allow,
            replays: Arc::new(Replays::new(max_transactions)),
            tally: Tally::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }))
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.stage.settings()
    }

    /// Runs on when the client has gone, until the simulator stops.
    pub(super) fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(self.stopping.clone().run_until_cancelled_owned(task))
    }

    /// Ends all tasks.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends all tasks when the guard is dropped, so that a simulator that is itself dropped leaves nothing behind.
    pub(super) fn stop_guard(&self) -> tokio_util::sync::DropGuard {
        self.stopping.clone().drop_guard()
    }

    pub(super) fn report(&self, order_id: Option<&str>) -> Report {
        let counted = self.tally.counted();
        let entered = self.stage.phases().borrow().clone();
        let ledger = self.ledger.lock();
        Report {
            dialect: "pg-simulator",
            seed: self.dice.seed(),
            phase: entered.name.to_string(),
            settings: self.settings().texts(),
            requests: counted.requests,
            answers: counted.answers,
            transactions: ledger.transactions(),
            charges: order_id.map_or_else(|| ledger.charges(), |order_id| ledger.charges_of(order_id)),
            callbacks: counted.callbacks,
        }
    }
}

/// What a simulator has done: the body of `GET /_simulator`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The gateway that is spoken.
    pub dialect: &'static str,
    /// Where chance began.
    pub seed: u64,
    /// The phase that is on; `steady` without a scenario.
    pub phase: String,
    /// Each setting's text, as `PUT /_simulator` takes it.
    pub settings: std::collections::BTreeMap<&'static str, String>,
    /// Requests by what they were for.
    pub requests: Counts,
    /// Answers by status; `hang` and `reset` among them.
    pub answers: Counts,
    /// What became of the transactions.
    pub transactions: TransactionReport,
    /// What was charged.
    pub charges: ChargeReport,
    /// What became of the callbacks.
    pub callbacks: CallbackReport,
}
