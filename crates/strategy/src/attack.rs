//! The ATT&CK catalogue, as far as a page's mapping can be judged by it: which ids live, under which tactics, on which platforms something can be seen.

use crate::page::Part;
use crate::strategy::{PageKind, Technique};
use event::{Problem, SmolStr};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The catalogue as text: one technique or tactic a line.
pub const TSV: &str = include_str!("attack.tsv");

/// Version of ATT&CK that the catalogue was taken from.
pub const VERSION: &str = "19.0";

/// Platforms that the sources of this program show.
pub const PLATFORMS_SHOWN: [&str; 2] = ["Containers", "Linux"];

/// A technique of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Short names of its tactics.
    pub tactics: Vec<&'static str>,
    /// Platforms on which it has an analytic.
    pub platforms: Vec<&'static str>,
    /// `live`, `revoked` or `deprecated`.
    pub status: &'static str,
    /// What replaces a revoked one.
    pub replacement: &'static str,
}

/// A tactic of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tactic {
    /// Its id, as `TA0002`.
    pub id: &'static str,
    /// Its name, as `Execution`.
    pub name: &'static str,
    /// Its short name, as `execution`.
    pub short: &'static str,
}

struct Catalogue {
    techniques: BTreeMap<&'static str, Entry>,
    tactics: Vec<Tactic>,
}

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let mut techniques = BTreeMap::new();
        let mut tactics = Vec::new();
        for line in TSV.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&'static str> = line.split('\t').collect();
            let [id, name, belongs, platforms, status, replacement] = cells[..] else { continue };
            if id.starts_with("TA") {
                tactics.push(Tactic { id, name, short: belongs });
            } else {
                let list = |cell: &'static str| cell.split(',').filter(|word| !word.is_empty()).collect();
                techniques.insert(id, Entry { id, name, tactics: list(belongs), platforms: list(platforms), status, replacement });
            }
        }
        Catalogue { techniques, tactics }
    })
}

/// The technique of that id.
pub fn technique(id: &str) -> Option<&'static Entry> {
    catalogue().techniques.get(id)
}

/// All tactics.
pub fn tactics() -> &'static [Tactic] {
    &catalogue().tactics
}

/// Reads the techniques of a Categorization section: one an item of a list or a row of a table. Prose is not judged.
pub fn read(parts: &[Part], kind: PageKind, file: &str, problems: &mut Vec<Problem>) -> Vec<Technique> {
    let items = parts.iter().flat_map(|part| part.items.iter().map(|item| (item.line, item.text.clone())));
    let rows = parts.iter().flat_map(|part| part.rows.iter().filter(|row| !row.head).map(|row| (row.line, row.cells.join(" | "))));
    let mut lines: Vec<(usize, String)> = items.chain(rows).collect();
    lines.sort();
    let mut out = Vec::new();
    for (line, text) in &lines {
        for id in ids(text) {
            out.extend(judge(&id, text, *line, kind, file, problems));
        }
    }
    out
}

/// One technique, with what is wrong with it.
fn judge(id: &str, text: &str, line: usize, kind: PageKind, file: &str, problems: &mut Vec<Problem>) -> Option<Technique> {
    let Some(entry) = technique(id) else {
        problems.push(
            Problem::error(file, line, "unknown-technique", format!("{id} is not in ATT&CK {VERSION}"))
                .remedy("look the behaviour up at attack.mitre.org and name a live technique"),
        );
        return None;
    };
    match entry.status {
        "revoked" => {
            let replacement = technique(entry.replacement).map_or(String::new(), |new| format!("{} {}", new.id, new.name));
            problems.push(
                Problem::error(file, line, "revoked-technique", format!("{id} {} is revoked", entry.name))
                    .remedy(format!("write {replacement}")),
            );
            return None;
        }
        "deprecated" => {
            problems.push(
                Problem::error(file, line, "deprecated-technique", format!("{id} {} is deprecated and has no successor", entry.name))
                    .remedy("name the live technique that the behaviour serves"),
            );
            return None;
        }
        _ => {}
    }
    if !text.to_lowercase().contains(&entry.name.to_lowercase()) {
        problems.push(
            Problem::warning(file, line, "technique-name", format!("{id} is called {:?}, which the line does not say", entry.name))
                .remedy(format!("write `{id} {}`", entry.name)),
        );
    }
    let named = tactic_in(text, entry);
    let tactic = match named {
        Ok(short) => short,
        Err(wrong) => {
            let said = match wrong {
                Some(wrong) => format!("{id} {} does not belong to {wrong}", entry.name),
                None => format!("{id} {} stands without its tactic", entry.name),
            };
            problems.push(Problem::error(file, line, "technique-tactic", said).remedy(format!(
                "write `{id} {} ({})`",
                entry.name,
                entry.tactics.join("` or `")
            )));
            entry.tactics.first().copied().unwrap_or_default()
        }
    };
    if !entry.platforms.iter().any(|platform| PLATFORMS_SHOWN.contains(platform)) {
        let said = format!(
            "{id} {} has analytics on {} only, which nothing ingested can show",
            entry.name,
            if entry.platforms.is_empty() { "no platform".to_owned() } else { entry.platforms.join(", ") }
        );
        // An umbrella page may keep the mapping of the report that it carries; the warning says what it is worth.
        problems.push(match kind {
            PageKind::Umbrella => {
                Problem::warning(file, line, "technique-platform", said).remedy("the pages that it binds carry mappings that can be shown")
            }
            PageKind::Strategy | PageKind::Plain => {
                Problem::error(file, line, "technique-platform", said).remedy("name a technique with an analytic on Containers or Linux")
            }
        });
    } else if !entry.platforms.contains(&"Containers") && kind == PageKind::Strategy {
        problems.push(Problem::warning(
            file,
            line,
            "technique-no-container-analytic",
            format!("{id} {} has an analytic on Linux, but none on Containers", entry.name),
        ));
    }
    Some(Technique { id: entry.id.into(), name: entry.name.into(), tactic: SmolStr::new_static(tactic), line })
}

/// The tactic that a line names for a technique; else the one that it names wrongly, or `None` when it names none.
fn tactic_in(text: &str, entry: &Entry) -> Result<&'static str, Option<String>> {
    // The technique's own name may contain a tactic's word ("Exfiltration Over C2 Channel").
    let rest = text.to_lowercase().replace(&entry.name.to_lowercase(), " ");
    let says = |word: &str| rest.contains(&word.to_lowercase());
    let named: Vec<&Tactic> = tactics().iter().filter(|tactic| says(tactic.short) || says(tactic.name) || says(tactic.id)).collect();
    if let Some(fit) = named.iter().find(|tactic| entry.tactics.contains(&tactic.short)) {
        return Ok(fit.short);
    }
    if says("defense-evasion") || says("defense evasion") {
        return Err(Some("defense-evasion, which is now stealth or defense-impairment".to_owned()));
    }
    Err(named.first().map(|tactic| tactic.short.to_owned()))
}

/// Technique ids in a text, in order.
fn ids(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')) {
        let word = word.trim_end_matches('.');
        let Some(digits) = word.strip_prefix('T') else { continue };
        let (main, sub) = digits.split_once('.').unwrap_or((digits, "000"));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if main.len() == 4 && sub.len() == 3 && all_digits(main) && all_digits(sub) && !out.iter().any(|id| id == word) {
            out.push(word.to_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: PageKind) -> (Vec<Technique>, Vec<String>) {
        let mut problems = Vec::new();
        let outline = crate::page::outline(text);
        let techniques = read(&outline.parts, kind, "x.md", &mut problems);
        (techniques, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_live_technique_with_its_tactic_is_accepted() {
        let (techniques, problems) =
            check("- T1610 Deploy Container (execution)\n- [T1611](x) Escape to Host: Privilege Escalation\n", PageKind::Strategy);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            techniques.iter().map(|t| (t.id.as_str(), t.tactic.as_str())).collect::<Vec<_>>(),
            [("T1610", "execution"), ("T1611", "privilege-escalation")]
        );
    }

    #[test]
    fn a_revoked_technique_names_its_replacement() {
        let (techniques, problems) = check("- T1562.001 Disable or Modify Tools (defense-evasion)\n", PageKind::Strategy);
        assert!(techniques.is_empty());
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("revoked-technique") && problems[0].contains("T1685"), "{problems:?}");
    }

    #[test]
    fn a_tactic_must_be_the_techniques_own() {
        let (_, problems) = check("| id |\n|---|\n| T1610 Deploy Container (impact) |\n", PageKind::Strategy);
        assert!(problems[0].starts_with("x.md:3: error[technique-tactic]"), "{problems:?}");
    }

    #[test]
    fn what_no_source_can_show_is_an_error_and_under_an_umbrella_a_warning() {
        let line = "- T1591.003 Identify Business Tempo (reconnaissance)\n";
        assert!(check(line, PageKind::Strategy).1[0].contains("error[technique-platform]"));
        let (techniques, problems) = check(line, PageKind::Umbrella);
        assert_eq!((techniques.len(), problems.len()), (1, 1));
        assert!(problems[0].contains("warning[technique-platform]") && problems[0].contains("PRE"), "{problems:?}");
    }
}
