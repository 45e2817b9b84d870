//! Counts over a group of containers that change one container at a time: what was added is taken out again with the same values.

use event::SmolStr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is counted of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// What it would run; 0 while that is unknown.
    pub(crate) fingerprint: u64,
    /// Last part of its image's repository; empty when it was named by id.
    pub(crate) repository: SmolStr,
    /// Neither ended nor removed.
    pub(crate) standing: bool,
    /// Has run.
    pub(crate) started: bool,
    /// An inspect has described it.
    pub(crate) inspected: bool,
    /// Equals an older one that stands.
    pub(crate) clone: bool,
    /// A controller made it for a workload that had stood before.
    pub(crate) owned: bool,
    /// Where it is in a cluster, and who is behind it there.
    pub(crate) place: Option<Box<Placed>>,
    /// The context's entry that names it.
    pub(crate) entry: Option<u32>,
    /// Its posture gives control of the host.
    pub(crate) dangerous: bool,
}

/// Where a pod's container is, and who is behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) namespace: SmolStr,
    pub(crate) actor: SmolStr,
    pub(crate) node: SmolStr,
}

impl Counted {
    /// Something that the attacker does not control explains it.
    fn settled(&self) -> bool {
        self.clone || self.owned
    }
}

/// The counts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) created: u32,
    pub(crate) standing: u32,
    pub(crate) never_started: u32,
    pub(crate) clones: u32,
    pub(crate) dangerous: u32,
    /// Standing ones that no inspect has described.
    pub(crate) undescribed: u32,
    pub(crate) owned: u32,
    settled_standing: u32,
    namespaces: BTreeMap<SmolStr, u32>,
    actors: BTreeMap<SmolStr, u32>,
    nodes: BTreeMap<SmolStr, u32>,
    fingerprints: BTreeMap<u64, u32>,
    /// How many fingerprints have each count: the last key is the highest.
    heights: BTreeMap<u32, u32>,
    repositories: BTreeMap<SmolStr, u32>,
    /// Standing ones, no clones, by the context's entry that names them.
    entries: BTreeMap<u32, u32>,
    /// Created ones, no clones, standing or not, by the context's entry that names them.
    named: BTreeMap<u32, u32>,
}

impl Tally {
    /// Counts one in.
    pub(crate) fn add(&mut self, one: &Counted) {
        self.created += 1;
        self.standing += u32::from(one.standing);
        self.never_started += u32::from(one.standing && !one.started);
        self.clones += u32::from(one.clone);
        self.dangerous += u32::from(one.dangerous);
        self.undescribed += u32::from(one.standing && !one.inspected);
        self.owned += u32::from(one.owned);
        self.settled_standing += u32::from(one.standing && one.settled());
        if let Some(place) = &one.place {
            for (counts, key) in
                [(&mut self.namespaces, &place.namespace), (&mut self.actors, &place.actor), (&mut self.nodes, &place.node)]
            {
                if !key.is_empty() {
                    *counts.entry(key.clone()).or_default() += 1;
                }
            }
        }
        // What is not known yet is neither like nor unlike the others.
        if one.fingerprint != 0 {
            let height = self.fingerprints.entry(one.fingerprint).or_default();
            let before = *height;
            *height += 1;
            self.grade(before, before + 1);
        }
        if !one.repository.is_empty() {
            *self.repositories.entry(one.repository.clone()).or_default() += 1;
        }
        if let Some(entry) = one.entry.filter(|_| one.standing && !one.settled()) {
            *self.entries.entry(entry).or_default() += 1;
        }
        if let Some(entry) = one.entry.filter(|_| !one.settled()) {
            *self.named.entry(entry).or_default() += 1;
        }
    }

    /// Takes one out that was counted in with the same values.
    pub(crate) fn sub(&mut self, one: &Counted) {
        let less = |count: &mut u32, by: bool| *count = count.saturating_sub(u32::from(by));
        less(&mut self.created, true);
        less(&mut self.standing, one.standing);
        less(&mut self.never_started, one.standing && !one.started);
        less(&mut self.clones, one.clone);
        less(&mut self.dangerous, one.dangerous);
        less(&mut self.undescribed, one.standing && !one.inspected);
        less(&mut self.owned, one.owned);
        less(&mut self.settled_standing, one.standing && one.settled());
        if let Some(place) = &one.place {
            take(&mut self.namespaces, &place.namespace);
            take(&mut self.actors, &place.actor);
            take(&mut self.nodes, &place.node);
        }
        if one.fingerprint != 0 {
            let before = self.fingerprints.get(&one.fingerprint).copied().unwrap_or_default();
            take(&mut self.fingerprints, &one.fingerprint);
            self.grade(before, before.saturating_sub(1));
        }
        take(&mut self.repositories, &one.repository);
        if let Some(entry) = one.entry.filter(|_| one.standing && !one.settled()) {
            take(&mut self.entries, &entry);
        }
        if let Some(entry) = one.entry.filter(|_| !one.settled()) {
            take(&mut self.named, &entry);
        }
    }

    /// How many have the most frequent fingerprint.
    pub(crate) fn top(&self) -> u32 {
        self.heights.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// How many fingerprints there are.
    pub(crate) fn distinct(&self) -> usize {
        self.fingerprints.len()
    }

    /// In how many namespaces, by how many identities, on how many nodes; none outside a cluster.
    pub(crate) fn places(&self) -> Option<(usize, usize, usize)> {
        (!self.namespaces.is_empty()).then_some((self.namespaces.len(), self.actors.len(), self.nodes.len()))
    }

    /// Created ones that a controller or their likeness explains.
    pub(crate) fn settled(&self) -> u32 {
        self.clones + self.owned
    }

    /// Under how many unrelated repositories.
    pub(crate) fn repositories(&self) -> usize {
        self.repositories.len()
    }

    /// Created ones, no clones, that the context names, whether or not they stand: by entry.
    pub(crate) fn named(&self) -> impl Iterator<Item = (u32, u32)> {
        self.named.iter().map(|(entry, count)| (*entry, *count))
    }

    /// Standing ones, no clones, that the context names: by entry.
    fn entries(&self) -> impl Iterator<Item = (u32, u32)> {
        self.entries.iter().map(|(entry, count)| (*entry, *count))
    }

    /// Standing ones that nothing explains, when `holds` says of an entry whether it still explains.
    pub(crate) fn standing_new(&self, holds: &dyn Fn(u32) -> bool) -> u32 {
        let known: u32 = self.entries().filter(|(entry, _)| holds(*entry)).map(|(_, count)| count).sum();
        self.standing.saturating_sub(self.settled_standing).saturating_sub(known)
    }

    fn grade(&mut self, before: u32, after: u32) {
        if before > 0 {
            take(&mut self.heights, &before);
        }
        if after > 0 {
            *self.heights.entry(after).or_default() += 1;
        }
    }
}

/// Counts one less, and drops what has no more.
fn take<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
