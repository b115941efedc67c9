//! A request's body on its way to the target: kept whole where it is short and may be needed again, else passed on as it
//! comes, within the route's limit.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::listener::HEAD_READ;

/// How long a client may take for a body that is kept, if its call may take as long: such bodies are short.
const KEPT_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of request bodies that this node keeps at a time, of all routes together; a request that would be one too many is
/// refused with 503. A thousand of the longest that are kept by default (`retry_buffer`, 64 KiB).
const KEPT_BYTES: u64 = 64 << 20;

/// How much is read of a body that nobody needs, and for how long a refusal waits for it.
const DRAINED: usize = 1 << 20;
const DRAINED_WITHIN: Duration = Duration::from_millis(250);

/// What hyper sends.
pub(super) enum Outgoing {
    /// All of it; nothing is left if it is empty.
    Whole(Bytes),
    /// As it comes.
    Streamed { body: Arriving, left: u64, progress: Arc<Progress> },
}

/// A body of which the beginning is here.
#[derive(Debug)]
pub(super) struct Arriving {
    first: Option<Frame<Bytes>>,
    rest: Incoming,
}

/// The room for bodies that are kept.
#[derive(Debug)]
pub(super) struct Room {
    left: AtomicU64,
}

/// Some of it, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken<'r> {
    room: &'r Room,
    bytes: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: AtomicU64::new(KEPT_BYTES) }
    }
}

impl Room {
    /// Room for a body, if there is so much left.
    pub(super) fn take(&self, bytes: u64) -> Option<Taken<'_>> {
        let less = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        Some(Taken { room: self, bytes })
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.room.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// How far a body that is passed on as it comes has got.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

/// Where a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing of it was asked for.
    Untouched,
    /// The client has not sent what was asked for.
    AwaitingClient,
    /// What came was taken.
    Moving,
    /// All of it was taken.
    Complete,
    /// The client broke off.
    Broken,
    /// It was longer than may be.
    TooLarge,
}

impl Progress {
    const STAGES: [Stage; 6] =
        [Stage::Untouched, Stage::AwaitingClient, Stage::Moving, Stage::Complete, Stage::Broken, Stage::TooLarge];

    pub(super) fn stage(&self) -> Stage {
        Self::STAGES[usize::from(self.0.load(Ordering::Relaxed)).min(5)]
    }

    fn enter(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }
}

/// Why a body does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stopped {
    /// The client's side broke.
    #[error("the client broke off its request")]
    Broken,
    /// The limit of the route.
    #[error("the request's body is longer than the route takes")]
    TooLarge,
    /// Too slow for one that is kept.
    #[error("the request's body came too slowly")]
    TooSlow,
}

/// A whole body, of `limit` bytes at most, for a call that may take `budget`.
pub(super) async fn keep(body: Incoming, limit: usize, budget: Duration) -> Result<Bytes, Stopped> {
    let collected = tokio::time::timeout(KEPT_WITHIN.min(budget), Limited::new(body, limit).collect()).await;
    match collected {
        Err(_) => Err(Stopped::TooSlow),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Stopped::TooLarge),
        Ok(Err(_)) => Err(Stopped::Broken),
    }
}

/// Waits for the beginning of a body, for a call that may take `budget`, and no longer than for a head.
pub(super) async fn begin(mut body: Incoming, budget: Duration) -> Result<Arriving, Stopped> {
    match tokio::time::timeout(HEAD_READ.min(budget), body.frame()).await {
        Err(_) => Err(Stopped::TooSlow),
        Ok(Some(Err(_))) => Err(Stopped::Broken),
        Ok(Some(Ok(first))) => Ok(Arriving { first: Some(first), rest: body }),
        Ok(None) => Ok(Arriving { first: None, rest: body }),
    }
}

/// Reads what comes of a body that nobody needs, for a moment. A client that is still sending when its connection is closed
/// loses the answer (RFC 9112, 9.6).
pub(super) async fn drain(mut body: impl Body<Data = Bytes> + Unpin) {
    let reading = async {
        let mut left = DRAINED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            if length >= left {
                return;
            }
            left -= length;
        }
    };
    // What has not come by then does not come soon.
    drop(tokio::time::timeout(DRAINED_WITHIN, reading).await);
}

impl fmt::Debug for Outgoing {
    /// Without the body, which is the client's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_struct("Whole").field("bytes", &bytes.len()).finish(),
            Self::Streamed { left, progress, .. } => {
                f.debug_struct("Streamed").field("left", left).field("stage", &progress.stage()).finish()
            }
        }
    }
}

impl From<Incoming> for Arriving {
    fn from(rest: Incoming) -> Self {
        Self { first: None, rest }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        longer_by(&self.rest.size_hint(), first)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let (body, left, progress) = match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed { body, left, progress } => (body, left, progress),
        };
        progress.enter(Stage::AwaitingClient);
        let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(context)) else {
            progress.enter(Stage::Complete);
            return Poll::Ready(None);
        };
        let Ok(frame) = frame else {
            progress.enter(Stage::Broken);
            return Poll::Ready(Some(Err(Stopped::Broken)));
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else {
            progress.enter(Stage::TooLarge);
            return Poll::Ready(Some(Err(Stopped::TooLarge)));
        };
        *left = rest;
        progress.enter(if body.is_end_stream() { Stage::Complete } else { Stage::Moving });
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed { body, .. } => body.size_hint(),
        }
    }
}

/// What is known of a body's length, with what was read of it before.
pub(super) fn longer_by(rest: &SizeHint, first: u64) -> SizeHint {
    let mut whole = SizeHint::new();
    whole.set_lower(rest.lower() + first);
    if let Some(upper) = rest.upper() {
        whole.set_upper(upper + first);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_bodies_is_bounded_and_comes_back() {
        let room = Room::default();
        let taken = room.take(KEPT_BYTES - 1).unwrap();
        assert!(room.take(2).is_none());
        let last = room.take(1);
        assert!(last.is_some() && room.take(1).is_none());
        drop(taken);
        assert!(room.take(KEPT_BYTES - 1).is_some());
    }
}
