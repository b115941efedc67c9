//! The `email` channel with a real mail server on loopback: greeting, STARTTLS, AUTH, envelope, data.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::TlsAcceptor;

use super::super::examples::{delivery, firing, hostile};
use super::*;
use crate::domain::delivery::Outcome;

/// What a server does otherwise than take everything: the line that it answers a command with.
#[derive(Default, Clone)]
struct Script {
    /// Commands by their beginning, and what they are answered.
    answers: Vec<(&'static str, &'static str)>,
    without_starttls: bool,
}

/// What a server was told.
#[derive(Default)]
struct Heard {
    commands: Vec<String>,
    mails: Vec<String>,
    encrypted: bool,
}

/// Instead of an answer: none ever comes.
const HANGS: &str = "hangs";

struct Server {
    port: u16,
    heard: Arc<Mutex<Heard>>,
    folder: tempfile::TempDir,
}

#[derive(Clone, Copy, PartialEq)]
enum Tls {
    AtOnce,
    WhenAsked,
}

/// Where a connection is.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Open,
    EncryptedAtOnce,
    EncryptedLater,
}

impl Server {
    async fn start(script: Script, tls: Tls) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let hears = heard.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, acceptor, heard) = (script.clone(), acceptor.clone(), hears.clone());
                tokio::spawn(async move {
                    if tls == Tls::AtOnce {
                        let Ok(socket) = acceptor.accept(socket).await else { return };
                        heard.lock().encrypted = true;
                        drop(converse(BufReader::new(socket), &script, &heard, Stage::EncryptedAtOnce).await);
                        return;
                    }
                    let Some(socket) = converse(BufReader::new(socket), &script, &heard, Stage::Open).await else {
                        return;
                    };
                    let Ok(socket) = acceptor.accept(socket.into_inner()).await else { return };
                    heard.lock().encrypted = true;
                    drop(converse(BufReader::new(socket), &script, &heard, Stage::EncryptedLater).await);
                });
            }
        });
        Self { port, heard, folder }
    }

    fn channel(&self, keys: &str) -> Sender {
        let ca = self.folder.path().join("ca.pem");
        sender(&format!(
            "kind = \"email\"\nhost = \"localhost\"\nport = {}\nca_file = \"{}\"\nfrom = \"Breakwater <b@example.com>\"\n\
             to = [\"ops@example.com\", \"boss@example.com\"]\ntimeout = \"20s\"\n{keys}",
            self.port,
            ca.display()
        ))
    }

    fn commands(&self) -> Vec<String> {
        self.heard.lock().commands.clone()
    }

    fn mails(&self) -> Vec<String> {
        self.heard.lock().mails.clone()
    }
}

/// Talks until the other side goes; gives the connection back when TLS is to begin.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    script: &Script,
    heard: &Mutex<Heard>,
    stage: Stage,
) -> Option<BufReader<S>> {
    if stage != Stage::EncryptedLater {
        stream.write_all(b"220 localhost at your service\r\n").await.ok()?;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        heard.lock().commands.push(line.clone());
        let scripted = script.answers.iter().find(|(command, _)| line.starts_with(command)).map(|(_, answer)| *answer);
        let answer = match (scripted, line.split(' ').next().unwrap_or_default()) {
            (Some(HANGS), _) => std::future::pending().await,
            (Some(answer), _) => answer.to_owned(),
            (None, "EHLO") => {
                let tls = if stage != Stage::Open || script.without_starttls { "" } else { "250-STARTTLS\r\n" };
                format!("250-localhost\r\n{tls}250-8BITMIME\r\n250 AUTH PLAIN")
            }
            (None, "STARTTLS") => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream);
            }
            (None, "AUTH") => "235 welcome".to_owned(),
            (None, "DATA") => {
                stream.write_all(b"354 go on, end with a dot\r\n").await.ok()?;
                let mail = read_mail(&mut stream).await?;
                heard.lock().mails.push(mail);
                "250 taken".to_owned()
            }
            (None, "QUIT") => "221 goodbye".to_owned(),
            (None, _) => "250 fine".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

async fn read_mail<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

async fn outcome_with(answers: Vec<(&'static str, &'static str)>) -> Outcome {
    let server = Server::start(Script { answers, ..Script::default() }, Tls::WhenAsked).await;
    server.channel("user = \"me\"\npassword = \"hunter2-password\"").deliver(&delivery(firing())).await
}

#[tokio::test]
async fn a_mail_goes_out_after_starttls_and_login() {
    let server = Server::start(Script::default(), Tls::WhenAsked).await;
    let outcome = server.channel("user = \"me\"\npassword = \"hunter2-password\"").deliver(&delivery(firing())).await;
    assert_eq!(outcome, Outcome::Delivered);
    // The goodbye is nobody's business any more.
    while !server.commands().iter().any(|command| command == "QUIT") {
        tokio::task::yield_now().await;
    }
    let commands = server.commands();
    let login = format!("AUTH PLAIN {}", STANDARD.encode("\0me\0hunter2-password"));
    assert_eq!(
        commands,
        [
            "EHLO example.com",
            "STARTTLS",
            "EHLO example.com",
            &login,
            "MAIL FROM:<b@example.com>",
            "RCPT TO:<ops@example.com>",
            "RCPT TO:<boss@example.com>",
            "DATA",
            "QUIT"
        ]
    );
    let mail = server.mails().remove(0);
    assert!(mail.contains("Subject: PG_KCP is in trouble\r\n"), "{mail}");
    assert!(mail.contains("Auto-Submitted: auto-generated\r\n"), "{mail}");
}

#[tokio::test]
async fn tls_from_the_first_byte_and_no_tls_work_where_they_are_asked_for() {
    let server = Server::start(Script::default(), Tls::AtOnce).await;
    assert_eq!(server.channel("encryption = \"tls\"").deliver(&delivery(firing())).await, Outcome::Delivered);
    assert!(server.heard.lock().encrypted);
    let server = Server::start(Script::default(), Tls::WhenAsked).await;
    assert_eq!(server.channel("encryption = \"none\"").deliver(&delivery(firing())).await, Outcome::Delivered);
    assert!(!server.commands().contains(&"STARTTLS".to_owned()));
}

#[tokio::test]
async fn nothing_is_sent_in_the_open_because_starttls_is_not_offered() {
    let server = Server::start(Script { without_starttls: true, ..Script::default() }, Tls::WhenAsked).await;
    let outcome = server.channel("").deliver(&delivery(firing())).await;
    let Outcome::Transient { error, .. } = outcome else { panic!("{outcome:?}") };
    assert!(error.starts_with("the server offers no STARTTLS"), "{error}");
    assert!(!server.commands().iter().any(|command| command.starts_with("MAIL")));
}

#[tokio::test]
async fn a_server_that_cannot_show_who_it_is_gets_nothing() {
    let server = Server::start(Script::default(), Tls::WhenAsked).await;
    let stranger = sender(&format!(
        "kind = \"email\"\nhost = \"localhost\"\nport = {}\nfrom = \"b@example.com\"\nto = \"ops@example.com\"",
        server.port
    ));
    let outcome = stranger.deliver(&delivery(firing())).await;
    let Outcome::Transient { error, .. } = outcome else { panic!("{outcome:?}") };
    assert!(error.contains("certificate"), "{error}");
    assert!(!server.commands().iter().any(|command| command.starts_with("MAIL")));
}

#[tokio::test]
async fn the_first_digit_of_an_answer_says_whether_it_may_work_later() {
    let Outcome::Transient { error, .. } = outcome_with(vec![("MAIL", "451 come again")]).await else {
        panic!("later")
    };
    assert!(error.contains("come again"), "{error}");
    let Outcome::Permanent { error } = outcome_with(vec![("AUTH", "535 no hunter2-password")]).await else {
        panic!("never")
    };
    assert!(error.contains("535") || error.contains("no [hidden]"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let refused = outcome_with(vec![("RCPT", "550 nobody here")]).await;
    assert!(matches!(refused, Outcome::Permanent { .. }), "{refused:?}");
    let silent = outcome_with(vec![("DATA", "421 closing")]).await;
    assert!(matches!(silent, Outcome::Transient { .. }), "{silent:?}");
}

#[tokio::test]
async fn one_recipient_who_is_gone_does_not_keep_the_others_from_being_told() {
    let answers = vec![("RCPT TO:<ops", "550 nobody here")];
    let server = Server::start(Script { answers, ..Script::default() }, Tls::WhenAsked).await;
    assert_eq!(server.channel("").deliver(&delivery(firing())).await, Outcome::Delivered);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_recipient_who_is_refused_for_now_is_tried_again_with_the_same_mail() {
    let answers = vec![("RCPT TO:<ops", "450 greylisted")];
    let server = Server::start(Script { answers, ..Script::default() }, Tls::WhenAsked).await;
    let channel = server.channel("");
    let read_again = server.channel("").taking_over(&channel);
    for channel in [&channel, &channel, &read_again] {
        let outcome = channel.deliver(&delivery(firing())).await;
        assert!(matches!(outcome, Outcome::Transient { .. }), "{outcome:?}");
    }
    assert_eq!(server.mails().len(), 1, "whoever has it does not get it again");
    let asked =
        |who: &str| server.commands().iter().filter(|command| command.starts_with(&format!("RCPT TO:<{who}"))).count();
    assert_eq!((asked("ops"), asked("boss")), (3, 1));
    let rest = server.channel("").deliver(&delivery(firing())).await;
    assert!(matches!(rest, Outcome::Transient { .. }), "{rest:?}");
    let mails = server.mails();
    assert_eq!((mails.len(), &mails[0]), (2, &mails[1]), "another process sends the same mail");
}

#[tokio::test]
async fn a_server_that_never_says_goodbye_has_taken_the_mail_all_the_same() {
    let answers = vec![("QUIT", HANGS)];
    let server = Server::start(Script { answers, ..Script::default() }, Tls::WhenAsked).await;
    assert_eq!(server.channel("").deliver(&delivery(firing())).await, Outcome::Delivered);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_line_with_a_dot_in_the_words_does_not_end_the_mail() {
    let server = Server::start(Script::default(), Tls::WhenAsked).await;
    let keys = "template = \"first\\n.\\n{{ cause }}\\n.\\nlast\"";
    assert_eq!(server.channel(keys).deliver(&hostile()).await, Outcome::Delivered);
    let mail = server.mails().remove(0);
    assert!(mail.contains("first\r\n.\r\n") && mail.contains("\r\nlast"), "{mail}");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = sender(&format!(
        "kind = \"email\"\nhost = \"localhost\"\nport = {port}\nfrom = \"b@example.com\"\nto = \"o@example.com\"\n\
         encryption = \"none\"\ntimeout = \"100ms\""
    ));
    let outcome = silent.deliver(&delivery(firing())).await;
    assert!(matches!(outcome, Outcome::Transient { .. }), "{outcome:?}");
}
