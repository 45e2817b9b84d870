//! Measures replay and memory, as ratios against a reference of the same run.
//!
//! `cargo run --release -- measure` prints a table; `-- generate FILE [LINES]` writes the load; `-- memory` measures live containers.

mod load;

use engine::{Engine, Out, Rules};
use event::Prepared;
use finding::Change;
use inventory::{Context, Inventory};
use load::Load;
use source::read::{ReadOptions, Reader};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const LINES: usize = 500_000;
const ROUNDS: usize = 5;
const CONTAINERS: usize = 100_000;

/// The one of the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Count(u64);

impl Out for Count {
    fn finding(&mut self, _: Change) {
        self.0 += 1;
    }
}

fn rules() -> Rules {
    let (pack, _) = strategy::Pack::shipped();
    let (set, _) = sigma::RuleSet::compile(pack.rules());
    let cards = pack.cards(&set);
    Rules { set: Arc::new(set), cards: Arc::new(cards) }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("generate") => {
            let count = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(LINES);
            let mut file = std::io::BufWriter::new(std::fs::File::create(&args[1]).expect("the file can be made"));
            for line in Load::lines(count) {
                writeln!(file, "{line}").expect("the file can be written");
            }
        }
        Some("standing") => {
            let _ = write_to(&args[1], &Load::standing(CONTAINERS));
        }
        Some("memory") => memory(),
        Some("profile") => {
            let file = write(&Load::lines(LINES));
            for _ in 0..3 {
                replay(&file, rules());
            }
        }
        _ => measure(),
    }
}

fn write(lines: &[String]) -> PathBuf {
    write_to(path(), lines)
}

fn path() -> PathBuf {
    std::env::temp_dir().join(format!("landwaiter-bench-{}.jsonl", std::process::id()))
}

fn write_to(path: impl Into<PathBuf>, lines: &[String]) -> PathBuf {
    let path = path.into();
    std::fs::write(&path, lines.join("\n")).expect("the load can be written");
    path
}

fn replay(file: &PathBuf, rules: Rules) -> u64 {
    let mut reader = Reader::open(&[file.clone()], &ReadOptions::default()).expect("the load can be read");
    let mut engine = Engine::new(rules, Inventory::new(Context::default()));
    let mut count = Count(0);
    for prepared in &mut reader {
        engine.push(prepared, &mut count);
    }
    engine.finish(&mut count);
    count.0
}

fn measure() {
    let lines = Load::lines(LINES);
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    let file = write(&lines);
    println!("{LINES} lines, {} MB, {} bytes a line", bytes / 1_000_000, bytes / LINES);

    type Work<'a> = (&'a str, Box<dyn Fn() -> u64 + 'a>);
    let works: Vec<Work> = vec![
        (
            "sonic-rs DOM of every line (the ceiling)",
            Box::new(|| lines.iter().filter(|line| sonic_rs::from_str::<sonic_rs::Value>(line).is_ok()).count() as u64),
        ),
        (
            "read and decode",
            Box::new(|| {
                let reader = Reader::open(&[file.clone()], &ReadOptions::default()).expect("the load can be read");
                reader.filter(|p: &Prepared| matches!(p.content, Some(Ok(_)))).count() as u64
            }),
        ),
        (
            "order, inventory, no rules",
            Box::new(|| {
                let (set, _) = sigma::RuleSet::compile(Vec::new());
                replay(&file, Rules { set: Arc::new(set), cards: Arc::new(Vec::new()) })
            }),
        ),
        ("the whole path, every shipped strategy", Box::new(|| replay(&file, rules()))),
    ];
    // Interleaved, so that a slow moment of the machine touches all alike; the median of each counts.
    let mut times = vec![Vec::new(); works.len()];
    for _ in 0..ROUNDS {
        for (i, (_, work)) in works.iter().enumerate() {
            let start = Instant::now();
            std::hint::black_box(work());
            times[i].push(start.elapsed().as_secs_f64());
        }
    }
    let medians: Vec<f64> = times
        .into_iter()
        .map(|mut list| {
            list.sort_by(f64::total_cmp);
            list[list.len() / 2]
        })
        .collect();
    println!("\n| work | lines/s | share of the ceiling |\n|---|---|---|");
    for ((name, _), seconds) in works.iter().zip(&medians) {
        println!("| {name} | {:.0} k | {:.2} |", LINES as f64 / seconds / 1e3, medians[0] / seconds);
    }
    let _ = std::fs::remove_file(&file);
}

/// Resident memory in bytes, as the kernel says.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn memory() {
    // Another process makes the load: what making it took would otherwise be there to be used again.
    let file = path();
    let program = std::env::current_exe().expect("the program knows itself");
    let made = std::process::Command::new(program).arg("standing").arg(&file).status();
    assert!(made.is_ok_and(|status| status.success()), "the load can be made");
    let mut engine = Engine::new(rules(), Inventory::new(Context::default()));
    let mut count = Count(0);
    let before = resident();
    {
        let mut reader = Reader::open(&[file.clone()], &ReadOptions::default()).expect("the load can be read");
        for prepared in &mut reader {
            engine.push(prepared, &mut count);
        }
    }
    let after = resident();
    println!(
        "{CONTAINERS} live containers: {} bytes each, frozen {} bytes each",
        after.saturating_sub(before) / CONTAINERS as u64,
        engine.freeze().len() / CONTAINERS
    );
    let _ = std::fs::remove_file(&file);
}
