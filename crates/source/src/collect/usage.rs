//! What containers use of the machine, and the limits that the kernel has for them, read from their control groups every ten seconds.

use super::Surroundings;
use super::outlet::Outlet;
use super::proc::{Namespaces, read};
use super::room::{CollectorDef, Found, Presence, Room};
use event::Witness;
use event::cgroup::container_of;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "usage",
    witness: Witness::System,
    sources: &["system_usage"],
    about: "Processor and memory that containers use, with the limits that the kernel has for them.",
    blind: "work that nobody ordered, such as mining, is not seen by what it uses; limits are only what the engine says",
    find,
};

const SOURCE: &str = "system_usage";
const EVERY: Duration = Duration::from_secs(10);
/// Groups that are looked at, and how deep.
const GROUPS_MAX: usize = 20_000;
const DEPTH_MAX: usize = 10;
/// Containers that are told of.
const CONTAINERS_MAX: usize = 4096;
const ROOT: &str = "/sys/fs/cgroup";

/// How control groups are laid out here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// One tree.
    Unified(PathBuf),
    /// One tree for each controller.
    Split(PathBuf),
}

impl Layout {
    fn find(root: &Path) -> Option<Layout> {
        if root.join("cgroup.controllers").exists() {
            return Some(Layout::Unified(root.to_owned()));
        }
        root.join("memory").is_dir().then(|| Layout::Split(root.to_owned()))
    }

    /// The tree in which groups are looked for.
    fn tree(&self) -> PathBuf {
        match self {
            Layout::Unified(root) => root.clone(),
            Layout::Split(root) => root.join("memory"),
        }
    }
}

fn find(_: &Surroundings) -> Presence {
    let Some(layout) = Layout::find(Path::new(ROOT)) else {
        return Presence::absent(format!("no control groups at {ROOT}"), "mount them, or give the container `-v /sys/fs/cgroup:/sys/fs/cgroup:ro --cgroupns host`");
    };
    Presence::Present(Found::kept(ROOT, move |room| follow(layout.clone(), room)))
}

async fn follow(layout: Layout, room: Room) -> Result<(), String> {
    std::fs::read_dir(layout.tree()).map_err(|error| format!("read {}: {error}", layout.tree().display()))?;
    room.ready();
    let outlet = room.outlet().clone();
    let mut clock = interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: BTreeMap<String, Sample> = BTreeMap::new();
    loop {
        clock.tick().await;
        before = look(&layout, &before, &outlet);
    }
}

/// Tells of each container; gives what is needed to tell how much it used until the next time.
fn look(layout: &Layout, before: &BTreeMap<String, Sample>, outlet: &Outlet) -> BTreeMap<String, Sample> {
    let mut samples = BTreeMap::new();
    for path in containers(layout) {
        let Some((sample, mut line)) = measure(layout, &path) else { continue };
        line.time = outlet.now().0;
        if let Some(before) = before.get(&path) {
            line.interval = i64::try_from((sample.at - before.at).as_nanos()).unwrap_or(0);
            line.cpu = sample.cpu.zip(before.cpu).map(|(now, then)| now.saturating_sub(then).max(0));
            line.oom_kills = sample.oom_kills.zip(before.oom_kills).map(|(now, then)| now.saturating_sub(then).max(0));
        }
        if let Ok(bytes) = serde_json::to_vec(&line) {
            outlet.event(SOURCE, &bytes);
        }
        samples.insert(path, sample);
    }
    samples
}

/// The paths of groups that hold a container, in order.
fn containers(layout: &Layout) -> Vec<String> {
    let tree = layout.tree();
    let host = Namespaces::of_the_host();
    let mut found = Vec::new();
    let mut looked = 0;
    let mut open = vec![(String::new(), 0)];
    while let Some((path, depth)) = open.pop() {
        looked += 1;
        if looked > GROUPS_MAX || found.len() >= CONTAINERS_MAX {
            break;
        }
        if let Some(container) = container_of(&path)
            && (container.certain || holds_foreign(&tree.join(path.trim_start_matches('/')), &host))
        {
            // What a container makes of its own group is its own affair.
            found.push(path);
            continue;
        }
        if depth >= DEPTH_MAX {
            continue;
        }
        let entries = std::fs::read_dir(tree.join(path.trim_start_matches('/'))).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(below.map(|entry| (format!("{path}/{}", entry.file_name().to_string_lossy()), depth + 1)));
    }
    found.sort();
    found
}

/// Whether the first process of a group lives in other namespaces than the host's.
fn holds_foreign(group: &Path, host: &Namespaces) -> bool {
    let pids = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    pids.lines().next().is_some_and(|pid| Namespaces::of(pid).is_foreign_to(host))
}

/// Counters that only grow.
struct Sample {
    at: Instant,
    cpu: Option<i64>,
    oom_kills: Option<i64>,
}

/// A record as it is written.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Line {
    landwaiter_usage: u8,
    time: i64,
    interval: i64,
    cgroup: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pids: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pids_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom_kills: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_pressure: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_pressure: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<bool>,
}

/// Reads a group. `None` when it is gone.
fn measure(layout: &Layout, path: &str) -> Option<(Sample, Line)> {
    let below = path.trim_start_matches('/');
    let mut line = Line { landwaiter_usage: 1, cgroup: path.to_owned(), ..Line::default() };
    let (cpu, oom_kills) = match layout {
        Layout::Unified(root) => {
            let group = root.join(below);
            let file = |name: &str| text(&group.join(name));
            if let Some((quota, period)) = file("cpu.max").as_deref().and_then(|text| text.split_once(' ')) {
                (line.cpu_quota, line.cpu_period) = (limit(quota), period.parse().ok());
            }
            line.memory = used(file("memory.current"), file("memory.stat"), "inactive_file");
            line.memory_limit = file("memory.max").as_deref().and_then(limit);
            line.pids = file("pids.current").and_then(|text| text.parse().ok());
            line.pids_limit = file("pids.max").as_deref().and_then(limit);
            line.cpu_pressure = file("cpu.pressure").as_deref().and_then(pressure);
            line.memory_pressure = file("memory.pressure").as_deref().and_then(pressure);
            line.frozen = file("cgroup.freeze").map(|text| text == "1");
            let cpu = file("cpu.stat").as_deref().and_then(|text| entry(text, "usage_usec")).map(|us| us.saturating_mul(1000));
            (cpu, file("memory.events").as_deref().and_then(|text| entry(text, "oom_kill")))
        }
        Layout::Split(root) => {
            let file = |controller: &str, name: &str| text(&root.join(controller).join(below).join(name));
            line.cpu_quota = file("cpu", "cpu.cfs_quota_us").as_deref().and_then(limit);
            line.cpu_period = file("cpu", "cpu.cfs_period_us").and_then(|text| text.parse().ok());
            line.memory = used(file("memory", "memory.usage_in_bytes"), file("memory", "memory.stat"), "total_inactive_file");
            line.memory_limit = file("memory", "memory.limit_in_bytes").as_deref().and_then(limit);
            line.pids = file("pids", "pids.current").and_then(|text| text.parse().ok());
            line.pids_limit = file("pids", "pids.max").as_deref().and_then(limit);
            line.frozen = file("freezer", "freezer.state").map(|text| text == "FROZEN");
            let cpu = file("cpuacct", "cpuacct.usage").and_then(|text| text.parse().ok());
            (cpu, file("memory", "memory.oom_control").as_deref().and_then(|text| entry(text, "oom_kill")))
        }
    };
    // A group that is gone has no files at all.
    (line.memory.is_some() || line.pids.is_some() || cpu.is_some()).then_some((Sample { at: Instant::now(), cpu, oom_kills }, line))
}

fn text(path: &Path) -> Option<String> {
    let bytes = read(path.to_str()?, 16 << 10)?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Memory in use, without files that the kernel would give up for anyone who asks.
fn used(current: Option<String>, stat: Option<String>, idle: &str) -> Option<i64> {
    let current: i64 = current?.parse().ok()?;
    let idle = stat.as_deref().and_then(|stat| entry(stat, idle)).unwrap_or(0);
    Some(current.saturating_sub(idle).max(0))
}

/// A limit; `max` is none, as -1. A number too large for the kernel's own is none as well.
fn limit(text: &str) -> Option<i64> {
    if text == "max" { Some(-1) } else { text.parse::<i64>().ok().or_else(|| text.parse::<u64>().ok().map(|_| -1)) }
}

/// The number behind a name that begins a line.
fn entry(text: &str, name: &str) -> Option<i64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Share of the last ten seconds in which something waited.
fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split(' ').find_map(|part| part.strip_prefix("avg10=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::outlet::queue;
    use std::fs;
    use std::sync::Arc;

    const ID: &str = "50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a";

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
    }

    #[test]
    fn one_tree_is_read() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("cgroup.controllers", "cpu memory")]);
        let path = format!("/system.slice/docker-{ID}.scope");
        let group = root.path().join(path.trim_start_matches('/'));
        write(
            &group,
            &[
                ("cpu.max", "50000 100000\n"),
                ("cpu.stat", "usage_usec 5000\nuser_usec 1\n"),
                ("memory.current", "1000\n"),
                ("memory.stat", "anon 1\ninactive_file 400\n"),
                ("memory.max", "max\n"),
                ("memory.events", "oom 3\noom_kill 2\n"),
                ("pids.current", "5\n"),
                ("pids.max", "100\n"),
                ("cpu.pressure", "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n"),
                ("cgroup.freeze", "0\n"),
            ],
        );
        // What stands inside of a container's group is no container of its own.
        write(&group.join("init.scope"), &[]);
        let layout = Layout::find(root.path()).expect("a layout");
        assert_eq!(containers(&layout), std::slice::from_ref(&path));
        let (sample, line) = measure(&layout, &path).expect("a group");
        assert_eq!((sample.cpu, sample.oom_kills), (Some(5_000_000), Some(2)));
        assert_eq!((line.cpu_quota, line.cpu_period, line.memory, line.memory_limit), (Some(50_000), Some(100_000), Some(600), Some(-1)));
        assert_eq!((line.pids, line.pids_limit, line.cpu_pressure, line.frozen), (Some(5), Some(100), Some(12.5), Some(false)));
    }

    #[test]
    fn a_tree_for_each_controller_is_read_and_growth_is_told() {
        let root = tempfile::tempdir().unwrap();
        let path = format!("/docker/{ID}");
        let at = |controller: &str| root.path().join(controller).join("docker").join(ID);
        write(&at("memory"), &[("memory.usage_in_bytes", "700"), ("memory.limit_in_bytes", "9223372036854771712"), ("memory.oom_control", "under_oom 0\noom_kill 1")]);
        write(&at("cpu"), &[("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "100000")]);
        write(&at("cpuacct"), &[("cpuacct.usage", "1000")]);
        write(&at("freezer"), &[("freezer.state", "FROZEN")]);
        let layout = Layout::find(root.path()).expect("a layout");
        let (queue, inlet) = queue("h");
        let outlet = queue.outlet("system_usage", "x", Arc::default());
        let first = look(&layout, &BTreeMap::new(), &outlet);
        write(&at("cpuacct"), &[("cpuacct.usage", "4000")]);
        look(&layout, &first, &outlet);
        let mut records = std::iter::from_fn(|| inlet.next(|| true)).map(|record| match record.body {
            event::Body::Data(bytes) => serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(),
            event::Body::Tick => panic!("a tick"),
        });
        let (one, two) = (records.next().unwrap(), records.next().unwrap());
        assert_eq!((&one["cgroup"], one.get("cpu"), &one["frozen"]), (&serde_json::json!(path), None, &serde_json::json!(true)));
        assert_eq!((two["cpu"].as_i64(), two["oom_kills"].as_i64(), two["cpu_quota"].as_i64()), (Some(3000), Some(0), Some(-1)));
        assert!(two["interval"].as_i64().is_some_and(|interval| interval > 0));
    }

    #[test]
    fn limits_and_pressure_are_read_as_the_kernel_writes_them() {
        assert_eq!((limit("max"), limit("18446744073709551615"), limit("7"), limit("x")), (Some(-1), Some(-1), Some(7), None));
        assert_eq!(pressure("full avg10=1.00\n"), None);
        assert_eq!(entry("oom 3\noom_kill 2", "oom_kill"), Some(2));
    }
}
