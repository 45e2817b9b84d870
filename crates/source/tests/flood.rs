//! The collector against an engine of the test's own making: floods, slow answers, refusals.

use event::fact::{SensorNote, Sight};
use event::{Body, Record};
use source::collect::{Address, Live};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Writes an endless body, piece by piece.
type Writer = Box<dyn FnOnce(&mut dyn FnMut(&[u8])) + Send>;

/// What the engine does with a request.
enum Reply {
    Json(u16, String),
    Stream(Writer),
    Hang,
}

/// An engine that answers as told. `None`: as an engine without anything on it.
struct Engine {
    path: PathBuf,
}

static ENGINES: AtomicU64 = AtomicU64::new(0);

impl Engine {
    fn start(answer: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Engine {
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("landwaiter-engine-{}-{number}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                std::thread::spawn(move || serve(stream, &*answer));
            }
        });
        Engine { path }
    }

    fn listen(&self) -> Live {
        Live::start(Address::Unix(self.path.clone())).expect("a collector")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(mut stream: UnixStream, answer: &dyn Fn(&str) -> Option<Reply>) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut lines = BufReader::new(reading).lines();
    loop {
        let Some(Ok(request)) = lines.next() else { return };
        // No request of a collector has a body.
        while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
        let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches("/v1.45").to_owned();
        let reply = answer(&path).unwrap_or_else(|| {
            let body = match path.as_str() {
                "/info" => r#"{"Name":"testhost"}"#,
                "/volumes" => r#"{"Volumes":[]}"#,
                "/version" | "/_ping" => "{}",
                _ => "[]",
            };
            Reply::Json(200, body.to_owned())
        });
        match reply {
            Reply::Hang => std::thread::sleep(Duration::from_secs(60)),
            Reply::Json(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nApi-Version: 1.45\r\nContent-Length: {}\r\n\r\n", body.len());
                if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
                    return;
                }
            }
            Reply::Stream(write) => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                write(&mut |bytes| {
                    let _ = write!(stream, "{:x}\r\n", bytes.len());
                    let _ = stream.write_all(bytes);
                    let _ = stream.write_all(b"\r\n");
                });
                std::thread::sleep(Duration::from_secs(60));
                return;
            }
        }
    }
}

/// An engine whose event stream is these lines, in pieces of 64 KiB, after a moment.
fn with_events(lines: Vec<String>, other: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Engine {
    let text: Arc<str> = lines.concat().into();
    Engine::start(move |path| match path {
        "/events" => {
            let text = text.clone();
            Some(Reply::Stream(Box::new(move |write| {
                std::thread::sleep(Duration::from_millis(300));
                text.as_bytes().chunks(65536).for_each(write);
            })))
        }
        path => other(path),
    })
}

fn event(action: &str, id: u64) -> String {
    format!(
        r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id:064x}","Attributes":{{"image":"alpine:3.20","name":"n{id}"}}}},"scope":"local","time":1795527678,"timeNano":{}}}"#,
        1_795_527_678_000_000_000 + id
    ) + "\n"
}

fn text(record: &Record) -> String {
    match &record.body {
        Body::Data(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::Tick => String::new(),
    }
}

fn sight(record: &Record) -> Option<Sight> {
    (record.source == "sensor").then(|| serde_json::from_str::<SensorNote>(&text(record)).ok()).flatten().map(|note| note.note)
}

#[test]
fn a_flood_comes_through_whole_and_in_order() {
    const EVENTS: u64 = 50_000;
    let lines: Vec<String> = (0..EVENTS).map(|id| event("attach", id)).collect();
    let engine = with_events(lines.clone(), |_| None);
    let started = Instant::now();
    let mut expected = lines.iter().map(|line| line.trim_end());
    let mut first = None;
    for record in engine.listen().filter(|record| record.source == "docker_events" && record.body != Body::Tick) {
        first.get_or_insert_with(Instant::now);
        assert_eq!(record.host, "testhost");
        assert_eq!(Some(text(&record).as_str()), expected.next());
        if expected.len() == 0 {
            break;
        }
    }
    let seconds = first.unwrap_or(started).elapsed().as_secs_f64();
    eprintln!("{EVENTS} events in {seconds:.2} s, {:.0} a second", EVENTS as f64 / seconds);
}

#[test]
fn every_container_of_a_flood_is_asked_about() {
    const CONTAINERS: u64 = 2_000;
    let lines = (0..CONTAINERS).map(|id| event("create", id)).collect();
    let engine = with_events(lines, |path| {
        let id = path.strip_prefix("/containers/")?.strip_suffix("/json")?;
        Some(Reply::Json(200, format!(r#"{{"Id":"{id}","Image":"sha256:x"}}"#)))
    });
    let mut asked = 0;
    for record in engine.listen() {
        asked += u64::from(record.source == "docker_container");
        if asked == CONTAINERS {
            return;
        }
    }
    panic!("only {asked} were asked about");
}

#[test]
fn an_answer_that_never_comes_holds_nothing_up() {
    let lines = vec![event("create", 1), event("create", 2), event("attach", 3)];
    let engine = with_events(lines, |path| {
        let id = path.strip_prefix("/containers/")?.strip_suffix("/json")?;
        Some(if id.ends_with('1') { Reply::Hang } else { Reply::Json(200, format!(r#"{{"Id":"{id}"}}"#)) })
    });
    let started = Instant::now();
    let mut missing = vec!["attach", "docker_container"];
    for record in engine.listen() {
        missing.retain(|what| !(record.source == *what || text(&record).contains(&format!(r#""Action":"{what}""#))));
        if missing.is_empty() {
            break;
        }
    }
    assert!(started.elapsed() < Duration::from_secs(3), "it took {:?}", started.elapsed());
}

#[test]
fn a_reader_who_falls_behind_is_told_what_was_lost() {
    let lines: Vec<String> = (0..100_000).map(|id| event("attach", id)).collect();
    let engine = with_events(lines, |_| None);
    let live = engine.listen();
    let stats = live.stats();
    let deadline = Instant::now() + Duration::from_secs(20);
    while stats.events.load(Ordering::Relaxed) < 100_000 {
        assert!(Instant::now() < deadline, "the socket is not drained while nobody reads");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut kept = 0;
    let mut told = None;
    for record in live {
        kept += u64::from(record.source == "docker_events" && record.body != Body::Tick);
        match sight(&record) {
            Some(Sight::Dropped { count, .. }) => told = Some(count),
            // What was lost is looked up in the lists.
            Some(Sight::Reconciled) if told.is_some() => break,
            _ => {}
        }
    }
    let told = told.unwrap_or_default();
    assert!(told > 0 && kept + told >= 100_000, "{kept} kept, {told} told of");
}

#[test]
fn a_proxy_that_forbids_events_is_an_error_with_a_remedy() {
    let engine = Engine::start(|path| path.starts_with("/events").then(|| Reply::Json(403, "Forbidden".to_owned())));
    let error = Live::start(Address::Unix(engine.path.clone())).err().expect("refused");
    assert!(error.to_string().contains("must allow GET /events"), "{error}");
}

#[test]
fn what_a_proxy_forbids_to_ask_is_said_and_the_rest_goes_on() {
    let engine = with_events(vec![event("create", 7)], |path| {
        path.contains("/containers/").then(|| Reply::Json(403, r#"{"message":"forbidden"}"#.to_owned()))
    });
    let mut wanted = 2;
    for record in engine.listen() {
        if let Some(Sight::Missed { object, reason, .. }) = sight(&record) {
            assert_eq!(reason, "forbidden");
            assert!(object == "list" || object == "container");
            wanted -= 1;
        }
        if wanted == 0 {
            break;
        }
    }
}

#[test]
fn it_ends_when_nobody_listens_any_more() {
    let engine = with_events(Vec::new(), |_| None);
    let live = engine.listen();
    let (stats, stopper) = (live.stats(), live.stopper());
    drop(live);
    let deadline = Instant::now() + Duration::from_secs(10);
    // The collector holds one share of the counters, this test the other.
    while Arc::strong_count(&stats) > 1 {
        assert!(Instant::now() < deadline, "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(stopper);
}
