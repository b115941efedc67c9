//! More that speaks against a target never makes it look better, and nobody but maintenance and blindness stands above
//! what was found.

use proptest::prelude::*;

use super::tests::{of, rates, watch};
use super::*;
use crate::domain::breaker::{Mode, State};
use crate::domain::time::Timestamp;

/// One target at one moment, with everything that can be said of it.
#[derive(Debug, Clone)]
struct Scene {
    state: IntegrationState,
    breaker: State,
    mode: Mode,
    probe: Option<LastProbe>,
    failed: Option<(f64, f64)>,
    opened: Option<(f64, f64)>,
    trial_passed: bool,
    provider: Option<ProviderStatus>,
    warning: bool,
    parent_down: bool,
    flapping: Option<u8>,
    blind: bool,
    maintenance: bool,
}

fn part() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0]
}

fn scene() -> impl Strategy<Value = Scene> {
    let state = prop::sample::select(IntegrationState::ALL.to_vec());
    let breaker = prop::sample::select(vec![State::Closed, State::HalfOpen, State::Open]);
    let mode =
        prop::sample::select(vec![Mode::Enforce, Mode::DryRun, Mode::Disabled, Mode::ForcedOpen, Mode::ForcedClosed]);
    let probe = prop::option::of(
        (any::<bool>(), any::<bool>()).prop_map(|(ok, degraded)| LastProbe { ok, degraded: ok && degraded }),
    );
    let rates = || prop::option::of((part(), part()));
    let provider = prop::option::of(prop::sample::select(ProviderStatus::ALL.to_vec()));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    ((state, breaker, mode, probe), (rates(), rates()), provider, flags, prop::option::of(20_u8..100)).prop_map(
        |((state, breaker, mode, probe), (failed, opened), provider, flags, flapping)| {
            let (trial_passed, warning, parent_down, blind, maintenance) = flags;
            Scene {
                state,
                breaker,
                mode,
                probe,
                failed,
                opened,
                trial_passed,
                provider,
                warning,
                parent_down,
                flapping,
                blind,
                maintenance,
            }
        },
    )
}

fn seen(scene: &Scene) -> (Health, String) {
    let mut watch = watch(scene.state);
    (watch.breaker.state, watch.breaker.mode) = (scene.breaker, scene.mode);
    let needs: [(Arc<str>, Standing); 1] = [("internet".into(), Standing::Down)];
    let window = Window { from: Timestamp::MIN, until: Timestamp::MAX, reason: "work".into() };
    let inputs = Inputs {
        warning: scene.warning.then_some("the certificate ends in 9 days"),
        traffic: Traffic {
            calls: 50,
            window: scene.failed.and_then(|(failed, slow)| rates(failed, slow)),
            opened: scene.opened.and_then(|(failed, slow)| rates(failed, slow)),
            trial_passed: scene.trial_passed,
        },
        provider: scene.provider,
        maintenance: scene.maintenance.then_some(&window),
        flapping: scene.flapping,
        blind: scene.blind,
        needs: if scene.parent_down { &needs } else { &[] },
        ..of(&watch, scene.probe)
    };
    let verdict = verdict(&inputs);
    (verdict.health, verdict.cause.into_owned())
}

/// The same scene with one thing worse; `None` where that thing cannot be worse.
fn worse(scene: &Scene, what: usize) -> Option<Scene> {
    let mut worse = scene.clone();
    match what {
        0 => worse.state = IntegrationState::Failed,
        1 => worse.probe = Some(LastProbe { ok: false, degraded: false }),
        2 => {
            worse.probe =
                scene.probe.filter(|probe| probe.ok).map(|_| LastProbe { ok: true, degraded: true }).or(scene.probe)
        }
        3 => {
            let (failed, slow) = scene.failed.unwrap_or_default();
            worse.failed = Some(((failed + 0.3).min(1.0), (slow + 0.3).min(1.0)));
        }
        4 => worse.opened = Some((1.0, 1.0)),
        5 => worse.trial_passed = false,
        6 => worse.provider = Some(ProviderStatus::MajorOutage),
        7 => worse.warning = true,
        8 => worse.breaker = State::Open,
        9 => worse.mode = Mode::ForcedOpen,
        10 => worse.parent_down = true,
        _ => worse.flapping = Some(50),
    }
    // A target that nobody tried becomes known by bad news; that is another question.
    let known =
        |scene: &Scene| scene.state != IntegrationState::Unknown || scene.failed.is_some() || scene.opened.is_some();
    known(scene).then_some(worse)
}

proptest! {
    #[test]
    fn bad_news_never_makes_a_target_look_better(mut scene in scene(), what in 0_usize..12) {
        (scene.blind, scene.maintenance) = (false, false);
        if let Some(worse) = worse(&scene, what) {
            let (before, after) = (seen(&scene), seen(&worse));
            prop_assert!(after.0 >= before.0, "{before:?} became {after:?}");
        }
    }

    #[test]
    fn the_providers_page_the_probe_and_warnings_alone_only_ever_degrade(mut scene in scene()) {
        scene.state = IntegrationState::Connected;
        (scene.failed, scene.opened, scene.blind, scene.maintenance) = (None, None, false, false);
        prop_assert!(seen(&scene).0 <= Health::Degraded);
    }

    #[test]
    fn maintenance_stands_above_blindness_and_blindness_above_everything(scene in scene()) {
        let health = seen(&scene).0;
        prop_assert_eq!(health == Health::Maintenance, scene.maintenance);
        if scene.blind && !scene.maintenance {
            prop_assert_eq!(health, Health::Unknown);
        }
    }

    #[test]
    fn healthy_means_that_nothing_speaks_against_it(scene in scene()) {
        if seen(&scene).0 == Health::Healthy {
            prop_assert!(matches!(scene.state, IntegrationState::Connected | IntegrationState::Unknown));
            prop_assert!(scene.breaker == State::Closed || matches!(scene.mode, Mode::Disabled | Mode::ForcedClosed));
            prop_assert!(scene.probe.is_none_or(|probe| scene.state == IntegrationState::Unknown || (probe.ok && !probe.degraded)));
            prop_assert!(scene.provider.is_none_or(|status| status == ProviderStatus::Operational) && !scene.warning);
            for (failed, slow) in scene.failed.iter().chain(&scene.opened) {
                prop_assert!(*failed <= FAILING_PART && *slow <= SLOW_PART);
            }
        }
    }

    #[test]
    fn a_cause_is_one_line_that_says_something(scene in scene()) {
        let cause = seen(&scene).1;
        prop_assert!(!cause.is_empty() && !cause.contains('\n'));
        prop_assert!(!cause.ends_with([',', ';', ' ']) && !cause.contains("  "), "{cause}");
    }
}
