//! A request's body: read with a limit and a time, and drained where it is refused.
//!
//! A client that still sends when it is refused would find its connection cut before it has read why. So what is left of
//! a body is read and thrown away beside the answer, up to a limit of its own.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::Value;
use warp::Buf;
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, TRANSFER_ENCODING};

use super::error::Problem;
use super::fields::Fields;

/// A body above this is refused with 413. A failure with its five texts at their longest fits.
pub(super) const BODY_MAX: usize = 256 * 1_024;
/// A body that takes longer is refused with 408; headers have a limit of their own in the listener.
const BODY_TIME: Duration = Duration::from_secs(10);
/// What is read of a refused body; then the connection is closed.
const DRAINED_MAX: usize = 1_024 * 1_024;
/// How long a refused body is read; then the connection is closed.
const DRAINED_TIME: Duration = Duration::from_secs(1);

type Chunks = Pin<Box<dyn Stream<Item = Result<Vec<u8>, warp::Error>> + Send>>;

/// A body that was not read yet. Dropping it drains it.
pub(super) struct Body {
    chunks: Option<Chunks>,
    media: Option<String>,
    length: Option<u64>,
    /// The client waits for a word from us before it sends anything.
    waits: bool,
}

impl Body {
    pub(super) fn new<S, B>(headers: &HeaderMap, chunks: S) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf + Send,
    {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let exists = length.is_some_and(|length: u64| length > 0) || headers.contains_key(TRANSFER_ENCODING);
        let chunks: Chunks = Box::pin(chunks.map(|chunk| chunk.map(into_vec)));
        Self {
            chunks: (exists || length.is_none()).then_some(chunks),
            media: text(CONTENT_TYPE).map(str::to_owned),
            length,
            waits: !exists || headers.contains_key(EXPECT),
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// 415, 413, 408; 400 where it is cut short or no JSON.
    pub(super) async fn json(mut self) -> Result<Value, Problem> {
        if !self.media.as_deref().is_some_and(is_json) {
            return Err(Problem::unsupported_media_type());
        }
        let bytes = self.read().await?;
        parse(&bytes)
    }

    /// What `read` makes of the body's members.
    ///
    /// # Errors
    /// 415, 413, 408; 400 where it is cut short, no JSON, or anything is wrong with a member.
    pub(super) async fn command<T>(self, read: impl FnOnce(&Fields<'_>) -> Option<T>) -> Result<T, Problem> {
        Fields::read(&self.json().await?, read)
    }

    /// What `read` makes of the body's members, or nothing where there is no body or it is `null`.
    ///
    /// # Errors
    /// As [`Body::command`].
    pub(super) async fn optional_command<T>(
        mut self,
        read: impl FnOnce(&Fields<'_>) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        if self.media.is_some() && self.length != Some(0) {
            let body = self.json().await?;
            return if body.is_null() { Ok(None) } else { Fields::read(&body, read).map(Some) };
        }
        let bytes = self.read().await?;
        if bytes.is_empty() { Ok(None) } else { Err(Problem::unsupported_media_type()) }
    }

    /// Whether a page's form was sent.
    pub(super) fn is_form(&self) -> bool {
        let media = self.media.as_deref().and_then(|media| media.split(';').next());
        media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    }

    /// A form's members.
    ///
    /// # Errors
    /// 413, 408; 400 where it is cut short.
    pub(super) async fn form(mut self) -> Result<Vec<(String, String)>, Problem> {
        let bytes = self.read().await?;
        Ok(form_urlencoded::parse(&bytes).into_owned().collect())
    }

    async fn read(&mut self) -> Result<Vec<u8>, Problem> {
        if self.length.is_some_and(|length| length > BODY_MAX as u64) {
            return Err(Problem::body_too_large(BODY_MAX));
        }
        self.waits = false;
        match tokio::time::timeout(BODY_TIME, self.collect()).await {
            Ok(read) => read,
            Err(_elapsed) => Err(Problem::body_too_slow(BODY_TIME)),
        }
    }

    async fn collect(&mut self) -> Result<Vec<u8>, Problem> {
        let mut body = Vec::new();
        let Some(chunks) = self.chunks.as_mut() else { return Ok(body) };
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::body_cut_short())?;
            if body.len() + chunk.len() > BODY_MAX {
                return Err(Problem::body_too_large(BODY_MAX));
            }
            body.extend_from_slice(&chunk);
        }
        self.chunks = None;
        Ok(body)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let (Some(chunks), false) = (self.chunks.take(), self.waits) {
            tokio::spawn(drain(chunks));
        }
    }
}

async fn drain(mut chunks: Chunks) {
    let thrown_away = async {
        let mut left = DRAINED_MAX;
        while let Some(Ok(chunk)) = chunks.next().await {
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    if tokio::time::timeout(DRAINED_TIME, thrown_away).await.is_err() {
        tracing::debug!("a refused body was not over in time; its connection is closed");
    }
}

fn into_vec(mut chunk: impl Buf) -> Vec<u8> {
    let mut bytes = vec![0; chunk.remaining()];
    chunk.copy_to_slice(&mut bytes);
    bytes
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    // serde_json's own words repeat nothing of the text: a place, and what was expected there.
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed_json(&error.to_string()))
}

/// `application/json` or any `+json`, in UTF-8 if it says in what. A batch of CloudEvents is something else.
fn is_json(media: &str) -> bool {
    let mut parts = media.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let is_utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    is_json && is_utf8 && kind != "application/cloudevents-batch+json"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_media_type() {
        for media in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/cloudevents+json",
            "application/problem+json; a=b",
        ] {
            assert!(is_json(media), "{media}");
        }
        for media in [
            "",
            "text/json",
            "text/plain",
            "application/jsonp",
            "application/json; charset=euc-kr",
            "application/cloudevents-batch+json",
            "multipart/form-data; boundary=json",
        ] {
            assert!(!is_json(media), "{media}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place_and_not_by_its_content() {
        let problem = parse(br#"{"cardNo": 4111111111111111x}"#).unwrap_err();
        assert_eq!(problem.to_string(), "the body is not JSON: expected `,` or `}` at line 1 column 28");
    }
}
