//! Real clients pay through the guarded proxy while the gateway goes healthy, slow, down, and back.
//!
//! `cargo run --example guarded_client` starts the PG simulator and a node with one proxy route, lets curl, a Python
//! client with keep-alive and a Rust client pay, and prints what each of them saw. It ends with 1 if a request took
//! longer than its budget.

mod clients;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use breakwater::app::{App, Source};
use breakwater::clock::Clock;
use breakwater::config::Config;
use breakwater::simulator::{Options, Simulator, SimulatorHandle};
use tokio::sync::oneshot;

use clients::{Client, Seen};

const CONFIG: &str = include_str!("node.toml");
/// `call_budget` in node.toml.
const BUDGET: Duration = Duration::from_secs(5);
/// What may come on top of it on a busy machine: starting curl, and waiting for a core.
const SLACK: Duration = Duration::from_secs(2);
/// Payments of one client in one phase.
const PAYMENTS: usize = 10;
/// What the gateway goes through: the name of each phase, and the simulator's switches in it.
const PHASES: [(&str, &[(&str, &str)]); 4] = [
    ("healthy", &[("latency-ms", "100..500"), ("hang-rate", "0")]),
    ("slow", &[("latency-ms", "1200..1800"), ("hang-rate", "0")]),
    ("down", &[("latency-ms", "100..500"), ("hang-rate", "1")]),
    ("back", &[("latency-ms", "100..500"), ("hang-rate", "0")]),
];

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let clock = Clock::system();
    let simulator = Simulator::bind(([127, 0, 0, 1], 0).into(), Options::default(), clock)?;
    let (gateway, switches) = (simulator.local_addr(), simulator.handle());
    let folder = tempfile::tempdir()?;
    let data = folder.path().display().to_string();
    let environment = BTreeMap::from([("DATA".to_owned(), data), ("GATEWAY".to_owned(), gateway.to_string())]);
    let config = Config::parse(CONFIG, "node.toml", Path::new("."), &environment).map_err(|e| e.to_string())?.config;
    let app = App::build(config, Source::Fixed, clock).await?;
    let node = app.local_addr();

    let (end_simulator, simulator_ends) = oneshot::channel::<()>();
    let (end_node, node_ends) = oneshot::channel::<()>();
    let simulating = tokio::spawn(simulator.run(async move { drop(simulator_ends.await) }));
    let serving = tokio::spawn(app.run(async move { drop(node_ends.await) }));
    let longest = pay_through_all_phases(node.port(), &switches).await?;
    drop(end_node);
    serving.await?;
    drop(end_simulator);
    simulating.await?;

    let kept = longest <= BUDGET + SLACK;
    let verdict = if kept { "no request hung" } else { "A REQUEST HUNG" };
    say(&format!("\n{verdict}: the longest took {:.2} s, the budget is {} s", longest.as_secs_f64(), BUDGET.as_secs()));
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn pay_through_all_phases(port: u16, switches: &SimulatorHandle) -> Result<Duration, Box<dyn Error>> {
    say(&format!(
        "{:<9}{:<20}{:>7}{:>10}{:>13}{:>12}{:>10}",
        "gateway", "client", "status", "answers", "Retry-After", "median s", "longest s"
    ));
    let mut longest = Duration::ZERO;
    for (phase, changes) in PHASES {
        switches.change(changes.iter().copied())?;
        if phase == "back" {
            clients::until_paid(port).await;
        }
        let clients = Client::ALL.map(|client| tokio::spawn(client.pay(port, PAYMENTS)));
        for (client, paying) in Client::ALL.into_iter().zip(clients) {
            match paying.await? {
                Ok(seen) => {
                    longest = longest.max(seen.iter().map(|one| one.took).max().unwrap_or_default());
                    show(phase, client.name(), &seen);
                }
                Err(error) => say(&format!("{phase:<9}{:<20}could not be run: {error}", client.name())),
            }
        }
    }
    Ok(longest)
}

/// One line for each status that a client saw.
fn show(phase: &str, client: &str, seen: &[Seen]) {
    let mut by_status: BTreeMap<u16, Vec<&Seen>> = BTreeMap::new();
    for one in seen {
        by_status.entry(one.status).or_default().push(one);
    }
    for (status, answers) in by_status {
        let mut took: Vec<f64> = answers.iter().map(|one| one.took.as_secs_f64()).collect();
        took.sort_by(f64::total_cmp);
        let asked: Vec<u64> = answers.iter().filter_map(|one| one.retry_after).collect();
        let asked = match (asked.iter().min(), asked.iter().max()) {
            (Some(least), Some(most)) if least == most => format!("{least} s"),
            (Some(least), Some(most)) => format!("{least} to {most} s"),
            (_, _) => "-".to_owned(),
        };
        let (count, median, most) = (took.len(), took[took.len() / 2], took[took.len() - 1]);
        say(&format!("{phase:<9}{client:<20}{status:>7}{count:>10}{asked:>13}{median:>12.3}{most:>10.3}"));
    }
}

/// The reader may have gone; then nobody misses the line.
fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
