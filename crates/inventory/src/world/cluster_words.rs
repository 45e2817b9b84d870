//! What a pod's container is called, and what its references and labels say.

use crate::cluster::Pod;
use crate::image_ref;
use event::SmolStr;
use event::fact::ContainerSpec;
use smol_str::format_smolstr;

/// `namespace/pod/container`, as far as it is known.
pub(super) fn full_name(pod: &Pod, name: &str) -> SmolStr {
    let (namespace, of) = (&pod.namespace, &pod.name);
    match (of.is_empty(), name.is_empty()) {
        (false, false) => format_smolstr!("{namespace}/{of}/{name}"),
        (false, true) => format_smolstr!("{namespace}/{of}"),
        (true, false) => format_smolstr!("{namespace}/?/{name}"),
        (true, true) => format_smolstr!("{namespace}/?"),
    }
}

/// The labels that the kubelet would give it, and the pod's own, of which none may pose as those.
pub(super) fn labels(pod: &Pod, name: &str) -> Vec<(SmolStr, SmolStr)> {
    let own = [
        ("io.kubernetes.container.name", SmolStr::new(name)),
        ("io.kubernetes.pod.name", pod.name.clone()),
        ("io.kubernetes.pod.namespace", pod.namespace.clone()),
        ("io.kubernetes.pod.uid", pod.uid.clone()),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (SmolStr::new_static(key), value));
    let more = pod.labels.iter().filter(|(key, _)| !key.starts_with("io.kubernetes.pod.") && !key.starts_with("io.kubernetes.container."));
    own.chain(more.cloned()).collect()
}

/// The registry digest of its image, from the status or from the reference itself.
pub(super) fn digest(spec: &ContainerSpec) -> SmolStr {
    let of = |text: &str| text.rsplit_once('@').map(|(_, digest)| SmolStr::new(digest)).filter(|digest| digest.starts_with("sha256:"));
    let by_reference = || of(&spec.image).filter(|_| image_ref::known(&spec.image).is_some());
    of(&spec.image_id).or_else(by_reference).unwrap_or_default()
}
