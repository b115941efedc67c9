//! What a template may name.

use serde::Serialize;

/// One message, as templates see it. What a message does not have is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context<'a> {
    /// The message's own id, the same in every attempt.
    pub id: &'a str,
    /// `firing`, `reminder`, `escalated`, `resolved`, `recorded` or `test`; of a group what it holds.
    pub kind: &'a str,
    /// `firing` or `resolved`; none for what is no incident.
    pub status: Option<&'a str>,
    /// The same for all messages of an incident.
    pub key: &'a str,
    /// The incident's number.
    pub incident: Option<u64>,
    /// The failure history's number, of a reported failure.
    pub history: Option<u64>,
    /// Of a reported failure.
    pub failure_type: Option<&'a str>,
    /// `critical`, `warning` or `info`.
    pub severity: &'a str,
    /// The target's name; of a group its name.
    pub target: &'a str,
    /// Why.
    pub cause: &'a str,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// Until when, once it is over.
    pub until: Option<String>,
    /// The target's page, where `external_url` is set.
    pub link: Option<&'a str>,
    /// Where a person can acknowledge it, where `external_url` is set and it lasts.
    pub acknowledge: Option<&'a str>,
    /// This node's name.
    pub node: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// What it belongs together with.
    pub correlation: &'a str,
    /// Our own first line.
    pub title: &'a str,
    /// Our own further lines.
    pub lines: Vec<String>,
    /// Of several messages in one: what they are grouped by, in words, empty for everything.
    pub group: Option<&'a str>,
    /// How many they are.
    pub count: Option<u32>,
    /// The first of them, at most 100, each with all that stands here.
    pub alerts: Vec<Self>,
}

impl Context<'_> {
    /// Every link in it.
    pub(super) fn links(&self) -> Vec<String> {
        let own = self.link.into_iter().chain(self.acknowledge).map(str::to_owned);
        own.chain(self.alerts.iter().flat_map(Self::links)).collect()
    }
}

/// So many of our own lines.
fn lines(count: usize) -> Vec<String> {
    vec!["Cause: 3 probes in a row failed: \"503\"".to_owned(); count]
}

impl Context<'static> {
    /// An example of every message, each with as many lines as it has, and every severity among them.
    pub(super) fn examples() -> Vec<Self> {
        let firing = Self {
            id: "n-41.1-1717236003000",
            kind: "firing",
            status: Some("firing"),
            key: "breakwater/PG_KCP/7.1717236000250",
            incident: Some(7),
            history: None,
            failure_type: None,
            severity: "critical",
            target: "PG_KCP",
            cause: "3 probes in a row failed: \"503\" <html> & 'more'",
            since: "2024-06-01T10:00:00.25Z".to_owned(),
            until: None,
            link: Some("https://breakwater.example/targets/PG_KCP"),
            acknowledge: Some("https://breakwater.example/alerts/7/acknowledge?token=t"),
            node: "breakwater-1",
            channel: "ops",
            correlation: "018fd3a0-7000-7000-8000-000000000001",
            title: "PG_KCP is in trouble",
            lines: lines(4),
            group: None,
            count: None,
            alerts: vec![],
        };
        let resolved = Self {
            kind: "resolved",
            status: Some("resolved"),
            until: Some("2024-06-01T10:05:00Z".to_owned()),
            lines: lines(6),
            link: None,
            acknowledge: None,
            ..firing.clone()
        };
        let recorded = Self {
            kind: "recorded",
            status: None,
            incident: None,
            acknowledge: None,
            history: Some(12),
            failure_type: Some("LOCATION_WEATHER_API"),
            severity: "warning",
            ..firing.clone()
        };
        let test = Self {
            kind: "test",
            status: None,
            incident: None,
            severity: "info",
            link: None,
            acknowledge: None,
            lines: lines(3),
            ..firing.clone()
        };
        let group = Self {
            incident: None,
            target: "payments",
            title: "2 targets in payments are in trouble",
            acknowledge: None,
            group: Some("payments"),
            count: Some(2),
            lines: lines(2),
            alerts: vec![firing.clone(), firing.clone()],
            ..firing.clone()
        };
        let (reminder, escalated) =
            (Self { kind: "reminder", ..firing.clone() }, Self { kind: "escalated", ..firing.clone() });
        vec![reminder, firing, escalated, resolved, recorded, test, group]
    }
}
