//! Inputs in, then this health and this line.

use super::*;
use crate::domain::breaker::{Mode, State};
use crate::domain::id::{CorrelationId, HistoryId, StatusId, Target};
use crate::domain::time::Timestamp;
use crate::domain::watch::{Forced, Origin, Trouble};

pub(super) const GOOD: Option<LastProbe> = Some(LastProbe { ok: true, degraded: false });
pub(super) const SLOW: Option<LastProbe> = Some(LastProbe { ok: true, degraded: true });
pub(super) const BAD: Option<LastProbe> = Some(LastProbe { ok: false, degraded: false });

pub(super) fn watch(state: IntegrationState) -> Watch {
    let target = Target::new("PG_KCP", "https://api.kcp.com");
    let mut watch = Watch::new(StatusId(1), target, Mode::Enforce, Timestamp::default());
    watch.status.state = state;
    watch
}

fn because(state: IntegrationState, reason: &str) -> Watch {
    let mut watch = watch(state);
    watch.status.failure_reason = Some(reason.into());
    watch
}

fn with_breaker(mode: Mode, state: State) -> Watch {
    let mut watch = watch(IntegrationState::Connected);
    (watch.breaker.mode, watch.breaker.state) = (mode, state);
    watch
}

pub(super) fn of(watch: &Watch, probe: Option<LastProbe>) -> Inputs<'_> {
    Inputs {
        watch,
        failure_type: FailureType::PaymentGateway,
        probe,
        warning: None,
        traffic: Traffic::default(),
        provider: None,
        probes_page: false,
        maintenance: None,
        flapping: None,
        blind: false,
        needs: &[],
        silenced: false,
    }
}

pub(super) fn rates(failed: f64, slow: f64) -> Option<Rates> {
    Some(Rates { failed, slow, bad: failed.max(slow) })
}

fn window(failed: f64, slow: f64) -> Traffic {
    Traffic { calls: 50, window: rates(failed, slow), ..Traffic::default() }
}

#[track_caller]
fn check(inputs: &Inputs<'_>, health: Health, cause: &str) {
    let verdict = verdict(inputs);
    assert_eq!((verdict.health, &*verdict.cause), (health, cause));
}

#[test]
fn a_target_that_nobody_tried_is_unknown() {
    let new = watch(IntegrationState::Unknown);
    check(&of(&new, None), Health::Unknown, "not tried yet");
    let provider = Some(ProviderStatus::MajorOutage);
    let cause = "not tried yet; provider reports a major outage";
    check(&Inputs { provider, ..of(&new, None) }, Health::Unknown, cause);
}

#[test]
fn calls_are_a_try_too() {
    let new = watch(IntegrationState::Unknown);
    check(&Inputs { traffic: window(0.02, 0.0), ..of(&new, None) }, Health::Healthy, "no probe yet");
    let failing = Inputs { traffic: window(0.4, 0.0), ..of(&new, None) };
    check(&failing, Health::Degraded, "no probe yet, 40 % of observed payments fail");
}

#[test]
fn a_connected_target_is_healthy_also_after_a_restart_when_no_probe_is_remembered() {
    let connected = watch(IntegrationState::Connected);
    check(&of(&connected, GOOD), Health::Healthy, "connected");
    check(&of(&connected, None), Health::Healthy, "connected");
    let operational = Inputs { provider: Some(ProviderStatus::Operational), ..of(&connected, GOOD) };
    check(&operational, Health::Healthy, "connected");
}

#[test]
fn a_slow_answer_degrades_a_connected_target() {
    let connected = watch(IntegrationState::Connected);
    check(&of(&connected, SLOW), Health::Degraded, "answers, but more slowly than it should");
    check(&of(&connected, BAD), Health::Degraded, "the last probe failed");
}

#[test]
fn the_example_of_the_guide() {
    let connected = watch(IntegrationState::Connected);
    let inputs =
        Inputs { traffic: window(0.38, 0.0), provider: Some(ProviderStatus::PartialOutage), ..of(&connected, GOOD) };
    let cause = "probe ok, 38 % of observed payments fail, provider reports a partial outage";
    check(&inputs, Health::Degraded, cause);
}

#[test]
fn a_passing_probe_does_not_hide_failing_traffic() {
    let connected = watch(IntegrationState::Connected);
    let part = Inputs { traffic: window(0.38, 0.6), ..of(&connected, SLOW) };
    let cause = "probe ok but slow, 38 % of observed payments fail, 60 % are slow";
    check(&part, Health::Degraded, cause);
    let all = Inputs { traffic: window(1.0, 0.0), ..of(&connected, GOOD) };
    check(&all, Health::Down, "probe ok, every observed payment fails");
    let other = Inputs { failure_type: FailureType::Other, traffic: window(0.0, 0.9), ..of(&connected, GOOD) };
    check(&other, Health::Degraded, "probe ok, 90 % of observed calls are slow");
}

#[test]
fn a_few_failures_are_nobodys_news() {
    let connected = watch(IntegrationState::Connected);
    let inputs = Inputs { traffic: window(0.10, 0.5), ..of(&connected, GOOD) };
    check(&inputs, Health::Healthy, "connected");
}

#[test]
fn too_few_calls_are_not_judged_whatever_the_breaker_opens_by() {
    let connected = watch(IntegrationState::Connected);
    for (calls, health) in [(4, Health::Healthy), (5, Health::Down)] {
        let traffic = Traffic { calls, ..window(1.0, 0.0) };
        assert_eq!(verdict(&Inputs { traffic, ..of(&connected, GOOD) }).health, health);
    }
}

#[test]
fn what_opened_the_breaker_is_remembered_until_a_trial_says_otherwise() {
    let open = with_breaker(Mode::Enforce, State::Open);
    let opened = Traffic { opened: rates(1.0, 0.0), ..Traffic::default() };
    let inputs = Inputs { traffic: opened, ..of(&open, GOOD) };
    check(&inputs, Health::Down, "probe ok, every observed payment fails, the circuit breaker is open");
    let trying = with_breaker(Mode::Enforce, State::HalfOpen);
    let cause = "probe ok, every observed payment fails, the circuit breaker tries a few calls before it closes";
    check(&Inputs { traffic: opened, ..of(&trying, GOOD) }, Health::Down, cause);
    let passed = Traffic { trial_passed: true, ..opened };
    let cause = "probe ok, every observed payment failed until a trial passed, \
                 the circuit breaker tries a few calls before it closes";
    check(&Inputs { traffic: passed, ..of(&trying, GOOD) }, Health::Degraded, cause);
}

#[test]
fn a_passing_probe_does_not_hide_an_open_breaker() {
    for (mode, state, cause) in [
        (Mode::Enforce, State::Open, "probe ok, the circuit breaker is open"),
        (Mode::Enforce, State::HalfOpen, "probe ok, the circuit breaker tries a few calls before it closes"),
        (Mode::DryRun, State::Open, "probe ok, the circuit breaker would be open, and only counts (dry run)"),
        (Mode::ForcedOpen, State::Closed, "probe ok, an operator holds the circuit breaker open"),
    ] {
        check(&of(&with_breaker(mode, state), GOOD), Health::Degraded, cause);
    }
    for mode in [Mode::ForcedClosed, Mode::Disabled] {
        check(&of(&with_breaker(mode, State::Open), GOOD), Health::Healthy, "connected");
    }
}

#[test]
fn an_operator_who_holds_the_breaker_open_is_named_with_his_reason() {
    let mut held = with_breaker(Mode::ForcedOpen, State::Open);
    held.breaker.forced = Some(Forced { who: "kim".into(), reason: "their release".into(), until: None });
    let cause = "probe ok, kim holds the circuit breaker open: their release";
    check(&of(&held, GOOD), Health::Degraded, cause);
}

#[test]
fn a_certificate_near_its_end_degrades_and_is_no_downtime() {
    let connected = watch(IntegrationState::Connected);
    let inputs = Inputs { warning: Some("the certificate ends in 9 days"), ..of(&connected, GOOD) };
    check(&inputs, Health::Degraded, "probe ok, the certificate ends in 9 days");
}

#[test]
fn a_target_that_is_a_page_says_once_what_the_page_says() {
    let connected = watch(IntegrationState::Connected);
    let said = "the provider reports a partial outage of Payouts";
    let provider = Some(ProviderStatus::PartialOutage);
    let page = Inputs { provider, warning: Some(said), probes_page: true, ..of(&connected, GOOD) };
    check(&page, Health::Degraded, "probe ok, the provider reports a partial outage of Payouts");
    let unsaid = Inputs { warning: None, ..page };
    check(&unsaid, Health::Degraded, "probe ok, provider reports a partial outage");
}

#[test]
fn an_attempt_that_failed_degrades_and_says_why() {
    let mut retrying = watch(IntegrationState::Retrying);
    check(&of(&retrying, BAD), Health::Degraded, "a retry was reported");
    retrying.failures_in_row = 1;
    check(&of(&retrying, BAD), Health::Degraded, "the last attempt failed");
    retrying.status.failure_reason = Some("connection refused".into());
    check(&of(&retrying, BAD), Health::Degraded, "the last attempt failed: connection refused");
    retrying.failures_in_row = 2;
    check(&of(&retrying, BAD), Health::Degraded, "the last 2 attempts failed: connection refused");
    let failing = Inputs { traffic: window(1.0, 0.0), ..of(&retrying, BAD) };
    let cause = "the last 2 attempts failed: connection refused; every observed payment fails";
    check(&failing, Health::Down, cause);
}

#[test]
fn a_failed_target_is_down_with_all_that_is_known() {
    let mut failed = watch(IntegrationState::Failed);
    check(&of(&failed, BAD), Health::Down, "the connection failed; no reason was given");
    failed.status.failure_reason = Some("503 Service Unavailable".into());
    check(&of(&failed, BAD), Health::Down, "503 Service Unavailable");
    failed.breaker.state = State::Open;
    let inputs = Inputs { provider: Some(ProviderStatus::MajorOutage), ..of(&failed, BAD) };
    let cause = "503 Service Unavailable; the circuit breaker is open; provider reports a major outage";
    check(&inputs, Health::Down, cause);
}

#[test]
fn a_failure_that_was_reported_says_that_the_probe_sees_nothing_of_it() {
    let mut failed = because(IntegrationState::Failed, "all cards are declined");
    failed.trouble = Some(Trouble {
        correlation: CorrelationId::new("c"),
        began_by: None,
        since: Timestamp::default(),
        attempts: 0,
        history: Some(HistoryId(1)),
        origin: Origin::Report,
    });
    let cause = "all cards are declined; the probe passes, which alone does not end it";
    check(&of(&failed, GOOD), Health::Down, cause);
    check(&of(&failed, BAD), Health::Down, "all cards are declined");
}

#[test]
fn what_a_target_needs_is_where_to_look_first() {
    let needs: [(Arc<str>, Standing); 3] =
        [("internet".into(), Standing::Down), ("vpn".into(), Standing::Doubtful), ("dns".into(), Standing::Down)];
    let failed = because(IntegrationState::Failed, "connection refused");
    let cause = "PG_KCP is down; so is what it needs: internet, dns (connection refused)";
    check(&Inputs { needs: &needs, ..of(&failed, BAD) }, Health::Down, cause);
    let retrying = watch(IntegrationState::Retrying);
    let cause = "a retry was reported; what it needs is down: internet, dns";
    check(&Inputs { needs: &needs, ..of(&retrying, BAD) }, Health::Degraded, cause);
    let well = watch(IntegrationState::Connected);
    check(&Inputs { needs: &needs, ..of(&well, GOOD) }, Health::Healthy, "connected");
    check(&Inputs { needs: &needs[1..2], ..of(&failed, BAD) }, Health::Down, "connection refused");
}

#[test]
fn flapping_says_that_nobody_is_told() {
    let connected = watch(IntegrationState::Connected);
    let cause = "connected; it flaps (score 32 %), so its alerts are held back";
    check(&Inputs { flapping: Some(32), ..of(&connected, GOOD) }, Health::Healthy, cause);
}

#[test]
fn a_node_that_is_cut_off_knows_nothing_and_says_what_it_knew() {
    let failed = because(IntegrationState::Failed, "503");
    let cause = "this node is cut off: none of its connectivity addresses answers; before that: 503";
    check(&Inputs { blind: true, ..of(&failed, BAD) }, Health::Unknown, cause);
}

#[test]
fn maintenance_shows_what_would_be_shown_otherwise() {
    let window = Window { from: Timestamp::MIN, until: Timestamp::MAX, reason: "database upgrade".into() };
    let maintenance = Some(&window);
    let failed = because(IntegrationState::Failed, "503");
    let cause = "maintenance: database upgrade; otherwise it would be down: 503";
    check(&Inputs { maintenance, ..of(&failed, BAD) }, Health::Maintenance, cause);
    let well = watch(IntegrationState::Connected);
    let cause = "maintenance: database upgrade; otherwise it would be healthy: connected";
    check(&Inputs { maintenance, ..of(&well, GOOD) }, Health::Maintenance, cause);
}

#[test]
fn alerts_are_held_by_what_is_told_first() {
    let connected = watch(IntegrationState::Connected);
    let window = Window { from: Timestamp::MIN, until: Timestamp::MAX, reason: "work".into() };
    let needs: [(Arc<str>, Standing); 1] = [("vpn".into(), Standing::Doubtful)];
    let inputs = of(&connected, GOOD);
    assert_eq!(inputs.hold(), None);
    let inputs = Inputs { flapping: Some(20), ..inputs };
    assert_eq!(inputs.hold(), Some(Hold::Flapping));
    let inputs = Inputs { needs: &needs, ..inputs };
    assert_eq!(inputs.hold(), Some(Hold::Dependency));
    let inputs = Inputs { blind: true, ..inputs };
    assert_eq!(inputs.hold(), Some(Hold::Blind));
    let inputs = Inputs { maintenance: Some(&window), ..inputs };
    assert_eq!(inputs.hold(), Some(Hold::Maintenance));
}

#[test]
fn who_needs_a_target_sees_its_state_and_calls_that_all_fail() {
    let mut target = watch(IntegrationState::Connected);
    assert_eq!(standing(&target, None), Standing::Up);
    assert_eq!(standing(&target, rates(0.7, 0.0)), Standing::Up);
    assert_eq!(standing(&target, rates(1.0, 0.0)), Standing::Down);
    let confirming = Trouble {
        correlation: CorrelationId::new("c"),
        began_by: None,
        since: Timestamp::default(),
        attempts: 1,
        history: None,
        origin: Origin::Probe,
    };
    target.trouble = Some(confirming);
    assert_eq!(standing(&target, None), Standing::Doubtful);
    target.status.state = IntegrationState::Failed;
    assert_eq!(standing(&target, None), Standing::Down);
}
