//! What the live commands share: reaching the engine, and ending in good order.

use crate::ui::Failure;
use event::{Record, Span};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use source::collect::{Address, AskError, Client, Live, Stopper, Surroundings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What happened just before the end is still on its way: order wait, the last inspects, and a container that is being removed.
pub const DRAIN: Duration = Duration::from_millis(2500);
/// The same after Ctrl-C, when somebody waits for the prompt.
pub const DRAIN_INTERRUPTED: Duration = Duration::from_millis(1200);

/// Where the engine is.
#[derive(clap::Args, Clone, Debug)]
pub struct EngineArgs {
    /// The engine, as unix:///path or tcp://host:port; otherwise DOCKER_HOST, else the first socket that is there.
    #[arg(long, value_name = "ADDRESS")]
    pub engine: Option<String>,
}

impl EngineArgs {
    /// The address that was given or found.
    pub fn address(&self) -> Result<Address, Failure> {
        Address::find(&self.around(), &|path| path.exists()).map_err(|error| failure(&format!("find the container engine: {error}")))
    }

    /// Where to look for witnesses.
    pub fn around(&self) -> Surroundings {
        let mut around = Surroundings::of_this_process();
        if self.engine.is_some() {
            around.host.clone_from(&self.engine);
        }
        around
    }

    /// Subscribes to this engine's events, and listens to nothing else.
    pub fn listen(&self) -> Result<Live, Failure> {
        Live::start(self.address()?).map_err(|error| refused(&error))
    }

    /// Connects for questions and orders.
    pub fn connect(&self) -> Result<Client, Failure> {
        Client::connect(self.address()?).map_err(|error| refused(&error))
    }
}

/// An engine that cannot be asked, as a failure of the command.
pub fn refused(error: &AskError) -> Failure {
    failure(&error.to_string())
}

/// What is wrong stands before the first semicolon, what to do after it.
pub fn failure(text: &str) -> Failure {
    let (message, remedy) = text.split_once("; ").unwrap_or((text, ""));
    Failure::new(message).remedy(remedy)
}

/// Set when the person at the keyboard, or the service manager, wants an end.
#[derive(Clone, Debug, Default)]
pub struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// Whether it was asked for.
    pub fn yes(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stops the collector on SIGINT, SIGTERM or SIGHUP. A second signal ends the program at once.
pub fn stop_on_signals(stopper: Stopper) -> Result<Interrupted, Failure> {
    on_signals(move |again, signal| match again {
        true => std::process::exit(128 + signal),
        false => stopper.stop_in(DRAIN_INTERRUPTED),
    })
}

/// Only remembers signals, for commands that must clean up whatever happens.
pub fn remember_signals() -> Result<Interrupted, Failure> {
    on_signals(|_, _| {})
}

fn on_signals(act: impl Fn(bool, i32) + Send + 'static) -> Result<Interrupted, Failure> {
    let interrupted = Interrupted::default();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|e| Failure::new(format!("listen for signals: {e}")))?;
    let flag = interrupted.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            act(flag.0.swap(true, Ordering::Relaxed), signal);
        }
    });
    Ok(interrupted)
}

/// A span of the command line as a duration.
pub fn duration(span: Span) -> Duration {
    Duration::from_nanos(u64::try_from(span.0).unwrap_or(0))
}

/// The name under which everything that this run creates is labelled (`landwaiter.run=…`), unless the caller chose one.
pub fn run_name() -> String {
    std::env::var("RUN").ok().filter(|run| !run.is_empty()).unwrap_or_else(|| format!("lw{}", std::process::id()))
}

/// The image that the commands of strategies use.
pub fn image_name() -> String {
    std::env::var("IMAGE").ok().filter(|image| !image.is_empty()).unwrap_or_else(|| "alpine:3.20".to_owned())
}

/// The records of the start, up to the last list; or what came in five seconds, where a proxy refuses that list.
pub fn start_up(live: &mut Live) -> Vec<Record> {
    let started = Instant::now();
    let mut records = Vec::new();
    for record in live {
        let last = record.source == "docker_volumes";
        records.push(record);
        if last || started.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    records
}
