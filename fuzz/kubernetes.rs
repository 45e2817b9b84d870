//! What is tried with hostile objects of a cluster: they stand where an API server lets its clients put them.

use event::fact::Fact;
use event::{Body, Place, Record, SmolStr, Time};
use source::prepare;
use std::sync::Arc;

/// Verb, resource and subresource of requests whose bodies are read in different ways.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("create", "pods", ""),
    ("patch", "pods", "ephemeralcontainers"),
    ("patch", "pods", "status"),
    ("create", "pods", "binding"),
    ("create", "pods", "exec"),
    ("deletecollection", "pods", ""),
    ("delete", "namespaces", ""),
    ("update", "deployments", ""),
    ("patch", "cronjobs", ""),
    ("patch", "deployments", "scale"),
    ("patch", "networkpolicies", ""),
    ("patch", "clusterroles", ""),
    ("patch", "rolebindings", ""),
    ("patch", "validatingwebhookconfigurations", ""),
    ("patch", "validatingadmissionpolicies", ""),
    ("patch", "secrets", ""),
    ("patch", "limitranges", ""),
    ("patch", "resourcequotas", ""),
];

/// Reads the bytes as the object of every sort of request, and as what list and watch say. Panics are findings, as are answers that differ.
pub fn run(bytes: &[u8]) {
    let Ok(object) = std::str::from_utf8(bytes) else { return };
    for (verb, resource, subresource) in REQUESTS {
        let head = format!(
            r#""auditID":"a","stage":"ResponseComplete","verb":"{verb}","objectRef":{{"resource":"{resource}","subresource":"{subresource}","apiGroup":"g","apiVersion":"v1"}}"#
        );
        for body in ["requestObject", "responseObject"] {
            read(format!("{{{head},\"{body}\":{object}}}"));
        }
    }
    read(format!(r#"{{"type":"MODIFIED","object":{object}}}"#));
    read(format!(r#"{{"kind":"PodList","apiVersion":"v1","items":[{object}]}}"#));
    read(format!(r#"{{"kind":"NetworkPolicyList","apiVersion":"v1","items":[{object}]}}"#));
    read(format!(
        r#"{{"protoPayload":{{"methodName":"io.k8s.core.v1.pods.create","resourceName":"core/v1/namespaces/a/pods/b","request":{object}}},"insertId":"i"}}"#
    ));
    read(object.to_owned());
}

fn read(text: String) {
    let record = Record {
        seq: 0,
        source: SmolStr::default(),
        host: SmolStr::new_static("local"),
        arrived: Time(0),
        live: false,
        body: Body::Data(Arc::from(text.into_bytes())),
        place: Place::default(),
    };
    let (one, two) = (prepare(record.clone()).content, prepare(record).content);
    let (Some(Ok(one)), Some(Ok(two))) = (one, two) else { return };
    assert_eq!((one.time, one.identity, &one.fact), (two.time, two.identity, &two.fact), "decoding is a function");
    if let Some(Fact::Request(request)) = &one.fact {
        assert!(request.patched.windows(2).all(|pair| pair[0] < pair[1]), "paths are sorted and told once");
    }
}
