//! The sockets that routes have for themselves, and the threads that serve them: one runtime each, so that a request is
//! read, sent on and answered in one thread and wakes no other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::runtime::Builder;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::service::{Error, Proxy};
use crate::config;
use crate::listener::{Limits, Listener, Reserved};

/// How often connections that rested for too long are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// One thread of the proxy for so many cores: measured, one passes on tens of thousands of small requests in a second, and
/// the other cores are for probes, actors, the store, and whatever else runs on the machine.
const CORES_PER_THREAD: usize = 4;

/// The sockets, bound, so that what cannot work says so before anything is promised.
#[derive(Debug)]
pub struct Sockets {
    bound: Vec<(SocketAddr, Reserved)>,
    threads: usize,
}

impl Sockets {
    /// Binds every socket of `config`.
    ///
    /// # Errors
    /// One that cannot be had.
    pub fn bind(config: &config::proxy::Proxy) -> Result<Self, Error> {
        let bound: Result<Vec<_>, Error> =
            config.listens().map(|address| Ok((address, Reserved::new(address)?))).collect();
        let bound = bound?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let wanted = config.threads.unwrap_or_else(|| cores.div_ceil(CORES_PER_THREAD));
        let threads = if bound.is_empty() { 0 } else { wanted.max(1) };
        Ok(Self { bound, threads })
    }

    /// How many threads will serve them.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Where they are; with the ports that the machine chose where port 0 was asked for.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.bound.iter().map(|(_, reserved)| reserved.local_addr())
    }
}

/// The threads.
#[derive(Debug)]
pub struct DataPlane {
    threads: Vec<JoinHandle<()>>,
    end: CancellationToken,
    died: CancellationToken,
}

impl DataPlane {
    /// Starts serving.
    ///
    /// # Errors
    /// A thread or its runtime cannot be made; those that were made end.
    pub fn start(sockets: Sockets, proxy: &Proxy, limits: Limits) -> Result<Self, Error> {
        let Sockets { bound, threads } = sockets;
        let mut plane = Self { threads: Vec::new(), end: CancellationToken::new(), died: CancellationToken::new() };
        for lane in 1..=threads {
            let mut hands = Vec::new();
            for (address, reserved) in &bound {
                hands.push((*address, reserved.another()?));
            }
            match serve_in_thread(lane, hands, proxy.clone(), limits, plane.ending()) {
                Ok(thread) => plane.threads.push(thread),
                Err(error) => return Err(Error::Thread(error)),
            }
        }
        for (_, reserved) in &bound {
            tracing::info!(address = %reserved.local_addr(), threads, "serving a route of the proxy");
        }
        Ok(plane)
    }

    fn ending(&self) -> Ending {
        Ending { asked: self.end.clone(), died: self.died.clone() }
    }

    /// Is cancelled when one of its sockets is served no more though nobody asked for that.
    #[must_use]
    pub fn died(&self) -> CancellationToken {
        self.died.clone()
    }

    /// Begins the end: nobody is accepted any more.
    pub fn end(&self) {
        self.end.cancel();
    }

    /// Waits until open requests are answered, or cut at the limits' deadline.
    pub async fn ended(mut self) {
        self.end();
        let threads = std::mem::take(&mut self.threads);
        let ended =
            tokio::task::spawn_blocking(move || threads.into_iter().filter_map(|thread| thread.join().err()).count());
        if ended.await.unwrap_or(1) > 0 {
            tracing::error!("a thread of the proxy ended in a panic");
        }
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a thread ends.
#[derive(Debug, Clone)]
struct Ending {
    /// It shall.
    asked: CancellationToken,
    /// It did so by itself, wholly or in part.
    died: CancellationToken,
}

impl Ending {
    /// One listener of a thread has ended. What died is told of; the others go on until they are asked to end, so that
    /// their requests are answered.
    fn note(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(%error, "a listener of the proxy died");
            self.died.cancel();
        }
    }
}

fn serve_in_thread(
    lane: usize,
    sockets: Vec<(SocketAddr, Reserved)>,
    proxy: Proxy,
    limits: Limits,
    ending: Ending,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name(format!("proxy-{lane}"));
    thread.spawn(move || {
        // Also where this thread panics.
        let died = ending.died.clone().drop_guard();
        runtime.block_on(serve(lane, sockets, proxy, limits, &ending));
        if ending.asked.is_cancelled() {
            died.disarm();
        }
        // Connections to targets may rest in the pools; their tasks end with the runtime.
        runtime.shutdown_background();
    })
}

async fn serve(lane: usize, sockets: Vec<(SocketAddr, Reserved)>, proxy: Proxy, limits: Limits, ending: &Ending) {
    let mut listeners = JoinSet::new();
    for (address, reserved) in sockets {
        let listener = match Listener::on(reserved) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%address, %error, "a route of the proxy is not served");
                continue;
            }
        };
        let (proxy, end) = (proxy.clone(), ending.asked.clone());
        listeners.spawn(async move {
            let make = move |client: crate::listener::Client| {
                let caller = std::sync::Arc::new(proxy.caller(client.peer, client.is_secure, lane));
                service_fn(move |request| {
                    let caller = caller.clone();
                    async move { Ok::<_, Infallible>(caller.ask_listening(address, request).await) }
                })
            };
            listener.serve_each(make, limits, end.cancelled()).await;
        });
    }
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = listeners.join_next() => match ended {
                Some(ended) => ending.note(ended),
                None => return,
            },
            _ = ticks.tick() => proxy.sweep_lane(lane),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::actors::board::Board;
    use crate::clock::Clock;
    use crate::config::Config;

    #[tokio::test]
    async fn a_slow_loris_on_the_proxy_is_cut_off() {
        let text = "[[target]]\nname = \"PG\"\nendpoint = \"http://pg.example\"\n[proxy]\nthreads = 2\n\
                    [[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n";
        let loaded = Config::parse(text, "t.toml", std::path::Path::new(""), &BTreeMap::new());
        let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        let sockets = Sockets::bind(&config.proxy).unwrap();
        let address = sockets.addresses().next().unwrap();
        let proxy = Proxy::new(&config, sockets.threads(), Arc::new(Board::default()), Clock::system());
        let limits = Limits { head_read: Duration::from_millis(50), max_connections: 4, ..Limits::default() };
        let plane = DataPlane::start(sockets, &proxy, limits).unwrap();
        // More of them than there is room for, so that the last ones are served only because the first were cut off.
        let mut slow = Vec::new();
        for _ in 0..12 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
            slow.push(client);
        }
        for mut client in slow {
            let mut answered = Vec::new();
            drop(client.read_to_end(&mut answered).await);
            assert!(answered.is_empty());
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answered = String::new();
        client.read_to_string(&mut answered).await.unwrap();
        assert!(answered.starts_with("HTTP/1.1 503") && answered.contains("retry-after: 1\r\n"), "{answered}");
        assert!(!plane.died().is_cancelled());
        plane.ended().await;
    }

    #[tokio::test]
    async fn a_listener_that_dies_is_told_of_and_one_that_ends_is_not() {
        let ending = Ending { asked: CancellationToken::new(), died: CancellationToken::new() };
        let mut listeners = JoinSet::new();
        listeners.spawn(async {});
        ending.note(listeners.join_next().await.unwrap());
        assert!(!ending.died.is_cancelled());
        listeners.spawn(async { panic!("a listener's fault") });
        ending.note(listeners.join_next().await.unwrap());
        assert!(ending.died.is_cancelled());
    }
}
