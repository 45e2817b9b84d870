//! The objects of a Kubernetes cluster as a collector, by list and watch.
//!
//! It is built with the cargo feature `kubernetes` only, because the client of the cluster is large; without it the row stands here and says so.

use super::Surroundings;
use super::room::{CollectorDef, Presence};
use event::Witness;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "kubernetes",
    witness: Witness::Orchestrator,
    sources: &["kubernetes_objects"],
    about: "What stands in a Kubernetes cluster: pods, namespaces, network policies and workloads, as list and watch say it.",
    blind: "static pods, mirror pods and pods that the audit log never showed are not seen",
    find,
};

#[cfg(not(feature = "kubernetes"))]
fn find(_: &Surroundings) -> Presence {
    Presence::absent(
        "this program was built without the client of Kubernetes",
        "to list and watch a cluster: build with --features kubernetes",
    )
}

#[cfg(feature = "kubernetes")]
fn find(around: &Surroundings) -> Presence {
    use super::kubernetes_watch::{Access, follow};
    use super::room::Found;
    use std::path::PathBuf;

    let setting = |key: &str| around.setting(&format!("kubernetes.{key}")).filter(|value| !value.is_empty()).map(str::to_owned);
    let in_cluster = around.variable("KUBERNETES_SERVICE_HOST").is_some();
    let kubeconfig = setting("kubeconfig").map(PathBuf::from);
    // A configuration in the home folder was made for somebody's own hands, and may lead anywhere; it is used only when somebody says so.
    if kubeconfig.is_none() && around.variable("KUBECONFIG").is_none() && !in_cluster {
        return Presence::absent("no cluster was named", "to follow one: --set kubernetes.kubeconfig=FILE, or set KUBECONFIG");
    }
    if let Some(path) = kubeconfig.as_ref().filter(|path| !path.exists()) {
        return Presence::denied(
            format!("no such file: {}", path.display()),
            "name the cluster's configuration with --set kubernetes.kubeconfig=FILE",
        );
    }
    let address = match &kubeconfig {
        Some(path) => path.display().to_string(),
        None if around.variable("KUBECONFIG").is_some() => "KUBECONFIG".to_owned(),
        None => "this cluster".to_owned(),
    };
    let access = Access {
        kubeconfig,
        context: setting("context"),
        from_variable: around.variable("KUBECONFIG").is_some(),
        cluster: setting("cluster"),
        only: setting("resources").map(|list| list.split(',').map(|name| name.trim().to_owned()).collect()),
    };
    Presence::Present(Found::kept(address, move |room| follow(room, access.clone())))
}
