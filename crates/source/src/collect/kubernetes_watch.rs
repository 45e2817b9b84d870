//! List and watch, as the API of a cluster speaks them: a complete list, then what changes, from the list's version on.
//!
//! `kube` brings the way in (kubeconfig, certificates, tokens that are renewed, plugins that give them), and nothing else: its models would keep the raw answers
//! to themselves, and a recording holds what the server said, byte for byte. A watch that the server ends in good order is taken up where it stood, which a bookmark
//! keeps near; where the server no longer knows that version (410), everything is listed again.

use super::kubernetes_list::{List, emit_list};
use super::lines::{Lines, Piece};
use super::outlet::Outlet;
use super::room::Room;
use event::fact::Sight;
use event::{SmolStr, Time};
use http_body_util::BodyExt;
use hyper::{Request, Response};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What is listed and watched: the resource, where it stands, and the kind of its objects.
const RESOURCES: &[(&str, &str, &str)] = &[
    ("pods", "/api/v1/pods", "Pod"),
    ("namespaces", "/api/v1/namespaces", "Namespace"),
    ("networkpolicies", "/apis/networking.k8s.io/v1/networkpolicies", "NetworkPolicy"),
    ("deployments", "/apis/apps/v1/deployments", "Deployment"),
    ("replicasets", "/apis/apps/v1/replicasets", "ReplicaSet"),
    ("daemonsets", "/apis/apps/v1/daemonsets", "DaemonSet"),
    ("statefulsets", "/apis/apps/v1/statefulsets", "StatefulSet"),
    ("jobs", "/apis/batch/v1/jobs", "Job"),
    ("cronjobs", "/apis/batch/v1/cronjobs", "CronJob"),
];

/// The server ends a watch after this many seconds, so that a connection whose other end is gone is noticed soon after.
const WATCH_SECONDS: u64 = 120;
/// Silence longer than a watch may last is a connection that is no more.
const SILENCE_MAX: Duration = Duration::from_secs(WATCH_SECONDS + 30);
/// An answer that has not begun by now will not.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// First and longest wait before the next attempt.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// How often a full queue is looked at. The server keeps what is not read.
const ROOM_LOOK: Duration = Duration::from_millis(20);

/// The way to the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) context: Option<String>,
    pub(super) from_variable: bool,
    /// What the cluster's records bear as their host, when it is not this machine.
    pub(super) cluster: Option<String>,
    /// Only these resources.
    pub(super) only: Option<Vec<String>>,
}

impl Access {
    async fn client(&self) -> Result<Client, String> {
        let remedy = "name the cluster with --set kubernetes.kubeconfig=FILE and --set kubernetes.context=NAME";
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let file = match &self.kubeconfig {
            Some(path) => Some(Kubeconfig::read_from(path).map_err(|error| format!("read {}: {error}; {remedy}", path.display()))?),
            None if self.from_variable => Kubeconfig::from_env().map_err(|error| format!("read KUBECONFIG: {error}; {remedy}"))?,
            None => None,
        };
        let config = match file {
            Some(file) => {
                Config::from_custom_kubeconfig(file, &options).await.map_err(|error| format!("use the kubeconfig: {error}; {remedy}"))
            }
            None => Config::incluster().map_err(|error| format!("use the pod's own account: {error}; {remedy}")),
        };
        let mut config = config?;
        // What breaks is taken up here, where it can be told.
        config.default_retry = false;
        config.read_timeout = Some(SILENCE_MAX);
        Client::try_from(config).map_err(|error| format!("set up the client of the cluster: {error}; {remedy}"))
    }
}

/// What all watches of one cluster share: how many of them are broken now.
struct Watches {
    outlet: Rc<Outlet>,
    broken: Cell<usize>,
    /// Since the first of them broke, all were taken up without a gap.
    gapless: Cell<bool>,
    seen: Cell<Option<Time>>,
}

impl Watches {
    fn broke(&self, reason: &str) {
        self.broken.set(self.broken.get() + 1);
        if self.broken.get() == 1 {
            self.gapless.set(true);
            let last = self.outlet.stats().last.load(Ordering::Relaxed);
            self.seen.set(Some(Time(last)).filter(|time| time.0 > 0));
            self.outlet.stats().lost.fetch_add(1, Ordering::Relaxed);
            self.outlet.note(Sight::Lost { reason: SmolStr::new(reason) });
        }
    }

    fn mended(&self, gapless: bool) {
        self.gapless.set(self.gapless.get() && gapless);
        self.broken.set(self.broken.get().saturating_sub(1));
        if self.broken.get() == 0 {
            let to = Some(self.outlet.now());
            self.outlet.note(Sight::Resumed { from: self.seen.get(), to, complete: self.gapless.get() });
        }
    }
}

/// Lists everything, says that it flows, then watches until it is stopped.
pub(super) async fn follow(room: Room, access: Access) -> Result<(), String> {
    let client = access.client().await?;
    if let Some(cluster) = &access.cluster {
        room.outlet().set_host(cluster);
    }
    let mut first = Vec::new();
    for (resource, path, kind) in RESOURCES {
        if access.only.as_ref().is_some_and(|only| !only.iter().any(|name| name == resource)) {
            continue;
        }
        match List::ask(&client, path).await {
            Ok(list) => first.push((*path, *kind, list)),
            // A server without that group has nothing of it.
            Err(Failure::Status(404)) => {}
            Err(Failure::Status(status @ (401 | 403))) => {
                return Err(format!("list {resource}: the cluster answers {status}; grant list and watch on {}", names()));
            }
            Err(failure) => return Err(format!("list {resource}: {}; is the cluster's API server reachable from here?", failure.text())),
        }
    }
    if first.is_empty() {
        return Err(format!("list nothing: no such resource; kubernetes.resources takes some of {}", names()));
    }
    room.ready();
    let watches = Rc::new(Watches { outlet: room.outlet().clone(), broken: Cell::new(0), gapless: Cell::new(true), seen: Cell::new(None) });
    let mut tasks = JoinSet::new();
    for (path, kind, list) in first {
        let watch = Watch { client: client.clone(), watches: watches.clone(), path, kind };
        tasks.spawn_local(async move { watch.keep(list).await });
    }
    // They end when nobody reads any more.
    while tasks.join_next().await.is_some() {}
    Ok(())
}

fn names() -> String {
    RESOURCES.iter().map(|(resource, _, _)| *resource).collect::<Vec<_>>().join(", ")
}

/// Why a question had no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// No answer, or it broke off.
    Connection(String),
}

impl Failure {
    pub(super) fn text(&self) -> String {
        match self {
            Failure::Status(status) => format!("status {status}"),
            Failure::Connection(text) => text.clone(),
        }
    }
}

/// Asks the server; an answer of another status than 200 is a failure.
pub(super) async fn ask(client: &Client, path: &str) -> Result<Response<Body>, Failure> {
    let request = Request::get(path).header("Accept", "application/json").body(Body::empty());
    let request = request.map_err(|error| Failure::Connection(error.to_string()))?;
    let answer = timeout(ANSWER_WAIT, client.send(request)).await.map_err(|_| Failure::Connection("no answer came".into()))?;
    let answer = answer.map_err(|error| Failure::Connection(error.to_string()))?;
    match answer.status().as_u16() {
        200 => Ok(answer),
        status => Err(Failure::Status(status)),
    }
}

/// Waits for room in the queue, then sends one record. What is not read meanwhile stays with the server.
pub(super) async fn send(outlet: &Outlet, bytes: &[u8]) {
    while !outlet.has_room(1, bytes.len()) && !outlet.is_gone() {
        sleep(ROOM_LOOK).await;
    }
    outlet.event("kubernetes_objects", bytes);
}

/// How a watch ended.
enum End {
    /// In good order, or because its time was over.
    Over,
    /// The server no longer knows the version.
    Gone,
    /// It broke.
    Broken(String),
}

/// The watch of one resource.
struct Watch {
    client: Client,
    watches: Rc<Watches>,
    path: &'static str,
    kind: &'static str,
}

impl Watch {
    async fn keep(self, first: List) {
        let mut version = emit_list(&self.watches.outlet, first, self.kind).await;
        let mut wait = BACK_OFF_MIN;
        let mut is_broken = false;
        let mut is_listed = false;
        while !self.watches.outlet.is_gone() {
            let began = Instant::now();
            // A version that is not known must be listed first; so must one that the server has forgotten.
            if version.is_empty() {
                match List::ask(&self.client, self.path).await {
                    Ok(list) => {
                        version = emit_list(&self.watches.outlet, list, self.kind).await;
                        is_listed = true;
                    }
                    Err(failure) => {
                        if !std::mem::replace(&mut is_broken, true) {
                            self.watches.broke(&failure.text());
                        }
                        sleep(wait).await;
                        wait = (wait * 2).min(BACK_OFF_MAX);
                        continue;
                    }
                }
            }
            let end = self.watch(&mut version, &mut is_broken, &mut is_listed).await;
            if began.elapsed() > BACK_OFF_MAX {
                wait = BACK_OFF_MIN;
            }
            match end {
                End::Over => {}
                End::Gone => {
                    version.clear();
                    if !std::mem::replace(&mut is_broken, true) {
                        self.watches.broke("the cluster no longer knows the version that was seen last");
                    }
                }
                End::Broken(reason) => {
                    if !std::mem::replace(&mut is_broken, true) {
                        self.watches.broke(&reason);
                    }
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACK_OFF_MAX);
        }
    }

    /// Watches from that version on until it ends; moves the version along.
    async fn watch(&self, version: &mut String, is_broken: &mut bool, is_listed: &mut bool) -> End {
        let path = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            self.path,
            super::escape(version)
        );
        let mut stream = match ask(&self.client, &path).await {
            Ok(answer) => answer.into_body(),
            Err(Failure::Status(410)) => return End::Gone,
            Err(failure) => return End::Broken(failure.text()),
        };
        let was_listed = std::mem::take(is_listed);
        if std::mem::take(is_broken) {
            self.watches.mended(!was_listed);
        }
        let mut lines = Lines::default();
        loop {
            let frame = match timeout(SILENCE_MAX, stream.frame()).await {
                Err(_) => return End::Broken("the watch fell silent".into()),
                Ok(None) => return End::Over,
                Ok(Some(Err(error))) => return End::Broken(error.to_string()),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            let mut pieces = Vec::new();
            lines.push(&data, &mut |piece| {
                pieces.push(match piece {
                    Piece::Line(line) => Some(line.to_vec()),
                    Piece::TooLong => None,
                });
            });
            for piece in pieces {
                let Some(line) = piece else {
                    self.watches.outlet.note_dropped(1, "an event of a watch was longer than 16 MiB");
                    return End::Gone;
                };
                if let Some(end) = self.line(&line, version).await {
                    return end;
                }
            }
        }
    }

    /// One event of the watch.
    async fn line(&self, bytes: &[u8], version: &mut String) -> Option<End> {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(bytes) else {
            return Some(End::Broken("the watch says what is no event".into()));
        };
        match event.kind.as_ref() {
            "ERROR" if event.object.code == Some(410) => return Some(End::Gone),
            "ERROR" => return Some(End::Broken(format!("the watch ends with an error: {}", event.object.message))),
            "BOOKMARK" => {}
            _ => send(&self.watches.outlet, bytes).await,
        }
        if !event.object.metadata.resource_version.is_empty() {
            *version = event.object.metadata.resource_version.into_owned();
        }
        None
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    object: EventObject<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EventObject<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    /// Of the status that an error holds.
    code: Option<u16>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// The metadata of an object or a list.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) resource_version: Cow<'a, str>,
}
