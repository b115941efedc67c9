//! The `exec` channel: a program of the user's, which gets the message as JSON.
//!
//! No shell is between, so nothing in a message can become a command. The program sees the webhook's CloudEvent at its
//! standard input and of the environment only what finds programs and languages: no secret of ours. How it ends says
//! what came of it: 0 is delivered, 75 (`EX_TEMPFAIL` of sysexits.h) may work later, all else never will.

use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::confidential::Confidential;
use crate::config::channel::Exec;
use crate::domain::delivery::Outcome;

/// `EX_TEMPFAIL` of sysexits.h.
const TRY_AGAIN: i32 = 75;
/// How much of a program's words is read; what comes after it is read away, so that the program does not stop there.
const WORDS_MAX_BYTES: usize = 4 * 1024;
/// How long the last words of a program that has ended are waited for. They are there by then; what is not is of a
/// program that it has left behind, which may go on for ever.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Variables of ours that a program gets.
const ENVIRONMENT: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];

/// A program with its time limit.
pub(super) struct Program {
    exec: Exec,
    timeout: Duration,
    confidential: Confidential,
}

impl Program {
    pub(super) fn new(exec: Exec, timeout: Duration) -> Self {
        let confidential = Confidential::of_arguments(exec.arguments.iter().map(AsRef::as_ref));
        Self { exec, timeout, confidential }
    }

    /// Makes one attempt. At the time limit the program is killed, with all that it has started.
    pub(super) async fn run(&self, message: &str) -> Outcome {
        let mut child = match self.start().await {
            Ok(child) => child,
            Err(error) => {
                let error = format!("the program cannot be started: {error}");
                return Outcome::Permanent { error: error.into() };
            }
        };
        match tokio::time::timeout(self.timeout, talk(&mut child, message, &self.confidential)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                kill(&child);
                let error = format!("the program did not end within {:?} and was killed", self.timeout);
                Outcome::Transient { error: error.into(), retry_after: None }
            }
        }
    }

    async fn start(&self) -> std::io::Result<Child> {
        let Exec { program, arguments } = &self.exec;
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|argument| &**argument)).env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A script is a shell and what it calls, and all of it is killed together.
        command.process_group(0);
        // The system copies a process for it, and whoever asks waits for that.
        tokio::task::spawn_blocking(move || command.spawn()).await.map_err(std::io::Error::other)?
    }
}

/// Kills a program that runs, and those that it has started. There is nobody else in its group.
fn kill(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(Err(error)) = id.map(|id| kill_process_group(id, Signal::KILL)) {
        tracing::debug!(%error, "a program ended before it was killed");
    }
}

async fn talk(child: &mut Child, message: &str, confidential: &Confidential) -> Outcome {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let say = async {
        if let Some(mut stdin) = stdin {
            // A program that does not want to hear it may end without it.
            drop(stdin.write_all(message.as_bytes()).await);
        }
    };
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let status = {
        let mut talking = pin!(async { tokio::join!(say, words(stdout, &mut said), words(stderr, &mut complained)) });
        tokio::select! {
            _ = &mut talking => child.wait().await,
            // What it has left behind may hold its output open: that it has ended is what counts.
            status = child.wait() => {
                drop(tokio::time::timeout(LAST_WORDS, talking).await);
                status
            }
        }
    };
    let words = if complained.is_empty() { said } else { complained };
    let words = confidential.clean_beginning(&words, WORDS_MAX_BYTES);
    let told = |how: String| if words.is_empty() { how } else { format!("{how}: {words}") };
    match status {
        Ok(status) if status.success() => Outcome::Delivered,
        Ok(status) if status.code() == Some(TRY_AGAIN) => {
            Outcome::Transient { error: told(status.to_string()).into(), retry_after: None }
        }
        Ok(status) => Outcome::Permanent { error: told(status.to_string()).into() },
        Err(error) => Outcome::Transient { error: told(error.to_string()).into(), retry_after: None },
    }
}

async fn words(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 1024];
    while let Ok(count) = stream.read(&mut chunk).await
        && count > 0
    {
        let room = WORDS_MAX_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
}
