//! What people see and are told where a failure is not the target's own: its parent is down, this node is cut off, its
//! provider says so, it is worked on, or its certificate ends soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use breakwater::clock::{self, Clock};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::node::{Api, Gateway, Node, Pager, Place, of_target, seconds_from_now, told, until};

/// Waits until a target was probed so many times more, good or not.
async fn probed_again(api: &Api, name: &str, result: &str, times: f64) {
    let series = format!(r#"breakwater_probe_attempts_total{{target="{name}",result="{result}"}}"#);
    let before = api.metric(&series).await.expect("it is counted");
    until("further probes", async || api.metric(&series).await.filter(|now| *now >= before + times)).await;
}

/// The events that speak of a target, wherever their kind does so.
fn types_of(events: &[Value], name: &str) -> Vec<String> {
    let quoted = format!("\"{name}\"");
    let of_target = events.iter().filter(|event| event.to_string().contains(&quoted));
    of_target.filter_map(|event| event["type"].as_str().map(str::to_owned)).collect()
}

/// What the pager heard of whom, in the order in which it came.
fn heard(pager: &Pager) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let arrivals = pager.handle.arrivals();
    let messages = arrivals.iter().map(|arrival| told(arrival));
    messages.map(|message| (text(&message["subject"]), text(&message["data"]["status"]))).collect()
}

async fn health_series(api: &Api, name: &str, health: &str) -> Option<f64> {
    api.metric(&format!(r#"breakwater_integration_health{{target="{name}",health="{health}"}}"#)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_parent_is_down_nobody_is_told_of_a_child_and_afterwards_they_are() {
    let (internet, gateway, pager) = (Gateway::start(), Gateway::start(), Pager::start());
    let parent = internet.target("internet", "");
    let child = gateway.target("PG_KCP", "depends_on = [\"internet\"]");
    let node = Node::start(&format!("{}{parent}{child}", pager.channel())).await;
    let api = &node.api;
    let well = api.target_in("PG_KCP", "CONNECTED").await;
    assert_eq!((well.get("suppressedBy"), &well["inputs"]["dependencies"]), (None, &json!([])));
    internet.goes("unavailable");
    pager.arrivals(1).await;
    api.target_in("internet", "FAILED").await;

    gateway.goes("unavailable");
    let down = api.target_in("PG_KCP", "FAILED").await;
    assert_eq!((&down["health"], &down["suppressedBy"]), (&json!("down"), &json!("dependency")));
    let cause = down["cause"].as_str().expect("a text");
    assert!(cause.starts_with("PG_KCP is down; so is what it needs: internet ("), "{cause}");
    assert_eq!(down["inputs"]["dependencies"], json!([{"target": "internet", "standing": "down"}]));
    // It is probed as ever, and its failure is recorded; nobody is told.
    probed_again(api, "PG_KCP", "failure", 10.0).await;
    let down = api.read("/targets/PG_KCP").await;
    assert_eq!(down.get("incident"), None);
    let open = "/integrationFailureHistories?open=true&targetSystem=PG_KCP";
    assert_eq!(api.read(open).await["content"][0]["notified"], false);
    assert_eq!(heard(&pager), [("internet".to_owned(), "firing".to_owned())]);

    internet.goes("none");
    let arrivals = pager.arrivals(3).await;
    let firing = arrivals.iter().map(|arrival| told(arrival)).find(|message| message["subject"] == "PG_KCP");
    let firing = firing.expect("the child is told of");
    assert_eq!(firing["data"]["status"], "firing");
    assert_eq!(firing["data"]["since"], down["outage"]["since"], "since it failed, not since it could be told");
    assert_eq!(firing["correlationid"], down["outage"]["correlationId"]);
    let told_now = api.target_when("PG_KCP", |target| target["incident"].is_object()).await;
    assert_eq!((told_now.get("suppressedBy"), &told_now["health"]), (None, &json!("down")));
    until("the history to say so", async || (api.read(open).await["content"][0]["notified"] == true).then_some(()))
        .await;

    gateway.goes("none");
    pager.arrivals(4).await;
    assert_eq!(heard(&pager)[3], ("PG_KCP".to_owned(), "resolved".to_owned()));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_recovers_before_its_parent_was_never_told_of() {
    let (internet, gateway, pager) = (Gateway::start(), Gateway::start(), Pager::start());
    let parent = internet.target("internet", "");
    let child = gateway.target("PG_KCP", "depends_on = [\"internet\"]");
    let node = Node::start(&format!("{}{parent}{child}", pager.channel())).await;
    let api = &node.api;
    api.target_in("PG_KCP", "CONNECTED").await;
    internet.goes("unavailable");
    api.target_in("internet", "FAILED").await;
    gateway.goes("unavailable");
    api.target_in("PG_KCP", "FAILED").await;
    gateway.goes("none");
    let back = api.target_when("PG_KCP", |target| target["health"] == "healthy").await;
    assert_eq!((&back["state"], &back["breaker"]), (&json!("CONNECTED"), &json!("closed")));
    internet.goes("none");
    pager.arrivals(2).await;
    api.target_when("internet", |target| target["health"] == "healthy").await;
    let of_child = types_of(&api.events(None).await, "PG_KCP");
    assert!(!of_child.iter().any(|kind| kind.starts_with("Alert")), "{of_child:?}");
    let histories = api.read("/integrationFailureHistories?targetSystem=PG_KCP").await;
    let history = &histories["content"][0];
    assert_eq!((&history["notified"], history["recoveredAt"].is_string()), (&json!(false), true), "it is kept");
    assert_eq!(heard(&pager).len(), 2);
    node.stop().await;
}

/// A port that answers while it is open, and can be closed and opened again.
struct Port {
    listener: Option<TcpListener>,
    address: String,
}

impl Port {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
        let address = listener.local_addr().expect("it is bound").to_string();
        Self { listener: Some(listener), address }
    }

    fn close(&mut self) {
        self.listener = None;
    }

    async fn reopen(&mut self) {
        let again = until("the port", async || TcpListener::bind(&self.address).await.ok()).await;
        self.listener = Some(again);
    }

    fn connectivity(&self, interval: &str) -> String {
        format!("[monitor.connectivity]\naddresses = [\"{}\"]\ninterval = \"{interval}\"\n", self.address)
    }

    fn target(&self, name: &str) -> String {
        format!("[[target]]\nname = \"{name}\"\nendpoint = \"tcp://{}\"\ninterval = \"100ms\"\n", self.address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_counts_nothing_and_tells_nobody_until_it_sees_again() {
    let (gateway, pager, mut world) = (Gateway::start(), Pager::start(), Port::open().await);
    let targets = format!("{}{}", gateway.target("PG_KCP", "").replace("2s", "1s"), gateway.quiet_target("SHOP", ""));
    let node = Node::start(&format!("{}{}{targets}", world.connectivity("100ms"), pager.channel())).await;
    let api = &node.api;
    api.post("/targets/SHOP/probe", json!({})).await.ok();
    for name in ["PG_KCP", "SHOP"] {
        api.target_when(name, |target| target["health"] == "healthy").await;
    }
    let before = api.events(None).await.len();

    world.close();
    for name in ["PG_KCP", "SHOP"] {
        let unknown = api.target_when(name, |target| target["health"] == "unknown").await;
        assert_eq!((&unknown["state"], &unknown["suppressedBy"]), (&json!("CONNECTED"), &json!("blind")));
        assert!(unknown["cause"].as_str().expect("a text").contains("cut off"), "{unknown}");
        assert_eq!(health_series(api, name, "unknown").await, Some(1.0));
    }
    assert_eq!(api.metric("breakwater_node_blind").await, Some(1.0));
    // A cut line looks like this: no answer within the time limit.
    gateway.goes("slow(30000..30000)");
    probed_again(api, "PG_KCP", "internal", 3.0).await;
    let unknown = api.read("/targets/PG_KCP").await;
    assert_eq!((&unknown["state"], &unknown["breaker"]), (&json!("CONNECTED"), &json!("closed")));
    assert_eq!(unknown["lastObservation"]["failure"]["reason"], "internal");
    assert_eq!(api.read("/targets/PG_KCP/uptime?window=24h").await["uptime"], 1.0, "no downtime");
    assert_eq!(api.read("/integrationFailureHistories").await["page"]["totalElements"], 0);
    assert_eq!(api.events(None).await.len(), before, "nothing happened");
    api.post("/targets/PG_KCP/probe", json!({})).await.refused(503, "attempt-impossible");

    // Whoever reports has seen it himself: that counts, and is told when this node can see again.
    let endpoint = api.read("/targets/SHOP").await["endpoint"].clone();
    let mut body = of_target("SHOP", endpoint.as_str().expect("a text"));
    body["failureReason"] = json!("all cards are declined");
    body["failedAt"] = json!(seconds_from_now(1));
    api.post("/integrationStatuses/failpaymentgatewayconnection", body).await.ok();
    assert_eq!(api.read("/targets/SHOP").await["state"], "FAILED");
    assert_eq!(heard(&pager), []);

    gateway.goes("none");
    world.reopen().await;
    api.target_when("PG_KCP", |target| target["health"] == "healthy").await;
    assert_eq!(api.metric("breakwater_node_blind").await, Some(0.0));
    assert_eq!(types_of(&api.events(None).await, "PG_KCP"), ["PaymentGatewayConnected"]);
    api.post("/targets/SHOP/probe", json!({})).await.ok();
    pager.arrivals(1).await;
    assert_eq!(heard(&pager), [("SHOP".to_owned(), "firing".to_owned())]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_of_a_cut_line_is_counted_as_little_as_the_last() {
    let mut world = Port::open().await;
    // The regular check is an hour away: the probe that fails asks for one.
    let target = world.target("ROUTER").replace("interval = \"100ms\"", "interval = \"100ms\"\nfailure_threshold = 1");
    let node = Node::start(&format!("{}{target}", world.connectivity("1h"))).await;
    let api = &node.api;
    api.target_in("ROUTER", "CONNECTED").await;
    world.close();
    api.target_when("ROUTER", |target| target["health"] == "unknown").await;
    probed_again(api, "ROUTER", "internal", 3.0).await;
    world.reopen().await;
    api.target_when("ROUTER", |target| target["health"] == "healthy").await;
    assert_eq!(types_of(&api.events(None).await, "ROUTER"), ["PaymentGatewayConnected"]);
    let failures = r#"breakwater_probe_attempts_total{target="ROUTER",result="failure"}"#;
    assert_eq!(api.metric(failures).await, Some(0.0));
    node.stop().await;
}

/// Answers every request with a summary of this status.
struct StatusPage {
    address: String,
    reads: Arc<AtomicUsize>,
}

const STATUSES: [&str; 3] = ["operational", "partial_outage", "major_outage"];

impl StatusPage {
    /// The first reading finds all well, the second a partial outage, all later ones a major one.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
        let address = listener.local_addr().expect("it is bound").to_string();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let read = counted.fetch_add(1, Ordering::Relaxed);
                let status = STATUSES[read.min(STATUSES.len() - 1)];
                let body = json!({
                    "status": {"indicator": "none", "description": "All Systems Operational"},
                    "components": [{"id": "1", "name": "API", "status": status}],
                })
                .to_string();
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}");
                let _ = socket.write_all(format!("{head}\r\nconnection: close\r\n\r\n{body}").as_bytes()).await;
            }
        });
        Self { address, reads }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_page_degrades_at_most_and_counts_for_nothing_else() {
    let (gateway, page) = (Gateway::start(), StatusPage::start().await);
    let opinion =
        format!("[target.status_page]\nurl = \"http://{}\"\ncomponent = [\"API\"]\ninterval = \"1s\"\n", page.address);
    let node = Node::start(&format!("{}{opinion}", gateway.target("PG_KCP", ""))).await;
    let api = &node.api;
    let partial = |target: &Value| target["inputs"]["provider"]["status"] == "partial_outage";
    let degraded = api.target_when("PG_KCP", partial).await;
    assert_eq!((&degraded["health"], &degraded["state"]), (&json!("degraded"), &json!("CONNECTED")));
    assert_eq!(degraded["cause"], "probe ok, provider reports a partial outage");
    assert!(degraded["inputs"]["provider"]["readAt"].is_string());
    assert_eq!(health_series(api, "PG_KCP", "degraded").await, Some(1.0));
    let worst = api.target_when("PG_KCP", |target| target["inputs"]["provider"]["status"] == "major_outage").await;
    assert_eq!(
        (&worst["health"], &worst["breaker"], worst.get("incident")),
        (&json!("degraded"), &json!("closed"), None)
    );
    assert_eq!(api.read("/targets/PG_KCP/uptime?window=24h").await["uptime"], 1.0);
    assert_eq!(types_of(&api.events(None).await, "PG_KCP"), ["PaymentGatewayConnected"]);
    assert!(page.reads.load(Ordering::Relaxed) >= 3);
    // Without the page nobody speaks of it.
    node.place.configure(&gateway.target("PG_KCP", ""));
    api.send(reqwest::Method::POST, "/-/reload", &[], String::new()).await.ok();
    let well = api.target_when("PG_KCP", |target| target["health"] == "healthy").await;
    assert_eq!(well["inputs"].get("provider"), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_worked_on_is_neither_down_nor_told_of_until_it_should_be_well_again() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let (from, to) = (seconds_from_now(-60), seconds_from_now(3_600));
    let window =
        format!("[[target.maintenance]]\nfrom = \"{from}\"\nuntil = \"{to}\"\nreason = \"their database upgrade\"\n");
    let target = gateway.target("PG_KCP", "");
    let node = Node::start(&format!("{}{target}{window}", pager.channel())).await;
    let api = &node.api;
    api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    let down = api.target_in("PG_KCP", "FAILED").await;
    assert_eq!((&down["health"], &down["suppressedBy"]), (&json!("maintenance"), &json!("maintenance")));
    let cause = down["cause"].as_str().expect("a text");
    assert!(cause.starts_with("maintenance: their database upgrade; otherwise it would be down: "), "{cause}");
    assert_eq!(down["inputs"]["maintenance"]["reason"], "their database upgrade");
    assert_eq!(health_series(api, "PG_KCP", "maintenance").await, Some(1.0));
    probed_again(api, "PG_KCP", "failure", 5.0).await;
    assert_eq!(heard(&pager), []);
    let uptime = api.read("/targets/PG_KCP/uptime?window=24h").await;
    assert_eq!((uptime.get("uptime"), &uptime["count"]), (None, &json!(0)), "nobody looked, as it were");

    // It is over: what is still true is told.
    node.place.configure(&format!("{}{target}", pager.channel()));
    api.send(reqwest::Method::POST, "/-/reload", &[], String::new()).await.ok();
    pager.arrivals(1).await;
    let down = api.target_when("PG_KCP", |target| target["incident"].is_object()).await;
    assert_eq!(down["health"], "down");
    let counted = "/targets/PG_KCP/uptime?window=24h";
    until("downtime", async || (api.read(counted).await["uptime"] == 0.0).then_some(())).await;
    node.stop().await;
}

/// Shows a certificate that ends in two years.
async fn tls_server(folder: &Place) -> String {
    let year: i32 = clock::format(Clock::system().now())[..4].parse().expect("a year");
    let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    parameters.not_after = rcgen::date_time_ymd(year + 2, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("the folder can be written to");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(socket).await.map(drop) });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_near_its_end_degrades_is_told_to_who_asked_and_is_never_downtime() {
    let (pager, place) = (Pager::start(), Place::new());
    let address = tls_server(&place).await;
    let target = format!(
        "[[target]]\nname = \"CERT\"\nendpoint = \"tls://{address}\"\ninterval = \"100ms\"\n\
         [target.probe]\ntls = {{ ca_file = \"ca.pem\" }}\nwarn_before = \"BEFORE\"\n\
         [target.alert]\non = [\"down\", \"certificate\"]\n"
    );
    let soon = format!("{}{}", pager.channel(), target.replace("BEFORE", "1000d"));
    place.configure(&soon);
    let node = Node::start_in(place).await;
    let api = &node.api;
    let warned = api.target_when("CERT", |target| target["incident"].is_object()).await;
    assert_eq!((&warned["health"], &warned["state"]), (&json!("degraded"), &json!("CONNECTED")));
    let warning = warned["inputs"]["probe"]["warning"].as_str().expect("a warning");
    assert_eq!(warned["cause"], format!("probe ok, {warning}"));
    assert_eq!(warned["incident"]["cause"], warning);
    assert_eq!(api.read("/targets/CERT/uptime?window=24h").await["uptime"], 1.0, "no downtime");
    assert_eq!(api.read("/integrationFailureHistories").await["page"]["totalElements"], 0);
    pager.arrivals(1).await;
    // Renewed, or not so near as was thought.
    node.place.configure(&format!("{}{}", pager.channel(), target.replace("BEFORE", "1d")));
    api.send(reqwest::Method::POST, "/-/reload", &[], String::new()).await.ok();
    pager.arrivals(2).await;
    assert_eq!(heard(&pager), ["firing", "resolved"].map(|status| ("CERT".to_owned(), status.to_owned())));
    assert_eq!(api.read("/targets/CERT").await["health"], "healthy");
    node.stop().await;
}
