//! Which container a control group's path names.
//!
//! The kernel knows no containers. Runtimes put each one's processes in a control group of its own, and the path says the id. A path is the runtime's own word
//! (only root on the host chooses it), but it is no proof that a runtime admits to the container: that is for whoever holds the witnesses against each other.

use smol_str::SmolStr;

/// What a path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupContainer {
    /// The container's id: 64 hexadecimal digits where the runtime gives those, else whatever name it was started under.
    pub id: SmolStr,
    /// `docker`, `podman`, `containerd`, `cri-o`, `runc`, `buildkit`, `lxc`, `systemd-nspawn`; empty when the path does not say.
    pub runtime: &'static str,
    /// The pod's unique id, with dashes; empty when there is none.
    pub pod_uid: SmolStr,
    /// It is a step of an image build.
    pub build: bool,
    /// The path has the shape that a runtime gives. Else (`ctr`, `runc` by hand) it could as well be a control group that somebody made for other ends, and only the
    /// namespaces of the processes in it can tell.
    pub certain: bool,
}

/// Names that the host itself gives to control groups directly below the root, or that runtimes give to those that hold others.
const HOST_GROUPS: &[&str] = &[
    "init",
    "system",
    "user",
    "machine",
    "docker",
    "podman",
    "libpod_parent",
    "kubepods",
    "besteffort",
    "burstable",
    "guaranteed",
    "kubelet",
    "lxc",
    "lxc.payload",
    "lxc.monitor",
    "buildkit",
    "daemon",
    "elogind",
    "unified",
    "conmon",
    "kata_overhead",
    "garden",
    "ecs",
    "slurm",
];

/// Prefixes that runtimes put before an id, with the runtime that does.
const PREFIXES: &[(&str, &str)] = &[
    ("docker-", "docker"),
    ("libpod-", "podman"),
    ("podman-", "podman"),
    ("cri-containerd-", "containerd"),
    ("containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
];

/// What the path of a control group says of a container; the innermost one where they are nested. `None`: it names none.
pub fn container_of(cgroup: &str) -> Option<CgroupContainer> {
    let path = cgroup.strip_prefix("/sys/fs/cgroup").unwrap_or(cgroup);
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    for (index, part) in parts.iter().enumerate().rev() {
        // The helper that watches over a container runs beside it, on the host, in a group with the container's id in its name.
        if part.contains("conmon") || part.starts_with("lxc.monitor") || *part == "kata_overhead" {
            return None;
        }
        let Some(mut found) = named(part, &parts[..index]) else { continue };
        found.pod_uid = parts[..index].iter().chain([part]).rev().find_map(|part| pod_uid(part)).unwrap_or_default();
        return Some(found);
    }
    by_hand(&parts)
}

/// A part that has a runtime's own shape.
fn named(part: &str, above: &[&str]) -> Option<CgroupContainer> {
    let found = |id: &str, runtime, build| CgroupContainer { id: id.into(), runtime, pod_uid: SmolStr::default(), build, certain: true };
    if part.ends_with(".slice") {
        return None;
    }
    let unit = part.strip_suffix(".scope").unwrap_or(part);
    // containerd with a systemd path under the other driver: `kubepods-….slice:cri-containerd:<id>`.
    if let Some((before, id)) = unit.rsplit_once(':') {
        let runtime = PREFIXES.iter().find(|(prefix, _)| before.ends_with(prefix.trim_end_matches('-'))).map_or("", |(_, runtime)| runtime);
        return is_id(id).then(|| found(id, runtime, false));
    }
    let parent = above.last().copied().unwrap_or_default();
    if is_id(unit) {
        let runtime = match parent {
            "docker" | "moby" | "ecs" | "actions_job" => "docker",
            "libpod_parent" => "podman",
            "k8s.io" | "default" => "containerd",
            _ => "",
        };
        return Some(found(unit, runtime, false));
    }
    if let Some((id, runtime)) = PREFIXES.iter().find_map(|(prefix, runtime)| Some((unit.strip_prefix(prefix)?, *runtime)))
        && is_id(id)
    {
        return Some(found(id, runtime, false));
    }
    // Build steps have short ids of their own, never a container's: so nobody passes for one by the name of a parent group alone.
    if let Some(id) = unit.rsplit_once("buildkit-").map(|(_, id)| id).or((parent == "buildkit").then_some(unit)).filter(|id| is_name(id)) {
        return Some(found(id, "buildkit", true));
    }
    if part.ends_with(".scope")
        && let Some(id) = unit.strip_prefix("docker-").filter(|id| is_build_id(id))
    {
        return Some(found(id, "buildkit", true));
    }
    if part.ends_with(".scope")
        && let Some(id) = unit.strip_prefix("runc-").or_else(|| unit.strip_prefix("crun-")).filter(|id| is_name(id))
    {
        return Some(found(id, "runc", false));
    }
    if let Some(name) =
        unit.strip_prefix("lxc.payload.").or(matches!(parent, "lxc" | "lxc.payload").then_some(unit)).filter(|name| is_name(name))
    {
        return Some(found(name, "lxc", false));
    }
    if let Some(name) = part.strip_prefix("systemd-nspawn@").and_then(|name| name.strip_suffix(".service")).filter(|name| !name.is_empty())
    {
        return Some(found(&unescaped(name), "systemd-nspawn", false));
    }
    if part.ends_with(".scope")
        && let Some(name) = unit.strip_prefix("machine-").map(unescaped)
        // Virtual machines have machine scopes as well.
        && !(name.is_empty() || name.starts_with("qemu-"))
    {
        return Some(found(&name, "systemd-nspawn", false));
    }
    None
}

/// `/<namespace>/<id>` as `ctr` makes it, `/<id>` or `/user.slice/<id>` as `runc` does when nobody tells it otherwise.
fn by_hand(parts: &[&str]) -> Option<CgroupContainer> {
    let is_unit = |part: &str| [".slice", ".scope", ".service", ".mount", ".socket", ".swap"].iter().any(|suffix| part.ends_with(suffix));
    let own: Vec<&str> = parts.iter().copied().filter(|part| !is_unit(part)).collect();
    // A unit below one of these is a service inside something, not a container.
    if parts.last().is_some_and(|last| is_unit(last))
        || own.iter().any(|part| !is_name(part) || HOST_GROUPS.contains(part) || pod_uid(part).is_some())
    {
        return None;
    }
    let (id, runtime) = match (own.as_slice(), parts.len() == own.len()) {
        ([id], _) => (*id, "runc"),
        ([_, id], true) => (*id, "containerd"),
        _ => return None,
    };
    Some(CgroupContainer { id: id.into(), runtime, pod_uid: SmolStr::default(), build: false, certain: false })
}

/// `pod<uid>` or `kubepods-burstable-pod<uid>.slice`, in which dashes are underscores. The id of a static pod is a hash without dashes.
fn pod_uid(part: &str) -> Option<SmolStr> {
    let unit = part.split(':').next()?;
    let unit = unit.strip_suffix(".slice").unwrap_or(unit);
    let uid = if let Some(rest) = unit.strip_prefix("pod") { rest } else { unit.strip_prefix("kubepods")?.rsplit_once("-pod")?.1 };
    let is_uid = matches!(uid.len(), 32 | 36) && uid.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'_'));
    is_uid.then(|| SmolStr::from(uid.replace('_', "-")))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Build steps are named by 25 letters and digits.
fn is_build_id(text: &str) -> bool {
    text.len() == 25 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// What runtimes allow as a container's name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+'))
}

/// A name as systemd escapes it.
fn unescaped(name: &str) -> String {
    name.replace("\\x2d", "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a";
    const UID: &str = "0d1e5e1c-9a33-4c1e-8f3b-0a1b2c3d4e5f";

    fn picture(path: &str) -> String {
        match container_of(path) {
            None => "none".to_owned(),
            Some(c) => format!("{} {} {} build={} certain={}", c.id, c.runtime, c.pod_uid, c.build, c.certain),
        }
    }

    #[test]
    fn every_runtime_s_paths_name_the_container() {
        let under = UID.replace('-', "_");
        for (path, runtime, uid) in [
            (format!("/docker/{ID}"), "docker", ""),
            (format!("/system.slice/docker-{ID}.scope"), "docker", ""),
            (format!("/sys/fs/cgroup/system.slice/docker-{ID}.scope/init.scope"), "docker", ""),
            (format!("/docker/{}/docker/{ID}", "a".repeat(64)), "docker", ""),
            (format!("/machine.slice/libpod-{ID}.scope/container"), "podman", ""),
            (format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"), "podman", ""),
            (format!("/libpod_parent/libpod-{ID}"), "podman", ""),
            (format!("/kubepods/burstable/pod{UID}/{ID}"), "", UID),
            (
                format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{ID}.scope"),
                "containerd",
                UID,
            ),
            (format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{ID}.scope"), "cri-o", UID),
            (format!("/system.slice/containerd.service/kubepods-burstable-pod{under}.slice:cri-containerd:{ID}"), "containerd", UID),
            (format!("/k8s.io/{ID}"), "containerd", ""),
            (format!("/docker/{}/kubelet/kubepods/pod{UID}/{ID}", "b".repeat(64)), "", UID),
        ] {
            assert_eq!(picture(&path), format!("{ID} {runtime} {uid} build=false certain=true"), "{path}");
        }
    }

    #[test]
    fn names_that_people_give_are_read_too() {
        for (path, expected) in [
            ("/lab/labctr", "labctr containerd  build=false certain=false"),
            ("/labrunc", "labrunc runc  build=false certain=false"),
            ("/user.slice/labrunc", "labrunc runc  build=false certain=false"),
            ("/system.slice/runc-lab.scope", "lab runc  build=false certain=true"),
            ("/lxc/web", "web lxc  build=false certain=true"),
            ("/lxc.payload.web/system.slice/ssh.service", "web lxc  build=false certain=true"),
            ("/machine.slice/machine-deb\\x2d12.scope/payload", "deb-12 systemd-nspawn  build=false certain=true"),
            ("/machine.slice/systemd-nspawn@deb.service/payload/init.scope", "deb systemd-nspawn  build=false certain=true"),
            ("/buildkit/k0pkd3xtz8v9qk2mgs7q8ozhj", "k0pkd3xtz8v9qk2mgs7q8ozhj buildkit  build=true certain=true"),
            ("/docker/buildkit/k0pkd3xtz8v9qk2mgs7q8ozhj", "k0pkd3xtz8v9qk2mgs7q8ozhj buildkit  build=true certain=true"),
            ("/system.slice/docker-buildkit-k0pkd3xtz8v9.scope", "k0pkd3xtz8v9 buildkit  build=true certain=true"),
            ("/system.slice/docker-k0pkd3xtz8v9qk2mgs7q8ozhj.scope", "k0pkd3xtz8v9qk2mgs7q8ozhj buildkit  build=true certain=true"),
        ] {
            assert_eq!(picture(path), expected, "{path}");
        }
        // A container that only borrows the name of a build's parent is none.
        assert_eq!(picture(&format!("/buildkit/{ID}")), format!("{ID}   build=false certain=true"));
    }

    #[test]
    fn what_runs_on_the_host_is_in_no_container() {
        for path in [
            "",
            "/",
            "/init.scope",
            "/system.slice/ssh.service",
            "/user.slice/user-0.slice/session-3.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn.scope",
            "/kubepods/burstable",
            &format!("/kubepods/burstable/pod{UID}"),
            "/docker",
            &format!("/machine.slice/libpod-conmon-{ID}.scope"),
            &format!("/kubepods.slice/crio-conmon-{ID}.scope"),
            "/lxc.monitor.web",
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
            "/system.slice/docker.service",
            "/a/b/c/d",
        ] {
            assert_eq!(picture(path), "none", "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_too_strange(path in "(/|\\.\\.|[a-z0-9:@.\\\\é-]{0,40}|docker-|pod|\\.scope|\\.slice){0,12}") {
            if let Some(found) = container_of(&path) {
                prop_assert!(!found.id.is_empty());
            }
        }

        /// Whatever a container's own processes make below it, and whatever it stands in, its id is what the path says.
        #[test]
        fn what_stands_around_a_container_changes_nothing(
            id in "[0-9a-f]{64}",
            outer in prop::sample::select(vec!["", "/docker/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/system.slice", "/lab"]),
            form in prop::sample::select(vec!["/docker/ID", "/docker-ID.scope", "/libpod-ID.scope", "/cri-containerd-ID.scope", "/crio-ID.scope"]),
            below in prop::collection::vec("[a-z]{1,6}(\\.service|\\.slice)?", 0..3),
        ) {
            prop_assume!(below.iter().all(|part| part != "lxc" && part != "docker"));
            let path = format!("{outer}{}{}", form.replace("ID", &id), below.iter().map(|part| format!("/{part}")).collect::<String>());
            let found = container_of(&path);
            prop_assert_eq!(found.map(|found| found.id), Some(SmolStr::from(id)));
        }
    }
}
