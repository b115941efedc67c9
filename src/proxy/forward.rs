//! A request, from its head to the head of its answer.

use http::header::{EXPECT, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::{Body, Incoming};

use super::admission::{self, Admitted};
use super::call::{Call, Called};
use super::headers;
use super::outcome;
use super::outgoing::{self, Arriving, Stopped, Taken};
use super::problem::{Problem, Why};
use super::reply::Reply;
use super::routes::{Fallback, Route};
use super::service::Caller;
use super::template::{Payload, Template};

/// What a route answers.
pub(super) async fn forward(caller: &Caller, route: &Route, request: Request<Incoming>) -> Response<Reply> {
    match answer(caller, route, request).await {
        Ok(response) => response,
        Err(why) => {
            let target = &route.main.target.name;
            caller.shared.note_odd(target, why);
            problem(&Problem { why, target: target.clone() })
        }
    }
}

/// An answer of our own.
pub(super) fn problem(problem: &Problem) -> Response<Reply> {
    problem.response().map(Reply::Whole)
}

/// `Err` is what is refused for the request's own sake.
async fn answer(caller: &Caller, route: &Route, request: Request<Incoming>) -> Result<Response<Reply>, Why> {
    let (mut parts, body) = request.into_parts();
    // Who waits for a "100 Continue" has sent nothing, and is not asked to.
    let may_be_sending = !parts.headers.contains_key(EXPECT);
    let admitted = admission::admit(route, &parts, &caller.shared.node);
    let Admitted { host, path, length } = match admitted {
        Ok(admitted) => admitted,
        Err(why) => {
            if may_be_sending && !body.is_end_stream() {
                Box::pin(outgoing::drain(body)).await;
            }
            return Err(why);
        }
    };
    let operation = outcome::operation(&route.spec.operations, &parts.method, path.path());
    let preserved = if route.spec.preserve_host { host.clone() } else { None };
    parts.headers.remove(http::header::HOST);
    let via = match parts.version {
        Version::HTTP_2 => &caller.shared.via_http2,
        _ => &caller.shared.via_http1,
    };
    headers::of_request(&mut parts.headers, host, &caller.origin, via, route.spec.trust_forwarded);
    let call = Call { caller, route, operation };
    let refused = if body.is_end_stream() { None } else { call.glance(&route.main) };
    let is_wanted = refused.is_none() || matches!(route.fallback, Some(Fallback::Target(_)));
    let (payload, _taken) =
        if is_wanted { payload(&call, body, length).await? } else { (passing(body.into(), route), None) };
    let mut template = Template { method: parts.method, path, headers: parts.headers, host: preserved, payload };
    let is_last = !matches!(route.fallback, Some(Fallback::Target(_)));
    let called = match refused {
        None => call.to(&route.main, &mut template, is_last).await,
        Some(called) => called,
    };
    let called = match &route.fallback {
        Some(fallback) if called.may_fall_back => Box::pin(fall_back(&call, fallback, called, &mut template)).await,
        Some(_) | None => called,
    };
    if called.answer.is_err()
        && may_be_sending
        && let Payload::Passing { body: Some(body), .. } = template.payload
    {
        Box::pin(outgoing::drain(body)).await;
    }
    Ok(called.answer.unwrap_or_else(|refused| problem(&refused)))
}

/// The body before a place is taken for it: whole if it is short, so that who sends it slowly keeps nobody out; else its
/// beginning.
async fn payload<'c>(
    call: &Call<'c>,
    body: Incoming,
    length: Option<u64>,
) -> Result<(Payload, Option<Taken<'c>>), Why> {
    if body.is_end_stream() {
        return Ok((Payload::Kept(bytes::Bytes::new()), None));
    }
    let (route, budget) = (call.route, call.budget(&call.route.main));
    let limit = route.spec.retry_buffer;
    let stopped = |stopped| match stopped {
        Stopped::Broken => Why::BodyCutShort,
        Stopped::TooLarge => Why::BodyTooLarge,
        Stopped::TooSlow => Why::BodyTooSlow,
    };
    let Some(length) = length.filter(|length| *length <= limit as u64) else {
        let begun = Box::pin(outgoing::begin(body, budget)).await.map_err(stopped)?;
        return Ok((passing(begun, route), None));
    };
    let Some(taken) = call.caller.shared.room.take(length) else {
        Box::pin(outgoing::drain(body)).await;
        return Err(Why::NoRoom);
    };
    let kept = Box::pin(outgoing::keep(body, limit, budget)).await.map_err(stopped)?;
    Ok((Payload::Kept(kept), Some(taken)))
}

fn passing(body: Arriving, route: &Route) -> Payload {
    Payload::Passing { body: Some(body), limit: route.spec.body_limit, progress: Default::default() }
}

/// What is answered where the target was not asked, or has failed without having done anything.
async fn fall_back(call: &Call<'_>, fallback: &Fallback, called: Called, template: &mut Template) -> Called {
    match fallback {
        Fallback::Answer { status, content_type, body } => {
            let mut response = Response::new(Reply::Whole(body.clone()));
            *response.status_mut() = *status;
            response.headers_mut().insert(http::header::CONTENT_TYPE, content_type.clone());
            Called { answer: Ok(response), may_fall_back: false }
        }
        // The body is under way to the first one.
        Fallback::Target(_) if !template.can_be_sent() => called,
        Fallback::Target(destination) => {
            drop(called);
            call.to(destination, template, true).await
        }
    }
}

/// `1.1 node-1`, as `Via` wants it (RFC 9110, 7.6.3).
pub(super) fn via(protocol: &str, node: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("{protocol} {node}")).expect("a node's name is ASCII letters, digits and signs")
}
