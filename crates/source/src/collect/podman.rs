//! Podman as a collector: where its services listen, for root and for each user.
//!
//! Podman has no daemon. Containers are made by the command itself, and only a service tells others of it: where none listens, nothing is seen, and that is
//! said with its remedy. Root and each user have containers of their own; all services that listen are followed at once.

use super::Surroundings;
use super::podman_follow::{Service, follow};
use super::room::{CollectorDef, Found, Presence};
use event::Witness;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "podman",
    witness: Witness::Runtime,
    sources: &["podman_events", "podman_container", "podman_containers", "podman_exec"],
    about: "What Podman did, for root and for each user whose service listens, and how each container was configured.",
    blind: "containers of Podman, and how they are configured, are not seen",
    find,
};

const ROOT: &str = "/run/podman/podman.sock";
const USERS: &str = "/run/user";
const REMEDY: &str = "systemctl enable --now podman.socket (and, for a user's own containers, systemctl --user enable --now podman.socket)";
/// More users than this on one machine are not followed.
const SERVICES_MAX: usize = 64;

/// What can be said of a path.
#[derive(Clone, Copy, PartialEq)]
enum At {
    There,
    Hidden,
    Nothing,
}

fn find(around: &Surroundings) -> Presence {
    let users = std::fs::read_dir(USERS).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    let installed = ["/usr/bin/podman", "/usr/local/bin/podman"].iter().any(|path| Path::new(path).exists());
    look(around, users, installed, &at)
}

/// Whether a socket is there. It is not connected to: that could start a service that only waits for it.
fn at(path: &Path) -> At {
    match std::fs::metadata(path) {
        Ok(_) => At::There,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => At::Hidden,
        Err(_) => At::Nothing,
    }
}

fn look(around: &Surroundings, users: Vec<PathBuf>, installed: bool, at: &dyn Fn(&Path) -> At) -> Presence {
    let mut paths = Vec::new();
    let named = around.setting("podman.socket").or_else(|| around.variable("CONTAINER_HOST")).or(around.host.as_deref());
    match named.map(|text| text.strip_prefix("unix://").unwrap_or(text)) {
        Some(path) if around.setting("podman.socket").is_some() => paths.push(PathBuf::from(path)),
        Some(path) if path.starts_with('/') && path.ends_with("podman.sock") => paths.push(PathBuf::from(path)),
        _ => {}
    }
    if around.setting("podman.socket").is_none() {
        paths.push(PathBuf::from(ROOT));
        let mut users = users;
        users.extend(around.runtime.clone());
        users.sort();
        paths.extend(users.into_iter().map(|user| user.join("podman/podman.sock")));
    }
    let mut seen = Vec::new();
    paths.retain(|path| {
        !seen.contains(path) && {
            seen.push(path.clone());
            true
        }
    });
    let of = |what: At| paths.iter().filter(|path| at(path) == what).take(SERVICES_MAX).cloned().collect::<Vec<_>>();
    let (there, hidden) = (of(At::There), of(At::Hidden));
    if there.is_empty() {
        return match (hidden.first(), installed) {
            (Some(path), _) => Presence::denied(format!("the sockets of Podman cannot be looked at ({})", path.display()), "run as root"),
            (None, true) => Presence::absent("Podman is installed, but no service of it listens: its containers are made unseen", REMEDY),
            (None, false) => Presence::absent("no service of Podman listens here", ""),
        };
    }
    let address = there.iter().map(|path| format!("unix://{}", path.display())).collect::<Vec<_>>().join(", ");
    let services: Arc<[Service]> = there.into_iter().map(Service::at).collect();
    Presence::Present(Found::kept(address, move |room| follow(services.clone(), room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(host: Option<&str>, installed: bool, there: &[&str], hidden: &[&str]) -> Presence {
        let around = Surroundings { host: host.map(str::to_owned), runtime: Some("/run/user/7".into()), ..Surroundings::default() };
        let at = |path: &Path| match path.to_str().unwrap_or_default() {
            path if there.contains(&path) => At::There,
            path if hidden.contains(&path) => At::Hidden,
            _ => At::Nothing,
        };
        look(&around, vec!["/run/user/9".into(), "/run/user/7".into()], installed, &at)
    }

    #[test]
    fn all_services_that_listen_are_followed() {
        let all = ["/run/podman/podman.sock", "/run/user/7/podman/podman.sock", "/run/user/9/podman/podman.sock"];
        let Presence::Present(found) = look_at(None, true, &all, &[]) else { panic!("nothing is found") };
        assert_eq!(found.address, all.map(|path| format!("unix://{path}")).join(", "));
        let Presence::Present(found) = look_at(Some("unix:///x/podman.sock"), true, &["/x/podman.sock"], &[]) else {
            panic!("nothing is found")
        };
        assert_eq!(found.address, "unix:///x/podman.sock");
    }

    #[test]
    fn what_is_not_there_says_what_to_do() {
        let Presence::Absent { reason, remedy } = look_at(None, true, &[], &[]) else { panic!("something is found") };
        assert!(reason.contains("unseen") && remedy.contains("podman.socket"), "{reason} {remedy}");
        assert!(matches!(look_at(None, false, &[], &[]), Presence::Absent { remedy, .. } if remedy.is_empty()));
        assert!(matches!(look_at(None, true, &[], &["/run/podman/podman.sock"]), Presence::Denied { .. }));
        assert!(matches!(look_at(Some("unix:///var/run/docker.sock"), false, &["/var/run/docker.sock"], &[]), Presence::Absent { .. }));
    }
}
