//! How a recording is played: the keys of a scenario's `toml` fence. Only read here; `proof` does it.

use event::problem::nearest;
use event::{Problem, SmolStr, Span};
use serde_json::Value as Json;
use toml::Value as Toml;

/// Most copies that `repeat` makes: enough for every threshold, little enough to be played in a test.
pub const REPEAT_MAX: u32 = 10_000;

const KEYS: &[&str] =
    &["stretch", "shift", "repeat", "every", "without", "patch", "remove", "only", "background", "recording", "skip", "hostile"];

/// How a scenario's recording is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// All gaps times this.
    pub stretch: f64,
    /// Everything later by this.
    pub shift: Span,
    /// How many times in all.
    pub repeat: u32,
    /// How much later each copy begins.
    pub every: Span,
    /// Sources whose records are left out.
    pub without: Vec<SmolStr>,
    /// What is changed in the records, in order.
    pub steps: Vec<Step>,
    /// Recordings played at the same time.
    pub background: Vec<String>,
    /// Recordings named here instead of in fences.
    pub recordings: Vec<String>,
    /// Why the claim is not tested here.
    pub skip: Option<String>,
}

/// Values set and taken out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Values to set.
    pub patch: Vec<Patch>,
    /// Values to take out.
    pub remove: Vec<Patch>,
    /// Only these of the records that it would touch, from 1, counted over the composed whole; empty: all of them, before copies are made.
    pub only: Vec<usize>,
}

/// One value at one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// Only records of this source.
    pub source: Option<SmolStr>,
    /// Steps of the path; numbers are positions in lists.
    pub path: Vec<SmolStr>,
    /// What to set; not read by `remove`.
    pub value: Json,
}

impl Default for Play {
    fn default() -> Play {
        Play {
            stretch: 1.0,
            shift: Span::ZERO,
            repeat: 1,
            every: Span::seconds(1),
            without: Vec::new(),
            steps: Vec::new(),
            background: Vec::new(),
            recordings: Vec::new(),
            skip: None,
        }
    }
}

impl Play {
    /// What was made of the recording, in words; empty when it is played as it was taken.
    pub fn composed(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if self.repeat > 1 {
            words.push(format!("{} copies, one every {}", self.repeat, self.every));
        }
        if self.stretch != 1.0 {
            words.push(format!("gaps times {}", self.stretch));
        }
        for step in &self.steps {
            words.extend(step.patch.iter().map(|patch| format!("{} = {}", patch.shown(), patch.value)));
            words.extend(step.remove.iter().map(|patch| format!("no {}", patch.shown())));
        }
        words.extend(self.without.iter().map(|source| format!("without {source}")));
        words.extend(self.background.iter().map(|name| format!("beside {name}")));
        words.join(", ")
    }

    /// This, with the keys of another table on top: its values replace, its patches are added.
    pub fn with(&self, table: &toml::Table, at: &Place<'_>, problems: &mut Vec<Problem>) -> Play {
        let mut play = self.clone();
        let mut step = Step::default();
        for (key, value) in table {
            let taken = match key.as_str() {
                "stretch" => number(value).filter(|n| *n > 0.0 && n.is_finite()).map(|n| play.stretch = n).ok_or("a number above 0"),
                "shift" => span(value).map(|span| play.shift = span).ok_or("a number of seconds, or text such as \"90s\", \"5m\", \"2h\""),
                "every" => span(value).map(|span| play.every = span).ok_or("a number of seconds, or text such as \"500ms\", \"2s\""),
                "repeat" => {
                    whole(value).filter(|n| (1..=REPEAT_MAX).contains(n)).map(|n| play.repeat = n).ok_or("a whole number from 1 to 10000")
                }
                "without" => words(value).map(|list| play.without = list.into_iter().map(Into::into).collect()).ok_or("a list of sources"),
                "background" => words(value).map(|list| play.background = list).ok_or("the name of a recording, or a list of them"),
                "recording" => words(value).map(|list| play.recordings = list).ok_or("the name of a recording, or a list of them"),
                "skip" => value.as_str().map(|why| play.skip = Some(why.to_owned())).ok_or("the reason, as text"),
                "patch" => value.as_table().map(|table| step.patch = patches(table)).ok_or("a table of paths and values"),
                "remove" => words(value)
                    .map(|list| step.remove = list.iter().map(|path| Patch::at(path, Json::Null)).collect())
                    .ok_or("a list of paths"),
                "only" => positions(value).map(|list| step.only = list).ok_or("a list of positions from 1"),
                "hostile" => Ok(()),
                other => {
                    let mut problem =
                        Problem::error(at.file, at.line_of(other), "unknown-key", format!("the scenario has the unknown key {other:?}"));
                    problem = match nearest(other, KEYS.iter().copied()) {
                        Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                        None => problem.remedy(format!("known keys are {}", KEYS.join(", "))),
                    };
                    problems.push(problem);
                    Ok(())
                }
            };
            if let Err(wanted) = taken {
                problems.push(Problem::error(at.file, at.line_of(key), "scenario-value", format!("`{key}` must be {wanted}")));
            }
        }
        for source in play.without.iter().filter(|source| !crate::front::SOURCES.contains(&source.as_str())) {
            problems.push(
                Problem::error(at.file, at.line_of("without"), "unknown-source", format!("`without` names the unknown source {source:?}"))
                    .remedy(format!("known sources are {}", crate::front::SOURCES.join(", "))),
            );
        }
        if !step.patch.is_empty() || !step.remove.is_empty() {
            play.steps.push(step);
        }
        play
    }
}

/// Where a table stands, for problems.
pub struct Place<'a> {
    /// The page's file.
    pub file: &'a str,
    /// Line at which the fence's text begins.
    pub line: usize,
    /// The fence's text.
    pub text: &'a str,
}

impl Place<'_> {
    fn line_of(&self, key: &str) -> usize {
        let begins = |line: &str| line.trim_start().trim_start_matches('"').starts_with(key);
        self.line + self.text.lines().position(begins).unwrap_or(0)
    }

    /// The text as a table; what cannot be read is a problem.
    pub fn table(&self, problems: &mut Vec<Problem>) -> toml::Table {
        match self.text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(err) => {
                let before = err.span().and_then(|span| self.text.get(..span.start)).map_or(0, |text| text.matches('\n').count());
                problems.push(
                    Problem::error(self.file, self.line + before, "broken-toml", format!("this is not TOML: {}", err.message()))
                        .remedy("see \"Scenarios\" in docs/writing-a-strategy.md for the keys"),
                );
                toml::Table::new()
            }
        }
    }
}

impl Patch {
    /// `source:path` with a value. A path's first part counts as a source only if it is one, as paths may hold colons.
    pub fn at(path: &str, value: Json) -> Patch {
        let (source, path) = match path.split_once(':') {
            Some((source, rest)) if crate::front::SOURCES.contains(&source) => (Some(source.into()), rest),
            _ => (None, path),
        };
        Patch { source, path: path.split('.').map(SmolStr::new).collect(), value }
    }

    fn shown(&self) -> String {
        self.path.join(".")
    }
}

fn patches(table: &toml::Table) -> Vec<Patch> {
    table.iter().map(|(path, value)| Patch::at(path, json(value))).collect()
}

/// A TOML value as JSON; the text `null` inside a table stays text, as TOML has no null.
fn json(value: &Toml) -> Json {
    match value {
        Toml::String(text) => Json::from(text.as_str()),
        Toml::Integer(n) => Json::from(*n),
        Toml::Float(n) => Json::from(*n),
        Toml::Boolean(b) => Json::from(*b),
        Toml::Datetime(time) => Json::from(time.to_string()),
        Toml::Array(list) => Json::Array(list.iter().map(json).collect()),
        Toml::Table(table) => Json::Object(table.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
    }
}

fn number(value: &Toml) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

fn whole(value: &Toml) -> Option<u32> {
    value.as_integer().and_then(|n| u32::try_from(n).ok())
}

fn words(value: &Toml) -> Option<Vec<String>> {
    match value {
        Toml::String(text) => Some(vec![text.clone()]),
        Toml::Array(list) => list.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn positions(value: &Toml) -> Option<Vec<usize>> {
    let position = |value: &Toml| value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    match value {
        Toml::Array(list) => list.iter().map(position).collect(),
        other => position(other).map(|n| vec![n]),
    }
}

/// `90`, `1.5`, `"90s"`, `"500ms"`, `"-5m"`, `"2h"`, `"1d"`.
fn span(value: &Toml) -> Option<Span> {
    let seconds = match value {
        Toml::String(text) => {
            let text = text.trim();
            let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
            let (digits, unit) = text.split_at(unit_at);
            let factor = match unit.trim() {
                "ms" => 0.001,
                "s" | "" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return None,
            };
            digits.trim().parse::<f64>().ok()? * factor
        }
        other => number(other)?,
    };
    // A century either way is beyond every recording and far from the ends of the clock.
    (seconds.abs() < 3.2e9).then(|| Span((seconds * 1e9).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (Play, Vec<String>) {
        let mut problems = Vec::new();
        let place = Place { file: "x.md", line: 10, text };
        let table = place.table(&mut problems);
        let play = Play::default().with(&table, &place, &mut problems);
        (play, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keys_are_read() {
        let (play, problems) = check(
            "stretch = 2\nshift = \"-5m\"\nrepeat = 25\nevery = \"500ms\"\npatch = { \"docker_container:HostConfig.Privileged\" = true }\nonly = 3\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((play.stretch, play.shift, play.repeat, play.every), (2.0, Span::seconds(-300), 25, Span::millis(500)));
        assert_eq!(play.steps[0].patch[0].source.as_deref(), Some("docker_container"));
        assert_eq!(play.steps[0].patch[0].path, ["HostConfig", "Privileged"]);
        assert_eq!(play.steps[0].only, [3]);
        assert!(play.composed().contains("25 copies, one every 0.5s"), "{}", play.composed());
    }

    #[test]
    fn every_mistake_is_told_at_its_line() {
        let (_, problems) = check("repeat = 0\nstrech = 2\nshift = \"soon\"\n");
        assert_eq!(problems.len(), 3);
        assert!(problems[0].starts_with("x.md:10: error[scenario-value]"), "{problems:?}");
        assert!(problems.iter().any(|p| p.starts_with("x.md:11: error[unknown-key]") && p.contains("`stretch`")), "{problems:?}");
        assert!(problems.iter().any(|p| p.starts_with("x.md:12: error[scenario-value]")), "{problems:?}");
        assert!(check("a = \nb").1[0].contains("broken-toml"));
    }
}
