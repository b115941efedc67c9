//! Who is told: receivers that answer by their dice, keep what they got, and may have the node killed at the worst moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::victim::Victim;
use crate::wire::{self, Called};
use crate::witness::Witness;

/// How a receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes everything.
    Well,
    /// Anything may happen.
    Moody,
    /// It takes nothing.
    Away,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    /// It is taken, and the sender never hears of that.
    TakenAndReset,
    TakenAndSilent,
    Failed,
    Busy,
    Gone,
    Silent,
    Reset,
}

/// When the node is killed by a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// It has the message, and the node does not know.
    BeforeTheAnswer,
    /// The node has heard, and may have no time to write that down.
    AfterTheAnswer,
}

/// The receivers, one for each channel, behind one address.
#[derive(Debug, Clone)]
pub(crate) struct Receivers {
    pub(crate) address: SocketAddr,
    desk: Arc<Desk>,
}

#[derive(Debug)]
struct Desk {
    receivers: Mutex<BTreeMap<String, One>>,
    blow: Mutex<Option<Blow>>,
    victim: Victim,
    witness: Arc<Witness>,
}

#[derive(Debug)]
struct One {
    mood: Mood,
    dice: Dice,
    ledger: Ledger,
}

impl One {
    fn fate(&mut self) -> Fate {
        match self.mood {
            Mood::Well => Fate::Taken,
            Mood::Away => self.dice.weighed(&[(6, Fate::Failed), (2, Fate::Reset), (2, Fate::Silent)]),
            Mood::Moody => self.dice.weighed(&[
                (8, Fate::Taken),
                (3, Fate::TakenAndReset),
                (2, Fate::TakenAndSilent),
                (3, Fate::Failed),
                (1, Fate::Busy),
                (2, Fate::Gone),
                (1, Fate::Silent),
                (2, Fate::Reset),
            ]),
        }
    }
}

impl Receivers {
    pub(crate) async fn start(seed: u64, names: &[&str], victim: Victim, witness: Arc<Witness>) -> Self {
        let one = |name: &&str| {
            (name.to_string(), One { mood: Mood::Well, dice: Dice::of(seed, name), ledger: Ledger::of(name) })
        };
        let receivers = Mutex::new(names.iter().map(one).collect());
        let desk = Arc::new(Desk { receivers, blow: Mutex::new(None), victim, witness });
        let theirs = desk.clone();
        let address = wire::listen(move |mut stream| {
            let desk = theirs.clone();
            async move {
                if let Some(called) = wire::read(&mut stream).await {
                    desk.receive(called, stream).await;
                }
            }
        })
        .await;
        Self { address, desk }
    }

    pub(crate) fn become_(&self, name: &str, mood: Mood) {
        if let Some(one) = self.desk.receivers.lock().get_mut(name) {
            one.mood = mood;
        }
    }

    /// The next message that is taken costs the node its life.
    pub(crate) fn arm(&self, blow: Option<Blow>) {
        *self.desk.blow.lock() = blow;
    }

    /// Looks at what one has got.
    pub(crate) fn look<T>(&self, name: &str, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.desk.receivers.lock().get(name).expect("a receiver that there is").ledger)
    }
}

impl Desk {
    async fn receive(&self, called: Called, stream: TcpStream) {
        let name = called.path.split('/').nth(1).unwrap_or_default().to_owned();
        let (fate, blow) = {
            let mut receivers = self.receivers.lock();
            let Some(one) = receivers.get_mut(&name) else {
                return self.witness.accuse(format!("nobody is at {}", called.path));
            };
            let id = called.webhook_id.clone().unwrap_or_default();
            let says = one.ledger.arrived(&called, &self.witness);
            let drawn = one.fate();
            // What a receiver has it does not refuse for good.
            let fate = if drawn == Fate::Gone && one.ledger.has_taken(&called) { Fate::Taken } else { drawn };
            let is_taken = matches!(fate, Fate::Taken | Fate::TakenAndReset | Fate::TakenAndSilent);
            self.witness.note(format!("{name} got {id} {says:?}: {fate:?}"));
            if is_taken {
                one.ledger.take(&called, &says, &self.witness);
            }
            let blow = (fate == Fate::Taken).then(|| self.blow.lock().take()).flatten();
            (fate, blow)
        };
        if blow == Some(Blow::BeforeTheAnswer) {
            self.victim.kill(&self.witness);
            return wire::reset(stream);
        }
        match fate {
            Fate::Taken => wire::answer(stream, if name == "pager" { 202 } else { 200 }, "").await,
            Fate::TakenAndReset | Fate::Reset => wire::reset(stream),
            Fate::Failed => wire::answer(stream, 500, "").await,
            Fate::Busy => wire::answer(stream, 429, "retry-after: 1\r\n").await,
            Fate::Gone => wire::answer(stream, 410, "").await,
            Fate::TakenAndSilent | Fate::Silent => {
                // Longer than a channel waits.
                tokio::time::sleep(Duration::from_secs(2)).await;
                drop(stream);
            }
        }
        if blow == Some(Blow::AfterTheAnswer) {
            self.victim.kill(&self.witness);
        }
    }
}
