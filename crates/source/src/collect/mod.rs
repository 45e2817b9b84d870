//! The live side: listens to a container engine and hands out what it said, byte for byte.
//!
//! Takes an address; gives an iterator of [`Record`]s; never decodes, never decides, never lets the engine wait.
//!
//! *Subscribe* ([`client`]) → lines ([`lines`]) → the way out ([`outlet`]), and from each line the questions that it raises ([`want`]), asked on other
//! connections ([`inspect`]). One thread does all of it and waits for nothing but the network: Docker silently skips a subscriber that blocks for 100 ms,
//! so the socket is drained into memory before anything else is done. When the stream breaks, it is taken up again from the last event, and the lists
//! are compared ([`follow`], [`look`]).

mod address;
mod client;
mod follow;
mod inspect;
mod lines;
mod look;
mod outlet;
mod tls;
mod want;

pub use address::{Address, Surroundings};
pub use client::{Answer, AskError, Client, Endpoint, escape};
pub use outlet::Stats;

use event::Record;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A running collector: an iterator of records that ends when it is stopped.
pub struct Live {
    inlet: outlet::Inlet,
    stopper: Stopper,
    stats: Arc<Stats>,
    address: Address,
}

/// Stops a collector from anywhere, such as a signal's handler thread.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<Option<Instant>>>);

impl Stopper {
    /// Goes on for `drain`, so that what happened just now is still seen, then stops. The earliest call counts.
    pub fn stop_in(&self, drain: Duration) {
        let at = Instant::now() + drain;
        self.0.send_modify(|stop| *stop = Some(stop.map_or(at, |known| known.min(at))));
    }
}

impl Live {
    /// Connects and subscribes; returns when events flow.
    ///
    /// # Errors
    /// When the engine cannot be reached or refuses its events.
    pub fn start(address: Address) -> Result<Live, AskError> {
        let stats = Arc::new(Stats::default());
        let (stop, stopped) = watch::channel(None);
        let (ready, is_ready) = mpsc::sync_channel(1);
        let endpoint = Endpoint::new(address.clone())?;
        let counted = stats.clone();
        let thread = std::thread::Builder::new().name("collect".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(AskError::Setting(format!("start the network runtime: {error}"))));
                    return;
                }
            };
            let (outlet, inlet) = outlet::outlet(&endpoint.address().to_string(), counted);
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, follow::run(endpoint, outlet, inlet, ready, stopped));
        });
        thread.map_err(|e| AskError::Setting(format!("start the collector's thread: {e}")))?;
        let inlet = is_ready.recv().map_err(|_| AskError::Setting("start the collector: its thread ended".into()))??;
        Ok(Live { inlet, stopper: Stopper(Arc::new(stop)), stats, address })
    }

    /// A handle that stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What it has done so far.
    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Iterator for Live {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.inlet.next()
    }
}
