//! The ways to tell people, checked: one type for each kind, with what it needs and nothing else.
//!
//! Whatever lets one in (tokens, and the addresses that are tokens themselves) is a [`Secret`], which shows itself to
//! nobody, so that all of this may derive `Debug`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::secret::Secret;
use super::template::Template;
use super::units::write_rate;
use crate::domain::quiet::Label;

/// One way to tell people.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: ChannelKind,
    /// An attempt's deadline.
    pub timeout: Duration,
    /// Messages that leave in a time; further ones wait.
    pub rate_limit: Option<Rate>,
    /// What the user says instead of our words: the body of a webhook, the text of the other kinds.
    pub template: Option<Template>,
    /// What leaves together.
    pub grouping: Grouping,
}

/// What of a channel's messages leaves together, and when. A kind that takes each message by itself
/// ([`Together::Never`]) has no use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// What messages are joined by. With the target among it nothing waits for anything.
    pub by: Arc<[Label]>,
    /// How long a group waits for more before its first message, and up to twice as long while it grows.
    pub wait: Duration,
    /// From one message of a group to the next.
    pub interval: Duration,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { by: [Label::Target].into(), wait: Duration::from_secs(10), interval: Duration::from_secs(5 * 60) }
    }
}

impl Grouping {
    /// Whether messages of several targets may leave as one.
    #[must_use]
    pub fn joins_targets(&self) -> bool {
        !self.by.contains(&Label::Target)
    }
}

/// A number of messages in a time: so many at once, and then as many again over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Messages; at least 1.
    pub count: u32,
    /// In this time; never zero.
    pub per: Duration,
}

/// What a channel is.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelKind {
    /// The node's own log.
    Log,
    /// A signed HTTP request.
    Webhook(Webhook),
    /// Prometheus' Alertmanager.
    Alertmanager(Alertmanager),
    /// A Slack incoming webhook.
    Slack(Hook),
    /// A Discord webhook.
    Discord(Hook),
    /// A Microsoft Teams workflow (Power Automate).
    Teams(Hook),
    /// A Mattermost incoming webhook.
    Mattermost(Hook),
    /// A Telegram bot.
    Telegram(Telegram),
    /// A PagerDuty service.
    PagerDuty(PagerDuty),
    /// Opsgenie, or what speaks its alert API.
    Opsgenie(Opsgenie),
    /// An ntfy topic.
    Ntfy(Ntfy),
    /// A KakaoTalk user's chat with himself.
    KakaoTalk(KakaoTalk),
    /// Mail, over SMTP.
    Email(Box<Email>),
    /// A program of the user's.
    Exec(Exec),
}

/// A signed HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// To where.
    pub url: Secret,
    /// Signing keys, decoded; each signs, so that a receiver can change from one to the next. None: unsigned.
    pub secrets: Vec<Secret>,
    /// What a body that a template made is called.
    pub content_type: Arc<str>,
}

/// An address that lets one in by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// To where.
    pub url: Secret,
}

/// Prometheus' Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// Every replica, without `/api/v2`; at least one.
    pub urls: Vec<Secret>,
    /// How often what fires is said again.
    pub interval: Duration,
    /// Further labels of every alert.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Who we say we are.
    pub login: Login,
}

/// Who we say we are to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    None,
    /// A user with a password.
    Basic {
        /// Who.
        user: Arc<str>,
        /// The proof.
        password: Secret,
    },
    /// Who has the token.
    Bearer(Secret),
}

/// A Telegram bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    /// The Bot API's server.
    pub url: Secret,
    /// The bot's token.
    pub token: Secret,
    /// The chat, by number or as `@name`.
    pub chat_id: Arc<str>,
}

/// A PagerDuty service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagerDuty {
    /// The Events API's server.
    pub url: Secret,
    /// The integration's key.
    pub routing_key: Secret,
}

/// Opsgenie, or what speaks its alert API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opsgenie {
    /// The API, without `/v2/alerts`.
    pub url: Secret,
    /// The integration's key.
    pub api_key: Secret,
}

/// An ntfy topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// The server.
    pub url: Secret,
    /// Who knows it may write to it and read it, so it is kept.
    pub topic: Secret,
    /// Who we say we are.
    pub login: Login,
}

/// A KakaoTalk user's chat with himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KakaoTalk {
    /// The API's server.
    pub url: Secret,
    /// The user's access token.
    pub token: Secret,
}

/// Mail, over SMTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server's name.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub encryption: Encryption,
    /// Whom to trust besides the machine's authorities, in PEM.
    pub ca_pem: Option<Arc<[u8]>>,
    /// User and password, where the server wants them.
    pub login: Option<(Arc<str>, Secret)>,
    /// Whose mail it is.
    pub from: Mailbox,
    /// Whom it is for; at least one.
    pub to: Vec<Mailbox>,
}

/// A mail address with the name that is shown before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name; empty for none.
    pub name: Arc<str>,
    /// `somebody@example.com`.
    pub address: Arc<str>,
}

/// How a connection to a mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS after the greeting; without it nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None.
    None,
}

/// A program of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program, with its whole path.
    pub program: PathBuf,
    /// What it is started with.
    pub arguments: Vec<Arc<str>>,
}

impl ChannelKind {
    /// The word in config.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Webhook(_) => "webhook",
            Self::Alertmanager(_) => "alertmanager",
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Teams(_) => "teams",
            Self::Mattermost(_) => "mattermost",
            Self::Telegram(_) => "telegram",
            Self::PagerDuty(_) => "pagerduty",
            Self::Opsgenie(_) => "opsgenie",
            Self::Ntfy(_) => "ntfy",
            Self::KakaoTalk(_) => "kakaotalk",
            Self::Email(_) => "email",
            Self::Exec(_) => "exec",
        }
    }

    /// How messages that wait for it together leave.
    #[must_use]
    pub const fn together(&self) -> Together {
        match self {
            Self::PagerDuty(_) | Self::Opsgenie(_) => Together::Never,
            Self::Alertmanager(_) => Together::Each,
            Self::Log
            | Self::Webhook(_)
            | Self::Slack(_)
            | Self::Discord(_)
            | Self::Teams(_)
            | Self::Mattermost(_)
            | Self::Telegram(_)
            | Self::Ntfy(_)
            | Self::KakaoTalk(_)
            | Self::Email(_)
            | Self::Exec(_) => Together::Told,
        }
    }
}

/// How messages that wait together leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// As one that tells of the first of them and says how many there are.
    Told,
    /// As one in which each is whole: the receiver opens and closes alerts by them.
    Each,
    /// Never: a request opens or closes one alert.
    Never,
}

impl fmt::Display for Rate {
    /// As config writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_rate(u64::from(self.count), self.per))
    }
}
