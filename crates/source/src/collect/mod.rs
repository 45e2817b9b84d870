//! The live side: listens to all witnesses that are there and hands out what they said, byte for byte.
//!
//! Takes what was found; gives an iterator of [`Record`]s; never decodes, never decides, never lets a witness wait.
//!
//! Each collector has a [`room`] of its own, and all send into one queue ([`outlet`]). To add one: one file with `pub const COLLECTOR: CollectorDef`, and its
//! name in the list below.
//!
//! Docker's: *subscribe* ([`client`]) → lines ([`lines`]) → the way out, and from each line the questions that it raises ([`want`]), asked on other
//! connections ([`inspect`]). One thread does all of it and waits for nothing but the network: Docker silently skips a subscriber that blocks for 100 ms,
//! so the socket is drained into memory before anything else is done. When the stream breaks, it is taken up again from the last event, and the lists
//! are compared ([`follow`], [`look`]).

mod address;
mod client;
mod containerd_ask;
mod containerd_tell;
mod containerd_wire;
mod follow;
mod inspect;
#[cfg(feature = "kubernetes")]
mod kubernetes_list;
#[cfg(feature = "kubernetes")]
mod kubernetes_watch;
mod lines;
mod look;
mod netlink;
mod nft_rule;
mod outlet;
mod podman_follow;
mod proc;
mod room;
mod tls;
mod want;
mod webhook_answer;
mod webhook_tls;

pub use address::{Address, Surroundings};
pub use client::{Answer, AskError, Client, Endpoint, escape};
pub use outlet::Stats;
pub use room::{CollectorDef, Found, Presence};

use event::Record;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;

macro_rules! collectors {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        /// Every collector. The engine that names the machine comes first.
        pub static COLLECTORS: &[CollectorDef] = &[$($name::COLLECTOR),+];
    };
}

collectors! {
    docker,
    containerd,
    podman,
    processes,
    usage,
    conntrack,
    netfilter,
    kubernetes,
    kubernetes_webhook,
}

/// One that has not said by now whether it flows is not waited for any longer; it may still come.
const READY_WAIT: Duration = Duration::from_secs(12);
/// One that has not ended so long after it should have is left behind.
const END_WAIT: Duration = Duration::from_secs(5);

/// The collector of that name.
pub fn collector_named(name: &str) -> Option<&'static CollectorDef> {
    COLLECTORS.iter().find(|def| def.name == name)
}

/// A collector that was started.
pub struct Started {
    /// Its row.
    pub def: &'static CollectorDef,
    /// Where it listens.
    pub address: String,
    /// What it has done so far.
    pub stats: Arc<Stats>,
    /// Why nothing flows, if nothing does.
    pub failure: Option<AskError>,
}

/// Running collectors: an iterator of records that ends when they are stopped.
pub struct Live {
    inlet: outlet::Inlet,
    stopper: Stopper,
    started: Vec<Started>,
}

/// Stops collectors from anywhere, such as a signal's handler thread.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<Option<Instant>>>);

impl Stopper {
    /// Goes on for `drain`, so that what happened just now is still seen, then stops. The earliest call counts.
    pub fn stop_in(&self, drain: Duration) {
        let at = Instant::now() + drain;
        self.0.send_modify(|stop| *stop = Some(stop.map_or(at, |known| known.min(at))));
    }

    fn is_long_over(&self) -> bool {
        self.0.borrow().is_some_and(|at| at.elapsed() > END_WAIT)
    }
}

impl Live {
    /// Connects to one engine and subscribes; returns when events flow.
    ///
    /// # Errors
    /// When the engine cannot be reached or refuses its events.
    pub fn start(address: Address) -> Result<Live, AskError> {
        let mut live = Live::gather(vec![(&docker::COLLECTOR, docker::at(address))]);
        match live.started.first_mut().and_then(|started| started.failure.take()) {
            Some(error) => Err(error),
            None => Ok(live),
        }
    }

    /// Starts all of them; returns when each flows or has said that it cannot. What failed says so in [`Live::started`], and stops no other.
    pub fn gather(found: Vec<(&'static CollectorDef, Found)>) -> Live {
        let (queue, inlet) = outlet::queue(&machine());
        let (stop, stopped) = watch::channel(None);
        let stopper = Stopper(Arc::new(stop));
        let start = |(def, found): (&'static CollectorDef, Found)| {
            let (address, stats) = (found.address.clone(), Arc::<Stats>::default());
            let (ready, is_ready) = sync_channel(1);
            let failure = room::open(def, found, &queue, stats.clone(), stopped.clone(), ready).err();
            (Started { def, address, stats, failure }, is_ready)
        };
        // The engine gives the machine its name, so it is waited for before any other witness speaks of it.
        let (first, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(|(def, _)| def.name == "docker");
        let mut started = Vec::new();
        for some in [first, rest] {
            let begun: Vec<_> = some.into_iter().map(start).collect();
            let deadline = Instant::now() + READY_WAIT;
            started.extend(begun.into_iter().map(|(mut started, ready)| {
                if started.failure.is_none() {
                    started.failure = answer(&ready, deadline);
                }
                started
            }));
        }
        Live { inlet, stopper, started }
    }

    /// A handle that stops them.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The collectors, those that failed among them.
    pub fn started(&self) -> &[Started] {
        &self.started
    }

    /// What the first of them has done so far.
    pub fn stats(&self) -> Arc<Stats> {
        self.started.first().map(|started| started.stats.clone()).unwrap_or_default()
    }
}

/// Why a collector does not flow, if it says so in time.
fn answer(ready: &Receiver<Result<(), AskError>>, deadline: Instant) -> Option<AskError> {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    match ready.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(answer) => answer.err(),
        Err(Timeout) => Some(AskError::Answer(format!("nothing came within {} s; it is still waited for", READY_WAIT.as_secs()))),
        Err(Disconnected) => Some(AskError::Setting("start the collector: its thread ended".into())),
    }
}

/// What this machine calls itself, for when no engine names it.
fn machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

impl Iterator for Live {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.inlet.next(|| self.stopper.is_long_over())
    }
}
