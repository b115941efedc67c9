//! `breakwater probe <target>`: one probe, with how long each of its parts took.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Exit, chain, say, say_error, say_problems};
use crate::clock::Clock;
use crate::config::Config;
use crate::probes::{Prober, describe};

pub(super) async fn run(name: &str, path: &Path, environment: &BTreeMap<String, String>) -> Exit {
    let config = match Config::load(path, environment) {
        Ok(loaded) => loaded.config,
        Err(problems) => return say_problems(&problems),
    };
    let Some(target) = config.targets.get(name) else {
        let known: Vec<&str> = config.targets.keys().map(|name| &**name).collect();
        say_error(&format!("{} has no target {name}; it has: {}", path.display(), known.join(", ")));
        return Exit::Wrong;
    };
    let prober = Prober::new(Clock::system(), &config.node.name);
    let prepared = prober.and_then(|prober| prober.prepare(&target.probe));
    let observation = match prepared {
        Ok(prepared) => prepared.probe(target.timeout).await,
        Err(error) => {
            say_error(&chain(&error));
            return Exit::Failed;
        }
    };
    say(&format!("{name} ({}): {}", target.endpoint, describe(&observation)));
    if observation.is_ok() { Exit::Done } else { Exit::Wrong }
}
