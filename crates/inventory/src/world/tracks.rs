//! Flows that are followed: which records speak of the same one.

use crate::address;
use crate::party::Seen;
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Event, Provenance, SmolStr, Span, Time, dictionary};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Flows followed at once, of all hosts together.
const TRACKS_MAX: usize = if cfg!(test) { 512 } else { 65_536 };
/// Two witnesses' times of the beginning of one flow differ by this at most.
const TOGETHER: Span = Span::seconds(2);
/// Summaries of one long flow follow each other within this time.
const NEXT_SUMMARY: Span = Span::minutes(2);

/// What makes a flow itself: host, protocol and both ends.
type Key = (SmolStr, SmolStr, IpAddr, u16, IpAddr, u16);

/// One flow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) host: SmolStr,
    /// What was said of it so far, taken together.
    pub(crate) flow: Flow,
    /// When it began, or was first heard of.
    pub(crate) began: Time,
    /// Its beginning was said, or seen.
    pub(crate) began_known: bool,
    /// When the first record of it acted.
    pub(crate) heard: Time,
    /// Set when it has been told.
    pub(crate) told: Option<Arc<Seen>>,
    /// Its outcome has been told.
    pub(crate) settled: bool,
    /// Its end has been told.
    pub(crate) over: bool,
    /// When its end was heard of.
    pub(crate) ended: Option<Time>,
    /// One record of each source.
    pub(crate) evidence: Vec<Arc<Provenance>>,
    keys: Vec<Key>,
}

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tracks {
    by_number: BTreeMap<u64, Track>,
    by_key: BTreeMap<Key, u64>,
    /// Flows that have not been told, by the addresses of their ends.
    waiting: BTreeSet<(IpAddr, u64)>,
    next: u64,
}

/// What a record spoke of.
pub(crate) enum Heard {
    /// A flow that was not known.
    New(u64),
    /// A known one.
    Again(u64),
    /// Nothing that can be followed.
    Nothing,
}

impl Tracks {
    pub(crate) fn get(&self, number: u64) -> Option<&Track> {
        self.by_number.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Track> {
        self.by_number.get_mut(&number)
    }

    /// Flows with that address that have not been told.
    pub(crate) fn waiting(&self, address: IpAddr) -> impl Iterator<Item = u64> {
        self.waiting.range((address, 0)..=(address, u64::MAX)).map(|(_, number)| *number)
    }

    /// It does not wait any more.
    pub(crate) fn told(&mut self, number: u64) {
        let keys = self.by_number.get(&number).map(|track| track.keys.clone()).unwrap_or_default();
        self.told_by(&keys, number);
    }

    fn told_by(&mut self, keys: &[Key], number: u64) {
        for (_, _, from, _, to, _) in keys {
            self.waiting.remove(&(*from, number));
            self.waiting.remove(&(*to, number));
        }
    }

    /// It is over, and nobody will speak of it any more.
    pub(crate) fn forget(&mut self, number: u64) {
        let keys = self.by_number.remove(&number).map(|track| track.keys).unwrap_or_default();
        self.told_by(&keys, number);
        for key in keys {
            if self.by_key.get(&key) == Some(&number) {
                self.by_key.remove(&key);
            }
        }
    }

    /// Takes what a record says. Gives the flow, and how many others had to be forgotten.
    pub(crate) fn heard(&mut self, event: &Event, flow: &Flow) -> (Heard, u64) {
        let keys = keys(event, flow);
        let Some(straight) = keys.first() else { return (Heard::Nothing, 0) };
        let known = keys.iter().find_map(|key| self.by_key.get(key)).copied().filter(|number| self.same(*number, event, flow));
        if let Some(number) = known {
            self.merge(number, event, flow, false);
            return (Heard::Again(number), 0);
        }
        // A witness that tells each direction for itself tells the answers as a flow that runs backwards.
        let (host, protocol, from, from_port, to, to_port) = straight.clone();
        let answers = (host, protocol, to, to_port, from, from_port);
        let known = self.by_key.get(&answers).copied().filter(|number| from_port != 0 && self.same(*number, event, flow));
        if let Some(number) = known {
            self.merge(number, event, flow, true);
            return (Heard::Again(number), 0);
        }
        let mut forgotten = 0;
        if self.by_number.len() >= TRACKS_MAX {
            for number in self.by_number.keys().take(TRACKS_MAX / 16).copied().collect::<Vec<_>>() {
                self.forget(number);
                forgotten += 1;
            }
        }
        let number = self.next;
        self.next += 1;
        // Connection tracking says no beginning but by being there when it happens.
        let began_known = flow.started.is_some() || flow.stage == FlowStage::New || event.kind != dictionary::CONNTRACK;
        let mut track = Track {
            host: event.host.clone(),
            flow: flow.clone(),
            began: flow.started.unwrap_or(event.time),
            began_known,
            heard: event.at,
            told: None,
            settled: false,
            over: false,
            ended: (flow.stage == FlowStage::Ended).then_some(event.at),
            evidence: Vec::new(),
            keys: keys.clone(),
        };
        track.note(event);
        self.by_number.insert(number, track);
        for key in keys {
            self.waiting.extend([(key.2, number), (key.4, number)]);
            self.by_key.insert(key, number);
        }
        (Heard::New(number), forgotten)
    }

    /// Whether a record with the same ends speaks of this very flow, and not of a later one that uses the same port again.
    fn same(&self, number: u64, event: &Event, flow: &Flow) -> bool {
        let Some(track) = self.by_number.get(&number) else { return false };
        let began = flow.started.unwrap_or(event.time);
        let near = began <= track.began + TOGETHER && track.began <= began + TOGETHER;
        if near {
            return true;
        }
        match (flow.stage, flow.started) {
            (FlowStage::New, _) => false,
            // The next summary of a flow that goes on.
            (FlowStage::Ended, Some(started)) if track.flow.started.is_some() => {
                track.ended.is_some()
                    && track.flow.ended.is_some_and(|ended| started >= track.began && started <= ended + NEXT_SUMMARY)
                    && track.evidence.iter().any(|record| record.source == event.source)
            }
            (_, Some(started)) => track.ended.is_none() && started <= track.began + TOGETHER,
            (_, None) => track.ended.is_none_or(|ended| event.at <= ended + TOGETHER),
        }
    }

    fn merge(&mut self, number: u64, event: &Event, flow: &Flow, backwards: bool) {
        let Some(track) = self.by_number.get_mut(&number) else { return };
        track.note(event);
        let known = &mut track.flow;
        let outcome = if backwards && flow.outcome != FlowOutcome::Dropped { FlowOutcome::Answered } else { flow.outcome };
        // An answer that was seen stays seen: what ends a connection is no refusal of it.
        if known.outcome != FlowOutcome::Answered && outcome != FlowOutcome::Unknown {
            known.outcome = outcome;
        }
        if flow.stage == FlowStage::Ended {
            known.stage = FlowStage::Ended;
            track.ended = Some(event.at);
        }
        if !backwards {
            let larger = |old: &mut Option<u64>, new: Option<u64>| *old = (*old).max(new);
            larger(&mut known.bytes_out, flow.bytes_out);
            larger(&mut known.bytes_in, flow.bytes_in);
            larger(&mut known.packets_out, flow.packets_out);
            larger(&mut known.packets_in, flow.packets_in);
            for (old, new) in
                [(&mut known.service, &flow.service), (&mut known.server_name, &flow.server_name), (&mut known.alert, &flow.alert)]
            {
                if old.is_empty() {
                    *old = new.clone();
                }
            }
            for (old, new) in [
                (&mut known.answered_by, &flow.answered_by),
                (&mut known.answered_to, &flow.answered_to),
                (&mut known.source, &flow.source),
                (&mut known.destination, &flow.destination),
            ] {
                if old.address.is_empty() {
                    *old = new.clone();
                } else if old.address == new.address && old.pod.is_empty() && old.identity.is_empty() {
                    *old = End { port: old.port, ..new.clone() };
                }
            }
        }
        known.ended = known.ended.max(flow.ended);
        // Both directions were told, each for itself.
        if event.kind == dictionary::VPC_FLOW
            && known.outcome == FlowOutcome::Unknown
            && known.packets_in.is_some()
            && known.packets_out.is_some()
        {
            known.outcome = FlowOutcome::Answered;
        }
    }
}

/// The keys of a flow: as it was asked for, and as it is translated.
fn keys(event: &Event, flow: &Flow) -> Vec<Key> {
    let (Some(from), Some(to)) = (address::parse(&flow.source.address), address::parse(&flow.destination.address)) else {
        return Vec::new();
    };
    let key = |to, port| (event.host.clone(), flow.protocol.clone(), from, flow.source.port, to, port);
    let mut keys = vec![key(to, flow.destination.port)];
    if let Some(real) =
        address::parse(&flow.answered_by.address).filter(|real| (*real, flow.answered_by.port) != (to, flow.destination.port))
    {
        keys.push(key(real, flow.answered_by.port));
    }
    keys
}
