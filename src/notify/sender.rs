//! A configured channel, ready to send.
//!
//! A sender makes exactly one attempt a call and keeps no memory of messages, so a caller may drop an attempt that is
//! still running: at worst the receiver gets the same bytes under the same id again.

use std::fmt;
use std::sync::Arc;

use super::transport::Transport;
use super::{log, transport, webhook};
use crate::clock::Clock;
use crate::config::{Channel, ChannelKind, Secret};
use crate::domain::delivery::{Delivery, Outcome};

/// Why a channel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is no http or https URL with a host. It is not shown, since such URLs often hold a token.
    #[error("channel {channel}: the url is not one of http or https with a host; give it as https://host/path")]
    Url {
        /// Which channel.
        channel: Arc<str>,
    },
    /// The HTTP client could not be built.
    #[error("channel {channel}: no HTTP client could be made; look at this machine's TLS set-up")]
    Client {
        /// Which channel.
        channel: Arc<str>,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
}

/// Sends to one channel.
pub struct Sender {
    node: Arc<str>,
    clock: Clock,
    way: Way,
}

enum Way {
    Log,
    Webhook { url: String, secrets: Vec<Secret>, transport: Transport },
}

/// Says what it is and not to where: URLs hold tokens.
impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Log => f.write_str("Sender(log)"),
            Way::Webhook { .. } => f.write_str("Sender(webhook)"),
        }
    }
}

impl Sender {
    /// Makes `channel` ready. Nothing is dialled before the first message.
    ///
    /// # Errors
    /// A URL that cannot be called, or no HTTP client.
    ///
    /// # Panics
    /// If the program installed no TLS crypto provider before.
    pub fn new(channel: &Channel, node: Arc<str>, clock: Clock) -> Result<Self, Error> {
        let way = match &channel.kind {
            ChannelKind::Log => Way::Log,
            ChannelKind::Webhook { url, secrets, timeout } => {
                let address = transport::callable(url).ok_or_else(|| Error::Url { channel: channel.name.clone() })?;
                let transport = Transport::new(&address, secrets, *timeout)
                    .map_err(|source| Error::Client { channel: channel.name.clone(), source })?;
                Way::Webhook { url: url.clone(), secrets: secrets.clone(), transport }
            }
        };
        Ok(Self { node, clock, way })
    }

    /// Makes one attempt, and says what came of it.
    pub async fn deliver(&self, delivery: &Delivery) -> Outcome {
        match &self.way {
            Way::Log => {
                log::write(delivery);
                Outcome::Delivered
            }
            Way::Webhook { url, secrets, transport } => {
                let now_unix = self.clock.now().as_nanos().div_euclid(1_000_000_000);
                let request = webhook::render(delivery, url, &self.node, now_unix, secrets);
                transport.send(request, &self.clock).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::super::webhook::tests::{delivery, firing};
    use super::*;

    /// Long enough for any answer on this machine; only the test of silence waits for its own, shorter one.
    const TIMEOUT: Duration = Duration::from_secs(20);

    /// What the other side does after it has read a request.
    enum Then {
        Answer(String),
        Reset,
        Silence,
    }

    async fn read_request(stream: &mut TcpStream) -> String {
        let mut read = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await.unwrap();
            read.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() || count == 0 {
                return text;
            }
        }
    }

    /// A receiver on a free port that does these things, one a request, on one connection for as long as that lives.
    async fn receiver(things: Vec<Then>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/T0123456789ABCDEF", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut requests = Vec::new();
            for thing in things {
                requests.push(read_request(&mut stream).await);
                match thing {
                    Then::Answer(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    Then::Reset => {
                        stream.set_zero_linger().unwrap();
                        break;
                    }
                    Then::Silence => while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
                }
            }
            requests
        });
        (url, served)
    }

    fn answer(status: &str, headers: &str, body: &str) -> Then {
        Then::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
    }

    fn sender(url: &str, timeout: Duration) -> Sender {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kind = ChannelKind::Webhook { url: url.to_owned(), secrets: vec![Secret::new(b"key")], timeout };
        Sender::new(&Channel { name: "ops".into(), kind }, "breakwater-1".into(), Clock::system()).unwrap()
    }

    async fn outcome_of(thing: Then, timeout: Duration) -> Outcome {
        let (url, served) = receiver(vec![thing]).await;
        let outcome = sender(&url, timeout).deliver(&delivery(firing())).await;
        drop(served);
        outcome
    }

    #[tokio::test]
    async fn a_receiver_that_takes_it_gets_it_signed_and_whole() {
        let (url, served) = receiver(vec![answer("200 OK", "", "ok")]).await;

        let outcome = sender(&url, TIMEOUT).deliver(&delivery(firing())).await;

        assert_eq!(outcome, Outcome::Delivered);
        let request = served.await.unwrap().remove(0);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hooks/T0123456789ABCDEF HTTP/1.1\r\n"), "{head}");
        assert_eq!(head.matches("content-type: application/cloudevents+json\r\n").count(), 1, "{head}");
        assert_eq!(head.matches("webhook-id: n-41.1\r\n").count(), 1, "{head}");
        assert_eq!(head.matches("webhook-signature: v1,").count(), 1, "{head}");
        let event: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(event["id"], "n-41.1");
    }

    #[tokio::test]
    async fn a_retry_has_the_same_body_on_the_same_connection() {
        let (url, served) =
            receiver(vec![answer("503 Service Unavailable", "", "later"), answer("204 No Content", "", "")]).await;
        let sender = sender(&url, TIMEOUT);

        let first = sender.deliver(&delivery(firing())).await;
        let second = sender.deliver(&delivery(firing())).await;

        assert_eq!(first, Outcome::Transient { error: "503 Service Unavailable: later".into(), retry_after: None });
        assert_eq!(second, Outcome::Delivered);
        let requests = served.await.unwrap();
        let bodies: Vec<&str> = requests.iter().filter_map(|text| text.split_once("\r\n\r\n")).map(|r| r.1).collect();
        assert_eq!(bodies[0], bodies[1]);
    }

    #[tokio::test]
    async fn a_receiver_that_asks_for_a_pause_is_heard() {
        let busy = answer("429 Too Many Requests", "retry-after: 17\r\n", "{\"message\":\"slow down\"}");
        let error = "429 Too Many Requests: {\"message\":\"slow down\"}".into();
        let expected = Outcome::Transient { error, retry_after: Some(Duration::from_secs(17)) };
        assert_eq!(outcome_of(busy, TIMEOUT).await, expected);
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_receivers_words_without_our_secrets() {
        let refused = answer("400 Bad Request", "", "no hook\r\nT0123456789ABCDEF, key a2V5");
        let error = "400 Bad Request: no hook [hidden], key [hidden]".into();
        assert_eq!(outcome_of(refused, TIMEOUT).await, Outcome::Permanent { error });
    }

    #[tokio::test]
    async fn a_long_refusal_is_cut() {
        let refused = answer("404 Not Found", "", &"x".repeat(100_000));
        let outcome = outcome_of(refused, TIMEOUT).await;
        let Outcome::Permanent { error } = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.chars().count(), "404 Not Found: ".len() + 200);
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let moved = answer("302 Found", "location: /elsewhere\r\n", "");
        assert!(matches!(outcome_of(moved, TIMEOUT).await, Outcome::Permanent { .. }));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_may_work_later() {
        let outcome = outcome_of(Then::Reset, TIMEOUT).await;
        let Outcome::Transient { error, retry_after: None } = outcome else { panic!("{outcome:?}") };
        assert!(error.starts_with("the request failed: "), "{error}");
        assert!(!error.contains("T0123456789ABCDEF"), "{error}");
    }

    #[tokio::test]
    async fn a_receiver_that_is_silent_is_given_up_after_the_timeout() {
        let outcome = outcome_of(Then::Silence, Duration::from_millis(50)).await;
        assert_eq!(outcome, Outcome::Transient { error: "no answer within 50ms".into(), retry_after: None });
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_may_work_later() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        drop(listener);
        let outcome = sender(&url, TIMEOUT).deliver(&delivery(firing())).await;
        let Outcome::Transient { error, .. } = outcome else { panic!("{outcome:?}") };
        assert!(error.starts_with("no connection: "), "{error}");
    }

    #[tokio::test]
    async fn the_log_takes_everything() {
        let channel = Channel { name: "log".into(), kind: ChannelKind::Log };
        let sender = Sender::new(&channel, "breakwater-1".into(), Clock::system()).unwrap();
        assert_eq!(sender.deliver(&delivery(firing())).await, Outcome::Delivered);
    }

    #[test]
    fn a_url_that_cannot_be_called_is_told_without_being_shown() {
        let kind = ChannelKind::Webhook { url: "hooks.example/T0".into(), secrets: vec![], timeout: TIMEOUT };
        let error = Sender::new(&Channel { name: "ops".into(), kind }, "n".into(), Clock::system()).unwrap_err();
        insta::assert_snapshot!(error, @"channel ops: the url is not one of http or https with a host; give it as https://host/path");
    }

    #[test]
    fn an_attempt_can_run_on_any_thread() {
        fn is_send(_: &impl Send) {}
        let channel = Channel { name: "log".into(), kind: ChannelKind::Log };
        let sender = Sender::new(&channel, "n".into(), Clock::system()).unwrap();
        let delivery = delivery(firing());
        is_send(&sender.deliver(&delivery));
    }
}
