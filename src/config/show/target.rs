//! `[[target]]`

use super::sheet::{Sheet, texts};
use crate::config::model::Target;
use crate::config::probe::Probe;
use crate::config::units::{write_rate, write_timestamp};
use crate::domain::alert::{self, Condition, Escalation, Reminder};
use crate::domain::breaker::{self, Growth, Mode, Window};
use crate::domain::guard::{self, Backoff, Bulkhead, RateLimit, RetryBudget};
use crate::domain::{maintenance, slo, watch};

pub(super) fn show(sheet: &mut Sheet, target: &Target) {
    let Target {
        name,
        endpoint,
        group,
        depends_on,
        policy,
        breaker,
        guard,
        interval,
        timeout,
        probe,
        status_page,
        slo,
        maintenance,
    } = target;
    // `max_retries` and `flapping` are the monitor's.
    let watch::Policy {
        failure_threshold,
        failure_window,
        success_threshold,
        max_retries: _,
        failure_type,
        alert,
        flapping: _,
    } = policy;
    sheet.table("[target]");
    sheet.key("name", &**name);
    let is_nowhere = matches!(probe, Probe::Heartbeat(_)) && **endpoint == *format!("heartbeat:{name}");
    sheet.maybe("endpoint", (!is_nowhere).then_some(&**endpoint));
    sheet.key("failure_type", failure_type.as_str());
    sheet.key("group", &**group);
    sheet.key("depends_on", texts(&**depends_on));
    sheet.duration("interval", *interval);
    sheet.duration("timeout", *timeout);
    sheet.number("failure_threshold", *failure_threshold);
    sheet.maybe("failure_window", failure_window.map(i64::from));
    sheet.number("success_threshold", *success_threshold);
    super::probe::show(sheet, probe);
    if let Some(page) = status_page {
        super::probe::show_second_opinion(sheet, page);
    }
    sheet.table("target.breaker");
    show_breaker(sheet, breaker);
    show_guard(sheet, guard);
    show_alert(sheet, alert);
    if let Some(slo) = slo {
        show_slo(sheet, slo);
    }
    for window in maintenance.iter() {
        let maintenance::Window { from, until, reason } = window;
        sheet.table("[target.maintenance]");
        sheet.key("from", write_timestamp(*from));
        sheet.key("until", write_timestamp(*until));
        sheet.key("reason", &**reason);
    }
}

fn show_slo(sheet: &mut Sheet, objective: &slo::Objective) {
    // `every` is the target's interval.
    let slo::Objective { ratio, days, tickets, every: _ } = objective;
    sheet.table("target.slo");
    sheet.key("objective", *ratio);
    sheet.key("window", format!("{days}d"));
    sheet.key("tickets", *tickets);
}

fn show_breaker(sheet: &mut Sheet, policy: &breaker::Policy) {
    let breaker::Policy {
        window,
        minimum_calls,
        failure_rate,
        slow_call,
        slow_call_rate,
        bad_rate,
        consecutive_failures,
        open_time,
        open_time_max,
        growth,
        jitter,
        trials,
        half_open_max,
        ramp,
        mode,
    } = policy;
    // No key says how the open time grows, only the profile.
    sheet.maybe("profile", matches!(growth, Growth::Linear).then_some("envoy"));
    match window {
        Window::Time { length, slices } => {
            sheet.duration("window", *length);
            sheet.number("slices", *slices);
        }
        Window::Count(calls) => sheet.number("count", *calls),
    }
    sheet.number("minimum_calls", *minimum_calls);
    show_rate(sheet, "failure_rate", *failure_rate);
    sheet.duration("slow_call", *slow_call);
    show_rate(sheet, "slow_call_rate", *slow_call_rate);
    show_rate(sheet, "bad_rate", *bad_rate);
    match consecutive_failures {
        Some(failures) => sheet.number("consecutive_failures", *failures),
        None => sheet.key("consecutive_failures", "off"),
    }
    sheet.duration("open_time", *open_time);
    sheet.duration("open_time_max", *open_time_max);
    sheet.key("jitter", *jitter);
    sheet.number("trials", *trials);
    sheet.duration("half_open_max", *half_open_max);
    sheet.duration_or_off("ramp", *ramp);
    let mode = match mode {
        Mode::Enforce => "enforce",
        Mode::DryRun => "dry_run",
        Mode::Disabled => "disabled",
        // An operator's, and in no configuration.
        Mode::ForcedOpen => "forced_open",
        Mode::ForcedClosed => "forced_closed",
    };
    sheet.key("mode", mode);
}

/// A rate that no window reaches is off.
fn show_rate(sheet: &mut Sheet, key: &str, rate: f64) {
    if rate.is_finite() { sheet.key(key, rate) } else { sheet.key(key, "off") }
}

fn show_guard(sheet: &mut Sheet, policy: &guard::Policy) {
    let guard::Policy {
        attempts,
        backoff: Backoff { base, cap },
        retry_budget: RetryBudget { ratio, minimum },
        connect_timeout,
        attempt_timeout,
        call_budget,
        bulkhead: Bulkhead { max_in_flight, max_waiting, max_wait },
        rate_limit,
    } = policy;
    sheet.number("attempts", *attempts);
    sheet.duration("backoff", *base);
    sheet.duration("backoff_max", *cap);
    sheet.key("retry_budget", *ratio);
    sheet.number("retry_minimum", *minimum);
    sheet.duration("connect_timeout", *connect_timeout);
    sheet.duration("attempt_timeout", *attempt_timeout);
    sheet.duration("call_budget", *call_budget);
    sheet.number("bulkhead", *max_in_flight);
    sheet.number("bulkhead_queue", *max_waiting);
    sheet.duration("bulkhead_wait", *max_wait);
    match rate_limit {
        Some(RateLimit { permits, per, burst }) => {
            sheet.key("rate_limit", write_rate(u64::from(*permits), *per));
            sheet.number("rate_burst", *burst);
        }
        None => sheet.key("rate_limit", "off"),
    }
}

fn show_alert(sheet: &mut Sheet, policy: &alert::Policy) {
    let alert::Policy { on, channels, severity, reminder, escalate, escalation } = policy;
    sheet.table("target.alert");
    sheet.key("channels", texts(&**channels));
    let on = Condition::ALL.into_iter().filter(|condition| on.contains(*condition));
    sheet.key("on", texts(on.map(Condition::as_str)));
    sheet.key("severity", severity.as_str());
    sheet.duration_or_off("reminder", reminder.map(|reminder| reminder.every));
    if let Some(Reminder { every: _, factor, longest }) = reminder {
        sheet.number("reminder_factor", *factor);
        sheet.duration("reminder_max", *longest);
    }
    sheet.key("escalate", *escalate);
    let (after, to) = match escalation {
        Some(Escalation { after, to }) => (Some(*after), texts(&**to)),
        None => (None, Vec::new()),
    };
    sheet.duration_or_off("escalate_after", after);
    sheet.key("escalate_to", to);
}
