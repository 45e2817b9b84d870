//! An exec inspect answer of Podman: `GET /libpod/exec/ID/json`. It has Docker's very shape, so only its name tells whose it is.

use crate::{SourceDef, Witness, docker_exec};
use event::dictionary;
use event::document::SIZE_MAX;

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "podman_exec",
    witness: Witness::Runtime,
    kind: dictionary::PODMAN_EXEC,
    about: "What a command run in a container of Podman is: its user, privileges, terminal and arguments.",
    size_max: SIZE_MAX,
    recognise: |_| false,
    finds_duplicates: false,
    decode: |document, _| docker_exec::read(document, dictionary::PODMAN_EXEC),
    text: None,
    sample: r#"{"CanRemove":false,"ContainerID":"a313c2c08bb0d65f8e5c33f72e40f896628a864e0503117b6d5fb3dc16e67f91","DetachKeys":"ctrl-p,ctrl-q","ExitCode":0,"ID":"9cab0499b98b4e9e725ead813a2c2056ebf64f256a91a5ebac1fad929b8203a8","OpenStderr":false,"OpenStdin":false,"OpenStdout":false,"Running":true,"Pid":20667,"ProcessConfig":{"arguments":["5"],"entrypoint":"sleep","privileged":true,"tty":false,"user":""}}"#,
};
