//! `host.posture`: what stood on a host when watching began, in one summary instead of a storm of alerts.
//!
//! It is told when the containers of the start-up list have been inspected or five seconds have passed. Inspect answers alone carry no time, so while nothing
//! dated has been read no timer can come due, and the summary is told anew with each answer.

use crate::appeared::WAIT_LISTED;
use crate::container::Container;
use crate::context::Verdict;
use crate::host::Host;
use crate::id::Id;
use crate::posture::Danger;
use crate::row::{Row, RowOut};
use crate::step::{Listed, Step};
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary::{EXPLAINED, EXPLAINED_BY, HOST_POSTURE_SEEN, POSTURE_CONTAINERS, POSTURE_DANGEROUS_COUNT, POSTURE_SUMMARY};
use event::{DerivedBuilder, Event, Provenance, SmolStr, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lines of the summary; the count says how many there are.
const LINES_MAX: usize = 100;

/// While nothing dated is read, the summary follows each answer up to this many, and then each this many.
const TOLD_EACH: usize = 512;

/// Records that are cited.
const CITED_MAX: usize = 20;

/// Which hosts have been seen.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    hosts: BTreeMap<SmolStr, Sighting>,
}

/// One host's first sight.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sighting {
    due: Time,
    told: bool,
    /// Containers of the start-up list whose inspect answer has not come yet; 0 when no list was seen.
    awaited: u32,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        match step {
            Step::Found { .. } => self.await_rest(cause, false, out),
            Step::Listed { what: Listed::Containers, at_start: true } => {
                self.await_rest(cause, true, out);
                let Some(host) = world.host(&cause.host) else { return };
                let awaited = host.containers.values().filter(|c| c.preexisting() && c.exists() && !c.inspected()).count();
                if let Some(sighting) = self.hosts.get_mut(&cause.host) {
                    sighting.awaited = u32::try_from(awaited).unwrap_or(u32::MAX);
                }
            }
            Step::Inspected { id, first: true, .. } => {
                let Some(host) = world.host(&cause.host) else { return };
                let Some(container) = host.container(id).filter(|container| container.preexisting()) else { return };
                let Some(sighting) = self.hosts.get_mut(&cause.host).filter(|sighting| !sighting.told) else { return };
                if dangerous(container) && sighting.evidence.len() < CITED_MAX {
                    sighting.evidence.extend(cause.evidence.first().cloned());
                }
                // The last one that the list named: nothing more is to be waited for.
                let complete = sighting.awaited == 1;
                sighting.awaited = sighting.awaited.saturating_sub(1);
                sighting.told = complete;
                // Each telling walks over all, so of very many answers not each one is followed by it.
                let many = host.containers.len();
                let now_and_then = many < TOLD_EACH || many.is_multiple_of(TOLD_EACH);
                if (complete || host.watching_since.is_none() && now_and_then) && out.wants(HOST_POSTURE_SEEN) {
                    let builder = DerivedBuilder::caused_by(HOST_POSTURE_SEEN, "host_posture", cause).evidence(sighting.evidence.clone());
                    say(builder, world, host, cause.time, out);
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(sighting) = self.hosts.get_mut(&key.host).filter(|sighting| !sighting.told && sighting.due <= now) else { return };
        sighting.told = true;
        let evidence = std::mem::take(&mut sighting.evidence);
        let Some(host) = world.host(&key.host) else { return };
        if out.wants(HOST_POSTURE_SEEN) {
            say(DerivedBuilder::at(HOST_POSTURE_SEEN, "host_posture", now, key.host.clone(), evidence), world, host, now, out);
        }
    }
}

impl State {
    /// Begins to wait for what belongs to the first sight; a start-up list makes the wait anew.
    fn await_rest(&mut self, cause: &Event, anew: bool, out: &mut RowOut<'_>) {
        if !self.hosts.contains_key(&cause.host) {
            if self.hosts.len() >= crate::world::HOSTS_MAX {
                self.hosts.pop_first();
                out.forgot("inventory.hosts", 1);
            }
        } else if !anew {
            return;
        }
        let sighting = self.hosts.entry(cause.host.clone()).or_default();
        if sighting.told {
            return;
        }
        sighting.due = cause.at + WAIT_LISTED;
        if anew && sighting.evidence.len() < CITED_MAX {
            sighting.evidence.extend(cause.evidence.first().cloned());
        }
        out.timer(sighting.due, TimerKey::new(&cause.host, &Id::Text(SmolStr::default())));
    }
}

fn dangerous(container: &Container) -> bool {
    container.posture.as_ref().is_some_and(|posture| posture.level >= Danger::Medium)
}

fn say(builder: DerivedBuilder, world: &World, host: &Host, now: Time, out: &mut RowOut<'_>) {
    let there = || host.containers.values().filter(|container| container.preexisting() && container.exists());
    let count = there().count();
    if count == 0 {
        return;
    }
    let accepted = |container: &Container| world.context.explain(host, container, now);
    let (known, mut worst): (Vec<&Container>, Vec<&Container>) = there()
        .map(|container| &**container)
        .filter(|container| dangerous(container))
        .partition(|container| accepted(container).verdict == Verdict::Known);
    // Nothing is left to say but that all of it is accepted: told too, so that it is recorded as explained.
    let explained = worst.is_empty() && !known.is_empty();
    let by = if explained { known.first().and_then(|container| accepted(container).by) } else { None };
    if explained {
        worst = known;
    }
    worst.sort_by(|a, b| {
        let rank = |container: &Container| std::cmp::Reverse(container.posture.as_ref().map(|posture| posture.level));
        (rank(a), &a.name, &a.id).cmp(&(rank(b), &b.name, &b.id))
    });
    let lines: Vec<SmolStr> = worst.iter().take(LINES_MAX).map(|container| line(container)).collect();
    let verdict = if explained { Verdict::Known } else { Verdict::Unknown };
    out.emit(
        builder
            .about(&host.name)
            .with(POSTURE_CONTAINERS, count)
            .with(POSTURE_DANGEROUS_COUNT, worst.len())
            .with(POSTURE_SUMMARY, lines)
            .with(EXPLAINED, verdict.as_str())
            .maybe(EXPLAINED_BY, by)
            .build(),
    );
}

/// `proxy (traefik:3): mount:engine_socket, namespace:net`
fn line(container: &Container) -> SmolStr {
    let reasons = container.posture.as_ref().map(|posture| posture.dangerous.join(", ")).unwrap_or_default();
    SmolStr::from(format!("{} ({}): {reasons}", container.name, container.image))
}
