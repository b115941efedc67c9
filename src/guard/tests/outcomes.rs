//! What a caller is told, what the breaker hears, and what is tried again.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{builder, charge, lookup, millis, seconds};
use crate::clock::Clock;
use crate::domain::breaker::Lifetime;
use crate::domain::guard::WhyEnough;
use crate::guard::{Error, Guard, Operation, Reply};

/// Calls with the same reply each time: what the caller got, and the attempts.
async fn ask(
    guard: &Guard,
    operation: &Operation,
    reply: impl Fn() -> Reply<u8, &'static str>,
) -> (Result<u8, Error<&'static str>>, u32) {
    let attempts = AtomicU32::new(0);
    let result = guard
        .call(operation, |attempt| {
            assert_eq!(attempt.number, attempts.fetch_add(1, Ordering::Relaxed) + 1);
            std::future::ready(reply())
        })
        .await;
    (result, attempts.into_inner())
}

fn lifetime(guard: &Guard) -> Lifetime {
    guard.view().breaker.lifetime
}

#[tokio::test(start_paused = true)]
async fn a_success_is_a_success() {
    let guard = builder().build();
    assert_eq!(ask(&guard, &lookup(), || Reply::success(1)).await, (Ok(1), 1));
    assert_eq!(lifetime(&guard), Lifetime { success: 1, ..Lifetime::default() });
}

#[tokio::test(start_paused = true)]
async fn a_declined_call_is_an_answer_and_is_not_repeated() {
    let guard = builder().build();
    let declined = Err(Error::Declined("no funds"));
    assert_eq!(ask(&guard, &lookup(), || Reply::declined("no funds")).await, (declined, 1));
    assert_eq!(lifetime(&guard), Lifetime { success: 1, ..Lifetime::default() });
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_repeated_where_the_operation_or_the_reply_says_that_it_is_safe() {
    let guard = builder().build();
    let failed = |attempts, why| Err(Error::Failed { error: "500", attempts, why });
    let (not_safe, spent) = (WhyEnough::NotSafe, WhyEnough::AttemptsSpent);
    assert_eq!(ask(&guard, &charge(), || Reply::failure("500")).await, (failed(1, not_safe), 1));
    tokio::time::advance(seconds(10)).await;
    assert_eq!(ask(&guard, &lookup(), || Reply::failure("500")).await, (failed(3, spent), 3));
    tokio::time::advance(seconds(10)).await;
    assert_eq!(ask(&guard, &charge(), || Reply::failure("500").not_processed()).await, (failed(3, spent), 3));
    tokio::time::advance(seconds(10)).await;
    assert_eq!(ask(&guard, &charge(), || Reply::failure("500").not_sent()).await, (failed(3, spent), 3));
    assert_eq!(lifetime(&guard).failure, 4, "calls, not attempts");
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_decides() {
    let guard = builder().build();
    let operation = lookup();
    let result = guard
        .call(&operation, |attempt| async move { if attempt.number < 3 { Err("down") } else { Ok(attempt.number) } })
        .await;
    assert_eq!(result, Ok(3));
    assert_eq!(lifetime(&guard), Lifetime { success: 1, ..Lifetime::default() });
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_not_repeated_unless_it_is_safe_and_says_so() {
    let guard = builder().build();
    let (result, attempts) = ask(&guard, &charge(), || Reply::unknown("reset")).await;
    let error = result.unwrap_err();
    assert!(error.may_have_been_done());
    assert_eq!((error, attempts), (Error::Unknown { error: "reset", attempts: 1, why: WhyEnough::NotSafe }, 1));
    assert_eq!(ask(&guard, &lookup(), || Reply::unknown("reset")).await.1, 3);
    assert_eq!(lifetime(&guard), Lifetime { unknown: 2, ..Lifetime::default() });
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_say_nothing_about_the_target_and_are_not_repeated() {
    let guard = builder().build();
    for status in [401, 403] {
        let (result, attempts) = ask(&guard, &lookup(), || lookup().reply(status, Err("misconfigured"))).await;
        let error = Error::Ignored { error: "misconfigured", attempts: 1, why: WhyEnough::NotSafe };
        assert_eq!((result, attempts), (Err(error), 1));
    }
    assert_eq!(lifetime(&guard), Lifetime { ignored: 2, ..Lifetime::default() });
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_comes_back_when_it_is_asked_to_and_does_not_count() {
    let guard = builder().build();
    let clock = Clock::system();
    let operation = charge();
    let result = guard
        .call(&operation, |attempt| async move {
            match attempt.number {
                1 => operation_reply(429, Some(2)),
                _ => Reply::success(()),
            }
        })
        .await;
    assert_eq!(result, Ok(()));
    assert_eq!(clock.moment().since(Default::default()), seconds(2));
    let (result, attempts) = ask(&guard, &operation, || Reply::throttled("429", Some(seconds(8)))).await;
    let error = Error::Ignored { error: "429", attempts: 1, why: WhyEnough::TimeSpent };
    assert_eq!((result, attempts), (Err(error), 1), "a pause longer than the call's time is not begun");
    assert_eq!(lifetime(&guard), Lifetime { success: 1, ignored: 1, ..Lifetime::default() });
}

fn operation_reply(status: u16, retry_after: Option<u64>) -> Reply<(), &'static str> {
    let reply = charge().reply(status, Err("throttled"));
    retry_after.map_or(charge().reply(status, Err("throttled")), |wait| reply.retry_after(seconds(wait)))
}

#[tokio::test(start_paused = true)]
async fn statuses_that_the_operation_declares_not_processed_are_repeated() {
    let guard = builder().build();
    let declared = charge().not_processed(&[500]);
    assert_eq!(ask(&guard, &declared, || declared.reply(500, Err("500"))).await.1, 3);
    assert_eq!(ask(&guard, &declared, || declared.reply(503, Err("503"))).await.1, 1);
    assert_eq!(ask(&guard, &charge(), || charge().reply(500, Err("500"))).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_limits_of_its_own() {
    let guard = builder().retry_budget(1.0, 100).build();
    assert_eq!(ask(&guard, &lookup().attempts(5), || Reply::failure("500")).await.1, 5);
    assert_eq!(ask(&guard, &lookup().attempts(1), || Reply::failure("500")).await.1, 1);
    let quick = charge().attempt_timeout(millis(50));
    let result = guard.call(&quick, |_| std::future::pending::<Result<(), ()>>()).await;
    assert_eq!(result, Err(Error::TimedOut { limit: millis(50), attempts: 1, why: WhyEnough::NotSafe }));
}

#[tokio::test(start_paused = true)]
async fn an_error_names_what_happened_and_leads_to_its_cause() {
    let guard = builder().build();
    let refused = |_| async { Err::<(), _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)) };
    let error = guard.call(&charge(), refused).await.unwrap_err();
    assert_eq!(error.to_string(), "the target failed (1 attempts, not_safe)");
    assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("connection refused"));
    assert!(error.into_inner().is_some());
}
