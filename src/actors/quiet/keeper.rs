//! The actor: takes and removes silences and windows, and lets those who wait for an end look again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::standing::{Listed, Quiets, Standing, Wrong};
use crate::actors::answer::PATIENCE;
use crate::actors::failure_history::{FailureHistory, Outage};
use crate::actors::journal::Landed;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::change::{Change, QuietChange};
use crate::domain::event::{Event, Occurrence};
use crate::domain::id::CorrelationId;
use crate::domain::quiet::{Kind, MOST, Quiet};
use crate::domain::time::Timestamp;

/// A time of day may be set, and timers go on. Until then each look computes what a clock that was set back made untrue.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often what is over for long is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why one was not taken or not removed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwanted {
    /// There are too many.
    #[error("there are {MOST} of them, with those that were over less than a day ago; remove one first")]
    TooMany,
    /// It cannot be.
    #[error("it cannot be as it was asked for")]
    Wrong(Vec<Wrong>),
    /// There is none with this id.
    #[error("there is none with this id")]
    Unknown,
    /// It stands in the configuration.
    #[error("it stands in the configuration; remove it there")]
    Configured,
    /// No answer in time.
    #[error("no answer in time; look whether it is there before you repeat it")]
    NoAnswer,
}

type Answer = oneshot::Sender<Result<(), Unwanted>>;

/// Those who look again when something ends early.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Changed;

/// Take this one.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Put {
    standing: Arc<Standing>,
    correlation: CorrelationId,
    answer: Answer,
}

/// Remove this one.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Remove {
    kind: Kind,
    id: Box<str>,
    who: Box<str>,
    correlation: CorrelationId,
    answer: Answer,
}

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt(pub(crate) Arc<Config>);

/// Who must look again when something ends early.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Tell(pub(crate) Vec<Recipient<Changed>>);

/// Speaks to the keeper. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QuietsHandle {
    keeper: Addr<Keeper>,
    clock: Clock,
    quiets: Arc<Quiets>,
}

/// What the keeper is connected to.
pub(crate) struct Wiring {
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    pub(crate) stored: Vec<Quiet>,
    pub(crate) quiets: Arc<Quiets>,
    pub(crate) histories: Addr<FailureHistory>,
    /// Told if this actor dies.
    pub(crate) died: CancellationToken,
}

/// The actor.
pub(crate) struct Keeper {
    wiring: Wiring,
    /// By people, as decided; `Quiets` follows when it is on disk.
    standing: Vec<Arc<Standing>>,
    configured: Vec<Arc<Standing>>,
    tell: Vec<Recipient<Changed>>,
    timer: Option<SpawnHandle>,
    /// Those whose change is on its way, in its order.
    unanswered: VecDeque<Answer>,
}

impl QuietsHandle {
    /// What is in force.
    #[must_use]
    pub fn quiets(&self) -> &Arc<Quiets> {
        &self.quiets
    }

    /// Takes one; it is in force when this returns.
    ///
    /// # Errors
    /// See [`Unwanted`].
    pub async fn put(&self, quiet: Quiet, correlation: CorrelationId) -> Result<Listed, Unwanted> {
        let (kind, id, now) = (quiet.kind, quiet.id.clone(), self.clock.now());
        // Expressions and calendars of strangers are compiled where nobody waits for it but who sent them.
        let compiled = tokio::task::spawn_blocking(move || Standing::of(quiet, now));
        let standing = compiled.await.map_err(|_| Unwanted::NoAnswer)?.map_err(Unwanted::Wrong)?;
        if let Some(over) = standing.over(now) {
            return Err(Unwanted::Wrong(vec![over]));
        }
        let (answer, done) = oneshot::channel();
        self.keeper.do_send(Put { standing: Arc::new(standing), correlation, answer });
        wait(done).await?;
        self.quiets.named(kind, &id, self.clock.now()).ok_or(Unwanted::NoAnswer)
    }

    /// Removes one; it is not in force any more when this returns.
    ///
    /// # Errors
    /// See [`Unwanted`].
    pub async fn remove(
        &self,
        kind: Kind,
        id: &str,
        who: Box<str>,
        correlation: CorrelationId,
    ) -> Result<(), Unwanted> {
        let (answer, done) = oneshot::channel();
        self.keeper.do_send(Remove { kind, id: id.into(), who, correlation, answer });
        wait(done).await
    }
}

async fn wait(done: oneshot::Receiver<Result<(), Unwanted>>) -> Result<(), Unwanted> {
    let answered = tokio::time::timeout(PATIENCE, done).await;
    answered.map_err(|_| Unwanted::NoAnswer)?.map_err(|_| Unwanted::NoAnswer)?
}

impl Keeper {
    pub(crate) fn start(wiring: Wiring) -> (Addr<Self>, QuietsHandle) {
        let quiets = wiring.quiets.clone();
        let clock = wiring.clock;
        let now = clock.now();
        let standing = wiring.stored.iter().filter_map(|quiet| stand(quiet.clone(), now)).collect();
        let configured = configured(&wiring.config, &[], now);
        let keeper = Self { wiring, standing, configured, tell: Vec::new(), timer: None, unanswered: VecDeque::new() };
        // Before anybody decides by it.
        keeper.publish();
        let keeper = keeper.start_actor();
        (keeper.clone(), QuietsHandle { keeper, clock, quiets })
    }

    fn start_actor(self) -> Addr<Self> {
        Self::create(move |context| {
            context.set_mailbox_capacity(MOST);
            self
        })
    }

    fn publish(&self) {
        let all = self.standing.iter().chain(&self.configured).cloned().collect();
        self.wiring.quiets.replace(all);
    }

    /// A change on its way to disk; it is in force, and answered, when it is there.
    fn commit(
        &mut self,
        change: QuietChange,
        event: Event,
        correlation: &CorrelationId,
        answer: Answer,
        context: &Context<Self>,
    ) {
        let occurrence =
            Occurrence { event, at: self.wiring.clock.now(), correlation: correlation.clone(), cause: None };
        let change = Change { events: vec![occurrence], quiets: vec![change], ..Change::default() };
        self.unanswered.push_back(answer);
        let landed = Some(context.address().recipient());
        self.wiring.histories.do_send(Outage::of(change, correlation.clone(), landed, None));
    }

    /// Recurring ones get their next interval when the last is over, or when the clock was set back.
    fn turn(&mut self, context: &mut Context<Self>) {
        let now = self.wiring.clock.now();
        for standing in self.standing.iter_mut().chain(&mut self.configured) {
            *standing = standing.at(now);
        }
        self.publish();
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        let mut recurring = self.standing.iter().chain(&self.configured).filter(|one| one.recurs()).peekable();
        if recurring.peek().is_some() {
            let next = recurring.filter_map(|one| one.turns_at()).min();
            let pause = next.map_or(LONGEST_PAUSE, |next| next.since(now));
            let pause = pause.clamp(Duration::from_millis(1), LONGEST_PAUSE);
            self.timer = Some(context.run_later(pause, |keeper, context| {
                keeper.timer = None;
                keeper.turn(context);
            }));
        }
    }

    fn forget(&mut self, context: &mut Context<Self>) {
        // By the time of day as it is, not as it was when somebody had set it wrong.
        self.turn(context);
        let now = self.wiring.clock.now();
        let (over, standing): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.standing).into_iter().partition(|one| one.is_forgotten(now));
        self.standing = standing;
        if !over.is_empty() {
            let quiets = over.iter().map(|one| QuietChange::Remove(one.quiet.id.clone())).collect();
            let change = Change { quiets, ..Change::default() };
            let correlation = crate::actors::correlation::fresh();
            self.wiring.histories.do_send(Outage::of(change, correlation, None, None));
            self.publish();
        }
        context.run_later(FORGET_EVERY, Self::forget);
    }
}

/// What is stored was once right; if this program reads it otherwise, the log says so and it holds nothing back.
fn stand(quiet: Quiet, now: Timestamp) -> Option<Arc<Standing>> {
    let id = quiet.id.clone();
    Standing::of(quiet, now)
        .map(Arc::new)
        .inspect_err(|errors| {
            for error in errors {
                tracing::error!(%id, %error, "this silence or window cannot be used");
            }
        })
        .ok()
}

/// What stood there before is taken over and not compiled again.
fn configured(config: &Config, before: &[Arc<Standing>], now: Timestamp) -> Vec<Arc<Standing>> {
    let known = |quiet: &Quiet| before.iter().find(|one| one.quiet == *quiet).cloned();
    config.alerting.quiets.iter().filter_map(|quiet| known(quiet).or_else(|| stand(quiet.clone(), now))).collect()
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.forget(context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.wiring.died.cancel();
    }
}

impl Handler<Put> for Keeper {
    type Result = ();

    fn handle(&mut self, put: Put, context: &mut Context<Self>) {
        let Put { standing, correlation, answer } = put;
        let quiet = standing.quiet.clone();
        let of_its_kind = self.standing.iter().filter(|one| one.quiet.kind == quiet.kind).count();
        if of_its_kind >= MOST {
            return drop(answer.send(Err(Unwanted::TooMany)));
        }
        self.standing.push(standing);
        let event = Event::QuietCreated { quiet: Box::new(quiet.clone()) };
        self.commit(QuietChange::Put(Box::new(quiet)), event, &correlation, answer, context);
    }
}

impl Handler<Remove> for Keeper {
    type Result = ();

    fn handle(&mut self, remove: Remove, context: &mut Context<Self>) {
        let Remove { kind, id, who, correlation, answer } = remove;
        let is_it = |one: &Arc<Standing>| one.quiet.kind == kind && one.quiet.id == id;
        if self.configured.iter().any(is_it) {
            return drop(answer.send(Err(Unwanted::Configured)));
        }
        let Some(place) = self.standing.iter().position(is_it) else {
            return drop(answer.send(Err(Unwanted::Unknown)));
        };
        let quiet = self.standing.remove(place).quiet.clone();
        let event = Event::QuietRemoved { quiet: Box::new(quiet), who };
        self.commit(QuietChange::Remove(id), event, &correlation, answer, context);
    }
}

impl Handler<Landed> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Landed, context: &mut Context<Self>) {
        // What is decided and not on disk yet may hold back a moment early; nothing is told that should not be.
        self.turn(context);
        for recipient in &self.tell {
            recipient.do_send(Changed);
        }
        if let Some(answer) = self.unanswered.pop_front() {
            // The one who asked may be gone.
            drop(answer.send(Ok(())));
        }
    }
}

impl Handler<Adopt> for Keeper {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, context: &mut Context<Self>) {
        self.configured = configured(&adopt.0, &self.configured, self.wiring.clock.now());
        self.wiring.config = adopt.0;
        self.turn(context);
        for recipient in &self.tell {
            recipient.do_send(Changed);
        }
    }
}

impl Handler<Tell> for Keeper {
    type Result = ();

    fn handle(&mut self, tell: Tell, _: &mut Context<Self>) {
        self.tell = tell.0;
    }
}
