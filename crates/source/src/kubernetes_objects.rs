//! What list and watch say of the objects of a cluster: one event of a watch, one complete list, or one object.
//!
//! Format: the Kubernetes API's `watch` events (`{"type":"ADDED","object":{…}}`) and lists (`PodList` and the like), and single objects as `kubectl get -o json`
//! lists them. None of these says when it was so.

use crate::fields::{Fields, Notes};
use crate::kubernetes::object;
use crate::prepare::{lacks, undated};
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::Fact;
use event::kubernetes::{ObjectChange, ObjectEvent, ObjectList};
use event::{Decoded, SmolStr, Undecodable, dictionary};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "kubernetes_objects",
    witness: Witness::Orchestrator,
    kind: dictionary::KUBERNETES_OBJECT,
    about: "What stands in a Kubernetes cluster, as list and watch say it.",
    size_max: LIST_SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"probe","namespace":"shop","uid":"0b6a0f9e-1111-4222-8333-444455556666","resourceVersion":"532","creationTimestamp":"2026-11-24T12:04:37Z","labels":{"run":"probe"}},"spec":{"nodeName":"worker-a","hostNetwork":true,"containers":[{"name":"probe","image":"alpine:3.20","env":[{"name":"MODE","value":"x"}],"ports":[{"name":"web","containerPort":8080,"hostPort":8080,"protocol":"TCP"}]}]},"status":{"phase":"Running","podIP":"10.8.2.12","podIPs":[{"ip":"10.8.2.12"}],"containerStatuses":[{"name":"probe","state":{"running":{"startedAt":"2026-11-24T12:04:38Z"}},"restartCount":0,"image":"alpine:3.20","imageID":"alpine@sha256:00ff","containerID":"containerd://7f3e00ff"}]}}}"#,
};

fn recognise(document: &Document) -> bool {
    let root = document.root();
    if root.as_object().is_none() {
        return false;
    }
    let has = |value: &Value, key: &str| value.get(key).is_some();
    if has(root, "type") && root.get("object").is_some_and(|object| has(object, "kind") && has(object, "apiVersion")) {
        return true;
    }
    let kind = root.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
    // A manifest on a disk is no statement of a server: those have a unique id.
    has(root, "apiVersion")
        && ((kind.len() > 4 && kind.ends_with("List") && has(root, "items"))
            || root.get("metadata").is_some_and(|metadata| has(metadata, "uid")))
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    if root.has("items") && !root.has("object") {
        return list(&root);
    }
    let kind = dictionary::KUBERNETES_OBJECT;
    let (change, object) = if root.has("object") {
        let change = match root.str("type") {
            "ADDED" => ObjectChange::Added,
            "MODIFIED" => ObjectChange::Modified,
            "DELETED" => ObjectChange::Deleted,
            // A bookmark says how far the watch has come, an error why it ends; neither is about an object.
            "BOOKMARK" | "ERROR" => {
                return Ok(Decoded { fact: None, ..undated(kind, SmolStr::default(), Fact::Objects(Box::default())) });
            }
            _ => return Err(Undecodable { reason: "not an event of a watch: its type is unknown".to_owned(), unknown: false }),
        };
        (change, root.object("object"))
    } else {
        (ObjectChange::Added, root)
    };
    let object = object::read(&object, "", "");
    if object.kind.is_empty() {
        return Err(lacks("kind"));
    }
    let subject = object.uid.clone();
    Ok(undated(kind, subject, Fact::Object(Box::new(ObjectEvent { change, object }))))
}

/// A list is taken for everything of its kind, so a page of one is refused.
fn list(root: &Fields<'_>) -> Result<Decoded, Undecodable> {
    let metadata = root.object("metadata");
    if !metadata.str("continue").is_empty() || metadata.int("remainingItemCount").is_some_and(|count| count > 0) {
        let reason = "one page of a longer list: what stands on the others is unknown; ask without a limit".to_owned();
        return Err(Undecodable { reason, unknown: false });
    }
    if root.value("items").is_some_and(|items| items.as_array().is_some_and(|items| items.len() > object::ITEMS_MAX)) {
        let reason = format!("a list of more than {} objects, more than are read", object::ITEMS_MAX);
        return Err(Undecodable { reason, unknown: false });
    }
    let (kind, items) = object::items(root);
    if kind.is_empty() {
        return Err(lacks("the kind of its items"));
    }
    Ok(undated(dictionary::KUBERNETES_OBJECT, SmolStr::default(), Fact::Objects(Box::new(ObjectList { kind, items }))))
}
