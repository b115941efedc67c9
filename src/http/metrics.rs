//! `/metrics`: the node's numbers, for Prometheus.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use warp::http::header::ACCEPT;
use warp::reply::Response;

use super::error::Problem;
use super::reply;
use super::request::Request;
use super::state::Http;
use crate::actors::board::Slot;
use crate::config;
use crate::domain::breaker::{Lifetime, Refused, State, View};
use crate::domain::slo::Budget;
use crate::domain::verdict::{Health, verdict};
use crate::domain::watch::Watch;
use crate::metrics::{
    BreakerSample, CallCounts, Format, Page, PassiveSample, Process, RejectionCounts, TargetNumbers, TargetSample,
    TrafficSample,
};

/// Pages that are written at a time; one more waits. Each holds a thread, and a copy of what it tells.
const PAGES_AT_A_TIME: usize = 8;
/// A client that takes longer to read a page is cut off: Prometheus gives up after 10 s if nobody says otherwise.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// Pieces of about 64 KiB that wait for a client.
const PIECES_AHEAD: usize = 4;

/// Lets so many pages be written at a time.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(PAGES_AT_A_TIME)))
    }
}

/// The node's metrics
///
/// In Prometheus' text format, or as OpenMetrics where `Accept` asks for it.
#[utoipa::path(
    get, path = "/metrics", tag = "Node",
    responses((status = 200, content_type = "text/plain", body = String)),
)]
pub(super) async fn metrics(request: Request, turns: Turns) -> Result<Response, Problem> {
    let format = Format::from_accept(request.header(&ACCEPT).unwrap_or_default());
    let turn = turns.0.acquire_owned().await.expect("nobody closes this semaphore");
    let (pieces, written) = mpsc::channel(PIECES_AHEAD);
    let deadline = Instant::now() + PAGE_TIME;
    let http = request.http;
    // Ten thousand targets are 50 MB: never in memory as a whole, and never on a thread that others wait for.
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { pieces, deadline };
        if let Err(error) = write(&http, format, &mut pieces) {
            tracing::debug!(%error, "a page of metrics was not read to its end");
        }
        drop(turn);
    });
    Ok(reply::stream(whole(written), format.content_type()))
}

/// A part of a page, or the word that it is complete.
enum Piece {
    Text(Vec<u8>),
    End,
}

/// The writing half: waits for the client, up to a deadline.
struct Pieces {
    pieces: mpsc::Sender<Piece>,
    deadline: Instant,
}

impl Pieces {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = tokio::time::timeout_at(self.deadline, self.pieces.send(piece));
        match tokio::runtime::Handle::current().block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl io::Write for Pieces {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.send(Piece::Text(text.to_vec()))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reading half. A page that was not written to its end ends with an error, so that nobody takes it for whole.
fn whole(written: mpsc::Receiver<Piece>) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + Sync + 'static {
    stream::unfold(Some(written), |written| async move {
        let mut written = written?;
        match written.recv().await {
            Some(Piece::Text(text)) => Some((Ok(text), Some(written))),
            Some(Piece::End) => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    })
}

/// A configured target, copied, so that its lock is not held while the page is written.
struct Taken {
    spec: Arc<config::Target>,
    watch: Watch,
    health: Health,
    numbers: TargetNumbers,
    breaker: BreakerSample,
    traffic: Option<TrafficSample>,
    budget: Option<Budget>,
}

fn write(http: &Http, format: Format, pieces: &mut Pieces) -> io::Result<()> {
    let slots = http.board.all();
    let mut targets: Vec<Taken> = slots.iter().filter_map(|slot| take(slot, http)).collect();
    targets.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    let targets: Vec<TargetSample<'_>> = targets
        .iter()
        .map(|taken| TargetSample {
            name: &taken.spec.name,
            group: &taken.spec.group,
            failure_type: taken.spec.policy.failure_type,
            kind: taken.spec.probe.kind(),
            interval: taken.spec.interval,
            watch: &taken.watch,
            health: taken.health,
            numbers: &taken.numbers,
            breaker: taken.breaker,
            traffic: taken.traffic,
            budget: taken.budget,
        })
        .collect();
    let passive = passive(slots.iter().filter(|slot| slot.spec.is_none()));
    let page = Page { node: &http.metrics, process: Process::read(), targets: &targets, passive };
    page.write_to(format, pieces)?;
    pieces.send(Piece::End)
}

fn take(slot: &Slot, http: &Http) -> Option<Taken> {
    let spec = slot.spec.clone()?;
    let breaker = slot.gate.as_ref().map(|gate| sample(&gate.view(http.clock.moment()))).unwrap_or_default();
    let traffic = slot.traffic.sample();
    Some(http.board.seen(slot, http.clock, |live, inputs| {
        let health = verdict(inputs).health;
        let budget = live.aside().budget;
        Taken { spec, watch: live.watch.clone(), health, numbers: live.numbers, breaker, traffic, budget }
    }))
}

fn sample(view: &View) -> BreakerSample {
    let View { state, window, slow_in_flight, trials, lifetime, refused, .. } = *view;
    let Lifetime { success, failure, ignored, unknown, cancelled } = lifetime;
    let Refused { open, forced_open, trials_taken, ramping } = refused;
    BreakerSample {
        calls: CallCounts { success, failure, ignored, unknown, cancelled },
        rejected: RejectionCounts { open, trials_taken, forced_open, ramping },
        failure_rate: part(window.failed, window.calls),
        slow_call_rate: part(window.slow + slow_in_flight, window.calls + slow_in_flight),
        half_open_permits: match state {
            State::HalfOpen => trials.allowed.saturating_sub(trials.granted),
            State::Closed | State::Open => 0,
        },
    }
}

/// Also under the minimum of calls, where the breaker itself judges nothing.
fn part(some: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}

fn passive<'a>(slots: impl Iterator<Item = &'a Arc<Slot>>) -> PassiveSample {
    let mut sum = PassiveSample::default();
    for slot in slots {
        sum.targets += 1;
        slot.live(|live| live.numbers.add_changes_to(&mut sum.state_changes, &mut sum.breaker_changes));
    }
    sum
}
