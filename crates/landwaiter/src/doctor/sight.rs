//! Which sources answer, and what follows for each strategy.

use super::witnesses::{State as Stands, Witness};
use serde::{Deserialize, Serialize};
use source::collect::{AskError, Client};
use strategy::{Pack, PageKind};

/// What the engine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// The host's name.
    #[serde(rename(deserialize = "Name"), default)]
    pub host: String,
    /// Its version.
    #[serde(rename(deserialize = "ServerVersion"), default)]
    pub version: String,
    /// Operating system.
    #[serde(rename(deserialize = "OperatingSystem"), default)]
    pub system: String,
    /// `1` or `2`; empty when it does not say.
    #[serde(rename(deserialize = "CgroupVersion"), default)]
    pub cgroup_version: String,
    /// Log driver for containers that name none.
    #[serde(rename(deserialize = "LoggingDriver"), default)]
    pub log_driver: String,
    /// Containers that it has.
    #[serde(rename(deserialize = "Containers"), default)]
    pub containers: u64,
    #[serde(rename(deserialize = "Plugins"), default)]
    plugins: Plugins,
    /// Version of the API that is spoken.
    #[serde(skip_deserializing)]
    pub api: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Plugins {
    #[serde(rename(deserialize = "Authorization"))]
    authorization: Option<Vec<String>>,
}

impl Engine {
    /// The engine in one sentence.
    pub fn sentence(&self, address: &str) -> String {
        let cgroup = if self.cgroup_version.is_empty() { String::new() } else { format!(", cgroup v{}", self.cgroup_version) };
        format!(
            "{} {} on {} ({}{cgroup}), API {}, {} containers, at {address}",
            "engine", self.version, self.host, self.system, self.api, self.containers
        )
    }
}

/// Asks the engine about itself.
pub fn engine(client: &Client) -> Result<Engine, AskError> {
    let mut engine: Engine = serde_json::from_slice(&client.get("/info")?.body).unwrap_or_default();
    engine.api = client.api_version().to_owned();
    Ok(engine)
}

/// A source, and why it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What kind of witness speaks.
    pub kind: &'static str,
    /// No collector gives it: it is read from files.
    pub from_files: bool,
    /// Why it does not answer; empty: it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub missing: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// All sources, in the order of the list.
pub type Sources = Vec<Source>;

/// Where each source of an engine is asked for. A thing that does not exist is asked for where there may be none: the answer `404` proves the right to ask.
const QUESTIONS: &[(&str, &str)] = &[
    ("docker_events", "/events?since=1&until=1"),
    ("docker_container", "/containers/landwaiter-doctor-asks-for-nothing/json"),
    ("docker_exec", "/exec/landwaiter-doctor-asks-for-nothing/json"),
    ("docker_image", "/images/landwaiter-doctor-asks-for-nothing/json"),
    ("docker_network", "/networks/landwaiter-doctor-asks-for-nothing"),
    ("docker_volume", "/volumes/landwaiter-doctor-asks-for-nothing"),
    ("docker_info", "/info"),
    ("docker_containers", "/containers/json?limit=1"),
    ("docker_images", "/images/json"),
    ("docker_networks", "/networks"),
    ("docker_volumes", "/volumes"),
];

/// Every source: those of the engine are tried one by one, the others answer as their witness does.
pub fn sources(client: Option<&Client>, witnesses: &[Witness]) -> Sources {
    source::SOURCES.iter().map(|def| source(def.name, def.witness.as_str(), client, witnesses)).collect()
}

fn source(name: &str, kind: &'static str, client: Option<&Client>, witnesses: &[Witness]) -> Source {
    let witness = witnesses.iter().find(|witness| witness.sources.contains(&name));
    let question = QUESTIONS.iter().find(|(asked, _)| *asked == name).map(|(_, path)| *path);
    let (missing, remedy) = match (question, witness) {
        // What collectors say of themselves is there as soon as one of them runs.
        (None, _) if name == "sensor" => {
            let none = !witnesses.iter().any(|witness| matches!(witness.state, Stands::Following | Stands::Impaired));
            (if none { "no witness is followed".to_owned() } else { String::new() }, String::new())
        }
        (None, None) => ("no collector gives it; recordings and logs of it can be replayed".to_owned(), String::new()),
        (_, Some(witness)) if witness.state == Stands::Unasked => (format!("{} is not listened to", witness.name), String::new()),
        (None, Some(witness)) if matches!(witness.state, Stands::Following | Stands::Impaired) => (String::new(), String::new()),
        (None, Some(witness)) => (witness.reason.clone(), witness.remedy.clone()),
        (Some(path), _) => match client.map(|client| client.get(path)) {
            None => ("no engine is reached".to_owned(), String::new()),
            Some(Ok(answer)) => judge(path, answer.status, &answer.message()),
            Some(Err(error)) => (error.to_string(), String::new()),
        },
    };
    let from_files = witness.is_none() && name != "sensor";
    Source { name: name.to_owned(), kind, from_files, missing, remedy }
}

fn judge(path: &str, status: u16, message: &str) -> (String, String) {
    let about_nothing = path.contains("asks-for-nothing");
    match status {
        200..300 => (String::new(), String::new()),
        404 if about_nothing => (String::new(), String::new()),
        _ => {
            let path = path.split('?').next().unwrap_or(path).replace("landwaiter-doctor-asks-for-nothing", "*");
            (format!("status {status}, {message}"), format!("let what stands in front of the engine's socket allow GET {path}"))
        }
    }
}

/// Whether a strategy can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All its sources answer.
    Armed,
    /// It can fire, but sees less than it could.
    HalfBlind,
    /// A source without which it is not evaluated does not answer.
    Blind,
}

impl State {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            State::Armed => "armed",
            State::HalfBlind => "half blind",
            State::Blind => "blind",
        }
    }
}

/// A strategy, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Armament {
    /// Its id.
    pub strategy: String,
    /// Whether it can see.
    pub state: State,
    /// Sources that it declares and that do not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// Compares what strategies declare with what answered. An umbrella sees what the pages that it binds see.
pub fn armaments(pack: &Pack, sources: &Sources) -> Vec<Armament> {
    let of_pages = pack.strategies().iter().filter(|page| page.kind != PageKind::Umbrella);
    of_pages.map(|page| armament(page.id.as_str(), &strings(&page.sources), &strings(&page.enrichment), sources)).collect()
}

fn strings(names: &[event::SmolStr]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A strategy is blind when something that it needs is told by nobody, half blind when something is that would help it. What is declared as `a | b` is told
/// when one of them answers.
fn armament(id: &str, needed: &[String], wanted: &[String], sources: &Sources) -> Armament {
    let answers = |name: &str| sources.iter().any(|source| source.name == name && source.missing.is_empty());
    let told = |declared: &str| declared.split('|').any(|name| answers(name.trim()));
    let missing = |names: &[String]| -> Vec<String> { names.iter().filter(|names| !told(names)).cloned().collect() };
    let (blind, half) = (missing(needed), missing(wanted));
    let state = match (blind.is_empty(), half.is_empty()) {
        (false, _) => State::Blind,
        (true, false) => State::HalfBlind,
        (true, true) => State::Armed,
    };
    Armament { strategy: id.to_owned(), state, missing: blind.into_iter().chain(half).collect() }
}

/// Sockets of other engines: what runs there is not seen through this one.
const OTHERS: &[(&str, &str)] = &[("/run/crio/crio.sock", "CRI-O"), ("/run/k3s/containerd/containerd.sock", "k3s")];

/// Engines that listen here and that no witness is at. One Docker engine is followed; users may run more of them without root.
pub fn unwatched(addresses: &[&str], users: &[std::path::PathBuf], there: &dyn Fn(&str) -> bool) -> Vec<String> {
    let known = OTHERS.iter().map(|(socket, name)| ((*socket).to_owned(), (*name).to_owned(), ""));
    let rootless = users.iter().map(|user| {
        let socket = user.join("docker.sock").display().to_string();
        (socket, "a Docker engine without root".to_owned(), "; to watch it: --engine unix://")
    });
    let others = known.chain(rootless).filter(|(socket, _, _)| there(socket) && !addresses.iter().any(|at| at.contains(socket.as_str())));
    others
        .map(|(socket, name, how)| {
            let how = if how.is_empty() { String::new() } else { format!("{how}{socket}") };
            format!("{name} listens at {socket} and is not watched{how}")
        })
        .collect()
}

/// What no source here can show.
pub fn remarks(engine: Option<&Engine>, witnesses: &[Witness]) -> Vec<String> {
    let follows = |name: &str| witnesses.iter().any(|w| w.name == name && matches!(w.state, Stands::Following | Stands::Impaired));
    let mut remarks = Vec::new();
    if let Some(engine) = engine {
        remarks.push("the engine's events name no actor: findings cannot say who did it".to_owned());
        if engine.plugins.authorization.as_ref().is_none_or(Vec::is_empty) {
            remarks.push(
                "a request that the engine refuses leaves no event: failed attempts are not seen (no authorization plugin is loaded)"
                    .to_owned(),
            );
        }
        if engine.log_driver == "none" {
            remarks.push("the engine's default log driver is `none`: containers that name none leave no logs".to_owned());
        }
        if !follows("containerd") && !follows("processes") {
            remarks.push("containers made through containerd itself (`ctr`, `nerdctl`) are not in this engine's events".to_owned());
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_nobody_watches_is_named() {
        let users = ["/run/user/7".into(), "/run/user/9".into()];
        let there = |path: &str| path != "/run/crio/crio.sock";
        let addresses =
            ["unix:///run/user/7/docker.sock", "unix:///run/containerd/containerd.sock, unix:///run/k3s/containerd/containerd.sock"];
        let remarks = unwatched(&addresses, &users, &there);
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(remarks[0].contains("/run/user/9/docker.sock") && remarks[0].contains("--engine unix:///run/user/9/docker.sock"));
        assert_eq!(unwatched(&[], &users, &there).len(), 3);
    }

    fn sources(missing: &[&str]) -> Sources {
        let why = |name: &str| if missing.contains(&name) { "status 403".to_owned() } else { String::new() };
        let others = ["podman_events", "system_process"].map(|name| (name, if name.starts_with("podman") { "runtime" } else { "system" }));
        let all = QUESTIONS.iter().map(|(name, _)| (*name, "runtime")).chain(others);
        all.map(|(name, kind)| Source { name: name.to_owned(), kind, from_files: false, missing: why(name), remedy: String::new() })
            .collect()
    }

    #[test]
    fn a_strategy_is_as_blind_as_what_it_declares() {
        let state = |missing: &[&str]| armament("x", &["docker_events".into()], &["docker_container".into()], &sources(missing)).state;
        assert_eq!(state(&[]), State::Armed);
        assert_eq!(state(&["docker_container"]), State::HalfBlind);
        assert_eq!(state(&["docker_events"]), State::Blind);
        let unknown = armament("x", &["never_heard_of".into()], &[], &sources(&[]));
        assert_eq!((unknown.state, unknown.missing), (State::Blind, vec!["never_heard_of".to_owned()]));
    }

    #[test]
    fn of_alternatives_one_is_enough() {
        let needed = ["docker_events | podman_events".to_owned(), "system_process".to_owned()];
        let of = |missing: &[&str]| armament("x", &needed, &[], &sources(missing));
        assert_eq!(of(&["podman_events"]).state, State::Armed, "there is no Podman here");
        assert_eq!(of(&["podman_events", "docker_events"]).missing, ["docker_events | podman_events"]);
        assert_eq!(of(&["system_process"]).state, State::Blind);
    }

    #[test]
    fn the_right_to_ask_is_proven_by_a_404() {
        assert_eq!(judge("/exec/landwaiter-doctor-asks-for-nothing/json", 404, "no such exec"), (String::new(), String::new()));
        let (missing, remedy) = judge("/exec/landwaiter-doctor-asks-for-nothing/json", 403, "forbidden");
        assert!(missing.contains("403") && remedy.ends_with("GET /exec/*/json"), "{missing} {remedy}");
        assert!(!judge("/info", 404, "page not found").0.is_empty());
    }

    #[test]
    fn every_question_is_about_a_known_source() {
        assert!(QUESTIONS.iter().all(|(name, _)| source::source_named(name).is_some()));
    }
}
