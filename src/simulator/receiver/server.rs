//! The receiver as a server, and the handle by which the same process talks to it.
//!
//! | route | does |
//! |---|---|
//! | `GET /_receiver` | lists what arrived, newest first, and what is answered next; from this machine only |
//! | `PUT /_receiver` | takes `{"script": ["500", "429(3)", "hang"], "repeat": false}`; from this machine only |
//! | anything else | is kept and answered |
//!
//! The last 1,000 requests are kept; bodies over 64 KiB are answered 413 and kept without their body.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;

use super::super::control::{is_this_machine, refused};
use super::super::fate::{Fate, json, retry_after};
use super::super::problem::{Error, Problems};
use super::super::routing::{UnreadBody, body, connection};
use super::arrival::{check, kept_headers};
use super::{Answer, Arrival, Script};
use crate::clock::{self, Clock};
use crate::config::Secret;
use crate::listener::{ConnectionControl, Limits, Listener, Peer, from_tower};

/// Requests that are kept; one more makes the oldest be forgotten.
const KEPT: usize = 1_000;

/// Arrivals that a slow subscriber may be behind before it loses the oldest.
const BEHIND: usize = 1_024;

/// How a receiver is started.
#[derive(Debug, Clone, Default)]
pub struct ReceiverOptions {
    /// Secrets of Standard Webhooks, decoded; none: signatures are not checked.
    pub secrets: Vec<Secret>,
    /// What is answered.
    pub script: Script,
    /// What a client may take.
    pub limits: Limits,
}

/// A receiver whose socket is bound.
pub struct Receiver {
    listener: Listener,
    limits: Limits,
    desk: Arc<Desk>,
}

impl Receiver {
    /// Binds. Clients wait until [`run`](Self::run). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn bind(listen: SocketAddr, options: ReceiverOptions, clock: Clock) -> Result<Self, Error> {
        let ReceiverOptions { secrets, script, limits } = options;
        let desk = Desk {
            clock,
            closing: CancellationToken::new(),
            secrets,
            shelf: Mutex::new(Shelf { arrived: 0, kept: VecDeque::new(), script }),
            arrivals: broadcast::Sender::new(BEHIND),
        };
        Ok(Self { listener: Listener::bind(listen)?, limits, desk: Arc::new(desk) })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// A way to talk to it, also while it runs.
    #[must_use]
    pub fn handle(&self) -> ReceiverHandle {
        ReceiverHandle { desk: Arc::clone(&self.desk) }
    }

    /// Serves until `shutdown` is ready.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, limits, desk } = self;
        tracing::info!(listen = %listener.local_addr(), "the webhook receiver is ready");
        let closing = async {
            shutdown.await;
            desk.closing.cancel();
        };
        listener.serve(from_tower(warp::service(routes(&desk))), limits, closing).await;
    }
}

/// Talks to a receiver from within its process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReceiverHandle {
    desk: Arc<Desk>,
}

impl ReceiverHandle {
    /// What is kept, oldest first.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arc<Arrival>> {
        self.desk.shelf.lock().kept.iter().cloned().collect()
    }

    /// What arrives from here on. Each [`Arrival`] displays as one line.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Arrival>> {
        self.desk.arrivals.subscribe()
    }

    /// Answers so from the next request on.
    pub fn play(&self, script: Script) {
        self.desk.shelf.lock().script = script;
    }
}

#[derive(Debug)]
struct Desk {
    clock: Clock,
    closing: CancellationToken,
    secrets: Vec<Secret>,
    shelf: Mutex<Shelf>,
    arrivals: broadcast::Sender<Arc<Arrival>>,
}

#[derive(Debug)]
struct Shelf {
    arrived: u64,
    kept: VecDeque<Arc<Arrival>>,
    script: Script,
}

fn routes(desk: &Arc<Desk>) -> BoxedFilter<(Response,)> {
    let shared = {
        let desk = Arc::clone(desk);
        warp::any().map(move || Arc::clone(&desk))
    };
    let peer = || warp::ext::optional::<Peer>();
    let listed = warp::path!("_receiver")
        .and(warp::get())
        .and(shared.clone())
        .and(peer())
        .map(|desk: Arc<Desk>, peer| list(&desk, peer))
        .boxed();
    let told = warp::path!("_receiver")
        .and(warp::put())
        .and(shared.clone())
        .and(peer())
        .and(body())
        .map(|desk: Arc<Desk>, peer, body| play(&desk, peer, body))
        .boxed();
    let anything = warp::any()
        .and(shared)
        .and(connection())
        .and(warp::method())
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(body())
        .then(receive)
        .boxed();
    listed.or(told).unify().or(anything).unify().boxed()
}

async fn receive(
    desk: Arc<Desk>,
    connection: Option<ConnectionControl>,
    method: Method,
    path: FullPath,
    headers: HeaderMap,
    body: Result<Bytes, UnreadBody>,
) -> Response {
    let is_too_long = body.is_err();
    let body = body.unwrap_or_default();
    let at = desk.clock.now();
    let signature = check(&headers, &body, &desk.secrets, at);
    let webhook_id =
        headers.get("webhook-id").map(|id| String::from_utf8_lossy(id.as_bytes()).chars().take(255).collect());
    let arrival = {
        let mut shelf = desk.shelf.lock();
        let answer =
            if is_too_long { Answer::Status(StatusCode::PAYLOAD_TOO_LARGE, None) } else { shelf.script.next() };
        shelf.arrived += 1;
        let arrival = Arc::new(Arrival {
            number: shelf.arrived,
            at,
            method: method.to_string(),
            path: path.as_str().to_owned(),
            headers: kept_headers(&headers),
            body,
            webhook_id,
            signature,
            answer,
        });
        if shelf.kept.len() == KEPT {
            shelf.kept.pop_front();
        }
        shelf.kept.push_back(Arc::clone(&arrival));
        // Under the lock, so that subscribers see arrivals in their order. Nobody may be listening.
        let _ = desk.arrivals.send(Arc::clone(&arrival));
        arrival
    };
    tracing::debug!(%arrival, "a webhook arrived");
    answered(&arrival).meet(connection, &desk.closing).await
}

/// What is said of a message that was taken: the words of every vendor whose clients do not believe a status alone
/// (Slack and Telegram `ok`, Discord and ntfy `id`, Opsgenie `result`, KakaoTalk `result_code`).
#[derive(Serialize)]
struct Taken {
    ok: bool,
    id: String,
    result: &'static str,
    result_code: i32,
}

#[derive(Serialize)]
struct Refused {
    ok: bool,
    error: &'static str,
}

fn answered(arrival: &Arrival) -> Fate {
    let refused = |error| Refused { ok: false, error };
    match arrival.answer {
        Answer::Hang => Fate::Hang,
        Answer::Reset => Fate::Reset,
        Answer::Lie => Fate::Answer(json(StatusCode::OK, &refused("not delivered"))),
        Answer::Status(status, seconds) => {
            let response = if status.is_success() {
                let id = arrival.number.to_string();
                json(status, &Taken { ok: true, id, result: "taken", result_code: 0 })
            } else {
                json(status, &refused("as the script says"))
            };
            Fate::Answer(match seconds {
                Some(seconds) => retry_after(response, seconds),
                None => response,
            })
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing<'a> {
    received: u64,
    next_answers: Vec<String>,
    requests: Vec<ListedArrival<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedArrival<'a> {
    number: u64,
    at: String,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<&'a str>,
    signature: String,
    answered: String,
    headers: BTreeMap<&'a str, Vec<&'a str>>,
    body: String,
}

fn list(desk: &Desk, peer: Option<Peer>) -> Response {
    if !is_this_machine(peer) {
        return refused(StatusCode::FORBIDDEN, "what arrived is shown on the receiver's own machine", None);
    }
    let (received, next_answers, arrivals) = {
        let shelf = desk.shelf.lock();
        (shelf.arrived, shelf.script.remaining(), shelf.kept.iter().rev().cloned().collect::<Vec<_>>())
    };
    let requests = arrivals.iter().map(|arrival| listed(arrival)).collect();
    json(StatusCode::OK, &Listing { received, next_answers, requests })
}

fn listed(arrival: &Arrival) -> ListedArrival<'_> {
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in arrival.shown_headers() {
        headers.entry(name).or_default().push(value);
    }
    ListedArrival {
        number: arrival.number,
        at: clock::format(arrival.at),
        method: &arrival.method,
        path: &arrival.path,
        webhook_id: arrival.webhook_id.as_deref(),
        signature: arrival.signature.to_string(),
        answered: arrival.answer.to_string(),
        headers,
        body: arrival.shown_body(),
    }
}

fn play(desk: &Desk, peer: Option<Peer>, body: Result<Bytes, UnreadBody>) -> Response {
    if !is_this_machine(peer) {
        return refused(StatusCode::FORBIDDEN, "the script is changed from the receiver's own machine", None);
    }
    match read_script(body) {
        Ok(script) => {
            let answers = script.remaining();
            desk.shelf.lock().script = script;
            json(StatusCode::OK, &BTreeMap::from([("nextAnswers", answers)]))
        }
        Err(problems) => refused(StatusCode::BAD_REQUEST, "the script was not changed", Some(&problems)),
    }
}

fn read_script(body: Result<Bytes, UnreadBody>) -> Result<Script, Problems> {
    let mut problems = Problems::default();
    let object = body.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let Some(Value::Object(members)) = object else {
        problems.add("body", "is not a JSON object such as {\"script\": [\"500\", \"429(3)\"], \"repeat\": true}");
        return Err(problems);
    };
    let mut answers: Vec<Answer> = Vec::new();
    let mut repeat = false;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("script", Value::Array(texts)) => {
                for text in texts {
                    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
                    match text.parse() {
                        Ok(answer) => answers.push(answer),
                        Err(wrong) => problems.add("script", wrong.to_string()),
                    }
                }
            }
            ("script", _) => problems.add("script", "is a list of answers such as [\"500\", \"429(3)\", \"hang\"]"),
            ("repeat", Value::Bool(value)) => repeat = value,
            ("repeat", _) => problems.add("repeat", "is true or false"),
            (_, _) => problems.add(name, "is not known here; there are script, repeat"),
        }
    }
    let script = Script::new(answers, repeat);
    if script.is_too_long() {
        problems.add("script", "has more than 10000 answers; let it repeat instead");
    }
    problems.or(script)
}
