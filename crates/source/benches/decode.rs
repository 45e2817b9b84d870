//! How fast lines of Docker events are decoded, as a ratio to building the DOM of the same lines: `cargo bench -p landwaiter-source`.

use event::{Body, Place, Record, Time};
use source::SOURCES;
use source::read::{ReadOptions, Reader};
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

/// How many, unless `LANDWAITER_BENCH_LINES` says otherwise: fewer to count instructions with a slow tool.
const LINES: usize = 300_000;

/// Lines as an engine writes them: a life of six events per container.
fn lines() -> Vec<String> {
    let mut time = 1_795_527_678_072_015_498i64;
    let count = std::env::var("LANDWAITER_BENCH_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(LINES);
    (0..count)
        .map(|n| {
            time += 137_000_000;
            let id = format!("{:064x}", (n / 6) as u128 * 0x9e37_79b9_7f4a_7c15);
            let (action, more) = match n % 6 {
                0 => ("create", ""),
                1 => ("start", ""),
                2 => ("exec_create: /bin/sh -c id", r#","execID":"77af40d77561d29ebc40114d625ce7570cf8f66821f52bb62a9017452d1eabb8""#),
                3 => ("kill", r#","signal":"15""#),
                4 => ("die", r#","exitCode":"143""#),
                _ => ("destroy", ""),
            };
            format!(
                r#"{{"status":"{action}","id":"{id}","from":"registry.example/app:1.4","Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"com.docker.compose.project":"shop","com.docker.compose.service":"web","image":"registry.example/app:1.4"{more},"name":"shop-web-{n}"}}}},"scope":"local","time":{},"timeNano":{time}}}"#,
                time / 1_000_000_000
            )
        })
        .collect()
}

/// Measures what has the word given on the command line in its name; without one, everything.
fn measure(name: &str, base: Option<f64>, mut f: impl FnMut() -> usize) -> f64 {
    if std::env::args().skip(1).any(|word| !word.starts_with('-') && !name.contains(&word)) {
        return 1.0;
    }
    let mut best = 0f64;
    for _ in 0..5 {
        let start = Instant::now();
        let count = f();
        best = best.max(count as f64 / start.elapsed().as_secs_f64());
    }
    let ratio = base.map(|base| format!(", {:.2} of the DOM", best / base)).unwrap_or_default();
    println!("{name:<28} {:>9.0} lines/s{ratio}", best);
    best
}

fn main() {
    let lines = lines();
    let dom = measure("DOM alone", None, || {
        lines.iter().map(|line| black_box(sonic_rs::from_slice::<sonic_rs::Value>(line.as_bytes())).is_ok() as usize).sum()
    });
    measure("Document::parse", Some(dom), || {
        lines.iter().map(|line| black_box(event::Document::parse(line.as_bytes())).is_ok() as usize).sum()
    });
    measure("duplicate keys too", Some(dom), || {
        lines.iter().map(|line| !black_box(event::Document::parse(line.as_bytes())).unwrap().has_duplicate_keys() as usize).sum()
    });
    let records: Vec<Record> = lines
        .iter()
        .map(|line| Record {
            seq: 0,
            source: Default::default(),
            host: "local".into(),
            arrived: Time(0),
            live: false,
            body: Body::Data(Arc::from(line.as_bytes())),
            place: Place::default(),
        })
        .collect();
    measure("prepare", Some(dom), || {
        records.iter().map(|record| matches!(black_box(source::prepare(record.clone())).content, Some(Ok(_))) as usize).sum()
    });
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    lines.iter().for_each(|line| writeln!(file, "{line}").expect("room for a temporary file"));
    measure("Reader, from a file", Some(dom), || {
        Reader::open(&[file.path().to_owned()], &ReadOptions::default()).expect("the file just written").map(black_box).count()
    });
    if !std::env::args().skip(1).any(|word| !word.starts_with('-') && word != "format") {
        finding();
    }
}

/// What finding a record's format costs, as a share of reading a record that bears its source's name.
fn finding() {
    let nanos = |f: &mut dyn FnMut()| {
        let best = (0..7).map(|_| {
            let start = Instant::now();
            (0..2000).for_each(|_| f());
            start.elapsed().as_nanos() / 2000
        });
        best.min().unwrap_or_default() as f64
    };
    let (mut all, mut worst) = ((0.0, 0.0), 0.0f64);
    for source in SOURCES {
        let bytes: Arc<[u8]> = Arc::from(source.sample.as_bytes());
        let record = |name: &str| Record {
            seq: 0,
            source: name.into(),
            host: "local".into(),
            arrived: Time(0),
            live: false,
            body: Body::Data(bytes.clone()),
            place: Place::default(),
        };
        let named = record(source.name);
        let read = nanos(&mut || drop(black_box(source::prepare(named.clone()))));
        let found = match (event::Document::parse(&bytes), source.text) {
            (Ok(document), _) => nanos(&mut || {
                let _ = black_box(source::source_of(black_box(&document)));
            }),
            (Err(_), Some(text)) => nanos(&mut || {
                let _ = black_box((text.recognise)(black_box(&bytes)));
            }),
            _ => continue,
        };
        println!("{:<24} {read:>7.0} ns to read, {found:>5.0} ns to find: {:.1} %", source.name, 100.0 * found / read);
        all = (all.0 + read, all.1 + found);
        worst = worst.max(found / read);
    }
    println!("finding the format costs {:.1} % of reading, {:.1} % at most", 100.0 * all.1 / all.0, 100.0 * worst);
}
