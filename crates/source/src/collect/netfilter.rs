//! Changes of nftables as the kernel announces them, with the process that made them.
//!
//! The kernel announces each change of a transaction and at its end who made it, so a transaction is kept until then. Rules of `iptables` are seen where
//! it is the kind that speaks to nftables; the legacy kind leaves nothing here.

use super::Surroundings;
use super::netlink::{Heard, Message, Netlink, attribute, may_administer_network, messages, number, text};
use super::nft_rule;
use super::outlet::Outlet;
use super::room::{CollectorDef, Found, Presence, Room};
use event::Witness;
use rustix::net::netlink::NETFILTER;
use serde::Serialize;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "netfilter",
    witness: Witness::Network,
    sources: &["netfilter"],
    about: "Changes of the host's packet filter, with the process that made them.",
    blind: "that somebody opens the filter between containers is not seen",
    find,
};

const SOURCE: &str = "netfilter";
const GROUP: u32 = 1 << 6;
const NFTABLES: u16 = 10;
const NEW_GENERATION: u16 = 15;
/// Changes of one transaction that are told one by one. Whoever loads more at once replaces the filter; the rest is told as a number.
const CHANGES_MAX: usize = 512;

fn find(_: &Surroundings) -> Presence {
    match may_administer_network() {
        Err((reason, remedy)) => Presence::denied(reason, remedy),
        Ok(()) => Presence::Present(Found::kept("kernel:nftables", follow)),
    }
}

async fn follow(room: Room) -> Result<(), String> {
    let mut socket = Netlink::open(NETFILTER, GROUP)?;
    room.ready();
    let outlet = room.outlet().clone();
    let mut open = Transaction::default();
    loop {
        match socket.hear().await? {
            Heard::Datagram(bytes) => {
                for message in messages(bytes) {
                    open.take(&message);
                    if let Some((pid, process)) = generation(&message) {
                        std::mem::take(&mut open).tell(pid, &process, &outlet);
                    }
                }
            }
            Heard::Overflow => outlet.note_dropped(1, "the kernel announced changes of the packet filter faster than they were read"),
        }
        tokio::task::yield_now().await;
    }
}

/// Who made the transaction that ends here.
fn generation(message: &Message<'_>) -> Option<(i64, String)> {
    if message.kind != NFTABLES << 8 | NEW_GENERATION {
        return None;
    }
    let body = message.body.get(4..)?;
    let pid = attribute(body, 2).and_then(number).and_then(|pid| i64::try_from(pid).ok()).unwrap_or(0);
    Some((pid, attribute(body, 3).map(text).unwrap_or_default()))
}

/// The changes since the last transaction ended.
#[derive(Default)]
struct Transaction {
    changes: Vec<Change>,
    left_out: usize,
}

/// A change, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Change {
    landwaiter_netfilter: &'static str,
    time: i64,
    object: &'static str,
    family: &'static str,
    table: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    chain: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<usize>,
    pid: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    process: String,
}

impl Transaction {
    fn take(&mut self, message: &Message<'_>) {
        let Some(change) = Change::read(message) else { return };
        if self.changes.len() < CHANGES_MAX {
            self.changes.push(change);
        } else {
            self.left_out += 1;
        }
    }

    fn tell(self, pid: i64, process: &str, outlet: &Outlet) {
        let time = outlet.now().0;
        for change in self.changes {
            let change = Change { time, pid, process: process.to_owned(), ..change };
            if let Ok(bytes) = serde_json::to_vec(&change) {
                outlet.event(SOURCE, &bytes);
            }
        }
        if self.left_out > 0 {
            outlet.note_dropped(self.left_out as u64, "one transaction changed more of the packet filter than is told one by one");
        }
    }
}

impl Change {
    fn read(message: &Message<'_>) -> Option<Change> {
        if message.kind >> 8 != NFTABLES {
            return None;
        }
        let (landwaiter_netfilter, object) = match message.kind & 0xff {
            0 => ("add", "table"),
            2 => ("delete", "table"),
            3 => ("add", "chain"),
            5 => ("delete", "chain"),
            6 => ("add", "rule"),
            8 => ("delete", "rule"),
            9 => ("add", "set"),
            11 => ("delete", "set"),
            12 => ("add", "element"),
            14 => ("delete", "element"),
            18 => ("add", "object"),
            20 => ("delete", "object"),
            22 => ("add", "flowtable"),
            24 => ("delete", "flowtable"),
            _ => return None,
        };
        let family = match message.body.first()? {
            1 => "inet",
            2 => "ip",
            3 => "arp",
            5 => "netdev",
            7 => "bridge",
            10 => "ip6",
            _ => "unspecified",
        };
        let body = message.body.get(4..)?;
        let named = |kind| attribute(body, kind).map(text).unwrap_or_default();
        let value = |kind| attribute(body, kind).and_then(number);
        let mut change = Change { landwaiter_netfilter, object, family, table: named(1), ..Change::default() };
        match object {
            "chain" => {
                change.chain = named(3);
                change.handle = value(2);
                // What becomes of a packet that no rule of a base chain takes.
                change.rule = match value(5) {
                    Some(0) => "policy drop".to_owned(),
                    Some(1) => "policy accept".to_owned(),
                    _ => String::new(),
                };
            }
            "rule" => {
                change.chain = named(2);
                change.handle = value(3);
                change.rule = attribute(body, 4).map(nft_rule::words).unwrap_or_default();
            }
            "element" => {
                change.name = named(2);
                change.entries = attribute(body, 3).map(|list| super::netlink::attributes(list).count());
            }
            "table" => change.handle = value(4),
            _ => change.name = named(2),
        }
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::netlink::tests::{attr, message};
    use proptest::prelude::*;

    fn read(datagram: &[u8]) -> Vec<Change> {
        messages(datagram).filter_map(|message| Change::read(&message)).collect()
    }

    #[test]
    fn a_transaction_is_told_with_who_made_it() {
        let chain = message(NFTABLES << 8 | 3, 0, &[vec![2, 0, 0, 0], attr(1, b"filter\0"), attr(3, b"FORWARD\0"), attr(5, &1u32.to_be_bytes())].concat());
        let rule = message(NFTABLES << 8 | 8, 0, &[vec![2, 0, 0, 0], attr(1, b"filter\0"), attr(2, b"DOCKER-USER\0"), attr(3, &422u64.to_be_bytes())].concat());
        let end = message(NFTABLES << 8 | NEW_GENERATION, 0, &[vec![0; 4], attr(2, &4021u32.to_be_bytes()), attr(3, b"iptables\0")].concat());
        let changes = read(&[chain, rule].concat());
        assert_eq!((changes[0].landwaiter_netfilter, changes[0].rule.as_str()), ("add", "policy accept"));
        assert_eq!((changes[1].landwaiter_netfilter, changes[1].chain.as_str(), changes[1].handle), ("delete", "DOCKER-USER", Some(422)));
        assert_eq!(messages(&end).find_map(|message| generation(&message)), Some((4021, "iptables".to_owned())));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(kind in 0u16..32, body in prop::collection::vec(any::<u8>(), 0..160)) {
            let message = Message { kind: NFTABLES << 8 | kind, flags: 0, body: &body };
            let _ = (Change::read(&message), generation(&message));
        }
    }
}
