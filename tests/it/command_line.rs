//! The program as a person or a script starts it: what it says, and how it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::node::{Gateway, Place, Process, program, until};

fn run(arguments: &[&str], paths: &[&Path]) -> Output {
    program().args(arguments).args(paths).output().expect("the program is built")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It ended with this code and said each of these things about why.
#[track_caller]
fn check(output: &Output, code: i32, words: &[&str]) {
    let text = complained(output);
    assert_eq!(output.status.code(), Some(code), "{}{text}", said(output));
    for word in words {
        assert!(text.contains(word), "{word:?} is in {text:?}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// A node that was told to start, and ended by itself.
async fn refused(place: &Place) -> Output {
    let mut command = program();
    command.args(["serve", "--config"]).arg(place.config_file());
    tokio::task::spawn_blocking(move || command.output().expect("the program is built")).await.expect("no panic")
}

fn failure() -> serde_json::Value {
    json!({
        "failureType": "OTHER", "targetSystem": "A", "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    })
}

/// A folder whose store holds some failures.
async fn lived_in(failures: usize) -> Place {
    let place = Place::new();
    place.configure("");
    let mut process = Process::serve(&place).await;
    for _ in 0..failures {
        process.api.post("/integrationFailureHistories/recordintegrationfailure", failure()).await.ok();
    }
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
    place
}

#[test]
fn it_tells_its_version_and_what_it_can() {
    let version = run(&["--version"], &[]);
    check(&version, 0, &[]);
    assert_eq!(said(&version), format!("breakwater {}\n", env!("CARGO_PKG_VERSION")));
    let help = said(&run(&["--help"], &[]));
    for word in ["serve", "demo", "simulate", "check-config", "store", "probe", "Exit codes"] {
        assert!(help.contains(word), "{word} is in {help}");
    }
    check(&run(&["fly"], &[]), 2, &["fly"]);
    // It would be read by nobody, and another one in its place.
    check(&run(&["--config", "mine.toml", "probe", "A"], &[]), 2, &["--config stands behind the command", "probe"]);
}

#[test]
fn every_mistake_of_a_configuration_is_told_with_its_line() {
    let place = Place::new();
    place.configure(
        "[monitor]\nmax_retries = -1\nspeed = 1\n[[target]]\nname = \"A\"\nendpoint = \"https://a\"\ninterval = 10\n\
         [target.alert]\nchannels = [\"nobody\"]\n[[target]]\nname = \"A\"\nendpoint = \"https://b\"\n",
    );
    let file = place.config_file();
    let output = run(&["check-config"], &[&file]);
    check(&output, 1, &["max_retries", "speed", "interval", "nobody", "name"]);
    let text = complained(&output);
    let told = text.lines().filter(|line| line.contains(&*file.to_string_lossy())).count();
    assert_eq!(told, 5, "{text}");
    for line in ["9", "10", "14", "16", "18"] {
        assert!(text.contains(&format!("breakwater.toml:{line}")), "line {line} is in {text}");
    }
    // A node does not start with it either, and says the same.
    check(&run(&["serve", "--config"], &[&file]), 1, &["max_retries", "speed", "interval", "nobody"]);
    assert!(!place.data().exists(), "nothing was made");
}

#[test]
fn a_configuration_that_is_right_is_said_to_be() {
    let place = Place::new();
    place.configure("[[target]]\nname = \"A\"\nendpoint = \"https://a\"\n");
    let output = run(&["check-config"], &[&place.config_file()]);
    check(&output, 0, &[]);
    assert!(said(&output).contains("1 target"), "{}", said(&output));
    check(&run(&["check-config"], &[&place.path().join("none.toml")]), 1, &["none.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("port 0 can be had");
    let address = taken.local_addr().expect("it has one").to_string();
    let place = Place::new();
    place.configure("");
    let file = place.config_file();
    let text = std::fs::read_to_string(&file).expect("it is there").replace("127.0.0.1:0", &address);
    std::fs::write(&file, text).expect("it can be written");
    check(&refused(&place).await, 3, &["cannot listen on", &address, "another program"]);
    check(&run(&["simulate", "--listen", &address], &[]), 3, &["cannot listen on", &address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    place.configure("");
    let mut first = Process::serve(&place).await;
    check(&refused(&place).await, 4, &["another node uses the store", &place.data().to_string_lossy()]);
    check(&run(&["store", "verify"], &[&place.data()]), 4, &["another node uses the store"]);
    first.api.post("/integrationFailureHistories/recordintegrationfailure", failure()).await.ok();
    first.signal("TERM");
    assert_eq!(first.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_cannot_be_made_is_told() {
    let place = Place::new();
    place.configure("");
    // Below a file: even a user who may do everything cannot make a folder there.
    std::fs::write(place.data(), "in the way").expect("it can be written");
    check(&refused(&place).await, 4, &[&place.data().to_string_lossy(), "check that the folder exists"]);
    assert_eq!(std::fs::read_to_string(place.data()).expect("it is there"), "in the way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_does_not_open_and_a_backup_takes_its_place() {
    let place = lived_in(40).await;
    let backup = place.path().join("backup");
    let data = place.data();
    let copied = run(&["store", "backup"], &[&data, &backup]);
    check(&copied, 0, &[]);
    let whole = run(&["store", "verify"], &[&data]);
    check(&whole, 0, &[]);
    assert!(said(&whole).contains("40 events and 40 failure histories"), "{}", said(&whole));
    check(&run(&["store", "backup"], &[&data, &backup]), 4, &["is not empty"]);

    let file = data.join("store").join("db");
    let mut bytes = std::fs::read(&file).expect("it is there");
    let middle = 200..bytes.iter().rposition(|byte| *byte != 0).expect("it is not empty") / 2;
    bytes[middle].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&file, &bytes).expect("it can be written");
    check(&refused(&place).await, 4, &["store", "damaged", "breakwater store restore"]);
    assert_eq!(run(&["store", "verify"], &[&data]).status.code(), Some(4));
    // Asking again does not make it better: it never starts with what is left.
    check(&refused(&place).await, 4, &["breakwater store restore"]);

    check(&run(&["store", "restore"], &[&backup, &data]), 4, &["is not empty", "--force"]);
    let restored = run(&["store", "restore", "--force"], &[&backup, &data]);
    check(&restored, 0, &[]);
    assert!(said(&restored).contains("is kept in"), "{}", said(&restored));
    check(&run(&["store", "verify"], &[&data]), 0, &[]);
    let process = Process::serve(&place).await;
    assert_eq!(process.api.events(None).await.len(), 40);
    let said = process.api.post("/integrationFailureHistories/recordintegrationfailure", failure()).await.ok();
    assert_eq!(said["data"]["integrationFailureHistoryId"], 41, "no id is given twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lost_its_log_does_not_start_empty() {
    let place = lived_in(3).await;
    std::fs::remove_dir_all(place.data().join("store")).expect("it is there");
    check(&refused(&place).await, 4, &["store"]);
    check(&run(&["store", "verify"], &[&place.path().join("none")]), 4, &["there is no store"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_its_freed_space_is_the_same_store() {
    let place = lived_in(30).await;
    check(&run(&["store", "compact"], &[&place.data()]), 0, &[]);
    let process = Process::serve(&place).await;
    assert_eq!(process.api.read("/integrationFailureHistories").await["page"]["totalElements"], 30);
    assert_eq!(process.api.events(None).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_loses_nothing() {
    let gateway = Gateway::start();
    let place = Place::new();
    place.configure(&gateway.target("PG_KCP", ""));
    let mut process = Process::serve(&place).await;
    process.api.target_in("PG_KCP", "CONNECTED").await;
    let probed = |target: &serde_json::Value| target["count"].as_u64().unwrap_or_default();
    let before = until("some probes", async || {
        let uptime = process.api.read("/targets/PG_KCP/uptime").await;
        (probed(&uptime) >= 5).then_some(uptime)
    })
    .await;
    let attempted = process.api.read("/targets/PG_KCP").await["lastAttemptedAt"].clone();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let api = process.api.clone();
            tokio::spawn(async move {
                let path = "/integrationFailureHistories/recordintegrationfailure";
                let mut taken = 0_usize;
                while let Some(answer) = api.try_post(path, failure()).await {
                    taken += usize::from(answer.status == 200);
                }
                taken
            })
        })
        .collect();
    until("some failures", async || {
        let page = process.api.read("/integrationFailureHistories").await;
        page["page"]["totalElements"].as_u64().filter(|number| *number > 20)
    })
    .await;
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
    let mut acknowledged = 0;
    for writer in writers {
        acknowledged += writer.await.expect("no panic");
    }
    let process = Process::serve(&place).await;
    let stored = process.api.read("/integrationFailureHistories").await["page"]["totalElements"].clone();
    let stored = usize::try_from(stored.as_u64().expect("a number")).expect("a small one");
    // A failure may be on disk whose answer found nobody any more, at most one for each writer.
    assert!((acknowledged..=acknowledged + 4).contains(&stored), "{acknowledged} acknowledged, {stored} stored");
    let after = process.api.read("/targets/PG_KCP/uptime").await;
    assert!(probed(&after) >= probed(&before), "what the probes found was saved: {before} {after}");
    let target = process.api.read("/targets/PG_KCP").await;
    assert!(target["lastAttemptedAt"].as_str() >= attempted.as_str(), "{attempted} {target}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_probe_shows_how_long_each_part_took() {
    let gateway = Gateway::start();
    let place = Place::new();
    place.configure(&gateway.target("PG_KCP", ""));
    let file = place.config_file();
    let probe = async |name: &str| {
        let mut command = program();
        command.args(["probe", name, "--config"]).arg(&file);
        tokio::task::spawn_blocking(move || command.output().expect("the program is built")).await.expect("no panic")
    };
    let good = probe("PG_KCP").await;
    check(&good, 0, &[]);
    for word in ["PG_KCP", "200", "connect", "processing", "transfer"] {
        assert!(said(&good).contains(word), "{word} is in {}", said(&good));
    }
    gateway.goes("unavailable");
    let bad = probe("PG_KCP").await;
    check(&bad, 1, &[]);
    assert!(said(&bad).contains("503"), "{}", said(&bad));
    check(&probe("NOBODY").await, 1, &["NOBODY", "PG_KCP"]);
    place.configure(
        "[[target]]\nname = \"NAME\"\nendpoint = \"dns://localhost\"\n[target.probe]\nexpect = \"192.0.2.1\"\n\
         resolver = \"127.0.0.1:9\"\n[[target]]\nname = \"JOB\"\nprobe = { kind = \"heartbeat\" }\n",
    );
    let name = probe("NAME").await;
    check(&name, 1, &[]);
    let words = "failed (assertion): the records A of localhost should hold 192.0.2.1, and hold 127.0.0.1";
    assert!(said(&name).contains(words), "{}", said(&name));
    let job = probe("JOB").await;
    assert_ne!(job.status.code(), Some(0));
    let told = String::from_utf8_lossy(&job.stderr).into_owned();
    assert!(told.contains("a heartbeat target is not called: it reports in"), "{told}");
    assert!(!place.data().exists(), "it leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_starts_and_answers() {
    let mut command = program();
    command.args(["simulate", "--listen", "127.0.0.1:0", "--seed", "7"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program is built");
    let output = child.stdout.take().expect("it is piped");
    let line = tokio::task::spawn_blocking(move || {
        use std::io::BufRead as _;
        let mut line = String::new();
        std::io::BufReader::new(output).read_line(&mut line).expect("it says something");
        line
    });
    let line = line.await.expect("no panic");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("it says where");
    let api = crate::node::Api::new(address.parse().expect("an address"));
    assert_eq!(api.read("/health").await, json!({"status": "UP"}));
    let killed = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(killed.expect("there is a shell").success());
    let ended = until("its end", async || child.try_wait().expect("it is ours")).await;
    assert_eq!(ended.code(), Some(0));
    check(&run(&["simulate", "--reject-rate", "4"], &[]), 1, &["reject-rate"]);
}
