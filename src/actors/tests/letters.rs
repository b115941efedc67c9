//! Dead letters that two people want something else of at once.

use super::*;
use crate::actors::answer::Refused;
use crate::domain::alert::Severity;
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Message};
use crate::domain::failure_history::FailureType;
use crate::domain::id::{DeliveryId, HistoryId, IdMarks, NoticeId};

const LETTER: DeliveryId = DeliveryId { notice: NoticeId(1), ordinal: 0 };

/// A node whose log was not told of something.
async fn node_with_a_letter(folder: &Path) -> Node {
    let clock = Clock::system();
    let now = clock.now();
    let letter = Delivery {
        id: LETTER,
        siblings: 1,
        channel: "log".into(),
        message: Message::FailureRecorded {
            severity: Severity::Warning,
            history: HistoryId(1),
            failure_type: FailureType::Other,
            target: "PG".into(),
            cause: "503".into(),
            occurred_at: now,
        },
        history: None,
        correlation: fresh(),
        queued_at: now,
        tried_since: now,
        attempts: 1,
        next_attempt_at: now,
        last_error: None,
    };
    let store = open(folder, clock);
    let change = Change { deliveries: vec![DeliveryChange::Dead(letter)], ..Change::default() };
    let marks = IdMarks { notice: LETTER.notice, ..IdMarks::default() };
    store.writer().commit_and_wait(vec![change], marks, now).unwrap();
    store.close().unwrap();
    start(folder, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_is_on_its_way_back_is_not_let_go_of() {
    install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let node = node_with_a_letter(folder.path()).await;
    let outbox = &node.system.outbox;
    // Asked in this order, and the second before the first is on disk.
    let (sent, let_go) =
        tokio::join!(outbox.retry(LETTER, "kim".into(), fresh()), outbox.dismiss(LETTER, "lee".into(), fresh()));
    assert!(sent.is_ok(), "{sent:?}");
    assert_eq!(let_go.err(), Some(Refused::NoSuchDelivery));
    let names = node.names_with("NotificationResent").await;
    assert!(!names.contains(&"NotificationDismissed"), "{names:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_is_let_go_of_does_not_come_back() {
    install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let node = node_with_a_letter(folder.path()).await;
    let outbox = &node.system.outbox;
    let (let_go, sent) =
        tokio::join!(outbox.dismiss(LETTER, "lee".into(), fresh()), outbox.retry(LETTER, "kim".into(), fresh()));
    assert!(let_go.is_ok(), "{let_go:?}");
    assert_eq!(sent.err(), Some(Refused::NoSuchDelivery));
    let names = node.names_with("NotificationDismissed").await;
    assert!(!names.contains(&"NotificationResent"), "{names:?}");
    assert_eq!(node.store.reader().delivery(LETTER).unwrap(), None);
    node.stop().await;
}
