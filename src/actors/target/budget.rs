//! The error budget of a target with an objective: what its attempts use up, from the store's rollups on.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message};

use super::actor::TargetActor;
use crate::domain::id::StatusId;
use crate::domain::observation::{Observation, Reason};
use crate::domain::slo::{DAYS_MAX, Ledger, Objective, Past};
use crate::domain::time::{Moment, Timestamp};
use crate::store::{Error, Period, Reader};

/// Probes are moved by up to 3 % of their interval, and begin one interval after the last began.
const LEAST_DISTANCE: f64 = 0.9;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the store knows of the past was read.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct PastRead {
    past: Past,
    edition: Moment,
}

/// What is kept of a target with an objective.
#[derive(Debug)]
pub(super) struct Spending {
    objective: Objective,
    ledger: Ledger,
    /// When an attempt was last booked.
    booked_at: Option<Timestamp>,
    /// That it burns too fast, in words.
    pub(super) burning: Option<Box<str>>,
    /// Whether the past was read.
    pub(super) is_known: bool,
    /// When the actor began with it: what is read for an earlier objective is not taken.
    edition: Moment,
}

impl TargetActor {
    /// Begins with what the store knows, or no longer keeps an account. It goes on where nothing has changed.
    pub(super) fn open_account(&mut self, context: &Context<Self>) {
        let objective = self.spec.as_deref().and_then(|spec| spec.slo);
        if self.spending.as_ref().map(|spending| spending.objective) == objective {
            return;
        }
        let Some(objective) = objective else {
            self.spending = None;
            return self.slot.live(|live| live.set_aside(|aside| aside.budget = None));
        };
        let edition = self.links.clock.moment();
        let ledger = Ledger::new(&objective, &Past::default());
        self.spending =
            Some(Box::new(Spending { objective, ledger, booked_at: None, burning: None, is_known: false, edition }));
        let (reader, turns, myself) = (self.links.reader.clone(), self.links.reading.clone(), context.address());
        let (id, clock, name) = (self.watch.status.id, self.links.clock, self.slot.name.clone());
        self.links.io.spawn(async move {
            // Nobody closes it; ten thousand targets do not read at once.
            let _turn = turns.acquire_owned().await;
            let read = tokio::task::spawn_blocking(move || past(&reader, id, &objective, clock.now())).await;
            let past = match read {
                Ok(Ok(past)) => past,
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(target = %name, error, "its past could not be read: its error budget begins anew");
                    Past::default()
                }
                Err(_fell_over) => Past::default(),
            };
            myself.do_send(PastRead { past, edition });
        });
    }

    /// An attempt is booked. What this node could not try says nothing, and maintenance is nobody's failure. What comes
    /// before its time confirms a failure, or was asked for: the same seconds would be counted twice.
    ///
    /// Stock is taken all the same: a target that is well comes to no turn, and its windows pass.
    pub(super) fn book(&mut self, observation: &Observation) {
        if self.spending.is_none() {
            return;
        }
        let internal = observation.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Internal);
        let counts = !internal && !self.is_in_maintenance();
        if let Some(spending) = self.spending.as_mut().filter(|_| counts) {
            spending.book(observation);
        }
        self.take_stock();
    }

    /// What its budget says now: time alone changes it, too.
    pub(super) fn take_stock(&mut self) {
        let now = self.links.clock.now();
        let Some(spending) = self.spending.as_mut().filter(|spending| spending.is_known) else { return };
        let budget = spending.ledger.budget(&spending.objective, now);
        spending.burning = budget.burning(&spending.objective).map(Into::into);
        self.slot.live(|live| live.set_aside(|aside| aside.budget = Some(budget)));
    }
}

impl Spending {
    fn book(&mut self, observation: &Observation) {
        let least = self.objective.every.mul_f64(LEAST_DISTANCE);
        let is_early = |before: Timestamp| before <= observation.at && observation.at.since(before) < least;
        if !self.booked_at.is_some_and(is_early) {
            self.booked_at = Some(observation.at);
            self.ledger.add(observation.at, 1, u32::from(!observation.is_ok()));
        }
    }
}

fn past(reader: &Reader, id: StatusId, objective: &Objective, now: Timestamp) -> Result<Past, Error> {
    let days = objective.days.min(DAYS_MAX) + 1;
    let since = |period, length: Duration| reader.rollups(id, period, now.minus(length), now.plus(MINUTE));
    Ok(Past {
        minutes: since(Period::Minute, HOUR + MINUTE)?,
        hours: since(Period::Hour, 3 * DAY + HOUR)?,
        days: since(Period::Day, DAY * days)?,
    })
}

impl Handler<PastRead> for TargetActor {
    type Result = ();

    fn handle(&mut self, read: PastRead, context: &mut Context<Self>) {
        let PastRead { past, edition } = read;
        let Some(spending) = self.spending.as_mut().filter(|spending| spending.edition == edition) else { return };
        // What was tried meanwhile is among what is not saved yet.
        spending.ledger = Ledger::new(&spending.objective, &past);
        let unsaved = self.slot.live(|live| live.minutes.clone());
        for (at, rollup) in unsaved {
            spending.ledger.add(at, rollup.count, rollup.count.saturating_sub(rollup.ok));
        }
        spending.is_known = true;
        self.take_stock();
        if self.watch.incident.is_some() {
            self.look_again(context);
        }
    }
}
