//! Networks, volumes, the engine itself, and what collectors say of their sight.

use super::Hands;
use super::containers::known;
use crate::host::{Host, Network};
use crate::id::Id;
use crate::step::Step;
use event::fact::{EngineSpec, NetworkAction, NetworkEvent, NetworkSpec, SensorNote, Sight, VolumeEvent, VolumeSpec};
use event::{Event, SmolStr};

/// Applies a network's event.
pub(super) fn network_happened(host: &mut Host, event: &Event, said: &NetworkEvent, hands: &mut Hands<'_>) {
    if said.action == NetworkAction::Destroy {
        let before = host.networks.shift_remove(&said.id).map(|network| Box::new(network.spec));
        hands.say(Step::NetworkRemoved { id: said.id.clone(), before });
        return;
    }
    if !host.networks.contains_key(&said.id) {
        host.bound_networks(hands.pressure);
        let spec = NetworkSpec { id: said.id.clone(), name: said.name.clone(), driver: said.driver.clone(), ..NetworkSpec::default() };
        host.networks.insert(said.id.clone(), Network { spec, inspected: false, seen: event.time });
    }
    match &said.action {
        NetworkAction::Create => hands.say(Step::NetworkCreated { id: said.id.clone() }),
        NetworkAction::Connect { container } => {
            let id = Id::new(container);
            let network = hands.share.text(&said.id);
            known(host, &id, hands);
            if let Some(container) = host.containers.get_mut(&id) {
                container.networks.retain(|known| *known != said.name);
                if let Err(place) = container.networks.binary_search(&network) {
                    container.networks.insert(place, network.clone());
                }
            }
            hands.say(Step::NetworkConnected { id, network });
        }
        NetworkAction::Disconnect { container } => {
            let id = Id::new(container);
            known(host, &id, hands);
            if let Some(container) = host.containers.get_mut(&id) {
                container.networks.retain(|network| *network != said.id);
            }
            hands.say(Step::NetworkDisconnected { id, network: said.id.clone() });
        }
        NetworkAction::Destroy | NetworkAction::Other(_) => {}
    }
}

/// Takes a network's description.
pub(super) fn network_inspected(host: &mut Host, event: &Event, spec: &NetworkSpec, hands: &mut Hands<'_>) {
    let known = host.networks.get(&spec.id);
    let before = known.filter(|network| network.inspected).map(|network| Box::new(network.spec.clone()));
    let seen = known.map_or(event.time, |network| network.seen);
    if known.is_none() {
        host.bound_networks(hands.pressure);
    }
    host.networks.insert(spec.id.clone(), Network { spec: spec.clone(), inspected: true, seen });
    hands.say(Step::NetworkInspected { id: spec.id.clone(), before });
}

/// Applies a volume's event.
pub(super) fn volume_happened(host: &mut Host, said: &VolumeEvent, hands: &mut Hands<'_>) {
    if said.action == "destroy" {
        host.volumes.shift_remove(&said.name);
    }
    hands.say(Step::Volume { name: said.name.clone() });
}

/// Takes a volume's description.
pub(super) fn volume_inspected(host: &mut Host, spec: &VolumeSpec, hands: &mut Hands<'_>) {
    if !host.volumes.contains_key(&spec.name) {
        host.bound_volumes(hands.pressure);
    }
    host.volumes.insert(spec.name.clone(), spec.clone());
    hands.say(Step::VolumeInspected { name: spec.name.clone() });
}

/// Takes the engine's settings. `/info` and `/version` each say a part.
pub(super) fn engine_seen(host: &mut Host, spec: &EngineSpec, hands: &mut Hands<'_>) {
    let before = host.engine.take();
    let old = before.clone().unwrap_or_default();
    let text = |new: &SmolStr, old: SmolStr| if new.is_empty() { old } else { new.clone() };
    let now = EngineSpec {
        id: text(&spec.id, old.id),
        host_name: text(&spec.host_name, old.host_name),
        product: text(&spec.product, old.product),
        version: spec.version.clone().or(old.version),
        api_version: spec.api_version.clone().or(old.api_version),
        cgroup_version: spec.cgroup_version.clone().or(old.cgroup_version),
        log_driver: spec.log_driver.clone().or(old.log_driver),
        security_options: spec.security_options.clone().or(old.security_options),
        default_runtime: spec.default_runtime.clone().or(old.default_runtime),
        cpus: spec.cpus.or(old.cpus),
        memory: spec.memory.or(old.memory),
        root_dir: spec.root_dir.clone().or(old.root_dir),
        authorization_plugins: spec.authorization_plugins.clone().or(old.authorization_plugins),
    };
    let changed = before.as_ref() != Some(&now);
    host.engine = Some(now);
    if changed {
        host.judge_postures(hands.share, hands.context);
    }
    hands.say(Step::EngineSeen { before: before.map(Box::new) });
}

/// Takes a collector's note.
pub(super) fn noted(host: &mut Host, event: &Event, note: &SensorNote, hands: &mut Hands<'_>) {
    let heard = &mut host.heard;
    match &note.note {
        Sight::Started => {
            heard.started(&note.of, event.at);
            host.watching_since.get_or_insert(event.time);
        }
        Sight::Lost { .. } => heard.lost(&note.of, event.at),
        Sight::Resumed { from, complete, .. } => heard.resumed(&note.of, *from, event.at, *complete),
        Sight::Dropped { .. } => heard.dropped(&note.of, event.at),
        Sight::Stopped => heard.stopped(&note.of, event.at),
        Sight::Missed { object, id, .. } if object == "container" => {
            hands.say(Step::InspectMissed { id: Id::new(id) });
        }
        _ => {}
    }
    hands.say(Step::Note);
}
