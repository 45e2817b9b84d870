//! `monitoring.stopped`: a monitoring container was stopped, starved, cut off, renamed or imitated.
//!
//! A freeze, a kill and a starving are told at once. A stop is told at once as `stopping`, and again when two minutes have passed in which the same sensor did not
//! come to stand in its place, for that is how upgrades look. A cut from a network waits for a second, because a container that ends is taken off its networks too.

use crate::container::Container;
use crate::fields::about_container_at;
use crate::host::Host;
use crate::id::Id;
use crate::image_ref::ImageRef;
use crate::limits::{Direction, Limits, PropertyChange, diff};
use crate::names;
use crate::role::Sensor;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::ContainerSpec;
use event::{Event, Provenance, SmolStr, Span, Time};
use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long a replacement is waited for.
const REPLACE: Span = Span::minutes(2);
/// How long a cut from a network may turn out to be the beginning of an end.
const SETTLE: Span = Span::seconds(1);
/// An end this long after a cut is not the reason for it.
const APART: Span = Span::millis(500);
/// A kill this long after a polite signal is the end of a stop on request.
const GRACE: Span = Span::minutes(1);
/// How long an impostor may take to fill the place of a sensor.
const GONE_KEEP: Span = Span::minutes(10);
const SENSORS_MAX: usize = 8192;
const WAITING_MAX: usize = 4096;
const GONE_MAX: usize = 256;

const STOP: u8 = 1;
const CUT: u8 = 2;

type Key = (SmolStr, Id);

/// The sensors of all hosts, and what is about to be said of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    sensors: IndexMap<Key, Known>,
    /// Stopped ones that wait for a replacement.
    stopped: IndexMap<Key, Stopped>,
    /// Cuts from networks that may be the beginning of an end: by container and network.
    cut: IndexMap<(SmolStr, Id, SmolStr), Cut>,
    /// Sensors that went out of sight lately, and when: their places are free to be taken.
    gone: IndexMap<Key, (Known, Time)>,
    /// Impostors already told.
    told: IndexSet<Key>,
}

/// A sensor as it was when it was last looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    name: SmolStr,
    image: SmolStr,
    image_id: SmolStr,
    role: Sensor,
    /// Sensitive host paths that it holds.
    mounts: Vec<SmolStr>,
    /// When it was last asked to end.
    asked: Option<Time>,
    /// Its end was told already.
    killed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stopped {
    at: Time,
    due: Time,
    removed: bool,
    evidence: Vec<Arc<Provenance>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cut {
    at: Time,
    due: Time,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        let mut at = Hands { world, host, now: cause.at, evidence: &cause.evidence, out };
        match step {
            Step::Created { id, .. } | Step::Found { id } => self.seen(id, &mut at),
            Step::Inspected { id, before, .. } => {
                self.seen(id, &mut at);
                self.throttled(id, before.as_deref(), &mut at);
                self.replaces(id, &mut at);
            }
            Step::Started { id, .. } => {
                let key = at.key(id);
                self.gone.shift_remove(&key);
                if let Some(stop) = self.stopped.shift_remove(&key) {
                    at.out.cancel(stop.due, TimerKey::new(&key.0, id).tagged(STOP));
                }
                if let Some(known) = self.sensors.get_mut(&key) {
                    known.asked = None;
                    known.killed = false;
                }
                self.seen(id, &mut at);
                self.replaces(id, &mut at);
            }
            Step::Paused { id } if self.sensors.contains_key(&at.key(id)) => {
                self.say(id, "paused", None, None, &mut at);
                self.leave(id, &at);
            }
            Step::Unpaused { id } => drop(self.gone.shift_remove(&at.key(id))),
            Step::Killed { id } => self.killed(id, &mut at),
            Step::Ended { id } => self.ended(id, false, &mut at),
            Step::Removed { id, .. } => self.removed(id, &mut at),
            Step::Renamed { id, before } => self.renamed(id, before, &mut at),
            Step::NetworkDisconnected { id, network } => self.disconnected(id, network, &mut at),
            Step::NetworkConnected { id, network } => {
                // Put back at once: it was a change of its address, not a cut.
                if let Some(cut) = self.cut.shift_remove(&(cause.host.clone(), id.clone(), network.clone())) {
                    at.out.cancel(cut.due, TimerKey::new(&cause.host, id).tagged(CUT));
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&key.host) else { return };
        let mut at = Hands { world, host, now, evidence: &[], out };
        if key.tag == STOP {
            let due = self.stopped.get(&(key.host.clone(), key.id.clone())).is_some_and(|stop| stop.due <= now);
            if due && let Some(stop) = self.stopped.shift_remove(&(key.host.clone(), key.id.clone())) {
                self.say_stop(&key.id, &stop, false, &mut at);
            }
        } else {
            self.settle_cuts(&key.id, &mut at, |cut| cut.due <= now);
        }
    }
}

/// What every part needs.
struct Hands<'a, 'b> {
    world: &'a World,
    host: &'a Host,
    now: Time,
    evidence: &'a [Arc<Provenance>],
    out: &'a mut RowOut<'b>,
}

impl Hands<'_, '_> {
    fn key(&self, id: &Id) -> Key {
        (self.host.name.clone(), id.clone())
    }
}

impl State {
    /// Looks at a container again: it may be a sensor, or somebody in a sensor's place.
    fn seen(&mut self, id: &Id, at: &mut Hands<'_, '_>) {
        let Some(container) = at.host.container(id) else { return };
        let key = at.key(id);
        if let Some(role) = &container.role {
            let known = Known {
                name: container.name.clone(),
                image: container.image.clone(),
                image_id: container.image_id.clone(),
                role: Sensor::clone(role),
                mounts: mounts(container),
                asked: None,
                killed: false,
            };
            if let Some(old) = self.sensors.get_mut(&key) {
                *old = Known { asked: old.asked, killed: old.killed, ..known };
            } else {
                if self.sensors.len() >= SENSORS_MAX {
                    self.sensors.drain(..SENSORS_MAX / 16);
                    at.out.forgot("inventory.sensors", SENSORS_MAX as u64 / 16);
                }
                self.sensors.insert(key.clone(), known);
            }
        }
        self.impersonates(container, &key, at);
    }

    /// Whether a container takes the place of a sensor that is out of sight, with another body.
    fn impersonates(&mut self, container: &Container, key: &Key, at: &mut Hands<'_, '_>) {
        while let Some((_, (_, when))) = self.gone.first()
            && *when + GONE_KEEP < at.now
        {
            self.gone.shift_remove_index(0);
        }
        if self.gone.is_empty() || container.name.is_empty() || self.told.contains(key) {
            return;
        }
        let product = names::claims_monitoring(&container.name);
        let same_place =
            |known: &Known| known.name == container.name || product.is_some() && product == names::claims_monitoring(&known.name);
        let taken = self
            .gone
            .iter()
            .find(|((on, id), (known, _))| *on == key.0 && *id != key.1 && same_place(known) && !same_body(known, container, at.host));
        let Some((_, (known, _))) = taken else { return };
        let change = PropertyChange::plain("image", known.image.clone(), container.image.clone(), Direction::Changed);
        if self.told.len() >= WAITING_MAX {
            self.told.drain(..WAITING_MAX / 16);
        }
        self.told.insert(key.clone());
        // It is told as the sensor that it plays: that is what the rule looks at.
        let mut played = container.clone();
        if played.role.is_none() {
            played.role = Some(Box::new(known.role.clone()));
        }
        emit(&played, "impersonated", None, Some(&change), at.evidence.to_vec(), at);
    }

    /// A replacement may have come for somebody who waits for one.
    fn replaces(&mut self, id: &Id, at: &mut Hands<'_, '_>) {
        let Some(container) = at.host.container(id) else { return };
        if container.role.is_none() || self.stopped.is_empty() {
            return;
        }
        let found = self.stopped.iter().filter(|((on, other), _)| *on == at.host.name && other != id);
        let found: Vec<Key> = found
            .filter(|(key, stop)| self.sensors.get(*key).is_some_and(|known| stands_in(known, container, stop.at, at.host)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in found {
            if let Some(stop) = self.stopped.shift_remove(&key) {
                at.out.cancel(stop.due, TimerKey::new(&key.0, &key.1).tagged(STOP));
                self.say_stop(&key.1, &stop, true, at);
            }
        }
    }

    fn killed(&mut self, id: &Id, at: &mut Hands<'_, '_>) {
        let key = at.key(id);
        let signal = at.host.container(id).and_then(|container| container.signal);
        let Some(known) = self.sensors.get_mut(&key) else { return };
        match signal {
            // KILL, unless it ends a stop on request that took too long.
            Some(9) if known.asked.is_none_or(|asked| asked + GRACE < at.now) => {
                known.killed = true;
                let replaced = self.stand_in(id, at);
                self.say(id, "killed", Some(replaced), None, at);
            }
            // STOP and TSTP freeze its first process.
            Some(19 | 20) => self.say(id, "paused", None, None, at),
            Some(2 | 3 | 6 | 15) => known.asked = Some(at.now),
            _ => {}
        }
    }

    fn ended(&mut self, id: &Id, removed: bool, at: &mut Hands<'_, '_>) {
        let key = at.key(id);
        let now = at.now;
        self.settle_cuts(id, at, |cut| cut.at + APART <= now);
        self.cut.retain(|(on, container, _), _| *on != key.0 || container != id);
        let Some(known) = self.sensors.get(&key) else { return };
        let killed = known.killed;
        self.leave(id, at);
        if killed || self.stopped.contains_key(&key) {
            return;
        }
        let due = now + REPLACE;
        let stop = Stopped { at: now, due, removed, evidence: at.evidence.to_vec() };
        if self.stand_in(id, at) {
            return self.say_stop(id, &stop, true, at);
        }
        if self.stopped.len() >= WAITING_MAX
            && let Some((oldest, waited)) = self.stopped.shift_remove_index(0)
        {
            at.out.forgot("inventory.sensors_waiting", 1);
            if oldest.0 == at.host.name {
                self.say_stop(&oldest.1, &waited, false, at);
            }
        }
        at.out.timer(due, TimerKey::new(&key.0, id).tagged(STOP));
        self.stopped.insert(key, stop);
        self.say(id, "stopping", None, None, at);
    }

    fn removed(&mut self, id: &Id, at: &mut Hands<'_, '_>) {
        let key = at.key(id);
        if let Some(stop) = self.stopped.get_mut(&key) {
            stop.removed = true;
            stop.evidence.extend(at.evidence.first().cloned());
        } else if at
            .host
            .container(id)
            .is_some_and(|container| matches!(container.state_before, crate::container::State::Running | crate::container::State::Paused))
        {
            // Only a list shows that it is gone: its end was missed.
            self.ended(id, true, at);
        }
        if !self.stopped.contains_key(&key) {
            self.sensors.shift_remove(&key);
        }
    }

    fn renamed(&mut self, id: &Id, before: &SmolStr, at: &mut Hands<'_, '_>) {
        let Some(container) = at.host.container(id) else { return };
        // Compose renames what it is about to replace to its own short id before the name, and the new one back from that.
        let short: String = id.text().chars().take(12).collect();
        let passing =
            |long: &str, plain: &str| long.strip_suffix(plain).and_then(|head| head.strip_suffix('_')).is_some_and(|head| head == short);
        let redeploy = passing(&container.name, before) || passing(before, &container.name);
        if self.sensors.contains_key(&at.key(id)) && !redeploy {
            let change = PropertyChange::plain("name", before.clone(), container.name.clone(), Direction::Changed);
            self.say(id, "renamed", None, Some(&change), at);
            self.leave(id, at);
            if container.role.is_none() {
                self.sensors.shift_remove(&at.key(id));
            }
        }
        self.seen(id, at);
    }

    /// A running sensor whose limits were cut to a tenth or to the engine's minimum.
    fn throttled(&mut self, id: &Id, before: Option<&ContainerSpec>, at: &mut Hands<'_, '_>) {
        let Some(container) = at.host.container(id).filter(|container| container.runs()) else { return };
        if !self.sensors.contains_key(&at.key(id)) {
            return;
        }
        let (Some(before), Some(first), Some(now)) = (before, &container.first, container.shape()) else { return };
        for change in diff(&Limits::of(first), &Limits::of(before), &Limits::of(now)) {
            if change.to_minimum == Some(true) {
                self.say(id, "throttled", None, Some(&change), at);
            }
        }
    }

    fn disconnected(&mut self, id: &Id, network: &SmolStr, at: &mut Hands<'_, '_>) {
        let key = at.key(id);
        if !self.sensors.contains_key(&key) || !at.host.container(id).is_some_and(|container| container.runs()) {
            return;
        }
        if self.cut.len() >= WAITING_MAX {
            self.cut.shift_remove_index(0);
            at.out.forgot("inventory.sensors_waiting", 1);
        }
        let due = at.now + SETTLE;
        at.out.timer(due, TimerKey::new(&key.0, id).tagged(CUT));
        self.cut.insert((key.0, key.1, network.clone()), Cut { at: at.now, due, evidence: at.evidence.to_vec() });
    }

    /// Says the cuts of a container that were no beginning of an end.
    fn settle_cuts(&mut self, id: &Id, at: &mut Hands<'_, '_>, ripe: impl Fn(&Cut) -> bool) {
        let due = self.cut.iter().filter(|((on, container, _), cut)| *on == at.host.name && container == id && ripe(cut));
        for key in due.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            let Some(cut) = self.cut.shift_remove(&key) else { continue };
            at.out.cancel(cut.due, TimerKey::new(&key.0, id).tagged(CUT));
            let Some(container) = at.host.container(id) else { continue };
            let name = |network: &SmolStr| at.host.network(network).map_or_else(|| network.clone(), |known| known.spec.name.clone());
            let rest: Vec<SmolStr> = container.networks.iter().map(name).collect();
            let after = if rest.is_empty() { "none".to_owned() } else { rest.join(", ") };
            let change = PropertyChange::plain("network", name(&key.2), after, Direction::Changed);
            let container = self.as_known(container, &at.key(id));
            emit(&container, "disconnected", None, Some(&change), cut.evidence, at);
        }
    }

    /// It is out of sight: its place may be taken.
    fn leave(&mut self, id: &Id, at: &Hands<'_, '_>) {
        let key = at.key(id);
        if let Some(known) = self.sensors.get(&key) {
            if self.gone.len() >= GONE_MAX {
                self.gone.shift_remove_index(0);
            }
            self.gone.shift_remove(&key);
            self.gone.insert(key, (known.clone(), at.now));
        }
    }

    /// Whether another sensor stands in the place of this one already.
    fn stand_in(&self, id: &Id, at: &Hands<'_, '_>) -> bool {
        let Some(known) = self.sensors.get(&at.key(id)) else { return false };
        let others = self.sensors.keys().filter(|(on, other)| *on == at.host.name && other != id);
        others.filter_map(|(_, other)| at.host.container(other)).any(|other| stands_in(known, other, at.now, at.host))
    }

    fn say_stop(&mut self, id: &Id, stop: &Stopped, replaced: bool, at: &mut Hands<'_, '_>) {
        let key = at.key(id);
        if let Some(container) = at.host.container(id) {
            let how = if stop.removed { "removed" } else { "stopped" };
            let container = self.as_known(container, &key);
            emit(&container, how, Some(replaced), None, stop.evidence.clone(), at);
        }
        if stop.removed {
            self.sensors.shift_remove(&key);
        }
    }

    fn say(&self, id: &Id, how: &str, replaced: Option<bool>, change: Option<&PropertyChange>, at: &mut Hands<'_, '_>) {
        if let Some(container) = at.host.container(id) {
            let container = self.as_known(container, &at.key(id));
            emit(&container, how, replaced, change, at.evidence.to_vec(), at);
        }
    }

    /// The container with the role that it had: a rename may just have taken it away.
    fn as_known(&self, container: &Container, key: &Key) -> Container {
        let mut known = container.clone();
        if known.role.is_none() {
            known.role = self.sensors.get(key).map(|sensor| Box::new(sensor.role.clone()));
        }
        known
    }
}

fn mounts(container: &Container) -> Vec<SmolStr> {
    let sensitive = container.posture.iter().flat_map(|posture| &posture.mounts.sensitive);
    sensitive.map(|mount| SmolStr::from(format!("{} {}", mount.kind, mount.path))).collect()
}

/// Whether a container runs the same image as a sensor: the same id, or, after an upgrade, the same repository with a registry's digest for it.
fn same_body(known: &Known, container: &Container, host: &Host) -> bool {
    if !known.image_id.is_empty() && known.image_id == container.image_id {
        return true;
    }
    let (Some(old), Some(new)) = (ImageRef::parse(&known.image), ImageRef::parse(&container.image)) else { return false };
    if old.repository() != new.repository() {
        return false;
    }
    // The name is only a claim; where the engine says what registries gave, that decides.
    match host.image(&container.image_id).filter(|image| image.spec.digests_known) {
        Some(image) => {
            !image.spec.repo_digests.is_empty() || host.image(&known.image_id).is_some_and(|old| old.spec.repo_digests.is_empty())
        }
        None => true,
    }
}

/// Whether a container stands in the place of a sensor that stopped at `stop`: it runs the same, holds the same, proves as much, and is no older than that.
fn stands_in(known: &Known, container: &Container, stop: Time, host: &Host) -> bool {
    container.runs()
        && container.role.as_ref().is_some_and(|role| role.basis >= known.role.basis)
        && container.inspected()
        && mounts(container) == known.mounts
        && same_body(known, container, host)
        && container.created.is_none_or(|created| created + REPLACE >= stop)
}

fn emit(
    container: &Container,
    how: &str,
    replaced: Option<bool>,
    change: Option<&PropertyChange>,
    evidence: Vec<Arc<Provenance>>,
    at: &mut Hands<'_, '_>,
) {
    if !at.out.wants(d::MONITORING_STOPPED) {
        return;
    }
    let builder = about_container_at(d::MONITORING_STOPPED, "monitoring", at.now, evidence, at.world, at.host, container);
    let mut builder = builder.with(d::SENSOR_HOW, how).maybe(d::SENSOR_REPLACED, replaced);
    if let Some(change) = change {
        change.fields(&mut |field, value| builder.push(field, value));
    }
    at.out.emit(builder.build());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::{ContainerAction, Endpoint, Mount, NetworkAction};

    fn falco(image_id: &str) -> ContainerSpec {
        ContainerSpec {
            name: "falco".into(),
            image: "falcosecurity/falco:0.40".into(),
            image_id: image_id.into(),
            privileged: true,
            mounts: vec![Mount { kind: "bind".into(), source: "/proc".into(), target: "/host/proc".into(), ..Mount::default() }],
            networks: vec![Endpoint { network: "net".into(), network_id: id("net"), ..Endpoint::default() }],
            cpu_limit: Some(1.0),
            ..ContainerSpec::default()
        }
    }

    fn labelled() -> ContainerSpec {
        ContainerSpec {
            name: "watch".into(),
            image: "alpine:3.20".into(),
            labels: vec![("landwaiter.sensor".into(), "true".into())],
            ..ContainerSpec::default()
        }
    }

    fn act(play: &mut Play, word: &str, name: &str, actions: &[ContainerAction]) {
        for action in actions {
            play.container(word, name, "falcosecurity/falco:0.40", action.clone());
        }
    }

    fn kill(signal: i64) -> ContainerAction {
        ContainerAction::Kill { signal: Some(signal) }
    }

    fn die() -> ContainerAction {
        ContainerAction::Die { exit_code: Some(0) }
    }

    fn draw(play: &Play) -> String {
        play.draw(d::MONITORING_STOPPED, &["container.name", "container.role.basis", "sensor.how", "sensor.replaced", "change.after"])
    }

    #[test]
    fn a_freeze_and_a_kill_are_told_at_once_and_a_claim_stays_a_claim() {
        let mut play = Play::new();
        play.run("c1", falco("sha256:aa")).run("c2", labelled());
        act(
            &mut play,
            "c1",
            "falco",
            &[ContainerAction::Pause, ContainerAction::Unpause, kill(1), kill(9), die(), ContainerAction::Destroy],
        );
        act(&mut play, "c2", "watch", &[ContainerAction::Pause]);
        assert_eq!(draw(&play), "falco | proven | paused | - | -\nfalco | proven | killed | false | -\nwatch | claimed | paused | - | -");
        play.wait(300.0);
        assert_eq!(draw(&play).lines().count(), 3);
    }

    #[test]
    fn a_stop_is_told_at_once_and_again_when_nothing_takes_its_place() {
        let mut play = Play::new();
        play.run("c1", falco("sha256:aa"));
        act(&mut play, "c1", "falco", &[kill(15), kill(9), die(), ContainerAction::Stop]);
        play.wait(119.0);
        assert_eq!(draw(&play), "falco | proven | stopping | - | -");
        play.wait(2.0);
        assert_eq!(draw(&play), "falco | proven | stopping | - | -\nfalco | proven | stopped | false | -");
    }

    #[test]
    fn an_upgrade_is_told_as_one() {
        let mut play = Play::new();
        play.run("c1", falco("sha256:aa"));
        act(&mut play, "c1", "falco", &[kill(15), die(), ContainerAction::Stop, ContainerAction::Destroy]);
        play.wait(20.0).run("c2", falco("sha256:aa")).wait(200.0);
        assert_eq!(draw(&play), "falco | proven | stopping | - | -\nfalco | proven | removed | true | -");
    }

    #[test]
    fn a_restart_is_no_more_than_a_stop_that_began() {
        let mut play = Play::new();
        play.run("c1", falco("sha256:aa"));
        act(&mut play, "c1", "falco", &[kill(15), die(), ContainerAction::Stop, ContainerAction::Start, ContainerAction::Restart]);
        play.wait(300.0);
        assert_eq!(draw(&play), "falco | proven | stopping | - | -");
    }

    #[test]
    fn an_impostor_is_no_replacement() {
        let mut play = Play::new();
        play.run("c1", falco("sha256:aa"));
        act(&mut play, "c1", "falco", &[kill(15), die(), ContainerAction::Destroy]);
        play.wait(5.0).run(
            "c2",
            ContainerSpec { name: "falco".into(), image: "evil:1".into(), image_id: "sha256:bb".into(), ..ContainerSpec::default() },
        );
        play.wait(200.0);
        assert_eq!(draw(&play), "falco | proven | stopping | - | -\nfalco | claimed | impersonated | - | evil:1\nfalco | proven | removed | false | -");
    }

    #[test]
    fn starving_is_told_with_what_was_cut() {
        let mut play = Play::new();
        play.run("c1", falco("sha256:aa"));
        let spec = |cpu| ContainerSpec { id: id("c1"), status: "running".into(), cpu_limit: Some(cpu), ..falco("sha256:aa") };
        act(&mut play, "c1", "falco", &[ContainerAction::Update]);
        play.inspect(spec(0.5));
        assert_eq!(draw(&play), "");
        act(&mut play, "c1", "falco", &[ContainerAction::Update]);
        play.inspect(spec(0.01));
        assert_eq!(draw(&play), "falco | proven | throttled | - | 0.01");
    }

    #[test]
    fn a_cut_from_the_network_is_told_and_the_end_of_a_container_is_not_one() {
        let mut play = Play::new();
        let leave = |word: &str| NetworkAction::Disconnect { container: id(word) };
        play.inspect_network("net", false).run("c1", falco("sha256:aa"));
        play.network("net", leave("c1")).wait(1.1);
        assert_eq!(draw(&play), "falco | proven | disconnected | - | none");
        play.run("c2", ContainerSpec { name: "tetragon".into(), image: "quay.io/cilium/tetragon:1".into(), ..falco("sha256:cc") });
        act(&mut play, "c2", "tetragon", &[kill(15)]);
        play.network("net", leave("c2"));
        act(&mut play, "c2", "tetragon", &[die()]);
        play.wait(5.0);
        assert_eq!(draw(&play), "falco | proven | disconnected | - | none\ntetragon | proven | stopping | - | -");
    }

    #[test]
    fn a_rename_is_told_unless_it_is_part_of_a_redeployment() {
        let mut play = Play::new();
        let plain = ContainerSpec { name: "falco".into(), image: "alpine:3.20".into(), ..ContainerSpec::default() };
        play.run("c1", plain);
        let rename = |old: &str| ContainerAction::Rename { old_name: Some(old.into()) };
        let passing = format!("{}_falco", &id("c1")[..12]);
        play.container("c1", &passing, "alpine:3.20", rename("falco")).container("c1", "falco", "alpine:3.20", rename(&passing));
        assert_eq!(draw(&play), "");
        play.container("c1", "x", "alpine:3.20", rename("falco"));
        assert_eq!(draw(&play), "x | claimed | renamed | - | x");
    }
}
