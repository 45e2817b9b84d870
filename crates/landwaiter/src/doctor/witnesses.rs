//! Each witness that can be listened to live: whether it is there, and what came of a short listen.

use crate::witnesses::WitnessArgs;
use event::fact::{SensorNote, Sight};
use event::{Body, Record};
use serde::Serialize;
use source::collect::{COLLECTORS, CollectorDef, Live, Presence};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How a witness stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Records flow, or would as soon as something happens.
    Following,
    /// It is there, and something is wrong with what comes of it.
    Impaired,
    /// It is there, but not for us.
    Denied,
    /// It is not there.
    Absent,
    /// It was left out by `--only` or `--without`.
    Unasked,
}

/// A witness, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Witness {
    /// Its name.
    pub name: &'static str,
    /// What kind of witness it is.
    pub kind: &'static str,
    /// How it stands.
    pub state: State,
    /// Where it is listened to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Why it is not followed, or what is wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// What nobody sees without it.
    pub blind: &'static str,
    /// What came of a short listen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What could be better, with its remedy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
    /// The sources that it gives.
    pub sources: &'static [&'static str],
}

/// What came of a short listen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Seconds that were listened.
    pub seconds: f64,
    /// Records that came.
    pub records: u64,
    /// Records that no decoder could read.
    pub undecodable: u64,
    /// Records that were dropped.
    pub dropped: u64,
    /// Times that the stream broke.
    pub breaks: u64,
    /// Milliseconds from the last thing that happened to its arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<i64>,
}

impl Health {
    fn is_good(&self) -> bool {
        self.undecodable == 0 && self.dropped == 0 && self.breaks == 0 && self.lag_ms.is_none_or(|lag| lag < 2000)
    }

    /// For a person.
    pub fn sentence(&self) -> String {
        let mut text = format!("{} records in {:.1} s", self.records, self.seconds);
        if let Some(lag) = self.lag_ms {
            text.push_str(&format!(", the last {lag} ms after it happened"));
        }
        for (count, what) in [(self.dropped, "dropped"), (self.undecodable, "that no decoder could read"), (self.breaks, "breaks")] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }
}

/// Something that would let a witness say more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What is missing.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// Looks for every witness and listens a while to those that are there.
pub fn look(args: &WitnessArgs, time: Duration) -> Vec<Witness> {
    let around = args.around();
    let wanted: Vec<&str> = args.wanted().map(|def| def.name).collect();
    let mut there = Vec::new();
    let mut all: Vec<Witness> = Vec::new();
    for def in COLLECTORS {
        let mut witness = Witness {
            name: def.name,
            kind: def.witness.as_str(),
            state: State::Unasked,
            address: String::new(),
            reason: String::new(),
            remedy: String::new(),
            blind: def.blind,
            health: None,
            hints: Vec::new(),
            sources: def.sources,
        };
        if wanted.contains(&def.name) {
            match (def.find)(&around) {
                Presence::Present(found) => {
                    witness.state = State::Following;
                    there.push((def, found));
                }
                Presence::Absent { reason, remedy } => (witness.state, witness.reason, witness.remedy) = (State::Absent, reason, remedy),
                Presence::Denied { reason, remedy } => (witness.state, witness.reason, witness.remedy) = (State::Denied, reason, remedy),
            }
        }
        all.push(witness);
    }
    listen(&mut all, Live::gather(there), time);
    all
}

fn listen(all: &mut [Witness], mut live: Live, time: Duration) {
    live.stopper().stop_in(time);
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for record in live.by_ref() {
        let Some(def) = teller(&record) else { continue };
        counts.entry(def.name).or_default().take(record);
    }
    for started in live.started() {
        let Some(witness) = all.iter_mut().find(|witness| witness.name == started.def.name) else { continue };
        witness.address.clone_from(&started.address);
        if let Some(error) = &started.failure {
            let text = error.to_string();
            let (reason, remedy) = text.split_once("; ").unwrap_or((&text, ""));
            (witness.state, witness.reason, witness.remedy) = (State::Denied, reason.to_owned(), remedy.to_owned());
            continue;
        }
        let count = counts.remove(started.def.name).unwrap_or_default();
        let health = Health {
            seconds: time.as_secs_f64(),
            records: count.records,
            undecodable: count.undecodable,
            dropped: started.stats.dropped.load(Ordering::Relaxed),
            breaks: started.stats.lost.load(Ordering::Relaxed),
            lag_ms: count.lag,
        };
        if !health.is_good() {
            witness.state = State::Impaired;
        }
        witness.health = Some(health);
        witness.hints = hints(started.def.name, &|path| std::fs::read_to_string(Path::new(path)).ok());
    }
}

/// The collector that gave a record.
fn teller(record: &Record) -> Option<&'static CollectorDef> {
    let of = match (record.source.as_str(), &record.body) {
        ("sensor", Body::Data(bytes)) => serde_json::from_slice::<SensorNote>(bytes).ok()?.of,
        _ => record.source.clone(),
    };
    COLLECTORS.iter().find(|def| def.sources.contains(&of.as_str()))
}

#[derive(Default)]
struct Count {
    records: u64,
    undecodable: u64,
    lag: Option<i64>,
}

impl Count {
    fn take(&mut self, record: Record) {
        if record.body == Body::Tick {
            return;
        }
        if record.source == "sensor" {
            if let Body::Data(bytes) = &record.body
                && let Ok(SensorNote { note: Sight::Lagging { by }, .. }) = serde_json::from_slice(bytes)
            {
                self.lag = Some(by / 1_000_000);
            }
            return;
        }
        self.records += 1;
        let arrived = record.arrived;
        match source::prepare(record).content {
            Some(Err(_)) => self.undecodable += 1,
            Some(Ok(decoded)) => {
                // What a stream says happens now; what stands in lists happened long ago.
                let late = decoded.time.map(|time| (arrived - time).0 / 1_000_000).filter(|late| (0..60_000).contains(late));
                self.lag = late.or(self.lag);
            }
            None => {}
        }
    }
}

/// What would let a witness of the kernel say more.
fn hints(name: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<Hint> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    let hint = |text: &str, remedy: &str| Hint { text: text.to_owned(), remedy: remedy.to_owned() };
    let mut hints = Vec::new();
    match name {
        "conntrack" => {
            if is("/proc/sys/net/netfilter/nf_conntrack_acct", "0") {
                hints.push(hint(
                    "connections are not counted: how much went over them is not known",
                    "sysctl -w net.netfilter.nf_conntrack_acct=1",
                ));
            }
            if is("/proc/sys/net/netfilter/nf_conntrack_timestamp", "0") {
                hints.push(hint(
                    "connections bear no time of the kernel: they are dated by their arrival here",
                    "sysctl -w net.netfilter.nf_conntrack_timestamp=1",
                ));
            }
            match read("/proc/sys/net/bridge/bridge-nf-call-iptables") {
                None => hints.push(hint(
                    "packets between containers on one bridge are not tracked, only those that leave it",
                    "modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1",
                )),
                Some(text) if text.trim() == "0" => hints.push(hint(
                    "packets between containers on one bridge are not tracked, only those that leave it",
                    "sysctl -w net.bridge.bridge-nf-call-iptables=1",
                )),
                Some(_) => {}
            }
        }
        "netfilter" => {
            let legacy = |path| read(path).is_some_and(|tables| !tables.trim().is_empty());
            if legacy("/proc/net/ip_tables_names") || legacy("/proc/net/ip6_tables_names") {
                hints.push(hint(
                    "iptables of the legacy kind is in use here, whose changes the kernel does not announce",
                    "let iptables speak to nftables (update-alternatives --set iptables /usr/sbin/iptables-nft), or keep auditd's NETFILTER_CFG records",
                ));
            }
        }
        _ => {}
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_let_the_kernel_say_more_is_named_with_its_remedy() {
        let off = |path: &str| (!path.contains("tables_names")).then(|| "0\n".to_owned());
        let remedies: Vec<String> = hints("conntrack", &off).into_iter().map(|hint| hint.remedy).collect();
        assert!(remedies.len() == 3 && remedies.iter().all(|remedy| remedy.contains("sysctl -w")), "{remedies:?}");
        assert!(hints("conntrack", &|_| Some("1\n".into())).is_empty());
        assert!(hints("netfilter", &|_| Some("filter\n".into()))[0].text.contains("legacy"));
        assert!(hints("netfilter", &|_| None).is_empty());
    }

    #[test]
    fn drops_and_lag_impair() {
        assert!(Health::default().is_good());
        assert!(!Health { dropped: 1, ..Health::default() }.is_good());
        let late = Health { lag_ms: Some(3000), records: 5, seconds: 2.0, ..Health::default() };
        assert!(!late.is_good() && late.sentence() == "5 records in 2.0 s, the last 3000 ms after it happened");
    }
}
