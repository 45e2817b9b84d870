//! One audit event: who asked the API server for what, and what came of it.
//!
//! One request makes up to three events with one `auditID`: received, started to answer (watch, exec and the like), answered. Each is a fact of its own, with its
//! stage; whoever counts requests counts each `auditID` once.

use super::{object, patch, uri};
use crate::fields::{Fields, Notes};
use crate::prepare::lacks;
use event::document::Document;
use event::event::identity_of;
use event::fact::Fact;
use event::kubernetes::{ApiRequest, Identity, Object};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use sonic_rs::JsonContainerTrait;

/// Groups and addresses of one request that are kept.
const LIST_MAX: usize = 64;

/// Keys of `user.extra` by which a credential and what it is bound to are known.
const EXTRA: &str = "authentication.kubernetes.io/";

/// Whether a value has the shape of an audit event. The items of an `EventList` say neither kind nor version.
pub(crate) fn is_event(value: &sonic_rs::Value) -> bool {
    let Some(object) = value.as_object() else { return false };
    let mut found = 0u8;
    for (key, _) in object.iter() {
        found |= match key {
            "auditID" => 1,
            "stage" => 2,
            "requestURI" | "verb" => 4,
            _ => 0,
        };
        if found == 7 {
            return true;
        }
    }
    false
}

/// Reads an audit event. The document is added by the caller.
pub(crate) fn decode(value: &sonic_rs::Value) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let event = Fields::new(value, &notes);
    let audit_id = event.text("auditID");
    if audit_id.is_empty() {
        return Err(lacks("auditID"));
    }
    let stage = event.text("stage");
    let received = event.time("requestReceivedTimestamp");
    // `v1beta1` and older events may have only the time in whole seconds.
    let time = event.time("stageTimestamp").or(received).or_else(|| event.time("timestamp"));
    let request = request(&event, audit_id, stage, received);
    Ok(Decoded {
        kind: dictionary::KUBERNETES_AUDIT,
        time,
        // A client may choose the `auditID` itself: the same id on another request must not make that a repeat.
        identity: Some(identity_of(&[
            request.audit_id.as_bytes(),
            request.stage.as_bytes(),
            request.verb.as_bytes(),
            request.uri.as_bytes(),
            request.user.name.as_bytes(),
            &received.map_or(0, |time| time.0).to_be_bytes(),
        ])),
        subject: request.uid.clone(),
        document: Document::default(),
        fact: Some(Fact::Request(Box::new(request))),
        truncated: false,
        duplicate_keys: false,
    })
}

fn request(event: &Fields<'_>, audit_id: SmolStr, stage: SmolStr, received: Option<Time>) -> ApiRequest {
    let (reference, status) = (event.object("objectRef"), event.object("responseStatus"));
    let annotations = event.pairs("annotations");
    let annotation = |key: &str| annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()).unwrap_or_default();
    let uri = event.text("requestURI");
    let query = uri::query(&uri);
    let mut addresses: Vec<SmolStr> = event.texts("sourceIPs");
    let peer = addresses.pop().unwrap_or_default();
    addresses.truncate(LIST_MAX);
    let impersonated = event.value("impersonatedUser").map(|_| identity(&event.object("impersonatedUser")));
    let mut request = ApiRequest {
        audit_id,
        stage,
        level: event.text("level"),
        verb: event.text("verb"),
        group: reference.text("apiGroup"),
        resource: reference.text("resource"),
        subresource: reference.text("subresource"),
        namespace: reference.text("namespace"),
        name: reference.text("name"),
        uid: reference.text("uid"),
        user: identity(&event.object("user")),
        impersonated,
        peer,
        forwarded_for: addresses,
        user_agent: event.text("userAgent"),
        code: status.int("code"),
        reason: status.text("reason"),
        message: status.text("message"),
        decision: annotation("authorization.k8s.io/decision"),
        decision_reason: annotation("authorization.k8s.io/reason"),
        truncated: annotation("audit.k8s.io/truncated") == "true",
        dry_run: query.dry_run,
        command: query.command,
        container: query.container,
        tty: query.tty,
        issued_credential: annotation("authentication.kubernetes.io/issued-credential-id"),
        pod_security: annotation("pod-security.kubernetes.io/enforce-policy"),
        received,
        uri,
        ..ApiRequest::default()
    };
    read_objects(event, &reference, &mut request);
    settle_names(&mut request);
    request
}

/// Who asks, with the credential and what it is bound to.
fn identity(user: &Fields<'_>) -> Identity {
    let mut groups = user.texts("groups");
    groups.truncate(LIST_MAX);
    let mut identity = Identity { name: user.text("username"), uid: user.text("uid"), groups, ..Identity::default() };
    let extra = user.member_texts("extra");
    let get = |key: &str| {
        let found = extra.iter().find(|(name, _)| name.strip_prefix(EXTRA) == Some(key));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    identity.credential = get("credential-id");
    identity.node = get("node-name");
    let pod = get("pod-name");
    if !pod.is_empty() {
        // A token of a pod belongs to an account of the pod's own namespace.
        let namespace = identity.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split(':').next()).unwrap_or_default();
        identity.pod = SmolStr::new(format!("{namespace}/{pod}"));
    }
    identity
}

/// Where the object stands: in the answer, else in what was asked; a patch says only a part.
fn read_objects(event: &Fields<'_>, reference: &Fields<'_>, request: &mut ApiRequest) {
    let (asked, answer) = (event.object("requestObject"), event.object("responseObject"));
    let kind = object::kind_of(&request.resource, &request.subresource);
    let version = reference.text("apiVersion");
    let version = if request.group.is_empty() { version } else { SmolStr::new(format!("{}/{version}", request.group)) };
    let read = |fields: &Fields<'_>| Box::new(object::read(fields, kind, &version));
    let is_status = answer.str("kind") == "Status";
    if is_status {
        if request.uid.is_empty() {
            request.uid = answer.object("details").text("uid");
        }
    } else if request.verb == "deletecollection" {
        request.items = object::items(&answer).1;
    } else if answer.parsed().is_some() && !answer.str("kind").ends_with("List") {
        request.object = Some(read(&answer));
        request.object_final = true;
    }
    let what = asked.str("kind");
    match request.verb.as_str() {
        "patch" => {
            let Some(body) = event.value("requestObject") else { return };
            request.patched = patch::paths(body);
            if request.object_final {
                return;
            }
            match patch::asked(body) {
                Some(text) => {
                    let Ok(document) = Document::parse_within(text.as_bytes(), super::EVENT_SIZE_MAX) else { return };
                    let notes = Notes::default();
                    request.asked = Some(Box::new(object::read(&Fields::new(document.root(), &notes), kind, &version)));
                }
                None if asked.parsed().is_some() => request.asked = Some(read(&asked)),
                None => {}
            }
        }
        _ if matches!(what, "DeleteOptions" | "DeletionOptions") => {
            request.dry_run |= !asked.texts("dryRun").is_empty();
            if request.uid.is_empty() {
                request.uid = asked.object("preconditions").text("uid");
            }
        }
        _ if matches!(what, "PodExecOptions" | "PodAttachOptions") => {
            if request.command.is_empty() {
                request.command = asked.texts("command");
            }
            if request.container.is_empty() {
                request.container = asked.text("container");
            }
            request.tty |= asked.bool("tty");
        }
        _ if asked.parsed().is_some() => {
            request.dry_run |= !asked.object("deleteOptions").texts("dryRun").is_empty();
            if !request.object_final {
                request.object = Some(read(&asked));
            } else if request.verb == "create" {
                request.asked = Some(read(&asked));
            }
        }
        _ => {}
    }
}

/// Fills in what the reference leaves out, and takes apart what only looks like a name.
fn settle_names(request: &mut ApiRequest) {
    // `nodes/https:node-2:10251/proxy`: scheme and port are no part of the name.
    if request.subresource == "proxy" {
        let parts: Vec<&str> = request.name.split(':').collect();
        let bare = match parts.as_slice() {
            [_, name, _] | [name, _] => Some(*name),
            _ => None,
        };
        if let Some(bare) = bare {
            request.name = SmolStr::new(bare);
        }
    }
    let fill = |to: &mut SmolStr, from: &SmolStr| {
        if to.is_empty() {
            *to = from.clone();
        }
    };
    let (uid, name, namespace) = {
        let objects = || [request.object.as_deref(), request.asked.as_deref()].into_iter().flatten();
        // A binding's and an eviction's own uid are none; that of a patch's object stands in the patch.
        let first = |get: fn(&Object) -> &SmolStr| objects().map(get).find(|text| !text.is_empty()).cloned().unwrap_or_default();
        (first(|object| &object.uid), first(|object| &object.name), first(|object| &object.namespace))
    };
    fill(&mut request.uid, &uid);
    // An answer to a request for a token or a scale is about the object named in the request.
    if request.subresource.is_empty() {
        fill(&mut request.name, &name);
    }
    if request.resource == "namespaces" {
        // Some verbs name the namespace twice; it stands in none itself.
        fill(&mut request.name, &request.namespace.clone());
        request.namespace = SmolStr::default();
    } else {
        fill(&mut request.namespace, &namespace);
    }
}
