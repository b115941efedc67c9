//! The TCP probe: connects, shakes hands if it is to, sends, and looks at the first 64 KiB of the answer.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::probe::{TcpExpect, TcpProbe};
use crate::domain::observation::{Failure, Observation, Reason};

use super::dial::{self, Endpoint};
use super::error::Error;
use super::failure;
use super::stream::Stream;
use super::tls::{self, Handshake, Protocols, Trust};
use super::trace::{Stage, Trace};

/// How much of an answer is looked at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A prepared TCP probe.
#[derive(Debug)]
pub(super) struct TcpTarget {
    clock: Clock,
    probe: Arc<TcpProbe>,
    endpoint: Endpoint,
    handshake: Option<Handshake>,
}

impl TcpTarget {
    pub(super) fn prepare(clock: Clock, trust: &Trust, probe: &Arc<TcpProbe>) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&probe.host, probe.port);
        let handshake = match &probe.tls {
            Some(tls) => Some(Handshake::new(trust, tls, Protocols::None, endpoint.host())?),
            None => None,
        };
        Ok(Self { clock, probe: Arc::clone(probe), endpoint, handshake })
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = Trace::begin(self.clock, deadline).warning(self.probe.warn_before);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out(&trace)),
        };
        trace.finish(outcome, self.probe.max_latency)
    }

    async fn run(&self, trace: &mut Trace) -> Result<(), Failure> {
        let tcp = dial::connect(&self.endpoint, trace).await?;
        let mut stream = match &self.handshake {
            Some(how) => Stream::Tls(tls::handshake(tcp, how, &self.endpoint, trace).await?),
            None => Stream::Plain(tcp),
        };
        trace.enter(Stage::Sending);
        self.send(&mut stream).await.map_err(|error| failure::talking(&error, &self.endpoint))?;
        if let Some(expect) = &self.probe.expect {
            trace.enter(Stage::Processing);
            self.expect(expect, &mut stream, trace).await?;
        }
        trace.enter(Stage::Between);
        stream.close().await;
        Ok(())
    }

    async fn send(&self, stream: &mut Stream) -> io::Result<()> {
        if self.probe.send.is_empty() {
            return Ok(());
        }
        stream.write_all(&self.probe.send).await?;
        stream.flush().await
    }

    async fn expect(&self, expect: &TcpExpect, stream: &mut Stream, trace: &mut Trace) -> Result<(), Failure> {
        let mut answer = Vec::new();
        loop {
            let mut keep = |arrived: io::Result<&[u8]>| {
                let bytes = arrived?;
                let room = ANSWER_BYTES_MAX - answer.len();
                answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(bytes.len())
            };
            let read: io::Result<usize> = poll_fn(|cx| stream.poll_take(cx, &mut keep)).await;
            let ended = match read {
                Ok(0) => true,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
                Ok(_) => false,
                Err(error) => return Err(failure::talking(&error, &self.endpoint)),
            };
            if answer.len() as u64 > trace.bytes {
                if trace.bytes == 0 {
                    trace.enter(Stage::Transferring);
                }
                trace.bytes = answer.len() as u64;
            }
            if meets(expect, &answer) {
                return Ok(());
            }
            if ended || answer.len() == ANSWER_BYTES_MAX {
                let count = answer.len();
                let all = if ended { "all" } else { "the first" };
                return Err(failure::plain(
                    Reason::Assertion,
                    format!("{all} {count} bytes of the answer of {} are not what is expected", self.endpoint),
                ));
            }
        }
    }

    /// An answer has no end of its own: where some of it came, the deadline says that it was not the expected one.
    fn timed_out(&self, trace: &Trace) -> Failure {
        if trace.bytes == 0 {
            return failure::timed_out(trace, &self.endpoint);
        }
        let (count, deadline) = (trace.bytes, trace.deadline());
        failure::plain(
            Reason::Assertion,
            format!("{} answered {count} bytes in {deadline:?} that are not what is expected", self.endpoint),
        )
    }
}

fn meets(expect: &TcpExpect, answer: &[u8]) -> bool {
    match expect {
        TcpExpect::Contains(bytes) => memmem::find(answer, bytes).is_some(),
        TcpExpect::Matches(pattern) => pattern.is_match(answer),
    }
}
