//! Windows of calendars, also over a change of the clocks.

use super::super::{format, parse};
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn cron(text: &str) -> Recurrence {
    Recurrence::Cron(text.into())
}

fn rule(rule: &str, first: &str) -> Recurrence {
    Recurrence::Rule { rule: rule.into(), first: parse(first).unwrap() }
}

#[track_caller]
fn window(calendar: &Recurrence, zone: &str, length: Duration, now: &str) -> (String, String) {
    let (from, until) = Calendar::parse(calendar, zone).unwrap().window(length, parse(now).unwrap()).unwrap();
    (format(from), format(until))
}

#[test]
fn a_window_lasts_from_the_time_that_it_names_until_its_length_is_over() {
    for mondays in [cron("0 3 * * 1"), rule("FREQ=WEEKLY", "2024-05-27T03:00:00+09:00")] {
        let at = |now| window(&mondays, "Asia/Seoul", 2 * HOUR, now);
        let first = ("2024-06-02T18:00:00Z".to_owned(), "2024-06-02T20:00:00Z".to_owned());
        for now in ["2024-06-01T00:00:00Z", "2024-06-02T18:00:00Z", "2024-06-02T19:59:59Z"] {
            assert_eq!(at(now), first, "{now}");
        }
        assert_eq!(at("2024-06-02T20:00:00Z").0, "2024-06-09T18:00:00Z", "its end is not in it");
    }
}

#[test]
fn a_time_of_day_is_the_zones_also_where_its_clocks_are_set() {
    for nightly in [cron("30 4 * * *"), rule("FREQ=DAILY", "2024-01-01T04:30:00+01:00")] {
        let from = |now| window(&nightly, "Europe/Berlin", HOUR, now).0;
        assert_eq!(from("2024-03-30T12:00:00Z"), "2024-03-31T02:30:00Z", "summer time began at 01:00Z");
        assert_eq!(from("2024-10-27T01:30:00Z"), "2024-10-27T03:30:00Z", "and ended at 01:00Z");
    }
}

#[test]
fn a_time_that_the_clocks_pass_over_is_later_and_one_that_comes_twice_comes_once() {
    for nightly in [cron("30 2 * * *"), rule("FREQ=DAILY", "2024-01-01T02:30:00+01:00")] {
        let from = |now| window(&nightly, "Europe/Berlin", HOUR, now).0;
        assert!(["2024-03-31T01:00:00Z", "2024-03-31T01:30:00Z"].contains(&&*from("2024-03-31T00:59:00Z")));
        assert_eq!(from("2024-03-31T12:00:00Z"), "2024-04-01T00:30:00Z");
        assert_eq!(from("2024-10-26T12:00:00Z"), "2024-10-27T00:30:00Z", "the first of the two");
        assert_eq!(from("2024-10-27T01:31:00Z"), "2024-10-28T01:30:00Z", "and not the second");
    }
}

#[test]
fn a_window_over_a_change_of_the_clocks_is_as_long_as_any_other() {
    for night in [cron("0 1 * * 0"), rule("FREQ=WEEKLY", "2024-03-03T01:00:00+01:00")] {
        let at = |now| window(&night, "Europe/Berlin", 4 * HOUR, now);
        let spring = ("2024-03-31T00:00:00Z".to_owned(), "2024-03-31T04:00:00Z".to_owned());
        assert_eq!(at("2024-03-31T03:59:59Z"), spring, "until 06:00 on the clock");
        let autumn = ("2024-10-26T23:00:00Z".to_owned(), "2024-10-27T03:00:00Z".to_owned());
        assert_eq!(at("2024-10-27T02:59:59Z"), autumn, "until 04:00 on the clock");
    }
}

#[test]
fn what_is_no_calendar_is_refused() {
    let refused = |calendar, zone| Calendar::parse(&calendar, zone).unwrap_err();
    assert!(matches!(refused(cron("every day"), "UTC"), NotACalendar::Cron(_)));
    assert!(matches!(refused(cron("0 0 3 * * *"), "UTC"), NotACalendar::Cron(_)));
    assert_eq!(refused(cron("0 3 * * *"), "Mars/Olympus"), NotACalendar::Zone);
    assert_eq!(refused(cron("0 0 30 2 *"), "UTC"), NotACalendar::Never(Part::Cron));
    let first = "2026-06-07T03:00:00Z";
    assert!(matches!(refused(rule("every day", first), "UTC"), NotACalendar::Rule(NotARule::Part(_))));
    assert_eq!(refused(rule("FREQ=DAILY", first), "Mars/Olympus"), NotACalendar::Zone);
    assert_eq!(refused(rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", first), "UTC"), NotACalendar::Never(Part::Rule));
    assert_eq!(refused(rule("FREQ=DAILY;UNTIL=20260606", first), "UTC"), NotACalendar::Never(Part::Rule));
}

#[test]
fn a_rule_that_does_not_name_its_first_says_what_day_that_is_in_its_zone() {
    let sundays = rule("FREQ=WEEKLY;BYDAY=SU", "2026-06-07T03:00:00+09:00");
    assert!(Calendar::parse(&sundays, "Asia/Seoul").is_ok());
    assert_eq!(
        Calendar::parse(&sundays, "UTC").unwrap_err().to_string(),
        "the rule does not name its first, which is Saturday, 2026-06-06 18:00 in this time zone; what it names next is \
         Sunday, 2026-06-07 18:00"
    );
}

#[test]
fn a_first_that_is_the_second_of_two_equal_times_is_taken_as_it_is() {
    let nightly = rule("FREQ=DAILY", "2024-10-27T02:30:00+01:00");
    assert_eq!(window(&nightly, "Europe/Berlin", HOUR, "2024-10-01T00:00:00Z").0, "2024-10-27T01:30:00Z");
    assert_eq!(window(&nightly, "Europe/Berlin", HOUR, "2024-10-27T12:00:00Z").0, "2024-10-28T01:30:00Z");
}

#[test]
fn after_its_last_there_is_no_window() {
    let calendar = Calendar::parse(&rule("FREQ=DAILY;COUNT=2", "2026-06-07T03:00:00Z"), "UTC").unwrap();
    let window = |now| calendar.window(HOUR, parse(now).unwrap()).map(|(from, _)| format(from));
    assert_eq!(window("2026-06-08T03:59:59Z").as_deref(), Some("2026-06-08T03:00:00Z"));
    assert_eq!(window("2026-06-08T04:00:00Z"), None);
}
