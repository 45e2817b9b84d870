//! Identities of a cluster that the operator declared, and what each may ask for.
//!
//! The API server proves who asks; names of clients and addresses that a client forwards are its own words and explain nothing.

use crate::request::kubelet_path;
use crate::who::Who;
use event::kubernetes::ApiRequest;
use event::{SmolStr, Time};
use ipnet::IpNet;
use std::net::IpAddr;

/// A declared identity.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Its name, as the API server has it.
    pub(crate) name: SmolStr,
    /// What it may ask for: `verb resource/subresource`, either of them `*`.
    pub(crate) may: Vec<(SmolStr, SmolStr)>,
    /// In these namespaces only; empty means in all.
    pub(crate) namespaces: Vec<SmolStr>,
    /// Paths of a kubelet's own API that it may reach through `nodes/proxy`; a star at the end means all below. Empty means none.
    pub(crate) paths: Vec<SmolStr>,
    /// Peers that it comes from; empty means any.
    pub(crate) addresses: Vec<IpNet>,
    /// Owner and reason.
    pub(crate) by: SmolStr,
    /// The end of its last day.
    pub(crate) expires: Time,
}

impl Identity {
    /// Whether a request keeps within what is declared. Whoever is impersonated did not ask himself.
    pub(crate) fn allows(&self, who: &Who, request: &ApiRequest) -> bool {
        let what = if request.subresource.is_empty() {
            request.resource.clone()
        } else {
            SmolStr::from(format!("{}/{}", request.resource, request.subresource))
        };
        let asked =
            self.may.iter().any(|(verb, resource)| (verb == "*" || *verb == request.verb) && (resource == "*" || *resource == what));
        let there = self.namespaces.is_empty() || self.namespaces.contains(&request.namespace);
        let from = self.addresses.is_empty()
            || who.address.parse::<IpAddr>().is_ok_and(|address| self.addresses.iter().any(|net| net.contains(&address)));
        let path = kubelet_path(request).is_none_or(|path| {
            self.paths.iter().any(|allowed| match allowed.strip_suffix('*') {
                Some(below) => path.starts_with(below),
                None => path == *allowed,
            })
        });
        who.impersonator.is_empty() && asked && there && from && path
    }
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
