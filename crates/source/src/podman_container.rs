//! A container inspect answer of Podman: `podman inspect ID` (an array of one) or `GET /libpod/containers/ID/json`.
//!
//! Most of it is as Docker says it. Where Podman writes its own defaults in words that would be a weakness under Docker, they are read as what they are.

use crate::docker_container::{is_podmans, note_unreadable, read_spec};
use crate::fields::{Fields, Notes};
use crate::podman_events::with_digest;
use crate::prepare::{lacks, undated};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{ContainerSpec, Fact};
use event::{Decoded, SmolStr, Undecodable, dictionary};
use sonic_rs::{JsonContainerTrait, Value};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "podman_container",
    witness: Witness::Runtime,
    kind: dictionary::PODMAN_CONTAINER,
    about: "What a container of Podman is: its configuration, limits, confinement, mounts, networks and state.",
    size_max: SIZE_MAX,
    recognise: |document| object(document).is_some(),
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"Id":"2a0222576ab2ea2bbfd23a4e7f2da7c5482939d759bfddb00e5853c8e5de175d","Created":"2026-11-24T17:29:51.65893485Z","Path":"sleep","Args":["60"],"State":{"OciVersion":"1.0.2-dev","Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":12711,"ConmonPid":12700,"ExitCode":0,"Error":"","StartedAt":"2026-11-24T17:29:51.835819619Z","FinishedAt":"0001-01-01T00:00:00Z","CgroupPath":"/libpod_parent/libpod-2a0222576ab2ea2bbfd23a4e7f2da7c5482939d759bfddb00e5853c8e5de175d"},"Image":"a39c01d1e7837e9db283fceec113c15a0ab9986036969eb2bf93f4a039b1f559","ImageName":"registry.example/busy:1","Pod":"","ConmonPidFile":"/run/containers/storage/overlay-containers/2a02/userdata/conmon.pid","OCIRuntime":"runc","Name":"a3","RestartCount":0,"AppArmorProfile":"","EffectiveCaps":["CAP_CHOWN","CAP_KILL","CAP_SETUID"],"BoundingCaps":["CAP_CHOWN","CAP_KILL","CAP_SETUID"],"ExecIDs":[],"Mounts":[{"Type":"bind","Source":"/etc","Destination":"/h","Driver":"","Mode":"","Options":["rbind"],"RW":false,"Propagation":"rprivate"}],"NetworkSettings":{"IPAddress":"10.88.0.2","Ports":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"Networks":{"podman":{"IPAddress":"10.88.0.2","GlobalIPv6Address":"","MacAddress":"92:1d:72:c7:da:17","NetworkID":"podman"}}},"IsInfra":false,"Config":{"User":"","Tty":false,"Env":["TERM=xterm"],"Cmd":["sleep","60"],"Image":"registry.example/busy:1","Entrypoint":"","Labels":null,"CreateCommand":["podman","run","-d","--name","a3","registry.example/busy:1","sleep","60"]},"HostConfig":{"Binds":["/etc:/h:ro,rprivate,rbind"],"CgroupManager":"cgroupfs","CgroupMode":"host","LogConfig":{"Type":"k8s-file","Config":null},"NetworkMode":"bridge","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"","MaximumRetryCount":0},"AutoRemove":false,"VolumesFrom":null,"CapAdd":[],"CapDrop":["CAP_AUDIT_WRITE","CAP_MKNOD","CAP_NET_RAW"],"GroupAdd":[],"IpcMode":"shareable","OomScoreAdj":0,"PidMode":"private","Privileged":false,"ReadonlyRootfs":false,"SecurityOpt":[],"UTSMode":"private","UsernsMode":"","Runtime":"oci","CpuShares":0,"Memory":0,"NanoCpus":0,"CpuPeriod":0,"CpuQuota":0,"CpusetCpus":"","Devices":[],"MemorySwap":0,"OomKillDisable":false,"PidsLimit":2048}}"#,
};

/// The answer, out of the array of one that the command prints.
fn object(document: &Document) -> Option<&Value> {
    let root = document.root();
    let value = match root.as_array() {
        Some(array) if array.len() == 1 => array.first()?,
        Some(_) => return None,
        None => root,
    };
    let notes = Notes::default();
    let fields = Fields::new(value, &notes);
    (fields.has("Id") && fields.has("HostConfig") && !fields.has("Names") && is_podmans(&fields)).then_some(value)
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let value = match document.root().as_array() {
        Some(array) => array.first().ok_or_else(|| lacks("a container"))?,
        None => document.root(),
    };
    let notes = Notes::default();
    let root = Fields::new(value, &notes);
    let mut spec = read_spec(&root)?;
    as_podman_means(&root, &mut spec);
    let mut decoded = undated(dictionary::PODMAN_CONTAINER, spec.id.clone(), Fact::ContainerSpec(Box::new(spec)));
    note_unreadable(&mut decoded, notes);
    Ok(decoded)
}

/// Reads Podman's words where they are not Docker's.
fn as_podman_means(root: &Fields<'_>, spec: &mut ContainerSpec) {
    let host = root.object("HostConfig");
    spec.image_id = with_digest(&spec.image_id);
    if spec.image.is_empty() {
        spec.image = root.text("ImageName");
    }
    let status = match spec.status.as_str() {
        "configured" | "initialized" => "created",
        "stopped" => "exited",
        "stopping" => "running",
        other => other,
    };
    spec.status = SmolStr::new(status);
    // A namespace of its own is what Docker says by nothing.
    for mode in [&mut spec.pid_mode, &mut spec.uts_mode] {
        if mode == "private" {
            *mode = SmolStr::default();
        }
    }
    spec.cgroupns_mode = host.text_maybe("CgroupMode").unwrap_or_else(|| host.text("CgroupnsMode"));
    // `oci` only says that it is one; which, stands beside it. `crun` and `runc` are what Podman ships with.
    let runtime = root.text("OCIRuntime");
    let name = runtime.rsplit('/').next().unwrap_or_default();
    spec.runtime = if ["crun", "runc"].contains(&name) { SmolStr::default() } else { runtime };
    // The bounding set is counted against Docker's default, which has three more than Podman's: every plain container seems to have dropped those.
    if spec.cap_drop.len() == PODMAN_LACKS.len() && spec.cap_drop.iter().all(|cap| PODMAN_LACKS.contains(&cap.as_str())) {
        spec.cap_drop.clear();
    }
    for device in &mut spec.devices {
        // Podman does not say it; it gives all three unless told otherwise.
        if device.permissions.is_empty() {
            device.permissions = SmolStr::new_static("rwm");
        }
    }
    lone_word(root, spec);
    unmasked(root, spec);
}

/// Of a command of one word, Podman 4 gives that word as the path and again as the argument.
fn lone_word(root: &Fields<'_>, spec: &mut ContainerSpec) {
    let config = root.object("Config");
    let words = config.texts("Cmd").len() + config.texts("Entrypoint").iter().filter(|word| !word.is_empty()).count();
    if words == 1 && matches!(spec.command.as_slice(), [path, argument] if path == argument) {
        spec.command.truncate(1);
    }
}

/// What Docker gives by default and Podman does not.
const PODMAN_LACKS: &[&str] = &["CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"];

/// Podman's answer has no list of masked paths; that nothing is masked stands only in the command that made the container, where there was one.
fn unmasked(root: &Fields<'_>, spec: &mut ContainerSpec) {
    let command = root.object("Config").texts("CreateCommand");
    for (at, word) in command.iter().enumerate() {
        let option = match word.strip_prefix("--security-opt") {
            Some("") => command.get(at + 1).map_or("", |next| next.as_str()),
            Some(rest) => rest.trim_start_matches('='),
            None => continue,
        };
        let Some(what) = option.strip_prefix("unmask=").or_else(|| option.strip_prefix("unmask:")) else { continue };
        if what.eq_ignore_ascii_case("all") {
            spec.masked_paths = Some(Vec::new());
        }
        let written = SmolStr::new(option);
        if !spec.security_opt.contains(&written) {
            spec.security_opt.push(written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker_container;

    fn spec(text: &str) -> ContainerSpec {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!((SOURCE.recognise)(&document) && !(docker_container::SOURCE.recognise)(&document));
        match decode(&document, text.as_bytes()).unwrap().fact {
            Some(Fact::ContainerSpec(spec)) => *spec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn podmans_own_defaults_are_no_weakness() {
        let spec = spec(SOURCE.sample);
        assert_eq!((spec.name.as_str(), spec.status.as_str(), spec.pid), ("a3", "running", 12711));
        assert_eq!(spec.image_id, "sha256:a39c01d1e7837e9db283fceec113c15a0ab9986036969eb2bf93f4a039b1f559");
        assert!(spec.pid_mode.is_empty() && spec.uts_mode.is_empty() && spec.runtime.is_empty());
        assert!(spec.cap_add.is_empty() && spec.cap_drop.is_empty());
        assert_eq!((spec.pids_limit, spec.masked_paths.as_deref()), (Some(2048), None));
        assert_eq!(spec.cgroupns_mode, "host", "what it means is for the reader who knows the host");
        assert_eq!(spec.networks[0].address, "10.88.0.2");
        assert_eq!((spec.ports[0].host_port, spec.ports[0].host_address.as_str()), (8080, "0.0.0.0"));
        assert!(!spec.mounts[0].writable && spec.mounts.len() == 1);
        assert!(spec.unreadable.is_empty(), "{:?}", spec.unreadable);
    }

    #[test]
    fn a_command_of_one_word_has_no_argument() {
        let one = SOURCE.sample.replace(r#""Path":"sleep","Args":["60"]"#, r#""Path":"true","Args":["true"]"#);
        assert_eq!(spec(&one).command, ["true", "true"], "it was asked for with two words");
        assert_eq!(spec(&one.replace(r#""Cmd":["sleep","60"]"#, r#""Cmd":["true"]"#)).command, ["true"]);
    }

    #[test]
    fn the_commands_array_of_one_is_the_same() {
        assert_eq!(spec(&format!("[\n{}\n]\n", SOURCE.sample)), spec(SOURCE.sample));
    }

    #[test]
    fn what_was_weakened_is_read() {
        let weak = SOURCE
            .sample
            .replace(r#""PidMode":"private""#, r#""PidMode":"host""#)
            .replace(r#""CapAdd":[]"#, r#""CapAdd":["CAP_SYS_ADMIN"]"#)
            .replace(r#""CapDrop":["CAP_AUDIT_WRITE","#, r#""CapDrop":["CAP_CHOWN","CAP_AUDIT_WRITE","#)
            .replace(r#""SecurityOpt":[]"#, r#""SecurityOpt":["seccomp=unconfined"]"#)
            .replace(r#""run","-d""#, r#""run","--security-opt","unmask=ALL","-d""#)
            .replace(r#""Devices":[]"#, r#""Devices":[{"PathOnHost":"/dev/kvm","PathInContainer":"/dev/kvm","CgroupPermissions":""}]"#)
            .replace(r#""Privileged":false"#, r#""Privileged":true"#)
            .replace(r#""Status":"running""#, r#""Status":"stopped""#)
            .replace(r#""OCIRuntime":"runc""#, r#""OCIRuntime":"/opt/evil""#);
        let spec = spec(&weak);
        assert!(spec.privileged && spec.pid_mode == "host");
        assert_eq!(spec.cap_add, ["CAP_SYS_ADMIN"]);
        assert_eq!(spec.cap_drop.len(), 4);
        assert_eq!(spec.security_opt, ["seccomp=unconfined", "unmask=ALL"]);
        assert_eq!(spec.masked_paths.as_deref(), Some(&[][..]));
        assert_eq!(spec.devices[0].permissions, "rwm");
        assert_eq!((spec.status.as_str(), spec.runtime.as_str()), ("exited", "/opt/evil"));
    }
}
