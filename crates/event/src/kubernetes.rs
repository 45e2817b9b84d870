//! What a Kubernetes API server says: requests (audit) and objects (list and watch).
//!
//! A patch's request object is the patch, not the object; what an object is after a request stands in the response, where the audit level keeps it. A decoder
//! takes the response object when there is one, else the request's, and says which.

use crate::fact::ContainerSpec;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// One request to the API server, at its last stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiRequest {
    /// `auditID`: the same in each stage of one request.
    pub audit_id: SmolStr,
    /// `RequestReceived`, `ResponseStarted`, `ResponseComplete`, `Panic`.
    pub stage: SmolStr,
    /// `None`, `Metadata`, `Request`, `RequestResponse`.
    pub level: SmolStr,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other URLs the method.
    pub verb: SmolStr,
    /// Path and query as they were asked for.
    pub uri: SmolStr,
    /// `apiGroup`; empty for the core group.
    pub group: SmolStr,
    /// Resource, plural (`pods`); empty for URLs that are none.
    pub resource: SmolStr,
    /// `exec`, `attach`, `portforward`, `ephemeralcontainers`, `binding`, `eviction`, `status`, `proxy`, `token`, `resize`, `scale`, …
    pub subresource: SmolStr,
    /// Namespace; empty for objects of the cluster.
    pub namespace: SmolStr,
    /// Name; from the response where the request had none.
    pub name: SmolStr,
    /// The object's uid, where any part of the record says it.
    pub uid: SmolStr,
    /// Who asked.
    pub user: Identity,
    /// As whom, when impersonated. Both are kept.
    pub impersonated: Option<Identity>,
    /// The peer's address: the last of `sourceIPs`. Those before it are the client's own words.
    pub peer: SmolStr,
    /// Claimed addresses before it.
    pub forwarded_for: Vec<SmolStr>,
    /// As the client says.
    pub user_agent: SmolStr,
    /// HTTP status; `None` when no stage with an answer was seen.
    pub code: Option<i64>,
    /// `responseStatus.reason`.
    pub reason: SmolStr,
    /// `responseStatus.message`.
    pub message: SmolStr,
    /// `authorization.k8s.io/decision`: `allow`, `forbid`; admission refusals show only in `code`.
    pub decision: SmolStr,
    /// `authorization.k8s.io/reason`.
    pub decision_reason: SmolStr,
    /// `audit.k8s.io/truncated`: the objects were cut off; what they said is unknown, not empty.
    pub truncated: bool,
    /// The request was a dry run: nothing came of it.
    pub dry_run: bool,
    /// For exec: command and arguments (`command=` of the query, decoded).
    pub command: Vec<SmolStr>,
    /// For exec, attach and the like: the container that the query names.
    pub container: SmolStr,
    /// For exec and attach: a terminal was asked for.
    pub tty: bool,
    /// `authentication.kubernetes.io/issued-credential-id` of a token request: the token that it minted.
    pub issued_credential: SmolStr,
    /// `pod-security.kubernetes.io/enforce-policy`.
    pub pod_security: SmolStr,
    /// When the request came in; the event's own time is the stage's.
    pub received: Option<Time>,
    /// The object after the request (response), else as it was asked for (request).
    pub object: Option<Box<Object>>,
    /// `object` is from the response: what the server holds. Else it is what was asked for, before defaults and admission.
    pub object_final: bool,
    /// The request's own body, when it was a patch: the keys that it touches, as dotted paths (`spec.template.spec.nodeSelector`), sorted.
    pub patched: Vec<SmolStr>,
    /// For a patch without a final object: the part of the object that the patch itself says. For creates: the request's object when `object` is the final one.
    pub asked: Option<Box<Object>>,
    /// For `deletecollection`: the objects that went, where the response lists them.
    pub items: Vec<Object>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `system:serviceaccount:…`, `system:node:…`, `system:anonymous`, a person's name; empty when the server did not learn it (401).
    pub name: SmolStr,
    /// Unique id.
    pub uid: SmolStr,
    /// Groups.
    pub groups: Vec<SmolStr>,
    /// `authentication.kubernetes.io/credential-id`: which certificate or token.
    pub credential: SmolStr,
    /// `authentication.kubernetes.io/pod-name` and the like: the pod to which a token is bound, as `namespace/name`.
    pub pod: SmolStr,
    /// `authentication.kubernetes.io/node-name`.
    pub node: SmolStr,
}

/// An object of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// `Pod`, `Deployment`, `NetworkPolicy` …
    pub kind: SmolStr,
    /// `apiVersion`.
    pub api_version: SmolStr,
    /// Namespace; empty for objects of the cluster.
    pub namespace: SmolStr,
    /// Name; empty when the server was to choose it and the answer is not known.
    pub name: SmolStr,
    /// `generateName`.
    pub generate_name: SmolStr,
    /// Unique id.
    pub uid: SmolStr,
    /// `resourceVersion`.
    pub resource_version: SmolStr,
    /// `generation`; 0 when not said.
    pub generation: i64,
    /// When it was created.
    pub created: Option<Time>,
    /// It is being deleted.
    pub deleted: bool,
    /// Labels.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// Annotations: of long ones (over 1 KiB) only the key.
    pub annotations: Vec<(SmolStr, SmolStr)>,
    /// Controlling owner, else the first.
    pub owner: Option<Owner>,
    /// What it is.
    pub body: Body,
}

/// Who owns an object, as it says itself. To be believed when the controller of that kind wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `ReplicaSet`, `Job`, `Node` …
    pub kind: SmolStr,
    /// Name.
    pub name: SmolStr,
    /// Unique id.
    pub uid: SmolStr,
}

/// What an object is, as far as anything is read of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Nothing is read of this kind, or the record does not hold it.
    #[default]
    Other,
    /// A pod.
    Pod(Box<PodSpec>),
    /// A Deployment, ReplicaSet, DaemonSet, StatefulSet, Job, CronJob or ReplicationController.
    Workload(Box<WorkloadSpec>),
    /// A NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicySpec>),
    /// A RoleBinding or ClusterRoleBinding.
    Binding(BindingSpec),
    /// A Role or ClusterRole.
    Role(Vec<RoleRule>),
    /// A validating or mutating webhook configuration.
    Webhooks(Vec<WebhookSpec>),
    /// A pod's binding to a node (`pods/binding`): the node's name.
    Target(SmolStr),
    /// A ConfigMap or Secret: its keys; values are never kept.
    Keys(Vec<SmolStr>),
    /// Another object of admission: ValidatingAdmissionPolicy and its binding, and policies of engines (Kyverno, Gatekeeper), by a hash of the spec.
    Guard(SmolStr),
    /// A LimitRange or ResourceQuota: (`container.max.cpu`, value) and the like.
    Limits(Vec<(SmolStr, SmolStr)>),
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodSpec {
    /// Node that it is bound to; empty before.
    pub node: SmolStr,
    /// Service account.
    pub service_account: SmolStr,
    /// `kubernetes.io/config.mirror` is there: a static pod's image in the API.
    pub mirror: bool,
    /// Shares the node's network.
    pub host_network: bool,
    /// Runtime class.
    pub runtime_class: SmolStr,
    /// Address; empty before it has one.
    pub address: SmolStr,
    /// All addresses.
    pub addresses: Vec<SmolStr>,
    /// `Pending`, `Running`, `Succeeded`, `Failed`; empty when not said.
    pub phase: SmolStr,
    /// Its containers of every sort, ready for the same judgement as any runtime's: host namespaces, host paths, capabilities, limits and so on are in each spec.
    pub containers: Vec<PodContainer>,
    /// The record does not hold the containers (a status only): they are unknown, not none.
    pub status_only: bool,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodContainer {
    /// Which sort.
    pub sort: ContainerSort,
    /// For an ephemeral one: the container whose processes it joins.
    pub target: SmolStr,
    /// What it is. `id` is the runtime's own id where the status says it (without the scheme), else empty; `name` is the container's name in the pod.
    pub spec: ContainerSpec,
    /// `status.containerStatuses[]`: `waiting`, `running`, `terminated`; empty when not said.
    pub state: SmolStr,
    /// Ports with a name, for network policies: (name, protocol, port).
    pub named_ports: Vec<(SmolStr, SmolStr, u16)>,
}

/// Sort of a pod's container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ContainerSort {
    /// `containers`.
    #[default]
    Regular,
    /// `initContainers`.
    Init,
    /// `ephemeralContainers`.
    Ephemeral,
}

/// What makes pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    /// Wanted number of pods; `None` when not said.
    pub replicas: Option<i64>,
    /// Labels of its pods.
    pub pod_labels: Vec<(SmolStr, SmolStr)>,
    /// Node selector of its pods.
    pub node_selector: Vec<(SmolStr, SmolStr)>,
    /// Its pods. `None` when the record does not hold the template.
    pub template: Option<Box<PodSpec>>,
    /// For a CronJob: the schedule.
    pub schedule: SmolStr,
    /// `status`: wanted and ready pods, where said.
    pub desired_ready: Option<(i64, i64)>,
}

/// Who may do what a role says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingSpec {
    /// `Role`, `ClusterRole`.
    pub role_kind: SmolStr,
    /// The role's name.
    pub role: SmolStr,
    /// Subjects, as `User:…`, `Group:…`, `ServiceAccount:namespace/name`.
    pub subjects: Vec<SmolStr>,
}

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRule {
    /// Verbs.
    pub verbs: Vec<SmolStr>,
    /// Groups.
    pub groups: Vec<SmolStr>,
    /// Resources, with subresources as `pods/exec`.
    pub resources: Vec<SmolStr>,
    /// Names that it is restricted to.
    pub names: Vec<SmolStr>,
}

/// One webhook of admission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSpec {
    /// Name.
    pub name: SmolStr,
    /// `Fail`, `Ignore`; empty when the record leaves it to the default (`Fail`).
    pub failure_policy: SmolStr,
    /// Selectors of namespaces and objects, as canonical JSON; empty selects all.
    pub namespace_selector: SmolStr,
    /// Likewise.
    pub object_selector: SmolStr,
    /// Time-out in seconds; `None` when left to the default.
    pub timeout: Option<i64>,
    /// Its rules, as canonical JSON.
    pub rules: SmolStr,
    /// Match conditions, as canonical JSON.
    pub conditions: SmolStr,
    /// Where it is served, as canonical JSON without the certificate bundle.
    pub client: SmolStr,
}

/// A network policy, as the API has it. Defaults are not filled in: `policy_types` is empty when the record leaves it out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPolicySpec {
    /// The pods that it selects.
    pub pods: Selector,
    /// `Ingress`, `Egress`, as written.
    pub policy_types: Vec<SmolStr>,
    /// Rules for traffic to the pods; `None` when the key is absent.
    pub ingress: Option<Vec<PolicyRule>>,
    /// Rules for traffic from the pods.
    pub egress: Option<Vec<PolicyRule>>,
}

/// One rule: every one of `peers` at every one of `ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// `from` or `to`; empty or absent means everybody.
    pub peers: Vec<PolicyPeer>,
    /// Ports; empty or absent means all.
    pub ports: Vec<PolicyPort>,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyPeer {
    /// Pods. Without a namespace selector those of the policy's own namespace; without a pod selector all pods of those namespaces.
    Pods {
        /// `namespaceSelector`.
        namespaces: Option<Selector>,
        /// `podSelector`.
        pods: Option<Selector>,
    },
    /// Addresses.
    Block {
        /// `cidr`.
        cidr: SmolStr,
        /// `except`.
        except: Vec<SmolStr>,
    },
}

/// Which ports a rule means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPort {
    /// `TCP` when empty.
    pub protocol: SmolStr,
    /// Number or a container port's name; `None` means all.
    pub port: Option<SmolStr>,
    /// Last port of a range.
    pub end_port: Option<u16>,
}

/// A label selector; an empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// `matchLabels`.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// `matchExpressions`.
    pub expressions: Vec<Expression>,
}

/// One expression of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expression {
    /// Label's key.
    pub key: SmolStr,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, as written.
    pub operator: SmolStr,
    /// Values.
    pub values: Vec<SmolStr>,
}

/// What list and watch say of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectEvent {
    /// What happened.
    pub change: ObjectChange,
    /// The object.
    pub object: Object,
}

/// What a watch says happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectChange {
    /// `ADDED`.
    #[default]
    Added,
    /// `MODIFIED`.
    Modified,
    /// `DELETED`.
    Deleted,
}

/// A complete list of one kind of object: what is not on it did not exist then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectList {
    /// Kind of the items (`Pod`).
    pub kind: SmolStr,
    /// The objects.
    pub items: Vec<Object>,
}
