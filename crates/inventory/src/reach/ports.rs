//! Sets of ports: what a rule allows, and what two of them have in common.

use event::SmallVec;

/// Transport protocols that a network policy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// The protocol as a policy or a flow spells it; nothing means TCP.
    pub fn named(text: &str) -> Option<Protocol> {
        match text {
            "" => Some(Protocol::Tcp),
            _ if text.eq_ignore_ascii_case("tcp") => Some(Protocol::Tcp),
            _ if text.eq_ignore_ascii_case("udp") => Some(Protocol::Udp),
            _ if text.eq_ignore_ascii_case("sctp") => Some(Protocol::Sctp),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

/// Ports of one protocol: ranges in ascending order that neither overlap nor touch.
type Ranges = SmallVec<[(u16, u16); 2]>;

/// A set of (protocol, port), and whether traffic of other protocols (ICMP and the like) belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet {
    ranges: [Ranges; 3],
    /// Other protocols too.
    pub others: bool,
}

impl PortSet {
    /// Everything.
    pub fn all() -> PortSet {
        let mut set = PortSet { others: true, ..PortSet::default() };
        for protocol in Protocol::ALL {
            set.add(protocol, 0, u16::MAX);
        }
        set
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.others && self.ranges.iter().all(SmallVec::is_empty)
    }

    /// Everything is in it.
    pub fn is_all(&self) -> bool {
        self.others && self.ranges.iter().all(|ranges| ranges.as_slice() == [(0, u16::MAX)])
    }

    /// Whether a port is in it.
    pub fn has(&self, protocol: Protocol, port: u16) -> bool {
        self.ranges[protocol as usize].iter().any(|(from, to)| (*from..=*to).contains(&port))
    }

    /// Adds the ports `from` to `to`, both included; nothing when `to` is the smaller.
    pub fn add(&mut self, protocol: Protocol, from: u16, to: u16) {
        if to < from {
            return;
        }
        let ranges = &mut self.ranges[protocol as usize];
        ranges.push((from, to));
        ranges.sort_unstable();
        let mut joined = Ranges::new();
        for (from, to) in ranges.drain(..) {
            match joined.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        *ranges = joined;
    }

    /// Adds all of another set.
    pub fn join(&mut self, other: &PortSet) {
        self.others |= other.others;
        for protocol in Protocol::ALL {
            for (from, to) in &other.ranges[protocol as usize] {
                self.add(protocol, *from, *to);
            }
        }
    }

    /// What both have.
    #[must_use]
    pub fn and(&self, other: &PortSet) -> PortSet {
        let mut set = PortSet { others: self.others && other.others, ..PortSet::default() };
        for protocol in Protocol::ALL {
            for (a, b) in &self.ranges[protocol as usize] {
                for (c, d) in &other.ranges[protocol as usize] {
                    set.add(protocol, *a.max(c), *b.min(d));
                }
            }
        }
        set
    }

    /// What this one has and the other has not.
    #[must_use]
    pub fn without(&self, other: &PortSet) -> PortSet {
        let mut set = PortSet { others: self.others && !other.others, ..PortSet::default() };
        for protocol in Protocol::ALL {
            for (from, to) in &self.ranges[protocol as usize] {
                let mut next = u32::from(*from);
                for (c, d) in &other.ranges[protocol as usize] {
                    if u32::from(*d) < next || c > to {
                        continue;
                    }
                    if u32::from(*c) > next {
                        set.add(protocol, next as u16, c - 1);
                    }
                    next = u32::from(*d) + 1;
                }
                if next <= u32::from(*to) {
                    set.add(protocol, next as u16, *to);
                }
            }
        }
        set
    }

    /// In words, for a sentence: `all`, or `tcp 80`, `udp 1-1024`; at most ten.
    pub fn words(&self) -> Vec<String> {
        if self.is_all() {
            return vec!["all".to_owned()];
        }
        let mut words = Vec::new();
        for protocol in Protocol::ALL {
            for (from, to) in &self.ranges[protocol as usize] {
                words.push(match (from, to) {
                    (0, &u16::MAX) => format!("all of {}", protocol.word()),
                    _ if from == to => format!("{} {from}", protocol.word()),
                    _ => format!("{} {from}-{to}", protocol.word()),
                });
            }
        }
        if self.others {
            words.push("other protocols".to_owned());
        }
        words.truncate(10);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(ranges: &[(u8, u8, u8)]) -> PortSet {
        let mut set = PortSet::default();
        for (protocol, from, to) in ranges {
            set.add(Protocol::ALL[usize::from(*protocol % 3)], u16::from(*from), u16::from(*to));
        }
        set
    }

    fn ranges() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
        prop::collection::vec((0u8..3, 0u8..40, 0u8..40), 0..6)
    }

    proptest! {
        /// The operations agree with asking port by port.
        #[test]
        fn sets_are_sets(a in ranges(), b in ranges()) {
            let (a, b) = (set(&a), set(&b));
            let mut joined = a.clone();
            joined.join(&b);
            for protocol in Protocol::ALL {
                for port in 0..50 {
                    let (x, y) = (a.has(protocol, port), b.has(protocol, port));
                    prop_assert_eq!(a.and(&b).has(protocol, port), x && y);
                    prop_assert_eq!(a.without(&b).has(protocol, port), x && !y);
                    prop_assert_eq!(joined.has(protocol, port), x || y);
                }
            }
            prop_assert!(a.without(&PortSet::all()).is_empty());
            prop_assert_eq!(PortSet::all().without(&PortSet::all().without(&a)), a);
        }
    }

    #[test]
    fn the_ends_of_the_range_are_ports_like_others() {
        let mut set = PortSet::default();
        set.add(Protocol::Tcp, 0, 0);
        set.add(Protocol::Tcp, u16::MAX, u16::MAX);
        let rest = PortSet::all().without(&set);
        assert_eq!(rest.words()[0], "tcp 1-65534");
    }
}
