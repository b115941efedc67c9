//! The node's process, which may be killed at any moment by anybody.

use std::process::{Child, ExitStatus};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::witness::Witness;

/// The process, where there is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Victim(Arc<Mutex<Life>>);

#[derive(Debug, Default)]
struct Life {
    child: Option<Child>,
    /// Somebody killed it, or asked it to end.
    shall_end: bool,
    was_killed: bool,
}

impl Victim {
    /// Another process takes its place.
    pub(crate) fn be(&self, child: Child) {
        *self.0.lock() = Life { child: Some(child), shall_end: false, was_killed: false };
    }

    /// As `kill -9`: it can do nothing any more when this returns.
    pub(crate) fn kill(&self, witness: &Witness) {
        let mut life = self.0.lock();
        // Where it has ended by itself before, that is how it ended.
        let runs = life.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        (life.shall_end, life.was_killed) = (life.shall_end || runs, life.was_killed || runs);
        if let Some(child) = life.child.as_mut() {
            witness.note("the node is killed");
            // It may have ended.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks it to end in order.
    pub(crate) fn ask_to_end(&self) {
        let mut life = self.0.lock();
        let Some(child) = life.child.as_mut() else { return };
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let told = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        assert!(matches!(told, Some(Ok(()))), "{told:?}");
        life.shall_end = true;
    }

    /// How it ended, where it has, and whether that was as somebody wanted.
    pub(crate) fn ended(&self) -> Option<(ExitStatus, bool)> {
        let mut life = self.0.lock();
        let (shall_end, was_killed) = (life.shall_end, life.was_killed);
        let status = life.child.as_mut()?.try_wait().expect("it is ours")?;
        Some((status, shall_end && (was_killed || status.success())))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
