//! An exec inspect answer: `GET /exec/ID/json`. The events of a privileged exec look like any other's; only this tells.

use crate::fields::{Fields, Notes};
use crate::prepare::{lacks, undated};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{ExecSpec, Fact};
use event::{Decoded, Kind, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_exec",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_EXEC,
    about: "What a command run in a container is: its user, privileges, terminal and arguments.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"ID":"77af40d77561d29ebc40114d625ce7570cf8f66821f52bb62a9017452d1eabb8","Running":true,"ExitCode":null,"ProcessConfig":{"tty":true,"entrypoint":"sh","arguments":["-c","id"],"privileged":false,"user":"root"},"OpenStdin":false,"OpenStderr":true,"OpenStdout":true,"CanRemove":false,"ContainerID":"8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483","DetachKeys":"","Pid":4021}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    root.has("ID") && root.has("ContainerID") && root.has("ProcessConfig")
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    read(document, dictionary::DOCKER_EXEC)
}

/// Reads the answer, as an event of that kind.
pub(crate) fn read(document: &Document, kind: Kind) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    let process = root.object("ProcessConfig");
    let spec = ExecSpec {
        id: root.text("ID"),
        container_id: root.text("ContainerID"),
        privileged: process.bool("privileged"),
        tty: process.bool("tty"),
        user: process.text("user"),
        command: std::iter::once(process.text("entrypoint")).filter(|word| !word.is_empty()).chain(process.texts("arguments")).collect(),
        running: root.bool("Running"),
        pid: root.int("Pid").unwrap_or(0),
    };
    if spec.id.is_empty() {
        return Err(lacks("an ID"));
    }
    Ok(undated(kind, spec.id.clone(), Fact::ExecSpec(spec)))
}
