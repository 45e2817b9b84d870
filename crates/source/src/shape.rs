//! Which sources can take a record at all, by the keys at its root.
//!
//! Asking every source whether it knows a record costs more the more sources there are. So the keys are passed once, and only those sources are asked that need one of
//! them. This says nothing but which need not be asked: a source without a row here is always asked.

use crate::SOURCES;
use event::Document;
use sonic_rs::JsonContainerTrait;
use std::sync::LazyLock;

/// Of each source the keys of which a record must have at least one to be recognised as an object; none: it recognises no object.
const NEEDS: [(&str, &[&str]); 40] = [
    ("docker_events", &["Actor", "status"]),
    ("kubernetes_objects", &["object", "apiVersion"]),
    ("hubble", &["flow", "lost_events", "verdict"]),
    (
        "tetragon",
        &[
            "process_exec",
            "process_exit",
            "process_kprobe",
            "process_tracepoint",
            "process_uprobe",
            "process_usdt",
            "process_lsm",
            "process_loader",
            "process_connect",
            "process_accept",
            "process_listen",
            "process_close",
            "process_dns",
            "rate_limit_info",
            "process_throttle",
        ],
    ),
    ("docker_container", &["HostConfig"]),
    ("gcp_flow", &["jsonPayload"]),
    ("podman_events", &["PODMAN_EVENT", "Actor", "Status"]),
    ("podman_container", &["HostConfig"]),
    ("podman_containers", &[]),
    ("podman_exec", &[]),
    ("containerd_events", &["topic"]),
    ("containerd_container", &["landwaiter_containerd", "SnapshotKey"]),
    ("containerd_containers", &["landwaiter_containerd_list"]),
    ("crio_journal", &["MESSAGE"]),
    ("conntrack", &[]),
    ("zeek_conn", &["id.orig_h"]),
    ("vpc_flow", &[]),
    ("auditd", &[]),
    ("docker_exec", &["ProcessConfig"]),
    ("docker_image", &["RootFS", "RepoTags", "RepoDigests"]),
    ("docker_network", &["IPAM"]),
    ("docker_volume", &["Mountpoint"]),
    ("docker_info", &["ServerVersion", "ApiVersion", "Server"]),
    ("docker_containers", &[]),
    ("docker_images", &[]),
    ("docker_networks", &[]),
    ("docker_volumes", &["Volumes"]),
    ("kubernetes_audit", &["auditID"]),
    ("eks_audit", &["@message", "message"]),
    ("gke_audit", &["protoPayload"]),
    ("aks_audit", &["properties", "log_s"]),
    ("system_process", &["landwaiter_process"]),
    ("system_usage", &["landwaiter_usage"]),
    ("netfilter", &["landwaiter_netfilter"]),
    ("falco", &["rule"]),
    ("tracee", &["eventName", "workload", "SigMetadata"]),
    ("kunai", &["info"]),
    ("auditd_json", &["SYSCALL", "EXECVE", "NETFILTER_CFG", "PROCTITLE", "CONFIG_CHANGE", "auditd"]),
    ("suricata", &["event_type"]),
    ("sensor", &[]),
];

/// The sources that may take a record, as bits by their place in [`SOURCES`].
pub(crate) fn candidates(document: &Document) -> u64 {
    // Arrays and scalars are rare.
    let Some(object) = document.root().as_object() else { return u64::MAX };
    let table = &*TABLE;
    let mut found = table.always;
    for (key, _) in object.iter() {
        let slot = slot_of(key);
        // Nearly every key is none of them, which its length and two of its bytes tell.
        let mut at = usize::from(table.first[slot]);
        while let Some((known, sources)) = table.keys.get(at).filter(|(known, _)| slot_of(known) == slot) {
            if *known == key {
                found |= sources;
            }
            at += 1;
        }
    }
    found
}

struct Table {
    /// Sources that are always asked.
    always: u64,
    /// Each key with the sources that need it, by slot.
    keys: Vec<(&'static str, u64)>,
    /// Where the keys of each slot begin.
    first: [u8; SLOTS],
}

const SLOTS: usize = 1024;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { always: 0, keys: Vec::new(), first: [u8::MAX; SLOTS] };
    for (at, source) in SOURCES.iter().enumerate().take(64) {
        match NEEDS.iter().find(|(name, _)| *name == source.name) {
            None => table.always |= 1 << at,
            Some((_, keys)) => {
                for key in *keys {
                    match table.keys.iter_mut().find(|(known, _)| known == key) {
                        Some((_, sources)) => *sources |= 1 << at,
                        None => table.keys.push((key, 1 << at)),
                    }
                }
            }
        }
    }
    table.keys.sort_by_key(|(key, _)| slot_of(key));
    for (at, (key, _)) in table.keys.iter().enumerate().rev() {
        table.first[slot_of(key)] = u8::try_from(at).unwrap_or(u8::MAX);
    }
    table
});

fn slot_of(key: &str) -> usize {
    let bytes = key.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    (usize::from(first) * 31 + usize::from(last) * 7 + bytes.len() * 131) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) {
        let Ok(document) = Document::parse(text.as_bytes()) else { return };
        let candidates = candidates(&document);
        for (at, source) in SOURCES.iter().enumerate() {
            assert!(!(source.recognise)(&document) || candidates & 1 << at != 0, "{} takes {text} and would not be asked", source.name);
        }
    }

    #[test]
    fn every_row_is_of_a_source_and_there_is_room_for_all() {
        assert!(SOURCES.len() <= 64 && TABLE.keys.len() < usize::from(u8::MAX));
        assert!(NEEDS.iter().all(|(name, _)| crate::source_named(name).is_some()));
        SOURCES.iter().for_each(|source| check(source.sample));
    }

    #[test]
    fn few_sources_are_asked() {
        for source in SOURCES.iter().filter(|source| source.sample.starts_with('{')) {
            let asked = candidates(&Document::parse(source.sample.as_bytes()).unwrap()).count_ones();
            assert!(asked <= 6, "{}: {asked} are asked", source.name);
        }
    }

    proptest! {
        /// Whoever would take a record is asked, whatever of the keys of any two records stand in it.
        #[test]
        fn nobody_is_left_out(one in any::<prop::sample::Index>(), two in any::<prop::sample::Index>(), keep in any::<u64>()) {
            let members = |index: prop::sample::Index| {
                let objects: Vec<&str> = SOURCES.iter().map(|source| source.sample).filter(|sample| sample.starts_with('{')).collect();
                let text = objects[index.index(objects.len())];
                serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap().into_iter()
            };
            let kept = members(one).chain(members(two)).enumerate().filter(|(n, _)| keep >> (n % 64) & 1 == 1).map(|(_, member)| member);
            check(&serde_json::Value::Object(kept.collect()).to_string());
        }
    }
}
