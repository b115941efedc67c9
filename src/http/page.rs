//! `/`: every target and every alert on one page, for people.
//!
//! Rendered here, whole; it works without JavaScript, which only keeps it fresh by following the stream of events.
//! Nothing is inline, so that the page's policy can forbid everything that is not ours.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use warp::reply::Response;

use self::alerts::Alerts;
use super::error::Problem;
use super::reply;
use super::request::Request;
use super::state::Http;
use crate::actors::board::Slot;
use crate::clock::Rfc3339;
use crate::domain::breaker::{Mode, State};
use crate::domain::status::IntegrationState;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Health, verdict};

mod alerts;

/// Targets that are shown with all that is known of them, the troubled first: of a thousand targets the page has at most
/// 200 KiB, and a row takes 600 bytes.
const ROWS_MAX: usize = 150;
/// Targets that are shown by name after those. Of more than these two together only the number is told.
const NAMES_MAX: usize = 850;

/// What the page may load and do: its own style, its own script, that script's requests to this node, and forms that go
/// to it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page.
pub(super) async fn overview(request: Request) -> Result<Response, Problem> {
    let http = request.http.clone();
    let page = tokio::task::spawn_blocking(move || render(&Overview::of(&http))).await.map_err(|error| {
        tracing::error!(%error, "the page could not be written");
        Problem::internal()
    })?;
    let mut response = reply::text(page, "text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(reply::with_forms(response))
}

/// The page's style.
pub(super) async fn style(_request: Request) -> Result<Response, Problem> {
    Ok(reply::asset(include_str!("assets/page.css"), "text/css; charset=utf-8"))
}

/// The page's script.
pub(super) async fn script(_request: Request) -> Result<Response, Problem> {
    Ok(reply::asset(include_str!("assets/page.js"), "text/javascript; charset=utf-8"))
}

/// What the page shows.
struct Overview {
    node: Arc<str>,
    now: Timestamp,
    /// The last event that the page knows of: its script follows from there.
    last_event: u64,
    /// How many targets there are of each health, in the order of [`ORDER`].
    counts: [usize; ORDER.len()],
    rows: Vec<Row>,
    /// The targets after those, in the same order.
    names: Vec<(Health, Arc<str>)>,
    alerts: Alerts,
}

/// One target.
struct Row {
    name: Arc<str>,
    endpoint: Arc<str>,
    group: Arc<str>,
    configured: bool,
    state: IntegrationState,
    health: Health,
    cause: String,
    breaker: Option<(State, Mode)>,
    latency: Option<Duration>,
    attempted_at: Option<Timestamp>,
}

/// The troubled first.
const ORDER: [Health; 5] = [Health::Down, Health::Degraded, Health::Unknown, Health::Maintenance, Health::Healthy];

fn place(health: Health) -> usize {
    ORDER.iter().position(|known| *known == health).unwrap_or(ORDER.len() - 1)
}

impl Overview {
    fn of(http: &Http) -> Self {
        // Read before the targets: what happens meanwhile is followed, not missed.
        let last_event = http.journal.last_sequence().borrow().0;
        let (slots, now) = (http.board.all(), http.clock.now());
        let mut rows: Vec<Row> = slots.iter().map(|slot| Row::of(slot, http)).collect();
        rows.sort_by(|one, other| (place(one.health), &one.name).cmp(&(place(other.health), &other.name)));
        let mut counts = [0; ORDER.len()];
        rows.iter().for_each(|row| counts[place(row.health)] += 1);
        let rest = rows.split_off(rows.len().min(ROWS_MAX));
        let names = rest.into_iter().take(NAMES_MAX).map(|row| (row.health, row.name)).collect();
        let alerts = Alerts::of(http, &slots, now);
        Self { node: http.config.load().node.name.clone(), now, last_event, counts, rows, names, alerts }
    }

    fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// All of it in one sentence.
    fn sentence(&self) -> String {
        let [down, degraded, unknown, maintenance, _] = self.counts;
        let total = self.total();
        let targets = if total == 1 { "target" } else { "targets" };
        match (total, down, degraded, unknown) {
            (0, ..) => "No integration target is watched yet".to_owned(),
            (_, 0, 0, 0) if maintenance > 0 => {
                format!("{maintenance} of {total} {targets} in maintenance, nothing else is wrong")
            }
            (_, 0, 0, 0) if total == 1 => "The one target is well".to_owned(),
            (_, 0, 0, 0) => format!("All {total} targets are well"),
            (_, 0, 0, _) if unknown == total => format!("Nothing is known of {total} {targets}"),
            (_, 0, 0, _) => format!("{unknown} of {total} {targets} unknown, the others are well"),
            (_, 0, ..) => format!("{degraded} of {total} {targets} degraded"),
            (_, _, 0, _) => format!("{down} of {total} {targets} down"),
            (..) => format!("{down} of {total} {targets} down, {degraded} degraded"),
        }
    }

    fn worst(&self) -> Health {
        let [down, degraded, ..] = self.counts;
        match (down, degraded, self.total()) {
            (0, 0, 0) => Health::Unknown,
            (0, 0, _) => Health::Healthy,
            (0, ..) => Health::Degraded,
            (..) => Health::Down,
        }
    }
}

impl Row {
    fn of(slot: &Slot, http: &Http) -> Self {
        let view = slot.gate.as_ref().map(|gate| gate.view(http.clock.moment()));
        http.board.seen(slot, http.clock, |live, inputs| {
            let status = &live.watch.status;
            let verdict = verdict(inputs);
            Self {
                name: slot.name.clone(),
                endpoint: status.target.endpoint.clone(),
                group: slot.spec.as_ref().map_or_else(|| "".into(), |spec| spec.group.clone()),
                configured: slot.spec.is_some(),
                state: status.state,
                health: verdict.health,
                cause: verdict.cause.into_owned(),
                breaker: view.map(|view| (view.state, view.mode)),
                latency: live.last.as_ref().map(|last| last.took),
                // A reported failure moves only the time of the last failure.
                attempted_at: status.last_attempted_at.max(status.last_failed_at),
            }
        })
    }
}

fn render(overview: &Overview) -> String {
    let mut page = String::with_capacity(4_096 + overview.rows.len() * 700);
    let (node, sentence) = (Escaped(&overview.node), overview.sentence());
    let worst = overview.worst().as_str();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{sentence} · {node}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/page.css">
<script src="/assets/page.js" defer></script>
<noscript><meta http-equiv="refresh" content="10"></noscript>
</head>
<body>
<header>
<p class="brand">Breakwater <span>{node}</span></p>
<nav aria-label="Machine-readable"><a href="/targets">Targets</a> <a href="/integrationFailureHistories">Failures</a> <a href="/alerts">Alerts</a> <a href="/outbox?state=dead">Dead letters</a> <a href="/events">Events</a> <a href="/metrics">Metrics</a> <a href="/openapi.json">API</a></nav>
</header>
<main data-last-event="{last_event}">
<section class="verdict {worst}" aria-live="polite">
<h1><span class="dot {worst}" aria-hidden="true"></span>{sentence}</h1>
<ul>
"#,
        last_event = overview.last_event,
    );
    for (health, count) in ORDER.iter().zip(overview.counts).filter(|(_, count)| *count > 0) {
        let word = health.as_str();
        let _ = writeln!(page, r#"<li class="{word}"><strong>{count}</strong> {word}</li>"#);
    }
    page.push_str("</ul>\n</section>\n");
    alerts::render(&mut page, &overview.alerts, overview.now);
    render_rows(&mut page, overview);
    let now = Rfc3339(whole_seconds(overview.now));
    let _ = write!(
        page,
        "<p class=\"as-of\">As of <time datetime=\"{now}\">{now}</time><span id=\"live\"></span></p>\n\
         </main>\n</body>\n</html>\n"
    );
    page
}

const fn whole_seconds(time: Timestamp) -> Timestamp {
    let nanos = time.as_nanos();
    Timestamp::from_nanos(nanos - nanos.rem_euclid(1_000_000_000))
}

fn render_rows(page: &mut String, overview: &Overview) {
    if overview.rows.is_empty() {
        page.push_str(
            "<p class=\"empty\">Targets come from the configuration, or from the first report about one.</p>\n",
        );
        return;
    }
    page.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Target</th><th scope=\"col\">Health</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Breaker</th><th scope=\"col\" class=\"number\">Latency</th>\
         <th scope=\"col\" class=\"number\">Last attempt</th></tr></thead>\n<tbody>\n",
    );
    for row in &overview.rows {
        render_row(page, row, overview.now);
    }
    page.push_str("</tbody>\n</table>\n");
    for named in overview.names.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((health, _)) = named.first() else { continue };
        let _ = writeln!(page, "<h3>{} <span>{} more</span></h3>\n<ul class=\"names\">", health.as_str(), named.len());
        for (_, name) in named {
            let link = utf8_percent_encode(name, NON_ALPHANUMERIC);
            let _ = writeln!(page, "<li><a href=\"/targets/{link}\">{}</a></li>", Escaped(name));
        }
        page.push_str("</ul>\n");
    }
    let hidden = overview.total() - overview.rows.len() - overview.names.len();
    if hidden > 0 {
        let _ = writeln!(
            page,
            "<p class=\"more\">{hidden} more targets are not shown here; the troubled ones come first. \
             <a href=\"/targets\">/targets</a> lists them all.</p>"
        );
    }
}

fn render_row(page: &mut String, row: &Row, now: Timestamp) {
    let health = row.health.as_str();
    let _ = write!(
        page,
        r#"<tr class="{health}"><th scope="row"><a href="/targets/{link}">{name}</a><small>{endpoint}</small>"#,
        link = utf8_percent_encode(&row.name, NON_ALPHANUMERIC),
        name = Escaped(&row.name),
        endpoint = Escaped(&row.endpoint),
    );
    if !row.group.is_empty() {
        let _ = write!(page, r#"<small class="tag">{}</small>"#, Escaped(&row.group));
    }
    if !row.configured {
        page.push_str(r#"<small class="tag">reported only</small>"#);
    }
    let _ = write!(
        page,
        r#"</th><td data-label="Health"><span class="dot {health}" aria-hidden="true"></span>{health}<small>{cause}</small></td><td data-label="State">{state}</td><td data-label="Breaker">{breaker}</td>"#,
        cause = Escaped(&row.cause),
        state = row.state.as_str(),
        breaker = breaker_words(row.breaker),
    );
    let latency = row.latency.map_or_else(|| "–".to_owned(), latency_words);
    let _ = write!(page, r#"<td data-label="Latency" class="number">{latency}</td>"#);
    match row.attempted_at {
        Some(at) => {
            let _ = write!(
                page,
                r#"<td data-label="Last attempt" class="number"><time datetime="{time}" title="{time}">{ago}</time></td>"#,
                time = Rfc3339(whole_seconds(at)),
                ago = ago_words(now.since(at)),
            );
        }
        None => page.push_str(r#"<td data-label="Last attempt" class="number">never</td>"#),
    }
    page.push_str("</tr>\n");
}

const fn breaker_words(breaker: Option<(State, Mode)>) -> &'static str {
    match breaker {
        None => "–",
        Some((_, Mode::ForcedOpen)) => "forced open",
        Some((_, Mode::ForcedClosed)) => "forced closed",
        Some((_, Mode::Disabled)) => "disabled",
        Some((State::Closed, Mode::Enforce)) => "closed",
        Some((State::Open, Mode::Enforce)) => "open",
        Some((State::HalfOpen, Mode::Enforce)) => "half-open",
        Some((State::Closed, Mode::DryRun)) => "closed (dry run)",
        Some((State::Open, Mode::DryRun)) => "open (dry run)",
        Some((State::HalfOpen, Mode::DryRun)) => "half-open (dry run)",
    }
}

fn latency_words(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1_000.0;
    match millis {
        millis if millis < 10.0 => format!("{millis:.1} ms"),
        millis if millis < 10_000.0 => format!("{millis:.0} ms"),
        millis => format!("{:.1} s", millis / 1_000.0),
    }
}

fn ago_words(ago: Duration) -> String {
    if ago.as_secs() == 0 { "now".to_owned() } else { format!("{} ago", span_words(ago)) }
}

fn span_words(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Text that shows as itself, in an element or a quoted attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn row(name: &str, health: Health, cause: &str) -> Row {
        Row {
            name: name.into(),
            endpoint: "https://api.kcp.com".into(),
            group: "".into(),
            configured: true,
            state: IntegrationState::Connected,
            health,
            cause: cause.to_owned(),
            breaker: Some((State::Closed, Mode::Enforce)),
            latency: Some(Duration::from_micros(12_345)),
            attempted_at: clock::parse("2024-06-01T10:00:00Z").ok(),
        }
    }

    fn overview(rows: Vec<Row>) -> Overview {
        let mut counts = [0; ORDER.len()];
        rows.iter().for_each(|row| counts[place(row.health)] += 1);
        let now = clock::parse("2024-06-01T10:00:12Z").unwrap();
        Overview {
            node: "breakwater".into(),
            now,
            last_event: 7,
            counts,
            rows,
            names: Vec::new(),
            alerts: Alerts::default(),
        }
    }

    #[test]
    fn a_page_of_two_targets() {
        let mut passive = row("SHOP", Health::Unknown, "not tried yet");
        passive.configured = false;
        passive.breaker = None;
        passive.latency = None;
        passive.attempted_at = None;
        let mut down = row("PG_KCP", Health::Down, "503 Service Unavailable");
        down.state = IntegrationState::Failed;
        down.group = "payments".into();
        down.breaker = Some((State::Open, Mode::Enforce));
        insta::assert_snapshot!(render(&overview(vec![down, passive])));
    }

    #[test]
    fn a_page_of_ten_thousand_targets_in_trouble_is_small_and_tells_the_number() {
        let rows = (0..ROWS_MAX).map(|number| row(&format!("GATEWAY_{number:05}"), Health::Down, "503 Unavailable"));
        let mut overview = overview(rows.collect());
        let named = |number| (Health::Down, Arc::from(format!("GATEWAY_{number:05}")));
        overview.names = (ROWS_MAX..ROWS_MAX + NAMES_MAX).map(named).collect();
        overview.counts = [10_000, 0, 0, 0, 0];
        overview.alerts = alerts::examples::many(10_000, overview.now);
        let page = render(&overview);
        assert!(page.len() < 200 * 1_024, "{}", page.len());
        assert!(page.contains("<h3>down <span>850 more</span></h3>") && page.contains("9000 more targets"), "{page}");
        assert!(page.contains("Firing <span>10000</span>") && page.contains("9950 more"), "{page}");
    }

    #[test]
    fn alerts_have_buttons_where_somebody_may_press_them() {
        let mut overview = overview(Vec::new());
        overview.alerts = alerts::examples::alerts(overview.now);
        let mut page = String::new();
        alerts::render(&mut page, &overview.alerts, overview.now);
        insta::assert_snapshot!(page);
        assert!(render(&overview).contains(&page));
        overview.alerts.may_operate = false;
        assert!(!render(&overview).contains("<button"));
    }

    #[test]
    fn what_a_caller_reported_shows_as_itself_and_is_no_markup() {
        let evil = r#""><script>alert('1')</script>&"#;
        let page = render(&overview(vec![row(evil, Health::Down, evil)]));
        assert!(!page.contains("<script>alert"), "{page}");
        assert_eq!(page.matches("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;").count(), 2);
    }

    #[test]
    fn the_sentence_says_what_matters() {
        let of = |healths: &[Health]| overview(healths.iter().map(|health| row("A", *health, "")).collect()).sentence();
        insta::assert_snapshot!(
            [
                of(&[]),
                of(&[Health::Healthy]),
                of(&[Health::Healthy, Health::Healthy]),
                of(&[Health::Healthy, Health::Unknown]),
                of(&[Health::Unknown, Health::Unknown]),
                of(&[Health::Healthy, Health::Maintenance]),
                of(&[Health::Degraded]),
                of(&[Health::Down, Health::Healthy]),
                of(&[Health::Down, Health::Degraded, Health::Healthy]),
            ]
            .join("\n"),
            @r#"
        No integration target is watched yet
        The one target is well
        All 2 targets are well
        1 of 2 targets unknown, the others are well
        Nothing is known of 2 targets
        1 of 2 targets in maintenance, nothing else is wrong
        1 of 1 target degraded
        1 of 2 targets down
        1 of 3 targets down, 1 degraded
        "#
        );
    }

    #[test]
    fn times_and_latencies_are_short() {
        let ago = [0, 1, 119, 120, 7_199, 7_200, 172_800].map(|seconds| ago_words(Duration::from_secs(seconds)));
        assert_eq!(ago, ["now", "1 s ago", "119 s ago", "2 min ago", "119 min ago", "2 h ago", "2 days ago"]);
        let took = [400, 12_345, 2_345_678, 12_345_678].map(|micros| latency_words(Duration::from_micros(micros)));
        assert_eq!(took, ["0.4 ms", "12 ms", "2346 ms", "12.3 s"]);
    }
}
