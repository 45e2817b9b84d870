//! Changes to a page's text that the checks propose: a finding fence rewritten, a closed blind spot moved. Only texts in, texts out.

use crate::scenario::{ClaimKind, Scenario};
use crate::section::Section;
use crate::strategy::Strategy;

/// The page with the scenario's `finding` fence holding `body`; a fence is added at the scenario's end when it has none.
pub fn bless(page: &str, scenario: &Scenario, body: &str) -> String {
    let mut lines: Vec<&str> = page.lines().collect();
    let fresh = |out: &mut Vec<String>| {
        out.push("```finding".to_owned());
        out.extend(body.trim_end().lines().map(str::to_owned));
        out.push("```".to_owned());
    };
    let block = fence_lines(&lines, scenario);
    let mut out: Vec<String> = Vec::new();
    match block {
        Some((open, close)) => {
            out.extend(lines[..open - 1].iter().map(|line| (*line).to_owned()));
            fresh(&mut out);
            out.extend(lines.drain(..).skip(close).map(str::to_owned));
        }
        None => {
            let mut end = (scenario.end - 1).min(lines.len());
            while end > scenario.line && lines[end - 1].trim().is_empty() {
                end -= 1;
            }
            out.extend(lines[..end].iter().map(|line| (*line).to_owned()));
            out.push(String::new());
            fresh(&mut out);
            out.extend(lines[end..].iter().map(|line| (*line).to_owned()));
        }
    }
    joined(out)
}

/// First and last line of the scenario's `finding` fence.
fn fence_lines(lines: &[&str], scenario: &Scenario) -> Option<(usize, usize)> {
    let range = scenario.line..scenario.end.min(lines.len() + 1);
    let open = range.clone().find(|n| lines[n - 1].trim_start().starts_with("```finding"))?;
    let close = (open + 1..range.end).find(|n| lines[n - 1].trim() == "```")?;
    Some((open, close))
}

/// The page with a blind spot that fires now moved to the end of Validation, without its "Blind spot:". `None` when the page has no Validation, or it is none.
pub fn move_closed(strategy: &Strategy, scenario: &Scenario) -> Option<String> {
    if scenario.claim != ClaimKind::BlindSpot {
        return None;
    }
    let validation = strategy.sections.iter().find(|part| part.section == Some(Section::Validation))?;
    let lines: Vec<&str> = strategy.text.lines().collect();
    let from = scenario.line - 1..(scenario.end - 1).min(lines.len());
    let mut moved: Vec<String> = lines[from.clone()].iter().map(|line| (*line).to_owned()).collect();
    if let Some(head) = moved.first_mut() {
        *head = as_validation(head);
    }
    while moved.last().is_some_and(|line| line.trim().is_empty()) {
        moved.pop();
    }
    let mut target = (validation.end - 1).min(lines.len());
    while target > validation.line && lines[target - 1].trim().is_empty() {
        target -= 1;
    }
    let mut out: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if at == target {
            out.push(String::new());
            out.append(&mut moved);
        }
        if !from.contains(&at) {
            out.push((*line).to_owned());
        }
    }
    if !moved.is_empty() {
        out.push(String::new());
        out.append(&mut moved);
    }
    Some(joined(out))
}

/// `### Blind spot: the container is gone` as `### The container is gone`, at the third level, where Validation's own scenarios stand.
fn as_validation(head: &str) -> String {
    let hashes = head.chars().take_while(|c| *c == '#').count();
    let title = head[hashes..].trim();
    let rest = match title.split_once(':') {
        Some((word, rest)) if word.to_lowercase().replace(' ', "").starts_with("blindspot") => rest.trim(),
        _ => title,
    };
    let mut chars = rest.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{} {first}{}", "#".repeat(hashes), chars.as_str())
}

fn joined(lines: Vec<String>) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}
