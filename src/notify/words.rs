//! What people are told, in their language: the only place with sentences for them.
//!
//! The word `resolved` stands in messages of an incident's end and in no other, since people and programs look for it.

use std::borrow::Cow;
use std::time::Duration;

use super::told::Kind;
use crate::config::Language;
use crate::domain::alert::Severity;
use crate::domain::delivery::Of;
use crate::domain::ending::Unrecovered;

/// A line with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) label: Cow<'static, str>,
    pub(super) value: String,
}

/// Stands for a label where there is only a value.
const ELLIPSIS: &str = "…";

impl Fact {
    /// Both in one line.
    pub(super) fn line(&self) -> String {
        let Self { label, value } = self;
        if label == ELLIPSIS { value.clone() } else { format!("{label}: {value}") }
    }
}

/// What a message is about, to be put into words.
pub(super) struct About<'a> {
    pub(super) kind: Kind,
    pub(super) target: &'a str,
    pub(super) channel: &'a str,
    pub(super) node: &'a str,
    pub(super) cause: &'a str,
    pub(super) severity: Severity,
    pub(super) since: String,
    pub(super) until: Option<String>,
    pub(super) lasted: Option<Duration>,
    pub(super) incident: Option<u64>,
    pub(super) history: Option<u64>,
    pub(super) failure_type: Option<&'static str>,
    /// Of an end that is no recovery.
    pub(super) unrecovered: Option<Unrecovered>,
}

/// The first line.
pub(super) fn title(language: Language, about: &About<'_>) -> String {
    let About { target, channel, .. } = about;
    match (language, about.kind) {
        (Language::English, Kind::Firing) => format!("{target} is in trouble"),
        (Language::English, Kind::Reminder) => format!("{target} is still in trouble"),
        (Language::English, Kind::Escalated) => format!("{target} got worse, or nobody has acknowledged it"),
        (Language::English, Kind::Resolved) => format!("Resolved: {target} {}", ended(about.unrecovered)),
        (Language::English, Kind::Recorded) => format!("{target}: a failure was reported"),
        (Language::English, Kind::Test) => format!("Test of the channel {channel}"),
        (Language::English, Kind::TestOver) => format!("Resolved: test of the channel {channel}"),
        (Language::Korean, Kind::Firing) => format!("{target} 장애 발생"),
        (Language::Korean, Kind::Reminder) => format!("{target} 장애 계속"),
        (Language::Korean, Kind::Escalated) => format!("{target} 장애 악화 또는 미확인"),
        (Language::Korean, Kind::Resolved) => match about.unrecovered {
            None => format!("{target} 장애 해소 (resolved)"),
            Some(Unrecovered::NotWatched) => format!("{target} 감시 종료 (resolved)"),
            Some(Unrecovered::NotAlertedOn) => format!("{target} 알림 종료, 장애 계속 (resolved)"),
        },
        (Language::Korean, Kind::Recorded) => format!("{target} 장애 접수"),
        (Language::Korean, Kind::Test) => format!("{channel} 채널 시험"),
        (Language::Korean, Kind::TestOver) => format!("{channel} 채널 시험 종료 (resolved)"),
    }
}

/// How a target is whose incident is over, in English.
pub(super) const fn ended(unrecovered: Option<Unrecovered>) -> &'static str {
    match unrecovered {
        None => "is well again",
        Some(Unrecovered::NotWatched) => "is not watched any more",
        Some(Unrecovered::NotAlertedOn) => "is not alerted on any more, though its trouble lasts",
    }
}

/// The first line of a message that tells of several: of so many targets, or reports, in the group of this name; of ends,
/// whether all of them recovered.
pub(super) fn group_title(language: Language, of: Of, name: &str, count: u64, recovered: bool) -> String {
    let (english, korean) = match name {
        "" => (String::new(), String::new()),
        name => (format!(" in {name}"), format!("{name}: ")),
    };
    let (noun, are) = if count == 1 { ("target", "is") } else { ("targets", "are") };
    let (failures, were) = if count == 1 { ("failure", "was") } else { ("failures", "were") };
    match (language, of) {
        (Language::English, Of::Trouble) => format!("{count} {noun}{english} {are} in trouble"),
        (Language::English, Of::Ends) if recovered => format!("Resolved: {count} {noun}{english} {are} well again"),
        (Language::English, Of::Ends) => format!("Resolved: alerts of {count} {noun}{english} have ended"),
        (Language::English, Of::Reports) => format!("{count} {failures}{english} {were} reported"),
        (Language::Korean, Of::Trouble) => format!("{korean}{count}곳 장애 발생"),
        (Language::Korean, Of::Ends) if recovered => format!("{korean}{count}곳 장애 해소 (resolved)"),
        (Language::Korean, Of::Ends) => format!("{korean}{count}곳 알림 종료 (resolved)"),
        (Language::Korean, Of::Reports) => format!("{korean}장애 {count}건 접수"),
    }
}

/// A group's message in one line.
pub(super) fn member(language: Language, about: &About<'_>) -> Fact {
    let About { cause, since, .. } = about;
    let until = about.until.as_deref().unwrap_or_default();
    let value = match (language, about.kind) {
        (Language::English, Kind::Firing | Kind::Test) => format!("{cause}, since {since}"),
        (Language::English, Kind::Reminder) => format!("still in trouble: {cause}, since {since}"),
        (Language::English, Kind::Escalated) => format!("worse, or not acknowledged: {cause}, since {since}"),
        (Language::English, Kind::Resolved | Kind::TestOver) => format!("{cause}, from {since} until {until}"),
        (Language::English, Kind::Recorded) => format!("{cause}, at {since}"),
        (Language::Korean, Kind::Firing | Kind::Test) => format!("{cause}, {since}부터"),
        (Language::Korean, Kind::Reminder) => format!("장애 계속: {cause}, {since}부터"),
        (Language::Korean, Kind::Escalated) => format!("악화 또는 미확인: {cause}, {since}부터"),
        (Language::Korean, Kind::Resolved | Kind::TestOver) => format!("{cause}, {since}부터 {until}까지"),
        (Language::Korean, Kind::Recorded) => format!("{cause}, {since}"),
    };
    Fact { label: Cow::Owned(about.target.to_owned()), value }
}

/// How many of a group are not told one by one.
pub(super) fn more(language: Language, count: u64) -> Fact {
    let value = match language {
        Language::English => format!("and {count} more"),
        Language::Korean => format!("외 {count}건"),
    };
    Fact { label: Cow::Borrowed(ELLIPSIS), value }
}

/// What stands for a cause that nobody gave: vendors refuse a field without a text.
pub(super) const fn no_cause(language: Language) -> &'static str {
    match language {
        Language::English => "no reason was given",
        Language::Korean => "원인 미상",
    }
}

/// What a test says where others say why.
pub(super) const fn test(language: Language) -> &'static str {
    match language {
        Language::English => "Somebody asked whether this channel works. It does. Nothing is wrong.",
        Language::Korean => "채널이 동작하는지 확인하는 메시지입니다. 장애가 아닙니다.",
    }
}

/// The further lines: why, since when, how bad, and its number.
pub(super) fn facts(language: Language, about: &About<'_>) -> Vec<Fact> {
    let labels = Labels::of(language);
    let fact = |label: &'static str, value: &str| Fact { label: Cow::Borrowed(label), value: value.to_owned() };
    let mut facts = vec![fact(if about.kind.is_test() { labels.test } else { labels.cause }, about.cause)];
    if about.kind.is_test() {
        facts.push(fact(labels.node, about.node));
        facts.push(fact(labels.at, &about.since));
        return facts;
    }
    facts.push(fact(if about.kind == Kind::Recorded { labels.at } else { labels.since }, &about.since));
    if let Some(until) = &about.until {
        facts.push(fact(labels.until, until));
    }
    if let Some(lasted) = about.lasted {
        facts.push(fact(labels.lasted, &in_words(language, lasted)));
    }
    if let Some(failure_type) = about.failure_type {
        facts.push(fact(labels.failure_type, failure_type));
    } else {
        facts.push(fact(labels.severity, severity(language, about.severity)));
    }
    if let Some(incident) = about.incident {
        facts.push(fact(labels.incident, &incident.to_string()));
    }
    if let Some(history) = about.history {
        facts.push(fact(labels.history, &history.to_string()));
    }
    facts
}

/// What leads to the target's page.
pub(super) const fn open(language: Language) -> &'static str {
    match language {
        Language::English => "Open in Breakwater",
        Language::Korean => "Breakwater에서 보기",
    }
}

/// What leads to where it is acknowledged.
pub(super) const fn to_acknowledge(language: Language) -> &'static str {
    match language {
        Language::English => "Acknowledge",
        Language::Korean => "확인 처리",
    }
}

struct Labels {
    cause: &'static str,
    test: &'static str,
    node: &'static str,
    at: &'static str,
    since: &'static str,
    until: &'static str,
    lasted: &'static str,
    severity: &'static str,
    failure_type: &'static str,
    incident: &'static str,
    history: &'static str,
}

impl Labels {
    const fn of(language: Language) -> Self {
        match language {
            Language::English => Self {
                cause: "Cause",
                test: "What",
                node: "Node",
                at: "At",
                since: "Since",
                until: "Until",
                lasted: "Lasted",
                severity: "Severity",
                failure_type: "Kind",
                incident: "Incident",
                history: "Failure history",
            },
            Language::Korean => Self {
                cause: "원인",
                test: "내용",
                node: "노드",
                at: "시각",
                since: "시작",
                until: "종료",
                lasted: "지속",
                severity: "심각도",
                failure_type: "종류",
                incident: "인시던트",
                history: "장애 이력",
            },
        }
    }
}

const fn severity(language: Language, severity: Severity) -> &'static str {
    match (language, severity) {
        (Language::English, severity) => severity.as_str(),
        (Language::Korean, Severity::Critical) => "심각",
        (Language::Korean, Severity::Warning) => "경고",
        (Language::Korean, Severity::Info) => "정보",
    }
}

/// A time span by its two largest units.
fn in_words(language: Language, span: Duration) -> String {
    let seconds = span.as_secs();
    let units = match language {
        Language::English => [" d", " h", " min", " s"],
        Language::Korean => ["일", "시간", "분", "초"],
    };
    let parts = [seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
    let first = parts.iter().position(|part| *part > 0).unwrap_or(3);
    let shown = parts.iter().zip(units).skip(first).take(2).filter(|(part, _)| **part > 0 || seconds == 0);
    shown.map(|(part, unit)| format!("{part}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::examples::{alert, at, delivery, group, recorded, resolved, teller};
    use super::*;
    use crate::domain::delivery::{Alert, Message};

    fn title_of(language: Language, message: Message) -> String {
        teller(language).tell(&delivery(message)).title
    }

    #[test]
    fn an_end_that_is_no_recovery_is_not_called_one() {
        let end = |how: Unrecovered| {
            let cause = how.cause("503").into();
            Message::Resolved { alert: Alert { cause, ..alert() }, until: at("2024-06-01T10:05:00Z") }
        };
        let titles: Vec<String> = [Language::English, Language::Korean]
            .into_iter()
            .flat_map(|language| {
                let both = [end(Unrecovered::NotWatched), end(Unrecovered::NotAlertedOn)];
                let groups = [vec![resolved()], vec![resolved(), end(Unrecovered::NotWatched)]];
                both.into_iter().chain(groups.map(|ends| group(Of::Ends, ends))).map(move |end| title_of(language, end))
            })
            .collect();
        insta::assert_snapshot!(titles.join("\n"), @r"
        Resolved: PG_KCP is not watched any more
        Resolved: PG_KCP is not alerted on any more, though its trouble lasts
        Resolved: 1 target in payments is well again
        Resolved: alerts of 1 target in payments have ended
        PG_KCP 감시 종료 (resolved)
        PG_KCP 알림 종료, 장애 계속 (resolved)
        payments: 1곳 장애 해소 (resolved)
        payments: 1곳 알림 종료 (resolved)
        ");
    }

    #[test]
    fn a_name_cannot_turn_a_title_around_or_break_it() {
        let Message::FailureRecorded { history, failure_type, severity, cause, occurred_at, .. } = recorded() else {
            unreachable!("it is a report");
        };
        let target = "A\u{202e}B\u{2028}C".into();
        let message = Message::FailureRecorded { history, failure_type, target, severity, cause, occurred_at };
        assert_eq!(title_of(Language::English, message.clone()), "A B C: a failure was reported");
        let told = teller(Language::English).tell(&delivery(group(Of::Reports, vec![message]))).facts[0].line();
        assert!(told.starts_with("A B C: "), "{told}");
    }

    #[test]
    fn a_time_span_is_told_by_its_two_largest_units() {
        for (seconds, english, korean) in [
            (0, "0 s", "0초"),
            (59, "59 s", "59초"),
            (300, "5 min", "5분"),
            (3_725, "1 h 2 min", "1시간 2분"),
            (90_000, "1 d 1 h", "1일 1시간"),
        ] {
            let span = Duration::from_secs(seconds);
            assert_eq!(in_words(Language::English, span), english);
            assert_eq!(in_words(Language::Korean, span), korean);
        }
    }
}
