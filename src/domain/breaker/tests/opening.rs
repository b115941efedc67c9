//! What opens it, and what does not.

use super::*;

#[test]
fn fully_down_it_opens_after_exactly_the_minimum_of_calls() {
    for minimum_calls in [1, 2, 10, 37] {
        let policy = Policy { minimum_calls, ..Policy::default() };
        check_opens(policy, &vec![BAD; minimum_calls as usize], Cause::FailureRate);
    }
}

#[test]
fn against_a_gateway_that_refuses_two_of_five_attempts_four_attempts_a_call_keep_it_closed() {
    let mut breaker = closed(Policy::default());
    let (mut seed, mut accepted, mut rejected) = (1_u64, 0, 0);
    let mut refused = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % 10 < 4
    };
    for now in (0..5_000_000).step_by(500) {
        breaker.tick(0.0, at(now));
        let Ok(ticket) = breaker.acquire(at(now)) else {
            rejected += 1;
            continue;
        };
        let outcome = if (0..4).all(|_| refused()) { Outcome::Failure } else { Outcome::Success };
        accepted += u32::from(outcome == Outcome::Success);
        breaker.done(&ticket, outcome, 0.0, at(now + 300));
    }
    assert!(rejected < 100 && accepted >= 9_600, "{rejected} rejected, {accepted} accepted of 10,000");
}

#[test]
fn an_unknown_outcome_counts_as_a_failure() {
    check_opens(Policy::default(), &[LOST; 10], Cause::FailureRate);
}

#[test]
fn a_good_call_can_be_the_one_that_completes_the_minimum() {
    check_opens(Policy::default(), &[BAD, BAD, BAD, BAD, BAD, GOOD, GOOD, GOOD, GOOD, GOOD], Cause::FailureRate);
}

#[test]
fn too_many_slow_calls_open_it_although_they_were_good() {
    check_opens(last_ten(), &[GOOD, GOOD, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW], Cause::SlowRate);
}

#[test]
fn failed_and_slow_calls_together_open_it_before_either_would() {
    check_opens(last_ten(), &[GOOD, GOOD, GOOD, GOOD, BAD, BAD, BAD, SLOW, SLOW, SLOW], Cause::BadRate);
}

#[test]
fn failures_in_a_row_need_no_minimum() {
    check_opens(Policy::envoy(), &[GOOD, BAD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD, BAD], Cause::Consecutive);
}

#[test]
fn the_profile_pg_resilience_opens_at_three_tenths_of_ten_from_the_fifth_call_on() {
    check_opens(Policy::pg_resilience(), &[GOOD, GOOD, GOOD, BAD, BAD], Cause::FailureRate);
    check_opens(
        Policy::pg_resilience(),
        &[GOOD, GOOD, (Outcome::Success, 700), (Outcome::Success, 700), (Outcome::Success, 700)],
        Cause::SlowRate,
    );
}

#[test]
fn the_profile_resilience4j_opens_at_half_of_a_hundred_for_a_minute_and_never_longer() {
    let mut calls = vec![GOOD; 50];
    calls.extend([BAD; 50]);
    check_opens(Policy::resilience4j(), &calls, Cause::FailureRate);
    let policy = Policy::resilience4j();
    assert_eq!([0, 1, 5].map(|level| policy.open_time_at(level, 1.0)), [seconds(60); 3]);
}

#[test]
fn the_profile_envoy_stays_away_for_thirty_seconds_times_the_ejections_in_a_row_and_300_at_most() {
    let mut breaker = closed(Policy::envoy());
    let mut now = 0;
    let mut open_times = Vec::new();
    for _ in 0..12 {
        let opened = breaker.target_failed(Cause::Report, 1.0, at(now)).unwrap();
        open_times.push(opened.open_for.unwrap().as_secs());
        now += opened.open_for.unwrap().as_millis() as u64;
        assert!(breaker.tick(0.0, at(now)).is_some());
    }
    assert_eq!(open_times, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    assert_eq!(breaker.level(), 9, "forgiven in nine healthy minutes");
}

#[test]
fn the_profile_pg_resilience_is_open_for_five_seconds_each_time_and_then_tries_three_calls() {
    let policy = Policy::pg_resilience();
    assert_eq!([0, 1, 5].map(|level| policy.open_time_at(level, 0.0)), [seconds(5); 3]);
    assert_eq!(policy.trials, 3);
}

#[test]
fn an_ignored_outcome_is_shown_and_judged_nowhere() {
    let mut breaker = closed(Policy::default());
    for second in 0..9 {
        assert_eq!(fail(&mut breaker, second), None);
    }
    for _ in 0..20 {
        assert_eq!(call(&mut breaker, 9, 9, Outcome::Ignored), None);
    }
    let view = breaker.view(at(10));
    assert_eq!((view.window.calls, view.window.failed, view.window.ignored, view.rates), (9, 9, 20, None));
}

#[test]
fn a_window_in_time_forgets_slice_by_slice() {
    let mut breaker = closed(Policy::default());
    for second in 0..60 {
        assert_eq!(succeed(&mut breaker, second * 1_000), None);
    }
    assert_eq!(breaker.view(at(59_999)).window.calls, 60);
    assert_eq!(breaker.view(at(60_000)).window.calls, 55);
    assert_eq!(breaker.view(at(65_000)).window.calls, 50);
    assert_eq!(breaker.view(at(115_000)).window.calls, 0);
}

#[test]
fn good_calls_that_leave_the_window_can_be_what_opens_it() {
    let mut breaker = closed(Policy::default());
    for _ in 0..100 {
        assert_eq!(succeed(&mut breaker, 0), None);
    }
    for _ in 0..20 {
        assert_eq!(fail(&mut breaker, 30_000), None);
    }
    let opened = succeed(&mut breaker, 60_000);
    assert_eq!(opened.map(|transition| transition.cause), Some(Cause::FailureRate));
}

#[test]
fn a_window_of_calls_forgets_the_oldest() {
    let mut breaker = closed(Policy {
        window: Window::Count(3),
        minimum_calls: 3,
        failure_rate: 0.9,
        bad_rate: Policy::NEVER,
        ..Policy::default()
    });
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Failure, Outcome::Success] {
        assert_eq!(call(&mut breaker, 0, 0, outcome), None);
    }
    let window = breaker.view(at(0)).window;
    assert_eq!((window.calls, window.failed), (3, 2));
}

#[test]
fn a_minimum_beyond_the_window_is_the_window() {
    let policy = Policy { window: Window::Count(5), minimum_calls: 100, ..Policy::default() };
    check_opens(policy, &[BAD; 5], Cause::FailureRate);
}

#[test]
fn slow_calls_still_in_flight_count_as_slow_now() {
    let mut breaker = closed(Policy::default());
    let hung: Vec<_> = (0..10).map(|_| breaker.acquire(at(0)).unwrap()).collect();
    assert_eq!(breaker.tick(0.0, at(900)), None, "none of them is slow yet");
    let due = breaker.wake_at().expect("calls in flight are waited for");
    assert!(due <= at(1_126), "noticed an eighth too late at most: {due:?}");
    let opened = breaker.tick(0.0, due).expect("ten of ten hang");
    assert_eq!((opened.to, opened.cause), (State::Open, Cause::SlowRate));
    for ticket in &hung {
        assert_eq!(breaker.done(ticket, Outcome::Success, 0.0, at(5_000)), None, "their ends come too late to matter");
    }
}

#[test]
fn a_thousand_hung_calls_are_noticed_by_the_next_caller_without_any_timer() {
    let mut breaker = closed(Policy::default());
    for _ in 0..1_000 {
        let _ = breaker.acquire(at(0)).unwrap();
    }
    assert_eq!(breaker.judge(0.0, at(2_000)).map(|opened| opened.cause), Some(Cause::SlowRate));
    assert_eq!(breaker.acquire(at(2_000)).unwrap_err().reason, Refusal::Open);
}

#[test]
fn a_refused_caller_is_told_when_to_come_back() {
    let mut breaker = closed(Policy::default());
    breaker.target_failed(Cause::Report, 0.0, at(0));
    assert_eq!(breaker.acquire(at(2_000)), Err(Rejected { reason: Refusal::Open, retry_after: seconds(3) }));
    assert_eq!(
        breaker.acquire(at(2_000)).unwrap_err().to_string(),
        "the circuit breaker refused the call (open); ask again in 3000 ms"
    );
}
