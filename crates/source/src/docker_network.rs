//! A network inspect answer: `docker network inspect` or `GET /networks/ID`; and one entry of the list of networks.

use crate::fields::{Fields, Notes};
use crate::prepare::{lacks, undated};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, NetworkSpec};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_network",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_NETWORK,
    about: "What a network is: its driver, options, subnets and the containers on it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"Name":"back","Id":"9662a52daabfe799e9e734a3591c92939ad87a3170a56b7cb08086b63f479d51","Created":"2026-11-24T13:41:18.40Z","Scope":"local","Driver":"bridge","EnableIPv6":false,"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"}]},"Internal":true,"Attachable":false,"Ingress":false,"Containers":{"8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483":{"Name":"lab1","IPv4Address":"172.18.0.2/16","IPv6Address":""}},"Options":{},"Labels":{}}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    ["Id", "Name", "Driver", "IPAM"].iter().all(|key| root.has(key))
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let spec = network_spec(&Fields::new(document.root(), &notes));
    if spec.id.is_empty() {
        return Err(lacks("an Id"));
    }
    Ok(undated(dictionary::DOCKER_NETWORK, spec.id.clone(), Fact::NetworkSpec(Box::new(spec))))
}

/// Reads an inspect answer or a list entry.
pub(crate) fn network_spec(root: &Fields<'_>) -> NetworkSpec {
    NetworkSpec {
        id: root.text("Id"),
        name: root.text("Name"),
        driver: root.text("Driver"),
        internal: root.bool("Internal"),
        options: root.pairs("Options"),
        subnets: root.object("IPAM").objects("Config").iter().map(|config| config.text("Subnet")).filter(|s| !s.is_empty()).collect(),
        labels: root.pairs("Labels"),
        containers: root.members("Containers").iter().map(|(id, at)| (SmolStr::new(id), at.text("IPv4Address"))).collect(),
        gateways: root.object("IPAM").objects("Config").iter().map(|config| config.text("Gateway")).filter(|s| !s.is_empty()).collect(),
    }
}
