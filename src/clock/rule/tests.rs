//! RFC 5545's own examples, and rules that somebody made up to do harm.

use proptest::prelude::*;

use super::*;

const NEW_YORK: &str = "America/New_York";

fn zoned(text: &str, zone: &str) -> Zoned {
    text.parse::<DateTime>().unwrap().in_tz(zone).unwrap()
}

fn rule(text: &str, first: &str) -> Result<Rule, NotARule> {
    Rule::parse(text, &zoned(first, NEW_YORK))
}

/// What it names from the beginning of 1997, `count` of them at most, as local times.
fn names(text: &str, first: &str, count: usize) -> Vec<String> {
    let rule = rule(text, first).unwrap();
    let zone = TimeZone::get(NEW_YORK).unwrap();
    let before = zoned("1997-01-01T00:00", NEW_YORK).timestamp();
    std::iter::successors(rule.next(before), |time| rule.next(*time))
        .take(count)
        .map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string())
        .collect()
}

/// A rule of RFC 5545, 3.8.5.3, and the days that it lists there: `1997 9 2,3; 10 1`. At nine, in New York.
#[track_caller]
fn check(text: &str, first: &str, expected: &str) {
    let mut days = Vec::new();
    let mut year = "";
    for part in expected.split([' ', '\n']).filter(|part| !part.is_empty()) {
        match part.split_once('/') {
            Some((month, in_month)) => {
                days.extend(in_month.split(',').map(|day| format!("{year}-{month:0>2}-{day:0>2} 09:00")));
            }
            None => year = part,
        }
    }
    assert_eq!(names(text, &format!("{first}T09:00"), days.len()), days);
}

/// The same, and then no more.
#[track_caller]
fn check_whole(text: &str, first: &str, expected: &str) {
    check(text, first, expected);
    let listed = expected.split(['/', ',']).count() - expected.split('/').count();
    let all = expected.matches('/').count() + listed;
    assert_eq!(names(text, &format!("{first}T09:00"), all + 1).len(), all);
}

#[test]
fn days_are_named_as_in_the_examples_of_rfc_5545() {
    check_whole("FREQ=DAILY;COUNT=10", "1997-09-02", "1997 9/2,3,4,5,6,7,8,9,10,11");
    check("FREQ=DAILY;INTERVAL=2", "1997-09-02", "1997 9/2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 10/2,4");
    check_whole("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02", "1997 9/2,12,22 10/2,12");
    for every_day_of_january in [
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
    ] {
        let named = names(every_day_of_january, "1998-01-01T09:00", 1_000);
        assert_eq!((named.len(), named[31].as_str()), (93, "1999-01-01 09:00"));
        assert_eq!(named[92], "2000-01-31 09:00");
    }
}

#[test]
fn weeks_are_named_as_in_the_examples_of_rfc_5545() {
    check_whole("FREQ=WEEKLY;COUNT=10", "1997-09-02", "1997 9/2,9,16,23,30 10/7,14,21,28 11/4");
    check("FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09-02", "1997 9/2,16,30 10/14,28 11/11,25 12/9,23 1998 1/6,20 2/3");
    let ten = "1997 9/2,4,9,11,16,18,23,25,30 10/2";
    check_whole("FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997-09-02", ten);
    check_whole("FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09-02", ten);
    check_whole(
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09-01",
        "1997 9/1,3,5,15,17,19,29 10/1,3,13,15,17,27,29,31 11/10,12,14,24,26,28 12/8,10,12,22",
    );
    check_whole("FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09-02", "1997 9/2,4,16,18,30 10/2,14,16");
    check_whole("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05", "1997 8/5,10,19,24");
    check_whole("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05", "1997 8/5,17,19,31");
}

#[test]
fn months_are_named_as_in_the_examples_of_rfc_5545() {
    check_whole(
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09-05",
        "1997 9/5 10/3 11/7 12/5 1998 1/2 2/6 3/6 4/3 5/1 6/5",
    );
    check_whole("FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997-09-05", "1997 9/5 10/3 11/7 12/5");
    check_whole(
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09-07",
        "1997 9/7,28 11/2,30 1998 1/4,25 3/1,29 5/3,31",
    );
    check_whole("FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997-09-22", "1997 9/22 10/20 11/17 12/22 1998 1/19 2/16");
    check("FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28", "1997 9/28 10/29 11/28 12/29 1998 1/29 2/26");
    check_whole(
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09-02",
        "1997 9/2,15 10/2,15 11/2,15 12/2,15 1998 1/2,15",
    );
    check_whole(
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09-30",
        "1997 9/30 10/1,31 11/1,30 12/1,31 1998 1/1,31 2/1",
    );
    check_whole(
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997-09-10",
        "1997 9/10,11,12,13,14,15 1999 3/10,11,12,13",
    );
    check("FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1997-09-02", "1997 9/2,9,16,23,30 11/4,11,18,25 1998 1/6,13,20,27 3/3");
    check("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1998-02-13", "1998 2/13 3/13 11/13 1999 8/13 2000 10/13");
    check(
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09-13",
        "1997 9/13 10/11 11/8 12/13 1998 1/10 2/7 3/7 4/11 5/9 6/13",
    );
    check_whole("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04", "1997 9/4 10/7 11/6");
    check(
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09-29",
        "1997 9/29 10/30 11/27 12/30 1998 1/29 2/26 3/30",
    );
    check_whole("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15", "2007 1/15,30 2/15 3/15,30");
    check("FREQ=MONTHLY", "2026-01-31", "2026 1/31 3/31 5/31 7/31 8/31 10/31");
    check("FREQ=MONTHLY;BYDAY=-5MO", "2026-03-02", "2026 3/2 6/1 8/3 11/2");
}

#[test]
fn years_are_named_as_in_the_examples_of_rfc_5545() {
    check_whole(
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06-10",
        "1997 6/10 7/10 1998 6/10 7/10 1999 6/10 7/10 2000 6/10 7/10 2001 6/10 7/10",
    );
    check_whole(
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997-03-10",
        "1997 3/10 1999 1/10 2/10 3/10 2001 1/10 2/10 3/10 2003 1/10 2/10 3/10",
    );
    check("FREQ=YEARLY;BYDAY=20MO", "1997-05-19", "1997 5/19 1998 5/18 1999 5/17");
    check("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997-03-13", "1997 3/13,20,27 1998 3/5,12,19,26 1999 3/4,11,18,25");
    check(
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997-06-05",
        "1997 6/5,12,19,26 7/3,10,17,24,31 8/7,14,21,28 1998 6/4,11",
    );
    check(
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11-05",
        "2000 11/7 2004 11/2 2008 11/4 2012 11/6",
    );
    check("FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "1997-10-26", "1997 10/26 1998 10/25 1999 10/31");
    check("FREQ=YEARLY;BYDAY=53MO", "2012-12-31", "2012 12/31 2018 12/31 2024 12/30");
    check("FREQ=YEARLY", "2024-02-29", "2024 2/29 2028 2/29 2032 2/29");
    check("FREQ=YEARLY;BYMONTHDAY=1", "2026-01-01", "2026 1/1 2/1 3/1 4/1");
    check("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "2044-02-29", "2044 2/29 2072 2/29 2112 2/29");
}

#[test]
fn an_end_is_a_day_of_the_zone_or_a_time_and_its_last_moment_counts() {
    let until = |end: &str| names(&format!("FREQ=DAILY;UNTIL={end}"), "2026-06-07T21:00", 9).len();
    assert_eq!(until("20260609"), 3);
    assert_eq!(until("20260609T210000"), 3);
    assert_eq!(until("20260609T205959"), 2);
    assert_eq!(until("20260610T010000Z"), 3);
    assert_eq!(until("20260610T005959Z"), 2);
}

#[test]
fn it_is_read_as_calendars_write_it() {
    for text in ["RRULE:FREQ=WEEKLY;BYDAY=SU", " freq=weekly;byday=su ", "BYDAY=su , +1SU;FREQ=MONTHLY"] {
        assert!(rule(text, "2026-06-07T03:00").is_ok(), "{text}");
    }
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let refused = [
        "",
        "FREQ",
        "FREQ=WEEKLY;",
        "INTERVAL=2",
        "FREQ=SECONDLY",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=3",
        "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=YEARLY;BYYEARDAY=1",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=1001",
        "FREQ=DAILY;INTERVAL=+1",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=YEARLY;COUNT=50",
        "FREQ=DAILY;UNTIL=2027",
        "FREQ=DAILY;UNTIL=20270230",
        "FREQ=DAILY;UNTIL=20270101T0300Z",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYMONTH=-1",
        "FREQ=DAILY;BYMONTHDAY=0",
        "FREQ=DAILY;BYMONTHDAY=32",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=DAILY;BYDAY=-1MO",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=YEARLY;BYMONTH=1;BYDAY=6MO",
        "FREQ=YEARLY;BYDAY=54MO",
        "FREQ=MONTHLY;BYDAY=월",
        "FREQ=MONTHLY;BYDAY=",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367",
        "FREQ=WEEKLY;WKST=XX",
        "FREQ=DAILY\nRRULE:FREQ=SECONDLY",
    ];
    let said = refused.map(|text| match rule(text, "2026-06-07T03:00") {
        Ok(_) => panic!("{text} is taken"),
        Err(error) => format!("{text}: {error}"),
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_rule_that_names_nothing_ends_after_its_days() {
    for text in [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=WEEKLY;BYDAY=SU;BYSETPOS=366",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=31",
        "FREQ=YEARLY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=30",
    ] {
        let rule = rule(text, "2026-06-07T03:00").unwrap();
        assert_eq!(rule.first(), None, "{text}");
        assert_eq!(rule.next(Timestamp::MAX), None, "{text}");
        assert_eq!(rule.next(Timestamp::MIN), None, "{text}");
    }
}

fn rules() -> impl Strategy<Value = String> {
    let part = |name: &'static str, values: &'static [&'static str]| {
        proptest::option::of(proptest::collection::vec(proptest::sample::select(values), 1..4))
            .prop_map(move |values| values.map(|values| format!(";{name}={}", values.join(","))).unwrap_or_default())
    };
    let frequency = proptest::sample::select(&["DAILY", "WEEKLY", "MONTHLY", "YEARLY"][..]);
    (
        (frequency, proptest::option::of(1_u32..40)),
        part("BYMONTH", &["1", "2", "3", "6", "11", "12"]),
        part("BYMONTHDAY", &["1", "2", "13", "29", "30", "31", "-1", "-31"]),
        part("BYDAY", &["MO", "TU", "WE", "TH", "FR", "SA", "SU", "1MO", "-1FR", "5SU", "-5SU", "2TU"]),
        part("BYSETPOS", &["1", "2", "-1", "-2", "5"]),
        proptest::sample::select(&["", ";WKST=SU", ";WKST=WE", ";COUNT=7", ";UNTIL=20300101"][..]),
    )
        .prop_map(|((frequency, interval), months, month_days, days, positions, rest)| {
            let interval = interval.map(|interval| format!(";INTERVAL={interval}")).unwrap_or_default();
            format!("FREQ={frequency}{interval}{months}{month_days}{days}{positions}{rest}")
        })
}

fn zones() -> impl Strategy<Value = &'static str> {
    // The last two changed the day with their offset, and set their clocks at midnight.
    proptest::sample::select(&["UTC", "Asia/Seoul", "Europe/Berlin", "Pacific/Apia", "America/Sao_Paulo"][..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_look_from_anywhere_finds_what_following_from_the_first_finds(
        text in rules(),
        zone in zones(),
        first in 1_200_000_000_i64..1_900_000_000,
        later in 0_i64..300_000_000,
    ) {
        let first = Timestamp::from_second(first).unwrap().in_tz(zone).unwrap();
        let Ok(rule) = Rule::parse(&text, &first) else { return Ok(()) };
        let after = Timestamp::from_second(first.timestamp().as_second() + later).unwrap();
        let near = after.as_second() + 20 * 366 * 86_400;
        let followed = rule.within(rule.times_from(0).find(|time| *time > after));
        let found = rule.next(after);
        // Following looks at all days from the first and may give up before.
        let comparable = |time: Option<Timestamp>| time.filter(|time| time.as_second() < near);
        if followed.is_some() || comparable(found).is_none() {
            prop_assert_eq!(comparable(found), comparable(followed), "{} from {}", text, first);
        }
        if let Some(found) = found {
            prop_assert!(found > after);
            prop_assert!(rule.next(found).is_none_or(|next| next > found));
        }
    }

    #[test]
    fn whatever_somebody_writes_is_read_or_refused(text in "[A-Z0-9=;,+:\\- T가]{0,60}", first in any::<i64>()) {
        let first = Timestamp::from_nanosecond(i128::from(first)).unwrap().to_zoned(TimeZone::UTC);
        if let Ok(rule) = Rule::parse(&text, &first) {
            rule.first();
        }
    }

    #[test]
    fn whenever_a_rule_begins_and_whenever_it_is_asked_it_answers(
        text in rules(),
        zone in zones(),
        first in any::<i64>(),
        after in any::<i64>(),
    ) {
        let first = Timestamp::from_nanosecond(i128::from(first)).unwrap().in_tz(zone).unwrap();
        if let Ok(rule) = Rule::parse(&text, &first) {
            let after = Timestamp::from_nanosecond(i128::from(after)).unwrap();
            prop_assert!(rule.next(after).is_none_or(|next| next > after));
            prop_assert_eq!(rule.next(Timestamp::MAX), None);
        }
    }
}
