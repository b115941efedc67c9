//! `/alerts`: incidents, those that last and those that are over, and who has seen them.
//!
//! An alert is acknowledged by whoever may operate this node, or by the signed link that its message carries: the link
//! is looked at with GET, which changes nothing, since programs follow links that nobody has clicked.

use std::sync::Arc;

use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use warp::reply::Response;

use super::dto::alerting::Alert;
use super::dto::command::AcknowledgeAlert;
use super::dto::list::List;
use super::error::Problem;
use super::fields::Fields;
use super::openapi::{CommandProblems, QueryProblems};
use super::query::Window;
use super::reply;
use super::request::{Request, stored};
use super::state::Http;
use crate::actors::answer::Refused;
use crate::actors::board::Slot;
use crate::config::Language;
use crate::domain::alert::{Acknowledged, Record};
use crate::domain::id::IncidentId;
use crate::domain::scrub::scrub;

/// Characters of who acknowledges.
const WHO_MAX: usize = 64;
/// Characters of what he says.
const COMMENT_MAX: usize = 1_024;

/// Whether an alert lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Firing,
    Resolved,
}

impl State {
    const ALL: [Self; 2] = [Self::Firing, Self::Resolved];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// AlertList
///
/// The newest first; of those that are over, among the newest 10,000.
#[utoipa::path(
    get, path = "/alerts", tag = "Alerts",
    params(
        ("state" = Option<String>, Query, description = "firing or resolved."),
        ("target" = Option<String>, Query, description = "The name of a system."),
        ("page" = Option<u32>, Query, description = "The first is 0."),
        ("size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "20 where it is missing."),
    ),
    responses((status = 200, body = List<Alert>), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let query = &request.query;
    let state = query.word_of("state", &State::ALL, State::as_str);
    let target: Option<Arc<str>> = query.text("target").map(Into::into);
    let (state, window) = query.accept((state, query.window()))?;
    if state == Some(State::Firing) {
        return Ok(reply::tagged_json(&request, &firing(&request.http, target.as_deref(), window)));
    }
    let wanted = move |record: &Record| {
        target.as_ref().is_none_or(|target| *target == record.target) && (state.is_none() || record.until.is_some())
    };
    let read = move |reader: &crate::store::Reader| reader.alerts(wanted, window.number as u64, window.size);
    let page = stored(&request.http.reader, read).await?;
    let content: Vec<Alert> = page.items.iter().map(Alert::from).collect();
    Ok(reply::tagged_json(&request, &List::new(content, window, page.total)))
}

fn firing(http: &Http, target: Option<&str>, window: Window) -> List<Alert> {
    let slots = http.board.all();
    let wanted = slots.iter().filter(|slot| target.is_none_or(|target| *slot.name == *target));
    let mut alerts: Vec<Alert> = wanted.filter_map(|slot| alert_of(slot, None)).collect();
    alerts.sort_by_key(|alert| std::cmp::Reverse(alert.id));
    let total = alerts.len() as u64;
    let content = alerts.into_iter().skip(window.number.saturating_mul(window.size)).take(window.size).collect();
    List::new(content, window, total)
}

/// The incident of a target, if it is this one.
fn alert_of(slot: &Slot, id: Option<IncidentId>) -> Option<Alert> {
    slot.live(|live| {
        let incident = live.watch.incident.as_deref().filter(|incident| id.is_none_or(|id| id == incident.id))?;
        Some(Alert::of(incident, &slot.name, slot.id, None))
    })
}

fn slot_of(http: &Http, id: IncidentId) -> Option<(Arc<Slot>, Alert)> {
    http.board.all().into_iter().find_map(|slot| alert_of(&slot, Some(id)).map(|alert| (slot, alert)))
}

async fn find(http: &Http, id: IncidentId) -> Result<Alert, Problem> {
    if let Some((_, alert)) = slot_of(http, id) {
        return Ok(alert);
    }
    let record = stored(&http.reader, move |reader| reader.alert(id)).await?;
    record.as_ref().map(Alert::from).ok_or_else(|| Refused::NoSuchAlert.into())
}

fn id_of(id: &str) -> Result<IncidentId, Problem> {
    id.parse().map(IncidentId).map_err(|_| Refused::NoSuchAlert.into())
}

/// AlertDetails
#[utoipa::path(
    get, path = "/alerts/{id}", tag = "Alerts",
    params(("id" = u64, Path)),
    responses((status = 200, body = Alert), QueryProblems),
)]
pub(super) async fn details(request: Request, id: String) -> Result<Response, Problem> {
    let alert = find(&request.http, id_of(&id)?).await?;
    Ok(reply::tagged_json(&request, &alert))
}

/// The link of a message
///
/// A page that asks whether to acknowledge; it changes nothing.
#[utoipa::path(
    get, path = "/alerts/{id}/acknowledge", tag = "Alerts",
    params(("id" = u64, Path), ("token" = String, Query, description = "From the message.")),
    responses((status = 200, content_type = "text/html", body = String), QueryProblems),
)]
pub(super) async fn ask(request: Request, id: String) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let token = request.query.text("token").unwrap_or_default().to_owned();
    request.query.accept(())?;
    if !request.http.signer.is_token(id, &token) {
        return Err(Problem::bad_token());
    }
    let alert = find(&request.http, id).await?;
    let words = words(&request.http);
    Ok(page(words, &question(words, &alert, &token)))
}

/// AcknowledgeAlert
///
/// Reminders and escalation end; the alert lasts as long as what is wrong. The first who acknowledges stays. With a
/// `token` of its message nothing else is needed; without one this takes the scope to operate. Answered when it is on
/// disk, with the alert, or with a page for people where a form was sent.
#[utoipa::path(
    post, path = "/alerts/{id}/acknowledge", tag = "Alerts",
    params(("id" = u64, Path), ("token" = Option<String>, Query, description = "From the message.")),
    request_body(content = Option<AcknowledgeAlert>),
    responses((status = 200, body = Alert), CommandProblems),
)]
pub(super) async fn acknowledge(request: Request, id: String) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let token = request.query.text("token").map(str::to_owned);
    request.query.accept(())?;
    if token.as_ref().is_some_and(|token| !request.http.signer.is_token(id, token)) {
        return Err(Problem::bad_token());
    }
    let anonymous = request.who();
    let Request { http, correlation, body, .. } = request;
    let is_form = body.is_form();
    let mut is_from_the_page = false;
    let (who, comment) = if is_form {
        let form = body.form().await?;
        is_from_the_page = form.iter().any(|(name, _)| name == "page");
        let member = |name: &str, max: usize| {
            let text = form.iter().find(|(known, _)| known == name).map(|(_, text)| text.trim());
            text.filter(|text| !text.is_empty()).map(|text| scrub(text).chars().take(max).collect::<String>())
        };
        let in_one_line = |who: String| who.replace(char::is_control, " ");
        (member("who", WHO_MAX).map(in_one_line), member("comment", COMMENT_MAX))
    } else {
        body.optional_command(read).await?.unwrap_or_default()
    };
    let who = who.map_or_else(|| if token.is_some() { "somebody who was told".into() } else { anonymous }, Into::into);
    let by = Acknowledged { who, comment: comment.unwrap_or_default().into(), at: http.clock.now() };
    let Some((slot, _)) = slot_of(&http, id) else {
        let over = find(&http, id).await?;
        return match (is_from_the_page, is_form) {
            (true, _) => Ok(reply::back_to_the_page()),
            // Who presses a button is a person, and wants to read it.
            (false, true) => Ok(page(words(&http), &done(words(&http), &over))),
            (false, false) => Err(Refused::AlertOver.into()),
        };
    };
    let outcome = http.targets.acknowledge(slot.target(), id, by, correlation).await?;
    if is_from_the_page {
        return Ok(reply::back_to_the_page());
    }
    let alert = match outcome.committed.as_ref().and_then(|committed| committed.get().alerts.first()) {
        Some(record) => Alert::from(record),
        None => find(&http, id).await?,
    };
    Ok(if is_form { page(words(&http), &done(words(&http), &alert)) } else { reply::json(&alert) })
}

type Said = (Option<String>, Option<String>);

fn read(fields: &Fields<'_>) -> Option<Said> {
    let who = fields.optional("who", |fields, name| fields.raw_word(name, WHO_MAX).map(scrub));
    let comment = fields.optional("comment", |fields, name| fields.raw_text(name, COMMENT_MAX).map(scrub));
    Some((who?.map(Into::into), comment?.map(Into::into)))
}

/// What stands on the page behind a message's link, in the language of messages.
struct Words {
    language: &'static str,
    alert: &'static str,
    name: &'static str,
    comment: &'static str,
    seen: &'static str,
    /// Behind the name of who has seen it.
    has_seen: &'static str,
    over: &'static str,
    lasts: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    alert: "Alert",
    name: "Your name",
    comment: "Comment",
    seen: "I have seen it",
    has_seen: " has seen it. Nobody is reminded any more.",
    over: "It is over.",
    lasts: "It lasts.",
};

const KOREAN: Words = Words {
    language: "ko",
    alert: "알림",
    name: "이름",
    comment: "메모",
    seen: "확인했습니다",
    has_seen: " 님이 확인했습니다. 다시 알리지 않습니다.",
    over: "종료되었습니다.",
    lasts: "계속되고 있습니다.",
};

fn words(http: &Http) -> &'static Words {
    match http.config.load().alerting.language {
        Language::English => &ENGLISH,
        Language::Korean => &KOREAN,
    }
}

/// A page of a few words. Its addresses are relative, since `external_url` may have a path; the form may be sent to this
/// node and nowhere else.
fn page(words: &Words, content: &str) -> Response {
    let language = words.language;
    let text = format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Breakwater</title>\n\
         <link rel=\"stylesheet\" href=\"../../assets/page.css\">\n<main>\n{content}</main>\n</html>\n"
    );
    let mut response = reply::text(text, "text/html; charset=utf-8");
    let policy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'";
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    reply::with_forms(response)
}

fn question(words: &Words, alert: &Alert, token: &str) -> String {
    if alert.until.is_some() || alert.acknowledged.is_some() {
        return done(words, alert);
    }
    let (about, Words { name, comment, seen, .. }) = (about(words, alert), words);
    format!(
        "{about}<form method=\"post\" action=\"?token={token}\">\n\
         <p><label>{name} <input name=\"who\" maxlength=\"{WHO_MAX}\"></label></p>\n\
         <p><label>{comment} <input name=\"comment\" maxlength=\"{COMMENT_MAX}\"></label></p>\n\
         <p><button>{seen}</button></p>\n</form>\n",
        token = escaped(token),
    )
}

fn done(words: &Words, alert: &Alert) -> String {
    let said = match (&alert.until, &alert.acknowledged) {
        (Some(_), _) => words.over.to_owned(),
        (None, Some(by)) => format!("{}{}", escaped(&by.who), words.has_seen),
        (None, None) => words.lasts.to_owned(),
    };
    format!("{}<p>{said}</p>\n", about(words, alert))
}

fn about(words: &Words, alert: &Alert) -> String {
    let (name, cause) = (escaped(&alert.system_name), escaped(&alert.cause));
    format!("<h1>{name}</h1>\n<p>{} {}: {cause}</p>\n", words.alert, alert.id)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dto::alerting::Acknowledged;
    use crate::http::dto::words::Time;

    fn alert() -> Alert {
        let at = || Time(crate::clock::parse("2024-06-01T10:00:00Z").unwrap());
        Alert {
            id: 7,
            state: "firing",
            system_name: "결제_PG".to_owned(),
            integration_status_id: 1,
            severity: "critical",
            cause: "503 <b>\"점검\"</b> & more".to_owned(),
            conditions: vec!["down"],
            since: at(),
            fired_at: at(),
            until: None,
            channels: vec!["ops".to_owned()],
            last_told_at: at(),
            reminders: 0,
            escalated_at: None,
            acknowledged: None,
            integration_failure_history_id: None,
            correlation_id: "c".to_owned(),
        }
    }

    #[test]
    fn the_page_behind_a_link_speaks_the_language_of_messages() {
        let seen = Acknowledged { who: "<김>".to_owned(), comment: String::new(), at: alert().since };
        let asked = question(&KOREAN, &alert(), "t\"");
        let done = question(&KOREAN, &Alert { acknowledged: Some(seen), ..alert() }, "t");
        insta::assert_snapshot!(asked + &done, @r#"
        <h1>결제_PG</h1>
        <p>알림 7: 503 &lt;b&gt;&quot;점검&quot;&lt;/b&gt; &amp; more</p>
        <form method="post" action="?token=t&quot;">
        <p><label>이름 <input name="who" maxlength="64"></label></p>
        <p><label>메모 <input name="comment" maxlength="1024"></label></p>
        <p><button>확인했습니다</button></p>
        </form>
        <h1>결제_PG</h1>
        <p>알림 7: 503 &lt;b&gt;&quot;점검&quot;&lt;/b&gt; &amp; more</p>
        <p>&lt;김&gt; 님이 확인했습니다. 다시 알리지 않습니다.</p>
        "#);
    }
}
