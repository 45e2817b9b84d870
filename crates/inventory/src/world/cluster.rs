//! What the API server says: requests and objects of a cluster.
//!
//! One request is up to three records with one `auditID`; the first that knows the answer acts, and no later one does: of an exec or a watch the last stage may
//! come hours later. A client may choose the `auditID` itself, so more than that tells requests apart. What was refused, or was a dry run, changes nothing, but
//! is told.

use super::Hands;
use super::cluster_objects as objects;
use super::cluster_pods as pods;
use crate::cluster::{ACTED_MAX, Cluster};
use crate::host::Host;
use crate::step::Step;
use crate::who::Who;
use event::Event;
use event::event::identity_of;
use event::fact::Fact;
use event::kubernetes::{ApiRequest, ObjectChange};
use std::sync::Arc;

/// Applies what such a witness says.
pub(super) fn applied(host: &mut Host, event: &Event, fact: &Fact, hands: &mut Hands<'_>) {
    let mut cluster = host.cluster.take().unwrap_or_default();
    let forgotten = cluster.bound(event.at);
    if forgotten > 0 {
        hands.pressure.add("inventory.pods", forgotten);
    }
    let mut site = Site { host, cluster: &mut cluster, event, hands };
    let told = match fact {
        Fact::Request(request) => asked(&mut site, request),
        Fact::Object(said) => {
            match said.change {
                ObjectChange::Deleted => objects::deleted(&mut site, &said.object, None),
                ObjectChange::Added | ObjectChange::Modified => {
                    objects::shown(&mut site, &said.object, None, said.change == ObjectChange::Added)
                }
            }
            true
        }
        Fact::Objects(list) => {
            objects::listed(&mut site, list);
            true
        }
        _ => false,
    };
    host.cluster = Some(cluster);
    if told {
        hands.say(Step::Cluster);
    }
}

/// Where one event of a cluster is applied.
pub(super) struct Site<'a, 'h> {
    pub(super) host: &'a mut Host,
    pub(super) cluster: &'a mut Cluster,
    pub(super) event: &'a Event,
    pub(super) hands: &'a mut Hands<'h>,
}

/// Whether a request came to something, as far as it is known.
pub(crate) fn was_done(request: &ApiRequest) -> bool {
    !request.dry_run && request.decision != "forbid" && request.stage != "Panic" && request.code.is_none_or(|code| code < 400)
}

/// Applies a request. Says whether it is the record of it that acts.
fn asked(site: &mut Site<'_, '_>, request: &ApiRequest) -> bool {
    if request.stage == "RequestReceived" || !is_first(site.cluster, request) {
        return false;
    }
    if !was_done(request) {
        return true;
    }
    let who = Arc::new(Who::of(request, |identity, address| site.cluster.workload_behind(&identity.pod, address)));
    match (request.group.as_str(), request.resource.as_str()) {
        ("", "pods") => pods::asked(site, request, &who),
        ("", "serviceaccounts") if request.subresource == "token" => objects::minted(site, request, &who),
        ("", "nodes") if request.subresource.is_empty() => objects::node(site, request),
        _ => objects::asked(site, request, &who),
    }
    true
}

/// Whether this is the first record of a request that knows the answer.
fn is_first(cluster: &mut Cluster, request: &ApiRequest) -> bool {
    if request.audit_id.is_empty() {
        return true;
    }
    let received = request.received.map_or(0, |time| time.0).to_be_bytes();
    let parts = [request.audit_id.as_bytes(), request.uri.as_bytes(), request.verb.as_bytes(), request.user.name.as_bytes(), &received];
    let key = identity_of(&parts);
    if cluster.acted.contains_key(&key) || cluster.acted_long.contains_key(&key) {
        return false;
    }
    // The ordinary ones must not push out the long ones.
    let acted = if request.stage == "ResponseStarted" { &mut cluster.acted_long } else { &mut cluster.acted };
    if acted.len() >= ACTED_MAX {
        acted.drain(..ACTED_MAX / 16);
    }
    acted.insert(key, ());
    true
}
