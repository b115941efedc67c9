//! The page's alerts: what fires and who has seen it, what is held back, and what could not be told.
//!
//! Buttons are plain forms that work without JavaScript. They are refused from pages of other sites (`request`), and not
//! shown where nobody may operate without a token.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Escaped, ago_words, span_words, whole_seconds};
use crate::actors::board::Slot;
use crate::actors::quiet::Listed;
use crate::clock::Rfc3339;
use crate::config::Scope;
use crate::domain::alert::Incident;
use crate::domain::quiet::{Kind, Matcher};
use crate::domain::time::Timestamp;
use crate::http::channels;
use crate::http::dto::channel::{ChannelState, ChannelWord};
use crate::http::state::Http;

/// Alerts on the page, those that nobody has seen first: more would not be read in an outage.
const FIRING_MAX: usize = 50;
/// Silences and windows on the page, those that end first.
const QUIETS_MAX: usize = 20;

/// What is shown.
#[derive(Default)]
pub(super) struct Alerts {
    pub(super) firing: Vec<Firing>,
    pub(super) firing_total: usize,
    pub(super) quiets: Vec<Quieted>,
    pub(super) quiets_total: usize,
    /// Those with something to say.
    pub(super) channels: Vec<ChannelState>,
    pub(super) may_operate: bool,
}

/// One alert.
pub(super) struct Firing {
    pub(super) id: u64,
    pub(super) target: Arc<str>,
    pub(super) severity: &'static str,
    pub(super) cause: Box<str>,
    pub(super) since: Timestamp,
    /// Who has seen it, and what he said.
    pub(super) seen: Option<(Box<str>, Box<str>)>,
}

/// One silence or window.
pub(super) struct Quieted {
    pub(super) kind: Kind,
    pub(super) matchers: String,
    pub(super) comment: Box<str>,
    pub(super) by: Box<str>,
    pub(super) until: Timestamp,
}

impl Alerts {
    pub(super) fn of(http: &Http, slots: &[Arc<Slot>], now: Timestamp) -> Self {
        // Sorted by little: of ten thousand only the first are written out.
        let key = |incident: &Incident| (incident.acknowledged.is_some(), incident.severity, Reverse(incident.id));
        let in_trouble = |slot: &Arc<Slot>| slot.live(|live| live.watch.incident.as_deref().map(key));
        let mut firing: Vec<_> = slots.iter().filter_map(|slot| Some((in_trouble(slot)?, slot))).collect();
        firing.sort_unstable_by_key(|(key, _)| *key);
        let firing_total = firing.len();
        let shown = firing.into_iter().take(FIRING_MAX).filter_map(|(_, slot)| Firing::of(slot)).collect();
        let mut quiets: Vec<Quieted> = [Kind::Silence, Kind::Maintenance]
            .into_iter()
            .flat_map(|kind| http.board.quiets().list(kind, now))
            .filter_map(|listed| Quieted::of(&listed, now))
            .collect();
        quiets.sort_by_key(|quiet| quiet.until);
        let quiets_total = quiets.len();
        quiets.truncate(QUIETS_MAX);
        let mut channels = channels::states(http);
        channels
            .retain(|channel| channel.waiting > 0 || channel.dead_letters > 0 || channel.state == ChannelWord::Failing);
        let may_operate = http.config.load().http.anonymous.contains(&Scope::Operate);
        Self { firing: shown, firing_total, quiets, quiets_total, channels, may_operate }
    }
}

impl Firing {
    fn of(slot: &Slot) -> Option<Self> {
        slot.live(|live| {
            let incident = live.watch.incident.as_deref()?;
            Some(Self {
                id: incident.id.0,
                target: slot.name.clone(),
                severity: incident.severity.as_str(),
                cause: incident.cause.as_ref().into(),
                since: incident.since,
                seen: incident.acknowledged.as_deref().map(|by| (by.who.clone(), by.comment.clone())),
            })
        })
    }
}

impl Quieted {
    /// If it holds now.
    fn of(listed: &Listed, now: Timestamp) -> Option<Self> {
        let Listed { quiet, interval } = listed;
        let (_, until) = (*interval)?;
        let matchers: Vec<String> = quiet.matchers.iter().map(words_of).collect();
        interval.filter(|(from, until)| *from <= now && now < *until).map(|_| Self {
            kind: quiet.kind,
            matchers: matchers.join(", "),
            comment: quiet.comment.clone(),
            by: quiet.created_by.clone(),
            until,
        })
    }
}

/// As Alertmanager writes it.
fn words_of(matcher: &Matcher) -> String {
    let Matcher { label, value, is_regex, is_equal } = matcher;
    let sign = match (is_equal, is_regex) {
        (true, false) => "=",
        (true, true) => "=~",
        (false, false) => "!=",
        (false, true) => "!~",
    };
    format!("{} {sign} {value}", label.as_str())
}

pub(super) fn render(page: &mut String, alerts: &Alerts, now: Timestamp) {
    page.push_str("<section class=\"alerts\" id=\"alerts\" aria-labelledby=\"alerts-title\">\n<h2 id=\"alerts-title\">Alerts</h2>\n");
    if alerts.firing_total == 0 && alerts.quiets.is_empty() && alerts.channels.is_empty() {
        page.push_str("<p class=\"empty\">No alert is firing, none is held back, and no message waits.</p>\n");
    }
    list(page, "Firing", alerts.firing_total, "/alerts?state=firing", &alerts.firing, |page, firing| {
        render_firing(page, firing, alerts.may_operate, now);
    });
    list(page, "Held back", alerts.quiets_total, "/silences", &alerts.quiets, |page, quiet| {
        render_quiet(page, quiet, now);
    });
    list(page, "Channels", alerts.channels.len(), "/channels", &alerts.channels, |page, channel| {
        render_channel(page, channel, alerts.may_operate, now);
    });
    page.push_str("</section>\n");
}

fn list<T>(page: &mut String, title: &str, total: usize, all: &str, shown: &[T], render: impl Fn(&mut String, &T)) {
    if shown.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(page, "<h3>{title} <span>{total}</span></h3>\n<ul class=\"rows\">");
    shown.iter().for_each(|one| render(page, one));
    page.push_str("</ul>\n");
    if total > shown.len() {
        let hidden = total - shown.len();
        let _ = writeln!(page, "<p class=\"more\">{hidden} more are in <a href=\"{all}\">{all}</a>.</p>");
    }
}

fn render_firing(page: &mut String, firing: &Firing, may_operate: bool, now: Timestamp) {
    let Firing { id, target, severity, cause, since, seen } = firing;
    let link = utf8_percent_encode(target, NON_ALPHANUMERIC);
    let (target, cause, since) = (Escaped(target), Escaped(cause), time(*since, span_words(now.since(*since))));
    let _ = write!(
        page,
        "<li class=\"{severity}\"><div><a href=\"/targets/{link}\">{target}</a> <small class=\"tag\">{severity}</small>\
         <p>{cause}</p><small>alert <a href=\"/alerts/{id}\">{id}</a>, for {since}</small></div>"
    );
    match seen {
        Some((who, comment)) if comment.is_empty() => {
            let _ = write!(page, "<small class=\"seen\">seen by {}</small>", Escaped(who));
        }
        Some((who, comment)) => {
            let _ = write!(page, "<small class=\"seen\">seen by {}: {}</small>", Escaped(who), Escaped(comment));
        }
        None if may_operate => {
            let _ = write!(
                page,
                "<form method=\"post\" action=\"/alerts/{id}/acknowledge\"><input type=\"hidden\" name=\"page\" \
                 value=\"1\"><button aria-label=\"Acknowledge the alert of {target}\">Acknowledge</button></form>"
            );
        }
        None => {}
    }
    page.push_str("</li>\n");
}

fn render_quiet(page: &mut String, quiet: &Quieted, now: Timestamp) {
    let Quieted { kind, matchers, comment, by, until } = quiet;
    let kind = match kind {
        Kind::Silence => "Silence",
        Kind::Maintenance => "Maintenance",
    };
    let _ = writeln!(
        page,
        "<li><div>{kind} of <code>{}</code><p>{}</p><small>asked for by {}, ends {}</small></div></li>",
        Escaped(matchers),
        Escaped(comment),
        Escaped(by),
        time(*until, format!("in {}", span_words(until.since(now)))),
    );
}

fn render_channel(page: &mut String, channel: &ChannelState, may_operate: bool, now: Timestamp) {
    let (name, state) = (Escaped(&channel.channel), channel.state.as_str());
    let kind = channel.kind.unwrap_or("not configured any more");
    let _ = write!(
        page,
        "<li class=\"{state}\"><div><strong>{name}</strong> <small class=\"tag\">{kind}</small> <small class=\"tag\">{state}</small><p>"
    );
    let counts = [(channel.waiting, "waiting"), (channel.dead_letters, "given up")];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    page.push_str(&counts.collect::<Vec<_>>().join(", "));
    if let Some(next) = &channel.next_attempt_at {
        let _ = write!(page, ", tried again {}", time(next.0, format!("in {}", span_words(next.0.since(now)))));
    }
    page.push_str("</p>");
    if let (Some(error), Some(at)) = (&channel.last_error, channel.last_failed_at) {
        let _ = write!(page, "<small>{}: {}</small>", time(at.0, ago_words(now.since(at.0))), Escaped(error));
    }
    page.push_str("</div>");
    if may_operate && channel.dead_letters > 0 && channel.kind.is_some() {
        let link = utf8_percent_encode(&channel.channel, NON_ALPHANUMERIC);
        let _ = write!(
            page,
            "<form method=\"post\" action=\"/outbox/retry?channel={link}\"><button aria-label=\"Send again what {name} \
             was not told\">Send again</button></form>"
        );
    }
    page.push_str("</li>\n");
}

/// A time in words that are also a time.
fn time(at: Timestamp, words: String) -> String {
    let at = Rfc3339(whole_seconds(at));
    format!("<time datetime=\"{at}\" title=\"{at}\">{words}</time>")
}

#[cfg(test)]
pub(super) mod examples {
    use super::*;
    use crate::actors::channels::Doing;

    /// As many as are shown, of so many.
    pub(crate) fn many(firing_total: usize, now: Timestamp) -> Alerts {
        let one = |id: usize| Firing {
            id: id as u64,
            target: format!("GATEWAY_{id:05}").into(),
            severity: "critical",
            cause: "503 Service Unavailable, expected 200-299".into(),
            since: now,
            seen: None,
        };
        Alerts { firing: (0..FIRING_MAX).map(one).collect(), firing_total, may_operate: true, ..Alerts::default() }
    }

    /// One of each, as of `now`.
    pub(crate) fn alerts(now: Timestamp) -> Alerts {
        let ago = |seconds: i64| Timestamp::from_nanos(now.as_nanos() - seconds * 1_000_000_000);
        let firing = |id, target: &str, seen: Option<(&str, &str)>| Firing {
            id,
            target: target.into(),
            severity: "critical",
            cause: "503 Service Unavailable".into(),
            since: ago(300),
            seen: seen.map(|(who, comment)| (who.into(), comment.into())),
        };
        let quiet = Quieted {
            kind: Kind::Silence,
            matchers: "group =~ pay.*".to_owned(),
            comment: "the provider moves house".into(),
            by: "kim".into(),
            until: ago(-7_200),
        };
        let doing = Doing {
            waiting: 3,
            failed_at: Some(ago(60)),
            error: Some("410 Gone: <b>archived</b>".into()),
            failures: 2,
            next: Some(ago(-5)),
            ..Doing::default()
        };
        let failing = ChannelState::of("ops & co", None, doing.clone(), 2);
        Alerts {
            firing: vec![firing(7, "PG_KCP", None), firing(5, "PG_TOSS", Some(("kim", "on it")))],
            firing_total: 52,
            quiets: vec![quiet],
            quiets_total: 1,
            channels: vec![ChannelState { kind: Some("slack"), ..failing }, ChannelState::of("old", None, doing, 1)],
            may_operate: true,
        }
    }
}
