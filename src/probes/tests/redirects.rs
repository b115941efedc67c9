//! Redirects.

use super::*;
use crate::config::Secret;

fn to(status: &str, location: &str) -> String {
    format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

fn following(url: &str) -> HttpProbe {
    let mut probe = get(url);
    probe.follow_redirects = true;
    probe
}

#[tokio::test]
async fn a_redirect_is_an_unexpected_status_unless_it_is_followed() {
    let server = Server::answering([to("302 Found", "/there")]).await;
    failed(&observe(get(&server.url("/"))).await, Reason::HttpStatus, "302");
    let server = Server::answering([to("302 Found", "../there?a=b#c"), OK.to_owned()]).await;
    let observation = observe(following(&server.url("/x/y/z"))).await;
    good(&observation);
    assert_eq!(observation.status_code, Some(200));
    assert!(server.requests()[1].starts_with("GET /x/there?a=b HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_redirect_without_a_location_is_its_status() {
    let server = Server::answering(["HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"]).await;
    failed(&observe(following(&server.url("/"))).await, Reason::HttpStatus, "302");
}

#[tokio::test]
async fn a_loop_ends_after_ten_redirects() {
    let server = Server::answering([to("307 Temporary Redirect", "/again")]).await;
    let message = failed(&observe(following(&server.url("/"))).await, Reason::HttpStatus, "307");
    insta::assert_snapshot!(message, @"307 Temporary Redirect, the last of 10 redirects that are followed");
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn a_post_becomes_a_get_where_the_rules_say_so() {
    for (status, method) in [
        ("301 Moved Permanently", "GET"),
        ("302 Found", "GET"),
        ("303 See Other", "GET"),
        ("307 Temporary Redirect", "POST"),
        ("308 Permanent Redirect", "POST"),
    ] {
        let server = Server::answering([to(status, "/there"), OK.to_owned()]).await;
        let mut probe = following(&server.url("/"));
        probe.method = http::Method::POST;
        probe.body = "body".into();
        good(&observe(probe).await);
        let second = &server.requests()[1];
        assert!(second.starts_with(&format!("{method} /there ")), "{second}");
        assert_eq!(second.ends_with("body"), method == "POST", "{second}");
    }
}

#[tokio::test]
async fn another_origin_gets_no_keys() {
    let other = Server::answering([OK]).await;
    let server = Server::answering([to("302 Found", &other.url("/?q"))]).await;
    let mut probe = following(&server.url("/"));
    probe.auth = Auth::Bearer(Secret::new(b"t0ken"));
    probe.headers.insert("x-api-key", http::HeaderValue::from_static("k3y"));
    probe.headers.insert("accept", http::HeaderValue::from_static("text/plain"));
    good(&observe(probe.clone()).await);
    let first = &server.requests()[0];
    assert!(first.contains("t0ken") && first.contains("k3y"));
    let second = &other.requests()[0];
    assert!(second.contains("accept: text/plain") && !second.contains("t0ken") && !second.contains("k3y"), "{second}");

    let server = Server::answering([to("307 Temporary Redirect", &other.url("/"))]).await;
    probe.url = server.url("/").parse().unwrap();
    probe.method = http::Method::POST;
    probe.body = "card".into();
    insta::assert_snapshot!(failed(&observe(probe).await, Reason::HttpStatus, "307"), @"307 Temporary Redirect: not followed to another origin, which does not get the request's body");
}

#[tokio::test]
async fn the_same_origin_keeps_them() {
    let server = Server::answering([to("302 Found", "/there"), OK.to_owned()]).await;
    let mut probe = following(&server.url("/"));
    probe.auth = Auth::Bearer(Secret::new(b"t0ken"));
    good(&observe(probe).await);
    assert!(server.requests()[1].contains("authorization: Bearer t0ken"));
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let ca = secure::Ca::new();
    let server = ca.scripted("localhost", &to("301 Moved Permanently", "http://localhost/?token=s3cret")).await;
    let mut probe = following(&server.https("localhost"));
    probe.tls.ca_pem = Some(ca.pem());
    let message = failed(&observe(probe).await, Reason::HttpStatus, "301");
    insta::assert_snapshot!(message, @"301 Moved Permanently: not followed to http, which would give away what https hides");
}

#[tokio::test]
async fn a_location_that_leads_nowhere_is_told() {
    for (location, words) in [("http://", "no URL"), ("mailto:a@b", "not http")] {
        let server = Server::answering([to("302 Found", location)]).await;
        let message = failed(&observe(following(&server.url("/"))).await, Reason::HttpStatus, "302");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_kept_connection_is_kept_over_its_own_redirects() {
    let server = Server::start(|_, mut connection, requests| async move {
        loop {
            let request = read_request(&mut connection).await;
            if request.is_empty() {
                return;
            }
            let answer = if request.starts_with("GET / ") { to("302 Found", "/there") } else { OK.to_owned() };
            requests.lock().push(request);
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut probe = following(&server.url("/"));
    probe.connection = Connection::Kept;
    let prepared = prepare(probe);
    for _ in 0..2 {
        good(&prepared.probe(LONG).await);
    }
    assert_eq!(server.requests().len(), 4);
}
