//! A real node, in this process or in one of its own, with its other sides: the gateway simulator and a webhook receiver.
//!
//! Everything listens on port 0 and keeps its files in a folder of its own. Nothing here waits for luck: [`until`] looks
//! again and again with a limit that only a broken node reaches.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use breakwater::app::{App, Ended, Source};
use breakwater::clock::{self, Clock};
use breakwater::config::{Config, Loaded, Secret};
use breakwater::simulator::receiver::{Arrival, Receiver, ReceiverHandle, ReceiverOptions, SignatureCheck};
use breakwater::simulator::{Options, Simulator, SimulatorHandle};
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Only a broken node takes this long.
const LIMIT: Duration = Duration::from_secs(30);
/// How often something is looked at again.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The key that the node signs with and the receiver checks with.
pub(crate) const SECRET: &str = "a secret of sixteen bytes or more";

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let looking = async {
            loop {
                if let Some(seen) = look().await {
                    return seen;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(LIMIT, looking).await {
            Ok(seen) => seen,
            Err(_) => panic!("waited for {what} in vain, at {place}"),
        }
    }
}

/// A time that many seconds from now, as a client writes it.
pub(crate) fn seconds_from_now(seconds: i64) -> String {
    let now = Clock::system().now();
    let moved = now.as_nanos() / 1_000_000_000 + seconds;
    clock::format(breakwater::domain::time::Timestamp::from_nanos(moved * 1_000_000_000))
}

/// What a node answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The kind of a refusal, which must look as every refusal does.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:breakwater:problem:{kind}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["correlationId"], self.header("x-correlation-id"));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }
}

/// Asks a node.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    client: Client,
}

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        // Another test of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().timeout(LIMIT).build().expect("a client that needs no files can be made");
        Self { base: format!("http://{address}"), client }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the node answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("the answer is whole") }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// The same of a node that may have gone: then there is no answer.
    pub(crate) async fn try_post(&self, path: &str, body: Value) -> Option<Answer> {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, text: response.text().await.ok()? })
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// What is read as JSON.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    /// Every event of the log, or those of one correlation.
    pub(crate) async fn events(&self, correlation: Option<&str>) -> Vec<Value> {
        let filter = correlation.map(|id| format!("&correlationId={id}")).unwrap_or_default();
        let page = self.read(&format!("/events?limit=1000{filter}")).await;
        page["content"].as_array().expect("a list").clone()
    }

    /// The number of a series of `/metrics`, by its whole name and labels; `None` where there is no such series.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics").await;
        assert_eq!(page.status, 200);
        page.text.lines().find_map(|line| {
            let value = line.strip_prefix(series)?.strip_prefix(' ')?;
            Some(value.split(' ').next()?.parse().expect("a number"))
        })
    }

    /// The page of a target, once it shows what is looked for.
    pub(crate) async fn target_when(&self, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(&format!("the target {name}"), async || {
            let answer = self.get(&format!("/targets/{name}")).await;
            (answer.status == 200).then(|| answer.json()).filter(&is)
        })
        .await
    }

    /// The target, once it is in a state.
    pub(crate) async fn target_in(&self, name: &str, state: &str) -> Value {
        self.target_when(name, |target| target["state"] == state).await
    }

    pub(crate) async fn stream(&self, last_event_id: Option<&str>, after: Option<u64>) -> Stream {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let mut request = self.client.get(format!("{}/events/stream{query}", self.base));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("the node answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { response, unread: String::new() }
    }
}

/// An open `/events/stream`.
pub(crate) struct Stream {
    response: reqwest::Response,
    unread: String,
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Stream {
    /// The next event; comments that keep the connection are passed over.
    pub(crate) async fn next(&mut self) -> Sent {
        tokio::time::timeout(LIMIT, self.read()).await.expect("an event comes")
    }

    /// Reads on up to an event of this type.
    pub(crate) async fn up_to(&mut self, kind: &str) -> Vec<Sent> {
        let mut seen = Vec::new();
        loop {
            let sent = self.next().await;
            let last = sent.event == kind;
            seen.push(sent);
            if last {
                return seen;
            }
        }
    }

    async fn read(&mut self) -> Sent {
        loop {
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    line.map(|value| value.trim_start().to_owned())
                };
                let sent = field("data").map(|data| Sent {
                    id: field("id").expect("an id"),
                    event: field("event").expect("a name"),
                    data: serde_json::from_str(&data).expect("an envelope"),
                });
                self.unread = rest.to_owned();
                if let Some(sent) = sent {
                    return sent;
                }
            }
            let chunk = self.response.chunk().await.expect("the stream is whole").expect("the stream goes on");
            self.unread.push_str(std::str::from_utf8(&chunk).expect("lines of text"));
        }
    }
}

/// A folder with a configuration and a store.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: Arc<TempDir>,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: Arc::new(TempDir::new().expect("a folder can be made")) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path().join("breakwater.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes the configuration: `rest` is everything but the node, its folder and its port.
    pub(crate) fn configure(&self, rest: &str) {
        self.configure_with("", rest);
    }

    /// The same, with further lines in the section `[http]`.
    pub(crate) fn configure_with(&self, http: &str, rest: &str) {
        let folder = self.data();
        let http = if http.is_empty() { String::new() } else { format!("{http}\n") };
        let text = format!(
            "[node]\nname = \"node-1\"\ndata_dir = {folder:?}\n[http]\nlisten = \"127.0.0.1:0\"\n{http}[store]\ncache = \"1MiB\"\n{rest}"
        );
        // In one step, so that nobody reads half of it.
        let written = self.path().join("breakwater.toml.new");
        std::fs::write(&written, text).expect("the folder can be written to");
        std::fs::rename(written, self.config_file()).expect("a file of ours can be renamed");
    }

    /// Whether these bytes are in any file of the store.
    pub(crate) fn holds(&self, needle: &[u8]) -> bool {
        fn search(folder: &Path, needle: &[u8]) -> bool {
            std::fs::read_dir(folder).expect("a folder").any(|entry| {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    return search(&path, needle);
                }
                let bytes = std::fs::read(&path).expect("a file");
                bytes.windows(needle.len()).any(|window| window == needle)
            })
        }
        search(&self.data(), needle)
    }
}

/// A node in this process.
pub(crate) struct Node {
    pub(crate) api: Api,
    /// Where routes of the proxy have sockets of their own.
    pub(crate) proxy: Vec<SocketAddr>,
    pub(crate) place: Place,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Ended>,
}

impl Node {
    /// One with this configuration, in a new folder.
    pub(crate) async fn start(rest: &str) -> Self {
        Self::start_with("", rest).await
    }

    /// The same, with further lines in the section `[http]`.
    pub(crate) async fn start_with(http: &str, rest: &str) -> Self {
        let place = Place::new();
        place.configure_with(http, rest);
        Self::start_in(place).await
    }

    /// Where it is: `http://127.0.0.1:12345`.
    pub(crate) fn base(&self) -> &str {
        &self.api.base
    }

    /// One in a folder that is configured.
    pub(crate) async fn start_in(place: Place) -> Self {
        let path = place.config_file();
        let loaded = Config::load(&path, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
        let Loaded { config, files, folders, .. } = loaded;
        let watched = files.into_iter().chain(folders).collect();
        let source = Source::File { path, environment: BTreeMap::new(), watched };
        let app = App::build(config, source, Clock::system()).await.unwrap_or_else(|error| panic!("{error}"));
        let api = Api::new(app.local_addr());
        let proxy = app.proxy_addrs().to_vec();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(app.run(async {
            let _ = stopped.await;
        }));
        until("the node to be ready", async || (api.get("/readyz").await.status == 200).then_some(())).await;
        Self { api, proxy, place, stop, ended }
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> Place {
        let Self { place, stop, ended, api, proxy: _ } = self;
        drop(api);
        stop.send(()).expect("the node waits for this");
        let ended = tokio::time::timeout(LIMIT, ended).await.expect("the node ends").expect("without a panic");
        assert_eq!(ended, Ended::AsAsked);
        place
    }

    /// Ends it and starts another one on the same folder, with another configuration where `rest` is given.
    pub(crate) async fn restart(self, rest: Option<&str>) -> Self {
        let place = self.stop().await;
        if let Some(rest) = rest {
            place.configure(rest);
        }
        Self::start_in(place).await
    }
}

/// A payment gateway that can be told to fail.
pub(crate) struct Gateway {
    pub(crate) handle: SimulatorHandle,
    pub(crate) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Gateway {
    pub(crate) fn start() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::bind(listen, Options::default(), Clock::system()).expect("port 0 can be had");
        let (handle, address) = (simulator.handle(), simulator.local_addr());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(simulator.run(async {
            let _ = stopped.await;
        }));
        Self { handle, address, _stop: stop }
    }

    pub(crate) fn goes(&self, outage: &str) {
        self.handle.change([("outage", outage)]).expect("the simulator knows this outage");
    }

    /// A target that is probed here, ten times a second, with more keys of its own.
    pub(crate) fn target(&self, name: &str, keys: &str) -> String {
        format!(
            "[[target]]\nname = \"{name}\"\nendpoint = \"http://{}\"\nfailure_type = \"PAYMENT_GATEWAY\"\n\
             interval = \"100ms\"\ntimeout = \"2s\"\n{keys}\n[target.probe]\npath = \"/health\"\n\
             [target.breaker]\nopen_time = \"300ms\"\n",
            self.address
        )
    }

    /// A target that is configured with this endpoint and probed only when somebody asks, after the first time.
    pub(crate) fn quiet_target(&self, name: &str, keys: &str) -> String {
        self.target(name, keys).replace("interval = \"100ms\"", "interval = \"1h\"")
    }
}

/// Somebody who is told.
pub(crate) struct Pager {
    pub(crate) handle: ReceiverHandle,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Pager {
    pub(crate) fn start() -> Self {
        let options = ReceiverOptions { secrets: vec![Secret::new(SECRET.as_bytes())], ..Default::default() };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let receiver = Receiver::bind(listen, options, Clock::system()).expect("port 0 can be had");
        let (handle, address) = (receiver.handle(), receiver.local_addr());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(receiver.run(async {
            let _ = stopped.await;
        }));
        Self { handle, address, _stop: stop }
    }

    /// Where it is, for what is no channel of ours.
    pub(crate) fn url(&self) -> String {
        format!("{}/hook", self.base())
    }

    /// Where it is, without a path: it takes what comes on any.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The channel that leads here.
    pub(crate) fn channel(&self) -> String {
        let url = self.url();
        format!("[[channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n")
    }

    /// The `number` first messages, once they are here; each is signed.
    pub(crate) async fn arrivals(&self, number: usize) -> Vec<Arc<Arrival>> {
        let arrivals = until(&format!("{number} messages"), async || {
            let arrivals = self.handle.arrivals();
            (arrivals.len() >= number).then_some(arrivals)
        })
        .await;
        for arrival in &arrivals {
            assert_eq!(arrival.signature, SignatureCheck::Valid, "{arrival}");
        }
        arrivals
    }
}

/// What a message says.
pub(crate) fn told(arrival: &Arrival) -> Value {
    serde_json::from_slice(&arrival.body).expect("a CloudEvent")
}

/// A node in a process of its own.
pub(crate) struct Process {
    pub(crate) api: Api,
    child: Child,
    said: Said,
}

/// What a process has said so far, to its standard output and its log.
type Said = Arc<Mutex<Vec<u8>>>;

/// The program, with nothing of this process' environment that would configure it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("breakwater"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BREAKWATER_") {
            command.env_remove(name);
        }
    }
    command.env("RUST_LOG", "info");
    command
}

impl Process {
    pub(crate) async fn serve(place: &Place) -> Self {
        Self::serve_with(place, &[]).await
    }

    /// The same, with further variables in its environment.
    pub(crate) async fn serve_with(place: &Place, environment: &[(&str, String)]) -> Self {
        let mut command = program();
        command.envs(environment.iter().map(|(name, value)| (*name, value)));
        command.args(["serve", "--log", "json", "--config"]).arg(place.config_file());
        let (child, address, said) = tokio::task::spawn_blocking(move || started(command)).await.expect("it starts");
        let api = Api::new(address);
        until("the process to be ready", async || (api.get("/readyz").await.status == 200).then_some(())).await;
        Self { api, child, said }
    }

    /// All that it has said; whole once it has ended and whoever holds its output has, too.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.said.lock().clone()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.expect("there is a shell").success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("the process to end", async || self.child.try_wait().expect("it is ours")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts it and reads its log until it says where it listens, and on to its end.
fn started(mut command: Command) -> (Child, SocketAddr, Said) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program is built");
    let log = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut output = child.stdout.take().expect("it is piped");
    let all = Said::default();
    let (of_log, of_output) = (all.clone(), all.clone());
    std::thread::spawn(move || {
        let mut chunk = [0; 4_096];
        while let Ok(count @ 1..) = output.read(&mut chunk) {
            of_output.lock().extend_from_slice(&chunk[..count]);
        }
    });
    let (says, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.split(b'\n').map_while(Result::ok) {
            of_log.lock().extend(line.iter().chain(b"\n"));
            if memchr::memmem::find(&line, b"\"serving\"").is_none() {
                continue;
            }
            let line = String::from_utf8_lossy(&line);
            let fields = serde_json::from_str::<Value>(&line).map_or(Value::Null, |entry| entry["fields"].clone());
            if fields["message"] == "serving" {
                let address = fields["address"].as_str().and_then(|text| text.parse::<SocketAddr>().ok());
                let _ = says.send(address.expect("the log says where"));
            }
        }
    });
    let address = said.recv_timeout(LIMIT).expect("it serves");
    (child, address, all)
}

/// A status command's body for a target.
pub(crate) fn of_target(name: &str, endpoint: &str) -> Value {
    json!({"target": {"systemName": name, "endpoint": endpoint}})
}
