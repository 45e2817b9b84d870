//! What the collector sees of a real engine. Each test says that it was skipped where there is none.

#[path = "support/cable.rs"]
mod cable;
#[path = "support/engine.rs"]
mod engine;

use cable::Cable;
use engine::IMAGE;
use event::fact::{SensorNote, Sight};
use event::{Body, Record};
use source::collect::{Address, Client, Live};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// An engine with the image, and what this test made there; all of it is removed at the end.
struct Bench {
    client: Client,
    made: Mutex<Vec<String>>,
}

impl Bench {
    /// `None`, and a word about it, where there is no engine.
    fn find(test: &str) -> Option<Bench> {
        Some(Bench { client: engine::find(test)?, made: Mutex::default() })
    }

    fn post(&self, path: &str, body: Option<&str>) -> String {
        let answer = self.client.ask("POST", path, body).expect("an answer");
        assert!(answer.is_good(), "{path}: {}", answer.message());
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    fn create(&self, host_config: &str, command: &str) -> String {
        let body = format!(
            r#"{{"Image":"{IMAGE}","Cmd":["sh","-c","{command}"],"Labels":{{"landwaiter.run":"source-test"}},"HostConfig":{host_config}}}"#
        );
        let answer = self.post("/containers/create", Some(&body));
        let id = answer.split('"').find(|part| part.len() == 64).expect("an id").to_owned();
        self.made.lock().expect("a lock").push(id.clone());
        id
    }

    fn is_gone(&self, id: &str) -> bool {
        self.client.get(&format!("/containers/{id}/json")).is_ok_and(|answer| answer.status == 404)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for id in self.made.get_mut().map(std::mem::take).unwrap_or_default() {
            let _ = self.client.ask("DELETE", &format!("/containers/{id}?force=1&v=1"), None);
        }
    }
}

/// Reads a collector on a thread of its own, so that a test can wait for something with a deadline.
struct Ear {
    records: Receiver<Record>,
    heard: Vec<Record>,
}

impl Ear {
    fn listen(address: Address) -> Ear {
        let live = Live::start(address).expect("a collector");
        let (send, records) = channel();
        std::thread::spawn(move || live.take_while(|record| send.send(record.clone()).is_ok()).count());
        Ear { records, heard: Vec::new() }
    }

    /// Waits until a record satisfies `wanted`, looking at those heard before, too.
    fn wait(&mut self, what: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        let deadline = Instant::now() + Duration::from_secs(20);
        if let Some(record) = self.heard.iter().find(|record| wanted(record)) {
            return record.clone();
        }
        while let Ok(record) = self.records.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.heard.push(record.clone());
            if wanted(&record) {
                return record;
            }
        }
        panic!("{what} did not come; heard {:?}", self.heard.iter().map(text).collect::<Vec<_>>());
    }
}

fn text(record: &Record) -> &str {
    match &record.body {
        Body::Data(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Body::Tick => "",
    }
}

fn is_event(record: &Record, action: &str, id: &str) -> bool {
    record.source == "docker_events" && text(record).contains(&format!(r#""Action":"{action}""#)) && text(record).contains(id)
}

fn is_inspect(record: &Record, id: &str) -> bool {
    record.source == "docker_container" && text(record).contains(&format!(r#""Id":"{id}""#))
}

fn sight(record: &Record) -> Option<Sight> {
    (record.source == "sensor").then(|| serde_json::from_str::<SensorNote>(text(record)).ok()).flatten().map(|note| note.note)
}

#[test]
fn the_start_tells_what_stands() {
    let Some(bench) = Bench::find("the_start_tells_what_stands") else { return };
    let id = bench.create("{}", "true");
    let mut ear = Ear::listen(bench.client.address().clone());
    for source in
        ["docker_info", "docker_containers", "docker_images", "docker_networks", "docker_volumes", "docker_image", "docker_network"]
    {
        let record = ear.wait(source, |record| record.source == source);
        assert!(record.live && !record.host.is_empty());
    }
    ear.wait("the container that stood there", |record| is_inspect(record, &id));
    assert_eq!(sight(&ear.heard[0]), Some(Sight::Started), "the subscription stands before anything is asked");
    ear.wait("a tick", |record| record.body == Body::Tick);
    assert!(ear.heard.windows(2).all(|pair| pair[0].arrived <= pair[1].arrived && pair[0].seq < pair[1].seq));
}

#[test]
fn a_container_of_thirty_milliseconds_is_seen_whole_after_it_is_gone() {
    let Some(bench) = Bench::find("a_container_of_thirty_milliseconds") else { return };
    let mut ear = Ear::listen(bench.client.address().clone());
    ear.wait("the first list", |record| record.source == "docker_volumes");
    let id = bench.create(r#"{"Binds":["/etc:/host:ro"],"AutoRemove":true}"#, "sleep 0.03");
    bench.post(&format!("/containers/{id}/start"), None);
    ear.wait("its end", |record| is_event(record, "destroy", &id));
    assert!(bench.is_gone(&id));
    let inspect = ear.wait("its inspect", |record| is_inspect(record, &id));
    assert!(text(&inspect).contains("/etc:/host:ro"));
    let create = ear.heard.iter().find(|record| is_event(record, "create", &id)).expect("its creation");
    let after = (inspect.arrived - create.arrived).as_seconds();
    assert!(after < 1.0, "the inspect came {after} s after the creation");
}

#[test]
fn what_the_engine_says_is_kept_byte_for_byte() {
    let Some(bench) = Bench::find("what_the_engine_says_is_kept_byte_for_byte") else { return };
    let mut ear = Ear::listen(bench.client.address().clone());
    ear.wait("the first list", |record| record.source == "docker_volumes");
    let id = bench.create("{}", "true");
    let inspect = ear.wait("its inspect", |record| is_inspect(record, &id));
    let again = bench.client.get(&format!("/containers/{id}/json")).expect("an answer");
    assert_eq!(text(&inspect), String::from_utf8_lossy(&again.body).trim_end());
}

#[test]
fn a_short_break_is_bridged_without_a_gap() {
    let Some(bench) = Bench::find("a_short_break_is_bridged_without_a_gap") else { return };
    let Some(cable) = Cable::lay(bench.client.address()) else { return };
    let mut ear = Ear::listen(cable.address());
    let before = bench.create("{}", "true");
    ear.wait("a container before the break", |record| is_event(record, "create", &before));
    cable.cut();
    let during = bench.create(r#"{"Binds":["/var/log:/host"]}"#, "true");
    cable.mend();
    ear.wait("the break", |record| matches!(sight(record), Some(Sight::Lost { .. })));
    ear.wait("the container of the break", |record| is_event(record, "create", &during));
    let resumed = ear.wait("the resumption", |record| matches!(sight(record), Some(Sight::Resumed { .. })));
    assert!(matches!(sight(&resumed), Some(Sight::Resumed { complete: true, from: Some(_), .. })), "{:?}", sight(&resumed));
    ear.wait("a reconcile", |record| sight(record) == Some(Sight::Reconciled));
    ear.wait("its inspect", |record| is_inspect(record, &during));
}

#[test]
fn what_the_engine_forgot_during_a_break_is_found_in_the_lists() {
    let Some(bench) = Bench::find("what_the_engine_forgot_during_a_break") else { return };
    let Some(cable) = Cable::lay(bench.client.address()) else { return };
    let mut ear = Ear::listen(cable.address());
    let before = bench.create("{}", "true");
    ear.wait("a container before the break", |record| is_event(record, "create", &before));
    cable.cut();
    let during = bench.create("{}", "true");
    // Docker keeps 256 past events; these push the creation out.
    for number in 0..300 {
        bench.post(&format!("/containers/{before}/rename?name=source-test-{number}-{}", std::process::id()), None);
    }
    cable.mend();
    let resumed = ear.wait("the resumption", |record| matches!(sight(record), Some(Sight::Resumed { .. })));
    let Some(Sight::Resumed { complete: false, from: Some(from), to: Some(to) }) = sight(&resumed) else {
        panic!("{:?}", sight(&resumed));
    };
    assert!(from < to, "the gap is told with its ends");
    let inspect = ear.wait("the container that no event told of", |record| is_inspect(record, &during));
    assert!(!ear.heard.iter().any(|record| is_event(record, "create", &during)));
    let reconciled = ear.wait("a reconcile", |record| sight(record) == Some(Sight::Reconciled));
    assert!(resumed.seq < reconciled.seq && reconciled.seq < inspect.seq);
}

#[test]
fn it_stops_when_told_and_says_so() {
    let Some(bench) = Bench::find("it_stops_when_told_and_says_so") else { return };
    let live = Live::start(bench.client.address().clone()).expect("a collector");
    live.stopper().stop_in(Duration::from_millis(400));
    let last = live.last().expect("records");
    assert_eq!(sight(&last), Some(Sight::Stopped));
}
