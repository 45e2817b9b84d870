//! Lists the shipped pages and their recordings, so that they are in the program itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../strategies");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let mut out = String::from("static SHIPPED: &[(&str, &[u8])] = &[\n");
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
        let name: Vec<String> = file.strip_prefix(&root).into_iter().flatten().map(|part| part.to_string_lossy().into_owned()).collect();
        let _ = writeln!(out, "    ({:?}, include_bytes!({:?})),", name.join("/"), file.display().to_string());
    }
    out.push_str("];\n");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("shipped.rs");
    if let Err(err) = std::fs::write(&target, out) {
        panic!("the build folder can be written to: {err}");
    }
}

/// Pages and recordings below a folder.
fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            println!("cargo:rerun-if-changed={}", path.display());
            walk(&path, files);
        } else if [".md", ".jsonl", ".jsonl.zst", ".jsonl.gz"].iter().any(|end| path.to_string_lossy().ends_with(end)) {
            files.push(path);
        }
    }
}
