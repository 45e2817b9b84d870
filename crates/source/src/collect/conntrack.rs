//! Connections as the kernel's connection tracking announces them, written as the line that `conntrack -E -o timestamp` would print.
//!
//! That line is what operators keep already, so files and live speak the same and one decoder reads both.

use super::Surroundings;
use super::netlink::{Heard, Message, Netlink, attribute, attributes, may_administer_network, messages, number};
use super::outlet::Outlet;
use super::room::{CollectorDef, Found, Presence, Room};
use event::Witness;
use rustix::net::netlink::NETFILTER;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "conntrack",
    witness: Witness::Network,
    sources: &["conntrack"],
    about: "Connections that begin, are answered and end, as the kernel tracks them.",
    blind: "who speaks to whom is not seen",
    find,
};

const SOURCE: &str = "conntrack";
/// New, update and destroy.
const GROUPS: u32 = 0b111;
/// Connections whose state is remembered.
const KNOWN_MAX: usize = 65_536;
/// One note in this time is enough.
const CONFESS_EVERY: Duration = Duration::from_secs(2);
/// So often others on this thread get their turn in a storm.
const TURN_EVERY: u32 = 64;

const CTNETLINK: u16 = 1;
const DELETE: u16 = 2;
/// The message makes something new.
const CREATE: u16 = 0x400;
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;

fn find(_: &Surroundings) -> Presence {
    const FOLDER: &str = "/proc/sys/net/netfilter";
    if let Err((reason, remedy)) = may_administer_network() {
        return Presence::denied(reason, remedy);
    }
    match std::fs::read_to_string(format!("{FOLDER}/nf_conntrack_events")) {
        Err(_) => Presence::absent("the kernel does not track connections here", "modprobe nf_conntrack; any stateful firewall rule, as Docker's own, makes it track"),
        Ok(state) if state.trim() == "0" => {
            Presence::denied("the kernel tracks connections, but does not announce them", "sysctl -w net.netfilter.nf_conntrack_events=1")
        }
        Ok(_) => Presence::Present(Found::kept("kernel:conntrack", follow)),
    }
}

async fn follow(room: Room) -> Result<(), String> {
    let mut socket = Netlink::open(NETFILTER, GROUPS)?;
    room.ready();
    let outlet = room.outlet().clone();
    let mut told = Told::default();
    let (mut overflows, mut confessed, mut turn) = (0, Instant::now(), 0);
    loop {
        match socket.hear().await? {
            Heard::Datagram(bytes) => messages(bytes).for_each(|message| tell(&message, &mut told, &outlet)),
            Heard::Overflow => overflows += 1,
        }
        if overflows > 0 && confessed.elapsed() >= CONFESS_EVERY {
            outlet.note_dropped(overflows, "the kernel announced connections faster than they were read");
            (overflows, confessed) = (0, Instant::now());
        }
        turn += 1;
        if turn >= TURN_EVERY {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

fn tell(message: &Message<'_>, told: &mut Told, outlet: &Outlet) {
    if let Some(flow) = Flow::read(message)
        && told.is_news(&flow)
    {
        outlet.event(SOURCE, flow.line(outlet.now().0).as_bytes());
    }
}

/// What was told of each connection: an update is news only when the other side has now answered, or the connection stands now.
#[derive(Default)]
struct Told {
    states: BTreeMap<u64, u32>,
    /// Oldest first; may name connections that are over.
    order: VecDeque<u64>,
}

impl Told {
    fn is_news(&mut self, flow: &Flow) -> bool {
        let Some(id) = flow.id else { return true };
        if flow.what == What::Destroy {
            self.states.remove(&id);
            return true;
        }
        let state = flow.status & (SEEN_REPLY | ASSURED);
        match self.states.insert(id, state) {
            Some(before) => return flow.what == What::New || before != state,
            None => self.order.push_back(id),
        }
        while self.states.len() > KNOWN_MAX || self.order.len() > 2 * KNOWN_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.states.len() > KNOWN_MAX {
                self.states.remove(&oldest);
            } else if self.states.contains_key(&oldest) {
                self.order.push_back(oldest);
            }
        }
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    New,
    Update,
    Destroy,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    source: String,
    destination: String,
    protocol: u8,
    ports: Option<(u64, u64)>,
    icmp: Option<(u64, u64, u64)>,
    packets: Option<u64>,
    bytes: Option<u64>,
}

/// What a message says of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flow {
    what: What,
    orig: Way,
    reply: Way,
    status: u32,
    id: Option<u64>,
    timeout: Option<u64>,
    tcp_state: Option<u64>,
    mark: Option<u64>,
    zone: Option<u64>,
    /// When it began and ended, if the kernel keeps that.
    start: Option<u64>,
    stop: Option<u64>,
}

impl Flow {
    fn read(message: &Message<'_>) -> Option<Flow> {
        if message.kind >> 8 != CTNETLINK {
            return None;
        }
        let what = match message.kind & 0xff {
            DELETE => What::Destroy,
            0 if message.flags & CREATE != 0 => What::New,
            0 => What::Update,
            _ => return None,
        };
        // The family stands first; the addresses themselves say it as well.
        let body = message.body.get(4..)?;
        let of = |kind| attribute(body, kind);
        let value = |kind| of(kind).and_then(number);
        let mut orig = Way::read(of(1)?)?;
        let mut reply = Way::read(of(2)?)?;
        orig.count(of(9));
        reply.count(of(10));
        let tcp_state = of(4).and_then(|info| attribute(info, 1)).and_then(|tcp| attribute(tcp, 1)).and_then(number);
        let times = |kind| of(20).and_then(|times| attribute(times, kind)).and_then(number).filter(|time| *time > 0);
        Some(Flow {
            what,
            orig,
            reply,
            status: value(3).unwrap_or(0) as u32,
            id: value(12),
            timeout: value(7),
            tcp_state,
            mark: value(8),
            zone: value(18),
            start: times(1),
            stop: times(2),
        })
    }

    /// The line, with the kernel's own time where it has one for what happened.
    fn line(&self, now: i64) -> String {
        let kernel = match self.what {
            What::New => self.start,
            What::Destroy => self.stop,
            What::Update => None,
        };
        let time = kernel.and_then(|time| i64::try_from(time).ok()).unwrap_or(now);
        let what = match self.what {
            What::New => "    [NEW]",
            What::Update => " [UPDATE]",
            What::Destroy => "[DESTROY]",
        };
        let mut out = String::with_capacity(256);
        let _ = write!(out, "[{}.{:06}]\t{what} ", time / 1_000_000_000, time % 1_000_000_000 / 1000);
        let _ = write!(out, "{:<8} {} ", protocol(self.orig.protocol), self.orig.protocol);
        if let Some(timeout) = self.timeout {
            let _ = write!(out, "{timeout} ");
        }
        if let Some(state) = self.tcp_state.and_then(|state| TCP_STATES.get(state as usize)) {
            let _ = write!(out, "{state} ");
        }
        self.orig.write(&mut out);
        if self.status & SEEN_REPLY == 0 {
            out.push_str("[UNREPLIED] ");
        }
        self.reply.write(&mut out);
        if self.status & ASSURED != 0 {
            out.push_str("[ASSURED] ");
        }
        for (name, value) in [("mark", self.mark.filter(|mark| *mark != 0)), ("zone", self.zone)] {
            if let Some(value) = value {
                let _ = write!(out, "{name}={value} ");
            }
        }
        out.truncate(out.trim_end().len());
        out
    }
}

const TCP_STATES: [&str; 10] =
    ["NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"];

fn protocol(number: u8) -> &'static str {
    match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => "unknown",
    }
}

impl Way {
    fn read(bytes: &[u8]) -> Option<Way> {
        let (ip, proto) = (attribute(bytes, 1)?, attribute(bytes, 2)?);
        let of = |kind| attribute(proto, kind).and_then(number);
        // ICMP's number, kind and code, and the same of its sixth version.
        let icmp = [(4, 5, 6), (7, 8, 9)].into_iter().find_map(|(id, kind, code)| Some((of(id)?, of(kind)?, of(code)?)));
        Some(Way {
            source: address(ip, 1, 3)?,
            destination: address(ip, 2, 4)?,
            protocol: u8::try_from(of(1)?).ok()?,
            ports: of(2).zip(of(3)),
            icmp,
            packets: None,
            bytes: None,
        })
    }

    fn count(&mut self, counters: Option<&[u8]>) {
        for (kind, value) in counters.into_iter().flat_map(attributes) {
            match kind {
                1 | 3 => self.packets = number(value),
                2 | 4 => self.bytes = number(value),
                _ => {}
            }
        }
    }

    fn write(&self, out: &mut String) {
        let _ = write!(out, "src={} dst={} ", self.source, self.destination);
        if let Some((id, kind, code)) = self.icmp {
            let _ = write!(out, "type={kind} code={code} id={id} ");
        } else if let Some((from, to)) = self.ports {
            let _ = write!(out, "sport={from} dport={to} ");
        }
        if let (Some(packets), Some(bytes)) = (self.packets, self.bytes) {
            let _ = write!(out, "packets={packets} bytes={bytes} ");
        }
    }
}

fn address(ip: &[u8], v4: u16, v6: u16) -> Option<String> {
    let four = || Some(Ipv4Addr::from(<[u8; 4]>::try_from(attribute(ip, v4)?).ok()?).to_string());
    let six = || Some(Ipv6Addr::from(<[u8; 16]>::try_from(attribute(ip, v6)?).ok()?).to_string());
    four().or_else(six)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::netlink::tests::{attr, message};
    use proptest::prelude::*;

    fn way(kind: u16, from: [u8; 4], to: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
        let ip = attr(0x8001, &[attr(1, &from), attr(2, &to)].concat());
        let proto = attr(0x8002, &[attr(1, &[6]), attr(2, &ports.0.to_be_bytes()), attr(3, &ports.1.to_be_bytes())].concat());
        attr(kind | 0x8000, &[ip, proto].concat())
    }

    fn connection(kind: u16, flags: u16, status: u32, more: Vec<u8>) -> Vec<u8> {
        let (web, client) = ([172, 17, 0, 3], [172, 17, 0, 2]);
        let body = [
            vec![2, 0, 0, 0],
            way(1, client, web, (43210, 80)),
            way(2, web, client, (80, 43210)),
            attr(3, &status.to_be_bytes()),
            attr(12, &7u32.to_be_bytes()),
            more,
        ];
        message(CTNETLINK << 8 | kind, flags, &body.concat())
    }

    fn read(datagram: &[u8]) -> Flow {
        messages(datagram).find_map(|message| Flow::read(&message)).expect("a connection")
    }

    #[test]
    fn a_connection_is_written_as_conntrack_prints_it() {
        let state = attr(0x8004, &attr(0x8001, &attr(1, &[1])));
        let new = read(&connection(0, CREATE, 0, [attr(7, &120u32.to_be_bytes()), state].concat()));
        assert_eq!(
            new.line(1_795_542_346_362_483_999),
            "[1795542346.362483]\t    [NEW] tcp      6 120 SYN_SENT src=172.17.0.2 dst=172.17.0.3 sport=43210 dport=80 [UNREPLIED] src=172.17.0.3 dst=172.17.0.2 sport=80 dport=43210"
        );
        let counters = |kind: u16| attr(kind | 0x8000, &[attr(1, &5u64.to_be_bytes()), attr(2, &300u64.to_be_bytes())].concat());
        let times = attr(0x8014, &[attr(1, &9_000_000_000u64.to_be_bytes()), attr(2, &12_500_000_000u64.to_be_bytes())].concat());
        let over = read(&connection(DELETE, 0, SEEN_REPLY | ASSURED, [counters(9), counters(10), times].concat()));
        assert_eq!(
            over.line(0),
            "[12.500000]\t[DESTROY] tcp      6 src=172.17.0.2 dst=172.17.0.3 sport=43210 dport=80 packets=5 bytes=300 src=172.17.0.3 dst=172.17.0.2 sport=80 dport=43210 packets=5 bytes=300 [ASSURED]"
        );
    }

    #[test]
    fn only_what_changes_between_silence_answer_and_standing_is_news() {
        let mut told = Told::default();
        let mut news = |kind, flags, status| told.is_news(&read(&connection(kind, flags, status, Vec::new())));
        assert!(news(0, CREATE, 0));
        assert!(news(0, 0, SEEN_REPLY));
        assert!(!news(0, 0, SEEN_REPLY));
        assert!(news(0, 0, SEEN_REPLY | ASSURED));
        assert!(!news(0, 0, SEEN_REPLY | ASSURED));
        assert!(news(DELETE, 0, SEEN_REPLY | ASSURED));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(kind in 0u16..0x1ff, body in prop::collection::vec(any::<u8>(), 0..160)) {
            if let Some(flow) = Flow::read(&Message { kind: CTNETLINK << 8 | (kind & 3), flags: kind, body: &body }) {
                prop_assert!(flow.line(1).starts_with('['));
            }
        }
    }
}
