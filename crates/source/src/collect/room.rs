//! A room for each collector: a thread of its own, so that one that hangs, fails or floods stops no other.
//!
//! A collector is a row ([`CollectorDef`]): how to find out whether its witness is there, and how to listen. What all would have to do alike is done here:
//! saying that it started, that its stream broke, that it flows again, what was dropped, that it stopped; trying again; and ticking.

use super::Surroundings;
use super::client::AskError;
use super::outlet::{Outlet, Queue, Stats};
use event::fact::Sight;
use event::{SmolStr, Time, Witness};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::sleep;

/// After this much silence the passing of time is a record of its own.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// First and longest wait before the next attempt.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// One collector: what it listens to, and whether that is there.
pub struct CollectorDef {
    /// Its name, the stem of its file, by which `--only` and `--without` choose it.
    pub name: &'static str,
    /// What kind of witness it listens to.
    pub witness: Witness,
    /// The sources whose records it gives. Its notes are about the first.
    pub sources: &'static [&'static str],
    /// What it shows, one sentence.
    pub about: &'static str,
    /// What nobody sees without it, one sentence.
    pub blind: &'static str,
    /// Finds out whether the witness is there and may be listened to. Quick, and changes nothing.
    pub find: fn(&Surroundings) -> Presence,
}

/// Whether a witness can be listened to from here.
pub enum Presence {
    /// It is there.
    Present(Found),
    /// It is not there, or was not asked for.
    Absent {
        /// Why.
        reason: String,
        /// What to do to have it; empty: nothing.
        remedy: String,
    },
    /// It is there, but may not be listened to.
    Denied {
        /// Why.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

impl Presence {
    /// Not there.
    pub fn absent(reason: impl Into<String>, remedy: impl Into<String>) -> Presence {
        Presence::Absent { reason: reason.into(), remedy: remedy.into() }
    }

    /// There, but not for us.
    pub fn denied(reason: impl Into<String>, remedy: impl Into<String>) -> Presence {
        Presence::Denied { reason: reason.into(), remedy: remedy.into() }
    }
}

/// A future that stays on its thread.
pub(super) type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// A witness that is there, and how to listen to it.
pub struct Found {
    /// Where it listens, or what it is; records bear it as their place.
    pub address: String,
    run: Run,
}

enum Run {
    /// Keeps its stream itself: Docker, whose breaks can be bridged.
    Own(Box<dyn FnOnce(Room) -> Local<()> + Send>),
    /// Listens once; when it ends, it is called again.
    Kept(Box<dyn Fn(Room) -> Local<Result<(), String>> + Send>),
}

impl Found {
    /// A collector that connects, calls [`Room::ready`], and listens until its stream breaks; it is then called again. An error says what is wrong and,
    /// after a semicolon, what to do. It is dropped at any await when the time to stop has come.
    pub(super) fn kept<F>(address: impl Into<String>, run: impl Fn(Room) -> F + Send + 'static) -> Found
    where
        F: Future<Output = Result<(), String>> + 'static,
    {
        Found { address: address.into(), run: Run::Kept(Box::new(move |room| Box::pin(run(room)))) }
    }

    /// A collector that does all that for itself.
    pub(super) fn own<F: Future<Output = ()> + 'static>(address: impl Into<String>, run: impl FnOnce(Room) -> F + Send + 'static) -> Found {
        Found { address: address.into(), run: Run::Own(Box::new(move |room| Box::pin(run(room)))) }
    }
}

/// When to stop; `None` while nobody has said so.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// What a collector is given. Clones are the same room.
#[derive(Clone)]
pub(super) struct Room(Rc<Inside>);

struct Inside {
    outlet: Rc<Outlet>,
    ready: RefCell<Option<SyncSender<Result<(), AskError>>>>,
    stop: Stop,
    /// The stream has flowed before, and then broke.
    broken: Cell<bool>,
    flows: Cell<bool>,
    /// Last sign of life before the break.
    seen: Cell<Option<Time>>,
}

impl Room {
    pub fn outlet(&self) -> &Rc<Outlet> {
        &self.0.outlet
    }

    /// When to stop.
    pub fn stop(&self) -> Stop {
        self.0.stop.clone()
    }

    /// Records flow from now on. Says so: for the first time as a start, later as the end of a break, of which nobody knows what it hid.
    pub fn ready(&self) {
        self.0.flows.set(true);
        match self.0.broken.replace(false) {
            false => self.0.outlet.note(Sight::Started),
            true => {
                let to = Some(self.0.outlet.now());
                self.0.outlet.note(Sight::Resumed { from: self.0.seen.get(), to, complete: false });
            }
        }
        self.answer(Ok(()));
    }

    /// Answers whoever waits for the collector to start. Only the first answer counts; false: nobody waits any more.
    pub fn answer(&self, answer: Result<(), AskError>) -> bool {
        self.0.ready.borrow_mut().take().is_none_or(|ready| ready.send(answer).is_ok())
    }
}

/// Starts a collector's thread. `ready` is answered when records flow, or when they cannot.
pub(super) fn open(
    def: &'static CollectorDef,
    found: Found,
    queue: &Queue,
    stats: Arc<Stats>,
    stop: Stop,
    ready: SyncSender<Result<(), AskError>>,
) -> Result<(), AskError> {
    let queue = queue.clone();
    let thread = std::thread::Builder::new().name(def.name.into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(AskError::Setting(format!("start the network runtime: {error}"))));
                return;
            }
        };
        let source = def.sources.first().copied().unwrap_or("sensor");
        let outlet = Rc::new(queue.outlet(source, &found.address, stats));
        drop(queue);
        let room = Room(Rc::new(Inside {
            outlet,
            ready: RefCell::new(Some(ready)),
            stop,
            broken: Cell::new(false),
            flows: Cell::new(false),
            seen: Cell::new(None),
        }));
        let local = tokio::task::LocalSet::new();
        match found.run {
            Run::Own(run) => local.block_on(&runtime, run(room)),
            Run::Kept(run) => local.block_on(&runtime, keep(room, &*run)),
        }
    });
    thread.map(drop).map_err(|e| AskError::Setting(format!("start the thread of the collector {}: {e}", def.name)))
}

/// Listens until the time to stop has come, again and again.
async fn keep(room: Room, run: &dyn Fn(Room) -> Local<Result<(), String>>) {
    let mut stop = room.stop();
    let outlet = room.outlet().clone();
    tokio::select! {
        () = again_and_again(&room, run) => {}
        () = keep_time(&outlet) => {}
        () = until_stopped(&mut stop) => {}
    }
    if room.0.flows.get() {
        outlet.note(Sight::Stopped);
    }
}

async fn again_and_again(room: &Room, run: &dyn Fn(Room) -> Local<Result<(), String>>) {
    let mut wait = BACK_OFF_MIN;
    loop {
        let began = Instant::now();
        let reason = match run(room.clone()).await {
            Ok(()) => "the stream ended".to_owned(),
            Err(reason) => reason,
        };
        if room.outlet().is_gone() {
            return;
        }
        if !room.0.flows.get() {
            // It never flowed: whoever waits is told, and there is nothing to take up.
            room.answer(Err(AskError::Setting(reason)));
            return;
        }
        if !room.0.broken.replace(true) {
            let stats = room.outlet().stats();
            stats.lost.fetch_add(1, Ordering::Relaxed);
            room.0.seen.set(Some(Time(stats.last.load(Ordering::Relaxed))).filter(|time| time.0 > 0));
            room.outlet().note(Sight::Lost { reason: SmolStr::new(reason) });
        }
        if began.elapsed() > BACK_OFF_MAX {
            wait = BACK_OFF_MIN;
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACK_OFF_MAX);
    }
}

/// Ticks when all are quiet, and says what was dropped.
async fn keep_time(outlet: &Outlet) {
    while !outlet.is_gone() {
        sleep(TICK.saturating_sub(outlet.quiet_for()).max(Duration::from_millis(20))).await;
        outlet.confess();
        if outlet.quiet_for() >= TICK {
            outlet.tick();
        }
    }
}

/// Ends when the time to stop has come, or when nobody is left who could say so.
pub(super) async fn until_stopped(stopped: &mut Stop) {
    loop {
        let at = *stopped.borrow_and_update();
        let wait = async {
            match at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => return,
            changed = stopped.changed() => if changed.is_err() { return },
        }
    }
}
