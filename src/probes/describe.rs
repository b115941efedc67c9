//! An observation as a small table, for people at a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use crate::clock;
use crate::domain::observation::Observation;

/// What was found, and its phases in milliseconds, one a line.
#[must_use]
pub fn describe(observation: &Observation) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", verdict(observation));
    let phases = &observation.phases;
    for (name, took) in [
        ("resolve", phases.resolve),
        ("connect", phases.connect),
        ("tls", phases.tls),
        ("processing", phases.processing),
        ("transfer", phases.transfer),
        ("total", Some(observation.took)),
    ] {
        let _ = write!(text, "\n  {name:<12}{}", milliseconds(took));
    }
    let _ = write!(text, "\n  {:<12}{:>10}", "bytes", observation.bytes);
    if let Some(end) = observation.certificate_expires_at {
        let _ = write!(text, "\n  {:<12}{}", "certificate", format_args!("expires {}", clock::format(end)));
    }
    if let Some(provider) = observation.provider {
        let _ = write!(text, "\n  {:<12}{}", "provider", provider.as_str());
    }
    if let Some(warning) = &observation.warning {
        let _ = write!(text, "\n  {:<12}{warning}", "warning");
    }
    if let Some(wait) = observation.retry_after {
        let _ = write!(text, "\n  {:<12}{}", "retry after", format_args!("{} s", wait.as_secs()));
    }
    text.push('\n');
    text
}

fn verdict(observation: &Observation) -> String {
    match &observation.failure {
        Some(failure) => format!("failed ({}): {}", failure.reason.as_str(), failure.message),
        None => {
            let well = match (observation.degraded, observation.provider) {
                (false, _) => "ok",
                (true, None) => "ok, but slow",
                (true, Some(_)) => "ok, but not wholly well",
            };
            observation.status_code.map_or_else(|| well.to_owned(), |status| format!("{well}: {status}"))
        }
    }
}

fn milliseconds(took: Option<Duration>) -> String {
    took.map_or_else(|| format!("{:>10}", "-"), |took| format!("{:>10.3} ms", took.as_secs_f64() * 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{Failure, Phases, ProviderStatus, Reason};
    use crate::domain::time::Timestamp;

    fn observation() -> Observation {
        Observation {
            at: Timestamp::default(),
            took: Duration::from_micros(12_345),
            failure: None,
            degraded: false,
            phases: Phases {
                resolve: None,
                connect: Some(Duration::from_micros(150)),
                tls: Some(Duration::from_micros(4_200)),
                processing: Some(Duration::from_millis(7)),
                transfer: Some(Duration::ZERO),
            },
            status_code: Some(200),
            bytes: 512,
            certificate_expires_at: Some(Timestamp::from_nanos(1_900_000_000_000_000_000)),
            retry_after: None,
            warning: None,
            provider: None,
        }
    }

    #[test]
    fn a_good_probe_shows_its_phases_and_its_certificate() {
        insta::assert_snapshot!(describe(&observation()), @r#"
        ok: 200
          resolve              -
          connect          0.150 ms
          tls              4.200 ms
          processing       7.000 ms
          transfer         0.000 ms
          total           12.345 ms
          bytes              512
          certificate expires 2030-03-17T17:46:40Z
        "#);
    }

    #[test]
    fn what_somebody_should_look_at_is_shown() {
        let warned = Observation {
            degraded: true,
            certificate_expires_at: None,
            warning: Some("the provider reports a partial outage of Payouts".into()),
            provider: Some(ProviderStatus::PartialOutage),
            ..observation()
        };
        let text = describe(&warned);
        assert!(text.starts_with("ok, but not wholly well: 200\n"), "{text}");
        let end = "  provider    partial_outage\n  warning     the provider reports a partial outage of Payouts\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_failed_probe_says_why_and_when_to_come_back() {
        let failed = Observation {
            failure: Some(Failure {
                reason: Reason::RateLimited,
                message: "429 Too Many Requests".into(),
                code: "429".into(),
            }),
            retry_after: Some(Duration::from_secs(30)),
            certificate_expires_at: None,
            ..observation()
        };
        insta::assert_snapshot!(describe(&failed), @r#"
        failed (rate_limited): 429 Too Many Requests
          resolve              -
          connect          0.150 ms
          tls              4.200 ms
          processing       7.000 ms
          transfer         0.000 ms
          total           12.345 ms
          bytes              512
          retry after 30 s
        "#);
    }
}
