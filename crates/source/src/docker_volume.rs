//! A volume inspect answer: `docker volume inspect` or `GET /volumes/NAME`; and one entry of the list of volumes.

use crate::fields::{Fields, Notes};
use crate::prepare::{lacks, undated};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, VolumeSpec};
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_volume",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_VOLUME,
    about: "What a volume is; a bind of a host path may hide in its driver options.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"CreatedAt":"2026-11-24T13:45:00Z","Driver":"local","Labels":{},"Mountpoint":"/var/lib/docker/volumes/hidden/_data","Name":"hidden","Options":{"device":"/etc","o":"bind","type":"none"},"Scope":"local"}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    ["Name", "Driver", "Mountpoint"].iter().all(|key| root.has(key)) && !root.has("Id")
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let spec = volume_spec(&Fields::new(document.root(), &notes));
    if spec.name.is_empty() {
        return Err(lacks("a Name"));
    }
    Ok(undated(dictionary::DOCKER_VOLUME, spec.name.clone(), Fact::VolumeSpec(spec)))
}

/// Reads an inspect answer or a list entry.
pub(crate) fn volume_spec(root: &Fields<'_>) -> VolumeSpec {
    VolumeSpec {
        name: root.text("Name"),
        driver: root.text("Driver"),
        mountpoint: root.text("Mountpoint"),
        options: root.pairs("Options"),
    }
}
