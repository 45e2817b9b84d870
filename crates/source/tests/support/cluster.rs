//! A stand-in for a cluster's API server: a few resources, one counter of versions, and watches that can be ended, cut and starved of their past.

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

/// Resource, path and kind.
const RESOURCES: &[(&str, &str, &str)] = &[
    ("pods", "/api/v1/pods", "Pod"),
    ("namespaces", "/api/v1/namespaces", "Namespace"),
    ("networkpolicies", "/apis/networking.k8s.io/v1/networkpolicies", "NetworkPolicy"),
];

/// How a server says that a version is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Gone {
    /// By the status of its answer.
    #[default]
    Status,
    /// By an event of a watch that began well.
    Event,
}

#[derive(Default)]
struct World {
    version: u64,
    objects: BTreeMap<(&'static str, String), u64>,
    /// What happened: version, resource, the event's text.
    past: Vec<(u64, &'static str, String)>,
    /// Nothing before this version is known any more.
    known_from: u64,
    gone: Gone,
    watches: Vec<(&'static str, UnboundedSender<Option<String>>)>,
    is_cut: bool,
    refuses: bool,
}

/// The server. It ends with the test.
pub struct Cluster {
    world: Arc<Mutex<World>>,
    cut: watch::Sender<u64>,
    folder: tempfile::TempDir,
}

impl Cluster {
    pub fn start() -> Cluster {
        let world = Arc::<Mutex<World>>::default();
        let (cut, is_cut) = watch::channel(0);
        let (tell, told) = std::sync::mpsc::channel();
        let served = world.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, serve(served, is_cut, tell));
        });
        let address = told.recv().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\nclusters:\n- name: c\n  cluster: {{server: 'http://{address}'}}\nusers:\n- name: u\n  user: {{token: t}}\n"
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        Cluster { world, cut, folder }
    }

    pub fn kubeconfig(&self) -> String {
        self.folder.path().join("config").to_string_lossy().into_owned()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Makes an object, or changes it.
    pub fn put(&self, resource: &'static str, name: &str) {
        let mut world = self.world();
        world.version += 1;
        let version = world.version;
        let kind = if world.objects.insert((resource, name.to_owned()), version).is_none() { "ADDED" } else { "MODIFIED" };
        world.tell(resource, kind, name);
    }

    pub fn remove(&self, resource: &'static str, name: &str) {
        let mut world = self.world();
        world.version += 1;
        world.objects.remove(&(resource, name.to_owned()));
        world.tell(resource, "DELETED", name);
    }

    /// Tells every watch how far it has come.
    pub fn bookmark(&self) {
        let world = self.world();
        for (resource, watch) in &world.watches {
            let kind = RESOURCES.iter().find(|(name, _, _)| name == resource).unwrap().2;
            let _ = watch.send(Some(format!(
                r#"{{"type":"BOOKMARK","object":{{"kind":"{kind}","apiVersion":"v1","metadata":{{"resourceVersion":"{}"}}}}}}"#,
                world.version
            )));
        }
    }

    /// Forgets everything up to now.
    pub fn forget(&self, way: Gone) {
        let mut world = self.world();
        world.known_from = world.version;
        world.gone = way;
    }

    /// Ends every watch in good order, as a server does after some minutes.
    pub fn end_watches(&self) {
        for (_, watch) in self.world().watches.drain(..) {
            let _ = watch.send(None);
        }
    }

    /// Breaks every connection, and each new one.
    pub fn cut(&self) {
        let mut world = self.world();
        world.is_cut = true;
        world.watches.clear();
        self.cut.send_modify(|count| *count += 1);
    }

    pub fn mend(&self) {
        self.world().is_cut = false;
    }

    /// Answers everything with 403.
    pub fn refuse(&self) {
        self.world().refuses = true;
    }

    /// Waits until so many watches are open.
    pub fn wait_for_watches(&self, count: usize) {
        let began = Instant::now();
        while self.world().watches.len() < count {
            assert!(began.elapsed() < Duration::from_secs(10), "the watches do not come");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl World {
    fn tell(&mut self, resource: &'static str, change: &str, name: &str) {
        let (_, path, kind) = RESOURCES.iter().find(|(other, _, _)| *other == resource).unwrap();
        let version = self.version;
        let api_version = path.trim_start_matches("/apis/").trim_start_matches("/api/").rsplit_once('/').unwrap().0;
        let object = format!(r#""kind":"{kind}","apiVersion":"{api_version}",{}"#, item(resource, name, version));
        let event = format!(r#"{{"type":"{change}","object":{{{object}}}}}"#);
        self.past.push((version, resource, event.clone()));
        self.watches.retain(|(other, watch)| *other != resource || watch.send(Some(event.clone())).is_ok());
    }
}

/// The inside of an object, as a list's items have it.
fn item(resource: &str, name: &str, version: u64) -> String {
    format!(r#""metadata":{{"name":"{name}","namespace":"shop","uid":"{resource}-{name}","resourceVersion":"{version}"}},"spec":{{}}"#)
}

async fn serve(world: Arc<Mutex<World>>, cut: watch::Receiver<u64>, tell: std::sync::mpsc::Sender<SocketAddr>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    tell.send(listener.local_addr().unwrap()).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        if world.lock().unwrap().is_cut {
            continue;
        }
        let (world, mut cut) = (world.clone(), cut.clone());
        cut.mark_unchanged();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let answer = answer(&world, &request);
                async move { Ok::<_, io::Error>(answer) }
            });
            tokio::select! {
                _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
                // Dropped in the middle of whatever it says.
                _ = cut.changed() => {}
            }
        });
    }
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

fn text(status: u16, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    Response::builder().status(status).header("Content-Type", "application/json").body(body).unwrap()
}

fn failure(code: u16, reason: &str) -> String {
    format!(r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"no","reason":"{reason}","code":{code}}}"#)
}

fn answer(world: &Arc<Mutex<World>>, request: &Request<Incoming>) -> Answer {
    let mut world = world.lock().unwrap();
    assert_eq!(request.headers().get("Authorization").and_then(|value| value.to_str().ok()), Some("Bearer t"));
    if world.refuses {
        return text(403, failure(403, "Forbidden"));
    }
    let Some((resource, _, kind)) = RESOURCES.iter().find(|(_, path, _)| *path == request.uri().path()) else {
        return text(404, failure(404, "NotFound"));
    };
    let query = request.uri().query().unwrap_or_default();
    let get = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    if get("watch").is_none() {
        let items: Vec<String> = world
            .objects
            .iter()
            .filter(|((other, _), _)| other == resource)
            .map(|((_, name), version)| format!("{{{}}}", item(resource, name, *version)))
            .collect();
        return text(
            200,
            format!(
                r#"{{"kind":"{kind}List","apiVersion":"v1","metadata":{{"resourceVersion":"{}"}},"items":[{}]}}"#,
                world.version,
                items.join(",")
            ),
        );
    }
    assert_eq!(get("allowWatchBookmarks"), Some("true"));
    let from: u64 = get("resourceVersion").and_then(|version| version.parse().ok()).expect("a version");
    let (sender, receiver) = unbounded_channel();
    if from < world.known_from {
        if world.gone == Gone::Status {
            return text(410, failure(410, "Expired"));
        }
        let _ = sender.send(Some(format!(r#"{{"type":"ERROR","object":{}}}"#, failure(410, "Expired"))));
    } else {
        for (version, other, event) in &world.past {
            if *version > from && other == resource {
                let _ = sender.send(Some(event.clone()));
            }
        }
        world.watches.push((resource, sender));
    }
    Response::builder().header("Content-Type", "application/json").body(Stream(receiver).boxed()).unwrap()
}

/// A watch's body: one event a line until it is ended.
struct Stream(UnboundedReceiver<Option<String>>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|said| said.flatten().map(|event| Ok(Frame::data(Bytes::from(format!("{event}\n"))))))
    }
}
