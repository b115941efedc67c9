//! The wire shapes of the payment gateway.
//!
//! Members that have no value are left out, never `null`, as the original's serializer does.

use http::StatusCode;
use serde::Serialize;
use warp::reply::Response;

use super::card::CardType;
use super::fate::json;
use super::ledger::Transaction;

/// Said in place of an answer, before anything is stored.
pub(super) const UNSTABLE: &str = "현재 서버가 불안정합니다. 잠시 후 다시 시도해주세요.";

/// Said where the original has a fault of its own.
pub(super) const TEMPORARY_FAULT: &str = "일시적인 오류가 발생했습니다.";

#[derive(Serialize)]
struct Envelope<'a, T> {
    meta: Meta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

pub(super) fn success(data: impl Serialize) -> Response {
    let meta = Meta { result: "SUCCESS", error_code: None, message: None };
    json(StatusCode::OK, &Envelope { meta, data: Some(data) })
}

/// The error code is the status's own phrase, such as `Bad Request`.
pub(super) fn failure(status: StatusCode, message: &str) -> Response {
    let meta = Meta { result: "FAIL", error_code: status.canonical_reason(), message: Some(message) };
    json(status, &Envelope::<()> { meta, data: None })
}

/// A transaction as creating it and listing an order's show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    pub(super) transaction_key: &'a str,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

/// A transaction with all it has: one read, and a callback.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail<'a> {
    transaction_key: &'a str,
    order_id: &'a str,
    card_type: CardType,
    card_no: &'a str,
    amount: i64,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// An order's transactions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderTransactions<'a> {
    pub(super) order_id: &'a str,
    pub(super) transactions: Vec<Summary<'a>>,
}

impl Transaction {
    pub(super) fn summary(&self) -> Summary<'_> {
        Summary { transaction_key: &self.key, status: self.status.name(), reason: self.status.reason() }
    }

    pub(super) fn detail(&self) -> Detail<'_> {
        Detail {
            transaction_key: &self.key,
            order_id: &self.purchase.order_id,
            card_type: self.purchase.card_type,
            card_no: self.purchase.card_no.reveal(),
            amount: self.purchase.amount,
            status: self.status.name(),
            reason: self.status.reason(),
        }
    }
}
