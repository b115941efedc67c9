//! A configured channel, ready to send.
//!
//! A sender makes exactly one attempt a call and keeps no memory of messages, so a caller may drop an attempt that is
//! still running: at worst the receiver gets the same bytes under the same id again. What it does remember is how much
//! its receiver takes: who has a message asks when its turn comes ([`Sender::turn_in`]), and takes it before the attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Url;

use super::bucket::Bucket;
use super::confidential::TOKEN_MIN;
use super::exec::Program;
use super::request::{Answer, Request, Verdict};
use super::smtp::Mailer;
use super::told::{Kind, Teller, Told};
use super::transport::{self, Transport};
use super::{
    alertmanager, discord, kakaotalk, log, mattermost, ntfy, opsgenie, pagerduty, slack, teams, telegram, webhook,
};
use crate::clock::Clock;
use crate::config::channel::{Alertmanager, Channel, ChannelKind, Login, Together};
use crate::config::{Config, Secret};
use crate::domain::delivery::{Alert, Delivery, Outcome};
use crate::domain::time::Timestamp;

/// Alerts of one request to an Alertmanager that are said again; more go into further requests.
const AGAIN_AT_ONCE: usize = 256;

/// What a test says that this node held back itself.
const HELD_BACK: &str = "held back: this channel has had as many messages as its rate_limit allows";

/// Why a channel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is no http or https URL with a host. It is not shown, since such URLs often hold a token.
    #[error("channel {channel}: the url is not one of http or https with a host; give it as https://host/path")]
    Url {
        /// Which channel.
        channel: Arc<str>,
    },
    /// The HTTP client could not be built.
    #[error("channel {channel}: no HTTP client could be made; look at this machine's TLS set-up")]
    Client {
        /// Which channel.
        channel: Arc<str>,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// What the mail server is spoken to with could not be made.
    #[error("channel {channel}: no mail can be sent with these settings: {reason}")]
    Mail {
        /// Which channel.
        channel: Arc<str>,
        /// Why, in words.
        reason: String,
    },
}

/// An incident that a channel is told of again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is known of it.
    pub alert: Alert,
    /// Since when it is over.
    pub until: Option<Timestamp>,
}

/// Sends to one channel.
pub struct Sender {
    teller: Teller,
    clock: Clock,
    bucket: Arc<Bucket>,
    way: Way,
}

enum Way {
    Log,
    Http { kind: ChannelKind, transport: Transport },
    Alertmanager { alertmanager: Alertmanager, transport: Transport },
    Email(Box<Mailer>),
    Exec(Program),
}

/// Says what it is and not to where: URLs hold tokens.
impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.way {
            Way::Log => "log",
            Way::Http { kind, .. } => kind.as_str(),
            Way::Alertmanager { .. } => "alertmanager",
            Way::Email(_) => "email",
            Way::Exec(_) => "exec",
        };
        write!(f, "Sender({kind})")
    }
}

impl Sender {
    /// Makes `channel` ready. Nothing is dialled before the first message.
    ///
    /// # Errors
    /// A URL that cannot be called, or no client.
    ///
    /// # Panics
    /// If the program installed no TLS crypto provider before.
    pub fn new(config: &Config, channel: &Channel, clock: Clock) -> Result<Self, Error> {
        let way = way(channel)?;
        let bucket = Arc::new(Bucket::new(channel.rate_limit));
        Ok(Self { teller: Teller::new(config, channel), clock, bucket, way })
    }

    /// The same for a channel that `before` sent to as well, whose limit and whose pause hold on, and whose recipients
    /// do not get again what they have.
    #[must_use]
    pub fn taking_over(self, before: &Self) -> Self {
        let way = match (self.way, &before.way) {
            (Way::Email(mailer), Way::Email(before)) => Way::Email(Box::new(mailer.taking_over(before))),
            (way, _) => way,
        };
        Self { bucket: before.bucket.clone(), way, ..self }
    }

    /// How long it is until the channel may have its next message: by its limit, and by what it asked for.
    #[must_use]
    pub fn turn_in(&self) -> Duration {
        self.bucket.turn_in(self.clock.moment())
    }

    /// A message's turn has come ([`Sender::turn_in`] is zero), and is now its own.
    pub fn take_turn(&self) {
        // It has come, so there is nothing to wait for.
        let _ = self.bucket.take(self.clock.moment());
    }

    /// Somebody wants messages sent although the receiver asked for a pause.
    pub fn end_pause(&self) {
        self.bucket.end_pause();
    }

    /// Makes one attempt, whose turn was taken, and says what came of it.
    pub async fn deliver(&self, delivery: &Delivery) -> Outcome {
        self.attempt(&self.teller.tell(delivery)).await
    }

    /// Sends a message that is none, and says what came of it. What a test opens at the receiver it closes again.
    pub async fn test(&self) -> Outcome {
        let now = self.clock.now();
        let outcome = self.send(&self.teller.test(Kind::Test, now)).await;
        if outcome == Outcome::Delivered && self.keeps_open() {
            return self.send(&self.teller.test(Kind::TestOver, now)).await;
        }
        outcome
    }

    /// How often it wants to hear again of what lasts; `None` for a channel that remembers.
    #[must_use]
    pub const fn repeats_every(&self) -> Option<Duration> {
        match &self.way {
            Way::Alertmanager { alertmanager, .. } => Some(alertmanager.interval),
            Way::Log | Way::Http { .. } | Way::Email(_) | Way::Exec(_) => None,
        }
    }

    /// Says again what lasts and what has ended lately. What fails is said again the next time; the log says so.
    pub async fn say_again(&self, standing: &[Standing]) {
        let Way::Alertmanager { alertmanager, transport } = &self.way else { return };
        let now = self.clock.now();
        let told: Vec<Told<'_>> =
            standing.iter().map(|one| self.teller.tell_again(&one.alert, one.until, now)).collect();
        let requests = told.chunks(AGAIN_AT_ONCE).map(|told| self.to_every_replica(told, alertmanager, transport));
        // A replica that hangs must not keep the others from hearing in time.
        if tokio::time::timeout(alertmanager.interval, join_all(requests)).await.is_err() {
            let channel = &self.teller.channel;
            tracing::warn!(%channel, "a replica of the Alertmanager did not answer within an interval");
        }
    }

    /// Whether what it says of an incident is another alert to its receiver than what `before` said.
    #[must_use]
    pub fn renames(&self, before: &Self) -> bool {
        self.labels().zip(before.labels()).is_some_and(|(is, was)| is != was)
    }

    /// What an Alertmanager tells alerts apart by, beside what is the same over a reload.
    const fn labels(&self) -> Option<&BTreeMap<Arc<str>, Arc<str>>> {
        match &self.way {
            Way::Alertmanager { alertmanager, .. } => Some(&alertmanager.labels),
            Way::Log | Way::Http { .. } | Way::Email(_) | Way::Exec(_) => None,
        }
    }

    const fn keeps_open(&self) -> bool {
        match &self.way {
            Way::Http { kind: ChannelKind::PagerDuty(_) | ChannelKind::Opsgenie(_), .. } => true,
            Way::Alertmanager { .. } => true,
            Way::Log | Way::Http { .. } | Way::Email(_) | Way::Exec(_) => false,
        }
    }

    /// Sends what waits in no outbox: it waits a moment for its turn.
    async fn send(&self, told: &Told<'_>) -> Outcome {
        match self.bucket.take(self.clock.moment()) {
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(pause) => {
                return Outcome::Transient { error: HELD_BACK.into(), retry_after: Some(pause) };
            }
        }
        self.attempt(told).await
    }

    async fn attempt(&self, told: &Told<'_>) -> Outcome {
        let outcome = self.try_once(told).await;
        if let Outcome::Transient { retry_after: Some(pause), .. } = &outcome {
            self.bucket.hold(self.clock.moment(), *pause);
        }
        outcome
    }

    async fn try_once(&self, told: &Told<'_>) -> Outcome {
        match &self.way {
            Way::Log => {
                log::write(told);
                Outcome::Delivered
            }
            Way::Http { kind, transport } => {
                let now_unix = self.clock.now().as_nanos().div_euclid(1_000_000_000);
                // A group that was joined before the channel was made one of a kind that takes none.
                let apart = if kind.together() == Together::Never { told.each() } else { std::slice::from_ref(told) };
                for told in apart {
                    let Some((request, judge)) = request(told, kind, now_unix) else { continue };
                    let outcome = transport.send(request, judge, &self.clock).await;
                    if outcome != Outcome::Delivered {
                        return outcome;
                    }
                }
                Outcome::Delivered
            }
            Way::Alertmanager { alertmanager, transport } => {
                self.to_every_replica(told.each(), alertmanager, transport).await
            }
            Way::Email(mailer) => mailer.send(told).await,
            Way::Exec(program) => program.run(&webhook::body(told)).await,
        }
    }

    /// Delivered if one replica took it: they tell each other of what was sent, not of what fires, and the others are
    /// told when it is said again.
    async fn to_every_replica(&self, told: &[Told<'_>], to: &Alertmanager, transport: &Transport) -> Outcome {
        let now = self.clock.now();
        let attempts = to.urls.iter().map(|replica| {
            let request = alertmanager::render(told, to, replica, now);
            transport.send(request, alertmanager::judge, &self.clock)
        });
        let outcomes = join_all(attempts).await;
        for (replica, outcome) in outcomes.iter().enumerate() {
            if let Outcome::Transient { error, .. } | Outcome::Permanent { error } = outcome {
                let channel = &self.teller.channel;
                tracing::warn!(%channel, replica, %error, "this replica of the Alertmanager was not told");
            }
        }
        best_of(outcomes)
    }
}

/// Delivered before what may work later before what never will.
fn best_of(outcomes: Vec<Outcome>) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Delivered => 0,
        Outcome::Transient { .. } => 1,
        Outcome::Permanent { .. } => 2,
    };
    outcomes.into_iter().min_by_key(rank).unwrap_or(Outcome::Delivered)
}

type Judge = fn(&Answer<'_>) -> Verdict;

/// What a message is on the wire for a kind that speaks HTTP to one place.
fn request(told: &Told<'_>, kind: &ChannelKind, now_unix: i64) -> Option<(Request, Judge)> {
    Some(match kind {
        ChannelKind::Webhook(webhook) => (webhook::render(told, webhook, now_unix), |answer| answer.by_status()),
        ChannelKind::Slack(hook) => (slack::render(told, hook), slack::judge),
        ChannelKind::Discord(hook) => (discord::render(told, hook), discord::judge),
        ChannelKind::Teams(hook) => (teams::render(told, hook), teams::judge),
        ChannelKind::Mattermost(hook) => (mattermost::render(told, hook), mattermost::judge),
        ChannelKind::Telegram(telegram) => (telegram::render(told, telegram), telegram::judge),
        ChannelKind::PagerDuty(pagerduty) => (pagerduty::render(told, pagerduty), pagerduty::judge),
        ChannelKind::Opsgenie(opsgenie) => (opsgenie::render(told, opsgenie), opsgenie::judge),
        ChannelKind::Ntfy(ntfy) => (ntfy::render(told, ntfy), ntfy::judge),
        ChannelKind::KakaoTalk(kakaotalk) => (kakaotalk::render(told, kakaotalk), kakaotalk::judge),
        ChannelKind::Log | ChannelKind::Alertmanager(_) | ChannelKind::Email(_) | ChannelKind::Exec(_) => return None,
    })
}

fn way(channel: &Channel) -> Result<Way, Error> {
    let kind = &channel.kind;
    let (urls, secrets) = match kind {
        ChannelKind::Log => return Ok(Way::Log),
        ChannelKind::Exec(exec) => return Ok(Way::Exec(Program::new(exec.clone(), channel.timeout))),
        ChannelKind::Email(email) => {
            return Mailer::new(email, channel.timeout)
                .map(|mailer| Way::Email(Box::new(mailer)))
                .map_err(|reason| Error::Mail { channel: channel.name.clone(), reason });
        }
        ChannelKind::Alertmanager(alertmanager) => {
            let urls: Vec<&Secret> = alertmanager.urls.iter().collect();
            let transport = transport(channel, &urls, &secrets_of(&alertmanager.login))?;
            return Ok(Way::Alertmanager { alertmanager: alertmanager.clone(), transport });
        }
        ChannelKind::Webhook(webhook) => {
            let template = channel.template.iter().flat_map(|template| keys_in(template.source()));
            (&webhook.url, webhook.secrets.iter().cloned().chain(template).collect())
        }
        ChannelKind::Slack(hook)
        | ChannelKind::Discord(hook)
        | ChannelKind::Teams(hook)
        | ChannelKind::Mattermost(hook) => (&hook.url, vec![]),
        ChannelKind::Telegram(telegram) => (&telegram.url, vec![telegram.token.clone()]),
        ChannelKind::PagerDuty(pagerduty) => (&pagerduty.url, vec![pagerduty.routing_key.clone()]),
        ChannelKind::Opsgenie(opsgenie) => (&opsgenie.url, vec![opsgenie.api_key.clone()]),
        ChannelKind::Ntfy(ntfy) => (&ntfy.url, [vec![ntfy.topic.clone()], secrets_of(&ntfy.login)].concat()),
        ChannelKind::KakaoTalk(kakaotalk) => (&kakaotalk.url, vec![kakaotalk.token.clone()]),
    };
    Ok(Way::Http { kind: kind.clone(), transport: transport(channel, &[urls], &secrets)? })
}

/// What in a template, which is a body, may be a key: its words, but for those that are as short as a word is.
fn keys_in(template: &str) -> Vec<Secret> {
    let ends =
        |sign: char| sign.is_whitespace() || matches!(sign, '"' | '\'' | '{' | '}' | '[' | ']' | '(' | ')' | ',');
    let words = template.split(ends).flat_map(|word| std::iter::once(word).chain(word.split(['=', '&', ':'])));
    words.filter(|word| word.len() >= TOKEN_MIN).map(|word| Secret::new(word.as_bytes())).collect()
}

fn secrets_of(login: &Login) -> Vec<Secret> {
    match login {
        Login::None => vec![],
        // The second is what the header writes in Base64.
        Login::Basic { user, password } => {
            vec![password.clone(), Secret::new(format!("{user}:{}", password.text()).as_bytes())]
        }
        Login::Bearer(token) => vec![token.clone()],
    }
}

fn transport(channel: &Channel, urls: &[&Secret], secrets: &[Secret]) -> Result<Transport, Error> {
    let urls: Option<Vec<Url>> = urls.iter().map(|url| transport::callable(&url.text())).collect();
    let urls = urls.ok_or_else(|| Error::Url { channel: channel.name.clone() })?;
    Transport::new(&urls, secrets, channel.timeout)
        .map_err(|source| Error::Client { channel: channel.name.clone(), source })
}
