//! Proxies.

use super::*;

#[tokio::test]
async fn a_plain_request_through_a_proxy_names_the_whole_url() {
    let proxy = Server::answering([OK]).await;
    let mut probe = get("http://shop.example:8000/health");
    probe.proxy = Some(format!("http://user:pw@{}", proxy.address).parse().unwrap());
    good(&observe(probe).await);
    let request = &proxy.requests()[0];
    assert!(
        request.starts_with("GET http://shop.example:8000/health HTTP/1.1\r\nhost: shop.example:8000\r\n"),
        "{request}"
    );
    assert!(request.contains("proxy-authorization: Basic dXNlcjpwdw==\r\n"), "{request}");
}

#[tokio::test]
async fn a_secure_request_goes_through_a_tunnel() {
    let ca = secure::Ca::new();
    let target = ca.server("shop.example", secure::Clients::Anyone, &[b"http/1.1"]).await;
    let to = target.address;
    let proxy = Server::start(move |_, mut connection, requests| async move {
        let request = read_request(&mut connection).await;
        requests.lock().push(request);
        let mut beyond = TcpStream::connect(to).await.unwrap();
        connection.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut connection, &mut beyond).await;
    })
    .await;
    let mut probe = get("https://shop.example/");
    probe.tls.ca_pem = Some(ca.pem());
    probe.proxy = Some(format!("http://{}", proxy.address).parse().unwrap());
    let observation = observe(probe).await;
    good(&observation);
    assert!(observation.phases.tls.is_some());
    assert_eq!(proxy.requests(), ["CONNECT shop.example:443 HTTP/1.1\r\nhost: shop.example:443\r\n\r\n"]);
    assert!(target.requests()[0].starts_with("GET / HTTP/1.1\r\nhost: shop.example\r\n"));
}

#[tokio::test]
async fn what_a_proxy_refuses_is_ours_and_what_it_cannot_reach_is_the_targets() {
    let ca = secure::Ca::new();
    for (answer, reason, code) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Reason::Internal, "407"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Reason::Internal, "403"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Reason::Connect, "502"),
        ("nonsense", Reason::Protocol, "N/A"),
        ("", Reason::Protocol, "N/A"),
    ] {
        let proxy = Server::answering([answer]).await;
        let mut probe = get("https://shop.example/");
        probe.tls.ca_pem = Some(ca.pem());
        probe.proxy = Some(format!("http://{}", proxy.address).parse().unwrap());
        let message = failed(&observe(probe).await, reason, code);
        assert!(message.contains(&format!("the proxy {}", proxy.address)), "{message}");
    }
    let proxy = Server::answering(["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]).await;
    let mut probe = get("http://shop.example/");
    probe.proxy = Some(format!("http://{}", proxy.address).parse().unwrap());
    failed(&observe(probe).await, Reason::Internal, "407");
}

#[tokio::test]
async fn a_proxy_that_is_down_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut probe = get("http://shop.example/");
    probe.proxy = Some(format!("http://user:pw@{address}").parse().unwrap());
    let message = failed(&observe(probe).await, Reason::Connect, "ECONNREFUSED");
    insta::assert_snapshot!(without(address, &message), @"no connection to the proxy HOST: connection refused");
}
