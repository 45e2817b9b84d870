//! `network.flow`: every flow once, with both its ends attributed by who held the addresses when it began. Long ones are told a second time at their end, with
//! what went over them.

use crate::host::Host;
use crate::party::{Party, Seen, Whereabouts, outcome_word, stage_word};
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::flow::{Flow, FlowStage};
use event::{DerivedBuilder, Event, SmolStr, Span, Value};
use serde::{Deserialize, Serialize};

/// A flow that lasts this long is told again at its end.
const LONG: Span = Span::seconds(60);

/// Nothing is kept beyond what the world knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if !out.wants(d::NETWORK_FLOW) {
            return;
        }
        let (seen, flow) = match step {
            Step::FlowSeen { seen } => (seen, &seen.flow),
            Step::FlowEnded { seen, flow } if seen.flow.stage != FlowStage::Ended && is_long(seen, flow, cause) => (seen, &**flow),
            _ => return,
        };
        let mut builder =
            DerivedBuilder::caused_by(d::NETWORK_FLOW, "flows", cause).about(&subject(seen)).read_by(world.reading.as_deref());
        flow_fields(&mut builder, world, seen, flow);
        if let Some(ended) = flow.ended.or((flow.stage == FlowStage::Ended).then_some(cause.time)) {
            builder.push(d::FLOW_SECONDS, (ended - seen.began).as_seconds().max(0.0));
        }
        let namespace = if seen.source.namespace.is_empty() { &seen.destination.namespace } else { &seen.source.namespace };
        builder.push_known(d::K8S_NAMESPACE, namespace);
        builder.push_known(d::K8S_POD, &seen.source.pod);
        out.emit(builder.build());
    }
}

fn is_long(seen: &Seen, flow: &Flow, cause: &Event) -> bool {
    let counted = flow.bytes_out.is_some() || flow.bytes_in.is_some();
    counted && flow.ended.unwrap_or(cause.time) - seen.began >= LONG
}

/// What an event about a flow is about: the container that began it, else its address.
pub(crate) fn subject(seen: &Seen) -> SmolStr {
    seen.source.container.as_ref().map_or_else(|| seen.source.address.clone(), |id| id.text())
}

/// Texts are left out where they are empty.
pub(crate) trait PushKnown {
    /// Adds a field unless its text is empty.
    fn push_known(&mut self, field: event::FieldId, text: &SmolStr);
}

impl PushKnown for DerivedBuilder {
    fn push_known(&mut self, field: event::FieldId, text: &SmolStr) {
        if !text.is_empty() {
            self.push(field, text);
        }
    }
}

/// Adds the fields of the group FLOW, without how long it lasted.
pub(crate) fn flow_fields(builder: &mut DerivedBuilder, world: &World, seen: &Seen, flow: &Flow) {
    builder.push_known(d::FLOW_TRANSPORT, &flow.protocol);
    builder.push_known(d::FLOW_PROTOCOL, &flow.service);
    builder.push(d::FLOW_STAGE, stage_word(flow.stage));
    builder.push(d::FLOW_OUTCOME, outcome_word(flow.outcome));
    builder.push(d::FLOW_DIRECTION, seen.way.as_str());
    for (field, count) in [(d::FLOW_BYTES_OUT, flow.bytes_out), (d::FLOW_BYTES_IN, flow.bytes_in)] {
        if let Some(count) = count {
            builder.push(field, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    builder.push_known(d::FLOW_SERVER_NAME, &flow.server_name);
    let (source, destination) = (&seen.source, &seen.destination);
    builder.push_known(d::SRC_ADDRESS, &source.address);
    if source.port != 0 {
        builder.push(d::SRC_PORT, i64::from(source.port));
    }
    if let Some(id) = &source.container {
        builder.push(d::SRC_CONTAINER_ID, id.text());
    }
    builder.push_known(d::SRC_CONTAINER_NAME, &present_name(world, source));
    builder.push_known(d::SRC_WORKLOAD, &workload_of(source));
    builder.push_known(d::SRC_NAMESPACE, &source.namespace);
    builder.push(d::SRC_LABEL, source.place.as_str());
    if !source.candidates.is_empty() {
        builder.push(d::SRC_CANDIDATES, Value::from(source.candidates.clone()));
    }
    builder.push_known(d::DST_ADDRESS, &destination.address);
    builder.push_known(d::DST_ADDRESS_ASKED, &seen.asked);
    if destination.port != 0 {
        builder.push(d::DST_PORT, i64::from(destination.port));
    }
    if let Some(id) = &destination.container {
        builder.push(d::DST_CONTAINER_ID, id.text());
    }
    builder.push_known(d::DST_CONTAINER_NAME, &present_name(world, destination));
    builder.push_known(d::DST_WORKLOAD, &workload_of(destination));
    builder.push_known(d::DST_NAMESPACE, &destination.namespace);
    builder.push(d::DST_LABEL, destination.place.as_str());
    builder.push(d::DST_ROLE, &seen.role);
    builder.push_known(d::SIGMA_DESTINATION_IP, &destination.address);
    if destination.port != 0 {
        builder.push(d::SIGMA_DESTINATION_PORT, i64::from(destination.port));
    }
    builder.push_known(d::SIGMA_DESTINATION_HOST, &flow.server_name);
    builder.push_known(d::SIGMA_SOURCE_IP, &source.address);
    if source.port != 0 {
        builder.push(d::SIGMA_SOURCE_PORT, i64::from(source.port));
    }
    builder.push(d::SIGMA_INITIATED, source.place.is_workload() || source.place == Whereabouts::Host);
    builder.push_known(d::SIGMA_PROTOCOL, &flow.protocol);
    builder.push(d::ACTOR, "unknown");
}

/// A container may have been renamed since.
fn present_name(world: &World, party: &Party) -> SmolStr {
    let container = party.container.as_ref().and_then(|id| world.container(&party.host, id));
    container.map_or_else(|| party.name.clone(), |container| container.name.clone())
}

/// Only workloads have one: places outside and the host are named by the edge.
fn workload_of(party: &Party) -> SmolStr {
    if party.place.is_workload() { party.workload.clone() } else { SmolStr::default() }
}

/// The host and the container of an end.
pub(crate) fn container_of<'a>(world: &'a World, party: &Party) -> Option<(&'a Host, &'a crate::container::Container)> {
    let host = world.host(&party.host)?;
    Some((host, host.container(party.container.as_ref().or(party.namespace_of.as_ref())?)?))
}
