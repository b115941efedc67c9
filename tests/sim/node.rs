//! A node in a process of its own, on a store that outlives it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;

use crate::victim::Victim;
use crate::witness::Witness;

/// Only a broken node takes this long.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The node, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Node {
    folder: TempDir,
    pub(crate) victim: Victim,
    witness: Arc<Witness>,
    client: Client,
    base: String,
    lives: usize,
}

impl Node {
    pub(crate) fn new(victim: Victim, witness: Arc<Witness>) -> Self {
        // Another run of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().timeout(LIMIT).build().expect("a client that needs no files can be made");
        let folder = TempDir::new().expect("a folder can be made");
        Self { folder, victim, witness, client, base: String::new(), lives: 0 }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Keeps what is on disk, for who reads a failure.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }

    /// Writes the configuration, in one step.
    pub(crate) fn configure(&self, text: &str) {
        let (new, file) = (self.folder.path().join("new"), self.folder.path().join("breakwater.toml"));
        std::fs::write(&new, text).expect("the folder can be written to");
        std::fs::rename(new, file).expect("a file of ours can be renamed");
    }

    /// Begins a process, and does not wait for it.
    pub(crate) fn begin(&mut self) {
        self.lives += 1;
        let log = File::create(self.log()).expect("the folder can be written to");
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("breakwater"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BREAKWATER_") {
                command.env_remove(name);
            }
        }
        command.env("RUST_LOG", "info").args(["serve", "--log", "json", "--config"]);
        command.arg(self.folder.path().join("breakwater.toml")).stdout(Stdio::null()).stderr(Stdio::from(log));
        self.victim.be(command.spawn().expect("the program is built"));
        self.witness.note(format!("life {} of the node begins", self.lives));
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join(format!("log-{}", self.lives))
    }

    /// Waits until it serves; `false` where it was killed before.
    pub(crate) async fn serves(&mut self) -> bool {
        let serves = async {
            loop {
                if self.victim.ended().is_some() {
                    return false;
                }
                if let Some(address) = self.address() {
                    self.base = format!("http://{address}");
                    return true;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(LIMIT, serves).await.expect("the node serves")
    }

    fn address(&self) -> Option<String> {
        let log = std::fs::read_to_string(self.log()).ok()?;
        log.lines().filter(|line| line.contains("\"serving\"")).find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line["fields"]["address"].as_str()?.to_owned())
        })
    }

    /// Waits until the process is gone.
    pub(crate) async fn is_gone(&self) {
        let gone = async {
            while self.victim.ended().is_none() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(LIMIT, gone).await.expect("the node ends");
    }

    /// What it answers; nothing where it is gone.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.ask(Method::GET, path, None).await?;
        self.witness.expect(status == 200, || format!("GET {path}: {status} {body}"));
        Some(body)
    }

    pub(crate) async fn post(&self, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        self.ask(Method::POST, path, body).await
    }

    /// Lists all there is.
    pub(crate) async fn list(&self, path: &str) -> Option<Vec<Value>> {
        let (mut all, mut page) = (Vec::new(), 0);
        loop {
            let body = self.get(&format!("{path}&size=200&page={page}")).await?;
            let content = body["content"].as_array().cloned().unwrap_or_default();
            if content.is_empty() {
                return Some(all);
            }
            all.extend(content);
            page += 1;
        }
    }
}
