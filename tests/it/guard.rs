//! The guard as a Rust program uses it, against the real gateway simulator over real sockets, without a node.

use std::net::SocketAddr;
use std::time::Duration;

use breakwater::clock::Clock;
use breakwater::domain::breaker::State;
use breakwater::domain::guard::WhyEnough;
use breakwater::guard::{Builder, Error, Guard, Layer, Operation, Reply};
use breakwater::simulator::{Options, Simulator, SimulatorHandle};
use bytes::Bytes;
use reqwest::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::{ServiceBuilder, ServiceExt, service_fn};

struct Gateway {
    address: SocketAddr,
    handle: SimulatorHandle,
    _stop: oneshot::Sender<()>,
}

impl Gateway {
    /// As it comes: 40 % of the payment requests are answered 500 and nothing is done. Only faster, and seeded.
    fn start(settings: &[(&str, &str)]) -> Self {
        let calm = [("latency_ms", "0"), ("process_ms", "0"), ("callback", "off"), ("seed", "7")];
        let options = Options::from_pairs(calm.iter().chain(settings).copied()).expect("settings that exist");
        let simulator = Simulator::bind(SocketAddr::from(([127, 0, 0, 1], 0)), options, Clock::system())
            .expect("port 0 can be had");
        let (address, handle) = (simulator.local_addr(), simulator.handle());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(simulator.run(async {
            let _ = stopped.await;
        }));
        Self { address, handle, _stop: stop }
    }

    fn url(&self) -> String {
        format!("http://{}/api/v1/payments", self.address)
    }

    fn payment_requests(&self) -> u64 {
        self.handle.report().requests.get("payment").copied().unwrap_or_default()
    }
}

fn client() -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().retry(reqwest::retry::never()).build().expect("a client")
}

fn purchase(order: u32) -> serde_json::Value {
    json!({"orderId": format!("order-{order:06}"), "cardType": "SAMSUNG", "cardNo": "1234-5678-9814-1451",
           "amount": 5000, "callbackUrl": "http://127.0.0.1:1/callback"})
}

/// What this gateway's table says of a payment: its 500 means that nothing was done.
fn payment() -> Operation {
    Operation::new("payment").not_processed(&[500])
}

/// Four attempts inside of the default breaker, and as many retries as calls.
fn builder() -> Builder {
    let pause = Duration::from_millis(1);
    Guard::builder("PG").seed(7).attempts(4).retry_budget(1.0, 3).backoff(pause, pause)
}

async fn pay(guard: &Guard, client: &Client, url: &str, order: u32) -> Result<String, Error<String>> {
    let operation = payment();
    let request = |_| async {
        let sent = client.post(url).header("x-user-id", "user-1").json(&purchase(order)).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Reply::failure(error.to_string()).not_sent(),
            Err(error) => return Reply::unknown(error.to_string()),
        };
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        operation.reply(status.as_u16(), if status.is_success() { Ok(text) } else { Err(text) })
    };
    guard.call(&operation, request).await
}

/// 1 − 0.4⁴ = 97.44 % are to be expected; 96 % lies three standard deviations of 1,000 calls below, and calls come one
/// after the other to a seeded gateway.
#[tokio::test]
async fn a_healthy_gateway_that_refuses_40_percent_accepts_96_percent_of_calls_and_hardly_any_is_rejected() {
    let gateway = Gateway::start(&[]);
    let (guard, client, url) = (builder().build(), client(), gateway.url());
    let (mut accepted, mut rejected) = (0, 0);
    for order in 0..1_000 {
        match pay(&guard, &client, &url, order).await {
            Ok(_) => accepted += 1,
            Err(Error::Refused(_)) => rejected += 1,
            Err(error) => assert!(matches!(error, Error::Failed { .. }), "{error}"),
        }
    }
    assert!(rejected < 10 && accepted >= 960, "{accepted} accepted, {rejected} rejected");
    assert_eq!(gateway.handle.report().transactions.stored, accepted, "nothing is done twice");
    let breaker = guard.view().breaker;
    assert_eq!((breaker.state, breaker.lifetime.success), (State::Closed, accepted));
}

#[tokio::test]
async fn a_gateway_that_answers_nothing_but_500_opens_the_breaker_after_exactly_10_calls() {
    let gateway = Gateway::start(&[("outage", "errors")]);
    let (guard, client, url) = (builder().build(), client(), gateway.url());
    let mut made = 0;
    for order in 0..50 {
        match pay(&guard, &client, &url, order).await {
            Err(Error::Refused(refused)) => assert!(refused.retry_after <= Duration::from_millis(5_500)),
            other => {
                assert!(matches!(other, Err(Error::Failed { .. })), "{other:?}");
                made += 1;
            }
        }
    }
    assert_eq!((made, guard.view().breaker.state), (10, State::Open));
    let answers = gateway.handle.report().answers;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["500"]);
    assert!(answers["500"] > 10, "attempts within a call do not count: {answers:?}");
}

#[tokio::test]
async fn a_gateway_that_resets_connections_is_asked_once_a_call_and_opens_the_breaker_after_exactly_10() {
    let gateway = Gateway::start(&[("outage", "down")]);
    let (guard, client, url) = (builder().build(), client(), gateway.url());
    let mut unknown = 0;
    for order in 0..50 {
        match pay(&guard, &client, &url, order).await {
            Err(Error::Unknown { attempts: 1, why: WhyEnough::NotSafe, .. }) => unknown += 1,
            other => assert!(matches!(other, Err(Error::Refused(_))), "{other:?}"),
        }
    }
    assert_eq!((unknown, gateway.handle.report().answers["reset"]), (10, 10));
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent_and_it_is_tried_again() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let guard = builder().build();
    let result = pay(&guard, &client(), &format!("http://{nobody}/"), 1).await;
    assert!(matches!(result, Err(Error::Failed { attempts: 4, why: WhyEnough::AttemptsSpent, .. })), "{result:?}");
}

#[tokio::test]
async fn a_payment_that_hangs_is_unknown_and_is_asked_for_once() {
    let gateway = Gateway::start(&[("hang_rate", "1"), ("reject_rate", "0")]);
    let guard = builder().attempt_timeout(Duration::from_millis(200)).build();
    let error = pay(&guard, &client(), &gateway.url(), 1).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { attempts: 1, why: WhyEnough::NotSafe, .. }), "{error:?}");
    assert!(error.may_have_been_done());
    assert_eq!(gateway.payment_requests(), 1);
}

#[tokio::test]
async fn a_gateway_that_throttles_is_asked_again_after_as_long_as_it_says() {
    let gateway = Gateway::start(&[("outage", "rate-limited")]);
    let guard = builder().call_budget(Duration::from_millis(900)).build();
    let operation = Operation::new("payment");
    let (client, url) = (client(), gateway.url());
    let service = ServiceBuilder::new().layer(Layer::http(guard.clone(), operation).repeating()).service(http(client));
    let response = service.oneshot(request(&url, 1)).await.unwrap();
    assert_eq!(response.status(), 429, "its second does not fit into the call's time");
    assert_eq!(gateway.handle.report().answers["429"], 1);
    let lifetime = guard.view().breaker.lifetime;
    assert_eq!((lifetime.ignored, lifetime.failure), (1, 0));
}

fn request(url: &str, order: u32) -> http::Request<Bytes> {
    let body = Bytes::from(purchase(order).to_string());
    http::Request::post(url)
        .header("x-user-id", "user-1")
        .header("content-type", "application/json")
        .body(body)
        .expect("a request")
}

/// A real client as a tower service of HTTP's own types.
fn http(
    client: Client,
) -> impl tower::Service<
    http::Request<Bytes>,
    Response = http::Response<reqwest::Body>,
    Error = reqwest::Error,
    Future: Send,
> + Clone
+ Send
+ 'static {
    service_fn(move |request: http::Request<Bytes>| {
        let client = client.clone();
        async move { client.execute(request.try_into()?).await.map(http::Response::from) }
    })
}

#[tokio::test]
async fn a_tower_stack_over_a_real_client_has_the_same_figures() {
    let gateway = Gateway::start(&[]);
    let guard = builder().build();
    let url = gateway.url();
    let service = ServiceBuilder::new()
        .map_request(|order: u32| request(&url, order))
        .layer(Layer::http(guard.clone(), payment()).repeating())
        .service(http(client()));
    let mut accepted = 0;
    for order in 0..300 {
        let response = service.clone().oneshot(order).await.unwrap();
        accepted += u64::from(response.status().is_success());
    }
    let report = gateway.handle.report();
    assert!(accepted >= 285, "97.44 % are expected, and 95 % lie 2.7 standard deviations below: {accepted}");
    assert_eq!(report.transactions.stored, accepted);
    assert!(report.requests["payment"] > 400, "it was tried again");
    assert_eq!(guard.view().breaker.state, State::Closed);
}
