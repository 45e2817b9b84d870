//! Follows the services of Podman: events as they come, and for each container that one names, what it is.
//!
//! The service answers in Docker's shape where it must and in its own (`/libpod`) where it tells more; here it is asked for its own. Each answer is kept as
//! it came.

use super::address::Address;
use super::client::{Endpoint, escape};
use super::lines::{Lines, Piece};
use super::room::Room;
use super::want::Line;
use event::SmolStr;
use event::fact::Sight;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The version of the API that is asked for: the first of Podman 4, which 5 answers as well.
const API: &str = "/v4.0.0/libpod";
/// Questions under way at once.
const ASKS_AT_ONCE: usize = 6;
/// Questions that wait at most; each one more is said to be missed.
const ASKS_MAX: usize = 20_000;
/// Execs remembered so as not to be asked about twice.
const EXECS_MAX: usize = 100_000;
/// The lists are compared now and then even when nothing seems wrong.
const RECONCILE_EVERY: Duration = Duration::from_secs(300);
/// A list is asked for again when containers came or went meanwhile, at most so often.
const LIST_ATTEMPTS: u64 = 5;
/// How often a service is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(15);

/// One service of Podman: root's, or a user's.
pub(super) struct Service {
    path: PathBuf,
    /// Time of its last event, in nanoseconds; 0 before the first.
    last: AtomicI64,
    /// It was followed before.
    known: AtomicBool,
}

impl Service {
    pub fn at(path: PathBuf) -> Service {
        Service { path, last: AtomicI64::new(0), known: AtomicBool::new(false) }
    }
}

/// What all tasks of one stretch of following share.
struct Follower {
    room: Room,
    services: Arc<[Service]>,
    /// Those that answered, by their place.
    followed: Vec<(usize, Endpoint)>,
    gate: Semaphore,
    waiting: Cell<usize>,
    /// Counts creations and ends: a list that was asked for meanwhile tells of neither before nor after.
    turnover: Cell<u64>,
    /// Execs that were asked about.
    execs: RefCell<BTreeSet<String>>,
}

/// Follows until a stream breaks.
pub(super) async fn follow(services: Arc<[Service]>, room: Room) -> Result<(), String> {
    let (mut streams, mut followed, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (place, service) in services.iter().enumerate() {
        match subscribe(service).await {
            Ok((endpoint, stream)) => {
                followed.push((place, endpoint));
                streams.push((place, stream));
            }
            Err(error) => failures.push((service, error)),
        }
    }
    if streams.is_empty() {
        let (_, error) = failures.into_iter().next().ok_or("no service of Podman is left; systemctl enable --now podman.socket")?;
        return Err(error);
    }
    room.ready();
    for (service, error) in failures {
        let id = SmolStr::new(service.path.display().to_string());
        room.outlet().note(Sight::Missed { object: SmolStr::new_static("engine"), id, reason: SmolStr::new(error) });
    }
    let again = followed.iter().any(|(place, _)| services[*place].known.swap(true, Ordering::Relaxed));
    let follower = Rc::new(Follower {
        room,
        services,
        followed,
        gate: Semaphore::new(ASKS_AT_ONCE),
        waiting: Cell::new(0),
        turnover: Cell::new(0),
        execs: RefCell::default(),
    });
    let mut tasks = JoinSet::new();
    for (place, stream) in streams {
        tasks.spawn_local(follower.clone().read(place, stream));
        tasks.spawn_local(follower.clone().still_answers(place));
    }
    tasks.spawn_local(follower.clone().compare(again));
    // Whichever ends first ends the stretch; the others are dropped with the set.
    match tasks.join_next().await {
        Some(Ok(reason)) => Err(reason),
        _ => Err("the collector's task ended".into()),
    }
}

async fn subscribe(service: &Service) -> Result<(Endpoint, Incoming), String> {
    let endpoint = Endpoint::new(Address::Unix(service.path.clone())).map_err(|error| error.to_string())?;
    let since = match service.last.load(Ordering::Relaxed) {
        0 => String::new(),
        // Whole seconds: what comes again is known by its identity.
        last => format!("&since={}", last / 1_000_000_000),
    };
    let mut connection = endpoint.connect().await.map_err(|error| error.to_string())?;
    let response =
        connection.send(Method::GET, &format!("{API}/events?stream=true{since}"), None).await.map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        200 => Ok((endpoint, response.into_body())),
        status => {
            Err(format!("subscribe to the events of Podman at {}: status {status}; Podman 4 or later is needed", service.path.display()))
        }
    }
}

impl Follower {
    async fn read(self: Rc<Self>, place: usize, mut stream: Incoming) -> String {
        let mut lines = Lines::default();
        loop {
            match stream.frame().await {
                None => return format!("the service of Podman at {} ended the stream", self.services[place].path.display()),
                Some(Err(error)) => return format!("read the events of Podman at {}: {error}", self.services[place].path.display()),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    lines.push(&data, &mut |piece| match piece {
                        Piece::Line(line) => self.line(place, line),
                        Piece::TooLong => self.room.outlet().note_dropped(1, "an event was longer than 16 MiB"),
                    });
                }
            }
        }
    }

    fn line(self: &Rc<Self>, place: usize, bytes: &[u8]) {
        self.room.outlet().event("podman_events", bytes);
        let Some(line) = Line::parse(bytes) else { return };
        if line.time_nano > 0 {
            self.services[place].last.store(line.time_nano, Ordering::Relaxed);
            let lag = self.room.outlet().now().0.saturating_sub(line.time_nano);
            self.room.outlet().stats().lag.store(lag, Ordering::Relaxed);
        }
        if line.kind == "container" && ["create", "remove", "evict"].contains(&line.verb()) {
            self.turnover.set(self.turnover.get() + 1);
        }
        if let Some((id, after_end)) = concerns(&line) {
            self.ask(place, id.to_owned(), after_end);
        }
        if line.kind == "container" && line.verb() == "exec" {
            // Podman 4 does not say which; the container knows its execs while they run.
            let (follower, id) = (self.clone(), line.actor.id.to_string());
            tokio::task::spawn_local(async move { follower.execs(place, &id).await });
        }
    }

    /// Asks what a container is, in its turn.
    fn ask(self: &Rc<Self>, place: usize, id: String, after_end: bool) {
        if id.is_empty() || id.len() > 256 {
            return;
        }
        if self.waiting.get() >= ASKS_MAX {
            self.missed("container", &id, "too many questions were waiting");
            return;
        }
        self.waiting.set(self.waiting.get() + 1);
        let follower = self.clone();
        tokio::task::spawn_local(async move {
            let permit = follower.gate.acquire().await;
            follower.inspect(place, &id, after_end).await;
            drop(permit);
            follower.waiting.set(follower.waiting.get() - 1);
        });
    }

    async fn inspect(&self, place: usize, id: &str, after_end: bool) {
        match self.get(place, &format!("/containers/{}/json", escape(id))).await {
            Ok(body) => self.keep("podman_container", &body),
            // That what has ended is gone is no news.
            Err(_) if after_end => {}
            Err(reason) => self.missed("container", id, &reason),
        }
    }

    /// Asks what the commands are that run in a container now.
    async fn execs(&self, place: usize, id: &str) {
        let Ok(permit) = self.gate.acquire().await else { return };
        if let Ok(body) = self.get(place, &format!("/containers/{}/json", escape(id))).await {
            let container: Execs = serde_json::from_slice(&body).unwrap_or_default();
            for exec in container.ids.unwrap_or_default() {
                if !self.execs.borrow_mut().insert(exec.clone()) {
                    continue;
                }
                match self.get(place, &format!("/exec/{}/json", escape(&exec))).await {
                    Ok(body) => self.keep("podman_exec", &body),
                    Err(reason) => self.missed("exec", &exec, &reason),
                }
            }
        }
        if self.execs.borrow().len() > EXECS_MAX {
            // Forgotten in one go, which only costs questions.
            self.execs.borrow_mut().clear();
        }
        drop(permit);
    }

    fn keep(&self, source: &'static str, body: &[u8]) {
        self.room.outlet().stats().answers.fetch_add(1, Ordering::Relaxed);
        self.room.outlet().data(source, body);
    }

    fn missed(&self, object: &'static str, id: &str, reason: &str) {
        self.room.outlet().stats().missed.fetch_add(1, Ordering::Relaxed);
        self.room.outlet().note(Sight::Missed { object: SmolStr::new_static(object), id: SmolStr::new(id), reason: SmolStr::new(reason) });
    }

    async fn get(&self, place: usize, path: &str) -> Result<Bytes, String> {
        let endpoint = self.followed.iter().find(|(other, _)| *other == place).map(|(_, endpoint)| endpoint.clone());
        let endpoint = endpoint.ok_or("the service does not answer")?;
        let mut connection = endpoint.connect().await.map_err(|error| error.to_string())?;
        let answer = connection.ask(Method::GET, &format!("{API}{path}"), None).await.map_err(|error| error.to_string())?;
        if answer.is_good() { Ok(answer.body) } else { Err(answer.message()) }
    }

    /// Ends with the reason when two questions in a row were not answered: a frozen service is as quiet as a quiet host.
    async fn still_answers(self: Rc<Self>, place: usize) -> String {
        let mut failures = 0;
        loop {
            sleep(PING_EVERY).await;
            match self.get(place, "/_ping").await {
                Ok(_) => failures = 0,
                Err(_) if failures == 0 => failures = 1,
                Err(error) => return format!("the service of Podman no longer answers: {error}"),
            }
        }
    }

    /// Looks at what stands, at the start and now and then.
    async fn compare(self: Rc<Self>, again: bool) -> String {
        let mut again = again;
        loop {
            if again {
                self.room.outlet().note(Sight::Reconciled);
            }
            self.look().await;
            again = true;
            sleep(RECONCILE_EVERY).await;
        }
    }

    /// The list of all containers of all services, taken while none came or went. One list: what it does not name does not stand.
    async fn look(self: &Rc<Self>) {
        for attempt in 1..=LIST_ATTEMPTS {
            let before = self.turnover.get();
            let mut lists = Vec::new();
            for (place, _) in &self.followed {
                match self.get(*place, "/containers/json?all=true").await {
                    Ok(body) => lists.push((*place, body)),
                    Err(reason) => return self.missed("list", "/containers/json", &reason),
                }
            }
            // Events that were on their way when the list was made arrive first.
            sleep(Duration::from_millis(20 * attempt)).await;
            if self.turnover.get() != before && attempt < LIST_ATTEMPTS {
                continue;
            }
            // A service that does not answer would make its containers seem gone.
            if self.followed.len() == self.services.len() {
                self.keep("podman_containers", &joined(&lists));
            }
            for (place, body) in &lists {
                for id in listed(body) {
                    self.ask(*place, id, false);
                }
            }
            return;
        }
    }
}

/// The container that an event makes worth asking about, and whether it has just ended.
fn concerns<'a>(line: &'a Line<'_>) -> Option<(&'a str, bool)> {
    let id = &*line.actor.id;
    match (&*line.kind, line.verb()) {
        ("container", "create" | "start" | "restart" | "rename" | "pause" | "unpause" | "update") => Some((id, false)),
        ("container", "died" | "die") => Some((id, true)),
        ("network", "connect" | "disconnect") if !line.actor.attributes.container.is_empty() => {
            Some((&line.actor.attributes.container, true))
        }
        // Podman 4 gives the container's id where the network's would be.
        ("network", "connect" | "disconnect") => Some((id, true)),
        _ => None,
    }
}

/// The lists as one, element by element as they came.
fn joined(lists: &[(usize, Bytes)]) -> Vec<u8> {
    let mut out = b"[".to_vec();
    for (_, body) in lists {
        let body = body.trim_ascii();
        let inner = body.strip_prefix(b"[").and_then(|body| body.strip_suffix(b"]")).unwrap_or_default().trim_ascii();
        if !inner.is_empty() {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(inner);
        }
    }
    out.push(b']');
    out
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Execs {
    #[serde(rename = "ExecIDs")]
    ids: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Listed {
    id: String,
}

fn listed(body: &[u8]) -> Vec<String> {
    serde_json::from_slice::<Vec<Listed>>(body).unwrap_or_default().into_iter().map(|entry| entry.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_raises_a_question_about_its_container() {
        let asked = |kind: &str, action: &str, more: &str| {
            let text =
                format!(r#"{{"Type":"{kind}","Action":"{action}","Actor":{{"ID":"c1","Attributes":{{{more}"name":"a"}}}},"timeNano":5}}"#);
            let line = Line::parse(text.as_bytes()).expect("a line");
            concerns(&line).map(|(id, after_end)| (id.to_owned(), after_end))
        };
        assert_eq!(asked("container", "create", ""), Some(("c1".into(), false)));
        assert_eq!(asked("container", "died", ""), Some(("c1".into(), true)));
        assert_eq!(asked("network", "connect", ""), Some(("c1".into(), true)));
        assert_eq!(asked("network", "connect", r#""container":"c2","#), Some(("c2".into(), true)));
        assert_eq!(asked("container", "cleanup", ""), None);
        assert_eq!(asked("image", "pull", ""), None);
    }

    #[test]
    fn lists_of_several_services_are_one_list() {
        let list = |text: &'static str| (0, Bytes::from_static(text.as_bytes()));
        assert_eq!(joined(&[list("[]\n"), list("[]")]), b"[]");
        assert_eq!(joined(&[list("[{\"Id\":\"a\"}]\n"), list("[]"), list(" [ {\"Id\":\"b\"} ] ")]), b"[{\"Id\":\"a\"},{\"Id\":\"b\"}]");
        assert_eq!(listed(&joined(&[list("[{\"Id\":\"a\"}]"), list("[{\"Id\":\"b\"}]")])), ["a", "b"]);
    }
}
