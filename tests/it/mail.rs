//! A real mail server (aiosmtpd) is told of an outage over STARTTLS, and what lies in its mailbox is what people read.
//!
//! Needs Python with `aiosmtpd` (Debian: `apt-get install --no-install-recommends python3-aiosmtpd`). Where it is missing
//! these tests fail and say so.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::node::{Gateway, LOOK_EVERY, Node, until};

/// The mail server on a free port, with a mailbox of its own.
struct MailServer {
    port: u16,
    process: Child,
    folder: TempDir,
}

impl MailServer {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("the folder can be written to");
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("as above");
        // Between our look and its own somebody else may have taken a port.
        let (port, process) = until("a mail server", async || {
            let port = {
                let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 can be had");
                listener.local_addr().expect("it is bound").port()
            };
            Some((port, serve(folder.path(), port).await?))
        })
        .await;
        Self { port, process, folder }
    }

    fn end(&mut self) {
        // It may have ended, which is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }

    /// Where it was before.
    async fn begin_again(&mut self) {
        self.process = until("the mail server", async || serve(self.folder.path(), self.port).await).await;
    }

    fn channel(&self) -> String {
        format!(
            "[[channel]]\nname = \"mail\"\nkind = \"email\"\nhost = \"localhost\"\nport = {}\nca_file = \"{}\"\n\
             from = \"Breakwater <breakwater@shop.example>\"\nto = [\"ops@shop.example\", \"Kim <kim@shop.example>\"]\n",
            self.port,
            self.folder.path().join("cert.pem").display()
        )
    }

    /// What lies in the mailbox.
    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("mailbox/new")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        files
    }

    /// Each costs a Python, so they are read when they are there.
    async fn mails_when(&self, number: usize) -> Vec<Mail> {
        until(&format!("{number} mails"), async || (self.files().len() >= number).then_some(())).await;
        self.files().iter().map(|file| read(file)).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server that listens there; `None` where it could not.
async fn serve(folder: &Path, port: u16) -> Option<Child> {
    let mut process = Command::new(python())
        .args(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox"])
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg(format!("--tlscert={}", folder.join("cert.pem").display()))
        .arg(format!("--tlskey={}", folder.join("key.pem").display()))
        .arg(folder.join("mailbox"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Python can be started");
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if process.try_wait().expect("it is a child of ours").is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(process);
        }
    }
}

/// A Python that has the server: the system's before whatever else is on the path.
fn python() -> &'static str {
    static FOUND: OnceLock<&str> = OnceLock::new();
    FOUND.get_or_init(find_python)
}

fn find_python() -> &'static str {
    let has = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    ["/usr/bin/python3", "python3"]
        .into_iter()
        .find(has)
        .expect("no aiosmtpd: apt-get install --no-install-recommends python3-aiosmtpd")
}

#[derive(Debug)]
struct Mail {
    subject: String,
    id: String,
    references: String,
    from: String,
    to: String,
    text: String,
}

/// A mail's head and its text, as a mail program shows them: Python's own parser knows nothing of ours.
fn read(file: &Path) -> Mail {
    const READ: &str = "import email, email.policy, json, sys\n\
        mail = email.message_from_file(open(sys.argv[1]), policy=email.policy.default)\n\
        head = {name: str(mail[name] or '') for name in ('Subject', 'Message-ID', 'References', 'From', 'To')}\n\
        print(json.dumps({**head, 'text': mail.get_body(('plain',)).get_content()}))";
    let output = Command::new(python()).args(["-c", READ]).arg(file).output().expect("Python can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mail: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
    Mail {
        subject: text("Subject"),
        id: text("Message-ID"),
        references: text("References"),
        from: text("From"),
        to: text("To"),
        text: text("text"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_mail_server_gets_an_outage_as_one_conversation() {
    let (gateway, server) = (Gateway::start(), MailServer::start().await);
    let target = gateway.target("PG_KCP", "failure_threshold = 1");
    let alerting = "[alerting]\nlocale = \"ko\"\nexternal_url = \"https://breakwater.example\"\n";
    let node = Node::start(&format!("{alerting}{}{target}", server.channel())).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    let begun = server.mails_when(1).await.remove(0);
    gateway.goes("none");
    let mails = server.mails_when(2).await;
    let over = mails.iter().find(|mail| mail.id != begun.id).expect("another mail");
    assert_eq!(begun.from, "Breakwater <breakwater@shop.example>");
    assert_eq!(begun.to, "ops@shop.example, Kim <kim@shop.example>");
    assert!(begun.subject.contains("PG_KCP") && begun.text.contains("503"), "{begun:?}");
    assert!(begun.text.contains("https://breakwater.example/"), "{begun:?}");
    assert!(over.subject.contains("PG_KCP") && over.text.contains("해소"), "{over:?}");
    assert_eq!((&*begun.references, &over.references), ("", &begun.id), "the end answers the beginning: {over:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_comes_back_gets_what_it_missed() {
    let gateway = Gateway::start();
    let mut server = MailServer::start().await;
    let target = gateway.target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("{}{target}", server.channel())).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    server.end();
    gateway.goes("unavailable");
    until("a mail that could not be sent", async || {
        let waiting = node.api.read("/outbox").await;
        waiting["content"][0]["lastError"].as_str().map(str::to_owned)
    })
    .await;
    gateway.goes("none");
    node.api.target_in("PG_KCP", "CONNECTED").await;
    server.begin_again().await;
    let mails = server.mails_when(2).await;
    assert_eq!(mails.len(), 2, "a beginning and an end: {mails:?}");
    node.stop().await;
}
