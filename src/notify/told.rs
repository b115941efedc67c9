//! One message, in the parts that channels put together in their own ways.
//!
//! The only place here that looks into a [`Message`], with `grouped.rs` for several in one: a channel's file knows kinds,
//! keys and words, and nothing of what a message is stored as. All of it follows from the stored delivery, so that a
//! retry says the same.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::grouped::Grouped;
use super::quote::one_line;
use super::words::{self, About, Fact};
use crate::clock;
use crate::config::template::{Context, Template};
use crate::config::{Config, Language};
use crate::domain::alert::Severity;
use crate::domain::delivery::{Alert, Delivery, Group, Message};
use crate::domain::ending::Unrecovered;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;

/// The end of an incident in the receiver's eyes, also in a text.
const RESOLVED: &str = "resolved";
/// What stands for that word in a cause ("the name could not be resolved") of a message that is none.
const INSTEAD_OF_RESOLVED: &str = "found";
/// Letters of a target's or a group's name in a sentence, which is more than any has.
pub(super) const TARGET_MAX: usize = 200;
/// A cause longer than this is cut for people; the whole of it is in the failure history.
const CAUSE_MAX: usize = 500;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An incident began.
    Firing,
    /// It still lasts.
    Reminder,
    /// It got worse, or nobody acknowledged it in time.
    Escalated,
    /// It is over.
    Resolved,
    /// An application reported a failure.
    Recorded,
    /// Somebody tries the channel.
    Test,
    /// The end of a test, for receivers that keep open what nobody closes.
    TestOver,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Reminder => "reminder",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::Recorded => "recorded",
            Self::Test | Self::TestOver => "test",
        }
    }

    /// Whether something is over.
    pub(super) const fn is_over(self) -> bool {
        match self {
            Self::Resolved | Self::TestOver => true,
            Self::Firing | Self::Reminder | Self::Escalated | Self::Recorded | Self::Test => false,
        }
    }

    pub(super) const fn is_test(self) -> bool {
        match self {
            Self::Test | Self::TestOver => true,
            Self::Firing | Self::Reminder | Self::Escalated | Self::Resolved | Self::Recorded => false,
        }
    }
}

/// What all messages of a channel have in common.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub(super) node: Arc<str>,
    pub(super) channel: Arc<str>,
    pub(super) language: Language,
    pub(super) external_url: Option<Arc<str>>,
    pub(super) template: Option<Template>,
}

/// One message in its parts.
#[derive(Debug, Clone)]
pub(super) struct Told<'a> {
    /// The message's own, the same in every attempt, and no other's: receivers drop what they have had.
    pub(super) id: String,
    /// The same for all messages of an incident, stored with it and so the same after a restart or an edit of the
    /// configuration; at most 168 characters.
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) node: &'a str,
    pub(super) correlation: &'a str,
    /// When it became due.
    pub(super) at: Timestamp,
    pub(super) incident: Option<u64>,
    pub(super) history: Option<u64>,
    pub(super) failure_type: Option<&'static str>,
    pub(super) severity: Severity,
    pub(super) target: &'a str,
    /// In full; without the word `resolved` where nothing is over.
    pub(super) cause: String,
    /// For people: in one line, cut, and never empty.
    pub(super) short_cause: String,
    pub(super) since: Timestamp,
    pub(super) until: Option<Timestamp>,
    /// The target's page.
    pub(super) link: Option<String>,
    /// Where a person can acknowledge it. Whoever has it can, so it is for people's eyes and not for logs.
    pub(super) acknowledge: Option<&'a str>,
    /// What leads there.
    pub(super) to_acknowledge: &'static str,
    /// What leads there.
    pub(super) open: &'static str,
    /// The first line for people.
    pub(super) title: String,
    /// The further ones.
    pub(super) facts: Vec<Fact>,
    /// What the user's template says instead of them.
    pub(super) custom: Option<String>,
    /// The messages that this one tells of together; what stands above is then of all of them.
    pub(super) group: Option<Box<Grouped<'a>>>,
}

/// What a message says, before it is put into words.
pub(super) struct Content<'a> {
    pub(super) kind: Kind,
    pub(super) key: String,
    pub(super) target: &'a str,
    pub(super) severity: Severity,
    pub(super) cause: Cow<'a, str>,
    pub(super) since: Timestamp,
    pub(super) until: Option<Timestamp>,
    pub(super) incident: Option<u64>,
    pub(super) history: Option<u64>,
    pub(super) failure_type: Option<&'static str>,
    pub(super) acknowledge: Option<&'a str>,
}

impl Teller {
    pub(super) fn new(config: &Config, channel: &crate::config::Channel) -> Self {
        Self {
            node: config.node.name.clone(),
            channel: channel.name.clone(),
            language: config.alerting.language,
            external_url: config.alerting.external_url.clone(),
            template: channel.template.clone(),
        }
    }

    /// A delivery in its parts.
    pub(super) fn tell<'a>(&'a self, delivery: &'a Delivery) -> Told<'a> {
        let id = id_of(delivery.id, delivery.queued_at);
        let correlation = &*delivery.correlation.0;
        match Content::of(&delivery.message) {
            Ok(content) => self.put(id, delivery.queued_at, correlation, content, self.template.as_ref()),
            Err(group) => self.tell_together(id, delivery, group),
        }
    }

    /// An incident that goes on, said again to a receiver that forgets.
    pub(super) fn tell_again<'a>(&'a self, alert: &'a Alert, until: Option<Timestamp>, now: Timestamp) -> Told<'a> {
        let kind = if until.is_some() { Kind::Resolved } else { Kind::Firing };
        let content = of_incident(alert, kind, until);
        self.put(format!("again-{}", alert.incident), now, "", content, self.template.as_ref())
    }

    /// A message that is none.
    pub(super) fn test(&self, kind: Kind, now: Timestamp) -> Told<'_> {
        let content = Content {
            kind,
            key: key("test", &self.channel, now),
            target: "test",
            severity: Severity::Info,
            cause: Cow::Borrowed(words::test(self.language)),
            since: now,
            until: kind.is_over().then_some(now),
            incident: None,
            history: None,
            failure_type: None,
            acknowledge: None,
        };
        self.put(format!("test-{}", millis(now)), now, "", content, self.template.as_ref())
    }

    /// A message in its parts, with what `template` says of it.
    pub(super) fn put<'a>(
        &'a self,
        id: String,
        at: Timestamp,
        correlation: &'a str,
        content: Content<'a>,
        template: Option<&Template>,
    ) -> Told<'a> {
        let Content { kind, key, target, severity, cause, since, until, incident, history, failure_type, acknowledge } =
            content;
        let cause = if kind.is_over() { cause.into_owned() } else { without_resolved(&cause) };
        let short_cause = Some(one_line(&cause, CAUSE_MAX)).filter(|cause| !cause.is_empty());
        let short_cause = short_cause.unwrap_or_else(|| words::no_cause(self.language).to_owned());
        let about = About {
            kind,
            target: &one_line(target, TARGET_MAX),
            channel: &self.channel,
            node: &self.node,
            cause: &short_cause,
            severity,
            since: to_the_second(since),
            until: until.map(to_the_second),
            lasted: until.filter(|_| !kind.is_test()).map(|until| whole_second(until).since(whole_second(since))),
            incident,
            history,
            failure_type,
            unrecovered: Unrecovered::of(&cause).filter(|_| kind.is_over()),
        };
        let (title, facts) = (words::title(self.language, &about), words::facts(self.language, &about));
        let open = words::open(self.language);
        let link = self.external_url.as_ref().filter(|_| !kind.is_test()).map(|base| link(base, target));
        let node = &*self.node;
        let mut told = Told {
            id,
            key,
            kind,
            node,
            correlation,
            at,
            incident,
            history,
            failure_type,
            severity,
            target,
            cause,
            short_cause,
            since,
            until,
            link,
            acknowledge,
            to_acknowledge: words::to_acknowledge(self.language),
            open,
            title,
            facts,
            custom: None,
            group: None,
        };
        told.custom = template.and_then(|template| self.custom(template, &told));
        told
    }

    /// A template was tried with every kind of message before. If it fails all the same, or says nothing (which most
    /// receivers refuse), our own words are better than none.
    pub(super) fn custom(&self, template: &Template, told: &Told<'_>) -> Option<String> {
        let rendered = template.render(&self.context(told));
        let rendered =
            rendered.inspect_err(|error| tracing::error!(channel = %self.channel, %error, "the template gave nothing"));
        rendered.ok().filter(|text| !text.trim().is_empty())
    }

    fn context<'a>(&'a self, told: &'a Told<'_>) -> Context<'a> {
        let members = told.group.as_ref().map_or(&[][..], |group| &group.members);
        Context {
            id: &told.id,
            kind: told.kind.as_str(),
            status: told.status(),
            key: &told.key,
            incident: told.incident,
            history: told.history,
            failure_type: told.failure_type,
            severity: told.severity.as_str(),
            target: told.target,
            cause: &told.cause,
            since: clock::format(told.since),
            until: told.until.map(clock::format),
            link: told.link.as_deref(),
            acknowledge: told.acknowledge,
            node: told.node,
            channel: &self.channel,
            correlation: told.correlation,
            title: &told.title,
            lines: told.lines().collect(),
            group: told.group.as_ref().map(|group| group.name),
            count: told.group.as_ref().map(|group| group.count),
            alerts: members.iter().map(|member| self.context(member)).collect(),
        }
    }
}

impl Told<'_> {
    /// `firing` or `resolved`; what is no incident has none.
    pub(super) const fn status(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Firing | Kind::Reminder | Kind::Escalated => Some("firing"),
            Kind::Resolved => Some(RESOLVED),
            Kind::Recorded | Kind::Test | Kind::TestOver => None,
        }
    }

    /// The further lines for people, each with its label.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.facts.iter().map(Fact::line)
    }

    /// The further lines as one text, or what the user says instead.
    pub(super) fn text(&self) -> String {
        match &self.custom {
            Some(text) => text.clone(),
            None => self.lines().collect::<Vec<_>>().join("\n"),
        }
    }

    /// Where to acknowledge it, as a line of a plain text; a user's template has its own place for it.
    pub(super) fn acknowledge_line(&self) -> Option<String> {
        let url = self.acknowledge.filter(|_| self.custom.is_none())?;
        Some(format!("{}: {url}", self.to_acknowledge))
    }

    /// Each message that this one tells of: itself, or a group's.
    pub(super) fn each(&self) -> &[Self] {
        self.group.as_ref().map_or(std::slice::from_ref(self), |group| &group.members)
    }

    /// A colour that says how it is: red, orange, blue, green.
    pub(super) const fn colour(&self) -> &'static str {
        match (self.kind, self.severity) {
            (Kind::Resolved | Kind::TestOver, _) => "#2eb67d",
            (_, Severity::Critical) => "#e01e5a",
            (_, Severity::Warning) => "#ecb22e",
            (_, Severity::Info) => "#36c5f0",
        }
    }
}

impl<'a> Content<'a> {
    /// What a message says, or the group that it is.
    pub(super) fn of(message: &'a Message) -> Result<Self, &'a Group> {
        Ok(match message {
            Message::Firing(alert) => of_incident(alert, Kind::Firing, None),
            Message::Reminder(alert) => of_incident(alert, Kind::Reminder, None),
            Message::Escalated(alert) => of_incident(alert, Kind::Escalated, None),
            Message::Resolved { alert, until } => of_incident(alert, Kind::Resolved, Some(*until)),
            Message::FailureRecorded { history, failure_type, target, severity, cause, occurred_at } => Self {
                kind: Kind::Recorded,
                key: key(target, &format!("report-{}", history.0), *occurred_at),
                target,
                severity: *severity,
                cause: Cow::Borrowed(cause),
                since: *occurred_at,
                until: None,
                incident: None,
                history: Some(history.0),
                failure_type: Some(failure_type.as_str()),
                acknowledge: None,
            },
            Message::Grouped(group) => return Err(group),
        })
    }
}

fn of_incident(alert: &Alert, kind: Kind, until: Option<Timestamp>) -> Content<'_> {
    let Alert { incident, severity, target, cause, since, acknowledge } = alert;
    Content {
        kind,
        key: key(target, &incident.to_string(), *since),
        target,
        severity: *severity,
        cause: Cow::Borrowed(cause),
        since: *since,
        until,
        incident: Some(incident.0),
        history: None,
        failure_type: None,
        acknowledge: acknowledge.as_deref().filter(|_| !kind.is_over()),
    }
}

/// A time as people are told it. Programs get the whole of it.
pub(super) fn to_the_second(time: Timestamp) -> String {
    clock::format(whole_second(time))
}

const fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos() - time.as_nanos().rem_euclid(1_000_000_000))
}

/// A message's id. The time is in it since each store counts from 1: of two nodes, or of a node with a new store, a
/// receiver that drops what it has had would drop the first messages of one.
pub(super) fn id_of(id: DeliveryId, queued_at: Timestamp) -> String {
    format!("n-{id}-{}", millis(queued_at))
}

/// The receiver's key. The time is in it so that two nodes, or a node with a new store, never share one.
pub(super) fn key(target: &str, what: &str, since: Timestamp) -> String {
    format!("breakwater/{target}/{what}.{}", millis(since))
}

const fn millis(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000)
}

fn link(base: &str, target: &str) -> String {
    format!(
        "{base}/targets/{}",
        utf8_percent_encode(target, NON_ALPHANUMERIC)
            .to_string()
            .replace("%5F", "_")
            .replace("%2D", "-")
            .replace("%2E", ".")
    )
}

/// `cause` without the word that means the end of an incident, in any case of its letters.
fn without_resolved(cause: &str) -> String {
    let mut rest = cause;
    let mut clean = String::with_capacity(cause.len());
    while let Some(at) = rest.to_ascii_lowercase().find(RESOLVED) {
        clean.push_str(&rest[..at]);
        clean.push_str(INSTEAD_OF_RESOLVED);
        rest = &rest[at + RESOLVED.len()..];
    }
    clean.push_str(rest);
    clean
}
