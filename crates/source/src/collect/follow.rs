//! Follows the event stream through its breaks.

use super::client::{AskError, Endpoint};
use super::inspect::Inspector;
use super::lines::{Lines, Piece};
use super::look::Look;
use super::outlet::Outlet;
use super::room::{Room, TICK, until_stopped};
use super::want::Line;
use event::fact::Sight;
use event::{SmolStr, Time};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A replayed event comes at once after the head of the answer; silence this long means that there is none.
const REPLAY_WAIT: Duration = Duration::from_millis(300);
/// First and longest wait before the next attempt to connect.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// Docker skips a slow subscriber without a word; the lists are compared now and then even when nothing seems wrong.
const RECONCILE_EVERY: Duration = Duration::from_secs(300);
/// How often an engine is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Later than this is worth a note, and one note in this time is enough.
const LAG_MIN: i64 = 2_000_000_000;
const LAG_NOTE_EVERY: Duration = Duration::from_secs(10);
/// Docker keeps this many past events: a replay that is full may have lost its beginning.
const REPLAY_MAX: u64 = 256;

/// The collector's memory of its stream. All of it lives on one thread.
pub(super) struct Follower {
    pub(super) outlet: Rc<Outlet>,
    pub(super) inspector: Rc<Inspector>,
    /// The last event: its time and its bytes, by which a replay is recognised as gapless.
    last: RefCell<Option<(i64, Vec<u8>)>>,
    resume: RefCell<Option<Resume>>,
    /// How far the engine's clock is ahead of ours, in nanoseconds.
    pub(super) clock_offset: Cell<i64>,
    connected_at: Cell<i64>,
    lag_noted: Cell<Option<Instant>>,
    pub(super) looking: Cell<bool>,
    /// A look that was asked for while another was under way.
    pub(super) look_again: Cell<Option<Look>>,
}

/// A stream that has just been taken up again.
struct Resume {
    from: Option<(i64, Vec<u8>)>,
    lines: u64,
}

/// Runs until it is stopped, or nobody reads any more.
pub(super) async fn run(mut endpoint: Endpoint, is_here: bool, room: Room) {
    let outlet = room.outlet().clone();
    let mut stopped = room.stop();
    let first = async {
        endpoint.negotiate().await?;
        let mut connection = endpoint.connect().await?;
        // The name of the host is learned before the first event, so that every record bears it; as a record, /info comes after the subscription.
        let info = connection.ask(Method::GET, "/info", None).await?;
        let info: Info = serde_json::from_slice(&info.body).unwrap_or_default();
        match is_here {
            true => outlet.set_machine(&info.name),
            false => outlet.set_host(&info.name),
        }
        subscribe(&endpoint, None).await
    };
    let stream = match first.await {
        Ok(stream) => stream,
        Err(error) => {
            room.answer(Err(error));
            return;
        }
    };
    // Said before anyone else may speak: the engine's start stands first.
    outlet.note(Sight::Started);
    if !room.answer(Ok(())) {
        return;
    }
    let inspector = Inspector::new(outlet.clone(), endpoint.clone());
    inspector.start();
    let follower = Rc::new(Follower {
        connected_at: Cell::new(outlet.now().0),
        outlet,
        inspector,
        last: RefCell::default(),
        resume: RefCell::default(),
        clock_offset: Cell::new(0),
        lag_noted: Cell::new(None),
        looking: Cell::new(false),
        look_again: Cell::new(None),
    });
    tokio::task::spawn_local(follower.clone().look(Look::Start));
    tokio::select! {
        () = follower.follow(endpoint, stream) => {}
        () = follower.keep_time() => {}
        () = until_stopped(&mut stopped) => {}
    }
    // Questions on their way are still answered, unless the engine has become slow.
    for _ in 0..20 {
        if follower.inspector.is_idle() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    follower.outlet.note(Sight::Stopped);
}

/// Asks now and then whether the engine is still there: a connection whose other end has vanished, or whose engine is frozen, is as quiet as a
/// quiet host. Ends with the reason when two questions in a row were not answered.
async fn still_answers(endpoint: &Endpoint) -> String {
    let mut failures = 0;
    loop {
        sleep(PING_EVERY).await;
        let asked = async { endpoint.connect().await?.ask(Method::GET, "/_ping", None).await };
        match asked.await {
            Ok(_) => failures = 0,
            Err(_) if failures == 0 => failures = 1,
            Err(error) => return format!("the engine no longer answers: {error}"),
        }
    }
}

async fn subscribe(endpoint: &Endpoint, since: Option<i64>) -> Result<Incoming, AskError> {
    let path = match since {
        Some(ns) => format!("/events?since={}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000),
        None => "/events".to_owned(),
    };
    let mut connection = endpoint.connect().await?;
    let response = connection.send(Method::GET, &path, None).await?;
    match response.status().as_u16() {
        200 => Ok(response.into_body()),
        status => Err(AskError::Answer(format!(
            "subscribe to events at {}: status {status}; a proxy in front of the socket must allow GET /events",
            endpoint.address()
        ))),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Info {
    pub(super) name: String,
    pub(super) system_time: String,
}

impl Follower {
    async fn follow(self: &Rc<Self>, mut endpoint: Endpoint, first: Incoming) {
        let mut stream = first;
        loop {
            let reason = self.drain(stream, &endpoint).await;
            if self.outlet.is_gone() {
                return;
            }
            self.outlet.stats().lost.fetch_add(1, Ordering::Relaxed);
            self.outlet.note(Sight::Lost { reason: SmolStr::new(reason) });
            let mut wait = BACK_OFF_MIN;
            stream = loop {
                sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF_MAX);
                if endpoint.negotiate().await.is_err() {
                    continue;
                }
                let from = self.last.borrow().clone();
                // Before any event, the time of the first connection: the engine still knows what came since.
                let since = from.as_ref().map_or(self.connected_at.get(), |(time, _)| *time);
                if let Ok(stream) = subscribe(&endpoint, Some(since)).await {
                    self.inspector.set_endpoint(endpoint.clone());
                    *self.resume.borrow_mut() = Some(Resume { from, lines: 0 });
                    self.connected_at.set(self.outlet.now().0);
                    tokio::task::spawn_local(self.clone().take_up());
                    break stream;
                }
            };
        }
    }

    /// Reads until the stream ends or the engine no longer answers; gives the reason.
    async fn drain(&self, stream: Incoming, endpoint: &Endpoint) -> String {
        tokio::select! {
            reason = self.read(stream) => reason,
            reason = still_answers(endpoint) => reason,
        }
    }

    async fn read(&self, mut stream: Incoming) -> String {
        let mut lines = Lines::default();
        loop {
            match stream.frame().await {
                None => return "the engine ended the stream".into(),
                Some(Err(error)) => return error.to_string(),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    lines.push(&data, &mut |piece| match piece {
                        Piece::Line(line) => self.line(line),
                        Piece::TooLong => {
                            self.outlet.note(Sight::Dropped { count: 1, reason: SmolStr::new_static("an event was longer than 16 MiB") });
                        }
                    });
                    if self.outlet.is_gone() {
                        return String::new();
                    }
                }
            }
        }
    }

    fn line(&self, bytes: &[u8]) {
        self.outlet.data("docker_events", bytes);
        self.outlet.stats().events.fetch_add(1, Ordering::Relaxed);
        let Some(line) = Line::parse(bytes) else { return };
        self.raise_questions(&line);
        self.note_lag(line.time_nano);
        let replayed = {
            let mut resume = self.resume.borrow_mut();
            resume.as_mut().map(|resume| {
                resume.lines += 1;
                resume.lines == 1 && resume.from.as_ref().is_some_and(|(time, last)| *time == line.time_nano && last == bytes)
            })
        };
        // The first line after a break is the last one before it: nothing lies between.
        if replayed == Some(true) {
            self.say_resumed(true);
        }
        if line.time_nano > 0 {
            *self.last.borrow_mut() = Some((line.time_nano, bytes.to_vec()));
        }
    }

    fn raise_questions(&self, line: &Line<'_>) {
        let id = &line.actor.id;
        match (&*line.kind, &*line.action) {
            ("container", "create") => self.inspector.created(id),
            ("container", "start") => self.inspector.started(id),
            _ => {}
        }
        for mut ask in line.asks() {
            // Evidence would be only that nobody ever saw what it was.
            ask.after_end &= self.inspector.is_described(id);
            if !self.inspector.is_in_vain(&ask, line.verb()) {
                self.inspector.ask(ask);
            }
        }
        if line.is_container("create") || line.is_container("destroy") {
            self.inspector.turnover.set(self.inspector.turnover.get() + 1);
        }
        if line.is_container("destroy") {
            self.inspector.ended(id);
        }
    }

    fn note_lag(&self, time: i64) {
        let lag = self.outlet.now().0.saturating_sub(time).saturating_add(self.clock_offset.get());
        self.outlet.stats().lag.store(lag, Ordering::Relaxed);
        // What was replayed after a break is late by the length of the break; that is said by `Resumed`.
        if time <= self.connected_at.get() || lag < LAG_MIN || self.lag_noted.get().is_some_and(|at| at.elapsed() < LAG_NOTE_EVERY) {
            return;
        }
        self.lag_noted.set(Some(Instant::now()));
        self.outlet.note(Sight::Lagging { by: lag });
    }

    fn say_resumed(&self, complete: bool) {
        let Some(resume) = self.resume.borrow_mut().take() else { return };
        let from = resume.from.map(|(time, _)| Time(time));
        let to = if complete { from.or(Some(Time(self.connected_at.get()))) } else { Some(Time(self.connected_at.get())) };
        self.outlet.note(Sight::Resumed { from, to, complete });
    }

    /// Says how much of the gap was replayed, then looks at what stands.
    async fn take_up(self: Rc<Self>) {
        sleep(REPLAY_WAIT).await;
        // Still unsaid: the replay did not begin with the last event. That is complete only if there never was one and the replay is not full.
        let unsaid = self.resume.borrow().as_ref().map(|resume| resume.from.is_none() && resume.lines > 0 && resume.lines < REPLAY_MAX);
        let complete = match unsaid {
            Some(complete) => {
                self.say_resumed(complete);
                complete
            }
            None => true,
        };
        self.look(Look::Again { everything: !complete }).await;
    }

    /// Ticks when it is quiet, says what was dropped, and compares the lists now and then.
    async fn keep_time(self: &Rc<Self>) {
        let mut looked = Instant::now();
        while !self.outlet.is_gone() {
            sleep(TICK.saturating_sub(self.outlet.quiet_for()).max(Duration::from_millis(20))).await;
            let dropped = self.outlet.confess();
            if dropped || looked.elapsed() >= RECONCILE_EVERY {
                looked = Instant::now();
                tokio::task::spawn_local(self.clone().look(Look::Again { everything: dropped }));
            }
            if self.outlet.quiet_for() >= TICK {
                self.outlet.tick();
            }
        }
    }
}
