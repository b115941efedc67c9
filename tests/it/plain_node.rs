//! A whole node in this process, on a port of its own, with a store in a folder that goes with it.

use std::collections::BTreeMap;
use std::path::Path;

use breakwater::app::{App, Ended, Source};
use breakwater::clock::Clock;
use breakwater::config::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A node that serves.
pub(crate) struct Node {
    base: String,
    stop: oneshot::Sender<()>,
    run: JoinHandle<Ended>,
    _folder: tempfile::TempDir,
}

impl Node {
    /// Starts a node with these targets (and whatever else) in its configuration.
    pub(crate) async fn start(more: &str) -> Self {
        Self::start_with("", more).await
    }

    /// As [`Node::start`], with these lines in the section `[http]`.
    pub(crate) async fn start_with(http: &str, more: &str) -> Self {
        // Another test of this process may have done it before.
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = config(folder.path(), http, more);
        let app = App::build(config, Source::Fixed, Clock::system()).await.expect("the node starts");
        let base = format!("http://{}", app.local_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let run = tokio::spawn(app.run(async move { drop(stopped.await) }));
        Self { base, stop, run, _folder: folder }
    }

    /// Where it is: `http://127.0.0.1:12345`.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it has not been stopped before");
        assert_eq!(self.run.await.expect("the node does not panic"), Ended::AsAsked);
    }
}

fn config(folder: &Path, http: &str, more: &str) -> Config {
    let data = folder.join("data");
    let text = format!(
        "[node]\nname = \"node-1\"\ndata_dir = {:?}\n[http]\nlisten = \"127.0.0.1:0\"\n{http}\n{more}",
        data.to_str().expect("temporary folders have plain names"),
    );
    let file = folder.join("breakwater.toml");
    std::fs::write(&file, text).expect("the folder can be written");
    Config::load(&file, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}")).config
}
