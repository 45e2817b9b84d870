//! The walls between the rooms: a crate may depend only on crates of lower floors.

use std::path::Path;

/// Rooms by floor, as ARCHITECTURE.md draws them.
const FLOORS: &[(&str, u8)] = &[
    ("event", 1),
    ("source", 2),
    ("inventory", 2),
    ("sigma", 2),
    ("finding", 2),
    ("strategy", 3),
    ("engine", 3),
    ("respond", 3),
    ("proof", 4),
    ("landwaiter", 5),
];

/// Says every arrow that goes sideways or up. Dev-dependencies may go anywhere: tests join rooms.
pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    let folder = root.join("crates");
    let mut rooms: Vec<String> = std::fs::read_dir(&folder)
        .map_err(|e| format!("could not read {}: {e}", folder.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    rooms.sort();
    for room in rooms {
        let Some(floor) = floor(&room) else {
            wrong.push(format!("crates/{room} is on no floor: name it in xtask/src/walls.rs and ARCHITECTURE.md"));
            continue;
        };
        let manifest = folder.join(&room).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|e| format!("could not read {}: {e}", manifest.display()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|e| format!("could not read {}: {e}", manifest.display()))?;
        for section in ["dependencies", "build-dependencies"] {
            for name in table.get(section).and_then(toml::Value::as_table).into_iter().flat_map(|deps| deps.keys()) {
                if let Some(below) = self::floor(name)
                    && below >= floor
                {
                    wrong.push(format!("crates/{room} (floor {floor}) depends on {name} (floor {below}): arrows only go down"));
                }
            }
        }
    }
    Ok(wrong)
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}
