//! Every kind of channel, through the real sender, against the project's own receiver: what each answer is worth to each
//! kind, and that each can be tried out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use breakwater::clock::Clock;
use breakwater::config::Config;
use breakwater::domain::delivery::Outcome;
use breakwater::notify::Sender;
use breakwater::simulator::receiver::{Answer, Script};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::channels::receiver;
use crate::node::{Node, Pager, Place, program};

/// Every kind that speaks HTTP; `BASE` is where its receiver is.
const HTTP: [(&str, &str); 11] = [
    ("webhook", "url = \"BASE/hook\"\nsecret = \"the key of today\""),
    ("alertmanager", "urls = [\"BASE\"]"),
    ("slack", "url = \"BASE/services/T0/B0/x\""),
    ("discord", "url = \"BASE/api/webhooks/1/x\""),
    ("teams", "url = \"BASE/workflows/1?sig=x\""),
    ("mattermost", "url = \"BASE/hooks/x\""),
    ("telegram", "url = \"BASE\"\ntoken = \"1:token\"\nchat_id = 7"),
    ("pagerduty", "url = \"BASE\"\nrouting_key = \"routing-key\""),
    ("opsgenie", "url = \"BASE\"\napi_key = \"api-key\""),
    ("ntfy", "url = \"BASE\"\ntopic = \"topic\""),
    ("kakaotalk", "url = \"BASE\"\ntoken = \"token\""),
];

/// A channel as a user writes it, named as its kind.
fn channel(kind: &str, keys: &str, base: &str) -> String {
    format!("[[channel]]\nname = \"{kind}\"\nkind = \"{kind}\"\n{}\n", keys.replace("BASE", base))
}

/// That channel, ready to send.
fn sender(kind: &str, keys: &str, base: &str, timeout: &str) -> Sender {
    let text = format!("{}timeout = \"{timeout}\"\n", channel(kind, keys, base));
    let config = Config::parse(&text, "test.toml", Path::new(""), &BTreeMap::new()).expect("the keys are right").config;
    Sender::new(&config, &config.channels[kind], Clock::system()).expect("the channel can be made")
}

/// What comes of a test message that is answered so, each time.
async fn outcome(pager: &Pager, kind: &str, keys: &str, answer: &str) -> Outcome {
    pager.handle.play(Script::new([answer.parse::<Answer>().expect("an answer")], true));
    let timeout = if answer == "hang" { "100ms" } else { "20s" };
    sender(kind, keys, &pager.base(), timeout).test().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_answer_is_worth_to_each_kind() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let pager = Pager::start();
    let answers = ["200", "202", "500", "429(3)", "hang", "reset", "lie", "302", "400"];
    let head = answers.map(|answer| format!("{answer:11}")).concat();
    let mut table = format!("{:13}{}\n", "", head.trim_end());
    for (kind, keys) in HTTP {
        table.push_str(&format!("{kind:13}"));
        for answer in answers {
            let outcome = outcome(&pager, kind, keys, answer).await;
            let word = match &outcome {
                Outcome::Delivered => "delivered",
                Outcome::Transient { retry_after: None, .. } => "later",
                Outcome::Transient { retry_after: Some(pause), .. } if *pause == Duration::from_secs(3) => "in 3 s",
                Outcome::Transient { .. } => "in a while",
                Outcome::Permanent { .. } => "never",
            };
            table.push_str(&format!("{word:11}"));
        }
        table = format!("{}\n", table.trim_end());
    }
    // The lie is a 200 that says `ok: false`. To a webhook and an Alertmanager a status is the whole answer; PagerDuty
    // alone has no good one but 202.
    insta::assert_snapshot!(table, @r"
                 200        202        500        429(3)     hang       reset      lie        302        400
    webhook      delivered  delivered  later      in 3 s     later      later      delivered  never      never
    alertmanager delivered  delivered  later      in 3 s     later      later      delivered  never      never
    slack        delivered  delivered  later      in 3 s     later      later      never      never      never
    discord      delivered  delivered  later      in 3 s     later      later      later      never      never
    teams        delivered  delivered  later      in 3 s     later      later      never      never      never
    mattermost   delivered  delivered  later      in 3 s     later      later      never      never      never
    telegram     delivered  delivered  later      in 3 s     later      later      never      never      never
    pagerduty    later      delivered  later      in 3 s     later      later      later      never      never
    opsgenie     delivered  delivered  later      in 3 s     later      later      later      never      never
    ntfy         delivered  delivered  later      in 3 s     later      later      later      never      never
    kakaotalk    delivered  delivered  later      in 3 s     later      later      later      never      never
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_elsewhere_does_not_go_there() {
    drop(rustls::crypto::ring::default_provider().install_default());
    const ELSEWHERE: &str = "HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (kind, keys) in HTTP {
        let (base, count) = receiver(Some(ELSEWHERE)).await;
        let outcome = sender(kind, keys, &base, "20s").test().await;
        let Outcome::Permanent { error } = outcome else { panic!("{kind}: {outcome:?}") };
        assert!(error.contains("redirects are not followed"), "{kind}: {error}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{kind}");
    }
}

/// A mail server that takes everything; where it listens.
async fn mail_server() -> u16 {
    async fn converse(socket: TcpStream) -> std::io::Result<()> {
        let mut socket = BufReader::new(socket);
        socket.write_all(b"220 localhost\r\n").await?;
        let (mut line, mut in_mail) = (String::new(), false);
        while socket.read_line(&mut line).await? > 0 {
            let answer = match (in_mail, line.trim_end()) {
                (true, ".") => "250 taken\r\n",
                (true, _) => "",
                (false, "DATA") => "354 go on\r\n",
                (false, _) => "250 fine\r\n",
            };
            in_mail = answer.starts_with("354") || (in_mail && answer.is_empty());
            socket.write_all(answer.as_bytes()).await?;
            line.clear();
        }
        Ok(())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(converse(socket));
        }
    });
    port
}

/// A channel of each of the 14 kinds, and a receiver that takes everything.
async fn one_of_each() -> (Pager, Vec<&'static str>, String) {
    let pager = Pager::start();
    pager.handle.play(Script::new(["202".parse::<Answer>().expect("an answer")], true));
    let port = mail_server().await;
    let mail = format!(
        "host = \"127.0.0.1\"\nport = {port}\nencryption = \"none\"\nfrom = \"a@b.example\"\nto = \"c@d.example\""
    );
    let others =
        [("email", mail.as_str()), ("exec", "command = [\"/bin/sh\", \"-c\", \"grep -q breakwater.channel.test\"]")];
    let channels: String = HTTP.iter().chain(&others).map(|(kind, keys)| channel(kind, keys, &pager.base())).collect();
    let kinds = HTTP.iter().chain(&others).map(|(kind, _)| *kind).chain(["log"]).collect();
    (pager, kinds, format!("[alerting]\nallow_exec = true\n{channels}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_can_be_tried_over_http() {
    let (pager, kinds, channels) = one_of_each().await;
    let node = Node::start(&channels).await;
    assert_eq!(kinds.len(), 14);
    for kind in kinds {
        let said = node.api.post(&format!("/channels/{kind}/test"), json!({})).await.ok();
        assert_eq!((&said["kind"], &said["outcome"]), (&json!(kind), &json!("delivered")), "{said}");
    }
    // Three of the eleven keep open what nobody closes, and hear of the end, too.
    assert_eq!(pager.handle.arrivals().len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_can_be_tried_without_a_node() {
    let (_pager, kinds, channels) = one_of_each().await;
    let place = Place::new();
    place.configure(&channels);
    for kind in kinds {
        let mut command = program();
        command.args(["alert", "test", kind, "--config"]).arg(place.config_file());
        let output = tokio::task::spawn_blocking(move || command.output().expect("the program is built")).await;
        let output = output.expect("no panic");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with(&format!("{kind} ({kind}): delivered (")), "{said}{output:?}");
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}
