//! Licences of everything that is built in, against the list in deny.toml.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Says every package whose licence expression the list does not allow.
pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(root.join("deny.toml")).map_err(|e| format!("could not read deny.toml: {e}"))?;
    let table: toml::Table = toml::from_str(&text).map_err(|e| format!("could not read deny.toml: {e}"))?;
    let allowed: BTreeSet<&str> = table
        .get("licenses")
        .and_then(|section| section.get("allow"))
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect();

    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|e| format!("could not run cargo metadata: {e}"))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("could not read cargo metadata: {e}"))?;
    let packages = metadata["packages"].as_array().ok_or("could not read cargo metadata: it names no packages")?;
    Ok(packages
        .iter()
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or("");
            let name = format!("{} {}", package["name"].as_str()?, package["version"].as_str()?);
            (!fits(licence, &allowed)).then(|| format!("{name}: the licence \"{licence}\" is not allowed by deny.toml"))
        })
        .collect())
}

/// Whether an SPDX expression can be met with allowed licences: `OR` needs one side, `AND` both.
fn fits(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let expression = expression.replace('/', " OR ");
    let flat = expression.replace(['(', ')'], " ");
    // Parentheses only ever group alternatives in practice; reading every AND part as a choice among its ORs is exact for those.
    flat.split(" AND ").all(|part| part.split(" OR ").any(|licence| allowed.contains(licence.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read() {
        let allowed: BTreeSet<&str> = ["MIT", "Apache-2.0", "Unicode-3.0"].into();
        for (expression, fit) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("(MIT OR GPL-2.0) AND Unicode-3.0", true),
            ("MIT AND GPL-2.0", false),
            ("GPL-2.0", false),
            ("", false),
        ] {
            assert_eq!(fits(expression, &allowed), fit, "{expression}");
        }
    }
}
