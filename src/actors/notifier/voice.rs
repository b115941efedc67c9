//! The channel that a queue sends to, and what it is told again because its receiver takes silence for the end.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, SpawnHandle};
use futures_util::FutureExt;
use tokio::sync::Mutex;

use super::actor::Notifier;
use super::repeats::Repeats;
use crate::actors::board::Board;
use crate::config::Config;
use crate::domain::delivery::{Delivery, Message as Notice, Outcome};
use crate::domain::time::Timestamp;
use crate::notify::{Sender, Standing};
use crate::store::Reader;

/// An end waits for so long for what is being said: whoever answers at all has answered by then.
const SAID_WITHIN: Duration = Duration::from_secs(5);

/// A channel was told again; next time after this pause.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct SaidAgain {
    channel: Arc<str>,
    pause: Duration,
}

/// One channel.
#[derive(Default)]
pub(super) struct Voice {
    /// Not there where its configuration cannot be used.
    sender: Option<Arc<Sender>>,
    /// What it is told again, where it wants that.
    repeats: Option<Repeats>,
    repeating: Option<SpawnHandle>,
    /// Held while it is told again.
    saying: Arc<Mutex<()>>,
}

impl Voice {
    /// One that was told of these before.
    pub(super) fn of(repeats: Repeats) -> Self {
        Self { repeats: Some(repeats), ..Self::default() }
    }

    pub(super) fn sender(&self) -> Option<Arc<Sender>> {
        self.sender.clone()
    }

    /// Ready when what is being said now is said: it may say that something fires whose end is about to be sent, and
    /// would make it fire again behind that, until the next time.
    pub(super) fn has_said(&self) -> impl Future<Output = ()> + Send + use<> {
        let saying = self.saying.clone();
        async move { drop(tokio::time::timeout(SAID_WITHIN, saying.lock()).await) }
    }

    /// Ends what fires under the labels it had `before`: it is said under others from now on, and would fire twice until
    /// the receiver takes the silence for the end.
    fn end_under(&mut self, before: &Arc<Sender>, now: Timestamp, io: &tokio::runtime::Handle) {
        let standing = self.repeats.as_mut().map(|repeats| repeats.due(now)).unwrap_or_default();
        let ended: Vec<Standing> =
            standing.into_iter().map(|one| Standing { until: one.until.or(Some(now)), ..one }).collect();
        let before = before.clone();
        io.spawn(async move { before.say_again(&ended).await });
    }
}

impl Notifier {
    /// Makes every configured channel ready; one that is not configured any more falls silent.
    ///
    /// One whose configuration is as `before` goes on with its limit and its pause.
    pub(super) fn build_senders(&mut self, before: Option<&Config>, context: &mut Context<Self>) {
        let mut senders = BTreeMap::new();
        for (name, voice) in &mut self.voices {
            senders.extend(voice.sender.take().map(|sender| (name.clone(), sender)));
            if let Some(timer) = voice.repeating.take() {
                context.cancel_future(timer);
            }
        }
        for (name, channel) in &self.config.channels {
            match Sender::new(&self.config, channel, self.clock) {
                Ok(sender) => {
                    let same = before.and_then(|before| before.channels.get(name)).is_some_and(|was| was == channel);
                    let sender = match senders.get(name).filter(|_| same) {
                        Some(before) => sender.taking_over(before),
                        None => sender,
                    };
                    let voice = self.voices.entry(name.clone()).or_default();
                    if sender.repeats_every().is_none() {
                        voice.repeats = None;
                    } else {
                        voice.repeats.get_or_insert_with(|| told_before(&self.board, &self.reader, name));
                        let channel = name.clone();
                        voice.repeating = Some(context.run_later(Duration::ZERO, |notifier, context| {
                            notifier.say_again(channel, context);
                        }));
                    }
                    if let Some(before) = senders.get(name).filter(|before| sender.renames(before)) {
                        voice.end_under(before, self.clock.now(), &self.io);
                    }
                    voice.sender = Some(Arc::new(sender));
                }
                Err(error) => tracing::error!(channel = %name, %error, "this channel cannot be used; mend its config"),
            }
        }
    }

    /// Says again what fires. The next time comes when this one is done, so that they never pile up.
    fn say_again(&mut self, channel: Arc<str>, context: &Context<Self>) {
        let Some(voice) = self.voices.get_mut(&channel) else { return };
        let (Some(sender), Some(repeats)) = (voice.sender.clone(), voice.repeats.as_mut()) else { return };
        let Some(pause) = sender.repeats_every() else { return };
        let (standing, saying, myself) = (repeats.due(self.clock.now()), voice.saying.clone(), context.address());
        self.io.spawn(async move {
            let say = async {
                let _saying = saying.lock().await;
                sender.say_again(&standing).await;
            };
            if AssertUnwindSafe(say).catch_unwind().await.is_err() {
                tracing::error!(%channel, "saying again what fires fell over; the log says where");
            }
            myself.do_send(SaidAgain { channel, pause });
        });
    }

    /// A message for this channel is committed.
    pub(super) fn has_ended(&mut self, channel: &Arc<str>, message: &Notice) {
        if let Some(repeats) = self.voices.get_mut(channel).and_then(|voice| voice.repeats.as_mut()) {
            repeats.ended(message, self.clock.now());
        }
    }

    /// An attempt came back.
    pub(super) fn was_tried(&mut self, delivery: &Delivery, outcome: &Outcome) {
        let now = self.clock.now();
        let voice = self.voices.get_mut(&delivery.channel);
        let Some(repeats) = voice.and_then(|voice| voice.repeats.as_mut()) else { return };
        if *outcome == Outcome::Delivered {
            repeats.delivered(&delivery.message, now);
        } else {
            repeats.was_tried(&delivery.message, now);
        }
    }
}

/// What fires for a channel that is to hear it again from now on and was not until now: it was no such channel, or not
/// configured when the process began. The board may be behind the end of an incident, whose message went by.
fn told_before(board: &Board, reader: &Reader, channel: &str) -> Repeats {
    let lasts = |incident| matches!(reader.alert(incident), Ok(Some(record)) if record.until.is_none());
    let in_trouble = board.all().into_iter().filter_map(|slot| {
        let watch = slot.live(|live| live.watch.incident.is_some().then(|| live.watch.clone()))?;
        watch.incident.as_ref().is_some_and(|incident| lasts(incident.id)).then_some(watch)
    });
    Repeats::restored(&in_trouble.collect::<Vec<_>>(), channel)
}

impl Handler<SaidAgain> for Notifier {
    type Result = ();

    fn handle(&mut self, said: SaidAgain, context: &mut Context<Self>) {
        let SaidAgain { channel, pause } = said;
        let Some(voice) = self.voices.get_mut(&channel) else { return };
        if let Some(other) = voice.repeating.take() {
            context.cancel_future(other);
        }
        voice.repeating = Some(context.run_later(pause, |notifier, context| notifier.say_again(channel, context)));
    }
}
