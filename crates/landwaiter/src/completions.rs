//! `landwaiter completions`: what a shell needs to complete the command line.

use crate::ui::{Failure, Ui};
use crate::{Exit, command_line};
use clap_complete::Shell;

/// Print the completion script of a shell
#[derive(clap::Args)]
#[command(after_help = "Example:\n  landwaiter completions bash > /etc/bash_completion.d/landwaiter")]
pub struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command_line(), "landwaiter", &mut script);
    ui.out(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
