//! How a request ends: with an answer, with none, or with a connection that is reset.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use warp::reply::Response;

use crate::listener::ConnectionControl;

/// How a request ends.
#[derive(Debug)]
pub(super) enum Fate {
    Answer(Response),
    /// Accepted, then nothing. It ends when the client leaves, or with a reset when the server closes.
    Hang,
    Reset,
}

impl Fate {
    /// An answer, early or not.
    pub(super) fn of(answer: Result<Response, Box<Response>>) -> Self {
        Self::Answer(answer.unwrap_or_else(|refused| *refused))
    }

    /// Lets it happen. `closing` says that the server has begun to shut down, which must not wait for what never ends.
    pub(super) async fn meet(self, connection: Option<ConnectionControl>, closing: &CancellationToken) -> Response {
        match self {
            Self::Answer(response) => return response,
            Self::Hang => closing.cancelled().await,
            Self::Reset => {}
        }
        if let Some(connection) = connection {
            connection.reset();
        }
        std::future::pending().await
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).expect("our answers have text keys and finite numbers");
    let mut response = Response::new(Bytes::from(text).into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// With a Retry-After of so many seconds.
pub(super) fn retry_after(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}
