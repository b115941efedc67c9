//! The failure histories: owns every decision about one, and adds its events to the commits of the targets' outages.
//!
//! Senders: targets (an outage begins, goes on, ends), the edge (an application records, retries, recovers), the
//! notifier (a message was given up). What survives a restart: the histories in the store; this actor keeps in memory
//! only those that are on their way to it.

mod letters;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Refused};
use super::journal::{Commit, Journal, Landed};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::alert::Severity;
use crate::domain::change::{Change, Committed, DeliveryChange};
use crate::domain::delivery::Message as Notice;
use crate::domain::event::{Cause, Event, Occurrence};
use crate::domain::failure_history::{
    Command, HistoryEvent, IntegrationFailureHistory, Record, RetryOrigin, RetryResult,
};
use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, Ids, IncidentId, NoticeId, Sequence};
use crate::domain::notice::{About, deliveries};
use crate::domain::time::Timestamp;
use crate::domain::turn::HistoryStep;
use crate::store::Reader;

pub(crate) use letters::{Dismiss, GivenUp, Letters, Resend, TellOfLetters, Unsaid};

/// A turn of a target: its change, and what the histories should add to it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Outage {
    pub(crate) change: Change,
    pub(crate) steps: Vec<HistoryStep>,
    /// Whether people know of this outage, or will by this commit.
    pub(crate) told: bool,
    /// The message by which they know it from an earlier commit, and to how many channels it went.
    pub(crate) told_by: Option<(NoticeId, u8)>,
    pub(crate) correlation: CorrelationId,
    /// The event that began the outage, where that is in the log.
    pub(crate) began_by: Option<Sequence>,
    pub(crate) landed: Option<Recipient<Landed>>,
    pub(crate) answer: Option<oneshot::Sender<Arc<Committed<Change>>>>,
}

impl Outage {
    /// Nothing, on the way that every target's commits take: once it is answered, what went before it is on disk.
    pub(crate) fn barrier(answer: oneshot::Sender<Arc<Committed<Change>>>) -> Self {
        Self::of(Change::default(), CorrelationId::new("barrier"), None, Some(answer))
    }

    /// A change that no history has to do with, on the same way.
    pub(crate) const fn of(
        change: Change,
        correlation: CorrelationId,
        landed: Option<Recipient<Landed>>,
        answer: Option<oneshot::Sender<Arc<Committed<Change>>>>,
    ) -> Self {
        Self { change, steps: Vec::new(), told: false, told_by: None, correlation, began_by: None, landed, answer }
    }
}

/// An application's command.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Asked {
    pub(crate) what: Wish,
    pub(crate) correlation: CorrelationId,
    pub(crate) cause: Option<Occurrence>,
    pub(crate) received: Option<(Box<str>, Box<str>)>,
    pub(crate) answer: Answer,
}

/// What an application wants.
#[derive(Debug)]
pub(crate) enum Wish {
    Record(Record),
    Change(HistoryId, Command),
}

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt(pub(crate) Arc<Config>);

/// The actor.
pub(crate) struct FailureHistory {
    reader: Reader,
    ids: Arc<Ids>,
    clock: Clock,
    config: Arc<Config>,
    journal: Addr<Journal>,
    /// Histories that are sent and not yet on disk, with how many commits carry them.
    underway: BTreeMap<HistoryId, (IntegrationFailureHistory, usize)>,
    /// Histories of incidents that had fired before, sent and not yet on disk, with how many commits carry them.
    attached: BTreeMap<IncidentId, (HistoryId, usize)>,
    /// Incidents whose end is sent and not yet on disk.
    ending: BTreeSet<IncidentId>,
    /// Dead letters that are sent and not yet on disk.
    dying: BTreeSet<DeliveryId>,
    /// Dead letters that are sent again or let go of, and whom they speak of.
    going: BTreeMap<DeliveryId, Arc<str>>,
    /// Dead letters that are sent again or let go of, which is not yet on disk.
    leaving: BTreeSet<DeliveryId>,
    /// Messages that nobody needed to be told any more, the newest; not known after a restart.
    unsaid: BTreeSet<DeliveryId>,
    /// Who hears of which targets there are more or fewer dead letters.
    tell: Option<Recipient<Letters>>,
    /// Events of other contexts that are sent and not yet on disk, with those who sent them again.
    receiving: BTreeMap<(Box<str>, Box<str>), Vec<Answer>>,
    died: CancellationToken,
}

impl FailureHistory {
    pub(crate) fn start(
        reader: Reader,
        ids: Arc<Ids>,
        clock: Clock,
        config: Arc<Config>,
        journal: Addr<Journal>,
        died: CancellationToken,
    ) -> Addr<Self> {
        let (underway, attached) = (BTreeMap::new(), BTreeMap::new());
        let (ending, dying, unsaid, leaving) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (tell, going, receiving) = (None, BTreeMap::new(), BTreeMap::new());
        Self::create(move |context| {
            context.set_mailbox_capacity(super::journal::CROWDED);
            Self {
                reader,
                ids,
                clock,
                config,
                journal,
                underway,
                attached,
                ending,
                dying,
                going,
                leaving,
                unsaid,
                tell,
                receiving,
                died,
            }
        })
    }

    fn load(&self, id: HistoryId) -> Result<IntegrationFailureHistory, Refused> {
        match self.underway.get(&id) {
            Some((history, _)) => Ok(history.clone()),
            None => read(&self.reader, id),
        }
    }

    fn send(
        &mut self,
        change: Change,
        landed: Option<Recipient<Landed>>,
        answer: Option<oneshot::Sender<Arc<Committed<Change>>>>,
        context: &Context<Self>,
    ) {
        self.note_underway(&change);
        let noted = change.alerts.iter().any(|record| record.incident.history.is_some() || record.until.is_some());
        let awaited = !change.histories.is_empty() || change.received.is_some() || noted;
        let mine = awaited.then(|| context.address().recipient());
        self.journal.do_send(Commit { change, landed: mine.into_iter().chain(landed).collect(), answer });
    }

    fn note_underway(&mut self, change: &Change) {
        for history in &change.histories {
            let entry = self.underway.entry(history.id).or_insert_with(|| (history.clone(), 0));
            entry.0 = history.clone();
            entry.1 += 1;
        }
        self.ending.extend(ended(change));
        for incident in change.alerts.iter().map(|record| &record.incident) {
            if let Some(history) = incident.history {
                self.attached.entry(incident.id).or_insert((history, 0)).1 += 1;
            }
        }
    }

    fn step(&self, step: HistoryStep, told: bool, change: &mut Change) -> Option<Event> {
        let (id, command) = match step {
            HistoryStep::Record { id, record } => {
                let history = IntegrationFailureHistory::record(id, record, told);
                change.histories.push(history.clone());
                return Some(Event::FailureRecorded(Box::new(history)));
            }
            HistoryStep::Told { id } => {
                let mut history = self.take(id, change)?;
                history.notified = told;
                change.histories.push(history);
                return None;
            }
            HistoryStep::Retry { id, ok, at } => {
                let origin = RetryOrigin::Attempted { ok };
                (id, Command::Retry { retry_count: None, retried_at: at, origin })
            }
            HistoryStep::Recover { id, at } => {
                (id, Command::Recover { retry_result: RetryResult::Success, recovered_at: at })
            }
        };
        let mut history = self.take(id, change)?;
        // Somebody may have recovered it by hand: then there is nothing to add.
        let event = history.decide(command, self.config.monitor.max_retries).ok()?;
        history.apply(&event);
        let notified = history.notified;
        change.histories.push(history);
        Some(Event::History { id, notified, event })
    }

    /// A history as the change has it already, or as it is known.
    fn take(&self, id: HistoryId, change: &mut Change) -> Option<IntegrationFailureHistory> {
        match change.histories.iter().position(|history| history.id == id) {
            Some(place) => Some(change.histories.swap_remove(place)),
            None => self.load(id).ok(),
        }
    }

    fn record(&self, record: Record, correlation: &CorrelationId, now: Timestamp, change: &mut Change) {
        let (channels, severity) = match self.config.targets.get(&*record.target_system) {
            Some(target) => (target.policy.alert.channels.clone(), target.policy.alert.severity),
            None => (self.config.alerting.everyone.clone(), Severity::Warning),
        };
        let id = self.ids.history();
        let message = Notice::FailureRecorded {
            history: id,
            failure_type: record.failure_type,
            target: (&*record.target_system).into(),
            severity,
            cause: record.detail.error_message.clone(),
            occurred_at: record.occurred_at,
        };
        let about = About { message: &message, history: Some(id), correlation };
        change.deliveries.extend(deliveries(&about, &channels, &self.ids, now).map(DeliveryChange::Wait));
        let history = IntegrationFailureHistory::record(id, record, !channels.is_empty());
        change.histories.push(history.clone());
        let event = Event::FailureRecorded(Box::new(history));
        let cause = (!change.events.is_empty()).then_some(Cause::Earlier(0));
        change.events.push(Occurrence { event, at: now, correlation: correlation.clone(), cause });
    }

    /// An event of another context is taken once. Who sends it again is answered when the first is on disk; the answer
    /// comes back where it is the first.
    fn receive(&mut self, received: Option<&(Box<str>, Box<str>)>, answer: Answer) -> Option<Answer> {
        let Some(received) = received else { return Some(answer) };
        if let Some(again) = self.receiving.get_mut(received) {
            again.push(answer);
            return None;
        }
        let known = self.reader.was_received(&received.0, &received.1);
        let refused = match known {
            Ok(false) => {
                self.receiving.insert(received.clone(), Vec::new());
                return Some(answer);
            }
            Ok(true) => Refused::Duplicate,
            Err(error) => unreadable(error),
        };
        drop(answer.send(Err(refused)));
        None
    }

    fn decide(&self, id: HistoryId, command: Command) -> Result<(IntegrationFailureHistory, HistoryEvent), Refused> {
        let mut history = self.load(id)?;
        let event = history.decide(command, self.config.monitor.max_retries).map_err(Refused::History)?;
        history.apply(&event);
        Ok((history, event))
    }
}

impl Actor for FailureHistory {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.died.cancel();
    }
}

impl Handler<Outage> for FailureHistory {
    type Result = ();

    fn handle(&mut self, outage: Outage, context: &mut Context<Self>) {
        let Outage { mut change, steps, told, told_by, correlation, began_by, landed, answer } = outage;
        let told = told && told_by.is_none_or(|(notice, siblings)| !self.nobody_told(notice, siblings));
        let now = self.clock.now();
        for step in steps {
            if let Some(event) = self.step(step, told, &mut change) {
                let earlier = (!change.events.is_empty()).then_some(Cause::Earlier(0));
                let cause = earlier.or(began_by.map(Cause::Logged));
                change.events.push(Occurrence { event, at: now, correlation: correlation.clone(), cause });
            }
        }
        self.send(change, landed, answer, context);
    }
}

impl Handler<Asked> for FailureHistory {
    type Result = ();

    fn handle(&mut self, asked: Asked, context: &mut Context<Self>) {
        let Asked { what, correlation, cause, received, answer } = asked;
        let now = self.clock.now();
        let Some(answer) = self.receive(received.as_ref(), answer) else { return };
        let mut change = Change { received, events: cause.into_iter().collect(), ..Change::default() };
        match what {
            Wish::Record(record) => self.record(record, &correlation, now, &mut change),
            Wish::Change(id, command) => match self.decide(id, command) {
                Ok((history, event)) => {
                    let event = Event::History { id, notified: history.notified, event };
                    change.histories.push(history);
                    change.events.push(Occurrence { event, at: now, correlation, cause: None });
                }
                Err(refused) => return drop(answer.send(Err(refused))),
            },
        }
        let (committed, landed) = oneshot::channel();
        self.send(change, None, Some(committed), context);
        super::answer::pass_on(landed, answer, None);
    }
}

impl Handler<Landed> for FailureHistory {
    type Result = ();

    fn handle(&mut self, landed: Landed, _: &mut Context<Self>) {
        let change = landed.0.get();
        if let Some(received) = &change.received {
            for again in self.receiving.remove(received).unwrap_or_default() {
                drop(again.send(Err(Refused::Duplicate)));
            }
        }
        for history in &change.histories {
            let Some(entry) = self.underway.get_mut(&history.id) else { continue };
            entry.1 = entry.1.saturating_sub(1);
            if entry.1 == 0 {
                self.underway.remove(&history.id);
            }
        }
        ended(change).for_each(|incident| {
            self.ending.remove(&incident);
        });
        for incident in change.alerts.iter().map(|record| &record.incident) {
            let Some(entry) = self.attached.get_mut(&incident.id).filter(|_| incident.history.is_some()) else {
                continue;
            };
            entry.1 = entry.1.saturating_sub(1);
            if entry.1 == 0 {
                self.attached.remove(&incident.id);
            }
        }
        self.letters_landed(&change.deliveries);
    }
}

impl Handler<Adopt> for FailureHistory {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, _: &mut Context<Self>) {
        self.config = adopt.0;
    }
}

/// The incidents whose end a change says.
fn ended(change: &Change) -> impl Iterator<Item = IncidentId> {
    change.alerts.iter().filter(|record| record.until.is_some()).map(|record| record.incident.id)
}

pub(crate) fn read(reader: &Reader, id: HistoryId) -> Result<IntegrationFailureHistory, Refused> {
    reader.history(id).map_err(unreadable)?.ok_or(Refused::NoSuchHistory)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(crate) fn unreadable(error: crate::store::Error) -> Refused {
    tracing::error!(error = &error as &dyn std::error::Error, "a failure history could not be read");
    Refused::Unreadable
}
