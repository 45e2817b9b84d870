//! A small house to hold the engine's laws against: records in a text form of one line, a deriver and a detector with state and timers, and a journal that shows
//! everything that came out, in its order, so that any difference is a difference of bytes.

#![allow(dead_code)]

use engine::{Detect, Engine, Out, drive};
use event::dictionary::{CONTAINER_APPEARED, CONTAINER_CREATED, CONTAINER_ID, DOCKER_CONTAINER, DOCKER_EVENT, INSPECTED};
use event::event::identity_of;
use event::fact::{ContainerAction, ContainerEvent, Fact};
use event::{
    Body, Decoded, DerivedBuilder, Deriver, Document, Emit, Event, Level, Place, Prepared, Record, Signal, SmolStr, Span, Time,
    Undecodable, Value,
};
use finding::{Change, RuleCard, wire};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub mod house;

pub const START: i64 = 1_795_527_678_000_000_000;
pub const MS: i64 = 1_000_000;

/// A dated statement: `<ms> <container> <word> <number>`; two with the same number are the same statement.
pub fn said(ms: i64, container: u8, word: &str, number: usize) -> String {
    format!("{ms} c{container} {word} {number}")
}

/// An undated one, as an inspect answer is.
pub fn inspected(container: u8, number: usize) -> String {
    format!("- c{container} inspect {number}")
}

/// A record of the one witness of these tests.
pub fn record(seq: u64, arrived_ms: i64, live: bool, text: &str) -> Record {
    Record {
        seq,
        source: "toy".into(),
        host: "h".into(),
        arrived: at(arrived_ms),
        live,
        body: Body::Data(text.as_bytes().into()),
        place: Place { file: "toy.log".into(), number: seq + 1 },
    }
}

/// The mere passing of time.
pub fn tick(arrived_ms: i64) -> Prepared {
    Prepared::new(Record { body: Body::Tick, ..record(0, arrived_ms, true, "") }, None)
}

pub fn at(ms: i64) -> Time {
    Time(START + ms * MS)
}

/// Decodes the text form: a function of the bytes alone.
pub fn prepare(record: Record) -> Prepared {
    let Body::Data(raw) = &record.body else { return Prepared::new(record, None) };
    let content =
        decode(std::str::from_utf8(raw).unwrap_or_default()).ok_or(Undecodable { reason: "not of this form".into(), unknown: false });
    Prepared::new(record, Some(content))
}

fn decode(text: &str) -> Option<Decoded> {
    let mut words = text.split(' ');
    let (time, id, word, number) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let time = if time == "-" { None } else { Some(at(time.parse().ok()?)) };
    let action = match word {
        "create" => ContainerAction::Create,
        "destroy" => ContainerAction::Destroy,
        other => ContainerAction::Other(other.into()),
    };
    Some(Decoded {
        kind: if time.is_some() { DOCKER_EVENT } else { DOCKER_CONTAINER },
        time,
        identity: time.map(|t| identity_of(&[id.as_bytes(), word.as_bytes(), number.as_bytes(), &t.0.to_be_bytes()])),
        subject: id.into(),
        document: Document::default(),
        fact: Some(Fact::Container(ContainerEvent {
            id: id.into(),
            action,
            name: "n".into(),
            image: "i".into(),
            labels: vec![],
            runtime: "docker".into(),
            division: "".into(),
            pod: "".into(),
            spec: None,
        })),
        truncated: false,
        duplicate_keys: false,
    })
}

/// Derives `created` at once and `appeared` at inspect, removal or two seconds later.
#[derive(Default)]
pub struct Toy {
    waiting: BTreeSet<(Time, SmolStr)>,
    by_id: BTreeMap<SmolStr, Time>,
}

impl Toy {
    fn appeared(&mut self, id: &SmolStr, inspected: bool, builder: DerivedBuilder, out: &mut Emit) {
        if let Some(due) = self.by_id.remove(id) {
            self.waiting.remove(&(due, id.clone()));
            out.push(builder.about(id).with(CONTAINER_ID, id).with(INSPECTED, inspected).build());
        }
    }
}

impl Deriver for Toy {
    fn apply(&mut self, event: &Event, out: &mut Emit) {
        let Some(Fact::Container(fact)) = event.fact() else { return };
        let builder = DerivedBuilder::caused_by(CONTAINER_APPEARED, "toy", event);
        match &fact.action {
            ContainerAction::Create => {
                let due = event.at + Span::seconds(2);
                self.waiting.insert((due, fact.id.clone()));
                self.by_id.insert(fact.id.clone(), due);
                out.push(DerivedBuilder::caused_by(CONTAINER_CREATED, "toy", event).with(CONTAINER_ID, &fact.id).build());
            }
            ContainerAction::Destroy => self.appeared(&fact.id, false, builder, out),
            ContainerAction::Other(word) if word == "inspect" => self.appeared(&fact.id, true, builder, out),
            _ => {}
        }
    }

    fn next_due(&self) -> Option<Time> {
        self.waiting.first().map(|(due, _)| *due)
    }

    fn fire(&mut self, now: Time, out: &mut Emit) {
        while let Some((due, id)) = self.waiting.first().cloned()
            && due == now
        {
            self.appeared(&id, false, DerivedBuilder::at(CONTAINER_APPEARED, "toy", now, "h".into(), vec![]), out);
            self.waiting.remove(&(due, id));
        }
    }

    fn freeze(&self) -> Vec<u8> {
        postcard::to_stdvec(&(&self.waiting, &self.by_id)).unwrap()
    }

    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        (self.waiting, self.by_id) = postcard::from_bytes(frozen).map_err(|e| e.to_string())?;
        Ok(())
    }
}

/// Rule 0: a container appeared uninspected (low). Rule 1: three creations within five seconds (medium). Rule 2: a removal (high).
#[derive(Default)]
pub struct Toys {
    creations: VecDeque<Time>,
}

impl Toys {
    fn signal(rule: usize, event: &Event, first: Time, count: u64) -> Signal {
        Signal {
            rule,
            at: event.at,
            first,
            last: event.time,
            count,
            values: vec![
                ("container.id".into(), Value::Text(event.subject.clone())),
                ("host.name".into(), Value::Text(event.host.clone())),
            ],
            explained: None,
            evidence: event.evidence.clone(),
            continues: false,
        }
    }
}

impl Detect for Toys {
    fn step(&mut self, event: &Event, out: &mut Vec<Signal>) {
        if event.kind == CONTAINER_APPEARED && event.derived(INSPECTED) == Some(&Value::Bool(false)) {
            out.push(Toys::signal(0, event, event.time, 1));
        }
        if event.kind == CONTAINER_CREATED {
            self.creations.push_back(event.at);
            while self.creations.front().is_some_and(|then| event.at - *then >= Span::seconds(5)) {
                self.creations.pop_front();
            }
            if self.creations.len() >= 3 {
                out.push(Toys::signal(1, event, self.creations[0], self.creations.len() as u64));
            }
        }
        if event.kind == DOCKER_EVENT && matches!(event.fact(), Some(Fact::Container(c)) if c.action == ContainerAction::Destroy) {
            out.push(Toys::signal(2, event, event.time, 1));
        }
    }

    fn freeze(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.creations).unwrap()
    }

    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        self.creations = postcard::from_bytes(frozen).map_err(|e| e.to_string())?;
        Ok(())
    }
}

pub fn cards() -> Arc<Vec<RuleCard>> {
    let card = |rule: &str, level, entity: &str, window| RuleCard {
        strategy: "toy".into(),
        strategy_title: "Toy".into(),
        rule: rule.into(),
        title: rule.into(),
        level,
        entity: vec![entity.into()],
        message: "{{container.id}}: {{count}} in {{span}}".into(),
        behaviour: "toy".into(),
        explainable: true,
        attack: vec![],
        window,
    };
    Arc::new(vec![
        card("unseen", Level::Low, "container.id", Span::ZERO),
        card("spray", Level::Medium, "host.name", Span::seconds(5)),
        card("removed", Level::High, "container.id", Span::ZERO),
    ])
}

pub fn engine() -> Engine {
    Engine::of_parts(vec![Box::new(Toy::default())], Box::new(Toys::default()), cards(), vec![true; event::dictionary::KINDS.len()])
}

/// Everything that came out, a line each.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Journal {
    pub lines: Vec<String>,
    /// (at, time, late_by) of every event.
    pub times: Vec<(Time, Time, Span)>,
}

impl Out for Journal {
    fn finding(&mut self, change: Change) {
        let word = match &change {
            Change::Opened(_) => "opened",
            Change::Rose(_) => "rose",
            Change::Closed(_) => "closed",
            Change::Standing(_) => "standing",
        };
        self.lines.push(format!("{word} {}", wire::to_json(change.finding())));
    }

    fn event(&mut self, event: &Event) {
        self.times.push((event.at, event.time, event.late_by));
        let raws: Vec<&str> = event.evidence.iter().map(|p| std::str::from_utf8(&p.raw).unwrap_or("?")).collect();
        self.lines.push(format!(
            "{} {:?} at {} time {} {} {:?} {raws:?}",
            event.subject, event.kind, event.at, event.time, event.time_suspect, event.late_by
        ));
    }
}

/// All that a run over these records gives.
pub fn play(records: impl IntoIterator<Item = Prepared>) -> Journal {
    let mut journal = Journal::default();
    drive(records, &mut engine(), &mut journal);
    journal
}

/// What a reader of a file does: arrival is the greatest time so far, and an undated record takes it too.
pub fn read(lines: impl IntoIterator<Item = String>) -> Vec<Prepared> {
    let mut greatest: Option<Time> = None;
    let mut read: Vec<Prepared> = Vec::new();
    for (seq, line) in lines.into_iter().enumerate() {
        let mut prepared = prepare(record(seq as u64, 0, false, &line));
        greatest = greatest.max(prepared.time());
        let now = greatest.unwrap_or(at(0));
        if prepared.time().is_none() {
            prepared.assigned = Some(now);
        }
        prepared.record.arrived = now;
        read.push(prepared);
    }
    read
}
