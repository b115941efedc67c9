//! The transactions, as long as they are remembered, and what was charged for each order.
//!
//! Deliberately not here: when a transaction is settled, and by what luck.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Serialize;

use super::card::{CardNumber, CardType};
use super::dice::Verdict;

/// How many charged orders a report shows.
const ORDERS_SHOWN: usize = 1_000;

/// How many transactions, newest first, are looked through for them.
const ROWS_LOOKED_AT: usize = 20_000;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Success,
    OverLimit,
    InvalidCard,
    /// Ours: only the cancel endpoint leads here.
    Canceled,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Success => "SUCCESS",
            Self::OverLimit | Self::InvalidCard => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// There is no machine-readable decline code; clients tell them apart by these texts.
    pub(super) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Pending => None,
            Self::Success => Some("정상 승인되었습니다."),
            Self::OverLimit => Some("한도초과입니다. 다른 카드를 선택해주세요."),
            Self::InvalidCard => Some("잘못된 카드입니다. 다른 카드를 선택해주세요."),
            Self::Canceled => Some("결제가 취소되었습니다."),
        }
    }
}

/// What a merchant asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purchase {
    pub(super) order_id: Arc<str>,
    pub(super) card_type: CardType,
    pub(super) card_no: CardNumber,
    pub(super) amount: i64,
    pub(super) callback_url: Box<str>,
}

/// One card payment.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) key: Arc<str>,
    pub(super) tenant: Arc<str>,
    pub(super) purchase: Purchase,
    pub(super) status: Status,
}

/// A transaction's place in the ledger: 0 for the first that was ever stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

/// What a cancellation found.
#[derive(Debug)]
pub(super) enum Cancellation {
    Done(Transaction),
    Failed,
    NotFound,
}

/// All transactions that are remembered.
///
/// At most `capacity` are; one more makes the oldest be forgotten, whatever its status, as if it had never been.
#[derive(Debug)]
pub(super) struct Ledger {
    capacity: usize,
    forgotten: u64,
    rows: VecDeque<Transaction>,
    by_key: HashMap<Arc<str>, Position>,
    by_order: HashMap<OrderKey, Order>,
    totals: Totals,
}

type OrderKey = (Arc<str>, Arc<str>);

#[derive(Debug, Default)]
struct Order {
    positions: VecDeque<Position>,
    charges: u64,
    amount: i128,
}

/// Counts over the simulator's whole life.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    stored: u64,
    charged: u64,
    charged_amount: i128,
    refunded: u64,
    failed: u64,
    canceled: u64,
    orders_charged_more_than_once: u64,
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            forgotten: 0,
            rows: VecDeque::new(),
            by_key: HashMap::new(),
            by_order: HashMap::new(),
            totals: Totals::default(),
        }
    }

    /// Stores a pending transaction under a new key of this day (`yyyyMMdd`).
    ///
    /// The original's keys have 24 random bits and may collide, which overwrites the older row. That would be this
    /// simulator's fault and not its client's, so a key that is taken is drawn again.
    pub(super) fn store(
        &mut self,
        tenant: Arc<str>,
        purchase: Purchase,
        day: &str,
        keys: &mut StdRng,
    ) -> (Position, Arc<str>) {
        while self.rows.len() >= self.capacity {
            self.forget_oldest();
        }
        let key = loop {
            let drawn: Arc<str> = format!("{day}:TR:{:06x}", keys.random_range(0..1_u32 << 24)).into();
            if !self.by_key.contains_key(&drawn) {
                break drawn;
            }
        };
        let position = Position(self.totals.stored);
        self.totals.stored += 1;
        self.by_key.insert(Arc::clone(&key), position);
        let order_key = (Arc::clone(&tenant), Arc::clone(&purchase.order_id));
        self.by_order.entry(order_key).or_default().positions.push_back(position);
        self.rows.push_back(Transaction { key: Arc::clone(&key), tenant, purchase, status: Status::Pending });
        (position, key)
    }

    /// The verdict on a pending transaction. `None` if it is no longer pending, or forgotten.
    pub(super) fn settle(&mut self, position: Position, verdict: Verdict) -> Option<Transaction> {
        let row = self.row_mut(position).filter(|row| row.status == Status::Pending)?;
        row.status = match verdict {
            Verdict::Approved => Status::Success,
            Verdict::OverLimit => Status::OverLimit,
            Verdict::InvalidCard => Status::InvalidCard,
        };
        let settled = row.clone();
        match verdict {
            Verdict::Approved => self.note_charge(&settled),
            Verdict::OverLimit | Verdict::InvalidCard => self.totals.failed += 1,
        }
        Some(settled)
    }

    /// Takes a payment back, or keeps a pending one from being charged. Doing it twice is doing it once.
    pub(super) fn cancel(&mut self, tenant: &str, key: &str) -> Cancellation {
        let Some(position) = self.position(tenant, key) else { return Cancellation::NotFound };
        let Some(row) = self.row_mut(position) else { return Cancellation::NotFound };
        let status_before = row.status;
        if matches!(status_before, Status::OverLimit | Status::InvalidCard) {
            return Cancellation::Failed;
        }
        row.status = Status::Canceled;
        let canceled = row.clone();
        if status_before == Status::Success {
            self.note_refund(&canceled);
        }
        if status_before != Status::Canceled {
            self.totals.canceled += 1;
        }
        Cancellation::Done(canceled)
    }

    /// The transaction, if it is this tenant's.
    pub(super) fn find(&self, tenant: &str, key: &str) -> Option<&Transaction> {
        self.row(self.position(tenant, key)?)
    }

    /// The tenant's transactions for an order, newest first.
    pub(super) fn of_order(&self, tenant: &str, order_id: &str) -> Vec<&Transaction> {
        self.by_order
            .get(&(tenant.into(), order_id.into()))
            .map(|order| order.positions.iter().rev().filter_map(|position| self.row(*position)).collect())
            .unwrap_or_default()
    }

    fn position(&self, tenant: &str, key: &str) -> Option<Position> {
        let position = *self.by_key.get(key)?;
        (*self.row(position)?.tenant == *tenant).then_some(position)
    }

    fn row(&self, position: Position) -> Option<&Transaction> {
        self.rows.get(usize::try_from(position.0.checked_sub(self.forgotten)?).ok()?)
    }

    fn row_mut(&mut self, position: Position) -> Option<&mut Transaction> {
        self.rows.get_mut(usize::try_from(position.0.checked_sub(self.forgotten)?).ok()?)
    }

    fn order_mut(&mut self, row: &Transaction) -> &mut Order {
        self.by_order.entry((Arc::clone(&row.tenant), Arc::clone(&row.purchase.order_id))).or_default()
    }

    fn note_charge(&mut self, row: &Transaction) {
        let amount = i128::from(row.purchase.amount);
        let order = self.order_mut(row);
        order.charges += 1;
        order.amount += amount;
        let is_second = order.charges == 2;
        self.totals.charged += 1;
        self.totals.charged_amount += amount;
        self.totals.orders_charged_more_than_once += u64::from(is_second);
    }

    fn note_refund(&mut self, row: &Transaction) {
        let amount = i128::from(row.purchase.amount);
        let order = self.order_mut(row);
        order.charges -= 1;
        order.amount -= amount;
        let was_second = order.charges == 1;
        self.totals.refunded += 1;
        self.totals.charged_amount -= amount;
        self.totals.orders_charged_more_than_once -= u64::from(was_second);
    }

    fn forget_oldest(&mut self) {
        let Some(row) = self.rows.pop_front() else { return };
        self.forgotten += 1;
        self.by_key.remove(&row.key);
        let order_key = (row.tenant, row.purchase.order_id);
        let Some(order) = self.by_order.get_mut(&order_key) else { return };
        order.positions.pop_front();
        if order.positions.is_empty() {
            self.by_order.remove(&order_key);
        }
    }
}

/// What became of the transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionReport {
    /// Ever stored.
    pub stored: u64,
    /// Stored, and forgotten since because there were too many.
    pub forgotten: u64,
    /// Neither charged nor failed nor canceled.
    pub pending: u64,
    /// Charged, refunded ones among them.
    pub success: u64,
    /// Failed.
    pub failed: u64,
    /// Canceled, whether they had been charged or not.
    pub canceled: u64,
}

/// What was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeReport {
    /// Charges ever made.
    pub count: u64,
    /// Charges that a cancellation took back.
    pub refunded: u64,
    /// Sum of what was charged and not taken back.
    pub amount: i128,
    /// Orders that hold more than one charge: somebody paid twice.
    pub orders_charged_more_than_once: u64,
    /// The newest orders with a charge, at most 1,000 from the newest 20,000 transactions.
    pub orders: Vec<OrderCharges>,
}

/// What was charged for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCharges {
    /// Whose order.
    pub user_id: String,
    /// Which.
    pub order_id: String,
    /// Transactions that are remembered.
    pub transactions: usize,
    /// Charges that were not taken back.
    pub charges: u64,
    /// Their sum.
    pub amount: i128,
}

impl Ledger {
    pub(super) fn transactions(&self) -> TransactionReport {
        let Totals { stored, charged, refunded, failed, canceled, .. } = self.totals;
        TransactionReport {
            stored,
            forgotten: self.forgotten,
            // A forgotten transaction that was pending stays in this number: nobody will ever settle it.
            pending: stored - charged - failed - (canceled - refunded),
            success: charged,
            failed,
            canceled,
        }
    }

    pub(super) fn charges(&self) -> ChargeReport {
        ChargeReport {
            count: self.totals.charged,
            refunded: self.totals.refunded,
            amount: self.totals.charged_amount,
            orders_charged_more_than_once: self.totals.orders_charged_more_than_once,
            orders: self.newest_charged_orders(),
        }
    }

    /// One order of every tenant that has it, among the newest transactions.
    pub(super) fn charges_of(&self, order_id: &str) -> ChargeReport {
        let mut charges = self.charges();
        charges.orders = self.orders_where(|(_, candidate), _| **candidate == *order_id);
        charges
    }

    fn newest_charged_orders(&self) -> Vec<OrderCharges> {
        self.orders_where(|_, order| order.charges > 0)
    }

    fn orders_where(&self, is_wanted: impl Fn(&OrderKey, &Order) -> bool) -> Vec<OrderCharges> {
        let mut seen = BTreeSet::new();
        let mut orders = Vec::new();
        for row in self.rows.iter().rev().take(ROWS_LOOKED_AT) {
            let order_key = (Arc::clone(&row.tenant), Arc::clone(&row.purchase.order_id));
            if orders.len() == ORDERS_SHOWN || seen.contains(&order_key) {
                continue;
            }
            if let Some(order) = self.by_order.get(&order_key).filter(|order| is_wanted(&order_key, order)) {
                orders.push(OrderCharges {
                    user_id: order_key.0.to_string(),
                    order_id: order_key.1.to_string(),
                    transactions: order.positions.len(),
                    charges: order.charges,
                    amount: order.amount,
                });
            }
            seen.insert(order_key);
        }
        orders
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::seeded;
    use super::*;

    fn purchase(order_id: &str) -> Purchase {
        Purchase {
            order_id: order_id.into(),
            card_type: CardType::Kb,
            card_no: CardNumber::parse("1234-5678-9814-1451").unwrap(),
            amount: 5000,
            callback_url: "http://localhost:8080".into(),
        }
    }

    fn store(ledger: &mut Ledger, tenant: &str, order_id: &str) -> (Position, Arc<str>) {
        let mut keys = seeded(1, 9, ledger.totals.stored);
        ledger.store(tenant.into(), purchase(order_id), "20240601", &mut keys)
    }

    #[test]
    fn one_too_many_makes_the_oldest_be_forgotten() {
        let mut ledger = Ledger::new(2);
        let (first, first_key) = store(&mut ledger, "u", "order-1");
        let (second, _) = store(&mut ledger, "u", "order-1");
        store(&mut ledger, "u", "order-2");
        assert!(ledger.find("u", &first_key).is_none());
        assert!(ledger.settle(first, Verdict::Approved).is_none());
        assert!(ledger.settle(second, Verdict::Approved).is_some());
        assert_eq!(ledger.of_order("u", "order-1").len(), 1);
        store(&mut ledger, "u", "order-3");
        assert!(ledger.of_order("u", "order-1").is_empty());
        assert_eq!((ledger.by_order.len(), ledger.by_key.len(), ledger.transactions().forgotten), (2, 2, 2));
    }

    #[test]
    fn a_key_that_is_taken_is_drawn_again() {
        let mut ledger = Ledger::new(10);
        let mut stored = BTreeSet::new();
        for _ in 0..3 {
            // Three times the same generator, so three times the same first draw.
            stored.insert(ledger.store("u".into(), purchase("order-1"), "20240601", &mut seeded(1, 9, 0)).1);
        }
        assert_eq!(stored.len(), 3);
    }

    #[test]
    fn charges_and_refunds_are_counted_by_order() {
        let mut ledger = Ledger::new(10);
        let (first, key) = store(&mut ledger, "u", "order-1");
        let (second, _) = store(&mut ledger, "u", "order-1");
        ledger.settle(first, Verdict::Approved);
        ledger.settle(second, Verdict::Approved);
        assert!(ledger.settle(second, Verdict::OverLimit).is_none(), "settled once and for all");
        assert_eq!(ledger.charges().orders_charged_more_than_once, 1);
        assert!(matches!(ledger.cancel("u", &key), Cancellation::Done(_)));
        assert!(matches!(ledger.cancel("u", &key), Cancellation::Done(_)));
        assert!(matches!(ledger.cancel("other", &key), Cancellation::NotFound));
        let charges = ledger.charges();
        assert_eq!((charges.count, charges.refunded, charges.amount), (2, 1, 5000));
        assert_eq!(charges.orders_charged_more_than_once, 0);
        assert_eq!(ledger.transactions().canceled, 1);
        assert_eq!(ledger.transactions().pending, 0);
    }
}
