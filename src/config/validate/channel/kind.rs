//! What every channel has, and which file reads the rest.

use std::time::Duration;

use super::{alertmanager, email, exec, keys, services, webhook};
use crate::config::channel::{Channel, ChannelKind, Grouping, Hook, Rate};
use crate::config::raw::section::Section;
use crate::config::template::Escaping;
use crate::config::validate::attachments::Attachments;

/// The deadline of an attempt where none is given.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What kinds are read with.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) attachments: &'a Attachments,
    /// Whether programs may be started.
    pub(super) allow_exec: bool,
}

/// The word, how its values are escaped in a template (nothing where it takes none), and how much its vendor takes.
#[derive(Clone, Copy)]
struct Kind {
    word: Word,
    template: Option<Escaping>,
    rate: Option<Rate>,
}

#[derive(Clone, Copy)]
enum Word {
    Log,
    Webhook,
    Alertmanager,
    Slack,
    Discord,
    Teams,
    Mattermost,
    Telegram,
    PagerDuty,
    Opsgenie,
    Ntfy,
    KakaoTalk,
    Email,
    Exec,
}

const fn kind(word: Word, template: Option<Escaping>, rate: Option<Rate>) -> Kind {
    Kind { word, template, rate }
}

const fn rate(count: u32, per: Duration) -> Option<Rate> {
    Some(Rate { count, per })
}

/// Every kind, with what its vendor publishes:
/// Slack 1/s for each webhook (<https://docs.slack.dev/apis/web-api/rate-limits>); Discord 30/m for each webhook;
/// Teams 4/s, and a workflow's own quota of 100/m at the lowest
/// (<https://learn.microsoft.com/power-automate/limits-and-config>); Telegram 20/m in a group
/// (<https://core.telegram.org/bots/faq>); PagerDuty 120/m for each integration; ntfy 60 at once and then one in 5 s
/// (<https://docs.ntfy.sh/publish/#limitations>). KakaoTalk's is a quota of the day, told in its answers. The others
/// publish none; theirs is what a person can still read.
const KINDS: [(&str, Kind); 14] = [
    ("webhook", kind(Word::Webhook, Some(Escaping::Json), None)),
    ("log", kind(Word::Log, None, None)),
    ("alertmanager", kind(Word::Alertmanager, None, None)),
    ("slack", kind(Word::Slack, Some(Escaping::Slack), rate(1, SECOND))),
    ("discord", kind(Word::Discord, Some(Escaping::Markdown), rate(30, MINUTE))),
    ("teams", kind(Word::Teams, Some(Escaping::Markdown), rate(60, MINUTE))),
    ("telegram", kind(Word::Telegram, Some(Escaping::Mentions), rate(20, MINUTE))),
    ("pagerduty", kind(Word::PagerDuty, None, rate(120, MINUTE))),
    ("opsgenie", kind(Word::Opsgenie, None, rate(60, MINUTE))),
    ("mattermost", kind(Word::Mattermost, Some(Escaping::Markdown), rate(10, SECOND))),
    ("ntfy", kind(Word::Ntfy, Some(Escaping::Plain), rate(12, MINUTE))),
    ("kakaotalk", kind(Word::KakaoTalk, Some(Escaping::Plain), rate(1, SECOND))),
    ("email", kind(Word::Email, Some(Escaping::Plain), rate(60, MINUTE))),
    ("exec", kind(Word::Exec, None, rate(10, SECOND))),
];

/// Reads everything of a channel but its name, which is left empty, and what leaves together.
pub(super) fn read(section: &mut Section<'_>, known: Known<'_>) -> Option<Channel> {
    let field = section.require("kind", "Write kind = \"webhook\", \"slack\", \"email\" or another one");
    let Some(Kind { word, template, rate }) = field.as_ref().and_then(|field| field.word(&KINDS)) else {
        // Nobody can say whether the keys of a kind that is not known are right, so they are not told of.
        keys::forgive(section);
        return None;
    };
    let attachments = known.attachments;
    let hook = |section: &mut Section<'_>| keys::secret_url(section, attachments).map(|url| Hook { url });
    let kind = match word {
        Word::Log => return Some(channel(ChannelKind::Log)),
        Word::Webhook => webhook::read(section, attachments).map(ChannelKind::Webhook),
        Word::Alertmanager => alertmanager::read(section, attachments).map(ChannelKind::Alertmanager),
        Word::Slack => hook(section).map(ChannelKind::Slack),
        Word::Discord => hook(section).map(ChannelKind::Discord),
        Word::Teams => hook(section).map(ChannelKind::Teams),
        Word::Mattermost => hook(section).map(ChannelKind::Mattermost),
        Word::Telegram => services::telegram(section, attachments).map(ChannelKind::Telegram),
        Word::PagerDuty => services::pagerduty(section, attachments).map(ChannelKind::PagerDuty),
        Word::Opsgenie => services::opsgenie(section, attachments).map(ChannelKind::Opsgenie),
        Word::Ntfy => services::ntfy(section, attachments).map(ChannelKind::Ntfy),
        Word::KakaoTalk => services::kakaotalk(section, attachments).map(ChannelKind::KakaoTalk),
        Word::Email => email::read(section, attachments).map(|email| ChannelKind::Email(Box::new(email))),
        Word::Exec => exec::read(section, known.allow_exec).map(ChannelKind::Exec),
    };
    let timeout = section.take("timeout").and_then(|field| field.duration(Duration::from_millis(100)..=MINUTE));
    let rate_limit = keys::rate_limit(section, rate);
    let template =
        template.and_then(|escaping| keys::template(section, escaping_of(kind.as_ref(), escaping), attachments));
    Some(Channel { timeout: timeout.unwrap_or(TIMEOUT), rate_limit, template, ..channel(kind?) })
}

/// A webhook's body may be something else than JSON.
fn escaping_of(kind: Option<&ChannelKind>, usual: Escaping) -> Escaping {
    if let Some(ChannelKind::Webhook(webhook)) = kind
        && !webhook.content_type.to_ascii_lowercase().contains("json")
    {
        return Escaping::Plain;
    }
    usual
}

fn channel(kind: ChannelKind) -> Channel {
    let grouping = Grouping::default();
    Channel { name: "".into(), kind, timeout: TIMEOUT, rate_limit: None, template: None, grouping }
}
