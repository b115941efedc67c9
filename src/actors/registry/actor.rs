//! The actor: its messages, its state, and who may ask what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture};
use futures_util::FutureExt;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::actors::answer::{Answer, Refused};
use crate::actors::board::{Board, Slot};
use crate::actors::failure_history::{FailureHistory, Letters};
use crate::actors::journal::{Journal, JournalHandle};
use crate::actors::notifier::Notifier;
use crate::actors::quiet::{Changed, Keeper};
use crate::actors::target::{Errand, Links, Look, LookAgain, Order, Reconsider, Stop, TargetActor};
use crate::actors::targets::ObservableTarget;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::alert::{self, Conditions, Severity};
use crate::domain::failure_history::FailureType;
use crate::domain::flapping::{LEAST_DISTANCE, Limits};
use crate::domain::id::{CorrelationId, Ids, Target};
use crate::domain::time::Moment;
use crate::domain::watch::{Policy, Watch};
use crate::metrics::NodeMetrics;
use crate::probes::Prober;
use crate::store::Reader;

/// Who comes while a target is between two actors, or while too much waits, may come again after this.
pub(super) const A_MOMENT: Duration = Duration::from_secs(1);

/// Targets that read their past at a time.
const READING: usize = 2;

/// Of which target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// By name and endpoint; one that nobody configured becomes a passive target.
    System(Target),
    /// By the name of a configured one.
    Named(Arc<str>),
}

/// An errand for a target.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver {
    pub(crate) whose: Whose,
    pub(crate) errand: Errand,
    pub(crate) correlation: CorrelationId,
    pub(crate) answer: Answer,
}

/// Asks what a target's actor knows.
#[derive(Debug, Message)]
#[rtype(result = "Result<oneshot::Receiver<ObservableTarget>, Refused>")]
pub(crate) struct Observe {
    pub(crate) name: Arc<str>,
}

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Reconfigure {
    pub(crate) config: Arc<Config>,
}

/// A target's actor ended unasked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Ended {
    pub(crate) slot: Arc<Slot>,
}

/// Ends every target's actor; answered when all have sent what they had to send.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StopAll;

/// Answered once every target is in its place.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Settled;

/// What the registry is connected to.
pub(crate) struct Wiring {
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) config: Arc<Config>,
    pub(crate) board: Arc<Board>,
    pub(crate) reader: Reader,
    /// The targets as the store knows them.
    pub(crate) watches: Vec<Watch>,
    pub(crate) journal: Addr<Journal>,
    pub(crate) journal_handle: JournalHandle,
    pub(crate) histories: Addr<FailureHistory>,
    pub(crate) notifier: Addr<Notifier>,
    pub(crate) keeper: Addr<Keeper>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) prober: Arc<Prober>,
    pub(crate) io: tokio::runtime::Handle,
    /// Told if this actor dies.
    pub(crate) died: CancellationToken,
}

pub(super) struct Entry {
    pub(super) actor: Addr<TargetActor>,
    pub(super) deaths: u32,
    pub(super) started: Moment,
}

/// The actor.
pub(crate) struct Registry {
    pub(super) wiring: Wiring,
    pub(super) entries: BTreeMap<Target, Entry>,
    /// Targets between two actors: they answer in a moment.
    pub(super) reviving: BTreeSet<Target>,
    /// What a passive target is decided by: it fails when it is said to, and nobody is told.
    pub(super) passive: Arc<Policy>,
    reading: Arc<Semaphore>,
}

impl Registry {
    pub(crate) fn start(wiring: Wiring) -> Addr<Self> {
        Self::create(move |context| {
            context.set_mailbox_capacity(crate::actors::journal::CROWDED);
            let passive = Arc::new(passive_policy(wiring.config.monitor.max_retries));
            let reading = Arc::new(Semaphore::new(READING));
            Self { wiring, entries: BTreeMap::new(), reviving: BTreeSet::new(), passive, reading }
        })
    }

    pub(super) fn links(&self, context: &Context<Self>) -> Links {
        Links {
            clock: self.wiring.clock,
            ids: self.wiring.ids.clone(),
            board: self.wiring.board.clone(),
            histories: self.wiring.histories.clone(),
            metrics: self.wiring.metrics.clone(),
            prober: self.wiring.prober.clone(),
            reader: self.wiring.reader.clone(),
            reading: self.reading.clone(),
            io: self.wiring.io.clone(),
            ended: context.address().recipient(),
            passive: self.passive.clone(),
        }
    }
}

pub(super) fn passive_policy(max_retries: u32) -> Policy {
    let nobody = alert::Policy {
        on: Conditions::NONE,
        channels: Arc::default(),
        severity: Severity::Warning,
        reminder: None,
        escalate: false,
        escalation: None,
    };
    Policy {
        failure_threshold: 1,
        failure_window: None,
        success_threshold: 1,
        max_retries,
        failure_type: FailureType::Other,
        alert: nobody,
        flapping: Limits::new(LEAST_DISTANCE),
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.settle(context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.wiring.died.cancel();
    }
}

impl Handler<Deliver> for Registry {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, context: &mut Context<Self>) {
        let found = match self.wiring.journal_handle.is_crowded() {
            true => Err(Refused::Busy { retry_after: A_MOMENT }),
            false => self.find(&deliver, context),
        };
        let Deliver { errand, correlation, answer, .. } = deliver;
        match found {
            Ok(actor) => actor.do_send(Order { errand, correlation, answer }),
            Err(refused) => drop(answer.send(Err(refused))),
        }
    }
}

impl Handler<Observe> for Registry {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, observe: Observe, _: &mut Context<Self>) -> Self::Result {
        let Observe { name } = observe;
        let slot = self.wiring.board.named(&name);
        MessageResult(match slot.and_then(|slot| self.entries.get(&slot.target())) {
            Some(entry) => {
                let (answer, known) = oneshot::channel();
                entry.actor.do_send(Look(answer));
                Ok(known)
            }
            None => Err(Refused::NoSuchTarget { name }),
        })
    }
}

impl Handler<Reconfigure> for Registry {
    type Result = ();

    fn handle(&mut self, reconfigure: Reconfigure, context: &mut Context<Self>) {
        self.reconfigure(reconfigure.config, context);
    }
}

impl Handler<Changed> for Registry {
    type Result = ();

    fn handle(&mut self, _: Changed, _: &mut Context<Self>) {
        for entry in self.entries.values() {
            entry.actor.do_send(LookAgain);
        }
    }
}

impl Handler<Letters> for Registry {
    type Result = ();

    fn handle(&mut self, letters: Letters, _: &mut Context<Self>) {
        for name in letters.of {
            let slot = self.wiring.board.named(&name);
            if let Some(entry) = slot.and_then(|slot| self.entries.get(&slot.target())) {
                entry.actor.do_send(Reconsider);
            }
        }
    }
}

impl Handler<Ended> for Registry {
    type Result = ();

    fn handle(&mut self, ended: Ended, context: &mut Context<Self>) {
        self.rebuild(&ended.slot, context);
    }
}

impl Handler<StopAll> for Registry {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopAll, _: &mut Context<Self>) -> Self::Result {
        let entries = std::mem::take(&mut self.entries);
        let ends = entries.into_values().map(|entry| entry.actor.send(Stop { resolve: false }));
        // One that died before it answered has ended too.
        Box::pin(futures_util::future::join_all(ends).map(|_| ()))
    }
}

impl Handler<Settled> for Registry {
    type Result = ();

    fn handle(&mut self, _: Settled, _: &mut Context<Self>) {}
}

/// Makes a target's actor panic: only tests may.
#[cfg(test)]
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PanicIn {
    pub(crate) name: Arc<str>,
}

#[cfg(test)]
impl Handler<PanicIn> for Registry {
    type Result = ();

    fn handle(&mut self, panic: PanicIn, _: &mut Context<Self>) {
        let slot = self.wiring.board.named(&panic.name);
        if let Some(entry) = slot.and_then(|slot| self.entries.get(&slot.target())) {
            entry.actor.do_send(crate::actors::target::Panic);
        }
    }
}
