//! `container.usage`, and limits that differ: what a container uses of what it may, and whether the kernel's limit is the engine's.
//!
//! The engine's word on a limit is what it was asked for. What holds is what the kernel has: whoever may write to the control groups changes it without the engine.

use crate::Container;
use crate::fields::{about_container, limits_fields};
use crate::heard::Health;
use crate::host::Host;
use crate::id::Id;
use crate::limits::Limits;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::fact::{ContainerSpec, Fact};
use event::system::Usage;
use event::{Event, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of what it may use, this share counts as most of it.
const MOST: f64 = 0.9;
/// A single measurement below this share ends a stretch, whatever the mean.
const FALLS: f64 = 0.5;
/// A mean below this share ends it too. Between the two, others on a crowded host may only have taken its turn.
const FADES: f64 = 0.75;
/// How long it must be so before it is said; then again.
const STAGES: [Span; 2] = [Span::minutes(2), Span::minutes(10)];
/// After the last of those, it is said this often.
const HOURLY: Span = Span::minutes(60);
/// Without a measurement for so long, a stretch is over: nobody knows what lay between.
const SILENCE: Span = Span::minutes(2);
/// A raise of limits so long before belongs to what follows.
const RAISE_COUNTS: Span = Span::minutes(10);
/// How long two limits must differ before it is said, and how long after an update nothing is judged.
const GRACE: Span = Span::seconds(30);
/// Blindness so long before is told with what does not tally.
const AFTER_GAP: Span = Span::minutes(10);
/// Containers followed at once.
const FOLLOWED_MAX: usize = if cfg!(test) { 64 } else { 65_536 };

type Key = (SmolStr, Id);

/// What is followed of each container.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    stretches: BTreeMap<Key, Stretch>,
    raised: BTreeMap<Key, Time>,
    settled: BTreeMap<Key, Time>,
    differing: BTreeMap<Key, Differing>,
}

/// A time in which it used most of what it may.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stretch {
    since: Time,
    last: Time,
    /// Processor time used, and the time in which it was.
    used: f64,
    measured: f64,
    oom_kills: i64,
    /// How often it was said.
    said: u64,
    evidence: Vec<Arc<Provenance>>,
}

/// A limit of the kernel that is not the engine's.
#[derive(Debug, Serialize, Deserialize)]
struct Differing {
    since: Time,
    what: SmolStr,
    said: bool,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        match step {
            Step::Updated { id } => self.unsettled(host, id, cause.at, out),
            Step::Inspected { id, before, .. } => {
                let Some(container) = host.container(id) else { return };
                let (Some(before), Some(now)) = (before, container.shape()) else { return };
                if Arc::ptr_eq(before, now) {
                    return;
                }
                if is_raised(&Limits::of(before), &Limits::of(now)) {
                    bound(&mut self.raised, out);
                    self.raised.insert((host.name.clone(), id.clone()), cause.at);
                }
                self.unsettled(host, id, cause.at, out);
            }
            Step::Removed { id, .. } | Step::Ended { id } => {
                let key = (host.name.clone(), id.clone());
                self.stretches.remove(&key);
                self.differing.remove(&key);
                self.raised.remove(&key);
                self.settled.remove(&key);
            }
            Step::Kernel => {
                let Some(Fact::Usage(usage)) = cause.fact() else { return };
                let id = Id::new(&usage.container_id);
                let id = host.cluster.as_ref().and_then(|cluster| cluster.container_of(&id)).unwrap_or(&id);
                let Some(container) = host.container(id) else { return };
                self.measured(world, host, container, usage, cause, out);
                self.compared(world, host, container, usage, cause, out);
            }
            _ => {}
        }
    }
}

impl State {
    /// Its limits are being changed: what the kernel and the engine say may come apart for a moment.
    fn unsettled(&mut self, host: &Host, id: &Id, at: Time, out: &mut RowOut<'_>) {
        let key = (host.name.clone(), id.clone());
        self.differing.remove(&key);
        bound(&mut self.settled, out);
        self.settled.insert(key, at + GRACE);
    }

    fn measured(&mut self, world: &World, host: &Host, container: &Container, usage: &Usage, cause: &Event, out: &mut RowOut<'_>) {
        let key = (host.name.clone(), container.id.clone());
        let processors = host.engine.as_ref().and_then(|engine| engine.cpus).map(|cpus| cpus as f64);
        let may = usage.cpu_limit.or_else(|| container.shape().and_then(|shape| shape.cpu_limit)).or(processors).filter(|may| *may > 0.0);
        let (Some(used), Some(may), true) = (usage.cpu, may, usage.interval > 0) else { return };
        let (used, seconds) = (Span(used).as_seconds(), Span(usage.interval).as_seconds());
        let begins = cause.at.minus(Span(usage.interval));
        if self.stretches.get(&key).is_some_and(|stretch| begins > stretch.last + SILENCE) || used / seconds < FALLS * may {
            self.stretches.remove(&key);
        }
        if !self.stretches.contains_key(&key) {
            if used / seconds < MOST * may {
                return;
            }
            bound(&mut self.stretches, out);
            self.stretches.insert(key.clone(), Stretch { since: begins, evidence: cause.evidence.clone(), ..Stretch::default() });
        }
        let Some(stretch) = self.stretches.get_mut(&key) else { return };
        stretch.last = cause.at;
        stretch.used += used;
        stretch.measured += seconds;
        stretch.oom_kills += usage.oom_kills.unwrap_or(0);
        let cores = stretch.used / stretch.measured;
        if cores < FADES * may {
            self.stretches.remove(&key);
            return;
        }
        if cores < MOST * may {
            return;
        }
        let lasts = cause.at - stretch.since;
        let stages = STAGES.iter().filter(|stage| lasts >= **stage).count() as u64;
        let due = if stages < STAGES.len() as u64 { stages } else { stages + (lasts.0 / HOURLY.0).max(0) as u64 };
        if due <= stretch.said {
            return;
        }
        stretch.said = due;
        if !out.wants(d::CONTAINER_USAGE) {
            return;
        }
        let raised = self.raised.get(&key).is_some_and(|raised| *raised + RAISE_COUNTS >= stretch.since);
        let mut evidence = cause.evidence.clone();
        evidence.extend(stretch.evidence.iter().cloned());
        let mut builder = about_container(d::CONTAINER_USAGE, "usage", cause, world, host, container)
            .evidence(evidence)
            .with(d::USAGE_CORES, cores)
            .with(d::USAGE_SHARE, (cores / may).min(1.0))
            .with(d::USAGE_SECONDS, lasts.as_seconds())
            .with(d::USAGE_OOM, stretch.oom_kills)
            .with(d::USAGE_AFTER_RAISE, raised)
            .maybe(d::USAGE_MEMORY, usage.memory)
            .maybe(d::USAGE_PRESSURE, usage.cpu_pressure);
        limits_fields(&mut builder, container);
        out.emit(builder.build());
    }

    fn compared(&mut self, world: &World, host: &Host, container: &Container, usage: &Usage, cause: &Event, out: &mut RowOut<'_>) {
        let key = (host.name.clone(), container.id.clone());
        let Some(shape) = container.shape().filter(|_| usage.limits_read && container.runs() && container.pod.is_none()) else { return };
        let differences = differences(shape, usage);
        if differences.is_empty() {
            self.differing.remove(&key);
            return;
        }
        if self.settled.get(&key).is_some_and(|settled| cause.at < *settled) {
            return;
        }
        let what = SmolStr::from(differences.join("; "));
        if self.differing.get(&key).is_none_or(|known| known.what != what) {
            bound(&mut self.differing, out);
            self.differing.insert(key, Differing { since: cause.at, what, said: false, evidence: cause.evidence.clone() });
            return;
        }
        let Some(known) = self.differing.get_mut(&key).filter(|known| !known.said && known.since + GRACE <= cause.at) else { return };
        known.said = true;
        if !out.wants(d::DISCREPANCY_SEEN) {
            return;
        }
        let mut evidence = cause.evidence.clone();
        evidence.extend(known.evidence.iter().cloned());
        let teller: Vec<SmolStr> = container.witnesses.sources().filter(|source| **source != cause.source).cloned().collect();
        let of_teller = || teller.iter().filter_map(|source| host.heard.source(source));
        let healthy = of_teller().all(|source| source.health(known.since) != Health::Broken);
        let after_gap = of_teller().any(|source| source.blind_between(known.since.minus(AFTER_GAP), cause.at));
        let builder = about_container(d::DISCREPANCY_SEEN, "usage", cause, world, host, container)
            .evidence(evidence)
            .with(d::DIS_KIND, "limits_differ")
            .with(d::DIS_WHAT, &known.what)
            .with(d::DIS_SEEN_BY, vec![cause.source.clone()])
            .with(d::DIS_NOT_SEEN_BY, teller.clone())
            .with(d::DIS_HEALTHY, healthy)
            .with(d::DIS_AFTER_GAP, after_gap)
            .with(d::DIS_BUILD, false)
            .with(d::DIS_CGROUP, &usage.cgroup);
        out.emit(builder.build());
    }
}

/// Whether some limit is further than before, or gone.
fn is_raised(before: &Limits, now: &Limits) -> bool {
    fn further<T: PartialOrd>(before: Option<T>, now: Option<T>) -> bool {
        match (before, now) {
            (Some(before), Some(now)) => now > before,
            (before, None) => before.is_some(),
            (None, Some(_)) => false,
        }
    }
    further(before.cpu, now.cpu) || further(before.memory, now.memory) || further(before.pids, now.pids)
}

/// In words, which limits the kernel has otherwise than the engine says.
fn differences(shape: &ContainerSpec, usage: &Usage) -> Vec<String> {
    let mut list = Vec::new();
    let mut differ = |name: &str, engine: Option<String>, kernel: Option<String>| {
        let word = |limit: Option<String>| limit.unwrap_or_else(|| "no limit".to_owned());
        list.push(format!("{name}: the engine says {}, the kernel has {}", word(engine), word(kernel)));
    };
    let cores = |limit: f64| format!("{limit} cores");
    match (shape.cpu_limit, usage.cpu_limit) {
        // The kernel keeps quotas in whole microseconds.
        (Some(engine), Some(kernel)) if (engine - kernel).abs() <= 0.01 * engine.max(0.1) => {}
        (None, None) => {}
        (engine, kernel) => differ("processor", engine.map(cores), kernel.map(cores)),
    }
    let bytes = |limit: i64| format!("{limit} bytes");
    match (shape.memory_limit, usage.memory_limit) {
        // The kernel rounds to whole pages, of up to 64 KiB.
        (Some(engine), Some(kernel)) if engine.abs_diff(kernel) < 65_536 => {}
        (None, None) => {}
        (engine, kernel) => differ("memory", engine.map(bytes), kernel.map(bytes)),
    }
    // Where the engine sets none, the system's manager may have a default of its own.
    let processes = |limit: i64| format!("{limit} processes");
    if let Some(engine) = shape.pids_limit
        && usage.pids_limit != Some(engine)
    {
        differ("processes", Some(processes(engine)), usage.pids_limit.map(processes));
    }
    list
}

/// Makes room in a map.
fn bound<V>(map: &mut BTreeMap<Key, V>, out: &mut RowOut<'_>) {
    if map.len() >= FOLLOWED_MAX {
        map.pop_first();
        out.forgot("inventory.usage", 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::ContainerAction;

    const SECOND: i64 = 1_000_000_000;

    fn worker(cpu: Option<f64>, memory: Option<i64>) -> ContainerSpec {
        ContainerSpec { name: "worker".into(), image: "worker:1".into(), cpu_limit: cpu, memory_limit: memory, ..ContainerSpec::default() }
    }

    /// Ten seconds in which it used so many cores.
    fn use_cores(play: &mut Play, cores: f64, limits: (Option<f64>, Option<i64>)) {
        play.wait(10.0);
        let usage = Usage {
            cgroup: format!("/docker/{}", id("a")).into(),
            container_id: id("a"),
            interval: 10 * SECOND,
            cpu: Some((cores * 10.0 * SECOND as f64) as i64),
            cpu_limit: limits.0,
            memory_limit: limits.1,
            limits_read: true,
            ..Usage::default()
        };
        play.from("system_usage").tell(d::SYSTEM_USAGE, Some(Fact::Usage(Box::new(usage)))).from("docker_events");
    }

    fn said(play: &Play) -> String {
        play.draw(d::CONTAINER_USAGE, &["container.name", "usage.cpu.cores", "usage.cpu.share", "usage.after_raise"])
    }

    #[test]
    fn most_of_what_it_may_for_minutes_is_said_at_two_at_ten_and_then_each_hour() {
        let mut play = Play::new();
        play.run("a", worker(Some(1.0), None));
        for _ in 0..(70 * 6) {
            use_cores(&mut play, 0.95, (Some(1.0), None));
        }
        assert_eq!(said(&play), ["worker | 0.95 | 0.95 | false"; 3].join("\n"));
        let lasts = play.draw(d::CONTAINER_USAGE, &["usage.seconds"]);
        let lasts: Vec<f64> = lasts.lines().map(|line| line.parse().unwrap()).collect();
        assert!(lasts[0] < 131.0 && (600.0..611.0).contains(&lasts[1]) && (3600.0..3611.0).contains(&lasts[2]), "{lasts:?}");
    }

    #[test]
    fn bursts_and_what_nobody_measured_are_not_said() {
        let mut play = Play::new();
        play.run("a", worker(Some(1.0), None));
        for _ in 0..10 {
            for _ in 0..9 {
                use_cores(&mut play, 1.0, (Some(1.0), None));
            }
            use_cores(&mut play, 0.1, (Some(1.0), None));
        }
        for _ in 0..9 {
            use_cores(&mut play, 1.0, (Some(1.0), None));
        }
        play.wait(600.0);
        use_cores(&mut play, 1.0, (Some(1.0), None));
        assert_eq!(said(&play), "");
    }

    #[test]
    fn a_raise_of_the_limits_before_it_is_told() {
        let mut play = Play::new();
        play.run("a", worker(Some(1.0), None));
        play.container("a", "worker", "worker:1", ContainerAction::Update);
        play.inspect(ContainerSpec { id: id("a"), status: "running".into(), ..worker(Some(2.0), None) });
        for _ in 0..13 {
            use_cores(&mut play, 2.0, (Some(2.0), None));
        }
        assert_eq!(said(&play), "worker | 2 | 1 | true");
    }

    #[test]
    fn a_limit_that_the_kernel_has_otherwise_is_said_once_after_a_while() {
        let mut play = Play::new();
        play.run("a", worker(Some(1.0), Some(1 << 28)));
        for _ in 0..3 {
            use_cores(&mut play, 0.1, (Some(1.0), Some(1 << 28)));
        }
        for _ in 0..8 {
            use_cores(&mut play, 0.1, (Some(1.0), None));
        }
        assert_eq!(
            play.draw(
                d::DISCREPANCY_SEEN,
                &["discrepancy.kind", "discrepancy.what", "discrepancy.seen_by", "discrepancy.not_seen_by", "container.name"]
            ),
            "limits_differ | memory: the engine says 268435456 bytes, the kernel has no limit | system_usage | docker_events | worker"
        );
    }

    #[test]
    fn around_an_update_nothing_is_said() {
        let mut play = Play::new();
        play.run("a", worker(Some(1.0), None));
        // The kernel has it first; the engine's answer comes seconds later.
        use_cores(&mut play, 0.1, (Some(2.0), None));
        use_cores(&mut play, 0.1, (Some(2.0), None));
        play.container("a", "worker", "worker:1", ContainerAction::Update);
        use_cores(&mut play, 0.1, (Some(2.0), None));
        use_cores(&mut play, 0.1, (Some(2.0), None));
        play.inspect(ContainerSpec { id: id("a"), status: "running".into(), ..worker(Some(2.0), None) });
        for _ in 0..8 {
            use_cores(&mut play, 0.1, (Some(2.0), None));
        }
        assert_eq!(play.draw(d::DISCREPANCY_SEEN, &["discrepancy.kind"]), "");
    }
}
