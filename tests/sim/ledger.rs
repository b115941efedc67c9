//! What one receiver has got, and what must be so of it after each message.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::wire::Called;
use crate::witness::Witness;

/// What a message says, of one incident or report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Says {
    /// It began, or lasts: the word of it, where a message has one of its own.
    Trouble(u64, &'static str),
    /// It is over.
    End(u64),
    /// Somebody reported a failure.
    Report(u64),
}

/// What one receiver has got.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    name: String,
    /// By `webhook-id`: the bytes, and whether the receiver took it.
    bodies: BTreeMap<String, (Vec<u8>, bool)>,
    /// The `webhook-id` under which a number of the outbox was seen.
    numbers: BTreeMap<String, String>,
    /// Incidents whose end was seen.
    ends_seen: BTreeSet<u64>,
    /// What was taken, under which ids. An Alertmanager's messages have none: they are told again.
    pub(crate) taken: BTreeMap<Says, BTreeSet<String>>,
}

impl Ledger {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A message is here whole; whether it is taken is said later.
    pub(crate) fn arrived(&mut self, called: &Called, witness: &Witness) -> Vec<Says> {
        let Some(says) = read(&called.body) else {
            witness.accuse(format!("{}: nobody can read {}", self.name, String::from_utf8_lossy(&called.body)));
            return Vec::new();
        };
        if let Some(id) = id_of(called) {
            self.check_id(&id, &called.body, witness);
        }
        for one in &says {
            match one {
                Says::Trouble(incident, word) => witness.expect(!self.ends_seen.contains(incident), || {
                    format!("{}: {word} of incident {incident} came after its end", self.name)
                }),
                Says::End(_) | Says::Report(_) => {}
            }
        }
        // An Alertmanager may be told again of an end before a beginning that it did not take: who has not taken the end
        // has not seen it.
        if id_of(called).is_some() {
            self.see_ends(&says);
        }
        says
    }

    /// Twice only under the same id, byte for byte, and no id for two messages.
    fn check_id(&mut self, id: &str, body: &[u8], witness: &Witness) {
        let before = self.bodies.entry(id.to_owned()).or_insert_with(|| (body.to_vec(), false));
        witness.expect(before.0 == body, || {
            let (was, is) = (String::from_utf8_lossy(&before.0).into_owned(), String::from_utf8_lossy(body));
            format!("{}: {id} was another message before:\n  {was}\n  {is}", self.name)
        });
        // `n-41.1-1717236003000`: the number of the outbox, and when it was queued.
        let Some((number, _)) = id.strip_prefix("n-").and_then(|rest| rest.split_once('-')) else { return };
        let first = self.numbers.entry(number.to_owned()).or_insert_with(|| id.to_owned());
        witness.expect(*first == id, || format!("{}: {number} was given twice: {first} and {id}", self.name));
    }

    /// Whether this message was taken before.
    pub(crate) fn has_taken(&self, called: &Called) -> bool {
        let id = id_of(called);
        id.and_then(|id| self.bodies.get(&id)).is_some_and(|(_, taken)| *taken)
    }

    /// The receiver has it, whatever the sender hears of that.
    pub(crate) fn take(&mut self, called: &Called, says: &[Says], witness: &Witness) {
        if let Some((_, taken)) = id_of(called).and_then(|id| self.bodies.get_mut(&id)) {
            *taken = true;
        }
        self.see_ends(says);
        for one in says {
            let ids = self.taken.entry(*one).or_default();
            ids.extend(id_of(called));
            let may_come_again = matches!(one, Says::Trouble(_, "reminder" | "escalated" | "trouble"));
            witness.expect(may_come_again || ids.len() <= 1, || {
                format!("{}: {one:?} was told under several ids: {ids:?}", self.name)
            });
        }
    }

    fn see_ends(&mut self, says: &[Says]) {
        let ends = says.iter().filter_map(|one| match one {
            Says::End(incident) => Some(*incident),
            Says::Trouble(..) | Says::Report(_) => None,
        });
        self.ends_seen.extend(ends);
    }

    /// Whether it took a message that says so.
    pub(crate) fn knows(&self, is: impl Fn(Says) -> bool) -> bool {
        self.taken.keys().any(|one| is(*one))
    }

    pub(crate) fn knows_trouble(&self, incident: u64) -> bool {
        self.knows(|says| matches!(says, Says::Trouble(which, _) if which == incident))
    }

    pub(crate) fn knows_end(&self, incident: u64) -> bool {
        self.knows(|says| says == Says::End(incident))
    }

    pub(crate) fn knows_report(&self, history: u64) -> bool {
        self.knows(|says| says == Says::Report(history))
    }
}

/// What a receiver tells messages apart by: the `webhook-id`; for a pager, what it is asked to do about which key, where it
/// is asked for that only once.
fn id_of(called: &Called) -> Option<String> {
    let of_a_pager = || {
        let body: Value = serde_json::from_slice(&called.body).ok()?;
        let (key, summary) = (body["dedup_key"].as_str()?, body["payload"]["summary"].as_str()?);
        Some(format!("{key} {} {summary}", body["event_action"].as_str()?))
    };
    called.webhook_id.clone().or_else(of_a_pager)
}

/// What a body says: a `CloudEvent` of ours, or a list of an Alertmanager's alerts.
fn read(body: &[u8]) -> Option<Vec<Says>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    if let Some(alerts) = body.as_array() {
        return alerts.iter().map(read_alert).collect();
    }
    if body["dedup_key"].is_string() {
        return Some(vec![read_event(&body)?]);
    }
    let data = &body["data"];
    let kind = body["type"].as_str()?;
    let alerts = data["alerts"].as_array();
    match (kind, alerts) {
        ("breakwater.failure.recorded", _) => match data["integrationFailureHistoryIds"].as_array() {
            Some(several) => several.iter().map(|one| Some(Says::Report(one.as_u64()?))).collect(),
            None => Some(vec![Says::Report(data["integrationFailureHistoryId"].as_u64()?)]),
        },
        ("breakwater.alert.resolved", Some(alerts)) => {
            alerts.iter().map(|one| Some(Says::End(one["incident"].as_u64()?))).collect()
        }
        ("breakwater.alert.resolved", None) => Some(vec![Says::End(data["incident"].as_u64()?)]),
        (_, Some(alerts)) => {
            alerts.iter().map(|one| Some(Says::Trouble(one["incident"].as_u64()?, "trouble"))).collect()
        }
        (kind, None) => {
            let word = ["firing", "reminder", "escalated"].into_iter().find(|word| kind.ends_with(word))?;
            Some(vec![Says::Trouble(data["incident"].as_u64()?, word)])
        }
    }
}

fn read_event(event: &Value) -> Option<Says> {
    let details = &event["payload"]["custom_details"];
    let summary = event["payload"]["summary"].as_str()?;
    match (event["event_action"].as_str()?, details["incident"].as_u64()) {
        ("resolve", Some(incident)) => Some(Says::End(incident)),
        ("trigger", Some(incident)) if summary.contains("is in trouble") => Some(Says::Trouble(incident, "firing")),
        ("trigger", Some(incident)) => Some(Says::Trouble(incident, "reminder")),
        ("trigger", None) => Some(Says::Report(details["integrationFailureHistoryId"].as_u64()?)),
        _ => None,
    }
}

fn read_alert(alert: &Value) -> Option<Says> {
    let number = alert["labels"]["incident"].as_str()?.split('.').next()?;
    if let Some(report) = number.strip_prefix("report-") {
        return Some(Says::Report(report.parse().ok()?));
    }
    let incident = number.parse().ok()?;
    let is_over = alert["annotations"]["summary"].as_str()?.starts_with("Resolved");
    Some(if is_over { Says::End(incident) } else { Says::Trouble(incident, "trouble") })
}
