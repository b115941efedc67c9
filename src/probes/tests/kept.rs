//! Kept connections.

use super::*;

fn kept(server: &Server, connection: Connection) -> Prepared {
    let mut probe = get(&server.url("/"));
    probe.connection = connection;
    prepare(probe)
}

/// For each of `count` probes whether it dialled.
async fn dialled(prepared: &Prepared, count: usize) -> Vec<bool> {
    let mut dialled = Vec::new();
    for _ in 0..count {
        let observation = prepared.probe(LONG).await;
        good(&observation);
        dialled.push(observation.phases.connect.is_some());
    }
    dialled
}

#[tokio::test]
async fn a_kept_connection_is_dialled_once_and_then_used() {
    let server = Server::keeping().await;
    assert_eq!(dialled(&kept(&server, Connection::Kept), 4).await, [true, false, false, false]);
    assert!(!server.requests()[0].contains("connection:"));
}

#[tokio::test]
async fn a_fresh_probe_dials_each_time() {
    let server = Server::keeping().await;
    assert_eq!(dialled(&kept(&server, Connection::Fresh), 3).await, [true; 3]);
}

#[tokio::test]
async fn of_mixed_probes_every_tenth_dials() {
    let server = Server::keeping().await;
    let dialled = dialled(&kept(&server, Connection::Mixed), 21).await;
    let at: Vec<_> = (0..21).filter(|probe| dialled[*probe]).collect();
    assert_eq!(at, [0, 10, 20]);
}

#[tokio::test]
async fn a_connection_that_was_closed_between_probes_is_replaced() {
    // One request a connection, although the answer promises more.
    let server = Server::answering([OK]).await;
    assert_eq!(dialled(&kept(&server, Connection::Kept), 3).await, [true; 3]);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_connection_that_is_closed_at_the_second_request_is_replaced_at_once() {
    let server = Server::start(|_, mut connection, requests| async move {
        let request = read_request(&mut connection).await;
        requests.lock().push(request);
        connection.write_all(OK.as_bytes()).await.unwrap();
        let request = read_request(&mut connection).await;
        requests.lock().push(request);
    })
    .await;
    let prepared = kept(&server, Connection::Kept);
    assert_eq!(dialled(&prepared, 2).await, [true, true]);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_target_that_is_gone_fails_also_with_a_kept_connection() {
    let server = Server::answering([OK, ""]).await;
    let prepared = kept(&server, Connection::Kept);
    good(&prepared.probe(LONG).await);
    failed(&prepared.probe(LONG).await, Reason::Protocol, "N/A");
}

#[tokio::test]
async fn a_connection_with_something_unread_is_not_used_again() {
    let server = Server::start(|_, mut connection, _| async move {
        read_request(&mut connection).await;
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOKHTTP/1.1 500 Smuggled\r\n\r\n")
            .await
            .unwrap();
        std::future::pending().await
    })
    .await;
    assert_eq!(dialled(&kept(&server, Connection::Kept), 2).await, [true, true]);
}

#[tokio::test]
async fn an_answer_that_wants_the_connection_closed_is_obeyed() {
    let server = Server::start(|_, mut connection, _| async move {
        loop {
            if read_request(&mut connection).await.is_empty() {
                return;
            }
            connection.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    assert_eq!(dialled(&kept(&server, Connection::Kept), 2).await, [true, true]);
}

#[tokio::test]
async fn http2_without_tls_keeps_its_connection_too() {
    let server = secure::http2_server().await;
    let mut probe = get(&server.url("/"));
    probe.version = HttpVersion::Http2;
    probe.connection = Connection::Kept;
    let prepared = prepare(probe);
    assert_eq!(dialled(&prepared, 3).await, [true, false, false]);
    let observation = prepared.probe(LONG).await;
    assert_eq!((observation.status_code, observation.bytes), (Some(200), 2));
}
