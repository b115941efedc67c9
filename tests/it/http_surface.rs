//! What holds for the HTTP surface as a whole, over real connections to a running node.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::node::Node;

/// A target where nothing answers, looked at once.
const TARGET: &str = "[[target]]\nname = \"PG_KCP\"\nendpoint = \"http://127.0.0.1:9\"\ninterval = \"1h\"\n[target.probe]\nkind = \"http\"\n";
/// Long enough for anything that is not stuck.
const PATIENCE: Duration = Duration::from_secs(20);

async fn get(node: &Node, path: &str) -> Response {
    Client::new().get(format!("{}{path}", node.base())).send().await.expect("an answer")
}

async fn json_of(node: &Node, path: &str) -> Value {
    get(node, path).await.json().await.expect("JSON")
}

async fn post(node: &Node, path: &str, body: &Value) -> (StatusCode, Value) {
    let answer = Client::new().post(format!("{}{path}", node.base())).json(body).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

fn connect(system: &str, at: &str) -> Value {
    json!({"target": {"systemName": system, "endpoint": "https://x.example"}, "attemptedAt": at})
}

const CONNECT: &str = "/integrationStatuses/connectpaymentgateway";

/// The next server-sent event: its id, its name, and its envelope.
async fn next_event(
    stream: &mut (impl StreamExt<Item = reqwest::Result<bytes::Bytes>> + Unpin),
) -> (u64, String, Value) {
    let mut text = String::new();
    let read = async {
        while !text.contains("\n\n") || text.trim_start().starts_with(':') {
            let chunk = stream.next().await.expect("the stream goes on").expect("the stream is whole");
            text.push_str(std::str::from_utf8(&chunk).expect("it is text"));
        }
    };
    timeout(PATIENCE, read).await.expect("an event comes");
    let field = |name: &str| {
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line.to_owned()
    };
    let data = serde_json::from_str(&field("data:")).expect("the data is JSON");
    (field("id:").parse().expect("a number"), field("event:"), data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_tells_what_happens_and_what_was_missed() {
    let node = Node::start("").await;
    let answer = get(&node, "/events/stream").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.bytes_stream();
    for at in ["2024-06-01T10:00:00Z", "2024-06-01T10:00:01Z", "2024-06-01T10:00:02Z"] {
        assert_eq!(post(&node, CONNECT, &connect("SHOP", at)).await.0, 200);
    }
    let (id, name, envelope) = next_event(&mut stream).await;
    assert_eq!((id, &*name), (1, "PaymentGatewayConnected"));
    assert_eq!(
        (&envelope["specversion"], &envelope["id"], &envelope["source"]),
        (&json!("1.0"), &json!("1"), &json!("node-1"))
    );
    assert_eq!(envelope["data"]["lastSucceededAt"], "2024-06-01T10:00:00Z");

    let client = Client::new();
    let url = format!("{}/events/stream?after=0", node.base());
    let resumed = client.get(url).header("last-event-id", "2").send().await.expect("an answer");
    assert_eq!(next_event(&mut resumed.bytes_stream()).await.0, 3, "the header goes before the parameter");

    let page = json_of(&node, "/events?after=1&limit=1").await;
    assert_eq!((&page["content"][0]["id"], &page["next"]), (&json!("2"), &json!(2)));
    assert_eq!(json_of(&node, "/events?after=3").await, json!({"content": [], "next": 3}));
    drop(stream);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_does_not_hold_up_the_end_of_a_node() {
    let node = Node::start("").await;
    let mut stream = get(&node, "/events/stream").await.bytes_stream();
    node.stop().await;
    // A stream that is cut, because the node could wait no longer, ends with an error.
    assert!(timeout(PATIENCE, stream.next()).await.expect("the stream ends").is_none(), "it ends in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn card_numbers_are_gone_before_anything_is_kept_or_said() {
    let node = Node::start("").await;
    let card = "4111111111111111";
    let record = json!({
        "failureType": "PAYMENT_GATEWAY", "targetSystem": "PG_KCP", "occurredAt": "2024-06-01T10:00:00Z",
        "integrationStatusId": 1,
        "failureDetail": {
            "errorCode": "504", "errorMessage": format!("card {card} was declined"),
            "requestPayload": r#"{"cardNo":"4111-1111-1111-1111","cvc":"123","amount":1000}"#,
            "responsePayload": r#"{"echo":"{\"pan\":\"4111\"}"}"#, "additionalInfo": "N/A",
        },
    });
    let (status, recorded) = post(&node, "/integrationFailureHistories/recordintegrationfailure", &record).await;
    assert_eq!(status, 200);
    assert_eq!(
        recorded["data"]["failureDetail"],
        json!({
            "errorCode": "504", "errorMessage": "card 411111******1111 was declined",
            "requestPayload": r#"{"cardNo":"***","cvc":"***","amount":1000}"#,
            "responsePayload": r#"{"echo":"{\"pan\":\"***\"}"}"#, "additionalInfo": "N/A",
        })
    );
    let fail = json!({
        "target": {"systemName": "SHOP", "endpoint": format!("https://x.example/?card_number={card}")},
        "failureReason": card, "failedAt": "2024-06-01T10:00:00Z",
    });
    assert_eq!(post(&node, "/integrationStatuses/failpaymentgatewayconnection", &fail).await.0, 200);
    for path in ["/events", "/integrationStatuses", "/integrationFailureHistories", "/targets", "/", "/metrics"] {
        let text = get(&node, path).await.text().await.expect("text");
        assert!(!text.contains(card) && !text.contains("4111-1111"), "{path}: {text}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_another_context_is_acted_on_once() {
    let node = Node::start("").await;
    let event = json!({
        "specversion": "1.0", "id": "e-1", "source": "/weather", "type": "LocationWeatherInfoFailed",
        "correlationid": "from-the-weather",
        "data": {
            "campsiteId": {"campsiteId": 2002}, "errorMessage": "외부 API 응답 지연", "locationWeatherInfoId": 1003,
            "requestedAt": "2024-06-10T10:00:00Z",
        },
    });
    assert_eq!(post(&node, "/events", &event).await, (StatusCode::ACCEPTED, json!({"duplicate": false})));
    assert_eq!(post(&node, "/events", &event).await, (StatusCode::ACCEPTED, json!({"duplicate": true})));
    let histories = json_of(&node, "/integrationFailureHistories").await;
    assert_eq!(histories["page"]["totalElements"], 1);
    assert_eq!(
        histories["content"][0]["failureDetail"],
        json!({
            "errorCode": "N/A", "errorMessage": "외부 API 응답 지연", "requestPayload": "{\"campsiteId\":2002}",
            "responsePayload": "N/A", "additionalInfo": "1003",
        })
    );
    let events = json_of(&node, "/events?correlationId=from-the-weather").await;
    let kinds: Vec<_> = events["content"].as_array().expect("a list").iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["LocationWeatherInfoFailed", "IntegrationFailureRecorded"]);
    assert_eq!(events["content"][1]["causationid"], events["content"][0]["id"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_filtered_and_tagged() {
    let node = Node::start("").await;
    for number in 0..5 {
        post(&node, CONNECT, &connect(&format!("SHOP_{number}"), &format!("2024-06-01T10:00:0{number}Z"))).await;
    }
    let page = json_of(&node, "/integrationStatuses?size=2&page=1").await;
    let names: Vec<_> =
        page["content"].as_array().expect("a list").iter().map(|status| &status["target"]["systemName"]).collect();
    assert_eq!(names, ["SHOP_2", "SHOP_1"]);
    assert_eq!(page["page"], json!({"size": 2, "number": 1, "totalElements": 5, "totalPages": 3}));
    let window = "lastAttemptedAtFrom=2024-06-01T10:00:01Z&lastAttemptedAtTo=2024-06-01T10:00:03Z";
    let within = json_of(&node, &format!("/integrationStatuses?{window}")).await;
    assert_eq!(within["page"]["totalElements"], 2, "the end is not part of it");
    let one = json_of(&node, "/integrationStatuses?target.systemName=SHOP_3&state=CONNECTED&endpoint=").await;
    assert_eq!(one["content"][0]["id"], one["content"][0]["integrationStatusId"]);
    assert_eq!(one["page"]["totalElements"], 1);

    let first = get(&node, "/integrationStatuses").await;
    let tag = first.headers()["etag"].clone();
    let url = format!("{}/integrationStatuses", node.base());
    let again = Client::new().get(&url).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!((again.status(), again.headers()["etag"].clone()), (StatusCode::NOT_MODIFIED, tag.clone()));
    post(&node, CONNECT, &connect("SHOP_0", "2024-06-01T11:00:00Z")).await;
    let changed = Client::new().get(&url).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!(changed.status(), 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_takes_hold_of_a_breaker_and_lets_it_go() {
    let node = Node::start(TARGET).await;
    let url = format!("{}/targets/PG_KCP/breaker", node.base());
    let put = |body: Value| Client::new().put(&url).json(&body).send();
    let held = put(json!({"mode": "forced_open", "reason": "maintenance 4111111111111111"})).await.expect("an answer");
    assert_eq!(held.status(), 200);
    let held: Value = held.json().await.expect("JSON");
    assert_eq!(held["type"], "CircuitBreakerControlled");
    assert_eq!(
        (&held["data"]["mode"], &held["data"]["who"]),
        (&json!("forced_open"), &json!("anonymous at 127.0.0.1"))
    );
    let breaker = json_of(&node, "/targets/PG_KCP/breaker").await;
    assert_eq!((&breaker["mode"], &breaker["state"]), (&json!("forced_open"), &json!("open")));
    assert_eq!(breaker["forcedBy"]["reason"], "maintenance 411111******1111");
    put(json!({"mode": "auto", "reason": "done"})).await.expect("an answer");
    let (status, _) = post(&node, "/targets/PG_KCP/breaker/reset", &json!({})).await;
    assert_eq!(status, 200);
    let breaker = json_of(&node, "/targets/PG_KCP/breaker").await;
    assert_eq!((&breaker["mode"], &breaker["forcedBy"]), (&json!("enforce"), &Value::Null));
    let bare = Client::new().post(format!("{url}/reset")).send().await.expect("an answer");
    assert_eq!(bare.status(), 200, "a reset needs no body");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_tells_how_it_is_and_how_it_was() {
    let node = Node::start(TARGET).await;
    let probed = Client::new().post(format!("{}/targets/PG_KCP/probe", node.base())).send().await.expect("an answer");
    let probed: Value = probed.json().await.expect("JSON");
    assert_eq!(
        (&probed["observation"]["ok"], &probed["observation"]["failure"]["reason"]),
        (&json!(false), &json!("connect"))
    );
    let details = json_of(&node, "/targets/PG_KCP").await;
    assert_eq!((&details["health"], &details["config"]["kind"]), (&json!("degraded"), &json!("http")));
    assert!(details["lastObservation"]["phases"].is_object(), "{details}");
    let uptime = json_of(&node, "/targets/PG_KCP/uptime?window=7d").await;
    assert_eq!((&uptime["window"], &uptime["uptime"], &uptime["ok"]), (&json!("7d"), &json!(0.0), &json!(0)));
    let transitions = json_of(&node, "/targets/PG_KCP/transitions").await;
    assert_eq!(
        (&transitions["content"][0]["from"], &transitions["content"][0]["to"]),
        (&json!("UNKNOWN"), &json!("RETRYING"))
    );
    assert_eq!(json_of(&node, "/targets?health=degraded").await["page"]["totalElements"], 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_correlation_and_head_goes_wherever_get_does() {
    let node = Node::start(TARGET).await;
    let client = Client::new();
    for path in [
        "/",
        "/metrics",
        "/livez",
        "/readyz?verbose",
        "/-/healthy",
        "/-/ready",
        "/healthz",
        "/openapi.json",
        "/targets",
        "/nothing",
    ] {
        let url = format!("{}{path}", node.base());
        let given = client.get(&url).header("x-correlation-id", "mine").send().await.expect("an answer");
        assert_eq!(given.headers()["x-correlation-id"], "mine", "{path}");
        assert_eq!(given.headers()["x-content-type-options"], "nosniff", "{path}");
        let head = client.head(&url).send().await.expect("an answer");
        assert_eq!(head.status(), given.status(), "{path}");
        assert!(head.headers().contains_key("x-correlation-id"), "{path}");
        assert!(head.bytes().await.expect("no body").is_empty(), "{path}");
    }
    let url = format!("{}/metrics", node.base());
    let open = client.get(url).header("accept", "application/openmetrics-text").send().await.expect("an answer");
    assert!(open.headers()["content-type"].to_str().expect("text").starts_with("application/openmetrics-text"));
    assert!(open.text().await.expect("text").ends_with("# EOF\n"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_may_load_nothing_that_is_not_ours() {
    let node = Node::start(TARGET).await;
    let page = get(&node, "/").await;
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{policy}");
    let page = page.text().await.expect("text");
    assert!(page.contains("PG_KCP") && !page.contains("<style") && !page.contains("onclick"), "{page}");
    for (path, kind) in [("/assets/page.css", "text/css"), ("/assets/page.js", "text/javascript")] {
        assert!(page.contains(path));
        let asset = get(&node, path).await;
        assert!(asset.headers()["content-type"].to_str().expect("text").starts_with(kind));
    }
    node.stop().await;
}

/// Reads one answer's head and as much of its body as `content-length` says.
async fn read_answer(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                if length.is_some_and(|length| body.len() >= length.parse().expect("a number")) {
                    return text;
                }
            }
            let mut buffer = [0; 4_096];
            let read = connection.read(&mut buffer).await.expect("the connection is whole");
            assert!(read > 0, "the connection was closed after: {text}");
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(PATIENCE, whole).await.expect("an answer comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_too_much_can_still_read_why_and_go_on() {
    let node = Node::start("").await;
    let address = node.base().trim_start_matches("http://").to_owned();
    for head in ["content-length: 600000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut connection = TcpStream::connect(&address).await.expect("a connection");
        let request =
            format!("POST {CONNECT} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{head}\r\n");
        connection.write_all(request.as_bytes()).await.expect("written");
        // All of it is sent before anything is read, as simple clients do.
        if head.starts_with("content-length") {
            connection.write_all(&vec![b' '; 600_000]).await.expect("taken");
        } else {
            for _ in 0..60 {
                connection.write_all(b"2710\r\n").await.expect("taken");
                connection.write_all(&[b' '; 10_000]).await.expect("taken");
                connection.write_all(b"\r\n").await.expect("taken");
            }
            connection.write_all(b"0\r\n\r\n").await.expect("taken");
        }
        let refused = read_answer(&mut connection).await;
        assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("body-too-large"), "{refused}");
        let next = format!("GET /livez HTTP/1.1\r\nhost: {address}\r\n\r\n");
        connection.write_all(next.as_bytes()).await.expect("written");
        assert!(read_answer(&mut connection).await.starts_with("HTTP/1.1 200 "), "the connection goes on");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_first_is_told_before_it_sends() {
    let node = Node::start("").await;
    let address = node.base().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.expect("a connection");
    let request = format!(
        "POST {CONNECT} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 600000\r\nexpect: 100-continue\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.expect("written");
    let refused = read_answer(&mut connection).await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_name_points_to_this_machine_reads_nothing_and_changes_nothing() {
    let node = Node::start_with("", "").await;
    let asked = |request: reqwest::RequestBuilder, host: &'static str| async move {
        let response = request.header("host", host).header("sec-fetch-site", "same-origin").send().await;
        let response = response.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap_or_default())
    };
    let client = Client::new();
    for path in ["/config", "/targets", "/outbox", "/"] {
        let url = format!("{}{path}", node.base());
        assert_eq!(asked(client.get(&url), "localhost").await.0, 200, "{path}");
        let (status, problem) = asked(client.get(&url), "rebound.example:8080").await;
        assert_eq!((status, &problem["type"]), (403, &"urn:breakwater:problem:cross-site".into()), "{path}");
        assert!(problem["detail"].as_str().expect("text").contains("alerting.external_url"), "{problem}");
    }
    let reload = format!("{}/-/reload", node.base());
    assert_eq!(asked(client.post(&reload), "rebound.example").await.0, 403);
    assert_eq!(asked(client.post(&reload), "127.0.0.1").await.0, 200);
    assert_eq!(asked(client.get(format!("{}/livez", node.base())), "rebound.example").await.0, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_allowed_is_told_what_is_missing() {
    let node = Node::start_with("allow_anonymous = [\"read\"]", "").await;
    assert_eq!(get(&node, "/integrationStatuses").await.status(), 200);
    let (status, problem) = post(&node, CONNECT, &connect("SHOP", "2024-06-01T10:00:00Z")).await;
    assert_eq!(status, 403);
    assert_eq!(problem["type"], "urn:breakwater:problem:not-allowed");
    assert!(problem["detail"].as_str().expect("text").contains("\"report\""), "{problem}");
    assert_eq!(Client::new().post(format!("{}/-/reload", node.base())).send().await.expect("an answer").status(), 403);
    assert_eq!(get(&node, "/livez").await.status(), 200);
    node.stop().await;
}
