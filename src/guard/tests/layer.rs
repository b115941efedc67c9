//! The tower layer, between tower's own.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{builder, charge, lookup, seconds};
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Safety, WhyEnough};
use crate::guard::{Error, Layer};

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_is_repeated_with_a_clone() {
    let seen = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&seen);
    let service = ServiceBuilder::new()
        .map_request(|word: &str| word.to_owned())
        .layer(Layer::new(builder().build(), lookup()).repeating())
        .service(service_fn(move |word: String| {
            let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move { if number < 3 { Err("down") } else { Ok(word.len()) } }
        }));
    assert_eq!(service.oneshot("hello").await, Ok(5));
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_cloned_is_sent_once() {
    struct Stream;
    let failing = service_fn(|_: Stream| async { Err::<(), _>("down") });
    let once = ServiceBuilder::new().layer(Layer::new(builder().build(), lookup())).service(failing);
    let expected = Err(Error::Failed { error: "down", attempts: 1, why: WhyEnough::AttemptsSpent });
    assert_eq!(once.oneshot(Stream).await, expected);

    let clones = Arc::new(AtomicU32::new(0));
    let clone_once = move |_: &Stream| (clones.fetch_add(1, Ordering::Relaxed) == 0).then_some(Stream);
    let twice =
        ServiceBuilder::new().layer(Layer::new(builder().build(), lookup()).repeating_by(clone_once)).service(failing);
    assert!(matches!(twice.oneshot(Stream).await, Err(Error::Failed { attempts: 2, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_never_reaches_the_service_and_its_error_says_so() {
    let guard = builder().build();
    guard.force_open("a test", Some(seconds(9)));
    let unreachable = service_fn(|_: ()| async { panic!("it was reached") as Result<(), Infallible> });
    let service = ServiceBuilder::new().layer(Layer::new(guard, charge())).service(unreachable);
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(9)));
    assert!(error.to_string().starts_with("the call was refused (forced_open)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_share_its_breaker() {
    let guard = builder().build();
    let layer = Layer::new(guard.clone(), charge());
    for _ in 0..10 {
        let service = ServiceBuilder::new().layer(&layer).service(service_fn(|_: ()| async { Err::<(), _>(()) }));
        let _ = service.oneshot(()).await;
    }
    let good = ServiceBuilder::new().layer(&layer).service(service_fn(|_: ()| async { Ok::<_, ()>(()) }));
    assert!(matches!(good.oneshot(()).await, Err(Error::Refused(_))));
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_means_can_be_said() {
    let guard = builder().build();
    let layer = Layer::new(guard.clone(), charge()).repeating().classified(
        |_: &_, safety: Safety, result: &Result<u32, ()>| match result {
            Ok(200) => Ended::new(Outcome::Success),
            Ok(_) => Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed),
            Err(()) => Ended::new(Outcome::Unknown).with_safety(safety),
        },
    );
    let service = ServiceBuilder::new().layer(layer).service(service_fn(|code: u32| async move { Ok::<_, ()>(code) }));
    assert_eq!(service.clone().oneshot(200).await, Ok(200));
    assert_eq!(service.oneshot(503).await, Ok(503), "the answer is the caller's, whatever it means");
    let lifetime = guard.view().breaker.lifetime;
    assert_eq!((lifetime.success, lifetime.failure), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn http_is_understood_by_method_status_and_retry_after() {
    let guard = builder().build();
    let answer = |request: http::Request<()>| async move {
        let status = request.uri().path().trim_start_matches('/').parse::<u16>().unwrap();
        Ok::<_, ()>(http::Response::builder().status(status).header("retry-after", "1").body(()).unwrap())
    };
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let service = ServiceBuilder::new().layer(Layer::http(guard.clone(), charge()).repeating()).service(service_fn(
        move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            answer(request)
        },
    ));
    for (method, status, expected) in
        [("GET", 200, 1), ("GET", 503, 3), ("POST", 503, 1), ("POST", 429, 3), ("GET", 401, 1), ("POST", 404, 1)]
    {
        tokio::time::advance(seconds(10)).await;
        let request = http::Request::builder().method(method).uri(format!("/{status}")).body(()).unwrap();
        let before = attempts.load(Ordering::Relaxed);
        let clock = crate::clock::Clock::system();
        let answered = service.clone().oneshot(request).await.unwrap().status();
        assert_eq!((answered.as_u16(), attempts.load(Ordering::Relaxed) - before), (status, expected), "{method}");
        let waited = clock.moment().since(Default::default());
        assert!(waited >= seconds(u64::from(expected - 1)), "{method} {status} came back after {waited:?}");
    }
}
