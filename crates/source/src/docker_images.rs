//! The complete list of images: `GET /images/json`.

use crate::docker_image::image_spec;
use crate::docker_list::{array_of, decoded, entries, no_list};
use crate::fields::Notes;
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::List;
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_images",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_LIST,
    about: "All images on an engine at one moment, with their registry digests.",
    size_max: LIST_SIZE_MAX,
    recognise: |document| array_of(document, ENTRY_KEYS, INSPECT_KEYS),
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"[{"Containers":-1,"Created":1795527601,"Id":"sha256:e3003ece00880a0c6b7a21e2aacebc33aca3cf894a856bd8a6ee2548f5b2d153","Labels":null,"ParentId":"","RepoDigests":null,"RepoTags":["alpine:3.20"],"SharedSize":-1,"Size":1984170,"VirtualSize":1984170}]"#,
};

/// Keys by which an entry of this list is known.
pub(crate) const ENTRY_KEYS: &[&str] = &["Id", "RepoTags", "ParentId"];

/// Keys that only an inspect answer has: an array of those is no complete list.
pub(crate) const INSPECT_KEYS: &[&str] = &["RootFS", "Architecture"];

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let list = entries(document, "Images", &notes).ok_or_else(no_list)?;
    Ok(decoded(List::Images(list.iter().map(image_spec).filter(|image| !image.id.is_empty()).collect())))
}
