//! The sockets that routes have for themselves, and the threads that serve them: one runtime each, so that a request is
//! read, sent on and answered in one thread and wakes no other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
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
}

impl DataPlane {
    /// Starts serving.
    ///
    /// # Errors
    /// A thread or its runtime cannot be made; those that were made end.
    pub fn start(sockets: Sockets, proxy: &Proxy, limits: Limits) -> Result<Self, Error> {
        let Sockets { bound, threads } = sockets;
        let mut plane = Self { threads: Vec::new(), end: CancellationToken::new() };
        for lane in 1..=threads {
            let mut hands = Vec::new();
            for (address, reserved) in &bound {
                hands.push((*address, reserved.another()?));
            }
            match serve_in_thread(lane, hands, proxy.clone(), limits, plane.end.clone()) {
                Ok(thread) => plane.threads.push(thread),
                Err(error) => return Err(Error::Thread(error)),
            }
        }
        for (_, reserved) in &bound {
            tracing::info!(address = %reserved.local_addr(), threads, "serving a route of the proxy");
        }
        Ok(plane)
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

fn serve_in_thread(
    lane: usize,
    sockets: Vec<(SocketAddr, Reserved)>,
    proxy: Proxy,
    limits: Limits,
    end: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name(format!("proxy-{lane}"));
    thread.spawn(move || {
        runtime.block_on(serve(lane, sockets, proxy, limits, end));
        // Connections to targets may rest in the pools; their tasks end with the runtime.
        runtime.shutdown_background();
    })
}

async fn serve(
    lane: usize,
    sockets: Vec<(SocketAddr, Reserved)>,
    proxy: Proxy,
    limits: Limits,
    end: CancellationToken,
) {
    let mut listeners = JoinSet::new();
    for (address, reserved) in sockets {
        let listener = match Listener::on(reserved) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%address, %error, "a route of the proxy is not served");
                continue;
            }
        };
        let (proxy, end) = (proxy.clone(), end.clone());
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
            ended = listeners.join_next() => if ended.is_none() { return },
            _ = ticks.tick() => proxy.sweep_lane(lane),
        }
    }
}
