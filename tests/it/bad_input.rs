//! What a node refuses, and how: every line of `tests/data/http-bad-input.json` against a running node.
//!
//! A line says what is sent and what must come back: status, problem type, and which members or parameters are named.
//! Beyond that, of every refusal: it is a whole problem, it repeats no card number, and it caused no event.
//!
//! `${name}` in a line stands for something that exists: `configured` and `endpoint` (a configured target), `open` and
//! `closed` (histories). `${x times 9}` is nine `x`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use futures_util::stream;
use reqwest::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Client, Method, Response};
use serde_json::{Value, json};

use super::plain_node::Node;

const CONFIGURED: &str = "PG_KCP";
/// Nothing answers there, and nobody has to.
const ENDPOINT: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_as_the_table_says() {
    let node = Node::start(&format!(
        "[[target]]\nname = \"{CONFIGURED}\"\nendpoint = \"{ENDPOINT}\"\ninterval = \"1h\"\n[target.probe]\nkind = \"http\"\n"
    ))
    .await;
    check_bad_input(node.base(), CONFIGURED, ENDPOINT).await;
    node.stop().await;
}

/// Sends every line to the node at `base`, where a target with this name and endpoint is configured.
pub(crate) async fn check_bad_input(base: &str, configured: &str, endpoint: &str) {
    let table: Vec<Value> = serde_json::from_str(include_str!("../data/http-bad-input.json")).expect("it is JSON");
    let client = Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
    let run = Run { known: given(&client, base, configured, endpoint).await, client, base: base.to_owned() };
    let mut wrong = Vec::new();
    for (number, line) in table.iter().enumerate() {
        if let Err(found) = run.check(number, line).await {
            wrong.push(format!("{}: {found}", line["id"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} lines:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

/// Makes what the lines speak of.
async fn given(client: &Client, base: &str, configured: &str, endpoint: &str) -> BTreeMap<String, Value> {
    let record = json!({
        "failureType": "OTHER", "targetSystem": "SHOP_STOCK", "occurredAt": "2024-06-01T10:00:00Z",
        "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A",
            "additionalInfo": "N/A",
        },
    });
    let mut histories = Vec::new();
    for _ in 0..2 {
        let url = format!("{base}/integrationFailureHistories/recordintegrationfailure");
        let answer = client.post(url).json(&record).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        histories.push(answer["data"]["integrationFailureHistoryId"].clone());
    }
    let recover = json!({
        "integrationFailureHistoryId": histories[1], "retryResult": "SUCCESS", "recoveredAt": "2024-06-01T11:00:00Z",
    });
    let url = format!("{base}/integrationFailureHistories/recoverintegrationfailure");
    let answer = client.patch(url).json(&recover).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    // A report in the middle of last year makes everything before it stale, whatever the probes find.
    let connect = json!({
        "target": {"systemName": configured, "endpoint": endpoint},
        "attemptedAt": breakwater::clock::format(breakwater::clock::Clock::system().now()),
    });
    let url = format!("{base}/integrationStatuses/connectpaymentgateway");
    let answer = client.post(url).json(&connect).send().await.expect("an answer");
    assert!(matches!(answer.status().as_u16(), 200 | 409), "{answer:?}");
    BTreeMap::from([
        ("configured".to_owned(), json!(configured)),
        ("endpoint".to_owned(), json!(endpoint)),
        ("open".to_owned(), histories[0].clone()),
        ("closed".to_owned(), histories[1].clone()),
    ])
}

struct Run {
    client: Client,
    base: String,
    known: BTreeMap<String, Value>,
}

impl Run {
    async fn check(&self, number: usize, line: &Value) -> Result<(), String> {
        let correlation = format!("bad-input-{number}");
        let answer = self.send(line, &correlation).await.map_err(|error| format!("no answer: {error:?}"))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(|error| format!("no body: {error:?}"))?;
        let problem: Value = serde_json::from_str(&text).map_err(|error| format!("{status} with {error}: {text}"))?;
        expect("status", &json!(status), &line["status"], &text)?;
        expect("type", &problem["type"], &line["type"], &text)?;
        expect("status in the body", &problem["status"], &line["status"], &text)?;
        is_whole(&headers, &problem, &text)?;
        if line["errors"].is_array() {
            expect("errors", &named(&problem), &line["errors"], &text)?;
        }
        if line["allow"].is_string() {
            let allow = headers.get(ALLOW).and_then(|value| value.to_str().ok());
            expect("Allow", &json!(allow), &line["allow"], &text)?;
        }
        if status == 429 && !headers.contains_key(RETRY_AFTER) {
            return Err("no Retry-After".into());
        }
        self.caused_nothing(&correlation).await
    }

    async fn send(&self, line: &Value, correlation: &str) -> reqwest::Result<Response> {
        let method = Method::from_bytes(line["method"].as_str().expect("a method").as_bytes()).expect("a method");
        let path = self.filled_text(line["path"].as_str().expect("a path"));
        let mut headers = HeaderMap::new();
        headers.insert("x-correlation-id", HeaderValue::from_str(correlation).expect("visible ASCII"));
        let body = self.body(line);
        if body.is_some() && line["body"].is_object() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in line["headers"].as_object().into_iter().flatten() {
            let value = self.filled_text(value.as_str().expect("headers are text"));
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            headers.insert(name, HeaderValue::from_str(&value).expect("a header's value"));
        }
        let mut request = self.client.request(method, format!("{}{path}", self.base)).headers(headers);
        if let Some(body) = body {
            let chunked = line["chunked"] == true;
            request = request.body(if chunked { in_chunks(body) } else { Body::from(body) });
        }
        request.send().await
    }

    fn body(&self, line: &Value) -> Option<Vec<u8>> {
        if let Some(length) = line["fill"].as_u64() {
            return Some(vec![b' '; usize::try_from(length).expect("it fits")]);
        }
        if let Some(encoded) = line["bodyBase64"].as_str() {
            return Some(base64::engine::general_purpose::STANDARD.decode(encoded).expect("Base64"));
        }
        let body = line.get("body")?;
        let text = body.as_str().map_or_else(|| self.filled(body).to_string(), |text| self.filled_text(text));
        Some(text.into_bytes())
    }

    /// The value with what exists in the place of `${name}`.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => object
                .iter()
                .map(|(name, value)| (name.clone(), self.filled(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Array(values) => values.iter().map(|value| self.filled(value)).collect(),
            Value::String(text) => {
                let whole = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
                let known = whole.and_then(|name| self.known.get(name));
                known.cloned().unwrap_or_else(|| self.filled_text(text).into())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn filled_text(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.known {
            if let Some(value) = value.as_str() {
                filled = filled.replace(&format!("${{{name}}}"), value);
            }
        }
        let Some((before, rest)) = filled.split_once("${") else { return filled };
        let Some((times, after)) = rest.split_once('}') else { return filled };
        let Some((what, count)) = times.split_once(" times ") else { return filled };
        format!("{before}{}{after}", what.repeat(count.parse().expect("a number")))
    }

    async fn caused_nothing(&self, correlation: &str) -> Result<(), String> {
        let url = format!("{}/events?correlationId={correlation}", self.base);
        let events = self.client.get(url).send().await.map_err(|error| error.to_string())?;
        let events: Value = events.json().await.map_err(|error| error.to_string())?;
        if events["content"] == json!([]) { Ok(()) } else { Err(format!("it was refused and caused {events}")) }
    }
}

fn in_chunks(body: Vec<u8>) -> Body {
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        body.chunks(16 * 1_024).map(|chunk| Ok(chunk.to_vec())).collect();
    Body::wrap_stream(stream::iter(chunks))
}

fn expect(what: &str, found: &Value, expected: &Value, text: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found} and not {expected}; the answer: {text}")) }
}

fn is_whole(headers: &HeaderMap, problem: &Value, text: &str) -> Result<(), String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if header("content-type") != "application/problem+json" {
        return Err(format!("its type is {}", header("content-type")));
    }
    if ["title", "detail"].iter().any(|member| problem[member].as_str().is_none_or(str::is_empty)) {
        return Err(format!("it does not say what is wrong: {text}"));
    }
    if problem["correlationId"] != json!(header("x-correlation-id")) {
        return Err(format!("its correlation is not that of its header: {text}"));
    }
    if text.contains("4111111111111111") {
        return Err(format!("it repeats a card number: {text}"));
    }
    Ok(())
}

/// The members or parameters that a problem names, in its order.
fn named(problem: &Value) -> Value {
    let errors = problem["errors"].as_array().into_iter().flatten();
    errors.map(|error| error.get("pointer").unwrap_or(&error["parameter"]).clone()).collect()
}
