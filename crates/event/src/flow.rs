//! What network witnesses say: flows, and changes of filters.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A flow between two addresses, as one network witness says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// What is said of it.
    pub stage: FlowStage,
    /// When it began; `None` when the witness does not say. Addresses are attributed by this time, else by the event's.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// Where the initiator sends from.
    pub source: End,
    /// Where the initiator sends to, before translation.
    pub destination: End,
    /// Where answers come from, when that is another than `destination` (translated destination); empty when the same or not known.
    pub answered_by: End,
    /// Where answers go to, when that is another than `source` (translated source).
    pub answered_to: End,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `sctp` or the protocol's number.
    pub protocol: SmolStr,
    /// Whether it came to something.
    pub outcome: FlowOutcome,
    /// Bytes from the initiator; `None` when not counted.
    pub bytes_out: Option<u64>,
    /// Bytes to the initiator.
    pub bytes_in: Option<u64>,
    /// Packets from the initiator.
    pub packets_out: Option<u64>,
    /// Packets to the initiator.
    pub packets_in: Option<u64>,
    /// Application protocol that the witness recognised (`http`, `tls`, `dns`).
    pub service: SmolStr,
    /// Name that was asked for (DNS query, TLS server name, HTTP host).
    pub server_name: SmolStr,
    /// The witness sees only one flow in this many; 1 when it sees all, 0 when it does not say.
    pub sampled: u32,
    /// The network namespace's inode where it was seen, when the witness is bound to one.
    pub netns: u64,
    /// Alert text, when the witness raised one itself (Suricata).
    pub alert: SmolStr,
}

/// What is said of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowStage {
    /// It begins.
    New,
    /// It goes on.
    Update,
    /// It is over, or this is its summary.
    #[default]
    Ended,
}

/// Whether a flow came to something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowOutcome {
    /// Not said, or not known yet.
    #[default]
    Unknown,
    /// Answered.
    Answered,
    /// No answer came.
    Unanswered,
    /// Refused by the other end.
    Refused,
    /// Dropped by a policy or filter.
    Dropped,
}

/// One end of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct End {
    /// Address in its usual spelling; empty when not known.
    pub address: SmolStr,
    /// Port; 0 when there is none.
    pub port: u16,
    /// Pod's namespace, where the witness itself knows it (Hubble).
    pub namespace: SmolStr,
    /// Pod's name, likewise.
    pub pod: SmolStr,
    /// Workload's name, likewise.
    pub workload: SmolStr,
    /// Labels, likewise, as `key=value`.
    pub labels: Vec<SmolStr>,
    /// What else the witness calls it: `host`, `world`, `kube-apiserver`, an interface's or a domain's name.
    pub identity: SmolStr,
}

/// A change of the host's packet filter, as nftables' monitor or auditd's NETFILTER_CFG says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterChange {
    /// `nftables`, `iptables`.
    pub tool: SmolStr,
    /// `add`, `delete`, `replace`, `flush`, `register`, `unregister`.
    pub action: SmolStr,
    /// `table`, `chain`, `rule`, `set`, `element`; empty when the witness does not say.
    pub object: SmolStr,
    /// `ip`, `ip6`, `inet`, `bridge`, …
    pub family: SmolStr,
    /// Table's name.
    pub table: SmolStr,
    /// Chain's name.
    pub chain: SmolStr,
    /// The rule as text, where it is known.
    pub rule: SmolStr,
    /// Entries affected, where it is said.
    pub entries: Option<i64>,
    /// Process that did it.
    pub pid: i64,
    /// Its name.
    pub process: SmolStr,
    /// User id at login.
    pub login_uid: Option<i64>,
}
