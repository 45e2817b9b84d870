//! The complete list of volumes: `GET /volumes`.

use crate::docker_list::{decoded, entries, is_entry, no_list};
use crate::docker_volume::volume_spec;
use crate::fields::Notes;
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::List;
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_volumes",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_LIST,
    about: "All volumes on an engine at one moment.",
    size_max: LIST_SIZE_MAX,
    recognise: |document| is_entry(document.root(), &["Volumes", "Warnings"], &["Id", "ID", "Config"]),
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"Volumes":[{"CreatedAt":"2026-11-24T13:45:00Z","Driver":"local","Labels":{},"Mountpoint":"/var/lib/docker/volumes/data/_data","Name":"data","Options":null,"Scope":"local"}],"Warnings":null}"#,
};

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let list = entries(document, "Volumes", &notes).ok_or_else(no_list)?;
    Ok(decoded(List::Volumes(list.iter().map(volume_spec).filter(|volume| !volume.name.is_empty()).collect())))
}
