//! What was replayed last, so that `show` and `sigma explain` need no paths.

use crate::load::Detection;
use crate::replay;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The arguments of a replay that decide what it finds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Last {
    /// Files and folders, absolute.
    pub paths: Vec<PathBuf>,
    /// Host for records that do not say it.
    pub host: String,
    /// Further rules, absolute.
    pub rules: Vec<PathBuf>,
    /// Whether the shipped strategies were left out.
    pub no_shipped: bool,
    /// Context, absolute.
    pub context: Option<PathBuf>,
    /// Mapping files, absolute.
    #[serde(default)]
    pub sources: Vec<PathBuf>,
}

impl Last {
    /// The detection that was used.
    pub fn detection(&self) -> Detection {
        Detection {
            rules: self.rules.clone(),
            no_shipped: self.no_shipped,
            strategy: Vec::new(),
            context: self.context.clone(),
            sources: self.sources.clone(),
        }
    }
}

/// `$XDG_STATE_HOME/landwaiter/last.json`, else below `~/.local/state`.
fn file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    Some(base.join("landwaiter/last.json"))
}

/// Remembers a replay. A convenience: where it cannot be written, `show` asks for the paths.
pub fn remember(args: &replay::Args) {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return;
    }
    let last = Last {
        paths: args.paths.iter().map(absolute).collect(),
        host: args.host.clone(),
        rules: args.detection.rules.iter().map(absolute).collect(),
        no_shipped: args.detection.no_shipped,
        context: args.detection.context.as_ref().map(absolute),
        sources: args.detection.sources.iter().map(absolute).collect(),
    };
    let Some(file) = file() else { return };
    let Ok(text) = serde_json::to_string_pretty(&last) else { return };
    if let Some(folder) = file.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let _ = std::fs::write(file, text);
}

/// What was replayed last, when it is known.
pub fn recall() -> Option<Last> {
    serde_json::from_str(&std::fs::read_to_string(file()?).ok()?).ok()
}
