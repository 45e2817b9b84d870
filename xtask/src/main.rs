//! Chores of the house: `cargo xtask check | docs | bless | new`.
//!
//! `check` is what CI runs beside the tests: the walls between the rooms, the licences of what we depend on, and the generated pages.

mod licences;
mod walls;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask CHORE
  check         hold the house rules: walls between the rooms, licences, generated pages
  docs          write docs/reference anew
  bless [ID…]   write the expected findings of strategy pages anew
  new ID FILE   write a new strategy page from a recording";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let root = root();
    let done = match args.first().map(String::as_str) {
        Some("check") => check(&root),
        Some("docs") => landwaiter(&root, &["reference", "docs/reference"]),
        Some("bless") => {
            let ids: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
            landwaiter(&root, &[&["strategy", "test", "--bless", "--from", "strategies"], ids.as_slice()].concat())
        }
        Some("new") if args.len() == 3 => {
            landwaiter(&root, &["strategy", "new", &args[1], "--from-recording", &args[2], "--into", "strategies"])
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn check(root: &Path) -> Result<(), String> {
    let mut wrong = walls::check(root)?;
    wrong.extend(licences::check(root)?);
    if let Err(why) = landwaiter(root, &["reference", "docs/reference", "--check"]) {
        wrong.push(why);
    }
    if wrong.is_empty() {
        println!("walls, licences and generated pages are as they should be");
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Runs the product itself: it knows its own pages best.
fn landwaiter(root: &Path, args: &[&str]) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "-p", "landwaiter", "--"])
        .args(args)
        .status()
        .map_err(|e| format!("could not run cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("landwaiter {} did not succeed", args.join(" "))) }
}
