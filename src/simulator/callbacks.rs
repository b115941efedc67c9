//! Callbacks: the gateway tells the merchant what became of a payment.
//!
//! One try, no retry, no redirects, as the original does; where it sets no time limit, ours is 30 s. The body holds the
//! whole card number, since that is the contract; nothing of it is logged. At most 1,024 are under way; one more counts
//! as failed.
//!
//! Deliberately not here: TLS. Callbacks go to a development machine.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::card::masked;
use super::knob::{Callback as Mode, CallbackSignature};
use super::ledger::Transaction;
use super::simulation::Simulation;
use super::tally::CallbackEnd;
use crate::config::Secret;

const TIMEOUT: Duration = Duration::from_secs(30);

const MOST_UNDER_WAY: usize = 1_024;

/// How long `reorder` keeps a callback for another one to overtake it.
const HELD_AT_MOST: Duration = Duration::from_secs(5);

type BoxError = Box<dyn StdError + Send + Sync>;

/// The callbacks' shared state.
#[derive(Debug)]
pub(super) struct Callbacks {
    secret: Secret,
    under_way: Arc<Semaphore>,
    /// The one that `reorder` keeps back.
    held: Mutex<Option<Arc<Callback>>>,
}

impl Callbacks {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, under_way: Arc::new(Semaphore::new(MOST_UNDER_WAY)), held: Mutex::default() }
    }
}

/// One callback. No `Debug`: its body holds a card number.
struct Callback {
    url: Box<str>,
    body: Bytes,
    signature: Option<String>,
}

impl Callback {
    /// Without the query, where tokens are.
    fn shown_url(&self) -> String {
        masked(self.url.split('?').next().unwrap_or_default())
    }
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("url", &self.shown_url()).finish_non_exhaustive()
    }
}

/// Sends the callbacks for a settled transaction, as the settings of this moment say.
pub(super) fn dispatch(simulation: &Arc<Simulation>, transaction: &Transaction, roll: f64) {
    let settings = simulation.settings();
    let callback = Arc::new(prepare(simulation, transaction, settings.callback_signature));
    match settings.callback {
        Mode::Off => simulation.tally.note_callback(CallbackEnd::Withheld),
        Mode::Drop(rate) if rate.hits(roll) => simulation.tally.note_callback(CallbackEnd::Withheld),
        Mode::On | Mode::Drop(_) => send_after(simulation, Duration::ZERO, vec![callback]),
        Mode::Dup(times) => send_after(simulation, Duration::ZERO, (0..times).map(|_| Arc::clone(&callback)).collect()),
        Mode::Delay(delay) => send_after(simulation, delay, vec![callback]),
        Mode::Reorder => reorder(simulation, callback),
    }
}

fn prepare(simulation: &Simulation, transaction: &Transaction, signature: CallbackSignature) -> Callback {
    let body = serde_json::to_vec(&transaction.detail()).expect("texts and a whole number are always JSON");
    let signature = match signature {
        CallbackSignature::Off => None,
        CallbackSignature::Hmac => {
            let seconds = simulation.clock.now().as_nanos().div_euclid(1_000_000_000);
            Some(sign(&simulation.callbacks.secret, seconds, &body))
        }
    };
    Callback { url: transaction.purchase.callback_url.clone(), body: body.into(), signature }
}

/// `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.
fn sign(secret: &Secret, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of every length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// Keeps this one back, or sends it ahead of the one that is kept.
fn reorder(simulation: &Arc<Simulation>, callback: Arc<Callback>) {
    let mut held = simulation.callbacks.held.lock();
    if let Some(earlier) = held.take() {
        drop(held);
        send_after(simulation, Duration::ZERO, vec![callback, earlier]);
        return;
    }
    *held = Some(Arc::clone(&callback));
    drop(held);
    let for_task = Arc::clone(simulation);
    simulation.spawn(async move {
        tokio::time::sleep(HELD_AT_MOST).await;
        let still_held = for_task.callbacks.held.lock().take_if(|held| Arc::ptr_eq(held, &callback));
        if let Some(callback) = still_held {
            send_all(&for_task, vec![callback]).await;
        }
    });
}

fn send_after(simulation: &Arc<Simulation>, delay: Duration, callbacks: Vec<Arc<Callback>>) {
    let for_task = Arc::clone(simulation);
    simulation.spawn(async move {
        tokio::time::sleep(delay).await;
        send_all(&for_task, callbacks).await;
    });
}

/// One after the other, so that their order on the wire is the order here.
async fn send_all(simulation: &Simulation, callbacks: Vec<Arc<Callback>>) {
    for callback in callbacks {
        let Ok(_permit) = simulation.callbacks.under_way.try_acquire() else {
            tracing::warn!(url = callback.shown_url(), "too many callbacks are under way; one was not sent");
            simulation.tally.note_callback(CallbackEnd::Failed);
            continue;
        };
        let end = match tokio::time::timeout(TIMEOUT, send(&callback)).await {
            Ok(Ok(status)) if status.is_success() => CallbackEnd::Delivered,
            Ok(Ok(status)) => {
                tracing::info!(url = callback.shown_url(), %status, "a callback was refused");
                CallbackEnd::Refused
            }
            Ok(Err(error)) => {
                tracing::info!(url = callback.shown_url(), error, "a callback failed");
                CallbackEnd::Failed
            }
            Err(_) => {
                tracing::info!(url = callback.shown_url(), "a callback was not answered in time");
                CallbackEnd::Failed
            }
        };
        simulation.tally.note_callback(end);
    }
}

async fn send(callback: &Callback) -> Result<StatusCode, BoxError> {
    let url: Uri = callback.url.parse()?;
    let host = url.host().ok_or("the URL has no host")?;
    let port = url.port_u16().unwrap_or(80);
    let bare_host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare_host, port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, url.authority().map_or(host, |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/json");
    if let Some(signature) = &callback.signature {
        request = request.header("X-PG-Signature", signature);
    }
    let request = request.body(Full::new(callback.body.clone()))?;
    // Dropped together with the answer: the connection is for this one request.
    tokio::select! {
        answered = sender.send_request(request) => Ok(answered?.status()),
        ended = connection => match ended {
            Ok(()) => Err("the connection was closed without an answer".into()),
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_the_time_and_the_body() {
        // Checked with: printf '1717236000.{}' | openssl dgst -sha256 -hmac pg-simulator
        let signature = sign(&Secret::new(b"pg-simulator"), 1_717_236_000, b"{}");
        insta::assert_snapshot!(signature, @"t=1717236000,v1=c9fda7871396855410934eec21760d0b7b49cfa4b5ab3e72ef85caf9c8bce46f");
    }
}
