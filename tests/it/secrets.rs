//! No secret is in anything that the node shows, says or keeps: every secret that a configuration can hold is looked
//! for in every answer, in the whole log, and in every byte of the data folder, while the other sides repeat to the node
//! whatever it sent them.
//!
//! Two things are not looked for. What signs the links of messages is made by the store and lies in it, and so do the
//! links of messages that wait: they are what is checked, and sent, after a restart. Everywhere else they are looked for.
//! And what a caller writes into a report is the report, which is kept and shown as he wrote it, but for card data.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::node::{Api, Place, Process, program, until};

/// With every sign that some notation writes in another way; a header takes all of them.
const SIGNS: &str = "&\"<'>+/=%";
const CARD: &str = "4111111111111111";
const CARD_WITH_HYPHENS: &str = "5500-0000-0000-0004";

/// How the other side meets a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// Repeats the first line and the headers.
    Head,
    /// Repeats the body.
    Body,
    Hangs,
    Resets,
}

/// How it writes what it repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Notation {
    Plain,
    Json,
    Html,
    Base64,
    Percent,
}

const MANNERS: [(Manner, Notation); 12] = [
    (Manner::Head, Notation::Plain),
    (Manner::Body, Notation::Plain),
    (Manner::Head, Notation::Json),
    (Manner::Body, Notation::Json),
    (Manner::Head, Notation::Html),
    (Manner::Body, Notation::Html),
    (Manner::Head, Notation::Base64),
    (Manner::Body, Notation::Base64),
    (Manner::Head, Notation::Percent),
    (Manner::Body, Notation::Percent),
    (Manner::Hangs, Notation::Plain),
    (Manner::Resets, Notation::Plain),
];

fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

fn json_escaped(text: &str) -> String {
    json!(text).to_string().trim_matches('"').to_owned()
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Everybody that the node speaks to: HTTP on one port, SMTP on another. Keeps all that it hears.
#[derive(Clone)]
struct OtherSide {
    http: SocketAddr,
    smtp: SocketAddr,
    manner: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl OtherSide {
    async fn start() -> Self {
        let http = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
        let smtp = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
        let other = Self {
            http: http.local_addr().expect("it is bound"),
            smtp: smtp.local_addr().expect("it is bound"),
            manner: Arc::default(),
            heard: Arc::default(),
        };
        let (web, mail) = (other.clone(), other.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = http.accept().await {
                let web = web.clone();
                tokio::spawn(async move { web.answer(socket).await });
            }
        });
        tokio::spawn(async move {
            while let Ok((socket, _)) = smtp.accept().await {
                let mail = mail.clone();
                tokio::spawn(async move { mail.take_mail(socket).await });
            }
        });
        other
    }

    fn behave(&self, manner: (Manner, Notation)) {
        let place = MANNERS.iter().position(|known| *known == manner).expect("it is one of them");
        self.manner.store(place, Ordering::SeqCst);
    }

    async fn answer(&self, mut socket: TcpStream) {
        let (head, body) = request(&mut socket).await;
        self.heard.lock().extend([&*head, &*body].concat());
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.starts_with("POST /grants") {
            let granted = json!({"access_token": GRANTED, "token_type": "Bearer", "expires_in": 3_600}).to_string();
            return say(&mut socket, "200 OK", &granted).await;
        }
        let (manner, notation) = MANNERS[self.manner.load(Ordering::SeqCst)];
        let repeated = match manner {
            Manner::Head => head,
            Manner::Body => String::from_utf8_lossy(&body).into_owned(),
            Manner::Hangs => return tokio::time::sleep(Duration::from_secs(60)).await,
            Manner::Resets => return drop(socket.set_zero_linger()),
        };
        // Each value for itself, as an error page or a log line would have it.
        let written = repeated.lines().map(|line| match notation {
            Notation::Plain => line.to_owned(),
            Notation::Json => json_escaped(line),
            Notation::Html => html(line),
            Notation::Percent => percent(line),
            Notation::Base64 => {
                line.split([' ', '"', ',']).map(|word| STANDARD.encode(word)).collect::<Vec<_>>().join(" ")
            }
        });
        say(&mut socket, "400 Bad Request", &written.collect::<Vec<_>>().join("\n")).await;
    }

    /// Knows nobody, and says so with what it was given.
    async fn take_mail(&self, socket: TcpStream) {
        let mut socket = BufReader::new(socket);
        drop(socket.write_all(b"220 mail.example\r\n").await);
        let mut line = String::new();
        while socket.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            self.heard.lock().extend(line.as_bytes());
            let given = line.trim_end().rsplit(' ').next().unwrap_or_default();
            let plain = STANDARD.decode(given).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
            let answer = match line.get(..4) {
                Some("EHLO") => "250-mail.example\r\n250 AUTH PLAIN\r\n".to_owned(),
                Some("AUTH") => format!("535 5.7.8 no {given} and no {}\r\n", plain.unwrap_or_default()),
                _ => "221 bye\r\n".to_owned(),
            };
            drop(socket.write_all(answer.as_bytes()).await);
            line.clear();
        }
    }
}

/// A request's head and body.
async fn request(socket: &mut TcpStream) -> (Vec<u8>, Vec<u8>) {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let mut chunk = [0; 4_096];
        match socket.read(&mut chunk).await {
            Ok(count) if count > 0 => read.extend_from_slice(&chunk[..count]),
            Ok(_) | Err(_) => break read.len(),
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut body = read.split_off(end);
    while body.len() < length.unwrap_or_default() {
        let mut chunk = [0; 4_096];
        match socket.read(&mut chunk).await {
            Ok(count) if count > 0 => body.extend_from_slice(&chunk[..count]),
            Ok(_) | Err(_) => break,
        }
    }
    (read, body)
}

async fn say(socket: &mut TcpStream, status: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    drop(socket.write_all(answer.as_bytes()).await);
    drop(socket.shutdown().await);
}

/// What the token server grants: it is in no configuration, and a secret all the same.
const GRANTED: &str = "granted-access-token-0123456789";

/// A secret with what it is called here; with signs where its place takes them.
struct Secret {
    what: &'static str,
    value: String,
}

/// The secrets of the configuration that [`configure`] writes.
struct Secrets(Vec<Secret>);

impl Secrets {
    fn all() -> Self {
        let with_signs = [
            "alertmanager-password",
            "opsgenie-key",
            "pagerduty-key",
            "kakao-token",
            "ntfy-password",
            "smtp-password",
            "basic-password",
            "bearer-token",
            "client-secret-granted",
            "client-secret-refused",
            "probe-header",
            "proxy-header",
            "proxy-header-of-a-file",
            "fallback-header",
        ];
        let plain = [
            "webhook-path",
            "webhook-query",
            "slack-path",
            "discord-path",
            "teams-sig",
            "mattermost-path",
            "ntfy-topic",
            "ntfy-token",
            "probe-query",
            "probe-body",
            "tcp-send",
            "status-page-query",
            "program-argument",
            "webhook-key-of-a-file",
            "webhook-second-key-of-a-file",
            "webhook-template",
            "fallback-body",
            "alertmanager-path",
        ];
        let of = |what: &'static str, signs: &str| Secret { what, value: format!("{what}-{signs}0a1B2c3D4e5F") };
        let mut secrets: Vec<Secret> =
            with_signs.map(|what| of(what, SIGNS)).into_iter().chain(plain.map(|what| of(what, ""))).collect();
        secrets.push(Secret { what: "telegram-token", value: "7001:AAtelegramTOKEN0a1B2c3D4e5F".into() });
        secrets.push(Secret { what: "webhook-key", value: "a-signing-key-of-many-bytes-0a1B2c3D4e5F".into() });
        secrets.push(Secret { what: "granted-token", value: GRANTED.into() });
        Self(secrets)
    }

    fn of(&self, what: &str) -> &str {
        &self.0.iter().find(|secret| secret.what == what).unwrap_or_else(|| panic!("there is {what}")).value
    }

    /// Every way in which it could be written somewhere.
    fn needles(&self) -> Vec<(String, Vec<u8>)> {
        let mut needles = Vec::new();
        for Secret { what, value } in &self.0 {
            let written = BTreeSet::from([
                value.clone(),
                percent(value),
                percent(value).to_ascii_lowercase(),
                form_urlencoded::byte_serialize(value.as_bytes()).collect(),
                json_escaped(value),
                json_escaped(value).replace('/', "\\/"),
                html(value),
                html(value).replace("&#39;", "&#x27;"),
                STANDARD.encode(value),
                URL_SAFE_NO_PAD.encode(value),
                STANDARD.encode(format!("me:{value}")),
                // As a client shows its secret (RFC 6749, 2.3.1).
                STANDARD
                    .encode(format!("me:{}", form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>())),
                STANDARD.encode(format!("\0me\0{value}")),
                format!("{:?}", value.as_bytes()).trim_matches(['[', ']']).to_owned(),
            ]);
            needles.extend(written.into_iter().map(|text| ((*what).to_owned(), text.into_bytes())));
        }
        for card in [CARD, CARD_WITH_HYPHENS] {
            let forms = [card.to_owned(), STANDARD.encode(card), percent(card)];
            needles.extend(forms.map(|text| ("card".to_owned(), text.into_bytes())));
        }
        needles
    }
}

/// Every kind of channel and of probe with a secret wherever one can be.
fn configure(place: &Place, other: &OtherSide, secrets: &Secrets) {
    let writer = Writer { folder: place.path(), base: format!("http://{}", other.http), other, secrets };
    place.configure(&format!(
        "[alerting]\nallow_exec = true\nexternal_url = \"http://node.example\"\n[defaults]\ninterval = \"1h\"\n\
         failure_threshold = 1\n[defaults.alert]\non = [\"down\"]\n{}{}{}{}",
        writer.channels(),
        writer.services(),
        writer.targets(),
        writer.route()
    ));
}

struct Writer<'a> {
    folder: &'a Path,
    base: String,
    other: &'a OtherSide,
    secrets: &'a Secrets,
}

impl Writer<'_> {
    fn of(&self, what: &str) -> &str {
        self.secrets.of(what)
    }

    fn quoted(&self, what: &str) -> String {
        toml_text(self.of(what))
    }

    /// The name of a file with this content, in quotes.
    fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.folder.join(name), format!("{content}\n")).expect("the folder can be written to");
        toml_text(name)
    }

    fn hook(&self, path: &str) -> String {
        format!("{}/services/T0/{}", self.base, self.of(path))
    }

    fn channel(name: &str, kind: &str, keys: &str) -> String {
        format!("[[channel]]\nname = \"{name}\"\nkind = \"{kind}\"\ntimeout = \"2s\"\n{keys}\n")
    }

    /// Those whose address lets one in, and programs.
    fn channels(&self) -> String {
        let base = &self.base;
        let whsec = format!("whsec_{}", STANDARD.encode(self.of("webhook-key")));
        let further = format!("{}\n{}", self.of("webhook-key-of-a-file"), self.of("webhook-second-key-of-a-file"));
        let webhook = format!(
            "url = \"{base}/hook/{}?key={}\"\nsecret = \"{whsec}\"\nsecrets_file = {}",
            self.of("webhook-path"),
            self.of("webhook-query"),
            self.file("keys", &further)
        );
        let exec = format!(
            "command = [\"/bin/sh\", \"-c\", 'cat; echo \"it was called with $0\" >&2; exit 1', \"{}\"]",
            self.of("program-argument")
        );
        let templated = format!(
            "url = \"{base}\"\ntemplate = '{{\"api_key\": \"{}\", \"text\": {{{{ title }}}}}}'",
            self.of("webhook-template")
        );
        [
            Self::channel("webhook", "webhook", &webhook),
            Self::channel("templated", "webhook", &templated),
            Self::channel("slack", "slack", &format!("url_file = {}", self.file("slack", &self.hook("slack-path")))),
            Self::channel("discord", "discord", "url = \"${DISCORD_URL}\""),
            Self::channel("teams", "teams", &format!("url = \"{base}/workflows?sig={}\"", self.of("teams-sig"))),
            Self::channel("mattermost", "mattermost", &format!("url = \"{}\"", self.hook("mattermost-path"))),
            Self::channel("exec", "exec", &exec),
        ]
        .concat()
    }

    /// Those with a key of their own.
    fn services(&self) -> String {
        let base = format!("url = \"{}\"", self.base);
        let alertmanager = format!(
            "urls = [\"{}/{}\"]\nuser = \"me\"\npassword_file = {}",
            self.base,
            self.of("alertmanager-path"),
            self.file("am", self.of("alertmanager-password"))
        );
        let telegram = format!("{base}\ntoken_file = {}\nchat_id = 7", self.file("bot", self.of("telegram-token")));
        let ntfy = format!(
            "{base}\ntopic = \"{}\"\nuser = \"me\"\npassword = {}",
            self.of("ntfy-topic"),
            self.quoted("ntfy-password")
        );
        let email = format!(
            "host = \"127.0.0.1\"\nport = {}\nencryption = \"none\"\nuser = \"me\"\npassword = {}\n\
             from = \"a@b.example\"\nto = \"c@d.example\"",
            self.other.smtp.port(),
            self.quoted("smtp-password")
        );
        let keyed = |key: &str, what: &str| format!("{base}\n{key} = {}", self.quoted(what));
        [
            Self::channel("alertmanager", "alertmanager", &alertmanager),
            Self::channel("telegram", "telegram", &telegram),
            Self::channel("pagerduty", "pagerduty", &format!("{base}\nrouting_key = \"${{PAGERDUTY_KEY}}\"")),
            Self::channel("opsgenie", "opsgenie", &keyed("api_key", "opsgenie-key")),
            Self::channel("ntfy", "ntfy", &ntfy),
            Self::channel("ntfy2", "ntfy", &format!("{}\ntopic = \"t\"", keyed("token", "ntfy-token"))),
            Self::channel("kakaotalk", "kakaotalk", &keyed("token", "kakao-token")),
            Self::channel("email", "email", &email),
        ]
        .concat()
    }

    fn targets(&self) -> String {
        let base = &self.base;
        let oauth2 = |url: &str, what: &str| {
            let secret = self.quoted(what);
            format!(
                "auth = {{ kind = \"oauth2\", token_url = \"{base}{url}\", client_id = \"me\", client_secret = {secret} }}"
            )
        };
        let basic =
            format!("auth = {{ kind = \"basic\", user = \"me\", password = {} }}", self.quoted("basic-password"));
        let body = format!(
            "method = \"POST\"\nbody = \"key={}\"\nexpect_body = \"+OK\"\nexpect_status = [\"100-599\"]",
            self.of("probe-body")
        );
        let page =
            format!("kind = \"status_page\"\nurl = \"{base}/summary.json?key={}\"", self.of("status-page-query"));
        let targets = [
            ("BASIC", basic),
            ("BEARER", "auth = { kind = \"bearer\", token = \"${BEARER}\" }".to_owned()),
            ("GRANTED", oauth2("/grants", "client-secret-granted")),
            ("REFUSED", oauth2("/refuses", "client-secret-refused")),
            ("HEADER", format!("headers = {{ x-api-key = {} }}", self.quoted("probe-header"))),
            ("QUERY", format!("path = \"/?key={}\"\nfollow_redirects = true", self.of("probe-query"))),
            ("BODY", body),
            ("PAGE", page),
        ];
        let http = targets.map(|(name, keys)| {
            format!("[[target]]\nname = \"{name}\"\nendpoint = \"{base}\"\n[target.probe]\n{keys}\n")
        });
        let tcp = format!(
            "[[target]]\nname = \"TCP\"\nendpoint = \"tcp://{}\"\n[target.probe]\nsend = \"AUTH {}\\r\\n\\r\\n\"\n\
             expect = \"+OK\"\n",
            self.other.http,
            self.of("tcp-send")
        );
        http.concat() + &tcp
    }

    fn route(&self) -> String {
        format!(
            "[[target]]\nname = \"OTHER\"\nendpoint = \"{}\"\n[target.alert]\nchannels = []\n\
             [[proxy.route]]\nprefix = \"/gw\"\ntarget = \"OTHER\"\nset_headers = {{ authorization = {} }}\n\
             set_headers_file = {{ x-key = {} }}\n[proxy.route.fallback]\ntarget = \"BASIC\"\n\
             set_headers = {{ authorization = {} }}\n\
             [[proxy.route]]\nprefix = \"/later\"\ntarget = \"OTHER\"\n[proxy.route.fallback]\nstatus = 200\n\
             body = \"later {}\"\n",
            self.base,
            self.quoted("proxy-header"),
            self.file("header", self.of("proxy-header-of-a-file")),
            self.quoted("fallback-header"),
            self.of("fallback-body"),
        )
    }
}

/// A text in TOML.
fn toml_text(text: &str) -> String {
    json!(text).to_string()
}

fn environment(other: &OtherSide, secrets: &Secrets) -> Vec<(&'static str, String)> {
    vec![
        ("RUST_LOG", "trace".to_owned()),
        ("DISCORD_URL", format!("http://{}/api/webhooks/1/{}", other.http, secrets.of("discord-path"))),
        ("PAGERDUTY_KEY", secrets.of("pagerduty-key").to_owned()),
        ("BEARER", secrets.of("bearer-token").to_owned()),
    ]
}

/// Everything that was shown, said or kept, each with where.
#[derive(Default)]
struct Shown(Vec<(String, Vec<u8>)>);

impl Shown {
    fn keep(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    fn keep_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.keep_folder(&path);
            } else {
                self.keep(path.display().to_string(), std::fs::read(&path).expect("a file"));
            }
        }
    }

    /// Where which secret is, with what stands around it.
    fn leaks(&self, needles: &[(String, Vec<u8>)]) -> Vec<String> {
        let mut leaks = Vec::new();
        for (place, bytes) in &self.0 {
            for (what, needle) in needles {
                if let Some(at) = memchr::memmem::find(bytes, needle) {
                    let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + needle.len() + 60)];
                    leaks.push(format!("{what} in {place}: …{}…", String::from_utf8_lossy(around)));
                }
            }
        }
        leaks
    }
}

async fn ask(shown: &mut Shown, api: &Api, method: Method, path: &str, body: Option<Value>) -> String {
    let headers: &[(&str, &str)] = if body.is_some() { &[("content-type", "application/json")] } else { &[] };
    let answer = api.send(method.clone(), path, headers, body.map(|body| body.to_string()).unwrap_or_default()).await;
    shown.keep(format!("{method} {path}"), format!("{:?}\n{}", answer.headers, answer.text));
    answer.text
}

/// The paths of everything that can be read, from the table of routes.
fn routes() -> Vec<&'static str> {
    let table = include_str!("../../src/http/mod.rs").lines();
    table.filter_map(|line| line.strip_prefix("//! | `GET ")?.split('`').next()).collect()
}

const CHANNELS: [&str; 15] = [
    "webhook",
    "templated",
    "alertmanager",
    "slack",
    "discord",
    "teams",
    "mattermost",
    "telegram",
    "pagerduty",
    "opsgenie",
    "ntfy",
    "ntfy2",
    "kakaotalk",
    "email",
    "exec",
];
const TARGETS: [&str; 9] = ["BASIC", "BEARER", "GRANTED", "REFUSED", "HEADER", "QUERY", "BODY", "PAGE", "TCP"];

fn report(text: &str) -> Value {
    json!({
        "failureType": "PAYMENT_GATEWAY", "targetSystem": "BASIC", "occurredAt": "2024-06-01T10:00:00Z",
        "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": format!("refused {text}"), "requestPayload": format!("{{\"card\":\"{text}\"}}"),
            "responsePayload": "N/A", "additionalInfo": format!("of {text}"),
        },
    })
}

/// Tries every channel with every manner of the other side.
async fn try_channels(shown: &mut Shown, api: &Api, other: &OtherSide) {
    for manner in MANNERS {
        other.behave(manner);
        let tests = CHANNELS.map(|name| async move {
            let path = format!("/channels/{name}/test");
            (path.clone(), api.post(&path, json!({})).await.text)
        });
        for (path, text) in join_all(tests).await {
            shown.keep(format!("POST {path} while it {manner:?}"), text);
        }
        let probes = TARGETS.map(|name| async move {
            let path = format!("/targets/{name}/probe");
            (path.clone(), api.post(&path, json!({})).await.text)
        });
        for (path, text) in join_all(probes).await {
            shown.keep(format!("POST {path} while it {manner:?}"), text);
        }
        // What the target answers through the proxy is the target's; what the proxy says of it is in the log.
        drop(api.get("/gw/orders").await);
    }
    other.behave(MANNERS[0]);
}

/// Sends what must be refused, with secrets in it.
async fn provoke(shown: &mut Shown, api: &Api, secrets: &Secrets) {
    for Secret { value, .. } in &secrets.0 {
        let shapes = [
            ("/integrationFailureHistories/recordintegrationfailure", json!({"failureType": value, "targetSystem": 1})),
            ("/integrationStatuses/connectpaymentgateway", json!({"target": {"systemName": value, "endpoint": ""}})),
            ("/silences", json!({"matchers": [{"name": value, "value": value}], "endsAt": value, "comment": 1})),
            ("/events", json!({"specversion": "1.0", "type": value, "id": value, "source": value})),
            ("/targets/BASIC/observations", json!([{"outcome": value}])),
        ];
        for (path, body) in shapes {
            ask(shown, api, Method::POST, path, Some(body)).await;
        }
        let encoded = percent(value);
        for path in [
            format!("/{encoded}"),
            format!("/targets/{encoded}"),
            format!("/channels/{encoded}/test"),
            format!("/alerts?state={encoded}"),
            format!("/alerts/1/acknowledge?token={encoded}"),
            format!("/outbox?state={encoded}&page={encoded}"),
            format!("/events?after={encoded}&type={encoded}"),
        ] {
            ask(shown, api, Method::GET, &path, None).await;
        }
        let broken = format!("{{\"target\": {value}");
        let answer = api.send(Method::POST, "/events", &[("content-type", "application/json")], broken).await;
        shown.keep("a body that is no JSON", answer.text);
    }
}

/// Reads everything that can be read.
async fn read_all(shown: &mut Shown, api: &Api) {
    let id = |list: &Value, member: &str| list["content"][0][member].to_string().trim_matches('"').to_owned();
    let (alert, status) =
        (id(&api.read("/alerts").await, "id"), id(&api.read("/integrationStatuses").await, "integrationStatusId"));
    let histories = api.read("/integrationFailureHistories?size=200").await;
    for route in routes() {
        if route == "/events/stream" {
            let mut stream = api.stream(None, Some(0)).await;
            for _ in 0..20 {
                shown.keep("the stream of events", format!("{:?}", stream.next().await));
            }
            continue;
        }
        let path = route.replace("/{name}/permit", "/BASIC/permit").replace("{integrationStatusId}", &status);
        let path = path.replace("/alerts/{id}", &format!("/alerts/{alert}"));
        let path = path.replace("{integrationFailureHistoryId}", &id(&histories, "integrationFailureHistoryId"));
        for name in TARGETS {
            let path = path.replace("{name}", name);
            assert!(!path.contains('{'), "{path}");
            ask(shown, api, Method::GET, &path, None).await;
            if path == route {
                break;
            }
        }
    }
    for history in histories["content"].as_array().expect("a list") {
        let path = format!("/integrationFailureHistories/{}", history["integrationFailureHistoryId"]);
        ask(shown, api, Method::GET, &path, None).await;
    }
    for path in ["/outbox?size=200", "/outbox?state=dead&size=200", "/alerts?size=200", "/events?limit=1000"] {
        ask(shown, api, Method::GET, path, None).await;
    }
}

/// What the program says that is started for one question.
async fn ask_the_program(shown: &mut Shown, place: &Place, environment: &[(&'static str, String)]) {
    let file = place.config_file();
    let channels = CHANNELS.iter().map(|name| vec!["alert", "test", *name, "--config"]);
    let probes = TARGETS.iter().map(|name| vec!["probe", *name, "--config"]);
    let questions: Vec<_> = channels.chain(probes).chain([vec!["check-config", "--show"]]).collect();
    // A few at a time: each is a process, and the machine has other tests to run.
    for some in questions.chunks(4) {
        let asked = some.iter().map(|arguments| {
            let mut command = program();
            command.envs(environment.iter().map(|(name, value)| (*name, value))).args(arguments).arg(&file);
            tokio::task::spawn_blocking(move || command.output().expect("the program is built"))
        });
        for (arguments, output) in some.iter().zip(join_all(asked).await) {
            let output = output.expect("no panic");
            assert!(!output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            shown.keep(format!("{arguments:?}"), [output.stdout, output.stderr].concat());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_said_or_kept() {
    let (other, secrets, place, mut shown) = (OtherSide::start().await, Secrets::all(), Place::new(), Shown::default());
    configure(&place, &other, &secrets);
    let environment = environment(&other, &secrets);
    let mut process = Process::serve_with(&place, &environment).await;
    let api = process.api.clone();

    // Every target fails at once, and every channel tries to tell of it.
    for name in TARGETS {
        ask(&mut shown, &api, Method::POST, &format!("/targets/{name}/probe"), Some(json!({}))).await;
        api.target_in(name, "FAILED").await;
    }
    for text in [CARD, CARD_WITH_HYPHENS] {
        ask(
            &mut shown,
            &api,
            Method::POST,
            "/integrationFailureHistories/recordintegrationfailure",
            Some(report(text)),
        )
        .await;
    }
    let failed = async || {
        let letters = api.read("/outbox?state=dead&size=200").await.to_string();
        let waiting = api.read("/outbox?size=200").await.to_string();
        CHANNELS
            .iter()
            .all(|name| [&letters, &waiting].iter().any(|list| list.contains(&format!("\"{name}\""))))
            .then_some(())
    };
    until("every channel to have failed", failed).await;
    try_channels(&mut shown, &api, &other).await;
    provoke(&mut shown, &api, &secrets).await;
    let dead = api.read("/outbox?state=dead").await;
    let path = format!("/outbox/{}/retry", dead["content"][0]["id"].as_str().expect("an id"));
    ask(&mut shown, &api, Method::POST, &path, Some(json!({}))).await;
    read_all(&mut shown, &api).await;
    ask_the_program(&mut shown, &place, &environment).await;

    process.signal("TERM");
    process.ended().await;
    shown.keep("the node's log", process.said());
    shown.keep_folder(&place.data());
    assert_no_token_is_shown(&other, &mut shown, &place);
    let needles = secrets.needles();
    let leaks = shown.leaks(&needles);
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    assert_found_elsewhere(&other, &place, &secrets, &needles);
}

/// The tokens of links that were sent. They are in the data folder, since messages wait with them.
fn assert_no_token_is_shown(other: &OtherSide, shown: &mut Shown, place: &Place) {
    let heard = String::from_utf8_lossy(&other.heard.lock()).into_owned();
    let after = heard.match_indices("/acknowledge?token=").map(|(at, words)| &heard[at + words.len()..]);
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    let tokens: BTreeSet<&str> = after.filter_map(|rest| rest.split(|sign| !is_part(sign)).next()).collect();
    assert!(!tokens.is_empty(), "links were sent");
    let folder = place.data().display().to_string();
    let kept: Vec<_> = shown.0.extract_if(.., |(place, _)| place.starts_with(&folder)).collect();
    let of_links = |token: &&str| ("a link's token".to_owned(), token.as_bytes().to_vec());
    let needles: Vec<_> = tokens.iter().map(of_links).collect();
    let leaks = shown.leaks(&needles);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    shown.0.extend(kept);
}

/// The same search finds every secret where it belongs: in what the other side was sent, or, of keys that only sign, in
/// the files that hold them. And what was searched is not empty.
fn assert_found_elsewhere(other: &OtherSide, place: &Place, secrets: &Secrets, needles: &[(String, Vec<u8>)]) {
    let mut sent = Shown::default();
    sent.keep("what was sent", other.heard.lock().clone());
    let found = sent.leaks(needles).join("\n");
    sent.keep("the configuration", std::fs::read(place.config_file()).expect("it is there"));
    sent.keep("a file of keys", std::fs::read(place.path().join("keys")).expect("it is there"));
    let with_files = sent.leaks(needles).join("\n");
    for Secret { what, .. } in &secrets.0 {
        let only_signs = what.contains("-key-of-a-file") && what.contains("webhook") || *what == "webhook-key";
        let is_not_sent = matches!(*what, "program-argument" | "fallback-header" | "fallback-body");
        let found = if only_signs || is_not_sent { &with_files } else { &found };
        assert!(found.contains(&format!("{what} in ")), "the search finds {what}");
    }
    assert!(!found.contains("card in"), "no card number was sent to anybody");
}
