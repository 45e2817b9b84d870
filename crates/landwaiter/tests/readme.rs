//! What the README shows is what the program prints. `README=write cargo test -p landwaiter --test readme` writes it anew.

mod common;

use common::*;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the program prints from the root of the project.
fn printed(args: &[&str]) -> String {
    let state = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(args)
        .current_dir(root())
        .env("XDG_STATE_HOME", state.path())
        .env_remove("LANDWAITER_CONTEXT")
        .output()
        .expect("the binary runs");
    stdout(&output)
}

/// The page with the first `text` fence behind `mark` holding `text`.
fn with_fence(page: &str, mark: &str, text: &str) -> String {
    let (before, rest) = page.split_once(mark).unwrap_or_else(|| panic!("the README has no {mark:?}"));
    let (between, rest) = rest.split_once("```text\n").expect("a text fence");
    let (_, after) = rest.split_once("```\n").expect("the fence ends");
    format!("{before}{mark}{between}```text\n{}\n```\n{after}", text.trim_end())
}

#[test]
fn the_readme_shows_what_is_printed() {
    let file = root().join("README.md");
    let page = std::fs::read_to_string(&file).expect("a README");
    let found = printed(&["replay", "examples/first-day", "--min-severity", "medium"]);
    let mut now = with_fence(&page, "from medium up:", &found);
    now = with_fence(&now, "\n## Strategies\n", &printed(&["strategy", "list"]));

    // The finding that the examples of the README ask for.
    let high = found.split("\n\n").find(|finding| finding.starts_with("HIGH")).expect("something high");
    let id = high.rsplit("show ").next().expect("an id");
    let (before, rest) = now.split_once("$ landwaiter show ").expect("an example of show");
    let (_, after) = rest.split_once(' ').expect("a remark behind it");
    now = format!("{before}$ landwaiter show {} {after}", &id[..8]);

    if std::env::var_os("README").is_some_and(|what| what == "write") {
        std::fs::write(&file, now).expect("the README can be written");
    } else {
        assert!(page == now, "README.md is out of date: README=write cargo test -p landwaiter --test readme writes it anew");
    }
}
