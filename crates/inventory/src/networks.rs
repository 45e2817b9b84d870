//! `network.created`, `network.removed`, `container.network_joined`, `container.network_left`: networks, and what a connection opens.
//!
//! Whether a network is cut off from the outside only its inspect tells, so both a creation and a connection wait for it, two seconds at most.

use crate::container::Container;
use crate::fields::{about_container, about_container_at};
use crate::host::{Host, Network};
use crate::id::Id;
use crate::permissive;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::NetworkSpec;
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long an inspect is waited for.
const WAIT: Span = Span::seconds(2);
/// Networks and connections waited for at once; beyond it one of them is said as it is known.
const PENDING_MAX: usize = 16_384;

/// Disconnections remembered, to tell the second report of one from another.
const LEFT_MAX: usize = 4096;

const CREATED: u8 = 1;
const JOINED: u8 = 2;

/// What waits for the inspect of a network.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    created: BTreeMap<(SmolStr, SmolStr), Pending>,
    /// By host and the pair of container and network.
    joined: BTreeMap<(SmolStr, Id, SmolStr), Pending>,
    /// Disconnections of running containers: the engine reports each twice, and what a container left counts when it joins another network.
    left: BTreeMap<(SmolStr, Id, SmolStr), Time>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    due: Time,
    /// For a connection: the container ran already.
    after_start: bool,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        match step {
            Step::NetworkCreated { id } => self.await_created(id, world, cause, out),
            Step::NetworkInspected { id, .. } => {
                let key = (cause.host.clone(), id.clone());
                if let Some(pending) = self.created.remove(&key) {
                    out.cancel(pending.due, TimerKey::new(&key.0, &Id::new(id)).tagged(CREATED));
                    say_created(host, id, cause.at, merged(cause, &pending), out);
                }
                let due: Vec<_> = self.joined.keys().filter(|(on, _, _)| *on == cause.host).cloned().collect();
                for key in due {
                    if host.container(&key.1).is_some_and(|container| all_known(host, container, &key.2)) {
                        self.say_joined(&key, cause.at, world, out);
                    }
                }
            }
            Step::NetworkRemoved { id, before } => {
                let key = (cause.host.clone(), id.clone());
                if let Some(pending) = self.created.remove(&key) {
                    out.cancel(pending.due, TimerKey::new(&key.0, &Id::new(id)).tagged(CREATED));
                    if let Some(spec) = before {
                        emit_created(host, spec, false, cause.at, pending.evidence, out);
                    }
                }
                removed(before.as_deref(), id, cause, out);
            }
            Step::NetworkConnected { id, network } => self.connected(id, network, world, host, cause, out),
            Step::NetworkDisconnected { id, network } => self.disconnected(id, network, world, host, cause, out),
            Step::Removed { id, .. } => {
                let gone: Vec<_> = self.joined.keys().filter(|(on, container, _)| *on == cause.host && container == id).cloned().collect();
                for key in gone {
                    self.say_joined(&key, cause.at, world, out);
                }
                let left: Vec<_> = self.left_by(host, id).cloned().collect();
                for key in left {
                    self.left.remove(&key);
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&key.host) else { return };
        if key.tag == CREATED {
            let network = key.id.text();
            if let Some(pending) = self.created.remove(&(key.host.clone(), network.clone())) {
                say_created(host, &network, now, pending.evidence, out);
            }
        } else {
            let due: Vec<_> = self
                .joined
                .iter()
                .filter(|((on, id, _), pending)| *on == key.host && *id == key.id && pending.due <= now)
                .map(|(key, _)| key.clone())
                .collect();
            for key in due {
                self.say_joined(&key, now, world, out);
            }
        }
    }
}

impl State {
    fn await_created(&mut self, id: &SmolStr, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let key = (cause.host.clone(), id.clone());
        if self.created.len() >= PENDING_MAX
            && let Some((oldest, pending)) = self.created.pop_first()
            && let Some(host) = world.host(&oldest.0)
        {
            out.forgot("inventory.networks_waiting", 1);
            say_created(host, &oldest.1, cause.at, pending.evidence, out);
        }
        let due = cause.at + WAIT;
        out.timer(due, TimerKey::new(&key.0, &Id::new(id)).tagged(CREATED));
        self.created.insert(key, Pending { due, after_start: false, evidence: cause.evidence.clone() });
    }

    fn connected(&mut self, id: &Id, network: &SmolStr, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let Some(container) = host.container(id) else { return };
        let key = (cause.host.clone(), id.clone(), network.clone());
        self.left.remove(&key);
        if !out.wants(d::CONTAINER_NETWORK_JOINED) {
            return;
        }
        let after_start = container.runs();
        // Before its start nothing is opened by a connection: there is nothing to wait for.
        if !after_start || all_known(host, container, network) {
            let builder = about_container(d::CONTAINER_NETWORK_JOINED, "networks", cause, world, host, container);
            out.emit(join_fields(builder, host, container, network, after_start, self.left_internal(host, id)).build());
            return;
        }
        if self.joined.len() >= PENDING_MAX
            && let Some(oldest) = self.joined.keys().next().cloned()
        {
            out.forgot("inventory.networks_waiting", 1);
            self.say_joined(&oldest, cause.at, world, out);
        }
        let due = cause.at + WAIT;
        out.timer(due, TimerKey::new(&key.0, id).tagged(JOINED));
        self.joined.insert(key, Pending { due, after_start, evidence: cause.evidence.clone() });
    }

    fn disconnected(&mut self, id: &Id, network: &SmolStr, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let Some(container) = host.container(id) else { return };
        // When a container ends, the engine takes it off its networks; that is not news.
        if !container.runs() {
            return;
        }
        let key = (cause.host.clone(), id.clone(), network.clone());
        if self.left.get(&key).is_some_and(|at| *at + WAIT >= cause.at) {
            return;
        }
        if self.left.len() >= LEFT_MAX {
            self.left.clear();
        }
        self.left.insert(key, cause.at);
        if !out.wants(d::CONTAINER_NETWORK_LEFT) {
            return;
        }
        let builder = about_container(d::CONTAINER_NETWORK_LEFT, "networks", cause, world, host, container);
        let builder = match host.network(network) {
            Some(known) => network_fields(builder, &known.spec, known.inspected),
            None => builder.with(d::NET_ID, network),
        };
        out.emit(builder.with(d::NET_AFTER_START, true).build());
    }

    fn say_joined(&mut self, key: &(SmolStr, Id, SmolStr), now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(pending) = self.joined.remove(key) else { return };
        let Some(host) = world.host(&key.0) else { return };
        let Some(container) = host.container(&key.1) else { return };
        let builder = about_container_at(d::CONTAINER_NETWORK_JOINED, "networks", now, pending.evidence, world, host, container);
        out.emit(join_fields(builder, host, container, &key.2, pending.after_start, self.left_internal(host, &key.1)).build());
    }

    /// Networks that a container left while it ran, of those remembered.
    fn left_by(&self, host: &Host, id: &Id) -> impl Iterator<Item = &(SmolStr, Id, SmolStr)> {
        let (on, id) = (host.name.clone(), id.clone());
        let from = (on.clone(), id.clone(), SmolStr::default());
        self.left.range(from..).map(|(key, _)| key).take_while(move |(host, container, _)| *host == on && *container == id)
    }

    /// Whether it left an internal network while it ran: going out one step after the other is going out.
    fn left_internal(&self, host: &Host, id: &Id) -> bool {
        self.left_by(host, id).any(|(_, _, network)| host.network(network).is_some_and(|known| known.inspected && known.spec.internal))
    }
}

fn merged(cause: &Event, pending: &Pending) -> Vec<Arc<Provenance>> {
    cause.evidence.iter().chain(&pending.evidence).cloned().collect()
}

fn say_created(host: &Host, id: &str, now: Time, evidence: Vec<Arc<Provenance>>, out: &mut RowOut<'_>) {
    if let Some(network) = host.network(id) {
        emit_created(host, &network.spec, network.inspected, now, evidence, out);
    }
}

fn emit_created(host: &Host, spec: &NetworkSpec, inspected: bool, now: Time, evidence: Vec<Arc<Provenance>>, out: &mut RowOut<'_>) {
    if out.wants(d::NETWORK_CREATED) {
        let builder = DerivedBuilder::at(d::NETWORK_CREATED, "networks", now, host.name.clone(), evidence).about(&spec.id);
        out.emit(network_fields(builder, spec, inspected).with(d::ACTOR, "unknown").build());
    }
}

fn removed(before: Option<&NetworkSpec>, id: &SmolStr, cause: &Event, out: &mut RowOut<'_>) {
    if !out.wants(d::NETWORK_REMOVED) {
        return;
    }
    let builder = DerivedBuilder::caused_by(d::NETWORK_REMOVED, "networks", cause).about(id);
    let builder = match (before, cause.fact()) {
        (Some(spec), _) => network_fields(builder, spec, false),
        (None, Some(event::fact::Fact::Network(said))) => {
            builder.with(d::NET_NAME, &said.name).with(d::NET_ID, id).with(d::NET_DRIVER, &said.driver)
        }
        _ => builder.with(d::NET_ID, id),
    };
    out.emit(builder.with(d::ACTOR, "unknown").build());
}

fn network_fields(builder: DerivedBuilder, spec: &NetworkSpec, inspected: bool) -> DerivedBuilder {
    let builder = builder.with(d::NET_NAME, &spec.name).with(d::NET_ID, &spec.id).with(d::NET_DRIVER, &spec.driver);
    // The driver is told by the event too, so a macvlan is known without an inspect.
    let builder = builder.with(d::NET_PERMISSIVE, permissive::network(spec));
    if inspected { builder.with(d::NET_INTERNAL, spec.internal) } else { builder }
}

fn join_fields(
    builder: DerivedBuilder,
    host: &Host,
    container: &Container,
    network: &str,
    after_start: bool,
    left_internal: bool,
) -> DerivedBuilder {
    let builder = match host.network(network) {
        Some(known) => network_fields(builder, &known.spec, known.inspected),
        None => builder.with(d::NET_ID, network),
    };
    let opened = if after_start { opened(host, container, network, left_internal) } else { Some("none") };
    builder.maybe(d::NET_OPENED, opened).with(d::NET_AFTER_START, after_start)
}

/// Whether the joined network and all others of the container were inspected.
fn all_known(host: &Host, container: &Container, network: &str) -> bool {
    let inspected = |id: &str| host.network(id).is_some_and(|network| network.inspected);
    inspected(network) && container.networks.iter().all(|id| inspected(id))
}

/// What the connection of a running container opened; `None` when too little is known to say.
fn opened(host: &Host, container: &Container, joined: &str, left_internal: bool) -> Option<&'static str> {
    let real = |network: &&Network| !matches!(network.spec.driver.as_str(), "host" | "null");
    let others: Vec<&SmolStr> = container.networks.iter().filter(|id| *id != joined).collect();
    let joined_internal = host.network(joined).filter(|network| network.inspected).map(|network| network.spec.internal);
    if others.is_empty() {
        return match joined_internal {
            Some(false) if left_internal => Some("internal_to_outside"),
            None if left_internal => None,
            _ => Some("none"),
        };
    }
    let known: Vec<&Network> = others.iter().filter_map(|id| host.network(id)).filter(real).collect();
    match joined_internal {
        Some(false) if known.iter().any(|other| other.inspected && other.spec.internal) => return Some("internal_to_outside"),
        Some(true) if known.iter().any(|other| other.inspected && !other.spec.internal) => return Some("outside_to_internal"),
        _ => {}
    }
    if joined_internal.is_none() || known.iter().any(|other| !other.inspected) {
        return None;
    }
    let bridges = known.iter().any(|other| {
        let on_both = |c: &Container| {
            c.id != container.id && c.exists() && [&other.spec.id, joined].iter().all(|id| c.networks.iter().any(|n| n == id))
        };
        !host.containers.values().any(|c| on_both(c))
    });
    Some(if bridges { "bridged" } else { "none" })
}

#[cfg(test)]
mod tests {
    use crate::play::{Play, id};
    use event::dictionary as d;
    use event::fact::{ContainerAction, ContainerSpec, Endpoint, Fact, NetworkAction, NetworkSpec};

    fn on(network: &str) -> ContainerSpec {
        let place = Endpoint { network: network.into(), network_id: id(network), ..Endpoint::default() };
        ContainerSpec { name: "web".into(), image: "web:1".into(), networks: vec![place], ..ContainerSpec::default() }
    }

    fn connect(container: &str) -> NetworkAction {
        NetworkAction::Connect { container: id(container) }
    }

    fn joined(play: &Play) -> String {
        play.draw(
            d::CONTAINER_NETWORK_JOINED,
            &["container.name", "network.name", "network.internal", "network.opened", "network.after_start"],
        )
    }

    #[test]
    fn leaving_an_internal_network_for_the_outside_is_told_apart() {
        let mut play = Play::new();
        play.inspect_network("back", true).inspect_network("front", false).run("c1", on("back"));
        play.network("front", connect("c1"));
        assert_eq!(joined(&play), "web | front | false | internal_to_outside | true");
    }

    #[test]
    fn leaving_first_and_joining_then_is_leaving_all_the_same() {
        let mut play = Play::new();
        play.inspect_network("back", true).inspect_network("front", false).run("c1", on("back"));
        let leave = || NetworkAction::Disconnect { container: id("c1") };
        play.network("back", leave()).network("front", connect("c1"));
        assert_eq!(joined(&play), "web | front | false | internal_to_outside | true");
        // Coming back to where it was opens nothing.
        let mut play = Play::new();
        play.inspect_network("front", false).run("c1", on("front"));
        play.network("front", leave()).network("front", connect("c1"));
        assert_eq!(joined(&play), "web | front | false | none | true");
    }

    #[test]
    fn the_reverse_and_bridges_have_their_own_words() {
        let mut play = Play::new();
        play.inspect_network("back", true).inspect_network("front", false).inspect_network("shop", false);
        play.run("c1", on("front")).network("back", connect("c1"));
        play.run("c2", ContainerSpec { name: "api".into(), ..on("front") }).network("shop", connect("c2"));
        play.run("c3", ContainerSpec { name: "job".into(), ..on("front") }).network("shop", connect("c3"));
        assert_eq!(
            joined(&play),
            "web | back | true | outside_to_internal | true\napi | shop | false | bridged | true\njob | shop | false | none | true"
        );
    }

    #[test]
    fn before_its_start_a_container_opens_nothing() {
        let mut play = Play::new();
        play.inspect_network("back", true).inspect_network("front", false);
        play.container("c1", "web", "web:1", ContainerAction::Create).network("back", connect("c1")).network("front", connect("c1"));
        assert_eq!(joined(&play), "web | back | true | none | false\nweb | front | false | none | false");
    }

    #[test]
    fn a_connection_waits_for_the_networks_inspect_and_no_longer_than_two_seconds() {
        let mut play = Play::new();
        play.inspect_network("back", true).run("c1", on("back"));
        play.network("new", NetworkAction::Create).network("new", connect("c1"));
        assert_eq!(joined(&play), "");
        play.inspect_network("new", false);
        assert_eq!(joined(&play), "web | new | false | internal_to_outside | true");
        play.network("late", NetworkAction::Create).network("late", connect("c1")).wait(2.1);
        assert!(joined(&play).ends_with("web | late | - | - | true"), "{}", joined(&play));
    }

    #[test]
    fn networks_are_said_once_when_they_are_made() {
        let mut play = Play::new();
        play.network("a", NetworkAction::Create);
        let options = vec![("com.docker.network.bridge.gateway_mode_ipv4".into(), "routed".into())];
        let spec = NetworkSpec { id: id("a"), name: "a".into(), driver: "bridge".into(), options, ..NetworkSpec::default() };
        play.tell(d::DOCKER_NETWORK, Some(Fact::NetworkSpec(Box::new(spec)))).inspect_network("a", false);
        play.network("b", NetworkAction::Create).wait(3.0);
        play.network("c", NetworkAction::Create).network("c", NetworkAction::Destroy).wait(3.0);
        let fields = ["network.name", "network.internal", "network.permissive"];
        assert_eq!(play.draw(d::NETWORK_CREATED, &fields), "a | false | gateway_mode_routed\nb | - | -\nc | - | -");
        assert_eq!(play.draw(d::NETWORK_REMOVED, &["network.name"]), "c");
    }

    #[test]
    fn leaving_is_news_only_while_the_container_runs() {
        let mut play = Play::new();
        play.inspect_network("back", true).run("c1", on("back"));
        let leave = || NetworkAction::Disconnect { container: id("c1") };
        play.network("back", leave()).network("back", leave()).network("back", connect("c1"));
        play.container("c1", "web", "web:1", ContainerAction::Die { exit_code: Some(0) }).network("back", leave());
        assert_eq!(play.draw(d::CONTAINER_NETWORK_LEFT, &["container.name", "network.name", "network.internal"]), "web | back | true");
    }
}
