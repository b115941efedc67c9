//! Calls through the breaker: when it opens, what it refuses, and that it needs nobody to drive it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::{bad_call, builder, charge, good_call, lookup, millis, seconds};
use crate::domain::breaker::{self, Refusal as BreakerRefusal, State};
use crate::domain::guard::Refusal;
use crate::guard::{Error, Guard, Refused};

/// Opens it with as many failures as that takes.
async fn open(guard: &Guard) {
    for _ in 0..10 {
        bad_call(guard).await;
    }
    assert_eq!(guard.view().breaker.state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_exactly_ten_calls_whatever_their_attempts() {
    let guard = builder().retry_budget(1.0, 100).build();
    let mut attempts = 0;
    let mut made = 0;
    for _ in 0..30 {
        let before = attempts;
        let result = guard
            .call(&lookup(), |_| {
                attempts += 1;
                async { Err::<(), _>("down") }
            })
            .await;
        assert!(result.is_err());
        made += u32::from(attempts > before);
    }
    assert_eq!((made, attempts), (10, 30), "ten calls of three attempts, then none");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_at_once_and_says_when_to_come_back() {
    let guard = builder().breaker(breaker::Policy { jitter: 0.0, ..Default::default() }).build();
    open(&guard).await;
    tokio::time::advance(seconds(2)).await;
    let error =
        guard.call(&charge(), |_| async { Ok::<_, ()>(()) }).now_or_never().expect("it does not wait").unwrap_err();
    let refused = Refused { why: Refusal::Breaker(BreakerRefusal::Open), retry_after: seconds(3) };
    assert_eq!((error.retry_after(), error), (Some(seconds(3)), Error::Refused(refused)));
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_by_the_calls_alone() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let guard = builder().on_transition(move |decided| heard.lock().push(decided.transition.to)).build();
    open(&guard).await;
    tokio::time::advance(seconds(6)).await;
    for _ in 0..3 {
        assert!(good_call(&guard).await);
    }
    assert_eq!(guard.view().breaker.state, State::Closed);
    assert_eq!(*told.lock(), [State::Open, State::HalfOpen, State::Closed]);
}

#[tokio::test(start_paused = true)]
async fn who_looks_sees_that_the_open_time_is_over() {
    let guard = builder().build();
    open(&guard).await;
    tokio::time::advance(seconds(6)).await;
    assert_eq!(guard.view().breaker.state, State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn of_many_callers_at_half_open_three_are_tried() {
    let guard = builder().build();
    open(&guard).await;
    tokio::time::advance(seconds(6)).await;
    let operation = charge();
    let never = |_| std::future::pending::<Result<(), ()>>();
    let mut calls: Vec<_> = (0..20).map(|_| Box::pin(guard.call(&operation, never))).collect();
    let ended = calls.iter_mut().filter_map(|call| call.now_or_never()).count();
    assert_eq!(ended, 17, "refused at once");
    drop(calls);
    assert_eq!(guard.view().breaker.trials.granted, 0, "a trial that is cancelled can be handed out again");
    assert!(good_call(&guard).await);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_open_it_while_they_hang() {
    let guard = builder().build();
    let operation = charge();
    let hang = |_| std::future::pending::<Result<(), ()>>();
    let mut calls: Vec<_> = (0..10).map(|_| Box::pin(guard.call(&operation, hang))).collect();
    assert!(calls.iter_mut().all(|call| call.now_or_never().is_none()));
    tokio::time::advance(millis(1_500)).await;
    assert!(matches!(guard.call(&operation, hang).await, Err(Error::Refused(_))));
    assert_eq!(guard.view().breaker.state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_counts_for_nothing() {
    let guard = builder().build();
    let operation = charge();
    for _ in 0..20 {
        let call = guard.call(&operation, |_| std::future::pending::<Result<(), ()>>());
        assert!(tokio::time::timeout(millis(100), call).await.is_err());
    }
    let view = guard.view().breaker;
    assert_eq!((view.state, view.window.calls, view.in_flight, view.lifetime.cancelled), (State::Closed, 0, 0, 20));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_leaves_its_place() {
    let guard = builder().bulkhead(1, 0, seconds(0)).build();
    for _ in 0..10 {
        let operation = charge();
        let call = guard.call(&operation, |_| async { if true { panic!("in a test") } else { Ok::<(), ()>(()) } });
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    }
    let view = guard.view().breaker;
    assert_eq!((view.state, view.lifetime.failure), (State::Open, 10));
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_hold_it_and_let_go() {
    let guard = builder().build();
    guard.force_open("maintenance at the bank", None);
    assert!(!good_call(&guard).await);
    assert_eq!(guard.view().forced_because.as_deref(), Some("maintenance at the bank"));
    guard.let_go();
    assert_eq!((guard.view().forced_because, guard.view().breaker.state), (None, State::HalfOpen));
    guard.force_closed("we know better", Some(seconds(30)));
    for _ in 0..20 {
        bad_call(&guard).await;
    }
    assert_eq!(guard.view().breaker.state, State::Closed);
    tokio::time::advance(seconds(30)).await;
    assert_eq!(
        (guard.view().forced_because, good_call(&guard).await),
        (None, false),
        "the window says that it is down"
    );
    guard.reset();
    assert!(good_call(&guard).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_or_fails_can_fall_back() {
    let guard = builder().build();
    let cached = |_: &Error<&str>| Some(7);
    let operation = charge();
    assert_eq!(guard.call_or(&operation, |_| async { Err("down") }, cached).await, Ok(7));
    assert_eq!(guard.call_or(&operation, |_| async { Ok(1) }, cached).await, Ok(1));
    guard.force_open("a test", None);
    assert_eq!(guard.call_or(&operation, |_| async { Ok(1) }, cached).await, Ok(7));
    assert!(guard.call_or(&operation, |_| async { Ok::<_, &str>(1) }, |_| None).await.is_err());
}
