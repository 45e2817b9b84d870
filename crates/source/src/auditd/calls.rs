//! System calls by number, and what their arguments mean.

use super::parts::bytes;
use event::SmolStr;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Of 64-bit x86: those that say something of containers, files, processes and the network.
const X86_64: [(u16, &str); 62] = [
    (2, "open"),
    (41, "socket"),
    (42, "connect"),
    (43, "accept"),
    (49, "bind"),
    (50, "listen"),
    (56, "clone"),
    (57, "fork"),
    (58, "vfork"),
    (59, "execve"),
    (60, "exit"),
    (62, "kill"),
    (76, "truncate"),
    (77, "ftruncate"),
    (82, "rename"),
    (83, "mkdir"),
    (84, "rmdir"),
    (85, "creat"),
    (86, "link"),
    (87, "unlink"),
    (88, "symlink"),
    (90, "chmod"),
    (92, "chown"),
    (101, "ptrace"),
    (105, "setuid"),
    (126, "capset"),
    (133, "mknod"),
    (155, "pivot_root"),
    (157, "prctl"),
    (161, "chroot"),
    (164, "settimeofday"),
    (165, "mount"),
    (166, "umount2"),
    (169, "reboot"),
    (175, "init_module"),
    (176, "delete_module"),
    (188, "setxattr"),
    (200, "tkill"),
    (227, "clock_settime"),
    (231, "exit_group"),
    (234, "tgkill"),
    (246, "kexec_load"),
    (257, "openat"),
    (258, "mkdirat"),
    (259, "mknodat"),
    (263, "unlinkat"),
    (264, "renameat"),
    (265, "linkat"),
    (266, "symlinkat"),
    (268, "fchmodat"),
    (272, "unshare"),
    (288, "accept4"),
    (298, "perf_event_open"),
    (304, "open_by_handle_at"),
    (308, "setns"),
    (310, "process_vm_readv"),
    (311, "process_vm_writev"),
    (313, "finit_module"),
    (316, "renameat2"),
    (319, "memfd_create"),
    (321, "bpf"),
    (322, "execveat"),
];

/// Of 64-bit ARM.
const AARCH64: [(u16, &str); 45] = [
    (33, "mknodat"),
    (34, "mkdirat"),
    (35, "unlinkat"),
    (36, "symlinkat"),
    (37, "linkat"),
    (38, "renameat"),
    (39, "umount2"),
    (40, "mount"),
    (41, "pivot_root"),
    (45, "truncate"),
    (46, "ftruncate"),
    (51, "chroot"),
    (52, "fchmod"),
    (53, "fchmodat"),
    (56, "openat"),
    (91, "capset"),
    (93, "exit"),
    (94, "exit_group"),
    (97, "unshare"),
    (104, "kexec_load"),
    (105, "init_module"),
    (106, "delete_module"),
    (117, "ptrace"),
    (129, "kill"),
    (130, "tkill"),
    (131, "tgkill"),
    (142, "reboot"),
    (146, "setuid"),
    (167, "prctl"),
    (198, "socket"),
    (200, "bind"),
    (201, "listen"),
    (202, "accept"),
    (203, "connect"),
    (220, "clone"),
    (221, "execve"),
    (241, "perf_event_open"),
    (242, "accept4"),
    (265, "open_by_handle_at"),
    (268, "setns"),
    (270, "process_vm_readv"),
    (273, "finit_module"),
    (276, "renameat2"),
    (280, "bpf"),
    (281, "execveat"),
];

/// The same on every architecture.
const COMMON: [(u16, &str); 8] = [
    (424, "pidfd_send_signal"),
    (425, "io_uring_setup"),
    (428, "open_tree"),
    (429, "move_mount"),
    (432, "fsmount"),
    (435, "clone3"),
    (437, "openat2"),
    (442, "mount_setattr"),
];

/// An architecture by the number that the audit subsystem gives it; empty when it is not known.
pub(super) fn arch(text: &str) -> &str {
    match text {
        "c000003e" => "x86_64",
        "c00000b7" => "aarch64",
        "40000003" => "i386",
        "40000028" => "arm",
        named if named.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit()) => named,
        _ => "",
    }
}

/// A system call by its number on an architecture; empty when it is not known.
pub(super) fn name(arch_text: &str, number: &str) -> &'static str {
    let Ok(number) = number.parse::<u16>() else { return "" };
    let own: &[(u16, &str)] = match arch(arch_text) {
        "x86_64" => &X86_64,
        "aarch64" => &AARCH64,
        _ => return "",
    };
    own.iter().chain(&COMMON).find(|(known, _)| *known == number).map_or("", |(_, name)| name)
}

/// Whether a file opened with these flags can be changed: for writing, created, emptied or appended to.
pub(super) fn opens_for_writing(flags: i64) -> bool {
    flags & (0x1 | 0x2 | 0x40 | 0x200 | 0x400) != 0
}

/// A socket's address as the kernel has it in memory: address, port, path, protocol; each empty where it has none.
pub(super) fn address(hex: &str) -> (SmolStr, u16, SmolStr, SmolStr) {
    let none = || (SmolStr::default(), 0, SmolStr::default(), SmolStr::default());
    let Some(bytes) = bytes(hex) else { return none() };
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    match bytes.as_slice() {
        [1, 0, path @ ..] => {
            // A name that begins with zero is none in the file system.
            let path = path.split(|byte| *byte == 0).find(|part| !part.is_empty()).unwrap_or_default();
            (SmolStr::default(), 0, SmolStr::new(String::from_utf8_lossy(path)), SmolStr::new_static("unix"))
        }
        [2, 0, rest @ ..] if rest.len() >= 6 => {
            let address = Ipv4Addr::new(rest[2], rest[3], rest[4], rest[5]);
            (SmolStr::new(address.to_string()), port(rest), SmolStr::default(), SmolStr::default())
        }
        [10, 0, rest @ ..] if rest.len() >= 22 => {
            let mut address = [0u8; 16];
            address.copy_from_slice(&rest[6..22]);
            (SmolStr::new(Ipv6Addr::from(address).to_string()), port(rest), SmolStr::default(), SmolStr::default())
        }
        _ => none(),
    }
}
