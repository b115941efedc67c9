//! Just enough of HTTP to be called: one request a connection.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request that came whole.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) path: String,
    pub(crate) webhook_id: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Listens on a port of its own, and has each connection served.
pub(crate) async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Reads one request; nothing where the caller goes before it is whole.
pub(crate) async fn read(stream: &mut TcpStream) -> Option<Called> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 16 * 1024];
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = request.parse(&bytes) else { continue };
        let header = |name: &str| {
            let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(found.value).into_owned())
        };
        let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if bytes.len() < head + length {
            continue;
        }
        let (path, webhook_id) = (request.path.unwrap_or_default().to_owned(), header("webhook-id"));
        return Some(Called { path, webhook_id, body: bytes[head..head + length].to_vec() });
    }
}

/// Answers, and closes.
pub(crate) async fn answer(mut stream: TcpStream, status: u16, headers: &str) {
    let text = format!("HTTP/1.1 {status} Said\r\n{headers}content-length: 2\r\nconnection: close\r\n\r\n{{}}");
    // The caller may have gone.
    drop(stream.write_all(text.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// Closes without an answer, so that the caller sees a reset.
pub(crate) fn reset(stream: TcpStream) {
    let stream = stream.into_std().map(socket2::Socket::from);
    // Without this it is a close in order, which says as little.
    drop(stream.and_then(|stream| stream.set_linger(Some(std::time::Duration::ZERO))));
}
