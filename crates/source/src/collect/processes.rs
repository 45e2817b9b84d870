//! Processes as the kernel's connector announces them, completed from `/proc` in the same moment.
//!
//! The connector says only numbers, and a short program may be gone before its files can be read: then what its parent's fork said is all there is.

use super::Surroundings;
use super::netlink::{Heard, Netlink, may_administer_network, messages};
use super::outlet::Outlet;
use super::proc::{Namespaces, Process, standing};
use super::room::{CollectorDef, Found, Presence, Room};
use event::cgroup::container_of;
use event::Witness;
use event::fact::Sight;
use rustix::net::netlink::CONNECTOR;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "processes",
    witness: Witness::System,
    sources: &["system_process"],
    about: "Programs that start and end, with their container, as the kernel announces them.",
    blind: "what runs inside containers, and containers that no engine admits to, are not seen",
    find,
};

const SOURCE: &str = "system_process";
const GROUP: u32 = 1;
const PROC_EVENT_FORK: u32 = 1;
const PROC_EVENT_EXEC: u32 = 2;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;
/// The inode number of the first namespace of processes, and of users.
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;
/// The kernel answers at once, or never: in a network namespace other than the first.
const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(2);
/// How often the kernel's clock is compared with the wall's.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
/// Processes that are remembered.
const KNOWN_MAX: usize = 32_768;
/// Processes that are told as standing.
const STANDING_MAX: usize = 4096;
/// Programs a second that are told, and processes without a program of their own.
const EXECS_A_SECOND: f64 = 3000.0;
const FORKS_A_SECOND: f64 = 500.0;
/// How often what was left out is said, and what stands looked at again.
const CONFESS_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// So often others on this thread get their turn in a storm.
const TURN_EVERY: u32 = 64;

fn find(_: &Surroundings) -> Presence {
    let own = Namespaces::of("self");
    if own.pid == 0 {
        return Presence::absent("this system has no /proc", "");
    }
    if own.pid != INITIAL_PID_NAMESPACE || own.user != INITIAL_USER_NAMESPACE {
        return Presence::denied(
            "the kernel announces processes only to the host's own process and user namespace",
            "run on the host, or in a container with `--pid host --network host --cap-add NET_ADMIN`",
        );
    }
    match may_administer_network() {
        Err((reason, remedy)) => Presence::denied(reason, remedy),
        Ok(()) => Presence::Present(Found::kept("kernel:processes", follow)),
    }
}

async fn follow(room: Room) -> Result<(), String> {
    let mut socket = Netlink::open(CONNECTOR, GROUP)?;
    socket.tell(&listen())?;
    let acknowledged = async {
        loop {
            if let Heard::Datagram(bytes) = socket.hear().await?
                && events(bytes).any(|event| matches!(event, Event::Acknowledged))
            {
                return Ok::<(), String>(());
            }
        }
    };
    match timeout(ACKNOWLEDGE_WAIT, acknowledged).await {
        Ok(answer) => answer?,
        Err(_) => return Err("the kernel does not announce processes here; run in the host's network namespace, on a kernel with CONFIG_PROC_EVENTS".into()),
    }
    room.ready();
    let outlet = room.outlet().clone();
    let mut watcher = Watcher::new(&outlet);
    watcher.look();
    let mut turn = 0;
    loop {
        match socket.hear().await? {
            Heard::Datagram(bytes) => events(bytes).for_each(|event| watcher.take(event)),
            Heard::Overflow => watcher.overflow(),
        }
        watcher.keep();
        turn += 1;
        if turn >= TURN_EVERY {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// The request to announce processes from now on.
fn listen() -> Vec<u8> {
    const DONE: u16 = 3;
    let mut out = Vec::with_capacity(40);
    out.extend(40u32.to_ne_bytes());
    out.extend(DONE.to_ne_bytes());
    out.extend([0; 10]);
    // CN_IDX_PROC, CN_VAL_PROC, sequence, acknowledge; then the length of what follows: PROC_CN_MCAST_LISTEN.
    for number in [1u32, 1, 0, 0] {
        out.extend(number.to_ne_bytes());
    }
    out.extend(4u16.to_ne_bytes());
    out.extend([0; 2]);
    out.extend(1u32.to_ne_bytes());
    out
}

/// What the kernel announces. Times are of its clock that begins when the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Acknowledged,
    Fork { time: i64, parent: i64, child: i64 },
    Exec { time: i64, pid: i64 },
    Exit { time: i64, pid: i64, status: u32, parent: Option<i64> },
}

fn events(datagram: &[u8]) -> impl Iterator<Item = Event> {
    messages(datagram).filter_map(|message| event(message.body))
}

fn event(body: &[u8]) -> Option<Event> {
    let body = body.get(20..)?;
    let u32_at = |at: usize| Some(u32::from_ne_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let pid_at = |at: usize| u32_at(at).map(i64::from);
    let time = i64::from_ne_bytes(body.get(8..16)?.try_into().ok()?);
    match u32_at(0)? {
        0 => Some(Event::Acknowledged),
        PROC_EVENT_FORK => {
            let (parent, child, child_group) = (pid_at(20)?, pid_at(24)?, pid_at(28)?);
            // A thread is no process of its own.
            (child == child_group).then_some(Event::Fork { time, parent, child })
        }
        PROC_EVENT_EXEC => Some(Event::Exec { time, pid: pid_at(20)? }),
        PROC_EVENT_EXIT => {
            let (pid, group) = (pid_at(16)?, pid_at(20)?);
            (pid == group).then_some(Event::Exit { time, pid, status: u32_at(24)?, parent: pid_at(36) })
        }
        _ => None,
    }
}

/// A process that is remembered, so that its children know their parent although it is gone.
#[derive(Clone, Default)]
struct Known {
    parent: Option<i64>,
    exe: Option<String>,
    args: Vec<String>,
    cgroup: Option<String>,
    namespaces: Namespaces,
    contained: bool,
    told: bool,
}

/// A record as it is written.
#[derive(Serialize)]
struct Line<'a> {
    landwaiter_process: &'a str,
    time: i64,
    pid: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ppid: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    args: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    args_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loginuid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ns: Option<Namespaces>,
    host_ns: Namespaces,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_exe: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    parent_args: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    capeff: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
}

fn is_empty(list: &[String]) -> bool {
    list.is_empty()
}

struct Watcher<'a> {
    outlet: &'a Outlet,
    own: i64,
    host: Namespaces,
    known: BTreeMap<i64, Known>,
    /// Oldest first; may name processes that are known no longer.
    order: VecDeque<i64>,
    /// What to add to the kernel's time to have the wall's.
    offset: i64,
    compared: Instant,
    execs: Bucket,
    forks: Bucket,
    overflowed: bool,
    looked: Instant,
    confessed: Instant,
}

impl<'a> Watcher<'a> {
    fn new(outlet: &'a Outlet) -> Watcher<'a> {
        Watcher {
            outlet,
            own: i64::from(std::process::id()),
            host: Namespaces::of_the_host(),
            known: BTreeMap::new(),
            order: VecDeque::new(),
            offset: offset(),
            compared: Instant::now(),
            execs: Bucket::new(EXECS_A_SECOND),
            forks: Bucket::new(FORKS_A_SECOND),
            overflowed: false,
            looked: Instant::now(),
            confessed: Instant::now(),
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Acknowledged => {}
            Event::Fork { time, parent, child } => self.forked(time, parent, child),
            Event::Exec { time, pid } if pid != self.own => self.ran(time, pid),
            Event::Exec { .. } => {}
            Event::Exit { time, pid, status, parent } => self.ended(time, pid, status, parent),
        }
    }

    fn forked(&mut self, time: i64, parent: i64, child: i64) {
        let mut known = self.known.get(&parent).cloned().unwrap_or_default();
        known.parent = Some(parent);
        known.told = known.contained && self.forks.take();
        if known.told {
            let mut line = self.line("fork", time.saturating_add(self.offset), child);
            line.ppid = Some(parent);
            line.exe = known.exe.as_deref();
            line.args = &known.args;
            line.cgroup = known.cgroup.as_deref();
            line.ns = Some(known.namespaces).filter(|ns| *ns != Namespaces::default());
            self.write(&line);
        }
        self.remember(child, known);
    }

    fn ran(&mut self, time: i64, pid: i64) {
        if !self.execs.take() {
            return;
        }
        let before = self.known.get(&pid).cloned();
        let read = Process::read(pid);
        self.tell("exec", time.saturating_add(self.offset), pid, read, before);
    }

    /// Writes what is known of a process and remembers it.
    fn tell(&mut self, what: &str, time: i64, pid: i64, read: Option<Process>, before: Option<Known>) {
        // Gone already: the fork said who its parent was and, if that stood in a container, in which.
        let forked = before.as_ref().and_then(|known| known.parent);
        let inherited = before.as_ref().filter(|known| known.contained);
        let read = read.unwrap_or_else(|| Process {
            cgroup: inherited.and_then(|known| known.cgroup.clone()),
            namespaces: inherited.map(|known| known.namespaces).unwrap_or_default(),
            ..Process::default()
        });
        let parent = read.parent.filter(|parent| *parent > 0).or(forked);
        // A parent that began before this collector is looked at once.
        if let Some(parent) = parent
            && !self.known.contains_key(&parent)
            && let Some(found) = Process::read(parent)
        {
            let known = self.knowledge(&found, false);
            self.remember(parent, known);
        }
        let above = parent.and_then(|parent| self.known.get(&parent));
        let mut line = self.line(what, time, pid);
        line.ppid = parent;
        line.exe = read.exe.as_deref();
        line.args = &read.args;
        line.args_truncated = read.args_truncated;
        line.cwd = read.cwd.as_deref();
        line.uid = read.uid;
        line.loginuid = read.login_uid;
        line.cgroup = read.cgroup.as_deref();
        line.ns = Some(read.namespaces).filter(|ns| *ns != Namespaces::default());
        line.capeff = read.capabilities.as_deref();
        if let Some(above) = above {
            line.parent_exe = above.exe.as_deref();
            line.parent_args = &above.args;
        }
        self.write(&line);
        let known = Known { parent, ..self.knowledge(&read, true) };
        self.remember(pid, known);
    }

    fn ended(&mut self, time: i64, pid: i64, status: u32, parent: Option<i64>) {
        let Some(known) = self.known.remove(&pid) else { return };
        if !known.told {
            return;
        }
        let mut line = self.line("exit", time.saturating_add(self.offset), pid);
        line.ppid = known.parent.or(parent);
        line.exe = known.exe.as_deref();
        line.cgroup = known.cgroup.as_deref();
        line.ns = Some(known.namespaces).filter(|ns| *ns != Namespaces::default());
        // As a shell says it: 128 and the signal that ended it.
        let signal = status & 0x7f;
        line.exit_code = Some(if signal == 0 { i64::from(status >> 8 & 0xff) } else { i64::from(128 + signal) });
        self.write(&line);
    }

    /// Tells what stands in containers, or in foreign namespaces.
    fn look(&mut self) {
        self.looked = Instant::now();
        let mut told = 0u64;
        let mut left_out = 0u64;
        for pid in standing() {
            if pid == self.own {
                continue;
            }
            let Some(read) = Process::read(pid) else { continue };
            if !self.is_contained(&read) {
                continue;
            }
            if told as usize >= STANDING_MAX {
                left_out += 1;
                continue;
            }
            told += 1;
            let now = self.outlet.now().0;
            self.tell("standing", now, pid, Some(read), None);
        }
        if left_out > 0 {
            self.outlet.note_dropped(left_out, "more processes stand in containers than are looked at");
        }
    }

    fn overflow(&mut self) {
        self.overflowed = true;
    }

    /// What is due now and then: comparing clocks, saying what was left out, and looking at what an overflow hid.
    fn keep(&mut self) {
        if self.compared.elapsed() >= CLOCK_EVERY {
            self.compared = Instant::now();
            self.offset = offset();
        }
        if self.confessed.elapsed() < CONFESS_EVERY {
            return;
        }
        self.confessed = Instant::now();
        for (count, what) in [(self.execs.refused(), "programs were started"), (self.forks.refused(), "processes in containers were made")] {
            if count > 0 {
                self.outlet.note_dropped(count, &format!("{what} faster than they are told"));
            }
        }
        if self.overflowed && self.looked.elapsed() >= LOOK_EVERY {
            self.overflowed = false;
            self.outlet.note_dropped(1, "the kernel announced processes faster than they were read");
            self.outlet.note(Sight::Reconciled);
            self.look();
        }
    }

    fn is_contained(&self, read: &Process) -> bool {
        read.namespaces.is_foreign_to(&self.host) || read.cgroup.as_deref().and_then(container_of).is_some_and(|found| found.certain)
    }

    fn knowledge(&self, read: &Process, told: bool) -> Known {
        Known {
            parent: read.parent,
            exe: read.exe.clone(),
            args: read.args.clone(),
            cgroup: read.cgroup.clone(),
            namespaces: read.namespaces,
            contained: self.is_contained(read),
            told,
        }
    }

    fn remember(&mut self, pid: i64, known: Known) {
        if self.known.insert(pid, known).is_none() {
            self.order.push_back(pid);
        }
        while self.known.len() > KNOWN_MAX || self.order.len() > 2 * KNOWN_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.known.len() > KNOWN_MAX {
                self.known.remove(&oldest);
            } else if self.known.contains_key(&oldest) {
                self.order.push_back(oldest);
            }
        }
    }

    fn line<'l>(&self, what: &'l str, time: i64, pid: i64) -> Line<'l> {
        Line {
            landwaiter_process: what,
            time,
            pid,
            ppid: None,
            exe: None,
            args: &[],
            args_truncated: false,
            cwd: None,
            uid: None,
            loginuid: None,
            cgroup: None,
            ns: None,
            host_ns: self.host,
            parent_exe: None,
            parent_args: &[],
            capeff: None,
            exit_code: None,
        }
    }

    fn write(&self, line: &Line<'_>) {
        if let Ok(bytes) = serde_json::to_vec(line) {
            self.outlet.event(SOURCE, &bytes);
        }
    }
}

/// Lets so many through a second, with as many at once as come in two seconds.
struct Bucket {
    rate: f64,
    left: f64,
    filled: Instant,
    refused: u64,
}

impl Bucket {
    fn new(rate: f64) -> Bucket {
        Bucket { rate, left: rate * 2.0, filled: Instant::now(), refused: 0 }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        self.left = (self.left + (now - self.filled).as_secs_f64() * self.rate).min(self.rate * 2.0);
        self.filled = now;
        if self.left < 1.0 {
            self.refused += 1;
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// How many were not let through since this was last asked.
    fn refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

/// How far the wall's clock is ahead of the kernel's that began with the machine.
fn offset() -> i64 {
    let ns = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    ns(ClockId::Realtime).saturating_sub(ns(ClockId::Monotonic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::netlink::tests::message;
    use proptest::prelude::*;

    fn announced(what: u32, numbers: &[u32]) -> Vec<u8> {
        let mut body = vec![0; 20];
        body.extend(what.to_ne_bytes());
        body.extend(0u32.to_ne_bytes());
        body.extend(5i64.to_ne_bytes());
        body.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        message(3, 0, &body)
    }

    #[test]
    fn threads_are_no_processes() {
        let datagram = [
            announced(0, &[0]),
            announced(PROC_EVENT_FORK, &[10, 10, 11, 11]),
            announced(PROC_EVENT_FORK, &[10, 10, 12, 10]),
            announced(PROC_EVENT_EXEC, &[12, 11]),
            announced(PROC_EVENT_EXIT, &[12, 10, 0, 17, 10, 10]),
            announced(PROC_EVENT_EXIT, &[11, 11, 256, 17, 10, 10]),
        ]
        .concat();
        let heard: Vec<Event> = events(&datagram).collect();
        assert_eq!(
            heard,
            [
                Event::Acknowledged,
                Event::Fork { time: 5, parent: 10, child: 11 },
                Event::Exec { time: 5, pid: 11 },
                Event::Exit { time: 5, pid: 11, status: 256, parent: Some(10) },
            ]
        );
    }

    #[test]
    fn a_storm_is_let_through_in_part_and_counted() {
        let mut bucket = Bucket::new(10.0);
        let through = (0..100).filter(|_| bucket.take()).count() as u64;
        assert!((20..30).contains(&through), "{through}");
        assert_eq!(bucket.refused(), 100 - through);
        assert_eq!(bucket.refused(), 0);
    }

    proptest! {
        #[test]
        fn whatever_comes_ends(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = event(&bytes);
            prop_assert!(events(&bytes).count() <= bytes.len());
        }
    }
}
