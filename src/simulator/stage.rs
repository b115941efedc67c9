//! The settings that hold now, and the phase that they belong to.
//!
//! There are always two sets: the one the simulator was started with, and the one that holds now. A change by hand goes
//! into both, so that it is seen at once and stays when the phase ends; the next phase that names the setting wins.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::problem::{Error, Problems};
use super::scenario::{Phase, Scenario};
use super::settings::Settings;

/// The name of the time without a scenario.
const STEADY: &str = "steady";

/// A phase has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseEntered {
    /// Its name; `steady` where there is no scenario.
    pub name: Arc<str>,
    /// Counts the phases that were entered, from 0.
    pub sequence: u64,
    /// How long it lasts, unless somebody enters another one. `None`: it stays.
    pub duration: Option<Duration>,
}

/// What holds now.
#[derive(Debug)]
pub(super) struct Stage {
    now: ArcSwap<Settings>,
    script: Mutex<Script>,
    entered: watch::Sender<PhaseEntered>,
}

#[derive(Debug)]
struct Script {
    base: Settings,
    scenario: Option<Scenario>,
    /// Index of the phase that is on.
    phase: usize,
}

impl Stage {
    /// Enters the scenario's first phase.
    pub(super) fn set(base: Settings, scenario: Option<Scenario>) -> Result<Self, Problems> {
        check_phases(&base, scenario.as_ref())?;
        let first = scenario.as_ref().and_then(|scenario| scenario.phases.first());
        let now = first.map_or_else(|| Ok(base.clone()), |phase| phase.apply(&base))?;
        let entered = first.map_or_else(
            || PhaseEntered { name: STEADY.into(), sequence: 0, duration: None },
            |phase| PhaseEntered { name: Arc::clone(&phase.name), sequence: 0, duration: phase.duration },
        );
        Ok(Self {
            now: ArcSwap::from_pointee(now),
            script: Mutex::new(Script { base, scenario, phase: 0 }),
            entered: watch::Sender::new(entered),
        })
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.now.load_full()
    }

    pub(super) fn phases(&self) -> watch::Receiver<PhaseEntered> {
        self.entered.subscribe()
    }

    /// Takes all changes or none.
    pub(super) fn change(&self, changes: &[(String, String)]) -> Result<(), Problems> {
        let pairs = || changes.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let mut script = self.script.lock();
        let base = script.base.with(pairs())?;
        let now = self.settings().with(pairs())?;
        check_phases(&base, script.scenario.as_ref())?;
        script.base = base;
        self.now.store(Arc::new(now));
        Ok(())
    }

    /// Enters the first phase of this name.
    pub(super) fn enter(&self, name: &str) -> Result<(), Error> {
        let mut script = self.script.lock();
        let phases = script.scenario.as_ref().map_or(&[][..], |scenario| &scenario.phases);
        let Some(index) = phases.iter().position(|phase| &*phase.name == name) else {
            let known = phases.iter().map(|phase| &*phase.name).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none, since no scenario is played".to_owned() } else { known };
            return Err(Error::NoSuchPhase { name: name.to_owned(), known });
        };
        self.begin(&mut script, index);
        Ok(())
    }

    /// Plays the scenario for ever.
    pub(super) async fn play(&self) {
        let mut entered = self.phases();
        loop {
            let PhaseEntered { sequence, duration, .. } = entered.borrow_and_update().clone();
            let over = async {
                match duration {
                    Some(duration) => tokio::time::sleep(duration).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.enter_next(sequence),
                // Cannot fail: this stage holds the sender.
                _ = entered.changed() => {}
            }
        }
    }

    /// Unless somebody was quicker and entered another one.
    fn enter_next(&self, sequence: u64) {
        let mut script = self.script.lock();
        let Some(scenario) = &script.scenario else { return };
        if self.entered.borrow().sequence != sequence {
            return;
        }
        let next = script.phase + 1;
        if next < scenario.phases.len() {
            self.begin(&mut script, next);
        } else if scenario.repeat {
            self.begin(&mut script, 0);
        } else {
            // The last phase stays. That is no news to those who watch.
            self.entered.send_if_modified(|entered| {
                entered.duration = None;
                false
            });
        }
    }

    fn begin(&self, script: &mut Script, index: usize) {
        let Some(phase) = script.scenario.as_ref().and_then(|scenario| scenario.phases.get(index)) else { return };
        let settings = phase.apply(&script.base).expect("each change was checked against each phase");
        self.now.store(Arc::new(settings));
        tracing::info!(phase = &*phase.name, "a phase of the scenario began");
        self.entered.send_modify(|entered| {
            *entered = PhaseEntered {
                name: Arc::clone(&phase.name),
                sequence: entered.sequence + 1,
                duration: phase.duration,
            };
        });
        script.phase = index;
    }
}

fn check_phases(base: &Settings, scenario: Option<&Scenario>) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for Phase { name, changes, .. } in scenario.iter().flat_map(|scenario| &scenario.phases) {
        let pairs = changes.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        if let Err(wrong) = base.with(pairs) {
            for problem in wrong.0 {
                problems.add(format!("{} in the phase {name:?}", problem.at), problem.what);
            }
        }
    }
    problems.or(())
}
