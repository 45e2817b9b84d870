//! The complete list of containers: `GET /containers/json?all=1`.

use crate::docker_list::{array_of, decoded, entries, no_list};
use crate::fields::{Notes, bare_name};
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::{List, ListedContainer};
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_containers",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_LIST,
    about: "All containers that stand on an engine at one moment, running or not.",
    size_max: LIST_SIZE_MAX,
    recognise: |document| array_of(document, ENTRY_KEYS, &[]),
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"[{"Id":"8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483","Names":["/lab1"],"Image":"alpine:3.20","ImageID":"sha256:e3003ece00880a0c6b7a21e2aacebc33aca3cf894a856bd8a6ee2548f5b2d153","Command":"sleep 60","Created":1795527678,"Ports":[],"Labels":{"team":"payments"},"State":"running","Status":"Up 2 seconds","HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{}},"Mounts":[]}]"#,
};

/// Keys by which an entry of this list is known.
pub(crate) const ENTRY_KEYS: &[&str] = &["Id", "Names", "ImageID"];

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let list = entries(document, "Containers", &notes).ok_or_else(no_list)?;
    let list = list
        .iter()
        .map(|entry| ListedContainer {
            id: entry.text("Id"),
            // Old links give a container further names with two slashes; its own has one.
            name: {
                let names = entry.texts("Names");
                let own = names.iter().find(|name| name.trim_start_matches('/').split('/').count() == 1);
                bare_name(own.or(names.first()).map_or("", |name| name.as_str()))
            },
            image: entry.text("Image"),
            image_id: entry.text("ImageID"),
            created: entry.time_or_seconds("Created"),
            status: entry.text("State"),
            command: entry.text("Command"),
            labels: entry.pairs("Labels"),
        })
        .filter(|entry| !entry.id.is_empty())
        .collect();
    Ok(decoded(List::Containers(list)))
}
