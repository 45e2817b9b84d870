//! `landwaiter record`: keeps what the witnesses say, byte for byte, while something happens.

use crate::live;
use crate::ui::{Failure, Ui};
use crate::witnesses::{self, WitnessArgs};
use crate::{Exit, cli, concerning};
use event::{Body, Record, Span};
use source::collect::Stopper;
use source::recording;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// Keep what all witnesses say, byte for byte, as a recording for `replay` and for strategy pages.
///
/// With a COMMAND, records while it runs and until its last traces have come. The command finds RUN (a name for the label landwaiter.run=$RUN) and
/// IMAGE in its environment, as the commands of strategy pages do.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where to write; standard output when left out.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop after this time.
    #[arg(long = "for", value_name = "SPAN", value_parser = cli::span)]
    time: Option<Span>,
    /// Leave out the ticks that say that nothing happened.
    #[arg(long)]
    no_ticks: bool,
    /// Keep only what bears the label landwaiter.run=$RUN, for an engine that others use at the same time; leaves out lists.
    #[arg(long, requires = "command")]
    only_run: bool,
    #[command(flatten)]
    witnesses: WitnessArgs,
    /// What to run meanwhile.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Records until the command ends, the time is over, or a signal comes.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let mut live = args.witnesses.listen(ui)?;
    let stopper = live.stopper();
    live::stop_on_signals(stopper.clone())?;
    let run = live::run_name();
    let mut out = open(args.output.as_deref())?;
    if let Some(time) = args.time {
        stopper.stop_in(live::duration(time));
    }
    let counters = witnesses::counters(&live);
    let mut first = Vec::new();
    let mut child = None;
    if args.command.is_empty() {
        ui.note(&format!("recording {}; Ctrl-C ends it", witnesses::sentence(&live)));
    } else {
        // The lists of the start stand before the command's first event; otherwise what it makes could be in them.
        first = live::start_up(&mut live);
        child = Some(Meanwhile::start(&args.command, &run, args.output.is_none(), stopper)?);
    }
    let wanted = first.into_iter().chain(live).filter(|record| !(args.no_ticks && record.body == Body::Tick));
    let mut keep = |record: &Record| write(&mut out, record).map_err(|error| cannot_write(args.output.as_deref(), &error));
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    if args.only_run {
        let records = concerning::only_run(wanted.collect(), &run);
        records.iter().for_each(|record| concerning::count(&mut kept, record));
        records.iter().try_for_each(&mut keep)?;
    } else {
        for record in wanted {
            keep(&record)?;
            concerning::count(&mut kept, &record);
        }
    }
    let summary: Vec<String> = kept.iter().map(|(source, count)| format!("{count} {source}")).collect();
    ui.note(&format!("recorded {}", if summary.is_empty() { "nothing".to_owned() } else { summary.join(", ") }));
    for (def, stats) in counters {
        let dropped = stats.dropped.load(std::sync::atomic::Ordering::Relaxed);
        if dropped > 0 {
            ui.note(&format!("{dropped} records of {} were dropped because they could not be taken fast enough", def.name));
        }
    }
    if let Some(child) = child {
        ui.note(&child.end());
    }
    Ok(Exit::Done)
}

/// Writes one line and flushes it, so that a recording can be followed and nothing is lost with the process.
pub fn write(out: &mut dyn Write, record: &Record) -> std::io::Result<()> {
    let mut line = recording::write(record);
    line.push('\n');
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// Opens a file for a recording, or standard output. A recording is evidence, so none is overwritten; and it holds what inspect answers hold, the environment
/// of containers with its secrets among it, so only its owner may read it.
pub fn open(path: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    match path {
        None => Ok(Box::new(BufWriter::new(std::io::stdout()))),
        Some(path) => {
            if std::fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0) {
                return Err(Failure::new(format!("write {}: it is there already", path.display()))
                    .remedy("a recording is not overwritten: choose another name, or move it away"));
            }
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path).map_err(|e| Failure::new(format!("write {}: {e}", path.display())))?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}

/// A recording that cannot be written.
pub fn cannot_write(path: Option<&Path>, error: &std::io::Error) -> Failure {
    let name = path.map_or("standard output".to_owned(), |p| p.display().to_string());
    Failure::new(format!("write {name}: {error}"))
}

/// The command that runs meanwhile. When it has ended and its traces have come, the collector stops.
struct Meanwhile {
    id: u32,
    ended: Receiver<String>,
}

impl Meanwhile {
    fn start(command: &[String], run: &str, stdout_taken: bool, stopper: Stopper) -> Result<Meanwhile, Failure> {
        let (name, arguments) = command.split_first().ok_or_else(|| Failure::new("run an empty command"))?;
        let mut child = Command::new(name);
        child.args(arguments).env("RUN", run).env("IMAGE", live::image_name());
        if stdout_taken {
            child.stdout(Stdio::from(std::io::stderr()));
        }
        let mut child: Child = child.spawn().map_err(|e| Failure::new(format!("run {name}: {e}")))?;
        let id = child.id();
        let (say, ended) = channel();
        std::thread::spawn(move || {
            let status = match child.wait() {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            let _ = say.send(status);
            stopper.stop_in(live::DRAIN);
        });
        Ok(Meanwhile { id, ended })
    }

    /// How it ended. When the recording ended first, it is told to end, too.
    fn end(self) -> String {
        if let Ok(status) = self.ended.try_recv() {
            return format!("the command ended: {status}");
        }
        let _ = Command::new("kill").args(["-TERM", &self.id.to_string()]).status();
        "the recording ended before the command".to_owned()
    }
}
