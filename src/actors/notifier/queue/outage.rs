//! A channel that is dead for twenty hours, with a clock that only this test moves: incidents begin, are reminded of and
//! end on many targets all the while, and then it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::actors::notifier::entry::May;
use crate::actors::notifier::health::AT_ONCE;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Alert, LONGEST_PAUSE, Next, Outcome};
use crate::domain::id::{CorrelationId, IncidentId, NoticeId};

const START: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const TARGETS: u64 = 40;

/// How the channel fails while it is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// At once, with a 503.
    Refuses,
    /// After ten seconds, as a receiver that hangs.
    Hangs,
}

/// A channel, its outbox, and who is told.
struct World {
    fails: Fails,
    back_at: Timestamp,
    now: Timestamp,
    queue: Queue,
    outbox: BTreeMap<DeliveryId, Delivery>,
    /// When an attempt ends, and whether it fails.
    under_way: BTreeSet<(Timestamp, DeliveryId, bool)>,
    attempts: usize,
    first_success: Option<Timestamp>,
    told: Vec<Delivery>,
    notice: u64,
}

impl World {
    fn new(fails: Fails) -> Self {
        Self {
            fails,
            back_at: START.plus(20 * HOUR),
            now: START,
            queue: Queue::new(Pace { wait: Duration::ZERO, interval: Duration::ZERO }),
            outbox: BTreeMap::new(),
            under_way: BTreeSet::new(),
            attempts: 0,
            first_success: None,
            told: Vec::new(),
            notice: 0,
        }
    }

    fn queue(&mut self, message: Message) {
        self.notice += 1;
        let now = self.now;
        let delivery = Delivery {
            id: DeliveryId { notice: NoticeId(self.notice), ordinal: 0 },
            siblings: 1,
            channel: "ops".into(),
            message,
            history: None,
            correlation: CorrelationId::new("c"),
            queued_at: now,
            tried_since: now,
            attempts: 0,
            next_attempt_at: now,
            last_error: None,
        };
        self.queue.remember(&delivery, line(&delivery));
        self.outbox.insert(delivery.id, delivery);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(step) = self.queue.next_step(self.now, &mut |_| May::Go) {
            let Step::Attempt(id) = step else { panic!("{step:?}") };
            let fails = self.now < self.back_at;
            let takes = match self.fails {
                Fails::Hangs if fails => Duration::from_secs(10),
                Fails::Hangs | Fails::Refuses => Duration::from_millis(5),
            };
            self.attempts += 1;
            self.under_way.insert((self.now.plus(takes), id, fails));
        }
    }

    /// An attempt ends, as the actor has it: what it says of the channel, then what is on disk.
    fn ends(&mut self, id: DeliveryId, fails: bool) {
        let delivery = self.outbox[&id].clone();
        let outcome = if fails {
            self.queue.failed(id, None, 1.0, self.now);
            Outcome::Transient { error: "503".into(), retry_after: None }
        } else {
            self.first_success.get_or_insert(self.now);
            self.queue.answered(self.now);
            Outcome::Delivered
        };
        match delivery.clone().after(outcome, 1.0, self.now) {
            Next::Done => {
                self.outbox.remove(&id);
                self.told.push(delivery);
                self.queue.forget(id);
            }
            Next::Wait(waiting) => {
                self.queue.remember(&waiting, line(&waiting));
                self.outbox.insert(id, waiting);
            }
            Next::Dead(dead) => panic!("{dead:?} was given up within 20 hours"),
        }
        self.pump();
    }

    /// Lets time pass.
    fn run_until(&mut self, until: Timestamp) {
        self.pump();
        loop {
            let ended = self.under_way.first().copied();
            let next = ended.map(|(at, ..)| at).into_iter().chain(self.queue.next_due()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            match ended.filter(|(at, ..)| *at <= self.now) {
                Some(ended) => {
                    self.under_way.remove(&ended);
                    self.ends(ended.1, ended.2);
                }
                None => self.pump(),
            }
        }
        self.now = until;
    }
}

fn line(delivery: &Delivery) -> Line {
    Line::Incident(delivery.message.alert().expect("an incident's").incident.0)
}

fn alert(incident: u64) -> Alert {
    Alert {
        incident: IncidentId(incident),
        severity: Severity::Critical,
        target: format!("T{}", incident % TARGETS).into(),
        cause: "503".into(),
        since: START,
        acknowledge: None,
    }
}

/// Every minute an incident begins; one is reminded of after an hour, and ends half an hour later.
fn twenty_hours(world: &mut World) {
    for minute in 0..20 * 60 {
        world.run_until(START.plus(Duration::from_secs(60 * minute)));
        world.queue(Message::Firing(alert(minute)));
        if let Some(reminded) = minute.checked_sub(60) {
            world.queue(Message::Reminder(alert(reminded)));
        }
        if let Some(over) = minute.checked_sub(90) {
            let until = world.now;
            world.queue(Message::Resolved { alert: alert(over), until });
        }
    }
    let back_at = world.back_at;
    world.run_until(back_at);
}

fn check(fails: Fails) {
    let mut world = World::new(fails);
    twenty_hours(&mut world);
    assert_eq!(world.told, []);
    let (waiting, tried) = (world.outbox.len(), world.attempts);
    assert_eq!(waiting, 20 * 60 * 3 - 150);
    assert!(tried < 300, "{tried} attempts: the lines try for themselves");
    world.run_until(START.plus(21 * HOUR));
    let first = world.first_success.expect("it is tried again").since(world.back_at);
    assert!(first <= LONGEST_PAUSE, "{first:?} until the first attempt");
    assert_eq!((world.outbox.len(), world.queue.len(), world.queue.is_idle()), (0, 0, true));
    let ids: BTreeSet<DeliveryId> = world.told.iter().map(|told| told.id).collect();
    assert_eq!((ids.len(), world.told.len()), (waiting, waiting), "each once");
    let mut lines: BTreeMap<Line, Vec<DeliveryId>> = BTreeMap::new();
    world.told.iter().for_each(|told| lines.entry(line(told)).or_default().push(told.id));
    assert!(lines.values().all(|ids| ids.is_sorted()), "nobody hears of an end before the beginning");
    let begun = world.told.iter().filter(|told| matches!(told.message, Message::Firing(_)));
    let begun: Vec<u64> = begun.map(|told| told.id.notice.0).collect();
    let late = begun.iter().enumerate().filter(|(place, id)| begun[..*place].iter().filter(|other| other > id).count() > AT_ONCE);
    assert_eq!(late.count(), 0, "incidents in the order of their beginning, as far as eight at once can be in order");
}

#[test]
fn a_channel_that_refuses_for_twenty_hours_is_told_everything_in_order_when_it_is_back() {
    check(Fails::Refuses);
}

#[test]
fn a_channel_that_hangs_for_twenty_hours_is_told_everything_in_order_when_it_is_back() {
    check(Fails::Hangs);
}

#[test]
fn once_it_is_back_nothing_waits_for_its_own_next_attempt() {
    let mut world = World::new(Fails::Refuses);
    twenty_hours(&mut world);
    while world.first_success.is_none() {
        let next = world.now.plus(Duration::from_secs(1));
        world.run_until(next);
    }
    let messages = u64::try_from(world.outbox.len()).expect("few");
    // Eight at a time, five milliseconds each.
    let next = world.now.plus(Duration::from_millis(5 * (messages / AT_ONCE as u64 + 100)));
    world.run_until(next);
    assert_eq!(world.outbox.len(), 0);
}
