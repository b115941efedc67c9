//! Answers: what is good, and what each failure is called.

use super::*;
use crate::config::probe::BodyCheck;

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_good_answer_shows_its_status_bytes_and_phases() {
    let server = Server::answering([OK]).await;
    let observation = observe(get(&server.url("/health?deep=1"))).await;
    good(&observation);
    assert_eq!((observation.status_code, observation.bytes, observation.degraded), (Some(200), 2, false));
    let phases = observation.phases;
    assert_eq!((phases.resolve, phases.tls, observation.certificate_expires_at), (None, None, None));
    assert!(phases.connect.is_some() && phases.processing.is_some() && phases.transfer.is_some());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        server.requests(),
        [format!(
            "GET /health?deep=1 HTTP/1.1\r\nhost: {}\r\nuser-agent: breakwater/{version} (node-1)\r\naccept: */*\r\n\
             connection: close\r\n\r\n",
            server.address
        )]
    );
}

#[tokio::test]
async fn the_time_that_the_target_thinks_is_processing_and_nothing_else() {
    const THINKS: Duration = Duration::from_millis(60);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        read_request(&mut connection).await;
        tokio::time::sleep(THINKS).await;
        connection.write_all(OK.as_bytes()).await.unwrap();
    });
    let observation = observe(get(&format!("http://{address}/"))).await;
    good(&observation);
    // A lower bound: no machine is so fast that the target has not thought.
    assert!(observation.phases.processing >= Some(THINKS), "{:?}", observation.phases);
}

#[tokio::test]
async fn a_name_is_resolved_and_all_its_addresses_are_tried() {
    // Where localhost is ::1 first, nobody listens there.
    let server = Server::answering([OK]).await;
    let observation = observe(get(&format!("http://localhost:{}/", server.address.port()))).await;
    good(&observation);
    assert!(observation.phases.resolve.is_some());
}

#[tokio::test]
async fn an_ipv6_address_is_dialled_without_resolving() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let request = read_request(&mut connection).await;
        connection.write_all(OK.as_bytes()).await.unwrap();
        request
    });
    let observation = observe(get(&format!("http://{address}/"))).await;
    good(&observation);
    assert_eq!(observation.phases.resolve, None);
    assert!(answering.await.unwrap().contains(&format!("host: {address}\r\n")));
}

#[tokio::test]
async fn method_headers_and_body_are_sent_as_they_are() {
    let server = Server::answering([OK]).await;
    let mut probe = get(&server.url("/orders"));
    probe.method = http::Method::POST;
    probe.body = "{\"ping\":true}".into();
    for (name, value) in [("host", "shop.example"), ("user-agent", "mine"), ("x-many", "1"), ("x-many", "2")] {
        probe.headers.append(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
    }
    good(&observe(probe).await);
    insta::assert_snapshot!(server.requests()[0].replace("\r\n", "\n"), @r#"
    POST /orders HTTP/1.1
    content-length: 13
    host: shop.example
    accept: */*
    connection: close
    user-agent: mine
    x-many: 1
    x-many: 2

    {"ping":true}
    "#);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_dns() {
    // No resolver is asked for a label of 64 letters.
    let name = format!("{}.invalid", "a".repeat(64));
    let observation = observe(get(&format!("http://{name}/"))).await;
    let message = failed(&observation, Reason::Dns, "N/A");
    assert!(message.contains("was not resolved"), "{message}");
    assert_eq!(observation.phases.connect, None);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_connect() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let message = failed(&observe(get(&format!("http://{address}/"))).await, Reason::Connect, "ECONNREFUSED");
    insta::assert_snapshot!(without(address, &message), @"no connection to HOST: connection refused");
}

#[tokio::test]
async fn a_target_that_accepts_and_never_answers_is_a_timeout() {
    let server = Server::start(|_, connection, _| async move {
        let _held = connection;
        std::future::pending().await
    })
    .await;
    let observation = prepare(get(&server.url("/"))).probe(SHORT).await;
    let message = failed(&observation, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(server.address, &message), @"no answer had come after 1s (HOST)");
    assert!(observation.phases.connect.is_some() && observation.phases.processing.is_some());
}

#[tokio::test]
async fn a_body_that_does_not_end_is_a_timeout_that_knows_what_came() {
    let server = Server::start(|_, mut connection, _| async move {
        read_request(&mut connection).await;
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        std::future::pending().await
    })
    .await;
    let observation = prepare(get(&server.url("/"))).probe(SHORT).await;
    let message = failed(&observation, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(server.address, &message), @"the answer was not whole after 1s (HOST)");
    assert_eq!((observation.status_code, observation.bytes), (Some(200), 4));
}

#[tokio::test]
async fn an_unexpected_status_is_told_with_what_was_expected() {
    let server = Server::answering([answer("503 Whatever", "", "sorry")]).await;
    let mut probe = get(&server.url("/"));
    probe.expect_status = vec![200..=299, 404..=404];
    let observation = observe(probe.clone()).await;
    let message = failed(&observation, Reason::HttpStatus, "503");
    insta::assert_snapshot!(message, @"503 Service Unavailable, expected 200-299, 404");
    assert_eq!((observation.status_code, observation.retry_after), (Some(503), None));
    probe.expect_status = vec![503..=503];
    good(&observe(probe).await);
}

#[tokio::test]
async fn refused_credentials_are_auth_unless_they_are_expected() {
    for (status, code) in [("401 Unauthorized", "401"), ("403 Forbidden", "403")] {
        let server = Server::answering([answer(status, "", "")]).await;
        let mut probe = get(&server.url("/"));
        failed(&observe(probe.clone()).await, Reason::Auth, code);
        probe.expect_status = vec![400..=499];
        good(&observe(probe).await);
    }
}

#[tokio::test]
async fn basic_and_bearer_are_sent_and_never_shown() {
    let server = Server::answering([answer("401 Unauthorized", "", "")]).await;
    let mut probe = get(&server.url("/"));
    probe.auth = Auth::Basic { user: "Aladdin".into(), password: crate::config::Secret::new(b"open sesame") };
    let message = failed(&observe(probe.clone()).await, Reason::Auth, "401");
    assert_eq!(message, "401 Unauthorized: the target refused our credentials");
    assert!(server.requests()[0].contains("authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    probe.auth = Auth::Bearer(crate::config::Secret::new(b"t0ken"));
    let prepared = prepare(probe);
    let observation = prepared.probe(LONG).await;
    assert!(server.requests()[1].contains("authorization: Bearer t0ken\r\n"));
    assert!(!format!("{observation:?}").contains("t0ken"));
}

#[tokio::test]
async fn too_many_requests_are_rate_limited_until_the_target_says() {
    for (header, seconds) in [("retry-after: 30\r\n", Some(30)), ("Retry-After: 86400\r\n", Some(3600)), ("", None)] {
        let server = Server::answering([answer("429 Too Many Requests", header, "")]).await;
        let observation = observe(get(&server.url("/"))).await;
        failed(&observation, Reason::RateLimited, "429");
        assert_eq!(observation.retry_after.map(|wait| wait.as_secs()), seconds);
    }
    let server = Server::answering([answer("503 Service Unavailable", "retry-after: 5\r\n", "")]).await;
    let observation = observe(get(&server.url("/"))).await;
    failed(&observation, Reason::HttpStatus, "503");
    assert_eq!(observation.retry_after, Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn headers_must_be_there_and_contain_their_text_in_any_case() {
    let server =
        Server::answering([answer("200 OK", "Content-Type: Application/JSON\r\nx-a: 1\r\nx-a: 2\r\n", "")]).await;
    let mut probe = get(&server.url("/"));
    let header = |name: &'static str, text: &str| (http::HeaderName::from_static(name), text.into());
    probe.expect_header = vec![header("content-type", "json"), header("x-a", "2")];
    good(&observe(probe.clone()).await);
    probe.expect_header = vec![header("content-type", "html")];
    insta::assert_snapshot!(failed(&observe(probe.clone()).await, Reason::Assertion, "N/A"), @r#"the header content-type should contain "html", but it does not"#);
    probe.expect_header = vec![header("x-b", "")];
    insta::assert_snapshot!(failed(&observe(probe).await, Reason::Assertion, "N/A"), @r#"the header x-b should contain "", but it is not there"#);
}

#[tokio::test]
async fn a_body_is_checked_whether_chunked_announced_or_closed() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"UP\"}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\n{\"sta\r\nA\r\ntus\":\"UP\"}\r\n0\r\nx-t: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"UP\"}",
        "HTTP/1.0 200 OK\r\n\r\n{\"status\":\"UP\"}",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{\"status\":\"UP\"}",
    ] {
        let server = Server::answering([answer]).await;
        let mut probe = get(&server.url("/"));
        probe.expect_body = vec![
            BodyCheck::Contains("UP".into()),
            BodyCheck::Json { path: serde_json_path::JsonPath::parse("$.status").unwrap(), equals: "UP".into() },
        ];
        let observation = observe(probe.clone()).await;
        good(&observation);
        assert_eq!(observation.bytes, 15, "{answer}");
        probe.expect_body = vec![BodyCheck::Contains("DOWN".into())];
        failed(&observe(probe).await, Reason::Assertion, "N/A");
    }
}

#[tokio::test]
async fn a_long_body_is_cut_unless_it_is_to_be_checked() {
    let body = format!("{}end", "x".repeat(300_000));
    let server = Server::answering([answer("200 OK", "", &body)]).await;
    let mut probe = get(&server.url("/"));
    probe.max_body_bytes = 1_000;
    let observation = observe(probe.clone()).await;
    good(&observation);
    assert_eq!(observation.bytes, 1_000);
    probe.expect_body = vec![BodyCheck::Contains("x".into())];
    insta::assert_snapshot!(failed(&observe(probe.clone()).await, Reason::Assertion, "N/A"), @"the body is longer than the 1000 bytes that are read, so it cannot be checked");
    // Large enough to be checked beside the runtime's threads.
    probe.max_body_bytes = body.len();
    probe.expect_body = vec![BodyCheck::Contains("xend".into())];
    let observation = observe(probe).await;
    good(&observation);
    assert_eq!(observation.bytes, body.len() as u64);
}

#[tokio::test]
async fn an_answer_without_a_body_ends_with_its_head() {
    let never_ending = |head: &'static str| {
        Server::start(move |_, mut connection, _| async move {
            read_request(&mut connection).await;
            connection.write_all(head.as_bytes()).await.unwrap();
            std::future::pending().await
        })
    };
    let server = never_ending("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await;
    let mut probe = get(&server.url("/"));
    probe.method = http::Method::HEAD;
    good(&observe(probe).await);
    for head in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
        good(&observe(get(&never_ending(head).await.url("/"))).await);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_protocol() {
    let reset = Server::start(|_, mut connection, _| async move {
        read_request(&mut connection).await;
        socket2::SockRef::from(&connection).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let message = failed(&observe(get(&reset.url("/"))).await, Reason::Protocol, "ECONNRESET");
    insta::assert_snapshot!(without(reset.address, &message), @"the connection to HOST broke before the answer was whole: connection reset by peer");
    for (answer, words) in [
        ("", "closed the connection without an answer"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "it is not HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\nx: y", "the connection was closed within the answer's head"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "before the body had its announced length"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "its content-length is no number"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", "before the body's last chunk"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "a chunk of the body is malformed"),
    ] {
        let server = Server::answering([answer]).await;
        let message = failed(&observe(get(&server.url("/"))).await, Reason::Protocol, "N/A");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Server::answering([format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(40_000))]).await;
    let message = failed(&observe(get(&server.url("/"))).await, Reason::Protocol, "N/A");
    assert!(message.contains("longer than 32 KiB"), "{message}");
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_is_still_an_answer() {
    let server = Server::start(|_, mut connection, _| async move {
        connection.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let _held = connection;
        std::future::pending().await
    })
    .await;
    let mut probe = get(&server.url("/"));
    probe.method = http::Method::POST;
    probe.body = vec![b'x'; 32 * 1024 * 1024].into();
    failed(&observe(probe).await, Reason::HttpStatus, "413");
}

#[tokio::test]
async fn slower_than_the_maximum_is_good_but_degraded() {
    let server = Server::answering([OK]).await;
    let mut probe = get(&server.url("/"));
    probe.max_latency = Some(Duration::from_nanos(1));
    let observation = observe(probe.clone()).await;
    good(&observation);
    assert!(observation.degraded);
    probe.expect_status = vec![404..=404];
    assert!(!observe(probe.clone()).await.degraded);
    probe.expect_status = vec![200..=200];
    probe.max_latency = Some(LONG);
    assert!(!observe(probe).await.degraded);
}

#[tokio::test]
async fn a_user_in_the_url_is_sent_as_credentials_and_in_no_message() {
    let server = Server::answering([answer("500 Oh", "", "")]).await;
    let url = format!("http://user:pa%20ss@{}/", server.address);
    let observation = observe(get(&url)).await;
    failed(&observation, Reason::HttpStatus, "500");
    let request = &server.requests()[0];
    assert!(request.contains("authorization: Basic dXNlcjpwYSBzcw==\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
    drop(server);
    let observation = observe(get(&url)).await;
    assert!(!format!("{observation:?}").contains("pa%20ss"));
}

#[test]
fn what_cannot_be_called_is_refused_beforehand() {
    let refused = |probe: HttpProbe| prober().prepare(&Probe::Http(Arc::new(probe))).unwrap_err().to_string();
    assert_eq!(
        refused(get("ftp://host/")),
        "the URL of the probe cannot be used: it must begin with http:// or https://"
    );
    let mut proxied = get("http://host/");
    proxied.proxy = Some("socks5://proxy".parse().unwrap());
    assert_eq!(refused(proxied), "the URL of the proxy cannot be used: it must begin with http://");
    let mut framed = get("http://host/");
    framed.headers.insert("transfer-encoding", http::HeaderValue::from_static("chunked"));
    assert_eq!(
        refused(framed),
        "the header transfer-encoding cannot be set by hand: the probe frames its request itself; remove it"
    );
}

#[test]
fn a_probe_in_flight_is_small() {
    let prepared = prepare(get("http://127.0.0.1:1/"));
    let bytes = std::mem::size_of_val(&prepared.probe(LONG));
    assert!(bytes <= 1_536, "{bytes}");
}
