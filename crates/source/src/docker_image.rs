//! An image inspect answer: `docker image inspect` or `GET /images/NAME/json`; and one entry of the list of images.

use crate::fields::{Fields, Notes};
use crate::prepare::{lacks, undated};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, ImageSpec};
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_image",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_IMAGE,
    about: "What an image is: its references, registry digests, layers and default command.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"Id":"sha256:e3003ece00880a0c6b7a21e2aacebc33aca3cf894a856bd8a6ee2548f5b2d153","RepoTags":["alpine:3.20"],"RepoDigests":["alpine@sha256:beefdbd8a1da6d2915566fde36db9db0b524eb737fc57cd1367effd16dc0d06d"],"Parent":"","Comment":"Imported from -","Created":"2026-11-24T13:40:01.209854873Z","Container":"","Config":{"Cmd":["/bin/sh"],"Entrypoint":null,"Labels":null},"Architecture":"amd64","Os":"linux","Size":1984170,"RootFS":{"Type":"layers","Layers":["sha256:e0b72b7ad73f7d55e23318f417f8e4d56137bc608077fa84bc9b9e276c3f4ee8"]}}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    root.has("Id") && (root.has("RootFS") || root.has("RepoTags") || root.has("RepoDigests"))
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let spec = image_spec(&Fields::new(document.root(), &notes));
    if spec.id.is_empty() {
        return Err(lacks("an Id"));
    }
    Ok(undated(dictionary::DOCKER_IMAGE, spec.id.clone(), Fact::ImageSpec(Box::new(spec))))
}

/// Reads an inspect answer or a list entry.
pub(crate) fn image_spec(root: &Fields<'_>) -> ImageSpec {
    let config = root.object("Config");
    let mut command = config.texts("Entrypoint");
    command.extend(config.texts("Cmd"));
    // The engine writes `<none>` for what an image has none of.
    let mut tags = root.texts("RepoTags");
    tags.retain(|tag| !tag.starts_with("<none>"));
    let mut repo_digests = root.texts("RepoDigests");
    repo_digests.retain(|digest| !digest.starts_with("<none>"));
    ImageSpec {
        id: root.text("Id"),
        tags,
        repo_digests,
        created: root.time_or_seconds("Created"),
        size: root.int("Size").unwrap_or(0),
        command,
        layers: root.object("RootFS").texts("Layers"),
        parent_container: root.text("Container"),
        comment: root.text("Comment"),
        digests_known: root.has("RepoDigests"),
    }
}
