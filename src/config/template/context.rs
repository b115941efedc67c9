//! What a template may name.

use serde::Serialize;

/// One message, as templates see it. What a message does not have is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context<'a> {
    /// The message's own id, the same in every attempt.
    pub id: &'a str,
    /// `firing`, `reminder`, `resolved`, `recorded` or `test`.
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
    /// The target's name.
    pub target: &'a str,
    /// Why.
    pub cause: &'a str,
    /// Since when, RFC 3339 in UTC.
    pub since: &'a str,
    /// Until when, once it is over.
    pub until: Option<&'a str>,
    /// The target's page, where `external_url` is set.
    pub link: Option<&'a str>,
    /// This node's name.
    pub node: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// What it belongs together with.
    pub correlation: &'a str,
    /// Our own first line.
    pub title: &'a str,
    /// Our own further lines.
    pub lines: &'a [String],
}

impl Context<'static> {
    /// An example of every message.
    pub(super) fn examples() -> Vec<Self> {
        let firing = Self {
            id: "n-41.1",
            kind: "firing",
            status: Some("firing"),
            key: "breakwater/PG_KCP/7.1717236000250",
            incident: Some(7),
            history: None,
            failure_type: None,
            severity: "critical",
            target: "PG_KCP",
            cause: "3 probes in a row failed: \"503\" <html> & 'more'",
            since: "2024-06-01T10:00:00.25Z",
            until: None,
            link: Some("https://breakwater.example/targets/PG_KCP"),
            node: "breakwater-1",
            channel: "ops",
            correlation: "018fd3a0-7000-7000-8000-000000000001",
            title: "PG_KCP is in trouble",
            lines: &[],
        };
        let resolved = Self {
            kind: "resolved",
            status: Some("resolved"),
            until: Some("2024-06-01T10:05:00Z"),
            link: None,
            ..firing.clone()
        };
        let recorded = Self {
            kind: "recorded",
            status: None,
            incident: None,
            history: Some(12),
            failure_type: Some("LOCATION_WEATHER_API"),
            ..firing.clone()
        };
        let test = Self { kind: "test", status: None, incident: None, ..firing.clone() };
        vec![Self { kind: "reminder", ..firing.clone() }, firing, resolved, recorded, test]
    }
}
