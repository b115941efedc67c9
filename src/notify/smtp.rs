//! The IO half of mail: one connection for one mail.
//!
//! Written against the single commands, not lettre's transport, because that ends at the first recipient that is
//! refused: one address that is gone would keep all others from being told. A mail is delivered if the server took it
//! for somebody; who is refused for good is named in the log. If somebody is refused for now, the same mail with the same
//! id is tried again, for those who do not have it yet. Who has it is kept in memory: after a restart all get it again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use parking_lot::Mutex;

use super::confidential::Confidential;
use super::email;
use super::told::Told;
use crate::config::Secret;
use crate::config::channel::{Email, Encryption, Mailbox};
use crate::domain::delivery::Outcome;

/// Sends mails through one server.
pub(super) struct Mailer {
    email: Email,
    from: Address,
    to: Vec<Address>,
    tls: Option<TlsParameters>,
    timeout: Duration,
    /// The sender's domain: a server may refuse a greeting without one.
    hello: ClientId,
    confidential: Confidential,
    /// Of mails that are to be tried again: who needs no further attempt.
    partly: Arc<Mutex<Partly>>,
}

/// Mails that are remembered; of the oldest beyond them everybody gets another copy.
const PARTLY_MAX: usize = 1_000;

/// How long a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// Recipients by their place in the configuration that a mail needs not be sent to any more.
#[derive(Debug, Clone, Default)]
struct Done {
    taken: Vec<usize>,
    never: Vec<usize>,
}

/// Mails by their ids, the one that was tried longest ago first.
#[derive(Debug, Default)]
struct Partly(VecDeque<(String, Done)>);

impl Partly {
    fn get(&self, id: &str) -> Option<&Done> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, done)| done)
    }

    fn remove(&mut self, id: &str) {
        self.0.retain(|(known, _)| known != id);
    }

    fn put(&mut self, id: &str, done: Done) {
        self.remove(id);
        self.0.push_back((id.to_owned(), done));
        if self.0.len() > PARTLY_MAX {
            self.0.pop_front();
        }
    }
}

/// What became of a mail.
#[derive(Default)]
struct Sent {
    done: Done,
    later: Option<String>,
    never: Option<String>,
}

/// What the server said to one of our commands.
enum Refusal {
    Now(String),
    Ever(String),
}

impl Mailer {
    pub(super) fn new(email: &Email, timeout: Duration) -> Result<Self, String> {
        let tls = match email.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => Some(tls(email)?),
        };
        let address =
            |mailbox: &Mailbox| mailbox.address.parse().map_err(|_| format!("{} is no mail address", mailbox.address));
        let logins = email.login.iter().flat_map(|(user, password)| {
            // As AUTH PLAIN writes the two.
            [password.clone(), Secret::new(format!("\0{user}\0{}", password.text()).as_bytes())]
        });
        let secrets: Vec<Secret> = logins.collect();
        let domain = email.from.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        Ok(Self {
            from: address(&email.from)?,
            to: email.to.iter().map(address).collect::<Result<_, _>>()?,
            tls,
            timeout,
            confidential: Confidential::new(&[], &secrets),
            hello: ClientId::Domain(domain.to_owned()),
            partly: Arc::default(),
            email: email.clone(),
        })
    }

    /// The same with what `before`, which sent to the same recipients, knows of mails that are to be tried again.
    pub(super) fn taking_over(self, before: &Self) -> Self {
        Self { partly: before.partly.clone(), ..self }
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, told: &Told<'_>) -> Outcome {
        let mail = email::render(told, &self.email);
        let before = self.partly.lock().get(&told.id).cloned().unwrap_or_default();
        let refused = match tokio::time::timeout(self.timeout, self.converse(&mail, before)).await {
            Ok(Ok(sent)) => match self.judge(&told.id, sent) {
                Ok(()) => return Outcome::Delivered,
                Err(refused) => refused,
            },
            Ok(Err(refused)) => refused,
            Err(_) => Refusal::Now(format!("no answer within {:?}", self.timeout)),
        };
        let clean = |words: &str| self.confidential.clean(words).into();
        match refused {
            Refusal::Now(words) => Outcome::Transient { error: clean(&words), retry_after: None },
            Refusal::Ever(words) => Outcome::Permanent { error: clean(&words) },
        }
    }

    /// It is over unless somebody is to get it later.
    fn judge(&self, id: &str, sent: Sent) -> Result<(), Refusal> {
        let Sent { done, later, never } = sent;
        let mut partly = self.partly.lock();
        partly.remove(id);
        match (later, never) {
            (Some(words), _) => {
                partly.put(id, done);
                Err(Refusal::Now(words))
            }
            (None, Some(words)) if done.taken.is_empty() => Err(Refusal::Ever(words)),
            (None, _) => Ok(()),
        }
    }

    async fn converse(&self, mail: &[u8], before: Done) -> Result<Sent, Refusal> {
        let name = &self.hello;
        let server = (&*self.email.host, self.email.port);
        let at_once = self.tls.clone().filter(|_| self.email.encryption == Encryption::Tls);
        let connected = AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), name, at_once, None).await;
        let mut connection = connected.map_err(|error| refusal("no connection", &error))?;
        if let (Encryption::StartTls, Some(tls)) = (self.email.encryption, self.tls.clone()) {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(Refusal::Now(
                    "the server offers no STARTTLS, and nothing is sent without it (encryption = \"tls\" or \"none\")"
                        .into(),
                ));
            }
            connection.starttls(tls, name).await.map_err(|error| refusal("STARTTLS", &error))?;
        }
        let sent = self.transact(&mut connection, mail, before).await;
        if sent.is_ok() {
            // A mail that was taken is taken, however the goodbye goes and however long it takes.
            tokio::spawn(async move { drop(tokio::time::timeout(GOODBYE, connection.quit()).await) });
        } else {
            connection.abort().await;
        }
        sent
    }

    async fn transact(&self, connection: &mut AsyncSmtpConnection, mail: &[u8], before: Done) -> Result<Sent, Refusal> {
        if let Some((user, password)) = &self.email.login {
            let credentials = Credentials::new(user.to_string(), password.text().into_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, &credentials).await.map_err(|error| refusal("login", &error))?;
        }
        let from = Mail::new(Some(self.from.clone()), Vec::new());
        connection.command(from).await.map_err(|error| refusal("sender", &error))?;
        let (mut sent, mut takers) = (Sent { done: before, ..Sent::default() }, Vec::new());
        for (place, recipient) in self.to.iter().enumerate() {
            if sent.done.taken.contains(&place) || sent.done.never.contains(&place) {
                continue;
            }
            let answer = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
            match answer.map_err(|error| refusal(recipient.as_ref(), &error)) {
                Ok(_) => takers.push(place),
                Err(Refusal::Now(words)) => sent.later = Some(words),
                Err(Refusal::Ever(words)) => {
                    let error = self.confidential.clean(&words);
                    tracing::warn!(%error, "the mail server refuses a recipient for good");
                    sent.done.never.push(place);
                    sent.never = Some(words);
                }
            }
        }
        if !takers.is_empty() {
            connection.command(Data).await.map_err(|error| refusal("data", &error))?;
            connection.message(mail).await.map_err(|error| refusal("mail", &error))?;
        }
        sent.done.taken.append(&mut takers);
        Ok(sent)
    }
}

fn tls(email: &Email) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(email.host.to_string());
    if let Some(pem) = &email.ca_pem {
        let certificate = Certificate::from_pem(pem).map_err(|error| error.to_string())?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| error.to_string())
}

/// 5yz is for ever, 4yz for now (RFC 5321, 4.2.1); so is everything that is no answer, a certificate that is not trusted
/// among it, since somebody may mend it.
fn refusal(what: &str, error: &Error) -> Refusal {
    use std::error::Error as _;
    let mut words = format!("{what}: {error}");
    let mut cause = error.source().and_then(|cause| cause.source());
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    if error.is_permanent() { Refusal::Ever(words) } else { Refusal::Now(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_mails_the_one_that_was_tried_longest_ago_is_let_go_of() {
        let done = |place: usize| Done { taken: vec![place], never: Vec::new() };
        let mut partly = Partly::default();
        // As numbers that are written go, the last of these is the smallest text.
        for number in (0..=PARTLY_MAX).rev() {
            partly.put(&number.to_string(), done(number));
        }
        assert!(partly.get(&PARTLY_MAX.to_string()).is_none() && partly.get("0").is_some());
        let oldest = (PARTLY_MAX - 1).to_string();
        partly.put(&oldest, done(7));
        assert_eq!((partly.0.len(), partly.get(&oldest).map(|done| &*done.taken)), (PARTLY_MAX, Some(&[7][..])));
        partly.put("another", done(8));
        assert!(partly.get(&oldest).is_some() && partly.get(&(PARTLY_MAX - 2).to_string()).is_none());
        partly.remove(&oldest);
        assert!(partly.get(&oldest).is_none() && partly.0.len() == PARTLY_MAX - 1);
    }
}
