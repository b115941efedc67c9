//! OAuth2 tokens.

use super::*;
use crate::config::Secret;

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn token(token: &str, expires_in: u32) -> String {
    json("200 OK", &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in}}}"#))
}

fn with_token_from(endpoint: &Server, target: &Server) -> HttpProbe {
    let mut probe = get(&target.url("/"));
    probe.auth = Auth::OAuth2 {
        token_url: endpoint.url("/token").parse().unwrap(),
        client_id: "shop:1".into(),
        client_secret: Secret::new(b"s3cret/+"),
        scope: "read status".into(),
    };
    // The machine may have no certificates; the target's own are enough.
    probe.tls.ca_pem = Some(secure::Ca::new().pem());
    probe
}

fn authorizations(target: &Server) -> Vec<String> {
    let line = |request: String| {
        request.lines().find_map(|line| line.strip_prefix("authorization: ").map(str::to_owned)).unwrap_or_default()
    };
    target.requests().into_iter().map(line).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_probes_and_targets_with_the_same_credentials() {
    let endpoint = Server::answering([token("t1", 3600), token("t2", 3600)]).await;
    let target = Server::answering([OK]).await;
    let prober = prober();
    let probe = Probe::Http(Arc::new(with_token_from(&endpoint, &target)));
    let (one, other) = (prober.prepare(&probe).unwrap(), prober.prepare(&probe).unwrap());
    for prepared in [&one, &one, &other] {
        good(&prepared.probe(LONG).await);
    }
    assert_eq!(authorizations(&target), ["Bearer t1", "Bearer t1", "Bearer t1"]);
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("POST /token HTTP/1.1\r\n"));
    // shop%3A1:s3cret%2F%2B
    assert!(requests[0].contains("authorization: Basic c2hvcCUzQTE6czNjcmV0JTJGJTJC\r\n"), "{}", requests[0]);
    assert!(requests[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=read%20status"), "{}", requests[0]);
}

#[tokio::test]
async fn a_token_near_its_end_is_replaced() {
    let endpoint = Server::answering([token("t1", 30), token("t2", 3600)]).await;
    let target = Server::answering([OK]).await;
    let prepared = prepare(with_token_from(&endpoint, &target));
    for _ in 0..3 {
        good(&prepared.probe(LONG).await);
    }
    assert_eq!(authorizations(&target), ["Bearer t1", "Bearer t2", "Bearer t2"]);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_within_the_probe() {
    let endpoint = Server::answering([token("t1", 3600), token("t2", 3600), token("t3", 3600)]).await;
    let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let target = Server::answering([OK, refusal, OK, refusal, refusal]).await;
    let prepared = prepare(with_token_from(&endpoint, &target));
    good(&prepared.probe(LONG).await);
    good(&prepared.probe(LONG).await);
    failed(&prepared.probe(LONG).await, Reason::Auth, "401");
    assert_eq!(authorizations(&target), ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]);
}

#[tokio::test]
async fn a_new_token_that_is_refused_is_not_tried_twice() {
    let endpoint = Server::answering([token("t1", 3600), token("t2", 3600)]).await;
    let target = Server::answering(["HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"]).await;
    failed(&prepare(with_token_from(&endpoint, &target)).probe(LONG).await, Reason::Auth, "401");
    assert_eq!((endpoint.requests().len(), target.requests().len()), (1, 1));
}

#[tokio::test]
async fn whatever_the_token_endpoint_does_wrong_is_auth_and_the_target_is_not_called() {
    let target = Server::answering([OK]).await;
    for (answer, code, words) in [
        (json("401 Unauthorized", r#"{"error":"invalid_client"}"#), "401", "401 Unauthorized (invalid_client)"),
        (json("400 Bad Request", r#"{"error":"my card is 4111111111111111"}"#), "400", "answered 400 Bad Request"),
        (json("500 Oh", "<html>"), "500", "500 Internal Server Error"),
        (json("200 OK", "<html>"), "200", "something that is no JSON object"),
        (json("200 OK", r#"{"token":"s3cret"}"#), "200", "no access token that can be used"),
        (json("200 OK", r#"{"access_token":"a\nb"}"#), "200", "no access token that can be used"),
        (json("200 OK", &format!(r#"{{"access_token":"{}"}}"#, "x".repeat(70_000))), "200", "more than 64 KiB"),
        (String::new(), "N/A", "no token from the token endpoint"),
    ] {
        let endpoint = Server::answering([answer]).await;
        let message = failed(&prepare(with_token_from(&endpoint, &target)).probe(LONG).await, Reason::Auth, code);
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("s3cret") && !message.contains("4111"), "{message}");
    }
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_auth_and_one_that_hangs_is_a_timeout() {
    let target = Server::answering([OK]).await;
    let gone = Server::answering([""]).await;
    let mut probe = with_token_from(&gone, &target);
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    if let Auth::OAuth2 { token_url, .. } = &mut probe.auth {
        *token_url = format!("http://{address}/token").parse().unwrap();
    }
    failed(&prepare(probe).probe(LONG).await, Reason::Auth, "ECONNREFUSED");
    let hanging = Server::start(|_, connection, _| async move {
        let _held = connection;
        std::future::pending().await
    })
    .await;
    let message = failed(&prepare(with_token_from(&hanging, &target)).probe(SHORT).await, Reason::Timeout, "N/A");
    assert!(message.starts_with("the token endpoint had not answered"), "{message}");
}

#[tokio::test]
async fn a_token_stays_with_its_origin_however_many_redirects_follow() {
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let endpoint = Server::answering([token("t1", 3600)]).await;
    let other = Server::answering([redirect("/1"), redirect("/2"), OK.to_owned()]).await;
    let target = Server::answering([redirect("/own"), redirect(&other.url("/"))]).await;
    let mut probe = with_token_from(&endpoint, &target);
    probe.follow_redirects = true;
    good(&prepare(probe).probe(LONG).await);
    assert_eq!(authorizations(&target), ["Bearer t1", "Bearer t1"]);
    assert_eq!(authorizations(&other), ["", "", ""]);
}

#[tokio::test]
async fn a_token_endpoint_that_asks_for_patience_gets_it() {
    let target = Server::answering([OK]).await;
    let answer = json("429 Too Many Requests", "{}").replace("connection:", "retry-after: 20\r\nconnection:");
    let endpoint = Server::answering([answer]).await;
    let observation = prepare(with_token_from(&endpoint, &target)).probe(LONG).await;
    failed(&observation, Reason::Auth, "429");
    assert_eq!(observation.retry_after, Some(Duration::from_secs(20)));
}
