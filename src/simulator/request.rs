//! A payment request's body: read, then validated, in the original's order and with its messages.
//!
//! Deliberately not here: the header that comes before, and chance, which comes after.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::callback_allow::CallbackAllow;
use super::card::{CardNumber, CardType};
use super::ledger::Purchase;

/// Longer texts than any real one; the original's columns hold as many characters.
const LONGEST_ORDER_ID: usize = 255;
const LONGEST_CALLBACK_URL: usize = 2_048;

/// Said to a body that is no JSON object.
const UNREADABLE: &str = "요청 본문을 처리하는 중 오류가 발생했습니다. JSON 메세지 규격을 확인해주세요.";

/// Why a body is answered 400: a sentence for the client, without the values that came, since they may be card numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest(pub(super) String);

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The purchase that a body asks for. Members that are not known are ignored.
pub(super) fn read(body: &[u8], allowed: &CallbackAllow) -> Result<Purchase, BadRequest> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(BadRequest(UNREADABLE.into()));
    };
    let order_id = text(&members, "orderId")?;
    let card_type = card_type(&text(&members, "cardType")?)?;
    let card_no = text(&members, "cardNo")?;
    let amount = whole_number(&members, "amount")?;
    let callback_url = text(&members, "callbackUrl")?;
    validate(&order_id, card_type, &card_no, amount, &callback_url, allowed)
}

/// The first failure wins.
fn validate(
    order_id: &str,
    card_type: CardType,
    card_no: &str,
    amount: i64,
    callback_url: &str,
    allowed: &CallbackAllow,
) -> Result<Purchase, BadRequest> {
    // UTF-16 units, as the original's language counts.
    let order_id_length = order_id.encode_utf16().count();
    if order_id.trim().is_empty() || order_id_length < 6 {
        return Err(BadRequest("주문 ID는 6자리 이상 문자열이어야 합니다.".into()));
    }
    if order_id_length > LONGEST_ORDER_ID {
        return Err(BadRequest(format!("주문 ID는 {LONGEST_ORDER_ID}자리 이하 문자열이어야 합니다.")));
    }
    let Some(card_no) = CardNumber::parse(card_no) else {
        return Err(BadRequest("카드 번호는 xxxx-xxxx-xxxx-xxxx 형식이어야 합니다.".into()));
    };
    if amount <= 0 {
        return Err(BadRequest("결제금액은 양의 정수여야 합니다.".into()));
    }
    if callback_url.len() > LONGEST_CALLBACK_URL || !allowed.admits(callback_url) {
        return Err(BadRequest(format!("콜백 URL 은 {allowed} 로 시작해야 합니다.")));
    }
    Ok(Purchase { order_id: order_id.into(), card_type, card_no, amount, callback_url: callback_url.into() })
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a Value, BadRequest> {
    match members.get(name) {
        None | Some(Value::Null) => Err(BadRequest(format!("필수 필드 '{name}'이(가) 누락되었습니다."))),
        Some(value) => Ok(value),
    }
}

/// Numbers and booleans are taken as their text, as the original's deserializer does.
fn text(members: &Map<String, Value>, name: &str) -> Result<String, BadRequest> {
    match member(members, name)? {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(mismatch(name)),
    }
}

fn whole_number(members: &Map<String, Value>, name: &str) -> Result<i64, BadRequest> {
    match member(members, name)? {
        Value::Number(number) => truncated(number).ok_or_else(|| mismatch(name)),
        Value::String(text) => text.trim().parse().map_err(|_| mismatch(name)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(mismatch(name)),
    }
}

/// A fraction is cut off, as the original's deserializer does.
fn truncated(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let real = number.as_f64()?.trunc();
    // Up to here each whole number has an f64 of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "cut off, and in range")]
    (real.abs() <= EXACT).then_some(real as i64)
}

fn card_type(text: &str) -> Result<CardType, BadRequest> {
    text.parse().map_err(|_| {
        BadRequest(format!(
            "필드 'cardType'의 값이 예상 타입(CardTypeDto)과 일치하지 않습니다. 사용 가능한 값 : [{}]",
            CardType::NAMES
        ))
    })
}

fn mismatch(name: &str) -> BadRequest {
    BadRequest(format!("필드 '{name}'의 값이 예상 타입과 일치하지 않습니다."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({"orderId": "000042", "cardType": "SAMSUNG", "cardNo": "1234-5678-9814-1451", "amount": 5000,
            "callbackUrl": "http://localhost:8080/api/v1/payments/callback"})
    }

    fn with(changes: Value) -> Result<Purchase, BadRequest> {
        let mut body = good();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        read(body.to_string().as_bytes(), &CallbackAllow::default())
    }

    #[track_caller]
    fn refused(changes: Value, because: &str) {
        let BadRequest(message) = with(changes).unwrap_err();
        assert!(message.contains(because), "{message}");
    }

    #[test]
    fn an_amount_may_be_a_number_or_its_text() {
        assert_eq!(with(json!({"amount": "5000"})).unwrap().amount, 5000);
        assert_eq!(with(json!({"amount": 5000.9})).unwrap().amount, 5000);
        refused(json!({"amount": "5,000"}), "'amount'");
        refused(json!({"amount": 1e300}), "'amount'");
        refused(json!({"amount": [1]}), "'amount'");
    }

    #[test]
    fn what_is_not_known_is_ignored_and_what_is_missing_is_not() {
        assert!(with(json!({"color": "red"})).is_ok());
        for name in ["orderId", "cardType", "cardNo", "amount", "callbackUrl"] {
            refused(json!({name: null}), &format!("'{name}'"));
        }
        for body in ["", "[]", "{", "\"text\""] {
            assert_eq!(read(body.as_bytes(), &CallbackAllow::default()), Err(BadRequest(UNREADABLE.into())));
        }
    }

    #[test]
    fn the_first_failure_wins() {
        let mut bad = json!({"orderId": "     1", "cardNo": "1", "amount": 0, "callbackUrl": "http://example.com"});
        bad["cardType"] = json!("VISA");
        refused(bad.clone(), "cardType");
        bad["cardType"] = json!("KB");
        bad["orderId"] = json!("12345");
        refused(bad.clone(), "주문 ID");
        bad["orderId"] = json!("      ");
        refused(bad.clone(), "주문 ID");
        bad["orderId"] = json!("123456");
        refused(bad.clone(), "카드 번호");
        bad["cardNo"] = json!("1234-5678-9814-1451");
        refused(bad.clone(), "결제금액");
        bad["amount"] = json!(1);
        refused(bad.clone(), "콜백 URL");
        bad["callbackUrl"] = json!("http://localhost:8080");
        assert!(with(bad).is_ok());
    }

    #[test]
    fn no_message_repeats_what_came() {
        for name in ["orderId", "cardType", "amount", "callbackUrl"] {
            let BadRequest(message) = with(json!({name: "4111-1111-1111-1111", "cardNo": "4"})).unwrap_err();
            assert!(!message.contains("4111"), "{message}");
        }
    }
}
