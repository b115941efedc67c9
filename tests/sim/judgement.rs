//! The end of a run: the store is held against what the receivers got.

use std::collections::BTreeSet;
use std::path::Path;

use breakwater::clock::Clock;
use breakwater::domain::alert::Record;
use breakwater::domain::delivery::{Delivery, Message};
use breakwater::domain::event::Event;
use breakwater::domain::id::{HistoryId, IncidentId, Sequence};
use breakwater::store::{DeliveryFilter, HistoryFilter, Options, Reader, Store};

use crate::plan::{CHANNELS, joins};
use crate::run::Run;

/// What the store says.
struct Evidence {
    events: Vec<Event>,
    alerts: Vec<Record>,
    dead: Vec<Delivery>,
    waiting: usize,
}

impl Evidence {
    fn read(reader: &Reader, is_late: impl Fn(&Record) -> bool) -> Result<Self, breakwater::store::Error> {
        let mut events = Vec::new();
        let mut after = Sequence(0);
        loop {
            let more = reader.events_after(after, 1_000)?;
            let Some(last) = more.last() else { break };
            after = last.sequence;
            events.extend(more.into_iter().map(|logged| logged.event));
        }
        let alerts = reader.alerts(|record| record.until.is_some() || !is_late(record), 0, usize::MAX)?.items;
        let letters = reader.dead_letters(&DeliveryFilter::default(), 0, usize::MAX)?.items;
        let dead = letters.into_iter().filter_map(Result::ok).collect();
        Ok(Self { events, alerts, dead, waiting: reader.deliveries_waiting()?.len() })
    }

    fn is_dead(&self, channel: &str, is: impl Fn(&Message) -> bool) -> bool {
        self.dead.iter().any(|letter| &*letter.channel == channel && is(&letter.message))
    }
}

/// Opens the store, and says of everything that was to be told whether it was.
pub(crate) async fn pass(run: &Run, data: &Path) {
    let options = Options {
        folder: data.to_owned(),
        cache_bytes: 16 * 1024 * 1024,
        clock: Clock::system(),
        on_batch: Box::new(|_| {}),
        on_failure: Box::new(|error| panic!("{error}")),
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await.expect("it does not panic");
    let store = match opened {
        Ok(store) => store,
        Err(error) => return run.witness.accuse(format!("the store cannot be opened: {error}")),
    };
    let reader = store.reader();
    let peace_at = run.peace_at.expect("there was peace");
    match Evidence::read(&reader, |record| record.incident.fired_at >= peace_at) {
        Ok(evidence) => {
            ids_are_given_once(run, &evidence);
            incidents_were_told(run, &evidence);
            reports_were_told(run, &evidence, &reader);
            notified_is_true(run, &evidence, &reader);
            run.witness.expect(evidence.waiting == 0, || format!("{} messages wait", evidence.waiting));
        }
        Err(error) => run.witness.accuse(format!("the store cannot be read: {error}")),
    }
    if let Err(error) = store.close() {
        run.witness.accuse(format!("the store cannot be closed: {error}"));
    }
}

fn ids_are_given_once(run: &Run, evidence: &Evidence) {
    let (mut fired, mut over, mut recorded) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for event in &evidence.events {
        if let Event::AlertFired { incident, .. } = event {
            run.witness.expect(fired.insert(incident.id), || format!("incident {} fired twice", incident.id.0));
        }
        if let Event::AlertResolved { incident, .. } = event {
            run.witness.expect(over.insert(*incident), || format!("incident {} ended twice", incident.0));
            run.witness.expect(fired.contains(incident), || format!("incident {} never fired", incident.0));
        }
        if let Event::FailureRecorded(history) = event {
            run.witness.expect(recorded.insert(history.id), || format!("history {} is two", history.id.0));
        }
    }
    let known: BTreeSet<IncidentId> = evidence.alerts.iter().map(|record| record.incident.id).collect();
    // One that began since is not among those that are kept.
    run.witness.expect(known == over && over.is_subset(&fired), || {
        format!("incidents that are kept, fired, and are over: {known:?} {fired:?} {over:?}")
    });
}

/// Each channel was told of the beginning and the end, or the letter is there. Of a group's incident that was over before
/// its beginning left it was told the end alone.
fn incidents_were_told(run: &Run, evidence: &Evidence) {
    for record in &evidence.alerts {
        let id = record.incident.id;
        for channel in record.incident.channels.iter() {
            let (began, ended) =
                run.receivers.look(channel, |ledger| (ledger.knows_trouble(id.0), ledger.knows_end(id.0)));
            let of_it = |message: &Message| message.alert().is_some_and(|alert| alert.incident == id);
            let begin_is_dead =
                evidence.is_dead(channel, |message| of_it(message) && !matches!(message, Message::Resolved { .. }));
            let by_its_end = joins(channel) && ended;
            run.witness.expect(began || begin_is_dead || by_its_end || was_dismissed(evidence, channel), || {
                format!("{channel} was never told that incident {} began, and no letter says so", id.0)
            });
            run.witness.expect(ended, || format!("{channel} was never told that incident {} is over", id.0));
        }
    }
}

/// Whether a letter for this channel was let go of, which is not known any more.
fn was_dismissed(evidence: &Evidence, name: &str) -> bool {
    evidence
        .events
        .iter()
        .any(|event| matches!(event, Event::NotificationDismissed { channel, .. } if **channel == *name))
}

fn reports_were_told(run: &Run, evidence: &Evidence, reader: &Reader) {
    for (history, channels) in &run.promised {
        let known = reader.history(HistoryId(*history)).ok().flatten();
        run.witness.expect(known.is_some(), || format!("report {history} was answered, and is not there"));
        let of_it = |message: &Message| matches!(message, Message::FailureRecorded { history: which, .. } if which.0 == *history);
        for channel in channels {
            let told = run.receivers.look(channel, |ledger| ledger.knows_report(*history));
            run.witness.expect(told || evidence.is_dead(channel, of_it) || was_dismissed(evidence, channel), || {
                format!("{channel} was not told of report {history}, and no letter says so")
            });
        }
    }
}

/// A history says that people were told where somebody was, and nowhere else.
fn notified_is_true(run: &Run, evidence: &Evidence, reader: &Reader) {
    let histories = match reader.histories(&HistoryFilter::default(), 0, usize::MAX) {
        Ok(page) => page.items,
        Err(error) => return run.witness.accuse(format!("the histories cannot be read: {error}")),
    };
    for history in histories {
        let id = history.id;
        // What fails again in an incident is not told by itself.
        let Some(incident) = evidence.alerts.iter().find(|record| record.incident.history == Some(id)) else {
            let is_report = run.promised.iter().any(|(report, _)| *report == id.0);
            let told = CHANNELS.iter().any(|name| run.receivers.look(name, |ledger| ledger.knows_report(id.0)));
            run.witness.expect(!is_report || told || !history.notified, || format!("nobody was told of {history:?}"));
            continue;
        };
        let incident = incident.incident.id.0;
        let told = CHANNELS.iter().any(|channel| {
            run.receivers
                .look(channel, |ledger| ledger.knows_trouble(incident) || joins(channel) && ledger.knows_end(incident))
        });
        run.witness.expect(told || !history.notified, || {
            format!("people were told of this history, it says, and nobody was: {history:?}, with incident {incident}")
        });
    }
}
