//! A pod, or the template of one: what its containers share, and what its status says of them.

use super::container::{self, Shared};
use crate::fields::Fields;
use event::SmolStr;
use event::fact::ContainerSpec;
use event::kubernetes::{ContainerSort, Object, PodContainer, PodSpec};

/// Containers of a pod that are read.
const CONTAINERS_MAX: usize = 256;

/// Annotation of a static pod's image in the API.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Where each sort of container stands, in the spec and in the status.
const SORTS: [(ContainerSort, &str, &str); 3] = [
    (ContainerSort::Regular, "containers", "containerStatuses"),
    (ContainerSort::Init, "initContainers", "initContainerStatuses"),
    (ContainerSort::Ephemeral, "ephemeralContainers", "ephemeralContainerStatuses"),
];

/// Reads a pod or a template. `head` holds its labels and annotations.
pub(super) fn read(object: &Fields<'_>, head: &Object) -> PodSpec {
    let (spec, status) = (object.object("spec"), object.object("status"));
    let shared = Shared::read(&spec, head);
    let mut containers = Vec::new();
    for (sort, key, _) in SORTS {
        for one in spec.objects(key).iter().filter(|one| !is_deletion(one)).take(CONTAINERS_MAX) {
            containers.push(container::read(one, sort, &shared));
        }
    }
    let status_only = SORTS.iter().all(|(_, key, _)| spec.value(key).is_none());
    for (sort, _, key) in SORTS {
        for one in status.objects(key).iter().take(CONTAINERS_MAX) {
            let name = one.text("name");
            let known = containers.iter().position(|known| known.sort == sort && known.spec.name == name);
            let at = match known {
                Some(at) => at,
                None => {
                    let spec = ContainerSpec { name, labels: head.labels.clone(), ..ContainerSpec::default() };
                    containers.push(PodContainer { sort, spec, ..PodContainer::default() });
                    containers.len() - 1
                }
            };
            observe(one, &mut containers[at]);
        }
    }
    for container in &mut containers {
        container.spec.created = head.created;
    }
    let mut addresses: Vec<SmolStr> = status.objects("podIPs").iter().map(|one| one.text("ip")).filter(|ip| !ip.is_empty()).collect();
    let mut address = status.text("podIP");
    if address.is_empty() {
        address = addresses.first().cloned().unwrap_or_default();
    } else if !addresses.contains(&address) {
        addresses.insert(0, address.clone());
    }
    let account = spec.text("serviceAccountName");
    PodSpec {
        node: spec.text("nodeName"),
        service_account: if account.is_empty() { spec.text("serviceAccount") } else { account },
        mirror: head.annotations.iter().any(|(key, _)| key == MIRROR),
        host_network: spec.bool("hostNetwork"),
        runtime_class: spec.text("runtimeClassName"),
        address,
        addresses,
        phase: status.text("phase"),
        containers,
        status_only,
    }
}

/// An element of a strategic merge patch that takes its like away.
fn is_deletion(element: &Fields<'_>) -> bool {
    element.str("$patch") == "delete"
}

/// Adds what a container's status says: the runtime's own id, its state, its image as it was found.
fn observe(status: &Fields<'_>, container: &mut PodContainer) {
    let spec = &mut container.spec;
    let id = status.text("containerID");
    if !id.is_empty() {
        spec.id = SmolStr::new(id.split_once("://").map_or(id.as_str(), |(_, id)| id));
    }
    if spec.image.is_empty() {
        spec.image = status.text("image");
    }
    spec.image_id = digest(status.str("imageID")).into();
    spec.restart_count = status.int("restartCount").unwrap_or(spec.restart_count);
    let state = status.object("state");
    for name in ["running", "terminated", "waiting"] {
        if state.value(name).is_none() {
            continue;
        }
        let said = state.object(name);
        container.state = SmolStr::new(name);
        spec.status = SmolStr::new_static(match name {
            "running" => "running",
            "terminated" => "exited",
            _ => "created",
        });
        spec.started = said.time("startedAt");
        spec.finished = said.time("finishedAt");
        spec.exit_code = said.int("exitCode");
        spec.oom_killed = said.str("reason") == "OOMKilled";
        let ended = said.text("containerID");
        if spec.id.is_empty() && !ended.is_empty() {
            spec.id = SmolStr::new(ended.split_once("://").map_or(ended.as_str(), |(_, id)| id));
        }
        break;
    }
}

/// `docker.io/library/alpine@sha256:…` and `docker-pullable://…` are by their digest.
fn digest(id: &str) -> &str {
    let bare = id.split_once("://").map_or(id, |(_, bare)| bare);
    bare.rsplit_once('@').map_or(bare, |(_, digest)| digest)
}
