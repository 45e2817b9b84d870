//! What newly became reachable between two states of what is declared.
//!
//! Pods that policies cannot tell apart are one *group*. Only groups whose reach can have changed, the *focus*, are compared with all others and with the
//! pieces of the address space, so that a change costs what it touches and not the square of the cluster.

use super::block::{Pieces, share, words};
use super::ports::PortSet;
use super::{Declared, Direction, End, Pod};
use event::SmolStr;
use std::collections::BTreeSet;

/// Pods that policies cannot tell apart, before and after.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// As they were; `None` for pods that came with the change.
    pub before: Option<Pod<'a>>,
    /// As they are; `None` for pods that went with it.
    pub after: Option<Pod<'a>>,
    /// What a reader calls them: `namespace/workload`.
    pub label: SmolStr,
    /// How many there are.
    pub count: usize,
}

/// What a change opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Widening {
    /// Something reaches pods of the focus that could not.
    pub ingress: bool,
    /// Pods of the focus reach something that they could not.
    pub egress: bool,
    /// Pairs of pods, ports not counted.
    pub pairs: usize,
    /// Who reaches now: labels of groups and words of address ranges.
    pub from: BTreeSet<SmolStr>,
    /// Whom.
    pub to: BTreeSet<SmolStr>,
    /// At which ports.
    pub ports: PortSet,
    /// More than half of the address space, or every other group of pods (of two at least).
    pub everybody: bool,
    /// Policies selected those pods in that direction, and none does now.
    pub unprotected: bool,
    /// Not everything was compared: it is at least this much.
    pub partial: bool,
}

/// Comparisons that one change may cost.
const COMPARISONS_MAX: usize = 100_000;

impl Widening {
    fn add(&mut self, direction: Direction, from: &SmolStr, to: &SmolStr, ports: &PortSet) {
        match direction {
            Direction::Ingress => self.ingress = true,
            Direction::Egress => self.egress = true,
        }
        self.from.insert(from.clone());
        self.to.insert(to.clone());
        self.ports.join(ports);
    }
}

/// Compares what the focus is reached by, or reaches, in the given directions. `None`: nothing became reachable that was not.
pub fn widened(
    before: &Declared<'_>,
    after: &Declared<'_>,
    directions: &[Direction],
    focus: &[Group<'_>],
    others: &[Group<'_>],
) -> Option<Widening> {
    let mut found = Widening::default();
    let pieces = Pieces::of(peers(before).chain(peers(after)));
    let mut left = COMPARISONS_MAX;
    for one in focus {
        // Pods that were not there before, or are not now, show nothing that a change of policy opened.
        let (Some(was), Some(is)) = (&one.before, &one.after) else { continue };
        for direction in directions.iter().copied() {
            let mut opened = 0;
            let mut compared = 0;
            for other in focus.iter().chain(others) {
                let (Some(other_was), Some(other_is)) = (&other.before, &other.after) else { continue };
                // A pod always reaches itself, and what pods of one group have between them is said once.
                if std::ptr::eq(other, one) && (one.count < 2 || (direction == Direction::Egress && directions.len() > 1)) {
                    continue;
                }
                if left == 0 {
                    found.partial = true;
                    break;
                }
                left -= 1;
                compared += 1;
                let new = difference(before, after, direction, (was, is), (&End::Pod(*other_was), &End::Pod(*other_is)));
                if !new.is_empty() {
                    opened += 1;
                    found.pairs = found.pairs.saturating_add(one.count.saturating_mul(other.count));
                    let (from, to) = ends(direction, &one.label, &other.label);
                    found.add(direction, from, to, &new);
                }
            }
            found.everybody |= compared >= 2 && opened == compared;
            let mut shares = [0.0f64; 2];
            let mut run: Option<(super::block::Spot, super::block::Spot, PortSet)> = None;
            for (first, last) in pieces.iter() {
                let end = End::Address(first);
                let new = difference(before, after, direction, (was, is), (&end, &end));
                if !new.is_empty() {
                    shares[usize::from(first.six)] += share(first, last);
                }
                // Neighbouring pieces that opened alike are one range to a reader.
                run = match run.take() {
                    Some((from, to, ports)) if ports == new && to.six == first.six => Some((from, last, ports)),
                    finished => {
                        tell(&mut found, direction, &one.label, finished);
                        Some((first, last, new))
                    }
                };
            }
            tell(&mut found, direction, &one.label, run);
            found.everybody |= shares.iter().any(|share| *share > 0.5);
            found.unprotected |= before.selecting(direction, was).next().is_some() && after.selecting(direction, is).next().is_none();
        }
    }
    (found.ingress || found.egress).then_some(found)
}

fn tell(found: &mut Widening, direction: Direction, label: &SmolStr, run: Option<(super::block::Spot, super::block::Spot, PortSet)>) {
    if let Some((from, to, ports)) = run.filter(|(_, _, ports)| !ports.is_empty()) {
        let range = SmolStr::from(words(from, to));
        let (from, to) = ends(direction, label, &range);
        found.add(direction, from, to, &ports);
    }
}

fn ends<'a>(direction: Direction, one: &'a SmolStr, other: &'a SmolStr) -> (&'a SmolStr, &'a SmolStr) {
    match direction {
        Direction::Ingress => (other, one),
        Direction::Egress => (one, other),
    }
}

fn difference(
    before: &Declared<'_>,
    after: &Declared<'_>,
    direction: Direction,
    (was, is): (&Pod<'_>, &Pod<'_>),
    (other_was, other_is): (&End<'_>, &End<'_>),
) -> PortSet {
    let allows = |declared: &Declared<'_>, pod: &Pod<'_>, other: &End<'_>| match direction {
        Direction::Ingress => declared.allows(other, &End::Pod(*pod)),
        Direction::Egress => declared.allows(&End::Pod(*pod), other),
    };
    let now = allows(after, is, other_is);
    if now.is_empty() { now } else { now.without(&allows(before, was, other_was)) }
}

fn peers<'b>(declared: &'b Declared<'_>) -> impl Iterator<Item = &'b event::kubernetes::PolicyPeer> + 'b {
    declared.policies.iter().flat_map(|policy| {
        let rules = policy.spec.ingress.iter().flatten().chain(policy.spec.egress.iter().flatten());
        rules.flat_map(|rule| rule.peers.iter())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use super::*;
    use event::kubernetes::{NetworkPolicySpec, PolicyPeer, PolicyRule, Selector};

    type Pairs = Vec<(SmolStr, SmolStr)>;

    const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

    fn labels(text: &str) -> Pairs {
        text.split_whitespace().filter_map(|part| part.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    fn pod<'a>(namespace: &'a str, labels: &'a Pairs) -> Pod<'a> {
        Pod { namespace, labels, address: None, ports: &[], host_network: false }
    }

    fn group<'a>(label: &str, before: Pod<'a>, after: Pod<'a>) -> Group<'a> {
        Group { before: Some(before), after: Some(after), label: label.into(), count: 2 }
    }

    fn ingress(rules: Vec<PolicyRule>) -> NetworkPolicySpec {
        NetworkPolicySpec {
            pods: Selector { labels: labels("app=db"), expressions: vec![] },
            policy_types: vec!["Ingress".into()],
            ingress: Some(rules),
            ..NetworkPolicySpec::default()
        }
    }

    fn from_blocks(blocks: &[&str]) -> PolicyRule {
        let block = |cidr: &&str| PolicyPeer::Block { cidr: (*cidr).into(), except: vec![] };
        PolicyRule { peers: blocks.iter().map(block).collect(), ports: vec![] }
    }

    fn opening(before: &[&NetworkPolicySpec], after: &[&NetworkPolicySpec]) -> Option<Widening> {
        let declared = |specs: &[&'static NetworkPolicySpec]| Declared {
            namespaces: Default::default(),
            policies: specs.iter().map(|spec| Policy { namespace: "shop", name: "p", spec }).collect(),
        };
        // The specs live as long as the test.
        let leak = |specs: &[&NetworkPolicySpec]| specs.iter().map(|spec| &*Box::leak(Box::new((*spec).clone()))).collect::<Vec<_>>();
        let (db, web, stray) = (labels("app=db"), labels("app=web"), labels("app=stray"));
        let focus = [group("shop/db", pod("shop", &db), pod("shop", &db))];
        let others = [group("shop/web", pod("shop", &web), pod("shop", &web)), group("dev/stray", pod("dev", &stray), pod("dev", &stray))];
        widened(&declared(&leak(before)), &declared(&leak(after)), &BOTH, &focus, &others)
    }

    #[test]
    fn an_allow_all_beside_a_deny_opens_to_everybody_and_a_first_policy_opens_nothing() {
        let (deny, all) = (ingress(vec![]), ingress(vec![PolicyRule::default()]));
        let found = opening(&[&deny], &[&deny, &all]).unwrap();
        assert!(found.everybody && found.ingress && !found.egress && !found.unprotected, "{found:?}");
        assert!(found.from.contains("dev/stray") && found.from.contains("every address"), "{found:?}");
        assert_eq!(opening(&[], &[&all]), None);
        assert_eq!(opening(&[], &[&deny]), None);
        assert_eq!(opening(&[&deny, &all], &[&deny]), None);
    }

    #[test]
    fn halves_of_the_address_space_are_the_whole_of_it() {
        let deny = ingress(vec![]);
        for blocks in [&["0.0.0.0/0"][..], &["0.0.0.0/1", "128.0.0.0/1"], &["::/0"]] {
            let found = opening(&[&deny], &[&deny, &ingress(vec![from_blocks(blocks)])]).unwrap();
            assert!(found.everybody, "{blocks:?}: {found:?}");
            assert!(found.from.iter().any(|from| from.starts_with("every address")), "{found:?}");
        }
        let narrow = opening(&[&deny], &[&deny, &ingress(vec![from_blocks(&["10.1.0.0/16"])])]).unwrap();
        assert!(!narrow.everybody && narrow.from.contains("10.1.0.0/16"), "{narrow:?}");
    }

    #[test]
    fn the_last_policy_taken_away_leaves_pods_unprotected() {
        let found = opening(&[&ingress(vec![])], &[]).unwrap();
        assert!(found.unprotected && found.everybody);
    }

    #[test]
    fn a_label_edited_into_a_selector_opens_for_its_namespace_only() {
        let (plain, edited) = (labels("team=x"), labels("team=x trusted=yes"));
        let spec = ingress(vec![PolicyRule {
            peers: vec![PolicyPeer::Pods { namespaces: Some(Selector { labels: labels("trusted=yes"), expressions: vec![] }), pods: None }],
            ports: vec![],
        }]);
        let (db, stray) = (labels("app=db"), labels("app=stray"));
        let declared = |space: &'static Pairs| Declared {
            namespaces: [("dev", space.as_slice())].into_iter().collect(),
            policies: vec![Policy { namespace: "shop", name: "p", spec: Box::leak(Box::new(spec.clone())) }],
        };
        let focus = [group("dev/stray", pod("dev", &stray), pod("dev", &stray))];
        let others = [group("shop/db", pod("shop", &db), pod("shop", &db))];
        let found = widened(&declared(Box::leak(Box::new(plain))), &declared(Box::leak(Box::new(edited))), &BOTH, &focus, &others).unwrap();
        assert!(found.egress && !found.ingress && !found.everybody, "{found:?}");
        assert_eq!((found.from.len(), found.to.len(), found.pairs), (1, 1, 4));
    }
}
