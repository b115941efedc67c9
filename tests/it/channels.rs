//! The ways to tell people, as an operator meets them: tried out, kept apart, and silent about their secrets.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::node::{Gateway, Node, Pager, Place, program, until};

/// A receiver that answers every request with these bytes, or (with none) with the request itself and 400; counts them.
pub(crate) async fn receiver(answer: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
    let base = format!("http://{}", listener.local_addr().expect("it is bound"));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let read = socket.read(&mut request).await.unwrap_or_default();
                counted.fetch_add(1, Ordering::SeqCst);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let echo = format!(
                    "HTTP/1.1 400 Bad\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{request}",
                    request.len()
                );
                drop(socket.write_all(answer.unwrap_or(&echo).as_bytes()).await);
            });
        }
    });
    (base, count)
}

const TAKEN: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const GONE: &str = "HTTP/1.1 410 Gone\r\ncontent-length: 19\r\nconnection: close\r\n\r\nchannel_is_archived";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn slack(name: &str, base: &str) -> String {
    format!("[[channel]]\nname = \"{name}\"\nkind = \"slack\"\nurl = \"{base}/services/T0/B0/hunter2-in-path\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_tried_and_answers_with_what_the_receiver_said() {
    let ((good, count), (gone, _), (busy, _)) =
        (receiver(Some(TAKEN)).await, receiver(Some(GONE)).await, receiver(Some(BUSY)).await);
    let node = Node::start(&[slack("good", &good), slack("gone", &gone), slack("busy", &busy)].concat()).await;
    let test = async |name: &str| node.api.post(&format!("/channels/{name}/test"), json!({})).await;

    let said = test("good").await.ok();
    assert_eq!(
        (&said["channel"], &said["kind"], &said["outcome"]),
        (&json!("good"), &json!("slack"), &json!("delivered"))
    );
    assert!(said["tookMs"].is_number() && said.get("error").is_none(), "{said}");
    assert_eq!(count.load(Ordering::SeqCst), 1, "it was sent once");
    let said = test("gone").await.ok();
    assert_eq!((&said["outcome"], &said["error"]), (&json!("permanent"), &json!("410 Gone: channel_is_archived")));
    let said = test("busy").await.ok();
    assert_eq!((&said["outcome"], &said["error"]), (&json!("transient"), &json!("503 Service Unavailable")));
    test("nobody").await.refused(404, "no-such-channel");
    assert_eq!(node.api.metric("breakwater_outbox_pending").await, Some(0.0), "it went past the outbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_operate_may_not_test() {
    let node = Node::start_with("allow_anonymous = [\"read\"]", "").await;
    node.api.post("/channels/log/test", json!({})).await.refused(403, "not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hangs_delays_no_other() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
    let base = format!("http://{}", silent.local_addr().expect("it is bound"));
    // It sorts before the good one, so it is first in every queue.
    let hanging = slack("a-silent-one", &base);
    let node =
        Node::start(&format!("{hanging}{}{}", pager.channel(), gateway.target("PG_KCP", "failure_threshold = 1")))
            .await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    let (mut asked, _) = silent.accept().await.expect("the silent one is asked");
    let arrivals = pager.arrivals(1).await;
    assert_eq!(crate::node::told(&arrivals[0])["type"], "breakwater.alert.firing");
    // The silent one has its message and has not answered.
    let mut byte = [0];
    assert_eq!(asked.read(&mut byte).await.expect("it is still open"), 1);
    let waits = async || (node.api.metric("breakwater_outbox_pending").await == Some(1.0)).then_some(());
    until("one message under way", waits).await;
}

/// Runs `breakwater alert test` for a channel.
async fn alert_test(place: &Place, channel: &'static str) -> Output {
    let mut command = program();
    command.env("RUST_LOG", "debug").args(["alert", "test", channel, "--config"]).arg(place.config_file());
    tokio::task::spawn_blocking(move || command.output().expect("the program is built")).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_tries_a_channel_without_a_node_and_its_log_holds_no_secret() {
    let ((good, _), (echo, _)) = (receiver(Some(TAKEN)).await, receiver(None).await);
    let place = Place::new();
    place.configure(&format!(
        "{}{}[[channel]]\nname = \"bot\"\nkind = \"telegram\"\nurl = \"{echo}\"\ntoken = \"1:hunter2-token\"\nchat_id = 7\n\
         [[channel]]\nname = \"kakao\"\nkind = \"kakaotalk\"\nurl = \"{echo}\"\ntoken = \"hunter2-token\"\n\
         [[channel]]\nname = \"mail\"\nkind = \"email\"\nhost = \"127.0.0.1\"\nport = 1\nfrom = \"a@b.example\"\n\
         to = \"c@d.example\"\nuser = \"me\"\npassword = \"hunter2-password\"\n",
        slack("good", &good),
        slack("bad", &echo)
    ));
    let output = alert_test(&place, "good").await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("good (slack): delivered ("), "{said}");
    for (channel, words) in [
        ("bad", "not delivered, and it will not be as it is: 400 Bad"),
        ("bot", "not delivered, and it will not be as it is: 400 Bad"),
        ("kakao", "not delivered, and it will not be as it is: 400 Bad"),
        ("mail", "not delivered, it may work later: no connection"),
    ] {
        let output = alert_test(&place, channel).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let logged = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}{logged}");
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("hunter2") && !logged.contains("hunter2"), "{said}{logged}");
    }
    let output = alert_test(&place, "nobody").await;
    assert_eq!(output.status.code(), Some(1));
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complained.contains("has no channel nobody; it has: bad, bot, good, kakao, log, mail"), "{complained}");
}
