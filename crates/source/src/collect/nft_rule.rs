//! A rule of nftables in words near to those that `nft list ruleset` prints: enough to see what it opens. What is not known is named by its kind.

use super::netlink::{attribute, attributes, number, text};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Parts of a rule that are put in words.
const PARTS_MAX: usize = 64;

/// The rule whose expressions these are.
pub(super) fn words(expressions: &[u8]) -> String {
    let mut registers: BTreeMap<u64, String> = BTreeMap::new();
    let mut out: Vec<String> = Vec::new();
    for (_, element) in attributes(expressions).take(PARTS_MAX) {
        let name = attribute(element, 1).map(text).unwrap_or_default();
        let data = attribute(element, 2).unwrap_or_default();
        let value = |kind| attribute(data, kind).and_then(number);
        match name.as_str() {
            "payload" => {
                let (base, offset, length) = (value(2).unwrap_or(0), value(3).unwrap_or(0), value(4).unwrap_or(0));
                registers.insert(value(1).unwrap_or(0), payload(base, offset, length));
            }
            "meta" => match value(1) {
                Some(register) => drop(registers.insert(register, meta(value(2).unwrap_or(0)))),
                None => out.push(format!("{} set", meta(value(2).unwrap_or(0)))),
            },
            "ct" => drop(registers.insert(value(1).unwrap_or(0), ct(value(2).unwrap_or(0)))),
            "bitwise" => {
                let (from, to) = (value(1).unwrap_or(0), value(2).unwrap_or(0));
                let mask = attribute(data, 4).and_then(|mask| attribute(mask, 1)).unwrap_or_default();
                let what = registers.get(&from).cloned().unwrap_or_default();
                registers.insert(to, format!("{what}{}", masked(mask)));
            }
            "cmp" => {
                let what = registers.get(&value(1).unwrap_or(0)).cloned().unwrap_or_default();
                let against = attribute(data, 3).and_then(|value| attribute(value, 1)).unwrap_or_default();
                // The transport's number stands before its ports, which name it already.
                let operator = match value(2) {
                    Some(0) => "",
                    Some(1) => "!= ",
                    Some(2) => "< ",
                    Some(3) => "<= ",
                    Some(4) => "> ",
                    Some(5) => ">= ",
                    _ => "? ",
                };
                out.push(compared(&what, operator, against));
            }
            "lookup" => {
                let what = registers.get(&value(2).unwrap_or(0)).cloned().unwrap_or_default();
                out.push(format!("{what} @{}", attribute(data, 1).map(text).unwrap_or_default()));
            }
            "immediate" => out.extend(attribute(data, 2).and_then(|data| attribute(data, 2)).map(verdict)),
            "match" | "target" => out.push(format!("{name} {}", attribute(data, 1).map(text).unwrap_or_default())),
            "masq" => out.push("masquerade".to_owned()),
            "nat" => out.push(if value(1) == Some(0) { "snat" } else { "dnat" }.to_owned()),
            "" => {}
            other => out.push(other.to_owned()),
        }
    }
    out.join(" ")
}

fn payload(base: u64, offset: u64, length: u64) -> String {
    let known = match (base, offset, length) {
        (1, 12, 4) => "ip saddr",
        (1, 16, 4) => "ip daddr",
        (1, 9, 1) => "ip protocol",
        // A whole number of bytes is compared without a mask.
        (1, 12, 1..4) => "ip saddr",
        (1, 16, 1..4) => "ip daddr",
        (1, 8, 16) => "ip6 saddr",
        (1, 24, 16) => "ip6 daddr",
        (2, 0, 2) => "sport",
        (2, 2, 2) => "dport",
        _ => "",
    };
    if known.is_empty() { format!("@{base},{offset},{length}") } else { known.to_owned() }
}

fn meta(key: u64) -> String {
    match key {
        3 => "mark".to_owned(),
        6 => "iifname".to_owned(),
        7 => "oifname".to_owned(),
        15 => "nfproto".to_owned(),
        16 => "l4proto".to_owned(),
        other => format!("meta {other}"),
    }
}

fn ct(key: u64) -> String {
    match key {
        0 => "ct state".to_owned(),
        2 => "ct status".to_owned(),
        other => format!("ct {other}"),
    }
}

/// A prefix as its length, any other mask as it is.
fn masked(mask: &[u8]) -> String {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let leading: u32 = mask.iter().map_while(|byte| (*byte != 0).then(|| byte.leading_ones())).sum();
    if ones == leading { format!("/{ones}") } else { format!(" & 0x{}", hex(mask)) }
}

fn compared(what: &str, operator: &str, value: &[u8]) -> String {
    let (name, suffix) = what.split_once('/').map_or((what, String::new()), |(name, prefix)| (name, format!("/{prefix}")));
    let shown = match (name, value.len()) {
        ("ip saddr" | "ip daddr", 1..=4) => {
            let mut full = [0; 4];
            full.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
            let suffix = if suffix.is_empty() && value.len() < 4 { format!("/{}", value.len() * 8) } else { suffix };
            format!("{}{suffix}", Ipv4Addr::from(full))
        }
        ("ip6 saddr" | "ip6 daddr", 16) => format!("{}{suffix}", Ipv6Addr::from(<[u8; 16]>::try_from(value).unwrap_or_default())),
        ("sport" | "dport", 2) => number(value).unwrap_or(0).to_string(),
        ("ip protocol" | "l4proto", 1) => match value {
            [1] => "icmp".to_owned(),
            [6] => "tcp".to_owned(),
            [17] => "udp".to_owned(),
            other => number(other).unwrap_or(0).to_string(),
        },
        ("iifname" | "oifname", _) => format!("\"{}\"", text(value)),
        _ => format!("0x{}{suffix}", hex(value)),
    };
    format!("{name} {operator}{shown}")
}

fn verdict(bytes: &[u8]) -> String {
    let code = attribute(bytes, 1).and_then(number).unwrap_or(0) as u32 as i32;
    let chain = attribute(bytes, 2).map(text).unwrap_or_default();
    match code {
        0 => "drop".to_owned(),
        1 => "accept".to_owned(),
        3 => "queue".to_owned(),
        -1 => "continue".to_owned(),
        -3 => format!("jump {chain}"),
        -4 => format!("goto {chain}"),
        -5 => "return".to_owned(),
        other => format!("verdict {other}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::netlink::tests::attr;
    use proptest::prelude::*;

    fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
        attr(1, &[attr(1, format!("{name}\0").as_bytes()), attr(2, &data.concat())].concat())
    }

    fn be(value: u32) -> [u8; 4] {
        value.to_be_bytes()
    }

    #[test]
    fn what_a_rule_opens_can_be_read() {
        let compare = |value: &[u8]| expression("cmp", &[attr(1, &be(1)), attr(2, &be(0)), attr(3, &attr(1, value))]);
        let payload = |base, offset, length| {
            expression("payload", &[attr(1, &be(1)), attr(2, &be(base)), attr(3, &be(offset)), attr(4, &be(length))])
        };
        let mask = expression("bitwise", &[attr(1, &be(1)), attr(2, &be(1)), attr(4, &attr(1, &[255, 240, 0, 0]))]);
        let accept = expression("immediate", &[attr(1, &be(0)), attr(2, &attr(2, &attr(1, &be(1))))]);
        let rule =
            [payload(1, 12, 4), mask, compare(&[172, 16, 0, 0]), payload(2, 2, 2), compare(&[0, 80]), expression("counter", &[]), accept]
                .concat();
        assert_eq!(words(&rule), "ip saddr 172.16.0.0/12 dport 80 counter accept");
        let byte = [payload(1, 12, 1), compare(&[10])].concat();
        assert_eq!(words(&byte), "ip saddr 10.0.0.0/8");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_put_in_words(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(words(&bytes).len() < 20_000);
        }
    }
}
