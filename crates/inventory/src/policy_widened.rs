//! `policy.widened`: what newly became reachable when a policy, a label, a namespace or a connection changed, in one sentence.
//!
//! Policies add up, so no object says alone what it opens: a policy that allows everything closes when it is the first, and opens beside a stricter one. What
//! is reachable is therefore worked out before and after each change. A pod's coming is no change of what is declared.

use crate::container::Container;
use crate::context::Context;
use crate::host::Host;
use crate::id::Id;
use crate::reach::state::{Kept, Member, Pairs};
use crate::reach::widened::{Group, Widening, widened};
use crate::reach::{Declared, Direction, Policy, governs, selector};
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::who::Who;
use crate::world::World;
use event::dictionary as d;
use event::fact::Fact;
use event::kubernetes::{ApiRequest, Body, NetworkPolicySpec, Object, ObjectChange, Selector};
use event::{DerivedBuilder, Event, SmolStr, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Clusters that are kept.
const CLUSTERS_MAX: usize = 256;
/// Names in a sentence or a field.
const NAMES_MAX: usize = 10;

/// What is declared, cluster by cluster.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    clusters: BTreeMap<SmolStr, Cluster>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cluster {
    kept: Kept,
    /// Namespaces whose deletion was asked for, with when.
    leaving: BTreeMap<SmolStr, Time>,
}

/// How a change came: by which request, if any, and what the operator declared.
struct Asked<'a> {
    request: Option<&'a ApiRequest>,
    context: &'a Context,
}

/// One change, as a sentence names it.
struct Cause<'a> {
    word: &'static str,
    name: String,
    told: String,
    namespace: &'a SmolStr,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        match step {
            Step::Cluster => {}
            Step::NetworkConnected { id, network } => return connected(world, id, network, cause, out),
            _ => return,
        }
        if !self.clusters.contains_key(&cause.host) {
            if self.clusters.len() >= CLUSTERS_MAX {
                self.clusters.pop_first();
                out.forgot("inventory.clusters", 1);
            }
            self.clusters.insert(cause.host.clone(), Cluster::default());
        }
        let Some(cluster) = self.clusters.get_mut(&cause.host) else { return };
        match cause.fact() {
            Some(Fact::Request(request)) => cluster.request(request, &world.context, cause, out),
            Some(Fact::Object(said)) => {
                let gone = said.change == ObjectChange::Deleted;
                cluster.object(&said.object, gone, &Asked { request: None, context: &world.context }, cause, out);
            }
            Some(Fact::Objects(list)) => cluster.kept.listed(&list.kind, &list.items),
            _ => {}
        }
    }
}

impl Cluster {
    fn request(&mut self, request: &ApiRequest, context: &Context, cause: &Event, out: &mut RowOut<'_>) {
        let done = request.stage == "ResponseComplete" && request.code.is_some_and(|code| code < 400) && !request.dry_run;
        let writes = matches!(request.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        if !done || !writes || !matches!(request.subresource.as_str(), "" | "status" | "ephemeralcontainers") {
            return;
        }
        let asked = &Asked { request: Some(request), context };
        match request.verb.as_str() {
            "delete" => {
                if request.resource == "namespaces" {
                    self.leaving.insert(request.name.clone(), cause.at);
                    if self.leaving.len() > 1024 {
                        self.leaving.pop_first();
                    }
                    return;
                }
                let kind = match request.resource.as_str() {
                    "pods" => "Pod",
                    "networkpolicies" => "NetworkPolicy",
                    _ => return,
                };
                let object =
                    Object { kind: kind.into(), namespace: request.namespace.clone(), name: request.name.clone(), ..Object::default() };
                self.object(&object, true, asked, cause, out);
            }
            "deletecollection" => {
                for item in &request.items {
                    self.object(item, true, asked, cause, out);
                }
            }
            // What was asked for is what came of it, unless it was a patch: that says a part only.
            _ => match &request.object {
                Some(object) if request.object_final || request.verb != "patch" || request.subresource == "status" => {
                    let mut object = Object::clone(object);
                    if object.namespace.is_empty() && request.resource != "namespaces" {
                        object.namespace = request.namespace.clone();
                    }
                    if object.name.is_empty() {
                        object.name = request.name.clone();
                    }
                    self.object(&object, false, asked, cause, out);
                }
                _ => {}
            },
        }
    }

    fn object(&mut self, object: &Object, gone: bool, asked: &Asked<'_>, cause: &Event, out: &mut RowOut<'_>) {
        let place = format!("{}/{}", object.namespace, object.name);
        match (&object.body, object.kind.as_str()) {
            (_, "NetworkPolicy") if gone => {
                let key = (object.namespace.clone(), object.name.clone());
                let before = self.kept.policies.remove(&key);
                if before.is_none() && self.kept.policies_listed {
                    return;
                }
                let change = Cause {
                    word: "policy_deleted",
                    told: format!("policy {place} was deleted"),
                    name: place,
                    namespace: &object.namespace,
                };
                match before {
                    Some(_) => self.policy(&key, before, None, &change, asked, cause, out),
                    None => self.deleted_unknown(&change, asked, cause, out),
                }
            }
            (Body::NetworkPolicy(spec), _) => {
                let key = (object.namespace.clone(), object.name.clone());
                let before = self.kept.policy(&key.0, &key.1, spec);
                let after = self.kept.policies.get(&key).cloned();
                if before == after {
                    return;
                }
                let (word, told) = match before {
                    Some(_) => ("policy_changed", format!("policy {place} was changed")),
                    None => ("policy_added", format!("policy {place} was added")),
                };
                let change = Cause { word, told, name: place, namespace: &object.namespace };
                self.policy(&key, before, after, &change, asked, cause, out);
            }
            (_, "Namespace") if gone => self.kept.namespace_gone(&object.name),
            (_, "Namespace") => {
                let before = self.kept.namespace(&object.name, &object.labels);
                if let Some(before) = before {
                    self.namespace(&object.name, &before, asked, cause, out);
                }
            }
            (_, "Pod") if gone => self.kept.pod_gone(&object.namespace, &object.name),
            (Body::Pod(spec), _) => {
                if let Some((was, is)) = self.kept.pod_seen(object, spec) {
                    self.relabelled(&place, &was, &is, asked, cause, out);
                }
            }
            _ => {}
        }
    }

    /// A policy went of which no record had said what it holds back.
    fn deleted_unknown(&self, change: &Cause<'_>, asked: &Asked<'_>, cause: &Event, out: &mut RowOut<'_>) {
        if !out.wants(d::POLICY_WIDENED) {
            return;
        }
        let mut builder = DerivedBuilder::caused_by(d::POLICY_WIDENED, "policy_widened", cause).about(&SmolStr::from(&change.name));
        builder.push(d::POLICY_SENTENCE, format!("{}: what it held back is not known", change.told));
        builder.push(d::POLICY_CAUSE, change.word);
        builder.push(d::POLICY_NAME, change.name.as_str());
        builder.push(d::K8S_NAMESPACE, change.namespace);
        builder.push(d::POLICY_ASSUMED, true);
        builder.push(d::POLICY_TEARDOWN, self.leaving.contains_key(change.namespace));
        asked_by(&mut builder, asked, cause.at);
        out.emit(builder.build());
    }

    /// A policy came, changed or went. Only pods that it selects, before or after, can have become open by it.
    #[allow(clippy::too_many_arguments)]
    fn policy(
        &self,
        key: &(SmolStr, SmolStr),
        before: Option<Arc<NetworkPolicySpec>>,
        after: Option<Arc<NetworkPolicySpec>>,
        change: &Cause<'_>,
        asked: &Asked<'_>,
        cause: &Event,
        out: &mut RowOut<'_>,
    ) {
        if !out.wants(d::POLICY_WIDENED) {
            return;
        }
        let now = self.kept.declared();
        let mut then = now.clone();
        then.policies.retain(|policy| !(policy.namespace == key.0 && policy.name == key.1));
        if let Some(spec) = &before {
            then.policies.push(Policy { namespace: &key.0, name: &key.1, spec });
        }
        // Without a complete list, another policy may have closed these pods already: judged as if one had, and said so.
        let assumed =
            !self.kept.policies_listed && before.is_none() && now.policies.iter().filter(|policy| policy.namespace == key.0).count() < 2;
        let closed = NetworkPolicySpec { policy_types: vec!["Ingress".into(), "Egress".into()], ..NetworkPolicySpec::default() };
        let mut now = now.clone();
        if assumed {
            for declared in [&mut then, &mut now] {
                declared.policies.push(Policy { namespace: &key.0, name: "", spec: &closed });
            }
        }
        let touched = |member: &Member| {
            member.namespace == key.0 && [&before, &after].into_iter().flatten().any(|spec| selector::selects(&spec.pods, &member.labels))
        };
        let directions: Vec<Direction> = [Direction::Ingress, Direction::Egress]
            .into_iter()
            .filter(|direction| [&before, &after].into_iter().flatten().any(|spec| governs(spec, *direction)))
            .collect();
        let all_pods = after.as_ref().or(before.as_ref()).is_some_and(|spec| spec.pods == Selector::default());
        self.compare(&then, &now, &directions, (assumed, all_pods), touched, |member| (member, member), change, asked, cause, out);
    }

    /// A namespace's labels changed: its pods may reach, or be reached, by other rules.
    fn namespace(&self, name: &SmolStr, before: &Pairs, asked: &Asked<'_>, cause: &Event, out: &mut RowOut<'_>) {
        let now = self.kept.declared();
        if !out.wants(d::POLICY_WIDENED) || now.namespaces.get(name.as_str()) == Some(&before.as_slice()) {
            return;
        }
        let mut then = now.clone();
        then.namespaces.insert(name, before);
        let change = Cause {
            word: "namespace_labels_changed",
            told: format!("the labels of namespace {name} were changed"),
            name: name.to_string(),
            namespace: name,
        };
        let both = [Direction::Ingress, Direction::Egress];
        self.compare(
            &then,
            &now,
            &both,
            (false, true),
            |member| member.namespace == *name,
            |member| (member, member),
            &change,
            asked,
            cause,
            out,
        );
    }

    /// A pod's labels changed: other policies select it.
    fn relabelled(&self, place: &str, was: &Arc<Member>, is: &Arc<Member>, asked: &Asked<'_>, cause: &Event, out: &mut RowOut<'_>) {
        if !out.wants(d::POLICY_WIDENED) {
            return;
        }
        let now = self.kept.declared();
        let change = Cause {
            word: "labels_changed",
            told: format!("the labels of pod {place} were changed"),
            name: place.to_owned(),
            namespace: &is.namespace,
        };
        let both = [Direction::Ingress, Direction::Egress];
        self.compare(
            &now,
            &now,
            &both,
            (false, false),
            |member| *member == **is,
            |member| if *member == **is { (was, member) } else { (member, member) },
            &change,
            asked,
            cause,
            out,
        );
    }

    #[allow(clippy::too_many_arguments)]
    fn compare<'a>(
        &'a self,
        before: &Declared<'_>,
        after: &Declared<'_>,
        directions: &[Direction],
        (assumed, all_pods): (bool, bool),
        touched: impl Fn(&Member) -> bool,
        sides: impl Fn(&'a Member) -> (&'a Member, &'a Member),
        change: &Cause<'_>,
        asked: &Asked<'_>,
        cause: &Event,
        out: &mut RowOut<'_>,
    ) {
        let (mut focus, mut others) = (Vec::new(), Vec::new());
        let strangers = if assumed { strangers(change.namespace, after) } else { Vec::new() };
        for (place, member) in strangers.iter().enumerate() {
            let pod = Some(member.pod());
            let group = Group { before: pod, after: pod, label: member.label.clone(), count: 1 };
            if place == 0 { focus.push(group) } else { others.push(group) }
        }
        for (member, count) in self.kept.groups() {
            let (was, is) = sides(member);
            let group = Group { before: Some(was.pod()), after: Some(is.pod()), label: member.label.clone(), count };
            if touched(member) { focus.push(group) } else { others.push(group) }
        }
        let Some(found) = widened(before, after, directions, &focus, &others) else { return };
        if assumed && !found.everybody {
            return;
        }
        let teardown = self.leaving.contains_key(change.namespace);
        let mut builder = DerivedBuilder::caused_by(d::POLICY_WIDENED, "policy_widened", cause).about(&SmolStr::from(&change.name));
        fields(&mut builder, &found, change);
        builder.push(d::POLICY_TEARDOWN, teardown);
        builder.push(d::POLICY_ASSUMED, assumed);
        builder.push(d::POLICY_ALL_PODS, all_pods);
        asked_by(&mut builder, asked, cause.at);
        out.emit(builder.build());
    }
}

/// Who asked for it, where a request says so, and what the operator's context says of that.
fn asked_by(builder: &mut DerivedBuilder, asked: &Asked<'_>, time: Time) {
    let Some(request) = asked.request else {
        builder.push(d::ACTOR, "unknown");
        builder.push(d::EXPLAINED, "unknown");
        return;
    };
    let who = Who::of(request, |_, _| SmolStr::default());
    who.fields(builder);
    let explained = asked.context.explain_request(&who, request, time);
    builder.push(d::EXPLAINED, explained.verdict.as_str());
    if let Some(by) = explained.by {
        builder.push(d::EXPLAINED_BY, by);
    }
}

/// Pods that stand for those that no record has told of: one that the newest policy of the namespace selects, another of its namespace, and one elsewhere.
fn strangers(namespace: &SmolStr, declared: &Declared<'_>) -> Vec<Member> {
    let selected = declared.policies.iter().rev().find(|policy| policy.namespace == namespace.as_str() && !policy.name.is_empty());
    let labels = selected.map(|policy| policy.spec.pods.labels.clone()).unwrap_or_default();
    let member = |namespace: &SmolStr, labels: Pairs, label: String| Member {
        namespace: namespace.clone(),
        labels,
        ports: Vec::new(),
        host_network: false,
        label: SmolStr::from(label),
    };
    vec![
        member(namespace, labels, format!("{namespace}/*")),
        member(namespace, Pairs::new(), format!("other pods of {namespace}")),
        member(&SmolStr::new_static("?"), Pairs::new(), "pods of other namespaces".to_owned()),
    ]
}

fn fields(builder: &mut DerivedBuilder, found: &Widening, change: &Cause<'_>) {
    let direction = match (found.ingress, found.egress) {
        (true, true) => "both",
        (true, false) => "ingress",
        _ => "egress",
    };
    let some = |names: &std::collections::BTreeSet<SmolStr>| names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>();
    let ports = found.ports.words();
    let at = if found.ports.is_all() { "every port".to_owned() } else { ports.join(", ") };
    let sentence = format!("{} can now reach {} at {at}: {}", listed(&found.from), listed(&found.to), change.told);
    builder.push(d::POLICY_SENTENCE, sentence);
    builder.push(d::POLICY_CAUSE, change.word);
    builder.push(d::POLICY_NAME, change.name.as_str());
    builder.push(d::POLICY_DIRECTION, direction);
    builder.push(d::POLICY_FROM, some(&found.from));
    builder.push(d::POLICY_TO, some(&found.to));
    builder.push(d::POLICY_PORTS, ports.into_iter().map(SmolStr::from).collect::<Vec<_>>());
    builder.push(d::POLICY_PAIRS, found.pairs as u64);
    builder.push(d::POLICY_EVERYBODY, found.everybody);
    builder.push(d::POLICY_UNPROTECTED, found.unprotected);
    if !change.namespace.is_empty() {
        builder.push(d::K8S_NAMESPACE, change.namespace);
    }
}

/// Names for a sentence: those that say the most first, then how many more.
fn listed(names: &std::collections::BTreeSet<SmolStr>) -> String {
    let (mut wide, mut rest): (Vec<&SmolStr>, Vec<&SmolStr>) = names.iter().partition(|name| name.starts_with("every"));
    wide.append(&mut rest);
    let more = wide.len().saturating_sub(3);
    let mut text = wide.iter().take(3).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A running container was joined to one more network: whom it can reach there that shared none with it before.
fn connected(world: &World, id: &Id, network: &SmolStr, cause: &Event, out: &mut RowOut<'_>) {
    let Some(host) = world.host(&cause.host).filter(|_| out.wants(d::POLICY_WIDENED)) else { return };
    let Some(container) = host.container(id).filter(|container| container.runs()) else { return };
    let before: Vec<&SmolStr> = container.networks.iter().filter(|known| *known != network).collect();
    if before.is_empty() {
        return;
    }
    let on = |other: &Container, network: &SmolStr| other.networks.contains(network);
    let shared = |other: &Container| before.iter().any(|known| on(other, known));
    let met: Vec<&Container> = host
        .containers
        .values()
        .map(|other| &**other)
        .filter(|other| other.id != *id && other.runs() && on(other, network) && !shared(other))
        .collect();
    if met.is_empty() {
        return;
    }
    let name = label_of(container);
    let network_name = network_name(host, network);
    let mut found =
        Widening { ingress: true, egress: true, pairs: met.len(), ports: crate::reach::ports::PortSet::all(), ..Widening::default() };
    found.from.insert(name.clone());
    found.to.extend(met.iter().map(|other| label_of(other)));
    let change = Cause {
        word: "network_connected",
        told: format!("it was joined to network {network_name} while it ran"),
        name: network_name.to_string(),
        namespace: &SmolStr::default(),
    };
    let mut builder = DerivedBuilder::caused_by(d::POLICY_WIDENED, "policy_widened", cause).about(&name);
    fields(&mut builder, &found, &change);
    builder.push(d::POLICY_TEARDOWN, false);
    builder.push(d::ACTOR, "unknown");
    out.emit(builder.build());
}

fn label_of(container: &Container) -> SmolStr {
    if container.name.is_empty() { container.id.text() } else { container.name.clone() }
}

fn network_name(host: &Host, id: &SmolStr) -> SmolStr {
    host.network(id).map_or_else(|| id.clone(), |network| network.spec.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;
    use event::fact::ContainerAction;
    use event::fact::{ContainerSpec, NetworkAction};
    use event::kubernetes::{Identity, ObjectEvent, Owner, PodContainer, PodSpec, PolicyPeer, PolicyPort, PolicyRule};

    const FIELDS: &[&str] = &["policy.cause", "policy.sentence", "policy.everybody", "policy.unprotected", "actor"];

    fn pairs(text: &str) -> Vec<(SmolStr, SmolStr)> {
        text.split_whitespace().filter_map(|part| part.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    fn selector(labels: &str) -> Selector {
        Selector { labels: pairs(labels), expressions: vec![] }
    }

    fn show(play: &mut Play, object: Object) {
        play.tell(d::KUBERNETES_OBJECT, Some(Fact::Object(Box::new(ObjectEvent { change: ObjectChange::Added, object }))));
    }

    fn space(name: &str, labels: &str) -> Object {
        Object { kind: "Namespace".into(), name: name.into(), labels: pairs(labels), ..Object::default() }
    }

    fn pod(namespace: &str, workload: &str, number: usize, labels: &str) -> Object {
        Object {
            kind: "Pod".into(),
            namespace: namespace.into(),
            name: SmolStr::from(format!("{workload}-{number}")),
            uid: SmolStr::from(format!("uid-{namespace}-{workload}-{number}")),
            labels: pairs(labels),
            owner: Some(Owner { kind: "StatefulSet".into(), name: workload.into(), uid: "o".into() }),
            body: Body::Pod(Box::new(PodSpec {
                containers: vec![PodContainer {
                    spec: ContainerSpec { name: "c".into(), ..ContainerSpec::default() },
                    ..PodContainer::default()
                }],
                ..PodSpec::default()
            })),
            ..Object::default()
        }
    }

    fn policy(name: &str, pods: &str, ingress: Vec<PolicyRule>) -> Object {
        Object {
            kind: "NetworkPolicy".into(),
            namespace: "shop".into(),
            name: name.into(),
            body: Body::NetworkPolicy(Box::new(NetworkPolicySpec {
                pods: selector(pods),
                ingress: Some(ingress),
                ..NetworkPolicySpec::default()
            })),
            ..Object::default()
        }
    }

    fn ask(play: &mut Play, verb: &str, code: i64, object: Object) {
        let resource = match object.kind.as_str() {
            "NetworkPolicy" => "networkpolicies",
            "Namespace" => "namespaces",
            _ => "pods",
        };
        play.tell(
            d::KUBERNETES_AUDIT,
            Some(Fact::Request(Box::new(ApiRequest {
                stage: "ResponseComplete".into(),
                verb: verb.into(),
                resource: resource.into(),
                namespace: object.namespace.clone(),
                name: object.name.clone(),
                code: Some(code),
                user: Identity { name: "jo@shop.example".into(), ..Identity::default() },
                object_final: true,
                object: Some(Box::new(object)),
                ..ApiRequest::default()
            }))),
        );
    }

    fn cluster() -> Play {
        let mut play = Play::new();
        let list = event::kubernetes::ObjectList { kind: "NetworkPolicy".into(), items: vec![] };
        play.tell(d::KUBERNETES_OBJECT, Some(Fact::Objects(Box::new(list))));
        show(&mut play, space("shop", ""));
        show(&mut play, space("dev", "team=x"));
        for number in 0..2 {
            show(&mut play, pod("shop", "db", number, "app=db"));
            show(&mut play, pod("shop", "web", number, "app=web"));
            show(&mut play, pod("dev", "tool", number, "app=tool"));
        }
        play
    }

    fn drawn(play: &Play) -> String {
        play.draw(d::POLICY_WIDENED, FIELDS)
    }

    #[test]
    fn an_allow_all_beside_a_deny_is_told_once_in_one_sentence() {
        let mut play = cluster();
        ask(&mut play, "create", 201, policy("deny", "", vec![]));
        ask(&mut play, "create", 403, policy("open", "app=db", vec![PolicyRule::default()]));
        assert_eq!(drawn(&play), "");
        ask(&mut play, "create", 201, policy("open", "app=db", vec![PolicyRule::default()]));
        ask(&mut play, "update", 200, policy("open", "app=db", vec![PolicyRule::default()]));
        assert_eq!(
            drawn(&play),
            "policy_added | every address, every address of version 6, dev/tool and 2 more can now reach shop/db at every port: \
             policy shop/open was added | true | false | jo@shop.example"
        );
    }

    #[test]
    fn without_any_list_an_allow_all_is_judged_as_if_pods_had_been_closed() {
        let mut play = Play::new();
        ask(
            &mut play,
            "create",
            201,
            policy(
                "narrow",
                "app=db",
                vec![PolicyRule { peers: vec![PolicyPeer::Pods { namespaces: None, pods: Some(selector("app=web")) }], ports: vec![] }],
            ),
        );
        assert_eq!(drawn(&play), "");
        let mut play = Play::new();
        ask(&mut play, "create", 201, policy("open", "", vec![PolicyRule::default()]));
        ask(&mut play, "delete", 200, policy("other", "", vec![]));
        assert_eq!(
            play.draw(d::POLICY_WIDENED, &["policy.sentence", "policy.everybody", "policy.assumed", "policy.all_pods"]),
            "every address, every address of version 6, pods of other namespaces can now reach shop/* at every port: policy shop/open was added | true | true | true\n\
             policy shop/other was deleted: what it held back is not known | - | true | -"
        );
    }

    #[test]
    fn a_deleted_default_deny_leaves_its_pods_unprotected() {
        let mut play = cluster();
        ask(&mut play, "create", 201, policy("deny", "app=db", vec![]));
        ask(&mut play, "delete", 200, policy("deny", "app=db", vec![]));
        assert!(
            drawn(&play).starts_with("policy_deleted | ") && drawn(&play).ends_with(" | true | true | jo@shop.example"),
            "{}",
            drawn(&play)
        );
    }

    #[test]
    fn a_label_edited_into_a_selector_opens_what_it_selects() {
        let mut play = cluster();
        let trusted = PolicyRule {
            peers: vec![PolicyPeer::Pods { namespaces: Some(selector("trusted=yes")), pods: None }],
            ports: vec![PolicyPort { port: Some("5432".into()), ..PolicyPort::default() }],
        };
        ask(&mut play, "create", 201, policy("db", "app=db", vec![trusted]));
        ask(&mut play, "patch", 200, space("dev", "team=x trusted=yes"));
        ask(&mut play, "patch", 200, space("dev", "team=y trusted=yes"));
        assert_eq!(
            drawn(&play),
            "namespace_labels_changed | dev/tool can now reach shop/db at tcp 5432: the labels of namespace dev were changed | false | false | jo@shop.example"
        );
    }

    #[test]
    fn a_label_taken_off_a_pod_frees_it_from_the_policy_that_selected_it() {
        let mut play = cluster();
        ask(&mut play, "create", 201, policy("quarantine", "quarantine=true", vec![]));
        ask(&mut play, "patch", 200, pod("shop", "web", 0, "app=web quarantine=true"));
        assert_eq!(drawn(&play), "");
        ask(&mut play, "patch", 200, pod("shop", "web", 0, "app=web"));
        assert!(drawn(&play).starts_with("labels_changed | every address"), "{}", drawn(&play));
    }

    #[test]
    fn pods_that_come_and_go_open_nothing() {
        let mut play = cluster();
        ask(&mut play, "create", 201, policy("deny", "app=db", vec![]));
        ask(&mut play, "create", 201, pod("shop", "new", 0, "app=new"));
        ask(&mut play, "delete", 200, pod("shop", "db", 0, "app=db"));
        assert_eq!(drawn(&play), "");
    }

    #[test]
    fn a_running_container_joined_to_a_second_network_reaches_whom_it_did_not() {
        let mut play = Play::new();
        for network in ["front", "back"] {
            play.network(network, NetworkAction::Create);
        }
        play.container("web", "web", "nginx", ContainerAction::Create);
        play.container("db", "db", "postgres", ContainerAction::Create);
        let join = |play: &mut Play, network: &str, word: &str| {
            let container = crate::play::id(word);
            play.network(network, NetworkAction::Connect { container });
        };
        join(&mut play, "front", "web");
        join(&mut play, "back", "db");
        play.container("web", "web", "nginx", ContainerAction::Start);
        play.container("db", "db", "postgres", ContainerAction::Start);
        assert_eq!(drawn(&play), "");
        join(&mut play, "back", "web");
        assert_eq!(
            drawn(&play),
            "network_connected | web can now reach db at every port: it was joined to network back while it ran | false | false | unknown"
        );
    }
}
