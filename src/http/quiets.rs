//! `/silences` and `/maintenances`: when people are not told, as somebody asks.

use std::time::Duration;

use uuid::Uuid;
use warp::reply::Response;

use super::dto::command::AskForSilence;
use super::dto::list::Content;
use super::dto::quiet::{Silence, path_of};
use super::error::Problem;
use super::fields::Fields;
use super::openapi::{CommandProblems, QueryProblems};
use super::reply;
use super::request::Request;
use crate::domain::quiet::{Kind, Label, MATCHERS, Matcher, Quiet, Recurrence, TEXT, When};
use crate::domain::scrub::scrub;
use crate::domain::time::Timestamp;

/// A longer one is an outage.
const LENGTH_MS_MAX: u64 = 7 * 86_400_000;

/// SilenceList
///
/// Those that hold, that will, and that were over less than a day ago; also those of the configuration.
#[utoipa::path(
    get, path = "/silences", tag = "Alerts",
    responses((status = 200, body = Content<Silence>), QueryProblems),
)]
pub(super) async fn silences(request: Request) -> Result<Response, Problem> {
    list(&request, Kind::Silence)
}

/// MaintenanceList
///
/// As the silences are listed.
#[utoipa::path(
    get, path = "/maintenances", tag = "Alerts",
    responses((status = 200, body = Content<Silence>), QueryProblems),
)]
pub(super) async fn maintenances(request: Request) -> Result<Response, Problem> {
    list(&request, Kind::Maintenance)
}

#[expect(clippy::unnecessary_wraps, reason = "it ends a handler")]
fn list(request: &Request, kind: Kind) -> Result<Response, Problem> {
    let now = request.http.clock.now();
    let content = request.http.board.quiets().list(kind, now).iter().map(|listed| Silence::of(listed, now)).collect();
    Ok(reply::tagged_json(request, &Content::<Silence> { content }))
}

/// AskForSilence
///
/// Once, from `startsAt` until `endsAt`, or again and again for `lengthMs`: at every time that `cron` names, or that
/// `rrule` names from `startsAt` on. In force, and on disk, when it is answered. What it holds back and is still true at
/// its end is told then; an end is told also in it. At most 1,000.
#[utoipa::path(
    post, path = "/silences", tag = "Alerts",
    request_body = AskForSilence,
    responses((status = 201, body = Silence), CommandProblems),
)]
pub(super) async fn silence(request: Request) -> Result<Response, Problem> {
    put(request, Kind::Silence).await
}

/// AskForMaintenance
///
/// As a silence, and the target's health says so. At most 1,000.
#[utoipa::path(
    post, path = "/maintenances", tag = "Alerts",
    request_body = AskForSilence,
    responses((status = 201, body = Silence), CommandProblems),
)]
pub(super) async fn maintain(request: Request) -> Result<Response, Problem> {
    put(request, Kind::Maintenance).await
}

async fn put(request: Request, kind: Kind) -> Result<Response, Problem> {
    let who = request.who();
    let Request { http, correlation, body, .. } = request;
    let now = http.clock.now();
    let quiet = body.command(|fields| read(fields, kind, &who, now)).await?;
    let listed = http.quiets.put(quiet, correlation).await?;
    let place = format!("{}/{}", path_of(kind), listed.quiet.id);
    Ok(reply::created(&Silence::of(&listed, now), &place))
}

fn read(fields: &Fields<'_>, kind: Kind, who: &str, now: Timestamp) -> Option<Quiet> {
    let matchers = fields.list("matchers", 1..=MATCHERS, read_matcher);
    let comment = fields.raw_word("comment", TEXT).map(scrub);
    let created_by = fields.optional("createdBy", |fields, name| fields.raw_word(name, TEXT).map(scrub));
    refuse_id(fields);
    let recurs = fields.is_given("cron") || fields.is_given("rrule");
    let when = if recurs { read_recurring(fields) } else { read_once(fields, now) };
    Some(Quiet {
        id: Uuid::now_v7().to_string().into(),
        kind,
        matchers: matchers?.into(),
        when: when?,
        created_by: created_by?.map_or_else(|| who.into(), Into::into),
        comment: comment?.into(),
        created_at: now,
    })
}

fn read_matcher(fields: &Fields<'_>) -> Option<Matcher> {
    let label = fields.word_of("name", &Label::ALL, Label::as_str);
    let value = fields.raw_text("value", TEXT).map(scrub);
    let is_regex = fields.optional("isRegex", Fields::boolean);
    let is_equal = fields.optional("isEqual", Fields::boolean);
    // As the configuration writes them: without them it would be the opposite of what was meant.
    refuse(fields, &["is_regex"], "is written `isRegex` here");
    refuse(fields, &["is_equal"], "is written `isEqual` here");
    let (label, value) = (label?, value?);
    let (is_regex, is_equal) = (is_regex?.unwrap_or(false), is_equal?.unwrap_or(true));
    let values = label.values();
    if !values.is_empty() && !is_regex && !values.contains(&&*value) {
        return fields.wrong("value", format!("must be one of {}", values.join(", ")));
    }
    Some(Matcher { label, value: value.into(), is_regex, is_equal })
}

/// It begins now where it does not say when.
fn read_once(fields: &Fields<'_>, now: Timestamp) -> Option<When> {
    let from = fields.optional("startsAt", Fields::time);
    let until = fields.time("endsAt");
    refuse(fields, &["timeZone", "lengthMs"], "goes with `cron` and `rrule`");
    let (from, until) = (from?.unwrap_or(now), until?);
    if until <= from {
        return fields.wrong("endsAt", "must be after `startsAt`");
    }
    if until <= now {
        return fields.wrong("endsAt", "must be in the future");
    }
    Some(When::Once { from, until })
}

/// Whether it is a calendar is seen by who compiles it.
fn read_recurring(fields: &Fields<'_>) -> Option<When> {
    let by = match (fields.is_given("cron"), fields.is_given("rrule")) {
        (true, true) => fields.wrong("rrule", "must not stand beside `cron`: it is one of the two"),
        (true, false) => {
            refuse(fields, &["startsAt"], "does not go with `cron`, which says when");
            fields.raw_word("cron", TEXT).map(|cron| Recurrence::Cron(cron.into()))
        }
        (false, _) => {
            let (rule, first) = (fields.raw_word("rrule", TEXT), fields.time("startsAt"));
            rule.zip(first).map(|(rule, first)| Recurrence::Rule { rule: rule.into(), first })
        }
    };
    refuse(fields, &["endsAt"], "does not go with `cron` and `rrule`; a rule may end by UNTIL or COUNT");
    let zone = fields.optional("timeZone", |fields, name| fields.raw_word(name, TEXT));
    let length = fields.number("lengthMs").and_then(|length| {
        let is_right = (1..=LENGTH_MS_MAX).contains(&length);
        let wrong = || fields.wrong("lengthMs", format!("must be from 1 to {LENGTH_MS_MAX}, which is 7 days"));
        is_right.then_some(length).or_else(wrong)
    });
    let zone = zone?.unwrap_or("UTC").into();
    Some(When::Recurring { by: by?, zone, length: Duration::from_millis(length?) })
}

/// Alertmanager's clients alter a silence by its id; taken for another one it would stand beside the old one.
fn refuse_id(fields: &Fields<'_>) {
    let id = fields.optional("id", |fields, name| fields.raw_text(name, TEXT)).flatten();
    if id.is_some_and(|id| !id.is_empty()) {
        let detail = "must not be given: what is there is not altered; remove it (DELETE), and ask for another";
        fields.wrong::<()>("id", detail);
    }
}

fn refuse(fields: &Fields<'_>, names: &[&str], detail: &str) {
    for name in names.iter().filter(|name| fields.is_given(name)) {
        fields.wrong::<()>(name, detail);
    }
}

/// RemoveSilence
///
/// Over, and on disk, when it is answered; what it held back and is still true is told.
#[utoipa::path(
    delete, path = "/silences/{id}", tag = "Alerts",
    params(("id" = String, Path)),
    responses((status = 204), CommandProblems),
)]
pub(super) async fn unsilence(request: Request, id: String) -> Result<Response, Problem> {
    remove(request, Kind::Silence, &id).await
}

/// RemoveMaintenance
///
/// As a silence is removed.
#[utoipa::path(
    delete, path = "/maintenances/{id}", tag = "Alerts",
    params(("id" = String, Path)),
    responses((status = 204), CommandProblems),
)]
pub(super) async fn end_maintenance(request: Request, id: String) -> Result<Response, Problem> {
    remove(request, Kind::Maintenance, &id).await
}

async fn remove(request: Request, kind: Kind, id: &str) -> Result<Response, Problem> {
    let who = request.who();
    request.http.quiets.remove(kind, id, who, request.correlation.clone()).await?;
    Ok(reply::nothing())
}
