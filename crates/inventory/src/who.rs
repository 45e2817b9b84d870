//! Who asked something of an API server, in the words that rules use.

use event::dictionary as d;
use event::kubernetes::{ApiRequest, Identity};
use event::{DerivedBuilder, SmolStr};
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

/// An identity behind something, as far as the server learned it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The identity that counts: the assumed one, when the request was impersonated.
    pub name: SmolStr,
    /// Its groups.
    pub groups: Vec<SmolStr>,
    /// Who really asked, when it was impersonated; empty else.
    pub impersonator: SmolStr,
    /// The peer's address.
    pub address: SmolStr,
    /// Certificate or token.
    pub credential: SmolStr,
    /// The workload whose token it is, or that held the address.
    pub workload: SmolStr,
    /// As the client says.
    pub user_agent: SmolStr,
}

/// What sort of identity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoKind {
    /// A person, or a certificate made for one.
    Person,
    /// A service account that is no controller of the control plane.
    ServiceAccount,
    /// A kubelet.
    Node,
    /// A controller of the control plane.
    Controller,
    /// Nobody who has said who he is.
    Anonymous,
    /// The server did not learn it.
    Unknown,
}

impl WhoKind {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            WhoKind::Person => "person",
            WhoKind::ServiceAccount => "service_account",
            WhoKind::Node => "node",
            WhoKind::Controller => "controller",
            WhoKind::Anonymous => "anonymous",
            WhoKind::Unknown => "unknown",
        }
    }
}

/// The one identity that all controllers have where they do not have one each.
const MANAGER: &str = "system:kube-controller-manager";

/// Parts of the control plane that are no service accounts.
const COMPONENTS: [&str; 5] =
    [MANAGER, "system:kube-scheduler", "system:apiserver", "system:cloud-controller-manager", "system:kube-aggregator"];

/// The service accounts that the controller manager gives its controllers, in the namespace `kube-system`.
const CONTROLLERS: [&str; 33] = [
    "attachdetach-controller",
    "certificate-controller",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "horizontal-pod-autoscaler",
    "job-controller",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pod-garbage-collector",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resource-claim-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "route-controller",
    "service-account-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
    "ttl-controller",
];

/// Where their service accounts are.
const SYSTEM_ACCOUNTS: &str = "system:serviceaccount:kube-system:";

impl Who {
    /// Who made a request. `workload` says which workload holds an address or is a pod.
    pub fn of(request: &ApiRequest, workload: impl FnOnce(&Identity, &str) -> SmolStr) -> Who {
        let (identity, impersonator) = match &request.impersonated {
            Some(assumed) => (assumed, request.user.name.clone()),
            None => (&request.user, SmolStr::default()),
        };
        Who {
            name: identity.name.clone(),
            groups: identity.groups.iter().take(GROUPS_MAX).cloned().collect(),
            impersonator,
            address: request.peer.clone(),
            credential: request.user.credential.clone(),
            workload: workload(&request.user, &request.peer),
            user_agent: request.user_agent.clone(),
        }
    }

    /// What sort of identity.
    pub fn kind(&self) -> WhoKind {
        let name = self.name.as_str();
        if name == "system:anonymous" || self.groups.iter().any(|group| group == "system:unauthenticated") {
            WhoKind::Anonymous
        } else if name.is_empty() {
            WhoKind::Unknown
        } else if COMPONENTS.contains(&name) || name.strip_prefix(SYSTEM_ACCOUNTS).is_some_and(|account| CONTROLLERS.contains(&account)) {
            WhoKind::Controller
        } else if name.starts_with("system:serviceaccount:") {
            WhoKind::ServiceAccount
        } else if name.starts_with("system:node:") {
            WhoKind::Node
        } else {
            WhoKind::Person
        }
    }

    /// Whether it is a part of the control plane, or a kubelet, that speaks for itself and is not impersonated.
    pub fn is_machinery(&self) -> bool {
        self.impersonator.is_empty() && matches!(self.kind(), WhoKind::Controller | WhoKind::Node)
    }

    /// Whether it is the controller that makes things for owners of that kind: only its word on who owns something is believed. Whoever may impersonate is no
    /// controller.
    pub fn makes_for(&self, owner: &str) -> bool {
        if !self.impersonator.is_empty() {
            return false;
        }
        let account = match owner {
            "Deployment" => "deployment-controller",
            "ReplicaSet" => "replicaset-controller",
            "ReplicationController" => "replication-controller",
            "DaemonSet" => "daemon-set-controller",
            "StatefulSet" => "statefulset-controller",
            "Job" => "job-controller",
            "CronJob" => "cronjob-controller",
            "Node" => return self.kind() == WhoKind::Node,
            _ => return false,
        };
        self.name == MANAGER || self.name.strip_prefix(SYSTEM_ACCOUNTS) == Some(account)
    }

    /// The name as rules see it.
    pub fn shown(&self) -> SmolStr {
        if self.name.is_empty() { SmolStr::new_static("unknown") } else { self.name.clone() }
    }

    /// Adds the fields of the group ACTORS and the actor itself.
    pub fn fields(&self, builder: &mut DerivedBuilder) {
        builder.push(d::ACTOR, self.shown());
        if !self.groups.is_empty() {
            builder.push(d::ACTOR_GROUPS, self.groups.clone());
        }
        builder.push(d::ACTOR_KIND, self.kind().as_str());
        for (field, value) in [
            (d::ACTOR_IMPERSONATOR, &self.impersonator),
            (d::ACTOR_ADDRESS, &self.address),
            (d::ACTOR_CREDENTIAL, &self.credential),
            (d::ACTOR_WORKLOAD, &self.workload),
            (d::USER_AGENT, &self.user_agent),
        ] {
            if !value.is_empty() {
                builder.push(field, value.clone());
            }
        }
    }
}

/// Groups that are kept of one identity.
const GROUPS_MAX: usize = 32;

/// `Kind:namespace/name`, or `Kind:name` for what belongs to the cluster.
pub fn object_key(kind: &str, namespace: &str, name: &str) -> SmolStr {
    if namespace.is_empty() { format_smolstr!("{kind}:{name}") } else { format_smolstr!("{kind}:{namespace}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str, impersonator: &str) -> Who {
        Who { name: name.into(), impersonator: impersonator.into(), ..Who::default() }
    }

    #[test]
    fn identities_are_told_apart_by_what_the_server_says_of_them() {
        let kind = |name: &str| who(name, "").kind().as_str();
        assert_eq!(kind("jo@shop.example"), "person");
        assert_eq!(kind("system:serviceaccount:shop:default"), "service_account");
        assert_eq!(kind("system:serviceaccount:shop:job-controller"), "service_account");
        assert_eq!(kind("system:serviceaccount:kube-system:job-controller"), "controller");
        assert_eq!(kind("system:node:n1"), "node");
        assert_eq!(kind("system:anonymous"), "anonymous");
        assert_eq!(kind(""), "unknown");
    }

    #[test]
    fn only_the_controller_of_a_kind_is_believed_and_never_somebody_who_impersonates_it() {
        let account = "system:serviceaccount:kube-system:replicaset-controller";
        assert!(who(account, "").makes_for("ReplicaSet"));
        assert!(!who(account, "").makes_for("Job"));
        assert!(!who(account, "jo").makes_for("ReplicaSet"));
        assert!(!who("system:serviceaccount:shop:replicaset-controller", "").makes_for("ReplicaSet"));
        assert!(who("system:node:n1", "").makes_for("Node") && !who("jo", "").makes_for("Node"));
    }
}
