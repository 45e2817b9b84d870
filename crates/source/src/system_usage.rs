//! What a control group uses and may use, as the kernel has it. Our own collector writes it.

use crate::loose::Loose;
use crate::process::told;
use crate::{SourceDef, Witness};
use event::cgroup::container_of;
use event::document::{Document, SIZE_MAX};
use event::fact::Fact;
use event::system::Usage;
use event::{Decoded, Time, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "system_usage",
    witness: Witness::System,
    kind: dictionary::SYSTEM_USAGE,
    about: "What a container's control group uses of processor and memory, and the limits that the kernel has for it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"landwaiter_usage":1,"time":1795527678072015498,"interval":10000000000,"cgroup":"/docker/50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a","cpu":9912345678,"cpu_quota":100000,"cpu_period":100000,"memory":73400320,"memory_limit":268435456,"pids":5,"pids_limit":100,"oom_kills":0,"cpu_pressure":12.5,"memory_pressure":0.0,"frozen":false}"#,
};

/// Version 1 of control groups says *no limit* with a number near the largest there is.
const MEMORY_UNLIMITED: i64 = 1 << 62;

fn recognise(document: &Document) -> bool {
    Loose::root(document).has("landwaiter_usage")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let (quota, period) = (root.get("cpu_quota").int(), root.get("cpu_period").int().filter(|period| *period > 0));
    let cgroup = root.get("cgroup").text();
    let memory_limit = root.get("memory_limit").int();
    let pids_limit = root.get("pids_limit").int();
    let usage = Usage {
        container_id: container_of(&cgroup).map(|found| found.id).unwrap_or_default(),
        cgroup,
        interval: root.get("interval").int().unwrap_or(0).max(0),
        cpu: root.get("cpu").int().filter(|used| *used >= 0),
        cpu_limit: quota.filter(|quota| *quota > 0).and_then(|quota| Some(quota as f64 / period? as f64)),
        memory: root.get("memory").int(),
        memory_limit: memory_limit.filter(|limit| (0..MEMORY_UNLIMITED).contains(limit)),
        pids_limit: pids_limit.filter(|limit| *limit >= 0),
        pids: root.get("pids").int(),
        limits_read: quota.is_some() && memory_limit.is_some() && pids_limit.is_some(),
        oom_kills: root.get("oom_kills").int(),
        cpu_pressure: root.get("cpu_pressure").float(),
        memory_pressure: root.get("memory_pressure").float(),
        frozen: root.get("frozen").bool(),
    };
    Ok(told(dictionary::SYSTEM_USAGE, root.get("time").int().map(Time), bytes, Some(Fact::Usage(Box::new(usage)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Usage {
        let document = Document::parse(text.as_bytes()).unwrap();
        match decode(&document, text.as_bytes()).unwrap().fact {
            Some(Fact::Usage(usage)) => *usage,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn limits_are_told_from_none_and_from_unknown() {
        let usage = read(SOURCE.sample);
        assert_eq!(
            (usage.cpu_limit, usage.memory_limit, usage.pids_limit, usage.limits_read),
            (Some(1.0), Some(268_435_456), Some(100), true)
        );
        assert_eq!(usage.container_id, "50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a");
        let none = read(
            r#"{"landwaiter_usage":1,"cgroup":"/x","cpu_quota":-1,"cpu_period":100000,"memory_limit":9223372036854771712,"pids_limit":-1}"#,
        );
        assert_eq!((none.cpu_limit, none.memory_limit, none.pids_limit, none.limits_read), (None, None, None, true));
        assert!(!read(r#"{"landwaiter_usage":1,"cgroup":"/x"}"#).limits_read);
    }
}
