//! The order of steps. First what keeps the container from coming back or going on, then the evidence, from the most fleeting on, then what destroys.

use crate::target::{Network, Target};

/// What one step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keeps the container's whole configuration and state.
    KeepInspect,
    /// Stops the engine from starting it again.
    RestartOff,
    /// Freezes its processes.
    Pause,
    /// Keeps the list of its processes.
    KeepProcesses,
    /// Keeps its output.
    KeepLogs,
    /// Keeps the list of files that it changed.
    KeepChanges,
    /// Keeps its file system.
    KeepFiles,
    /// Takes it off a network.
    Disconnect(Network),
    /// Ends its processes without giving them a say.
    Kill,
}

/// A request to the engine, and the file that its answer is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: &'static str,
    /// Path below the API's version.
    pub path: String,
    /// JSON body.
    pub body: Option<String>,
    /// File in the folder of evidence.
    pub file: Option<&'static str>,
}

impl Action {
    /// A stable word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Action::KeepInspect => "keep-inspect",
            Action::RestartOff => "restart-off",
            Action::Pause => "pause",
            Action::KeepProcesses => "keep-processes",
            Action::KeepLogs => "keep-logs",
            Action::KeepChanges => "keep-changes",
            Action::KeepFiles => "keep-files",
            Action::Disconnect(_) => "disconnect",
            Action::Kill => "kill",
        }
    }

    /// Whether it only reads.
    pub fn keeps_evidence(&self) -> bool {
        matches!(self, Action::KeepInspect | Action::KeepProcesses | Action::KeepLogs | Action::KeepChanges | Action::KeepFiles)
    }

    /// What the engine is asked, always by the full id.
    pub fn request(&self, id: &str) -> Request {
        let get = |tail: &str, file| Request { method: "GET", path: format!("/containers/{id}/{tail}"), body: None, file: Some(file) };
        let post = |path: String, body| Request { method: "POST", path, body, file: None };
        match self {
            Action::KeepInspect => get("json", "inspect.json"),
            Action::KeepProcesses => get("top", "processes.json"),
            Action::KeepLogs => get("logs?stdout=1&stderr=1&timestamps=1", "logs.bin"),
            Action::KeepChanges => get("changes", "changes.json"),
            Action::KeepFiles => get("export", "files.tar"),
            Action::RestartOff => post(format!("/containers/{id}/update"), Some(r#"{"RestartPolicy":{"Name":"no"}}"#.to_owned())),
            Action::Pause => post(format!("/containers/{id}/pause"), None),
            Action::Disconnect(network) => {
                let body = serde_json::json!({ "Container": id, "Force": false }).to_string();
                post(format!("/networks/{}/disconnect", network.id), Some(body))
            }
            Action::Kill => post(format!("/containers/{id}/kill?signal=KILL"), None),
        }
    }
}

/// One step, with its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// The same in words.
    pub what: String,
    /// Evidence that it keeps or secures.
    pub keeps: String,
    /// Evidence that it destroys; empty: none.
    pub destroys: String,
    /// How to take it back; empty: it only reads, or cannot be taken back.
    pub undo: String,
    /// Why it cannot be done here.
    pub impossible: Option<String>,
    /// Done only when it is asked for by name.
    pub only_if_asked: bool,
}

/// What to do about one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The container.
    pub target: Target,
    /// Steps in their order.
    pub steps: Vec<Step>,
    /// What no step can do, and what to know before the first.
    pub remarks: Vec<String>,
}

/// Plans for a container as it stands.
pub fn plan(target: &Target) -> Plan {
    let mut steps =
        vec![step(Action::KeepInspect, "write down its configuration and state", "command, mounts, capabilities, networks, environment")];
    steps.extend(restart_off(target));
    if target.running {
        steps.push(pause(target));
        steps.push(step(Action::KeepProcesses, "write down its processes", "command lines, users and process ids on the host"));
    }
    steps.push(logs(target));
    steps.push(step(Action::KeepChanges, "write down which files it changed", "paths added, changed and deleted since it was created"));
    steps.push(files(target));
    steps.extend(disconnects(target));
    if target.running {
        steps.push(kill(target));
    }
    Plan { target: target.clone(), steps, remarks: remarks(target) }
}

fn step(action: Action, what: &str, keeps: &str) -> Step {
    Step {
        action,
        what: what.to_owned(),
        keeps: keeps.to_owned(),
        destroys: String::new(),
        undo: String::new(),
        impossible: None,
        only_if_asked: false,
    }
}

fn restart_off(target: &Target) -> Option<Step> {
    target.restarts().then(|| Step {
        destroys: format!("nothing; its restart policy `{}` stays in the inspect kept before", target.restart),
        undo: format!("docker update --restart {} {}", target.restart, target.short()),
        ..step(
            Action::RestartOff,
            &format!("keep the engine from starting it again (its policy is `{}`)", target.restart),
            "the state that it is in now: each restart overwrites it",
        )
    })
}

fn pause(target: &Target) -> Step {
    Step {
        destroys: "nothing; connections to it may time out, and its peers may notice".to_owned(),
        undo: format!("docker unpause {}", target.short()),
        impossible: target.paused.then(|| "it is paused already".to_owned()),
        ..step(Action::Pause, "freeze its processes", "memory, open files and connections, as they are")
    }
}

fn logs(target: &Target) -> Step {
    // Engines keep a copy that they can read for drivers that send logs away, except for `none`.
    let none = target.log_driver == "none";
    Step {
        impossible: none.then(|| "its log driver is `none`: there never were any logs".to_owned()),
        ..step(
            Action::KeepLogs,
            &format!("write down its output (log driver {})", target.log_driver),
            "what it said, with the engine's times (in the engine's frames: eight bytes before each piece)",
        )
    }
}

fn files(target: &Target) -> Step {
    let mut keeps = "its file system as it is, deleted files excepted".to_owned();
    if !target.mounts.is_empty() {
        keeps.push_str(&format!("; not what lies in {}", target.mounts.join(", ")));
    }
    step(Action::KeepFiles, "export its file system", &keeps)
}

fn disconnects(target: &Target) -> Vec<Step> {
    let disconnect = |network: &Network| Step {
        destroys: "its open connections on that network; its address may go to another container".to_owned(),
        undo: format!("docker network connect {} {} (it may get another address)", network.name, target.short()),
        ..step(Action::Disconnect(network.clone()), &format!("take it off the network {}", network.name), "everything inside the container")
    };
    let host = |reason: String| {
        let network = Network { name: target.network_mode.clone(), id: String::new() };
        vec![Step { impossible: Some(reason), ..disconnect(&network) }]
    };
    if target.network_mode == "host" {
        return host(
            "it uses the network of the host itself, which an engine cannot take away: pausing or killing it is what ends its traffic, or a rule of the host's firewall"
                .to_owned(),
        );
    }
    if let Some(other) = target.network_mode.strip_prefix("container:") {
        let short = other.get(..12).unwrap_or(other);
        return host(format!("it shares the network of the container {short}: contain that one too"));
    }
    target.networks.iter().filter(|network| network.name != "none" && !network.id.is_empty()).map(disconnect).collect()
}

fn kill(target: &Target) -> Step {
    let mut destroys = "memory, environment of its processes, open and deleted files, connections".to_owned();
    if !target.tmpfs.is_empty() {
        destroys.push_str(&format!(", all of {}", target.tmpfs.join(", ")));
    }
    if target.auto_remove {
        destroys.push_str("; and the container itself with its files and logs, because it was started with --rm");
    }
    Step {
        destroys,
        only_if_asked: true,
        ..step(
            Action::Kill,
            "end its processes with SIGKILL (SIGTERM would let it clean up after itself)",
            "what the steps before wrote down",
        )
    }
}

fn remarks(target: &Target) -> Vec<String> {
    let mut remarks = Vec::new();
    match target.status.as_str() {
        "created" => remarks.push("it was created and never started".to_owned()),
        "exited" | "dead" => remarks.push("it is not running: nothing is left in memory".to_owned()),
        "restarting" => remarks.push("it is between two starts: the policy goes first, so that it stays down".to_owned()),
        _ => {}
    }
    if target.running {
        remarks.push("no engine step keeps its memory: take it from the host while it is paused, if it matters".to_owned());
    }
    if target.auto_remove && target.running {
        remarks.push(
            "it was started with --rm: when it ends, by itself or by a kill, the engine removes it with all that it holds".to_owned(),
        );
    }
    if !target.mounts.is_empty() {
        remarks.push(format!("copy what it could write to outside itself: {}", target.mounts.join(", ")));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Target {
        Target {
            id: "a".repeat(64),
            name: "web".into(),
            status: "running".into(),
            running: true,
            restart: "no".into(),
            log_driver: "json-file".into(),
            network_mode: "front".into(),
            networks: vec![Network { name: "front".into(), id: "n1".into() }],
            ..Target::default()
        }
    }

    fn names(target: &Target) -> Vec<String> {
        let mark = |step: &Step| if step.impossible.is_some() { "!" } else { "" };
        plan(target).steps.iter().map(|step| format!("{}{}", mark(step), step.action.name())).collect()
    }

    #[test]
    fn evidence_comes_before_what_destroys_it() {
        assert_eq!(
            names(&running()),
            ["keep-inspect", "pause", "keep-processes", "keep-logs", "keep-changes", "keep-files", "disconnect", "kill"]
        );
        let steps = plan(&running()).steps;
        assert!(steps.iter().all(|step| !step.action.keeps_evidence() || step.destroys.is_empty()));
        assert!(steps.last().is_some_and(|kill| kill.only_if_asked && kill.destroys.contains("memory")));
    }

    #[test]
    fn one_that_restarts_by_itself_is_kept_down_first() {
        let target = Target { restart: "always".into(), ..running() };
        assert_eq!(names(&target)[..3], ["keep-inspect", "restart-off", "pause"]);
        let step = plan(&target).steps.swap_remove(1);
        assert!(step.undo.contains("--restart always"));
    }

    #[test]
    fn the_network_of_the_host_cannot_be_taken_away_and_that_is_said() {
        let target = Target { network_mode: "host".into(), networks: vec![Network { name: "host".into(), id: "h".into() }], ..running() };
        assert!(names(&target).contains(&"!disconnect".to_owned()));
        let shared = Target { network_mode: format!("container:{}", "b".repeat(64)), ..running() };
        let step = plan(&shared).steps.into_iter().find(|s| s.action.name() == "disconnect").expect("a step");
        assert!(step.impossible.is_some_and(|why| why.contains("bbbbbbbbbbbb:")));
    }

    #[test]
    fn one_that_ended_is_only_written_down() {
        let target = Target { status: "exited".into(), running: false, networks: Vec::new(), ..running() };
        assert_eq!(names(&target), ["keep-inspect", "keep-logs", "keep-changes", "keep-files"]);
        assert!(plan(&target).remarks.iter().any(|remark| remark.contains("not running")));
    }

    #[test]
    fn a_kill_says_that_rm_takes_everything() {
        let target = Target { auto_remove: true, tmpfs: vec!["/run".into()], log_driver: "none".into(), ..running() };
        let plan = plan(&target);
        let kill = plan.steps.last().expect("a step");
        assert!(kill.destroys.contains("/run") && kill.destroys.contains("--rm"), "{}", kill.destroys);
        assert!(names(&target).contains(&"!keep-logs".to_owned()));
    }
}
