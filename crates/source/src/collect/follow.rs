//! Follows the event stream through its breaks, and compares the lists after each.

use super::client::{AskError, Connection, Endpoint};
use super::inspect::Inspector;
use super::lines::{Lines, Piece};
use super::outlet::{Inlet, Outlet};
use super::want::{Ask, Line, Object, Urgency};
use event::fact::Sight;
use event::{SmolStr, Time};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::sleep;

/// After this much silence the passing of time is a record of its own.
const TICK: Duration = Duration::from_millis(250);
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
/// A list is asked for again when containers came or went meanwhile, at most so often.
const LIST_ATTEMPTS: u64 = 5;
/// Docker keeps this many past events: a replay that is full may have lost its beginning.
const REPLAY_MAX: u64 = 256;

struct Follower {
    outlet: Rc<Outlet>,
    inspector: Rc<Inspector>,
    /// The last event: its time and its bytes, by which a replay is recognised as gapless.
    last: RefCell<Option<(i64, Vec<u8>)>>,
    resume: RefCell<Option<Resume>>,
    /// How far the engine's clock is ahead of ours, in nanoseconds.
    clock_offset: Cell<i64>,
    connected_at: Cell<i64>,
    lag_noted: Cell<Option<Instant>>,
    looking: Cell<bool>,
    /// A look that was asked for while another was under way.
    look_again: Cell<Option<Look>>,
}

/// A stream that has just been taken up again.
struct Resume {
    from: Option<(i64, Vec<u8>)>,
    lines: u64,
}

/// Runs until it is stopped, or nobody reads any more.
pub(super) async fn run(
    mut endpoint: Endpoint,
    outlet: Outlet,
    inlet: Inlet,
    ready: SyncSender<Result<Inlet, AskError>>,
    mut stopped: watch::Receiver<Option<Instant>>,
) {
    let outlet = Rc::new(outlet);
    let first = async {
        endpoint.negotiate().await?;
        let mut connection = endpoint.connect().await?;
        // The name of the host is learned before the first event, so that every record bears it; as a record, /info comes after the subscription.
        let info = connection.ask(Method::GET, "/info", None).await?;
        let info: Info = serde_json::from_slice(&info.body).unwrap_or_default();
        outlet.set_host(&info.name);
        subscribe(&endpoint, None).await
    };
    let stream = match first.await {
        Ok(stream) => stream,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(inlet)).is_err() {
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
    follower.outlet.note(Sight::Started);
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

/// Ends when the time to stop has come, or when nobody is left who could say so.
async fn until_stopped(stopped: &mut watch::Receiver<Option<Instant>>) {
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
struct Info {
    name: String,
    system_time: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Listed {
    id: String,
}

/// The ids in a list. A list can have megabytes, and this thread must not be busy with it for as long as Docker waits for a subscriber.
async fn listed(body: Bytes) -> Vec<String> {
    let parse = move || serde_json::from_slice::<Vec<Listed>>(&body).unwrap_or_default().into_iter().map(|entry| entry.id).collect();
    tokio::task::spawn_blocking(parse).await.unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// What stands at start.
    Start,
    /// What was missed; `everything`: what is known may have changed, too.
    Again { everything: bool },
}

impl Look {
    fn everything(self) -> bool {
        self != Look::Again { everything: false }
    }
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

    /// Reads the lists and asks about what is in them. One look at a time; what is asked for meanwhile follows.
    async fn look(self: Rc<Self>, look: Look) {
        if self.looking.replace(true) {
            let everything = look.everything() || self.look_again.get().is_some_and(Look::everything);
            self.look_again.set(Some(Look::Again { everything }));
            return;
        }
        let mut next = Some(look);
        while let Some(look) = next {
            let endpoint = self.inspector.endpoint();
            if let Ok(mut connection) = endpoint.connect().await {
                self.look_with(&mut connection, look).await;
            }
            next = self.look_again.take();
        }
        self.looking.set(false);
    }

    async fn look_with(&self, connection: &mut Connection, look: Look) {
        if look != Look::Start {
            self.outlet.note(Sight::Reconciled);
        }
        if let Some(body) = self.record(connection, "docker_info", "/info").await {
            let info: Info = serde_json::from_slice(&body).unwrap_or_default();
            if let Some(theirs) = Time::parse(&info.system_time) {
                self.clock_offset.set(theirs.0.saturating_sub(self.outlet.now().0));
            }
        }
        self.record(connection, "docker_info", "/version").await;
        self.look_at_containers(connection, look).await;
        for image in self.list(connection, "docker_images", "/images/json").await {
            self.inspector.ask_once(Ask::new(Object::Image, image, Urgency::Standing));
        }
        for network in self.list(connection, "docker_networks", "/networks").await {
            // The list leaves out who is on a network.
            if look.everything() {
                self.inspector.ask(Ask::new(Object::Network, network, Urgency::Standing));
            }
        }
        self.record(connection, "docker_volumes", "/volumes").await;
    }

    /// The list of containers, taken while none came or went: otherwise it would contradict the events around it.
    async fn look_at_containers(&self, connection: &mut Connection, look: Look) {
        let path = "/containers/json?all=1";
        for attempt in 1..=LIST_ATTEMPTS {
            let before = self.inspector.turnover.get();
            let Some(body) = self.answer(connection, path).await else { return };
            // Events that were on their way when the list was made arrive first.
            sleep(Duration::from_millis(20 * attempt)).await;
            if self.inspector.turnover.get() != before && attempt < LIST_ATTEMPTS {
                continue;
            }
            self.outlet.stats().answers.fetch_add(1, Ordering::Relaxed);
            self.outlet.data("docker_containers", &body);
            let ids: BTreeSet<String> = listed(body).await.into_iter().collect();
            self.inspector.only_these_stand(&ids);
            for id in ids {
                if self.inspector.stands(&id) || look.everything() {
                    self.inspector.ask(Ask::new(Object::Container, id, Urgency::Standing));
                }
            }
            return;
        }
    }

    async fn list(&self, connection: &mut Connection, source: &'static str, path: &str) -> Vec<String> {
        match self.record(connection, source, path).await {
            Some(body) => listed(body).await,
            None => Vec::new(),
        }
    }

    async fn record(&self, connection: &mut Connection, source: &'static str, path: &str) -> Option<Bytes> {
        let body = self.answer(connection, path).await?;
        self.outlet.stats().answers.fetch_add(1, Ordering::Relaxed);
        self.outlet.data(source, &body);
        Some(body)
    }

    async fn answer(&self, connection: &mut Connection, path: &str) -> Option<Bytes> {
        let reason = match connection.ask(Method::GET, path, None).await {
            Ok(answer) if answer.is_good() => return Some(answer.body),
            Ok(answer) => answer.message(),
            Err(error) => error.to_string(),
        };
        self.outlet.note(Sight::Missed { object: SmolStr::new_static("list"), id: SmolStr::new(path), reason: SmolStr::new(reason) });
        None
    }
}
