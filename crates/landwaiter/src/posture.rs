//! `landwaiter posture`: what stands on the host and how it is confined, and what of it is accepted until when.

use crate::live::{self, EngineArgs};
use crate::ui::{Failure, Ui};
use crate::{Exit, cli, render};
use clap::Subcommand;
use engine::{Detect, Engine, Out};
use event::{Deriver, Emit, Event, Prepared, Signal, Span, Time};
use finding::Change;
use inventory::container::Container;
use inventory::context::{Verdict, entry_for};
use inventory::{Context, Inventory};
use source::read::{ReadOptions, Reader};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How long the live engine is listened to: its lists and the inspects of what they name come within a second.
const LISTEN: Span = Span::seconds(3);

/// Show what stands and how it is confined; accept what is meant to be so
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  landwaiter posture                                     the containers of the live engine
  landwaiter posture recording.jsonl                     those of a recording, at its end
  landwaiter posture accept --owner platform --reason 'reverse proxy' proxy >> context.toml
  landwaiter replay --context context.toml recording.jsonl"
)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    look: Look,
}

/// Where to look.
#[derive(clap::Args, Clone, Debug)]
struct Look {
    /// Recordings; default: the live engine
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What is known and accepted here (TOML)
    #[arg(long, value_name = "FILE", env = "LANDWAITER_CONTEXT")]
    context: Option<PathBuf>,
    /// All containers, also those that nothing is to be said of
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Subcommand)]
enum What {
    /// Write context entries that accept containers as they stand: keyed to image id, command and posture, never to a name
    Accept {
        /// Names or ids; default: every container whose posture is dangerous
        #[arg(value_name = "CONTAINER")]
        containers: Vec<String>,
        /// Who answers for it
        #[arg(long)]
        owner: String,
        /// Why it is meant to be so
        #[arg(long)]
        reason: String,
        /// For how long
        #[arg(long, value_parser = cli::span, default_value = "90d", value_name = "SPAN")]
        expires: Span,
        /// Most that may stand at once of one image and command; default: as many as stand now
        #[arg(long, value_name = "N")]
        max_standing: Option<u32>,
        /// Recordings to look in instead of the live engine
        #[arg(long, value_name = "PATH")]
        from: Vec<PathBuf>,
        /// File to add the entries to; default: standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        engine: EngineArgs,
    },
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    match args.what {
        None => show(&args.look, ui),
        Some(What::Accept { containers, owner, reason, expires, max_standing, from, output, engine }) => {
            let look = Look { paths: from, context: None, all: true, engine };
            let (inventory, now) = look.inventory(ui)?;
            let inventory = inventory.lock().unwrap_or_else(PoisonError::into_inner);
            // An entry expires at the end of a day; the day is all that is written.
            let day: String = (now + expires).to_string().chars().take(10).collect();
            let mut entries = Vec::new();
            for host in inventory.world().hosts.values() {
                let chosen: Vec<&Container> = if containers.is_empty() {
                    let dangerous = |c: &&Container| c.posture.as_ref().is_some_and(|posture| !posture.dangerous.is_empty());
                    host.containers.values().map(|c| &**c).filter(|c| c.exists()).filter(dangerous).collect()
                } else {
                    let find = |name: &String| {
                        host.find(name).ok_or_else(|| Failure::new(format!("find a container {name} on {}", host.name)).remedy("landwaiter posture --all lists them"))
                    };
                    containers.iter().map(find).collect::<Result<_, _>>()?
                };
                for container in chosen {
                    let alike = |c: &&Container| c.exists() && c.image_id == container.image_id && c.command_line() == container.command_line();
                    let stand = || u32::try_from(host.containers.values().map(|c| &**c).filter(alike).count()).unwrap_or(u32::MAX);
                    let entry = entry_for(container, max_standing.unwrap_or_else(stand), &owner, &reason, &day).ok_or_else(|| {
                        Failure::new(format!("accept {}: its image id or command is unknown", render::printable(&container.name)))
                            .remedy("a recording must hold its inspect answer")
                    })?;
                    entries.push(entry);
                }
            }
            entries.sort();
            entries.dedup();
            write(&entries, output, ui)
        }
    }
}

fn write(entries: &[String], output: Option<PathBuf>, ui: &Ui) -> Result<Exit, Failure> {
    let text = entries.join("\n");
    match output {
        None => ui.out(text.trim_end()),
        Some(path) => {
            let failed = |e: std::io::Error| Failure::new(format!("write {}: {e}", path.display()));
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
            file.write_all(format!("\n{text}").as_bytes()).map_err(failed)?;
            ui.note(&format!("added {} entries to {}", entries.len(), path.display()));
        }
    }
    Ok(Exit::Done)
}

fn show(look: &Look, ui: &Ui) -> Result<Exit, Failure> {
    let (inventory, now) = look.inventory(ui)?;
    let inventory = inventory.lock().unwrap_or_else(PoisonError::into_inner);
    let world = inventory.world();
    let (mut all, mut said) = (0, 0);
    for host in world.hosts.values() {
        let mut containers: Vec<&Container> = host.containers.values().map(|c| &**c).filter(|c| c.exists()).collect();
        containers.sort_by_key(|c| std::cmp::Reverse(c.posture.as_ref().map(|posture| posture.level)));
        all += containers.len();
        for container in containers {
            let (level, reasons) = match &container.posture {
                Some(posture) => (posture.level.as_str(), posture.dangerous.join(", ")),
                None => ("unknown", "not inspected".to_owned()),
            };
            if reasons.is_empty() && !look.all {
                continue;
            }
            said += 1;
            let explained = world.context.explain(host, container, now);
            let state = match explained.verdict {
                Verdict::Known => format!("accepted: {}", explained.by.as_deref().unwrap_or("")),
                Verdict::Contradicted => format!("goes beyond what was accepted: {}", explained.by.as_deref().unwrap_or("")),
                Verdict::Unknown => String::new(),
            };
            let head = format!("{level:<8}{}  {}", render::printable(&container.name), ui.dim(&render::printable(&container.image)));
            ui.out(&head);
            for line in render::wrap(&render::printable(&reasons), ui.width.saturating_sub(8)) {
                ui.out(&format!("        {line}"));
            }
            if !state.is_empty() {
                ui.out(&format!("        {}", ui.dim(&render::printable(&state))));
            }
        }
    }
    let rest = all - said;
    let hidden = if rest > 0 { format!(", {rest} with nothing to say of (--all lists them)") } else { String::new() };
    ui.out(&format!("{all} containers{hidden}"));
    Ok(Exit::Done)
}

impl Look {
    /// The inventory at the end of the recordings, or of the live engine now, with that time.
    fn inventory(&self, ui: &Ui) -> Result<(Arc<Mutex<Inventory>>, Time), Failure> {
        let context = match &self.context {
            None => Context::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?;
                let (context, problems) = Context::parse(&text, &path.display().to_string());
                crate::load::settle(ui, problems, "use this context")?;
                context
            }
        };
        let inventory = Arc::new(Mutex::new(Inventory::new(context)));
        let shared = Shared(Arc::clone(&inventory));
        let mut engine = Engine::of_parts(vec![Box::new(shared)], Box::new(Nothing), Arc::default(), vec![false; event::dictionary::KINDS.len()]);
        if self.paths.is_empty() {
            let live = self.engine.listen()?;
            live.stopper().stop_in(live::duration(LISTEN));
            feed(&mut engine, live.map(source::prepare));
        } else {
            let reader = Reader::open(&self.paths, &ReadOptions::default()).map_err(|e| Failure::new(e.to_string()))?;
            feed(&mut engine, reader);
        }
        let now = engine.now();
        Ok((inventory, now))
    }
}

fn feed(engine: &mut Engine, records: impl Iterator<Item = Prepared>) {
    engine::drive(records, engine, &mut Silent);
}

/// An inventory that can still be asked after the engine has run.
struct Shared(Arc<Mutex<Inventory>>);

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Inventory) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Deriver for Shared {
    fn apply(&mut self, event: &Event, out: &mut Emit) {
        self.with(|inventory| inventory.apply(event, out));
    }

    fn next_due(&self) -> Option<Time> {
        self.with(|inventory| inventory.next_due())
    }

    fn fire(&mut self, now: Time, out: &mut Emit) {
        self.with(|inventory| inventory.fire(now, out));
    }

    fn freeze(&self) -> Vec<u8> {
        self.with(|inventory| inventory.freeze())
    }

    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        self.with(|inventory| inventory.thaw(frozen))
    }
}

/// No rules: posture is looked at, not judged.
struct Nothing;

impl Detect for Nothing {
    fn step(&mut self, _: &Event, _: &mut Vec<Signal>) {}

    fn freeze(&self) -> Vec<u8> {
        Vec::new()
    }

    fn thaw(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

struct Silent;

impl Out for Silent {
    fn finding(&mut self, _: Change) {}
}
