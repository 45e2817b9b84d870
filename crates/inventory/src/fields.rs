//! The groups of fields that events about a container share.

use crate::cluster::PodPart;
use crate::container::Container;
use crate::context::Explained;
use crate::host::Host;
use crate::image_ref;
use crate::limits::Limits;
use crate::owner;
use crate::who::Who;
use crate::world::World;
use event::dictionary as d;
use event::fact::Fact;
use event::kubernetes::{ApiRequest, ContainerSort};
use event::{DerivedBuilder, Event, Kind, Provenance, SmolStr, Time, Value};
use smol_str::format_smolstr;
use std::sync::Arc;

/// Begins an event of `kind` about a container, with the fields of the group CONTAINER.
pub fn about_container(
    kind: Kind,
    deriver: &'static str,
    cause: &Event,
    world: &World,
    host: &Host,
    container: &Container,
) -> DerivedBuilder {
    let id = container.id.text();
    let mut builder = DerivedBuilder::caused_by(kind, deriver, cause).about(&id).read_by(world.reading.as_deref());
    let time = cause.time;
    let doer = if DONE_TO.contains(&kind) { doer(cause, host) } else { None };
    describe(&mut builder, id, world.context.explain(host, container, time), host, container, time, doer.as_ref());
    builder
}

/// Kinds that tell what somebody did to a container that stands: of those, who did it is who asked for it; of all others, who made the container.
const DONE_TO: [Kind; 6] =
    [d::CONTAINER_EXEC, d::CONTAINER_ATTACHED, d::CONTAINER_CHANGED, d::CONTAINER_COPIED, d::CONTAINER_REMOVED, d::WORKLOAD_WEAKENED];

/// Who asked for what happens now, where a request says it.
fn doer(cause: &Event, host: &Host) -> Option<Who> {
    let Some(Fact::Request(request)) = cause.fact() else { return None };
    Some(requester(request, Some(host))).filter(|who| !who.is_machinery())
}

/// Who made a request, with the workload behind it where the cluster is known.
pub fn requester(request: &ApiRequest, host: Option<&Host>) -> Who {
    let cluster = host.and_then(|host| host.cluster.as_ref());
    Who::of(request, |identity, address| cluster.map(|cluster| cluster.workload_behind(&identity.pod, address)).unwrap_or_default())
}

/// The same for an event that a timer causes.
pub fn about_container_at(
    kind: Kind,
    deriver: &'static str,
    now: Time,
    evidence: Vec<Arc<Provenance>>,
    world: &World,
    host: &Host,
    container: &Container,
) -> DerivedBuilder {
    let mut builder =
        DerivedBuilder::at(kind, deriver, now, host.name.clone(), evidence).about(&container.id.text()).read_by(world.reading.as_deref());
    container_fields(&mut builder, world, host, container, now);
    builder
}

/// Adds the fields of the group CONTAINER: what it is called and made of.
pub fn container_fields(builder: &mut DerivedBuilder, world: &World, host: &Host, container: &Container, time: Time) {
    container_fields_explained(builder, world.context.explain(host, container, time), host, container, time);
}

/// The same with a verdict of the context that speaks of more than this container.
pub fn container_fields_explained(builder: &mut DerivedBuilder, explained: Explained, host: &Host, container: &Container, time: Time) {
    describe(builder, container.id.text(), explained, host, container, time, None);
}

/// The same with the text of the container's id, which an event about it holds already.
fn describe(
    builder: &mut DerivedBuilder,
    id: SmolStr,
    explained: Explained,
    host: &Host,
    container: &Container,
    time: Time,
    doer: Option<&Who>,
) {
    builder.push(d::CONTAINER_ID, id);
    builder.push(d::CONTAINER_NAME, &container.name);
    if !container.image.is_empty() {
        builder.push(d::CONTAINER_IMAGE_NAME, &container.image);
    }
    if !container.image_id.is_empty() {
        builder.push(d::CONTAINER_IMAGE_ID, &container.image_id);
    }
    if (builder.wants(d::CONTAINER_IMAGE_REPOSITORY) || builder.wants(d::CONTAINER_IMAGE_TAG))
        && let Some(named) = image_ref::known(&container.image)
    {
        builder.push(d::CONTAINER_IMAGE_REPOSITORY, &named.repository);
        if let Some(tag) = &named.tag {
            builder.push(d::CONTAINER_IMAGE_TAG, tag);
        }
    }
    if builder.wants(d::CONTAINER_IMAGE_DIGESTS)
        && let Some(image) = host.image(&container.image_id).filter(|image| image.spec.digests_known)
    {
        builder.push(d::CONTAINER_IMAGE_DIGESTS, image.spec.repo_digests.clone());
    }
    if builder.wants(d::CONTAINER_IMAGE_NOVEL)
        && let Some(novel) = host.novel(&container.image_id)
    {
        // What a container that stood there runs was there too, whatever the list says: an image can be deleted under it.
        builder.push(d::CONTAINER_IMAGE_NOVEL, novel && !container.preexisting());
    }
    if builder.wants(d::CONTAINER_COMMAND_LINE)
        && let Some(line) = container.command_line()
    {
        builder.push(d::CONTAINER_COMMAND_LINE, line);
    }
    if builder.wants(d::CONTAINER_FINGERPRINT)
        && let Some(fingerprint) = container.fingerprint()
    {
        builder.push(d::CONTAINER_FINGERPRINT, format_smolstr!("{:012x}", fingerprint >> 16));
    }
    builder.push(d::CONTAINER_RUNTIME_NAME, host.runtime_of(container));
    match &container.role {
        Some(sensor) => {
            builder.push(d::CONTAINER_ROLE, "sensor");
            builder.push(d::CONTAINER_ROLE_BASIS, sensor.basis.as_str());
            if builder.wants(d::CONTAINER_ROLE_EVIDENCE) {
                builder.push(d::CONTAINER_ROLE_EVIDENCE, sensor.evidence.clone());
            }
        }
        None => builder.push(d::CONTAINER_ROLE, "workload"),
    }
    if builder.wants(d::WORKLOAD_ID)
        && let Some(workload) = owner::workload(container)
    {
        builder.push(d::WORKLOAD_ID, workload);
    }
    if builder.wants(d::CONTAINER_OWNER)
        && let Some(owner) = owner::owner(&container.labels)
    {
        builder.push(d::CONTAINER_OWNER, owner);
    }
    if let Some(clone) = container.clone_of_older {
        builder.push(d::CONTAINER_CLONE, clone);
    }
    if let Some(created) = container.created.filter(|created| !container.time_suspect && *created <= time) {
        builder.push(d::CONTAINER_AGE, (time - created).as_seconds());
    }
    if builder.wants(d::WITNESSES) && container.seen_by_others() {
        builder.push(d::WITNESSES, container.witnesses.sources().cloned().collect::<Vec<SmolStr>>());
    }
    builder.push(d::EXPLAINED, explained.verdict.as_str());
    if let Some(by) = explained.by {
        builder.push(d::EXPLAINED_BY, by);
    }
    match doer.or(container.pod.as_ref().and_then(|part| part.behind()).map(|who| &**who)) {
        Some(who) => who.fields(builder),
        None => builder.push(d::ACTOR, "unknown"),
    }
    if let Some(part) = &container.pod {
        pod_fields(builder, host, part);
    }
    builder.push(d::INSPECTED, container.inspected());
    builder.push(d::PREEXISTING, container.preexisting());
}

/// Adds the fields of the group KUBERNETES.
fn pod_fields(builder: &mut DerivedBuilder, host: &Host, part: &PodPart) {
    builder.push(d::K8S_CLUSTER, &host.name);
    builder.push(d::K8S_NAMESPACE, &part.namespace);
    builder.push(d::K8S_CONTAINER_SORT, sort_word(part.sort));
    builder.push(d::K8S_MIRROR, part.mirror);
    for (field, value) in [
        (d::K8S_NODE, &part.node),
        (d::K8S_POD, &part.pod),
        (d::K8S_POD_UID, &part.uid),
        (d::K8S_CONTAINER, &part.name),
        (d::K8S_SERVICE_ACCOUNT, &part.service_account),
        (d::K8S_OWNER, &part.owner),
    ] {
        if !value.is_empty() {
            builder.push(field, value);
        }
    }
    if let Some(writer) = &part.owner_writer {
        builder.push(d::K8S_OWNER_ACTOR, writer.shown());
    }
}

/// The word for a sort of container.
fn sort_word(sort: ContainerSort) -> &'static str {
    match sort {
        ContainerSort::Regular => "regular",
        ContainerSort::Init => "init",
        ContainerSort::Ephemeral => "ephemeral",
    }
}

/// Adds the fields of the group POSTURE, when it was inspected.
pub fn posture_fields(builder: &mut DerivedBuilder, container: &Container) {
    if let Some(posture) = &container.posture {
        let wanted = builder.wanted().clone();
        posture.fields_wanted(&wanted, &mut |field, value: Value| builder.push(field, value));
    }
}

/// Adds the fields of the group LIMITS, when it was inspected.
pub fn limits_fields(builder: &mut DerivedBuilder, container: &Container) {
    if let Some(shape) = container.shape() {
        Limits::of(shape).fields(&mut |field, value: Value| builder.push(field, value));
    }
}
