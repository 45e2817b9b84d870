//! Paths of the host as the kernel would follow them, without asking a kernel: dots, doubled slashes and the links that every host has.

/// A path with dots and doubled slashes gone and well-known links followed, or `None` when it does not begin at the root.
pub fn resolve(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    // Each link makes the path shorter or stands below a fixed place, but two could point at each other; the bound makes that harmless.
    let mut parts: Vec<&str> = Vec::new();
    let mut steps = 0;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => {
                parts.push(part);
                while steps < 64 && follow(&mut parts) {
                    steps += 1;
                }
            }
        }
    }
    Some(join(&parts))
}

/// A path with dots and doubled slashes gone, as the engine cleans it: without following links.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    join(&parts)
}

/// Whether `path` is `place` or lies below it. Both are resolved.
pub fn within(path: &str, place: &str) -> bool {
    place == "/" || path == place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

fn join(parts: &[&str]) -> String {
    if parts.is_empty() { "/".to_owned() } else { parts.iter().flat_map(|part| ["/", part]).collect() }
}

/// Follows the link at which the path now ends, if it is one that every host has.
fn follow(parts: &mut Vec<&str>) -> bool {
    match parts.as_slice() {
        ["var", "run"] => *parts = vec!["run"],
        ["var", "lock"] => *parts = vec!["run", "lock"],
        [top @ ("bin" | "sbin" | "lib" | "lib32" | "lib64" | "libx32")] => *parts = vec!["usr", *top],
        ["proc", who, "root"] if is_process(who) => parts.clear(),
        ["proc", who, "task", _, "root"] if is_process(who) => parts.clear(),
        ["etc", "mtab"] => *parts = vec!["proc", "self", "mounts"],
        ["dev", "core"] => *parts = vec!["proc", "kcore"],
        _ => return false,
    }
    true
}

/// Mounts are made by the engine, a process of the host, so `self` is the host too.
fn is_process(part: &str) -> bool {
    matches!(part, "self" | "thread-self") || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_followed_as_the_kernel_would() {
        for (given, real) in [
            ("/", "/"),
            ("//etc/./", "/etc"),
            ("/var/run/docker.sock", "/run/docker.sock"),
            ("/var/run/../etc", "/etc"),
            ("/proc/1/root/etc", "/etc"),
            ("/proc/self/root//", "/"),
            ("/proc/1/root/proc/1/root/root", "/root"),
            ("/tmp/../../..", "/"),
            ("/lib/modules", "/usr/lib/modules"),
            ("/srv/bin", "/srv/bin"),
            ("/dev/core", "/proc/kcore"),
        ] {
            assert_eq!(resolve(given).as_deref(), Some(real), "{given}");
        }
        assert_eq!(resolve("data"), None);
        assert_eq!(resolve(""), None);
        assert!(within("/etc/ssh", "/etc") && within("/etc", "/etc") && within("/etc", "/") && !within("/etcetera", "/etc"));
    }
}
