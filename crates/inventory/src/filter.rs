//! `filter.changed`: changes of the host's packet filter, told apart by whether the container engine made them.
//!
//! An engine rewrites the filter whenever a container or a network comes or goes. A change waits three seconds for such a moment; the name of a process alone
//! proves nothing, since anybody may choose one.

use crate::Id;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::Fact;
use event::flow::FilterChange;
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An engine's change and what it makes it for lie this close together.
const MOMENT: Span = Span::seconds(3);
/// Changes that wait at once; beyond it they are told as they are known.
const WAITING_MAX: usize = if cfg!(test) { 256 } else { 16_384 };
/// Hosts of which the last coming or going is remembered.
const HOSTS_MAX: usize = 4096;

/// Chains and tables that keep container networks apart, or lead them through the filter.
const ISOLATION: [&str; 15] = [
    "DOCKER-ISOLATION",
    "DOCKER-USER",
    "DOCKER-FORWARD",
    "DOCKER-INTERNAL",
    "DOCKER-CT",
    "DOCKER-BRIDGE",
    "DOCKER-INGRESS",
    "KUBE-",
    "CNI-",
    "cali-",
    "CILIUM",
    "NETAVARK",
    "docker-bridges",
    "netavark",
    "kube-",
];

/// Programs by which engines and network plugins change the filter. A name outside of these is none of theirs.
const ENGINES: [&str; 17] = [
    "dockerd",
    "docker-proxy",
    "containerd",
    "podman",
    "netavark",
    "kube-proxy",
    "kubelet",
    "cni",
    "flanneld",
    "calico-node",
    "cilium-agent",
    "iptables",
    "ip6tables",
    "iptables-restor",
    "iptables-restore",
    "xtables-nft-mul",
    "nft",
];

/// Of those, the ones that rewrite chains of their own at any time: services come and go without any container of this host.
const KEEPERS: [(&str, &str); 6] = [
    ("kube-proxy", "KUBE-"),
    ("kubelet", "KUBE-"),
    ("cni", "CNI-"),
    ("calico-node", "cali-"),
    ("cilium-agent", "CILIUM"),
    ("flanneld", "FLANNEL"),
];

/// Changes that wait, and when something last came or went on each host.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    waiting: BTreeMap<u64, Change>,
    moved: BTreeMap<SmolStr, Time>,
    next: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Change {
    host: SmolStr,
    at: Time,
    said: FilterChange,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        match (step, cause.fact()) {
            (Step::Wire, Some(Fact::Filter(said))) if out.wants(d::FILTER_CHANGED) => self.changed(said, world, cause, out),
            (
                Step::Created { .. }
                | Step::Started { .. }
                | Step::Ended { .. }
                | Step::Removed { .. }
                | Step::NetworkCreated { .. }
                | Step::NetworkRemoved { .. }
                | Step::NetworkConnected { .. }
                | Step::NetworkDisconnected { .. }
                | Step::EngineEvent,
                Some(fact),
            ) if !matches!(fact, Fact::List(_)) => self.came_or_went(world, cause, out),
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let number = u64::from_str_radix(&key.id.text(), 16).ok();
        if let Some(change) = number.and_then(|number| self.waiting.remove(&number)) {
            tell(&change, false, now, world, out);
        }
    }
}

impl State {
    fn changed(&mut self, said: &FilterChange, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let change = Change { host: cause.host.clone(), at: cause.at, said: said.clone(), evidence: cause.evidence.clone() };
        if self.moved.get(&cause.host).is_some_and(|moved| cause.at - *moved <= MOMENT) {
            return tell(&change, true, cause.at, world, out);
        }
        if self.waiting.len() >= WAITING_MAX
            && let Some((_, oldest)) = self.waiting.pop_first()
        {
            out.forgot("inventory.filter", 1);
            tell(&oldest, false, cause.at, world, out);
        }
        let number = self.next;
        self.next += 1;
        out.timer(cause.at + MOMENT, TimerKey::new(&cause.host, &Id::Text(format_smolstr!("{number:016x}"))));
        self.waiting.insert(number, change);
    }

    /// Something came or went: what waited for it was done for it.
    fn came_or_went(&mut self, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if !self.moved.contains_key(&cause.host) && self.moved.len() >= HOSTS_MAX {
            self.moved.pop_first();
            out.forgot("inventory.filter", 1);
        }
        self.moved.insert(cause.host.clone(), cause.at);
        let due: Vec<u64> = self.waiting.iter().filter(|(_, change)| change.host == cause.host).map(|(number, _)| *number).collect();
        for number in due {
            if let Some(change) = self.waiting.remove(&number) {
                out.cancel(change.at + MOMENT, TimerKey::new(&change.host, &Id::Text(format_smolstr!("{number:016x}"))));
                tell(&change, true, cause.at, world, out);
            }
        }
    }
}

fn tell(change: &Change, moment: bool, now: Time, world: &World, out: &mut RowOut<'_>) {
    let said = &change.said;
    let mut builder = DerivedBuilder::at(d::FILTER_CHANGED, "filter", now, change.host.clone(), change.evidence.clone())
        .about(&change.host)
        .read_by(world.reading.as_deref());
    let texts = [
        (d::FILTER_TOOL, &said.tool),
        (d::FILTER_ACTION, &said.action),
        (d::FILTER_OBJECT, &said.object),
        (d::FILTER_CHAIN, &said.chain),
        (d::FILTER_RULE, &said.rule),
        (d::PROC_EXECUTABLE, &said.process),
    ];
    for (field, text) in texts {
        if !text.is_empty() {
            builder.push(field, text);
        }
    }
    let table = [said.family.as_str(), said.table.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if !table.is_empty() {
        builder.push(d::FILTER_TABLE, table);
    }
    builder.push(d::FILTER_BY_ENGINE, by_engine(said, moment));
    if let Some(isolation) = isolation(said) {
        builder.push(d::FILTER_ISOLATION, isolation);
    }
    if said.pid > 0 {
        builder.push(d::PROC_PID, said.pid);
    }
    builder.push(d::ACTOR, said.login_uid.map_or_else(|| SmolStr::new_static("unknown"), |uid| format_smolstr!("uid:{uid}")));
    out.emit(builder.build());
}

/// The last part of a program's path.
fn program(process: &str) -> &str {
    process.rsplit('/').next().unwrap_or_default()
}

fn by_engine(said: &FilterChange, moment: bool) -> bool {
    let name = program(&said.process);
    let theirs = name.is_empty() || ENGINES.contains(&name);
    // In the chain that it leaves to the operator the engine writes nothing but the return at its end.
    let operators = said.chain == "DOCKER-USER" && !(said.action == "add" && matches!(last_word(&said.rule), "return" | "RETURN"));
    let keeper = KEEPERS.iter().any(|(keeper, chain)| name == *keeper && said.chain.starts_with(chain));
    moment && theirs && !operators || keeper
}

fn last_word(rule: &str) -> &str {
    rule.split_whitespace().next_back().unwrap_or_default()
}

/// Whether it takes away, or passes around, what keeps container networks apart; `None` where the record does not say what it touches.
fn isolation(said: &FilterChange) -> Option<bool> {
    if said.chain.is_empty() && said.rule.is_empty() && said.object != "table" {
        return None;
    }
    let named = |text: &str| ISOLATION.iter().any(|name| text.starts_with(name));
    let guard = named(&said.chain) || named(&said.table);
    let takes = matches!(said.action.as_str(), "delete" | "flush" | "replace" | "unregister");
    let forwards = guard || said.chain.eq_ignore_ascii_case("forward");
    let accepts = said.rule.split([' ', '"', ':', ',']).any(|word| matches!(word, "accept" | "ACCEPT"));
    let jump_lost = takes && said.rule.split_whitespace().any(named);
    // A rule that lets pass before the guard is asked.
    let around = said.action == "add" && forwards && accepts;
    Some(guard && takes || jump_lost || around)
}

#[cfg(test)]
mod tests {
    use crate::play::Play;
    use event::dictionary as d;
    use event::fact::{ContainerAction, Fact};
    use event::flow::FilterChange;

    fn change(play: &mut Play, action: &str, chain: &str, rule: &str, process: &str) {
        let said = FilterChange {
            tool: "nftables".into(),
            action: action.into(),
            object: "rule".into(),
            family: "ip".into(),
            table: "filter".into(),
            chain: chain.into(),
            rule: rule.into(),
            process: process.into(),
            ..FilterChange::default()
        };
        play.tell(d::NETFILTER, Some(Fact::Filter(Box::new(said))));
    }

    fn drawn(play: &Play) -> Vec<String> {
        play.draw(d::FILTER_CHANGED, &["filter.chain", "filter.by_engine", "filter.isolation"]).lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_the_engine_does_for_a_container_is_its_own() {
        let mut play = Play::new();
        play.wait(10.0);
        // The engine writes its rules before it says that the container has started.
        change(&mut play, "add", "DOCKER", "-d 172.17.0.2/32 -p tcp --dport 80 -j ACCEPT", "iptables");
        play.container("a", "a", "app:1", ContainerAction::Start);
        change(&mut play, "delete", "DOCKER-ISOLATION-STAGE-1", "", "dockerd");
        change(&mut play, "add", "DOCKER-USER", "counter return", "iptables");
        // In the same moment, but by somebody else; and what the engine never writes.
        change(&mut play, "flush", "FORWARD", "", "bash");
        change(&mut play, "add", "DOCKER-USER", "ip saddr 10.99.0.0/24 counter accept", "iptables");
        assert_eq!(
            drawn(&play),
            [
                "DOCKER | true | false",
                "DOCKER-ISOLATION-STAGE-1 | true | true",
                "DOCKER-USER | true | false",
                "FORWARD | false | false",
                "DOCKER-USER | false | true"
            ]
        );
    }

    #[test]
    fn the_name_of_the_engine_alone_proves_nothing() {
        let mut play = Play::new();
        play.container("a", "a", "app:1", ContainerAction::Start).wait(10.0);
        change(&mut play, "flush", "DOCKER-USER", "", "dockerd");
        change(&mut play, "add", "DOCKER-USER", "counter accept", "");
        change(&mut play, "add", "INPUT", "tcp dport 22 accept", "");
        change(&mut play, "add", "KUBE-SVC-X", "-j KUBE-SEP-Y", "kube-proxy");
        assert!(drawn(&play).is_empty());
        play.wait(3.1);
        assert_eq!(
            drawn(&play),
            ["DOCKER-USER | false | true", "DOCKER-USER | false | true", "INPUT | false | false", "KUBE-SVC-X | true | false"]
        );
    }
}
