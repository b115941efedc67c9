//! `/targets/{name}/breaker`: a target's circuit breaker, looked at and taken hold of.

use warp::reply::Response;

use super::answers::{Wanted, answer};
use super::dto::breaker::Breaker;
use super::dto::command::{ControlBreaker, ResetBreaker};
use super::dto::event::Answer;
use super::error::Problem;
use super::fields::Fields;
use super::openapi::{CommandProblems, QueryProblems};
use super::reply;
use super::request::Request;
use crate::actors::targets::{Act, Control};
use crate::domain::breaker::Mode;
use crate::domain::time::Timestamp;

/// What is kept as the reason of a reset that came without one.
const NO_REASON: &str = "none was given";

/// A target's breaker
#[utoipa::path(
    get, path = "/targets/{name}/breaker", tag = "Breaker",
    params(("name" = String, Path)),
    responses((status = 200, body = Breaker), QueryProblems),
)]
#[expect(clippy::unused_async, reason = "every handler is a future")]
pub(super) async fn look(request: Request, name: String) -> Result<Response, Problem> {
    let slot = request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let gate = slot.gate.as_ref().ok_or_else(Problem::no_such_target)?;
    let view = gate.view(request.http.clock.moment());
    let policy = &slot.spec.as_ref().ok_or_else(Problem::no_such_target)?.breaker;
    let permits = request.http.callers.lent(slot.id);
    let breaker = slot.live(|live| Breaker::new(&view, &live.watch.breaker, policy, permits));
    Ok(reply::json(&breaker))
}

/// What an operator asks of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ForcedOpen,
    ForcedClosed,
    Auto,
    DryRun,
    Disabled,
}

impl Asked {
    const ALL: [Self; 5] = [Self::ForcedOpen, Self::ForcedClosed, Self::Auto, Self::DryRun, Self::Disabled];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Auto => "auto",
            Self::DryRun => "dry_run",
            Self::Disabled => "disabled",
        }
    }

    const fn is_forced(self) -> bool {
        match self {
            Self::ForcedOpen | Self::ForcedClosed => true,
            Self::Auto | Self::DryRun | Self::Disabled => false,
        }
    }

    /// `auto` is the configured mode.
    const fn act(self) -> Act {
        match self {
            Self::ForcedOpen => Act::Hold(Mode::ForcedOpen),
            Self::ForcedClosed => Act::Hold(Mode::ForcedClosed),
            Self::Auto => Act::LetGo,
            Self::DryRun => Act::Hold(Mode::DryRun),
            Self::Disabled => Act::Hold(Mode::Disabled),
        }
    }
}

/// A whole body of such.
struct Wish {
    asked: Asked,
    reason: Box<str>,
    until: Option<Timestamp>,
}

/// Takes hold of a target's breaker, or lets it go
///
/// Answered when the event is on disk.
#[utoipa::path(
    put, path = "/targets/{name}/breaker", tag = "Breaker",
    params(("name" = String, Path)),
    request_body = ControlBreaker,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn control(request: Request, name: String) -> Result<Response, Problem> {
    request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let who = request.who();
    let Request { http, correlation, body, .. } = request;
    let Wish { asked, reason, until } = body.command(read_control).await?;
    let control = Control { act: asked.act(), who, reason, until };
    let outcome = http.targets.control(&name, control, correlation).await?;
    answer(&outcome, Wanted::Control)
}

fn read_control(fields: &Fields<'_>) -> Option<Wish> {
    let asked = fields.word_of("mode", &Asked::ALL, Asked::as_str);
    let reason = fields.text("reason");
    if reason.as_deref().is_some_and(|reason| reason.trim().is_empty()) {
        fields.wrong::<()>("reason", "must not be empty");
    }
    let until = fields.optional("until", Fields::time);
    if fields.is_given("until") && asked.is_some_and(|asked| !asked.is_forced()) {
        fields.wrong::<()>("until", "only a forced mode ends by itself");
    }
    Some(Wish { asked: asked?, reason: reason?, until: until? })
}

/// Closes a target's breaker and forgets its window and level
///
/// One that an operator forced open stays open. Answered when the event is on disk.
#[utoipa::path(
    post, path = "/targets/{name}/breaker/reset", tag = "Breaker",
    params(("name" = String, Path)),
    request_body(content = Option<ResetBreaker>),
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn reset(request: Request, name: String) -> Result<Response, Problem> {
    request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let who = request.who();
    let Request { http, correlation, body, .. } = request;
    let reason = body.optional_command(|fields| fields.optional("reason", Fields::text)).await?;
    let reason = reason.flatten().unwrap_or_else(|| NO_REASON.into());
    let control = Control { act: Act::Reset, who, reason, until: None };
    let outcome = http.targets.control(&name, control, correlation).await?;
    answer(&outcome, Wanted::Control)
}
