//! The gateway's payment routes.
//!
//! | route | answers |
//! |---|---|
//! | `POST /api/v1/payments` | 200 pending, 400, 500; after the commit it is processed and called back |
//! | `GET /api/v1/payments/{transactionKey}` | 200, 404; never late, never random |
//! | `GET /api/v1/payments?orderId=` | 200 newest first, 404 (no empty list), 500 without an order |
//! | `POST /api/v1/payments/{transactionKey}/cancel` | ours; 404 while `cancel_endpoint` is off; 200, 404, 409 |
//!
//! Each needs `X-USER-ID`, which is also the tenant: who sends another sees other rows. The order in which a payment
//! request is processed is the contract: header, body, validation, the wait, chance, the commit, the answer. An outage,
//! where one is set, comes before all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::card::masked;
use super::dice::{Fortune, Refusal};
use super::envelope::{OrderTransactions, Summary, TEMPORARY_FAULT, UNSTABLE, failure, success};
use super::fate::Fate;
use super::knob::{CommitFailure, Idempotency, Switch};
use super::ledger::{Cancellation, Purchase, Status, Transaction};
use super::processing::{Job, submit};
use super::replays::{Claim, Seen};
use super::request;
use super::routing::{UnreadBody, attend, body, connection};
use super::simulation::Simulation;
use super::tally::Route;
use crate::clock;

/// The longest tenant: the original's column holds as many characters.
const LONGEST_TENANT: usize = 255;

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 255;

/// Seoul is nine hours ahead of UTC and has no summer time.
const SEOUL: std::time::Duration = std::time::Duration::from_secs(9 * 3600);

/// An answer that ends a request early. Boxed, since it is large and seldom.
type Refused = Box<Response>;

pub(super) fn routes(simulation: &Arc<Simulation>) -> BoxedFilter<(Response,)> {
    let prefix = warp::path!("api" / "v1" / "payments" / ..);
    let shared = {
        let simulation = Arc::clone(simulation);
        warp::any().map(move || Arc::clone(&simulation))
    };
    let wiring = shared.and(connection()).and(warp::header::headers_cloned());
    let request = prefix.and(warp::path::end()).and(warp::post()).and(wiring.clone()).and(body()).then(
        |simulation: Arc<Simulation>, connection, headers, body| {
            let handler = request_payment(Arc::clone(&simulation), headers, body);
            attend(simulation, Route::Payment, connection, refusal, handler)
        },
    );
    let of_order = prefix
        .and(warp::path::end())
        .and(warp::get())
        .and(wiring.clone())
        .and(warp::query::<BTreeMap<String, String>>())
        .then(|simulation: Arc<Simulation>, connection, headers, query| {
            let asked = Arc::clone(&simulation);
            let handler = async move { Fate::of(payments_of_order(&asked, &headers, &query)) };
            attend(simulation, Route::Order, connection, refusal, handler)
        });
    let one =
        prefix.and(warp::path::param::<String>()).and(warp::path::end()).and(warp::get()).and(wiring.clone()).then(
            |key: String, simulation: Arc<Simulation>, connection, headers| {
                let asked = Arc::clone(&simulation);
                let handler = async move { Fate::of(payment(&asked, &headers, &decoded(&key))) };
                attend(simulation, Route::Transaction, connection, refusal, handler)
            },
        );
    let cancel = prefix
        .and(warp::path::param::<String>())
        .and(warp::path("cancel"))
        .and(warp::path::end())
        .and(warp::post())
        .and(wiring)
        .then(|key: String, simulation: Arc<Simulation>, connection, headers| {
            let asked = Arc::clone(&simulation);
            let handler = async move { Fate::of(cancel_payment(&asked, &headers, &decoded(&key))) };
            attend(simulation, Route::Cancel, connection, refusal, handler)
        });
    request.or(of_order).unify().or(one).unify().or(cancel).unify().boxed()
}

fn refusal(status: StatusCode) -> Response {
    failure(status, UNSTABLE)
}

async fn request_payment(simulation: Arc<Simulation>, headers: HeaderMap, body: Result<Bytes, UnreadBody>) -> Fate {
    let (tenant, purchase, claim) = match examine(&simulation, &headers, body) {
        Ok(examined) => examined,
        Err(refused) => return Fate::Answer(*refused),
    };
    // A task of its own: a gateway does not stop in the middle of a payment because its client has gone.
    let accepted = simulation.spawn(accept(Arc::clone(&simulation), tenant, purchase, claim));
    match accepted.await {
        Ok(Some(fate)) => fate,
        // The simulator stops.
        Ok(None) | Err(_) => Fate::Hang,
    }
}

/// All that can be said without waiting.
fn examine(
    simulation: &Simulation,
    headers: &HeaderMap,
    body: Result<Bytes, UnreadBody>,
) -> Result<(Arc<str>, Purchase, Option<Claim>), Refused> {
    let tenant = tenant(headers)?;
    let body = body.map_err(|UnreadBody| refused(StatusCode::PAYLOAD_TOO_LARGE, "요청 본문이 너무 큽니다."))?;
    let purchase = request::read(&body, &simulation.callback_allow)
        .map_err(|bad_request| refused(StatusCode::BAD_REQUEST, &bad_request.to_string()))?;
    let claim = claim(simulation, &tenant, headers, &purchase)?;
    Ok((tenant, purchase, claim))
}

/// The claim on an idempotency key, if one came and counts; or what a key that was seen is answered.
fn claim(
    simulation: &Simulation,
    tenant: &Arc<str>,
    headers: &HeaderMap,
    purchase: &Purchase,
) -> Result<Option<Claim>, Refused> {
    let key = match simulation.settings().idempotency {
        Idempotency::Off => None,
        Idempotency::Header => headers.get("idempotency-key"),
    };
    let Some(key) = key else { return Ok(None) };
    let key = String::from_utf8_lossy(key.as_bytes());
    // The draft's quotes may be there or not.
    let key = key.trim().trim_matches('"');
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(refused(StatusCode::BAD_REQUEST, "Idempotency-Key 헤더는 1자 이상 255자 이하여야 합니다."));
    }
    match simulation.replays.look_up(tenant, key, purchase) {
        Seen::Never(claim) => Ok(Some(claim)),
        Seen::Answered(transaction_key) => {
            let mut response = pending(&transaction_key);
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Err(Box::new(response))
        }
        Seen::InProgress => Err(refused(StatusCode::CONFLICT, "같은 Idempotency-Key 의 요청이 처리 중입니다.")),
        Seen::OtherRequest => {
            Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key 가 다른 요청에 이미 사용되었습니다."))
        }
    }
}

/// The wait, chance, the commit.
async fn accept(simulation: Arc<Simulation>, tenant: Arc<str>, purchase: Purchase, claim: Option<Claim>) -> Fate {
    let Fortune { latency, process, refusal, fails_after_commit, verdict, callback_roll, mut keys } =
        simulation.dice.fortune(&simulation.settings());
    tokio::time::sleep(latency).await;
    match refusal {
        Refusal::None => {}
        Refusal::Error => return Fate::Answer(failure(StatusCode::INTERNAL_SERVER_ERROR, UNSTABLE)),
        Refusal::Hang => return Fate::Hang,
        Refusal::Reset => return Fate::Reset,
    }
    let shown = purchase.clone();
    let day = day_in_seoul(&simulation);
    let (position, key) = simulation.ledger.lock().store(Arc::clone(&tenant), purchase, &day, &mut keys);
    tracing::debug!(
        key = &*key,
        tenant = masked(&tenant),
        order = masked(&shown.order_id),
        card = %shown.card_no,
        amount = shown.amount,
        "a payment was accepted"
    );
    if let Some(claim) = claim {
        claim.stored(&key);
    }
    submit(&simulation, Job { position, process, verdict, callback_roll });
    match fails_after_commit {
        None => Fate::Answer(pending(&key)),
        Some(CommitFailure::Hang) => Fate::Hang,
        Some(CommitFailure::Reset) => Fate::Reset,
        Some(CommitFailure::Error | CommitFailure::Any) => {
            Fate::Answer(failure(StatusCode::INTERNAL_SERVER_ERROR, UNSTABLE))
        }
    }
}

fn pending(key: &str) -> Response {
    success(Summary { transaction_key: key, status: Status::Pending.name(), reason: None })
}

fn payment(simulation: &Simulation, headers: &HeaderMap, key: &str) -> Result<Response, Refused> {
    let tenant = tenant(headers)?;
    let ledger = simulation.ledger.lock();
    let found = ledger.find(&tenant, key).ok_or_else(|| no_such_payment(key))?;
    Ok(success(found.detail()))
}

fn payments_of_order(
    simulation: &Simulation,
    headers: &HeaderMap,
    query: &BTreeMap<String, String>,
) -> Result<Response, Refused> {
    let tenant = tenant(headers)?;
    let order_id = query.get("orderId").ok_or_else(|| refused(StatusCode::INTERNAL_SERVER_ERROR, TEMPORARY_FAULT))?;
    let ledger = simulation.ledger.lock();
    let found = ledger.of_order(&tenant, order_id);
    if found.is_empty() {
        let message = format!("(orderId: {order_id}) 에 해당하는 결제건이 존재하지 않습니다.");
        return Err(refused(StatusCode::NOT_FOUND, &message));
    }
    let transactions = found.into_iter().map(Transaction::summary).collect();
    Ok(success(OrderTransactions { order_id, transactions }))
}

fn cancel_payment(simulation: &Simulation, headers: &HeaderMap, key: &str) -> Result<Response, Refused> {
    if simulation.settings().cancel_endpoint == Switch::Off {
        return Err(refused(StatusCode::NOT_FOUND, "존재하지 않는 요청입니다."));
    }
    let tenant = tenant(headers)?;
    let canceled = simulation.ledger.lock().cancel(&tenant, key);
    match canceled {
        Cancellation::Done(transaction) => Ok(success(transaction.detail())),
        Cancellation::Failed => Err(refused(StatusCode::CONFLICT, "실패한 결제는 취소할 수 없습니다.")),
        Cancellation::NotFound => Err(no_such_payment(key)),
    }
}

fn tenant(headers: &HeaderMap) -> Result<Arc<str>, Refused> {
    let tenant =
        headers.get("x-user-id").ok_or_else(|| refused(StatusCode::BAD_REQUEST, "유저 ID 헤더는 필수입니다."))?;
    let tenant = String::from_utf8_lossy(tenant.as_bytes());
    if tenant.chars().count() > LONGEST_TENANT {
        return Err(refused(StatusCode::BAD_REQUEST, "유저 ID 헤더는 255자 이하여야 합니다."));
    }
    Ok(tenant.into())
}

/// A key's colons may come as `%3A`.
fn decoded(key: &str) -> Cow<'_, str> {
    percent_decode_str(key).decode_utf8_lossy()
}

fn no_such_payment(key: &str) -> Refused {
    refused(StatusCode::NOT_FOUND, &format!("(transactionKey: {key}) 결제건이 존재하지 않습니다."))
}

fn refused(status: StatusCode, message: &str) -> Refused {
    Box::new(failure(status, message))
}

/// `yyyyMMdd`.
fn day_in_seoul(simulation: &Simulation) -> String {
    let there = clock::format(simulation.clock.now().plus(SEOUL));
    there.chars().take("yyyy-MM-dd".len()).filter(|character| *character != '-').collect()
}
