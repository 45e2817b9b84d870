//! Devices of the host inside a container, and which of them reach around its confinement.

use crate::posture::Danger;

/// How much control of the host a device gives.
pub fn danger(path: &str) -> Danger {
    let Some(name) = path.strip_prefix("/dev/") else {
        return if path == "/dev" { Danger::High } else { Danger::None };
    };
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let below = |folder: &str| name == folder || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    // Disks by any of their names: the host's files, past every permission.
    let disk = ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "md", "dm-", "loop", "zd", "nbd", "rbd", "bcache", "drbd", "sg"]
        .iter()
        .any(|prefix| numbered(prefix))
        && !matches!(name, "mdev" | "sgx" | "sgx_enclave" | "sgx_provision");
    if disk || below("mapper") || below("disk") || below("block") || below("bsg") || below("raw") || below("zvol") {
        return Danger::High;
    }
    match name {
        "mem" | "kmem" | "port" | "core" | "loop-control" => Danger::High,
        _ if below("cpu") => Danger::High,
        // Keystrokes, direct memory access, the kernel's log: serious, but not the host by itself.
        "kmsg" | "uinput" | "uhid" | "nvram" | "watchdog" | "btrfs-control" | "mei0" | "mei" => Danger::Medium,
        _ if below("input") || below("vfio") || below("cpu_dma_latency") => Danger::Medium,
        _ => Danger::None,
    }
}

/// How much control a cgroup device rule (`b 8:* rwm`) gives: it lets the container make the device node itself.
pub fn rule_danger(rule: &str) -> Danger {
    let mut parts = rule.split_ascii_whitespace();
    let class = parts.next().unwrap_or_default();
    let number = parts.next().unwrap_or("*:*");
    let (major, minor) = number.split_once(':').unwrap_or((number, "*"));
    match (class, major, minor) {
        ("a", ..) => Danger::High,
        // Compressed memory and floppy aside, every block device is a disk.
        ("b", ..) => Danger::High,
        ("c", "*", _) => Danger::High,
        // Memory, kernel memory and ports.
        ("c", "1", "*" | "1" | "2" | "4") => Danger::High,
        ("c", "1", "11") => Danger::Medium,
        ("c", "202" | "203", _) => Danger::High,
        _ => Danger::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_memory_are_dangerous_and_ordinary_devices_are_not() {
        for path in [
            "/dev/sda",
            "/dev/sda1",
            "/dev/nvme0n1p2",
            "/dev/mapper/vg-root",
            "/dev/disk/by-id/x",
            "/dev/dm-0",
            "/dev/mem",
            "/dev/loop-control",
            "/dev/cpu/0/msr",
            "/dev",
        ] {
            assert_eq!(danger(path), Danger::High, "{path}");
        }
        assert_eq!(danger("/dev/kmsg"), Danger::Medium);
        for path in [
            "/dev/fuse",
            "/dev/net/tun",
            "/dev/dri/card0",
            "/dev/null",
            "/dev/shm",
            "/dev/snd",
            "/dev/ttyUSB0",
            "/dev/kvm",
            "/dev/sgx_enclave",
            "/srv/sda",
            "",
        ] {
            assert_eq!(danger(path), Danger::None, "{path}");
        }
    }

    #[test]
    fn rules_that_allow_disks_or_everything_are_dangerous() {
        for rule in ["a *:* rwm", "a", "b *:* rwm", "b 8:0 r", "c *:* rwm", "c 1:1 r"] {
            assert_eq!(rule_danger(rule), Danger::High, "{rule}");
        }
        for rule in ["c 195:* rmw", "c 10:200 rwm", "c 81:* rw", ""] {
            assert_eq!(rule_danger(rule), Danger::None, "{rule}");
        }
    }
}
