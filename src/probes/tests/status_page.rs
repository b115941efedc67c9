//! The status page probe against pages of Statuspage's form.

use super::*;
use crate::config::probe::StatusPageProbe;
use crate::domain::observation::ProviderStatus;

/// A page with these components and this indicator.
fn summary(indicator: &str, components: &[(&str, &str)]) -> String {
    let components: Vec<_> = components
        .iter()
        .enumerate()
        .map(|(index, (name, status))| serde_json::json!({"id": format!("id{index}"), "name": name, "status": status}))
        .collect();
    let status = serde_json::json!({"indicator": indicator, "description": "Partial System Outage"});
    let page = serde_json::json!({"id": "x", "name": "KCP", "url": "https://status.kcp.example"});
    serde_json::json!({"page": page, "status": status, "components": components, "incidents": []}).to_string()
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn observe(server: &Server, components: &[&str], deadline: Duration) -> Observation {
    let page = StatusPageProbe {
        url: server.url("/api/v2/summary.json").parse().unwrap(),
        components: components.iter().map(|name| Box::from(*name)).collect(),
        interval: LONG,
        timeout: deadline,
        proxy: None,
        tls: Tls::default(),
    };
    prober().prepare(&Probe::StatusPage(Arc::new(page))).unwrap().probe(deadline).await
}

async fn read(page: &str, components: &[&str]) -> Observation {
    observe(&Server::answering([answer(page)]).await, components, LONG).await
}

const PAGE: [(&str, &str); 5] = [
    ("Cards API", "operational"),
    ("Webhooks", "degraded_performance"),
    ("Payouts", "partial_outage"),
    ("Terminals", "major_outage"),
    ("Dashboard", "under_maintenance"),
];

#[track_caller]
fn says(observation: &Observation, provider: ProviderStatus, degraded: bool, warning: Option<&str>) {
    good(observation);
    assert_eq!((observation.provider, observation.degraded), (Some(provider), degraded));
    assert_eq!(observation.warning.as_deref(), warning);
}

#[tokio::test]
async fn each_status_of_a_component_has_its_meaning() {
    let page = summary("critical", &PAGE);
    says(&read(&page, &["Cards API"]).await, ProviderStatus::Operational, false, None);
    let words = "the provider reports degraded performance of Webhooks";
    says(&read(&page, &["webhooks "]).await, ProviderStatus::DegradedPerformance, true, Some(words));
    let words = "the provider reports a partial outage of Payouts";
    says(&read(&page, &["id2"]).await, ProviderStatus::PartialOutage, true, Some(words));
    says(&read(&page, &["Dashboard"]).await, ProviderStatus::Maintenance, false, None);
    let down = read(&page, &["terminals"]).await;
    assert_eq!(failed(&down, Reason::Assertion, "N/A"), "the provider reports a major outage of Terminals");
    assert_eq!((down.provider, down.status_code), (Some(ProviderStatus::MajorOutage), Some(200)));
    assert_eq!(down.bytes, page.len() as u64);
}

#[tokio::test]
async fn the_worst_of_several_components_counts_and_all_that_are_so_are_named() {
    let mut components = PAGE.to_vec();
    components.push(("Cards API", "partial_outage"));
    let page = summary("none", &components);
    let words = "the provider reports a partial outage of Payouts, Cards API";
    let observation = read(&page, &["Payouts", "Dashboard", "Cards API", "Payouts"]).await;
    says(&observation, ProviderStatus::PartialOutage, true, Some(words));
}

#[tokio::test]
async fn the_page_as_a_whole_only_ever_degrades() {
    let says_of_itself = async |indicator: &str| read(&summary(indicator, &PAGE), &[]).await;
    says(&says_of_itself("none").await, ProviderStatus::Operational, false, None);
    says(&says_of_itself("maintenance").await, ProviderStatus::Maintenance, false, None);
    for (indicator, provider) in [
        ("minor", ProviderStatus::DegradedPerformance),
        ("major", ProviderStatus::PartialOutage),
        ("critical", ProviderStatus::PartialOutage),
    ] {
        let words =
            format!("the provider's page says \"Partial System Outage\" ({indicator}); it does not say of what");
        says(&says_of_itself(indicator).await, provider, true, Some(&words));
    }
}

#[tokio::test]
async fn a_component_that_is_not_there_is_told_with_the_nearest_that_are() {
    let observation = read(&summary("none", &PAGE), &["Crads API"]).await;
    let message = failed(&observation, Reason::Assertion, "N/A");
    insta::assert_snapshot!(message, @r#"the provider's page has no component "Crads API"; the nearest are: Cards API, Payouts, Terminals"#);
    assert_eq!(observation.provider, None);
    let message = failed(&read(&summary("none", &[]), &["Cards API"]).await, Reason::Assertion, "N/A");
    insta::assert_snapshot!(message, @r#"the provider's page has no component "Cards API"; it has none"#);
}

#[tokio::test]
async fn what_is_no_summary_is_not_taken_for_one() {
    for (page, components) in [
        ("<html>status</html>", &["x"][..]),
        ("{\"page\": {}}", &[]),
        (&summary("purple", &PAGE), &[]),
        (&summary("none", &[("Cards API", "fine")]), &["Cards API"]),
    ] {
        let observation = read(page, components).await;
        let message = failed(&observation, Reason::Protocol, "N/A");
        assert_eq!(observation.provider, None);
        insta::allow_duplicates! {
            let known = message.contains("no summary of an Atlassian Statuspage") || message.contains("no word of Atlassian Statuspage");
            assert!(known, "{message}");
        }
    }
    let message = failed(&read(&summary("purple", &PAGE), &[]).await, Reason::Protocol, "N/A");
    insta::assert_snapshot!(message, @r#"the indicator of the page is "purple", which is no word of Atlassian Statuspage"#);
}

#[tokio::test]
async fn a_page_that_cannot_be_read_says_nothing_of_the_provider() {
    let gone = observe(&Server::answering(["HTTP/1.1 503 Oh\r\ncontent-length: 0\r\n\r\n"]).await, &[], LONG).await;
    let message = failed(&gone, Reason::HttpStatus, "503");
    insta::assert_snapshot!(message, @"503 Service Unavailable, expected 200-299");
    assert_eq!((gone.provider, gone.degraded), (None, false));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat((2 << 20) + 1));
    let message = failed(&observe(&Server::answering([endless]).await, &[], LONG).await, Reason::Assertion, "N/A");
    insta::assert_snapshot!(message, @"the body is longer than the 2097152 bytes that are read, so it cannot be checked");
    let silent = Server::start(|_, mut connection, _| async move {
        read_request(&mut connection).await;
        std::future::pending().await
    })
    .await;
    let message = failed(&observe(&silent, &[], SHORT).await, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(silent.address, &message), @"no answer had come after 1s (HOST)");
}

#[tokio::test]
async fn a_large_page_is_read_and_a_page_that_moved_is_followed() {
    let many: Vec<(String, String)> =
        (0..2_000).map(|index| (format!("Component {index}"), "operational".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, status)| (name.as_str(), status.as_str())).collect();
    let page = summary("none", &many);
    assert!(page.len() > 64 * 1024);
    let moved = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned();
    let server = Server::answering([moved, answer(&page)]).await;
    says(&observe(&server, &["component 1999"], LONG).await, ProviderStatus::Operational, false, None);
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /api/v2/summary.json") && requests[1].starts_with("GET /elsewhere"));
}
