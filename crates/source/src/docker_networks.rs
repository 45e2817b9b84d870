//! The complete list of networks: `GET /networks`. An array of inspect answers looks the same, so without a name it is not taken for a complete list.

use crate::docker_list::{decoded, entries, no_list};
use crate::docker_network::network_spec;
use crate::fields::Notes;
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::List;
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_networks",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_LIST,
    about: "All networks on an engine at one moment. Recognised by its name only.",
    size_max: LIST_SIZE_MAX,
    recognise: |_| false,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"[{"Name":"bridge","Id":"cfcb0cdcb770116660e2d4e7e0dd24b1c2600aa56da916f4f4e5e83e1e0ae515","Created":"2026-11-24T13:40:00.509419472Z","Scope":"local","Driver":"bridge","EnableIPv6":false,"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"172.17.0.0/16"}]},"Internal":false,"Containers":{},"Options":{"com.docker.network.bridge.default_bridge":"true"},"Labels":{}}]"#,
};

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let list = entries(document, "Networks", &notes).ok_or_else(no_list)?;
    Ok(decoded(List::Networks(list.iter().map(network_spec).filter(|network| !network.id.is_empty()).collect())))
}
