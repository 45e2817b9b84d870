//! The judgement of a claim: borne out in the meantime, not to be told yet, or a discrepancy.

use super::claim::{Claim, Sort};
use super::{BLIND_BEFORE, cluster_of, system};
use crate::address;
use crate::container::{Container, Origin};
use crate::fields::{container_fields, posture_fields};
use crate::heard::Health;
use crate::host::Host;
use crate::id::Id;
use crate::leases::Held;
use crate::row::RowOut;
use crate::witnesses::{engine_of, owner, stream_of};
use crate::world::World;
use event::dictionary as d;
use event::{DerivedBuilder, SmolStr, Time};

/// Runtimes and engines whose streams tell of each container.
const ENGINES: [&str; 4] = ["docker", "podman", "containerd", "cri-o"];

/// What a judgement comes to.
pub(super) enum Verdict {
    /// A witness that should have seen it cannot be asked yet.
    Wait,
    /// It tallies after all, or nothing is to be expected.
    Settled,
    /// It does not tally.
    Broken(Found),
}

/// How it does not tally.
pub(super) struct Found {
    not_seen_by: Vec<SmolStr>,
    healthy: bool,
    /// The source that had been blind before.
    blind: Option<SmolStr>,
}

/// Judges a claim by what the world knows now.
pub(super) fn judge(claim: &Claim, host: &Host, world: &World) -> Verdict {
    let container = claim.container.as_ref().and_then(|id| host.container(id));
    if is_borne_out(claim, container, host, world) {
        return Verdict::Settled;
    }
    let mut found = Found { not_seen_by: Vec::new(), healthy: true, blind: None };
    let mut open = false;
    for (on, source) in expected(claim, container, host, world) {
        let Some(sight) = on.heard.source(source) else { continue };
        match sight.health(claim.first) {
            Health::Open => open = true,
            Health::Broken => found.healthy = false,
            Health::Well => {}
        }
        // A stream alone does not know what stood there before it began; the list taken then does.
        let listed = engine_of(source).is_none_or(|engine| on.listed_by.contains(engine));
        found.healthy &= listed || claim.sort != Sort::SystemWithoutRuntime;
        if found.blind.is_none() && sight.blind_between(claim.first.minus(BLIND_BEFORE), claim.due) {
            found.blind = Some(SmolStr::new_static(source));
        }
        found.not_seen_by.push(SmolStr::new_static(source));
    }
    if found.not_seen_by.is_empty() {
        return Verdict::Settled;
    }
    if open {
        return Verdict::Wait;
    }
    // The control group names a runtime that nobody listens to: it may know the container well.
    if claim.sort == Sort::SystemWithoutRuntime
        && !matches!(claim.runtime.as_str(), "" | "runc" | "buildkit")
        && !host.follows(&claim.runtime)
    {
        found.healthy = false;
        found.not_seen_by.push(SmolStr::from(format!("{} (not followed)", claim.runtime)));
    }
    Verdict::Broken(found)
}

/// The sources that should have seen it, each with the host that it speaks of.
fn expected<'a>(claim: &Claim, container: Option<&Container>, host: &'a Host, world: &'a World) -> Vec<(&'a Host, &'static str)> {
    let of = |on: &'a Host, engine: &str| -> Vec<(&'a Host, &'static str)> {
        stream_of(engine).unwrap_or_default().iter().filter(|source| on.heard.follows(source)).map(|source| (on, *source)).collect()
    };
    match claim.sort {
        Sort::SystemWithoutRuntime => ENGINES.into_iter().flat_map(|engine| of(host, engine)).collect(),
        Sort::AddressWithoutContainer => ENGINES.into_iter().flat_map(|engine| of(host, engine)).collect(),
        Sort::RuntimeWithoutEngine => of(host, "docker"),
        Sort::ListWithoutEvent => container.map(|container| of(host, container.teller())).unwrap_or_default(),
        Sort::RuntimeWithoutOrchestrator => world
            .hosts
            .values()
            .filter(|other| other.cluster.is_some() && (other.name == host.name || cluster_has(other, &host.name)))
            .flat_map(|other| of(other, "kubernetes"))
            .collect(),
        Sort::PodWithoutRuntime => node_of(container, host, world)
            .map(|node| ENGINES.into_iter().flat_map(|engine| of(node, engine)).collect())
            .unwrap_or_default(),
    }
}

fn cluster_has(host: &Host, node: &SmolStr) -> bool {
    host.cluster.as_ref().is_some_and(|cluster| cluster.nodes.contains_key(node))
}

/// The host on which a pod's container runs, when that is watched.
fn node_of<'a>(container: Option<&Container>, host: &'a Host, world: &'a World) -> Option<&'a Host> {
    let pod = pod_of(container?, host)?;
    world.host(&pod.node)
}

fn pod_of<'a>(container: &Container, host: &'a Host) -> Option<&'a crate::cluster::Pod> {
    host.cluster.as_ref()?.pod_by_uid(&container.pod.as_ref()?.uid)
}

/// Whether another witness bears it out by now.
fn is_borne_out(claim: &Claim, container: Option<&Container>, host: &Host, world: &World) -> bool {
    match claim.sort {
        Sort::SystemWithoutRuntime if claim.mnt != 0 => false,
        Sort::SystemWithoutRuntime => system::is_known(host, &claim.what),
        Sort::RuntimeWithoutEngine if claim.awaited => system::is_known(host, &claim.what),
        // Docker took it over: it is Docker's after all.
        Sort::RuntimeWithoutEngine => container.is_some_and(|container| container.teller() == "docker"),
        Sort::RuntimeWithoutOrchestrator => {
            let id = Id::new(&claim.what);
            let labels = container.map(|container| container.labels.clone()).unwrap_or_else(|| Vec::new().into());
            let image = container.map_or(&claim.image, |container| &container.image);
            // Each pod has one container that only holds its namespaces; the API server never names it.
            is_pause(image)
                || container.is_some_and(|container| owner(container.teller(), container.division()) != "kubernetes")
                || cluster_of(host, world).is_some_and(|cluster| cluster.container_of(&id).is_some())
                || world.hosts.values().any(|other| other.pod_container_of(&id, &labels).is_some())
        }
        Sort::PodWithoutRuntime => {
            let Some(container) = container else { return true };
            let Some(pod) = pod_of(container, host) else { return true };
            let Some(node) = world.host(&pod.node) else { return true };
            container.witnesses.sources().any(|source| engine_of(source).is_some_and(|engine| engine != "kubernetes"))
                || pod.runtime_ids.is_empty()
                || pod.runtime_ids.iter().any(|id| node.container(id).is_some())
        }
        Sort::ListWithoutEvent => container.is_none_or(|container| container.origin == Origin::Created),
        Sort::AddressWithoutContainer => {
            let Some(address) = address::parse(&claim.what) else { return true };
            let held =
                world.wire.hosts.get(&host.name).is_some_and(|addresses| held_by_somebody(&addresses.leases.at(address, claim.first)));
            held || held_by_somebody(&world.wire.pods.at(address, claim.first))
        }
    }
}

fn held_by_somebody<H>(held: &Held<'_, H>) -> bool {
    !matches!(held, Held::Nobody)
}

fn is_pause(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let name = name.split([':', '@']).next().unwrap_or_default();
    matches!(name, "pause" | "mirrored-pause" | "pause-amd64" | "pause-arm64")
}

/// Says the discrepancy.
pub(super) fn say(claim: &Claim, found: &Found, host: &Host, world: &World, now: Time, out: &mut RowOut<'_>) {
    if !out.wants(d::DISCREPANCY_SEEN) {
        return;
    }
    let mut builder = DerivedBuilder::at(d::DISCREPANCY_SEEN, "reconcile", now, host.name.clone(), claim.evidence.clone())
        .about(&claim.what)
        .read_by(world.reading.as_deref())
        .with(d::DIS_KIND, claim.sort.as_str())
        .with(d::DIS_WHAT, &claim.what)
        .with(d::DIS_SEEN_BY, claim.seen_by.clone())
        .with(d::DIS_NOT_SEEN_BY, found.not_seen_by.clone())
        .with(d::DIS_HEALTHY, found.healthy)
        .with(d::DIS_AFTER_GAP, found.blind.is_some())
        .with(d::DIS_BUILD, claim.build)
        .maybe(d::SENSOR_SOURCE, found.blind.as_ref());
    if !claim.cgroup.is_empty() {
        builder.push(d::DIS_CGROUP, &claim.cgroup);
    }
    match claim.container.as_ref().and_then(|id| host.container(id)) {
        Some(container) => {
            container_fields(&mut builder, world, host, container, now);
            posture_fields(&mut builder, container);
        }
        None => {
            if claim.mnt == 0 && claim.sort != Sort::AddressWithoutContainer {
                builder.push(d::CONTAINER_ID, &claim.what);
            }
            if !claim.image.is_empty() {
                builder.push(d::CONTAINER_IMAGE_NAME, &claim.image);
            }
            builder.push(d::EXPLAINED, "unknown");
        }
    }
    if let Some(process) = &claim.process {
        builder.push(d::PROC_PID, process.pid);
        builder.push(d::PROC_PPID, process.parent_pid);
        builder.push(d::PROC_EXECUTABLE, &process.executable);
        builder.push(d::PROC_COMMAND_LINE, &process.command_line);
        builder.push(d::PROC_PARENT_COMMAND, &process.parent);
    }
    out.emit(builder.build());
}
