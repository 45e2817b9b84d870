//! The complete list of a containerd's containers, in all its namespaces, as the collector writes it.

use crate::containerd_events::own_name;
use crate::docker_list::{entries, no_list};
use crate::fields::{Fields, Notes};
use crate::prepare::undated;
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::{Fact, List, ListedContainer};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "containerd_containers",
    witness: Witness::Runtime,
    kind: dictionary::CONTAINERD_LIST,
    about: "All containers that stand in a containerd at one moment, in all its namespaces.",
    size_max: LIST_SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"landwaiter_containerd_list":1,"containers":[{"namespace":"lab","id":"c1","image":"docker.io/library/busy:1","labels":{"team":"payments"},"created_at":"2026-11-24T17:36:54.890194012Z","status":"running"}]}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    Fields::new(document.root(), &notes).has("landwaiter_containerd_list")
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let list = entries(document, "containers", &notes).ok_or_else(no_list)?;
    let list = list
        .iter()
        .map(|entry| ListedContainer {
            id: entry.text("id"),
            name: own_name(entry.str("id")),
            image: entry.text("image"),
            image_id: entry.text("image_digest"),
            created: entry.time("created_at"),
            status: match entry.str("status") {
                "" => SmolStr::new_static("created"),
                "stopped" => SmolStr::new_static("exited"),
                "pausing" => SmolStr::new_static("paused"),
                other => SmolStr::new(other),
            },
            labels: entry.pairs("labels"),
            ..ListedContainer::default()
        })
        .filter(|entry| !entry.id.is_empty())
        .collect();
    Ok(undated(dictionary::CONTAINERD_LIST, SmolStr::default(), Fact::List(List::Containers(list))))
}
