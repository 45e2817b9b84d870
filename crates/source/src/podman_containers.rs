//! The complete list of Podman's containers: `GET /libpod/containers/json?all=true`, or `podman ps -a --format json`.

use crate::docker_list::{array_of, entries, no_list};
use crate::fields::{Notes, bare_name};
use crate::podman_events::with_digest;
use crate::prepare::undated;
use crate::{LIST_SIZE_MAX, SourceDef, Witness};
use event::document::Document;
use event::fact::{Fact, List, ListedContainer};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "podman_containers",
    witness: Witness::Runtime,
    kind: dictionary::PODMAN_LIST,
    about: "All containers that stand under Podman at one moment, running or not.",
    size_max: LIST_SIZE_MAX,
    recognise: |document| array_of(document, &["Id", "Names", "ImageID", "IsInfra"], &[]),
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"[{"AutoRemove":false,"Command":["sleep","60"],"Created":"2026-11-24T17:29:51.65893485Z","Exited":false,"ExitedAt":-62135596800,"ExitCode":0,"Id":"2a0222576ab2ea2bbfd23a4e7f2da7c5482939d759bfddb00e5853c8e5de175d","Image":"registry.example/busy:1","ImageID":"a39c01d1e7837e9db283fceec113c15a0ab9986036969eb2bf93f4a039b1f559","IsInfra":false,"Labels":{"team":"payments"},"Mounts":[],"Names":["a3"],"Namespaces":{},"Networks":["podman"],"Pid":12711,"Pod":"","PodName":"","State":"running","Status":""}]"#,
};

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let list = entries(document, "Containers", &notes).ok_or_else(no_list)?;
    let list = list
        .iter()
        .map(|entry| ListedContainer {
            id: entry.text("Id"),
            name: bare_name(entry.texts("Names").first().map_or("", |name| name.as_str())),
            image: entry.text("Image"),
            image_id: with_digest(entry.str("ImageID")),
            created: entry.time_or_seconds("Created"),
            status: match entry.str("State") {
                "configured" | "initialized" => SmolStr::new_static("created"),
                "stopped" => SmolStr::new_static("exited"),
                "stopping" => SmolStr::new_static("running"),
                other => SmolStr::new(other),
            },
            command: SmolStr::new(entry.texts("Command").join(" ")),
            labels: entry.pairs("Labels"),
        })
        .filter(|entry| !entry.id.is_empty())
        .collect();
    Ok(undated(dictionary::PODMAN_LIST, SmolStr::default(), Fact::List(List::Containers(list))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_as_its_inspect_would() {
        let document = Document::parse(SOURCE.sample.as_bytes()).unwrap();
        let Some(Fact::List(List::Containers(list))) = decode(&document, b"").unwrap().fact else { panic!("no list") };
        let [entry] = list.as_slice() else { panic!("not one entry") };
        assert_eq!((entry.name.as_str(), entry.status.as_str(), entry.command.as_str()), ("a3", "running", "sleep 60"));
        assert!(entry.image_id.starts_with("sha256:a39c") && entry.created.is_some());
        assert_eq!(entry.labels, [("team".into(), "payments".into())]);
    }
}
