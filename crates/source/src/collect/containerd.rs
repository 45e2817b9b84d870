//! containerd as a collector: its events in all namespaces, what stands at the start, and what each new container is.
//!
//! Docker, Kubernetes and builders use containerd underneath; so does whoever goes round them with `ctr`. Its own words are therefore a second witness of
//! theirs, and the only one of containers that nothing above made.

use super::Surroundings;
use super::containerd_ask::Connection;
use super::containerd_tell::{Heard, container, envelope, task};
use super::containerd_wire::{Fields, message};
use super::room::{CollectorDef, Found, Presence, Room};
use event::SmolStr;
use event::Witness;
use event::fact::Sight;
use serde_json::{Value as Json, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "containerd",
    witness: Witness::Runtime,
    sources: &["containerd_events", "containerd_container", "containerd_containers"],
    about: "What containerd did in all its namespaces, below Docker and Kubernetes or beside them.",
    blind: "containers that `ctr` or `nerdctl` made beside the engine are not told by their runtime",
    find,
};

/// Where containerd listens: on its own, under Docker, under k3s and its like.
const SOCKETS: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/var/run/docker/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];
/// Docker's own containers are described by Docker.
const DOCKERS: &str = "moby";
/// Questions under way at once.
const ASKS_AT_ONCE: usize = 6;
/// Questions that wait at most; each one more is said to be missed.
const ASKS_MAX: usize = 20_000;
/// The lists are compared now and then even when nothing seems wrong.
const RECONCILE_EVERY: Duration = Duration::from_secs(300);
/// A list is asked for again when containers came or went meanwhile, at most so often.
const LIST_ATTEMPTS: u64 = 5;
/// By then a subscription stands.
const SUBSCRIBED_BY: Duration = Duration::from_millis(100);
/// How often containerd is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(15);

const SUBSCRIBE: &str = "events.v1.Events/Subscribe";
const NAMESPACES: &str = "namespaces.v1.Namespaces/List";
const CONTAINERS: &str = "containers.v1.Containers/List";
const CONTAINER: &str = "containers.v1.Containers/Get";
const IMAGE: &str = "images.v1.Images/Get";
const TASKS: &str = "tasks.v1.Tasks/List";
const VERSION: &str = "version.v1.Version/Version";

fn find(around: &Surroundings) -> Presence {
    let named = around.setting("containerd.socket").or_else(|| around.variable("CONTAINERD_ADDRESS"));
    let candidates: Vec<PathBuf> = match named {
        Some(path) => vec![PathBuf::from(path.strip_prefix("unix://").unwrap_or(path))],
        None => SOCKETS.iter().map(PathBuf::from).collect(),
    };
    let (mut there, mut denied) = (Vec::new(), None);
    for path in candidates {
        match UnixStream::connect(&path) {
            Ok(_) => there.push(path),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => denied = Some(path),
            Err(_) => {}
        }
    }
    if there.is_empty() {
        return match denied {
            Some(path) => Presence::denied(format!("containerd at {} may not be asked", path.display()), "run as root"),
            None => Presence::absent("no containerd listens here", ""),
        };
    }
    let address = there.iter().map(|path| format!("unix://{}", path.display())).collect::<Vec<_>>().join(", ");
    let engines: Arc<[Engine]> = there.into_iter().map(|path| Engine { path, known: AtomicBool::new(false) }).collect();
    Presence::Present(Found::kept(address, move |room| follow(engines.clone(), room)))
}

/// One containerd.
struct Engine {
    path: PathBuf,
    /// It was followed before.
    known: AtomicBool,
}

/// What all tasks of one stretch of following share.
struct Follower {
    room: Room,
    engines: Arc<[Engine]>,
    /// Those that answered, by their place.
    followed: BTreeMap<usize, Connection>,
    gate: Semaphore,
    waiting: Cell<usize>,
    /// Counts creations and ends: a list that was asked for meanwhile tells of neither before nor after.
    turnover: Cell<u64>,
}

/// Follows until a stream breaks.
async fn follow(engines: Arc<[Engine]>, room: Room) -> Result<(), String> {
    let (mut streams, mut followed, mut failures) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (place, engine) in engines.iter().enumerate() {
        let begun = async {
            let connection = Connection::to(&engine.path).await?;
            // Subscribing has no answer before the first event; that containerd answers at all is found out beside it.
            connection.ask(VERSION, "", &[]).await?;
            Ok::<_, String>(connection)
        };
        match begun.await {
            Ok(connection) => {
                streams.push((place, connection.clone()));
                followed.insert(place, connection);
            }
            Err(error) => failures.push((engine, error)),
        }
    }
    if streams.is_empty() {
        return Err(failures.into_iter().next().map_or_else(|| "no containerd is left".into(), |(_, error)| error));
    }
    let again = followed.keys().any(|place| engines[*place].known.swap(true, Ordering::Relaxed));
    let follower = Rc::new(Follower {
        room,
        engines: engines.clone(),
        followed,
        gate: Semaphore::new(ASKS_AT_ONCE),
        waiting: Cell::new(0),
        turnover: Cell::new(0),
    });
    let mut tasks = JoinSet::new();
    for (place, connection) in streams {
        tasks.spawn_local(follower.clone().read(place, connection));
        tasks.spawn_local(follower.clone().still_answers(place));
    }
    // The subscription is on its way before the lists are asked for, on the same connection.
    tokio::task::yield_now().await;
    follower.room.ready();
    for (engine, error) in failures {
        follower.missed("engine", &engine.path.display().to_string(), &error);
    }
    tasks.spawn_local(follower.clone().compare(again));
    // Whichever ends first ends the stretch; the others are dropped with the set.
    match tasks.join_next().await {
        Some(Ok(reason)) => Err(reason),
        _ => Err("the collector's task ended".into()),
    }
}

impl Follower {
    fn path(&self, place: usize) -> &Path {
        self.engines.get(place).map_or(Path::new(""), |engine| &engine.path)
    }

    async fn read(self: Rc<Self>, place: usize, connection: Connection) -> String {
        let whole = async {
            let mut stream = connection.open(SUBSCRIBE, "", &[]).await?;
            while let Some(message) = stream.next(SUBSCRIBE).await? {
                self.heard(place, &message);
            }
            Err(format!("containerd at {} ended the stream", self.path(place).display()))
        };
        let ended: Result<(), String> = whole.await;
        ended.err().unwrap_or_default()
    }

    fn heard(self: &Rc<Self>, place: usize, message: &[u8]) {
        let (json, heard) = envelope(message);
        self.room.outlet().event("containerd_events", &json);
        if heard.time > 0 {
            let lag = self.room.outlet().now().0.saturating_sub(heard.time);
            self.room.outlet().stats().lag.store(lag, Ordering::Relaxed);
        }
        if ["/containers/create", "/containers/delete"].contains(&heard.topic.as_str()) {
            self.turnover.set(self.turnover.get() + 1);
        }
        if ["/containers/create", "/containers/update", "/tasks/start"].contains(&heard.topic.as_str()) && heard.namespace != DOCKERS {
            self.ask(place, heard);
        }
    }

    /// Asks what a container is, in its turn.
    fn ask(self: &Rc<Self>, place: usize, heard: Heard) {
        if self.waiting.get() >= ASKS_MAX {
            self.missed("container", &heard.container, "too many questions were waiting");
            return;
        }
        self.waiting.set(self.waiting.get() + 1);
        let follower = self.clone();
        tokio::task::spawn_local(async move {
            let permit = follower.gate.acquire().await;
            follower.inspect(place, &heard).await;
            drop(permit);
            follower.waiting.set(follower.waiting.get() - 1);
        });
    }

    async fn inspect(&self, place: usize, heard: &Heard) {
        let Some(connection) = self.followed.get(&place) else { return };
        match connection.ask(CONTAINER, &heard.namespace, &message(1, &heard.container)).await {
            Ok(answer) => {
                // Only a start says the process, and that it runs.
                let task = (heard.topic == "/tasks/start").then_some((heard.pid, "running"));
                let bytes = Fields(&answer).bytes(1);
                let digest = digest(connection, &heard.namespace, bytes).await;
                self.keep_container(&heard.namespace, bytes, digest, task);
            }
            Err(reason) => self.missed("container", &heard.container, &reason),
        }
    }

    fn keep_container(&self, namespace: &str, message: &[u8], digest: Option<String>, task: Option<(u64, &str)>) {
        let mut container = container(message);
        container.extend(digest.map(|digest| ("image_digest".to_owned(), digest.into())));
        let mut record = json!({"landwaiter_containerd": 1, "namespace": namespace, "container": container});
        if let (Some((pid, status)), Some(record)) = (task, record.as_object_mut()) {
            record.insert("task".into(), json!({"pid": pid, "status": status}));
        }
        self.keep("containerd_container", &record);
    }

    fn keep(&self, source: &'static str, record: &Json) {
        self.room.outlet().stats().answers.fetch_add(1, Ordering::Relaxed);
        self.room.outlet().data(source, record.to_string().as_bytes());
    }

    fn missed(&self, object: &'static str, id: &str, reason: &str) {
        self.room.outlet().stats().missed.fetch_add(1, Ordering::Relaxed);
        self.room.outlet().note(Sight::Missed { object: SmolStr::new_static(object), id: SmolStr::new(id), reason: SmolStr::new(reason) });
    }

    /// Ends with the reason when two questions in a row were not answered: a frozen engine is as quiet as a quiet host.
    async fn still_answers(self: Rc<Self>, place: usize) -> String {
        let mut failures = 0;
        loop {
            sleep(PING_EVERY).await;
            let asked = async {
                let connection = Connection::to(self.path(place)).await?;
                connection.ask(VERSION, "", &[]).await
            };
            match asked.await {
                Ok(_) => failures = 0,
                Err(_) if failures == 0 => failures = 1,
                Err(error) => return format!("containerd no longer answers: {error}"),
            }
        }
    }

    /// Looks at what stands, at the start and now and then.
    async fn compare(self: Rc<Self>, again: bool) -> String {
        let mut again = again;
        // The subscription has no answer by which one could know that it stands.
        sleep(SUBSCRIBED_BY).await;
        loop {
            if again {
                self.room.outlet().note(Sight::Reconciled);
            }
            self.look().await;
            again = true;
            sleep(RECONCILE_EVERY).await;
        }
    }

    /// The list of all containers of all namespaces, taken while none came or went. One list: what it does not name does not stand.
    async fn look(&self) {
        for attempt in 1..=LIST_ATTEMPTS {
            let before = self.turnover.get();
            let mut stands = Vec::new();
            for place in self.followed.keys() {
                match self.stands_at(*place).await {
                    Ok(some) => stands.extend(some),
                    Err(reason) => return self.missed("list", &self.path(*place).display().to_string(), &reason),
                }
            }
            // Events that were on their way when the list was made arrive first.
            sleep(Duration::from_millis(20 * attempt)).await;
            if self.turnover.get() != before && attempt < LIST_ATTEMPTS {
                continue;
            }
            // An engine that does not answer would make its containers seem gone.
            if self.followed.len() == self.engines.len() {
                let entries: Vec<Json> = stands.iter().map(Standing::entry).collect();
                self.keep("containerd_containers", &json!({"landwaiter_containerd_list": 1, "containers": entries}));
            }
            for standing in stands.iter().filter(|standing| standing.namespace != DOCKERS) {
                let task = standing.task.as_ref().map(|(pid, status)| (*pid, *status));
                self.keep_container(&standing.namespace, &standing.message, standing.digest.clone(), task);
            }
            return;
        }
    }

    async fn stands_at(&self, place: usize) -> Result<Vec<Standing>, String> {
        let Some(connection) = self.followed.get(&place) else { return Ok(Vec::new()) };
        let namespaces = connection.ask(NAMESPACES, "", &[]).await?;
        let mut stands = Vec::new();
        for namespace in Fields(&namespaces).all(1).map(|entry| Fields(entry).text(1)) {
            let containers = connection.ask(CONTAINERS, &namespace, &[]).await?;
            let tasks = connection.ask(TASKS, &namespace, &[]).await?;
            let mut running: BTreeMap<String, (u64, &'static str)> =
                Fields(&tasks).all(1).map(task).map(|(id, pid, status)| (id, (pid, status))).collect();
            for message in Fields(&containers).all(1) {
                stands.push(Standing {
                    namespace: namespace.clone(),
                    task: running.remove(&Fields(message).text(1)),
                    digest: digest(connection, &namespace, message).await,
                    message: message.to_vec(),
                });
            }
        }
        Ok(stands)
    }
}

/// What the name of a container's image points at now; `None` where the container has no image, as those that Docker makes.
async fn digest(connection: &Connection, namespace: &str, container: &[u8]) -> Option<String> {
    let name = Fields(container).text(3);
    if name.is_empty() {
        return None;
    }
    let answer = connection.ask(IMAGE, namespace, &message(1, &name)).await.ok()?;
    let target = Fields(Fields(Fields(&answer).bytes(1)).bytes(3));
    Some(target.text(2)).filter(|digest| !digest.is_empty())
}

/// A container that stands.
struct Standing {
    namespace: String,
    message: Vec<u8>,
    digest: Option<String>,
    task: Option<(u64, &'static str)>,
}

impl Standing {
    /// As the list shows it: all but the spec.
    fn entry(&self) -> Json {
        let mut entry = container(&self.message);
        entry.remove("spec");
        entry.extend(self.digest.clone().map(|digest| ("image_digest".to_owned(), digest.into())));
        let mut out = json!({"namespace": self.namespace, "status": self.task.as_ref().map_or("", |(_, status)| *status)});
        if let Some(out) = out.as_object_mut() {
            out.extend(entry);
        }
        out
    }
}
