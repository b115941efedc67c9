//! Three clients that pay: curl with a connection for each payment, Python with one for all, and Rust with a pool.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

const PATH: &str = "/gw/pg_kcp/api/v1/payments";
const PAYMENT: &str = r#"{"orderId": "000042", "cardType": "SAMSUNG", "cardNo": "1234-5678-9814-1451", "amount": 5000,
    "callbackUrl": "http://localhost:8080/api/v1/payments/callback"}"#;
const KEEP_ALIVE: &str = include_str!("keep_alive.py");

/// What a client saw of one payment.
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
    pub(crate) took: Duration,
}

#[derive(Clone, Copy)]
pub(crate) enum Client {
    Curl,
    Python,
    Rust,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Curl, Self::Python, Self::Rust];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "Python, keep-alive",
            Self::Rust => "Rust, reqwest",
        }
    }

    /// Pays `count` times, one after the other.
    pub(crate) async fn pay(self, port: u16, count: usize) -> Result<Vec<Seen>, String> {
        let output = match self {
            Self::Rust => return rust(port, count).await,
            Self::Curl => tokio::task::spawn_blocking(move || curl(port, count)).await,
            Self::Python => tokio::task::spawn_blocking(move || python(port, count)).await,
        };
        output.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?.lines().map(seen).collect()
    }
}

/// Until the gateway is well and the breaker has found out: as many payments in a row as it has trials.
pub(crate) async fn until_paid(port: u16) {
    while !rust(port, 3).await.is_ok_and(|seen| seen.iter().all(|one| one.status == 200)) {
        sleep(Duration::from_millis(200)).await;
    }
}

async fn rust(port: u16, count: usize) -> Result<Vec<Seen>, String> {
    let client = reqwest::Client::new();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        let request = client.post(format!("http://127.0.0.1:{port}{PATH}")).header("x-user-id", "shop");
        let request = request.header("content-type", "application/json").body(PAYMENT);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        answer.bytes().await.map_err(|error| error.to_string())?;
        all.push(Seen { status, retry_after, took: began.elapsed() });
    }
    Ok(all)
}

fn curl(port: u16, count: usize) -> std::io::Result<String> {
    let mut all = String::new();
    for _ in 0..count {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--max-time", "60"])
            .args(["--header", "x-user-id: shop", "--header", "content-type: application/json"])
            .args(["--data", PAYMENT, "--write-out", "%{http_code} %header{retry-after} %{time_total}\n"])
            .arg(format!("http://127.0.0.1:{port}{PATH}"));
        all.push_str(&String::from_utf8_lossy(&curl.stderr(Stdio::inherit()).output()?.stdout));
    }
    Ok(all)
}

fn python(port: u16, count: usize) -> std::io::Result<String> {
    let mut python = Command::new("python3");
    python.args(["-c", KEEP_ALIVE, &port.to_string(), PATH, &count.to_string()]);
    Ok(String::from_utf8_lossy(&python.stderr(Stdio::inherit()).output()?.stdout).into_owned())
}

/// A line with the status, `Retry-After` where there is one, and the seconds.
fn seen(line: &str) -> Result<Seen, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (Some(status), Some(took)) = (words.first(), words.last()) else { return Err("an empty line".to_owned()) };
    let wrong = || format!("not an answer: {line}");
    Ok(Seen {
        status: status.parse().map_err(|_| wrong())?,
        retry_after: words.get(1).filter(|_| words.len() == 3).and_then(|word| word.parse().ok()),
        took: Duration::try_from_secs_f64(took.parse().map_err(|_| wrong())?).map_err(|_| wrong())?,
    })
}
