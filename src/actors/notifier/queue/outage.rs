//! A channel that is dead for twenty hours, with a clock that only this test moves: incidents begin, are reminded of and
//! end on many targets all the while, and then it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::actors::notifier::entry::May;
use crate::actors::notifier::health::AT_ONCE;
use crate::actors::notifier::room::{Going, What, victims};
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
    /// Messages that may wait.
    bound: usize,
    reminders_left_out: usize,
    dead: Vec<Delivery>,
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
            bound: usize::MAX,
            reminders_left_out: 0,
            dead: Vec::new(),
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
        self.queue.remember(&delivery, line(&delivery), now);
        for id in self.queue.made_stale_by(&delivery) {
            self.queue.leave(id);
            self.queue.forget(id);
            let gone = self.outbox.remove(&id).expect("it waited");
            assert!(matches!(gone.message, Message::Reminder(_)), "{gone:?}");
            self.reminders_left_out += 1;
        }
        self.outbox.insert(delivery.id, delivery);
        self.make_room();
        self.pump();
    }

    /// As the actor does, with looks that take no time.
    fn make_room(&mut self) {
        let over = self.queue.len().saturating_sub(self.bound);
        if over == 0 {
            return;
        }
        let waiting = self.outbox.values().filter_map(|delivery| Some((delivery.id, What::of(&delivery.message)?)));
        let waiting: Vec<_> = waiting.collect();
        let given_up: BTreeSet<u64> = self.dead.iter().map(incident).collect();
        for going in victims(&waiting, |id| given_up.contains(&id.0), over) {
            let (ids, is_reminder) = match going {
                Going::Reminder(id) => (vec![id], true),
                Going::Letters(ids) => (ids, false),
            };
            if !ids.iter().all(|id| self.queue.may_leave(&self.outbox[id])) {
                continue;
            }
            for id in ids {
                self.queue.leave(id);
                self.queue.forget(id);
                let gone = self.outbox.remove(&id).expect("it waited");
                if is_reminder { self.reminders_left_out += 1 } else { self.dead.push(gone) }
            }
        }
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
                self.queue.remember(&waiting, line(&waiting), self.now);
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

fn incident(delivery: &Delivery) -> u64 {
    delivery.message.alert().expect("an incident's").incident.0
}

fn line(delivery: &Delivery) -> Line {
    Line::Incident(incident(delivery))
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

/// How many messages there were in all.
const ALL: usize = 20 * 60 * 3 - 60 - 90;

fn check(fails: Fails, bound: usize) -> World {
    let mut world = World { bound, ..World::new(fails) };
    twenty_hours(&mut world);
    assert_eq!(world.told, []);
    let (waiting, tried) = (world.outbox.len(), world.attempts);
    assert_eq!(waiting + world.reminders_left_out + world.dead.len(), ALL, "none is lost");
    assert!(waiting <= bound, "{waiting}");
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
    let late = begun
        .iter()
        .enumerate()
        .filter(|(place, id)| begun[..*place].iter().filter(|other| other > id).count() > AT_ONCE);
    assert_eq!(late.count(), 0, "incidents in the order of their beginning, as far as eight at once can be in order");
    world
}

#[test]
fn a_channel_that_refuses_for_twenty_hours_is_told_everything_in_order_when_it_is_back() {
    check(Fails::Refuses, usize::MAX);
}

#[test]
fn a_channel_that_hangs_for_twenty_hours_is_told_everything_in_order_when_it_is_back() {
    check(Fails::Hangs, usize::MAX);
}

#[test]
fn a_bounded_outbox_of_twenty_hours_gives_up_whole_incidents_and_the_others_are_told_whole() {
    let world = check(Fails::Hangs, 1_000);
    assert_eq!(world.reminders_left_out, 20 * 60 - 60, "they go first");
    let kinds = |all: &[Delivery]| {
        let mut kinds: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        all.iter().for_each(|one| kinds.entry(incident(one)).or_default().push(one.message.word()));
        kinds
    };
    let (dead, told) = (kinds(&world.dead), kinds(&world.told));
    assert!(dead.values().all(|kinds| *kinds == ["firing", "resolved"]), "{dead:?}");
    let lasting = 20 * 60 - 90..20 * 60;
    let whole = told.iter().filter(|(id, _)| !lasting.contains(*id));
    assert!(whole.clone().count() > 300, "{told:?}");
    assert!(whole.map(|(_, kinds)| kinds).all(|kinds| *kinds == ["firing", "resolved"]), "{told:?}");
    assert!(lasting.clone().all(|id| told.get(&id).is_some_and(|kinds| *kinds == ["firing"])), "{told:?}");
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

#[test]
fn of_a_channel_that_is_back_after_twenty_hours_nobody_hears_eighty_reminders() {
    let mut world = World::new(Fails::Refuses);
    world.queue(Message::Firing(alert(1)));
    for quarter in 1..80 {
        world.run_until(START.plus(Duration::from_secs(15 * 60 * quarter)));
        world.queue(Message::Reminder(alert(1)));
        assert!(world.outbox.len() <= 2, "{:?}", world.outbox);
    }
    let until = world.now;
    world.queue(Message::Resolved { alert: alert(1), until });
    world.run_until(START.plus(21 * HOUR));
    assert_eq!(world.told.iter().map(|told| told.message.word()).collect::<Vec<_>>(), ["firing", "resolved"]);
}
