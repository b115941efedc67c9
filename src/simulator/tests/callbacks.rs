//! Callbacks on the wire.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::super::receiver::{Answer, ReceiverOptions, Script};
use super::bench::{CARD, Gateway, PAYMENTS, Shop, purchase, purchase_for_nobody};

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_callback_is_tried_once_whatever_is_answered() {
    let gateway = Gateway::start(&[]);
    let script = Script::new([Answer::Reset, "500".parse().unwrap()], false);
    let mut shop = Shop::start(ReceiverOptions { script, ..Default::default() });
    for order in ["order-1", "order-2", "order-3"] {
        gateway.pay(&shop.purchase(order)).await;
        assert_eq!(shop.next().await["orderId"], order);
    }
    gateway.pay(&purchase_for_nobody("order-4")).await;
    let callbacks = || gateway.handle.report().callbacks;
    until(|| callbacks().sent == 4).await;
    assert_eq!((callbacks().delivered, callbacks().refused, callbacks().failed), (1, 1, 2));
    assert_eq!(shop.handle.arrivals().len(), 3);
    let arrival = &shop.handle.arrivals()[0];
    assert_eq!((arrival.method.as_str(), arrival.path.as_str()), ("POST", "/callback"));
    assert!(arrival.headers.contains(&("content-type".into(), "application/json".into())));
    gateway.stop().await;
}

#[tokio::test]
async fn a_callback_may_come_often_late_out_of_order_or_never() {
    let gateway = Gateway::start(&[("callback", "dup(3)"), ("workers", "1")]);
    let mut shop = Shop::start(Default::default());
    gateway.pay(&shop.purchase("order-1")).await;
    let copies = [shop.next().await, shop.next().await, shop.next().await];
    assert!(copies.iter().all(|copy| *copy == copies[0]));

    gateway.handle.change([("callback", "reorder")]).unwrap();
    gateway.pay(&shop.purchase("order-2")).await;
    gateway.pay(&shop.purchase("order-3")).await;
    assert_eq!(shop.next().await["orderId"], "order-3");
    assert_eq!(shop.next().await["orderId"], "order-2");

    gateway.handle.change([("callback", "delay(1)")]).unwrap();
    gateway.pay(&shop.purchase("order-4")).await;
    assert_eq!(shop.next().await["orderId"], "order-4");

    for (mode, withheld) in [("drop(1)", 1), ("off", 2)] {
        gateway.handle.change([("callback", mode)]).unwrap();
        gateway.pay(&shop.purchase("order-5")).await;
        until(|| gateway.handle.report().callbacks.withheld == withheld).await;
    }
    assert_eq!(shop.handle.arrivals().len(), 6);
    gateway.stop().await;
}

#[tokio::test]
async fn a_signature_is_sent_when_it_is_on() {
    let gateway = Gateway::start(&[("callback_signature", "hmac"), ("callback_secret", "hush")]);
    let mut shop = Shop::start(Default::default());
    gateway.pay(&shop.purchase("order-1")).await;
    let arrival = shop.arrivals.recv().await.unwrap();
    let (_, signature) = arrival.headers.iter().find(|(name, _)| name == "x-pg-signature").unwrap();
    let (time, digest) = signature.split_once(",v1=").unwrap();
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::Mac>::new_from_slice(b"hush").unwrap();
    hmac::Mac::update(&mut mac, format!("{}.", time.strip_prefix("t=").unwrap()).as_bytes());
    hmac::Mac::update(&mut mac, &arrival.body);
    let expected: String = hmac::Mac::finalize(mac).into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, expected);
    gateway.stop().await;
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_card_number_is_never_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let gateway = Gateway::start(&[]);
    let mut shop = Shop::start(Default::default());
    let key = gateway.pay(&shop.purchase("000042")).await.key();
    shop.next().await;
    gateway.get(&format!("{PAYMENTS}/{key}")).await;
    gateway.pay(&purchase(CARD, &format!("http://127.0.0.1:1/{CARD}?token=hush"))).await;
    until(|| gateway.handle.report().callbacks.failed == 1).await;
    let mut wrong = purchase_for_nobody("1");
    wrong["cardType"] = json!(CARD);
    gateway.pay(&wrong).await;
    gateway.stop().await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("1234-56**-****-1451"), "{logged}");
    assert!(!logged.contains("5678-9814"), "{logged}");
    assert!(!logged.contains("hush"), "{logged}");
}
