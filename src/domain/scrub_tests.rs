use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(scrub(text), expected, "of {text}");
}

#[test]
fn a_card_number_keeps_its_first_six_and_last_four() {
    check("4111111111111111", "411111******1111");
    check("card 4111 1111 1111 1111 was declined", "card 4111 11** **** 1111 was declined");
    check("4111-1111-1111-1111", "4111-11**-****-1111");
    check("카드 4111111111111111번", "카드 411111******1111번");
}

#[test]
fn twelve_digits_are_left_and_thirteen_are_not() {
    check("411111111111", "411111111111");
    check("4111111111111", "411111***1111");
    check("4111111111111111111", "411111*********1111");
}

#[test]
fn a_number_need_not_be_a_valid_card_number() {
    check("1234567890123456", "123456******3456");
}

#[test]
fn two_card_numbers_side_by_side_hide_each_other() {
    check("4111111111111111 5500000000000004", "411111********** ************0004");
    check("4111111111111111  5500000000000004", "411111******1111  550000******0004");
}

#[test]
fn times_amounts_and_ids_are_left_alone() {
    for text in [
        "2024-06-01T10:00:00.123456789Z",
        "amount 1000 of 25000 KRW",
        "order 2024-06-01-0001",
        "018f9a3e-1c2b-7d4e-8f00-0123456789ab",
        "{location:'Seoul'}",
        "",
        "japan: 1, company: 2, panic: 3",
    ] {
        assert!(matches!(scrub(text), Cow::Borrowed(_)), "{text} became {}", scrub(text));
    }
}

#[test]
fn telling_members_are_masked_in_json() {
    check(r#"{"cvc":"123","amount":1000}"#, r#"{"cvc":"***","amount":1000}"#);
    check(r#"{"cardNo" : 4111111111111111}"#, r#"{"cardNo" : ***}"#);
    check(r#"{"CARD_NUMBER":"1"}"#, r#"{"CARD_NUMBER":"***"}"#);
    check(r#"{"pan":{"number":"4111","x":[1]},"a":1}"#, r#"{"pan":***,"a":1}"#);
    check(r#"{"cvv":"1\"2","a":1}"#, r#"{"cvv":"***","a":1}"#);
    check(r#"{"cvv":"12\\","a":1}"#, r#"{"cvv":"***","a":1}"#);
}

#[test]
fn telling_members_are_masked_in_json_within_json() {
    check(r#"{"body":"{\"cvc\":\"123\",\"a\":1}"}"#, r#"{"body":"{\"cvc\":\"***\",\"a\":1}"}"#);
    check(r#"{\"cvc\":\"1\\\"2\",\"a\":1}"#, r#"{\"cvc\":\"***\",\"a\":1}"#);
    check(r#"{\\\"cvc\\\":\\\"123\\\"}"#, r#"{\\\"cvc\\\":\\\"***\\\"}"#);
    check(r#"{\"cvc\":123}"#, r#"{\"cvc\":***}"#);
    check(r#""{\"cvc\":\n 123}""#, r#""{\"cvc\":\n ***}""#);
}

#[test]
fn telling_members_are_masked_in_loose_notations() {
    check("{cardNo:4111,amount:1}", "{cardNo:***,amount:1}");
    check("{cvc:'123'}", "{cvc:'***'}");
    check("cvc = 123; amount = 1", "cvc = ***; amount = 1");
    check("https://pay/x?cvc=123&amount=1", "https://pay/x?cvc=***&amount=1");
    check("card[cvc]=123&card[name]=a", "card[cvc]=***&card[name]=a");
    check("cardNo=4111 1111 1111 1111 ok", "cardNo=*** ok");
    check("Card(pan=4111-1111, cvv2=9)", "Card(pan=***, cvv2=***)");
    check("<cardNo>4111</cardNo><a>1</a>", "<cardNo>***</cardNo><a>1</a>");
    check("encCardNo=abc&user_cvc=1", "encCardNo=***&user_cvc=***");
    check("cvc => 123", "cvc => ***");
}

#[test]
fn a_value_whose_end_is_missing_is_masked_to_the_end() {
    check(r#"{"cvc":"12"#, r#"{"cvc":"***"#);
    check(r#"{"pan":{"a":[1"#, r#"{"pan":***"#);
    check("cvc=", "cvc=");
}

fn hazardous() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[0-9]{1,20}",
        "[ \\-]{1,2}",
        "[a-z]{1,3}",
        Just("cvc".to_owned()),
        Just("cardNo".to_owned()),
        Just("PAN".to_owned()),
        "[:=\"'\\\\{}\\[\\],&<>가 n]{1,4}",
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_run_of_thirteen_digits_survives(text in hazardous()) {
        let scrubbed = scrub(&text);
        let bytes = scrubbed.as_bytes();
        for at in 0..bytes.len() {
            if bytes[at].is_ascii_digit() {
                prop_assert!(run_of_digits(bytes, at).1 < CARD_DIGITS, "{scrubbed} of {text}");
            }
        }
    }

    #[test]
    fn what_was_scrubbed_is_not_scrubbed_further(text in hazardous()) {
        let once = scrub(&text).into_owned();
        prop_assert_eq!(scrub(&once), once.as_str(), "of {}", text);
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        drop(scrub(&text));
    }

    #[test]
    fn text_without_a_long_run_or_a_telling_name_is_untouched(text in "[0-9 ]{0,12}[xyz가:=\"]{0,9}[0-9-]{0,12}") {
        prop_assume!(run_of_digits(text.as_bytes(), 0).1 < CARD_DIGITS);
        prop_assert_eq!(scrub(&text), text.as_str());
    }
}
