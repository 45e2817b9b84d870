//! landwaiter: detects adversaries who use containers to get past security monitoring.
//!
//! The command line and the wiring, nothing else. Each command is one file with `Args` and `run`, and one row in the list below.

mod cli;
mod concerning;
mod last;
mod live;
mod load;
mod render;
mod strategy_test;
mod ui;
mod witnesses;

use clap::{CommandFactory, Parser};
use std::process::ExitCode;
use ui::{Failure, Ui};

/// Every record makes and drops many small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended, when it did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, and something was found that the caller asked to fail on.
    Found,
}

/// The commands: module, name in the code, and where it stands in `--help`.
macro_rules! commands {
    ($($module:ident $variant:ident),+ $(,)?) => {
        $(mod $module;)+

        #[derive(clap::Subcommand)]
        enum Command {
            $($variant($module::Args)),+
        }

        impl Command {
            fn run(self, ui: &Ui) -> Result<Exit, Failure> {
                match self {
                    $(Command::$variant(args) => $module::run(args, ui)),+
                }
            }
        }
    };
}

commands! {
    watch Watch,
    replay Replay,
    show Show,
    investigate Investigate,
    posture Posture,
    doctor Doctor,
    validate Validate,
    contain Contain,
    record Record,
    strategy_cmd Strategy,
    sigma_cmd Sigma,
    source_cmd Source,
    completions Completions,
    reference Reference,
}

/// Detects adversaries who use containers to get past security monitoring.
///
/// A landwaiter was the customs officer who checked what came ashore against the ship's manifest. This program does that for containers.
#[derive(Parser)]
#[command(name = "landwaiter", version, max_term_width = 110, after_help = cli::EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: ui::Global,
    #[command(subcommand)]
    command: Command,
}

/// The whole command line, for completions and the reference.
pub fn command_line() -> clap::Command {
    Cli::command()
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(&cli.global);
    match cli.command.run(&ui) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Found) => ExitCode::from(1),
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(2)
        }
    }
}
