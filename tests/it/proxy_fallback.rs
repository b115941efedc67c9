//! The guarded proxy: when somebody else answers in the place of a target, and when that would pay twice.

use reqwest::Method;
use serde_json::json;

use crate::backend::{Backend, Raw, says, target_at};
use crate::node::{Answer, Api, Node};

const KEY: [(&str, &str); 1] = [("idempotency-key", "7")];
const ONCE: &str = "mode = \"dry_run\"\nattempts = 1\nattempt_timeout = \"300ms\"";
const ROUTES: &str = "[[proxy.route]]\nprefix = \"/other\"\ntarget = \"PG\"\nfallback = { target = \"TOSS\" }\n\
                      [[proxy.route]]\nprefix = \"/standing\"\ntarget = \"PG\"\n\
                      fallback = { status = 202, content_type = \"text/plain\", body = \"later\" }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_with_a_key_that_may_have_been_made_is_made_nowhere_else() {
    let (raw, second) = (Raw::start().await, Backend::start(|_, _| says(200, "second")).await);
    let first = target_at("PG", &format!("http://{}", raw.address), ONCE);
    let node = Node::start(&format!("{first}{}{ROUTES}", second.target("TOSS", ""))).await;
    for path in ["/other", "/standing"] {
        for (method, text) in [(Method::POST, "pay"), (Method::PUT, "put"), (Method::DELETE, "gone")] {
            let text = format!("{text} {path}");
            let send = || node.api.send(method.clone(), path, &KEY, text.clone());
            let (refused, ()) = tokio::join!(send(), async {
                let mut asked = raw.hears(&text).await;
                asked.say("HTTP/1.1 503 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno").await;
            });
            assert_eq!((refused.status, refused.text.as_str()), (503, "no"), "{method} {path}");
            let (late, _held) = tokio::join!(send(), raw.hears(&text));
            assert_eq!(late.status, 504, "{method} {path}: {}", late.text);
            let (cut, ()) = tokio::join!(send(), async { drop(raw.hears(&text).await) });
            assert_eq!(cut.status, 502, "{method} {path}: {}", cut.text);
        }
    }
    assert_eq!(second.seen().len(), 0, "the key is worth nothing there");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_done_or_only_reads_may_be_asked_elsewhere() {
    let first = Backend::start(|seen, _| says(if seen.method == "GET" { 503 } else { 429 }, "no")).await;
    let second = Backend::start(|seen, _| says(200, format!("second {}", seen.header("idempotency-key")))).await;
    let targets = format!("{}{}", first.target("PG", ONCE), second.target("TOSS", ""));
    let node = Node::start(&format!("{targets}{ROUTES}")).await;
    for method in [Method::GET, Method::POST] {
        let said = |answer: Answer| (answer.status, answer.text);
        let send = async |path| said(node.api.send(method.clone(), path, &KEY, String::new()).await);
        assert_eq!(send("/other").await, (200, "second 7".to_owned()), "{method}");
        assert_eq!(send("/standing").await, (202, "later".to_owned()), "{method}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stays_behind_allows_no_second_attempt() {
    let backend = Backend::start(|_, _| says(503, "no")).await;
    let target = backend.target("PG", "mode = \"dry_run\"\nbackoff = \"1ms\"\nretry_budget = \"100%\"\nattempts = 2");
    let node = Node::start(&format!("{target}[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n")).await;
    let own = Api::new(node.proxy[0]);
    let named = [("connection", "Idempotency-Key"), KEY[0]];
    assert_eq!(own.send(Method::POST, "/", &named, "pay".into()).await.status, 503);
    assert_eq!(backend.seen().len(), 1);
    assert_eq!(backend.seen()[0].header("idempotency-key"), "");
    assert_eq!(own.send(Method::POST, "/", &KEY, "pay".into()).await.status, 503);
    assert_eq!(backend.seen().len(), 3, "one that arrives does");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_too_long_for_the_target_is_the_clients_matter() {
    let backend = Backend::start(|_, _| says(200, "ok")).await;
    let endpoint = format!("http://{}/{}", backend.address, "b".repeat(400));
    let target = target_at("PG", &endpoint, "attempts = 1");
    let node = Node::start(&format!("{target}[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n")).await;
    let own = Api::new(node.proxy[0]);
    let answer = own.get(&format!("/{}", "a".repeat(65_200))).await;
    assert_eq!((answer.status, &answer.json()["reason"]), (414, &json!("path_too_long")));
    assert_eq!(own.get("/").await.text, "ok");
    let window = &node.api.read("/targets/PG/breaker").await["window"];
    assert_eq!((&window["calls"], &window["failed"]), (&json!(1), &json!(0)), "{window}");
    assert_eq!(backend.seen().len(), 1);
    node.stop().await;
}
