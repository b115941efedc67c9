//! Channels against real receivers: sockets that answer as they are told, a mail server, programs.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Sender;
use crate::clock::Clock;
use crate::config::Config;

mod http;
mod mail;
mod program;
mod secrets;

/// The channel `ops` with these keys, as a user writes them.
fn sender(keys: &str) -> Sender {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!("[alerting]\nallow_exec = true\n[[channel]]\nname = \"ops\"\n{keys}\n");
    let loaded = Config::parse(&text, "test.toml", Path::new(""), &BTreeMap::new());
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
    Sender::new(&config, &config.channels["ops"], Clock::system()).unwrap()
}

/// What the other side does after it has read a request.
#[derive(Clone)]
enum Then {
    Answer(String),
    /// The request itself comes back, head and body, with this status.
    Echo(u16),
    Reset,
    Silence,
}

fn answer(status: &str, headers: &str, body: &str) -> Then {
    Then::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
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
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut requests = Vec::new();
        for thing in things {
            let request = read_request(&mut stream).await;
            match thing {
                Then::Answer(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                Then::Echo(status) => {
                    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", request.len());
                    stream.write_all(format!("{head}{request}").as_bytes()).await.unwrap();
                }
                Then::Reset => {
                    stream.set_zero_linger().unwrap();
                    break;
                }
                Then::Silence => while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
            }
            requests.push(request);
        }
        requests
    });
    (base, served)
}
