//! Reads the context file: everything that is wrong with it at once, each with its line.

use super::identity::{Identity, network};
use super::schedule::Schedule;
use super::{Allowed, Builder, Workload};
use crate::posture::Danger;
use event::problem::nearest;
use event::{Problem, SmolStr, Span, Time};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys of a `[[workload]]`.
const WORKLOAD: &[&str] = &["image", "command", "max_standing", "posture", "schedule", "role", "owner", "reason", "expires"];

/// Keys of a `[[builder]]`.
const BUILDER: &[&str] = &["host", "owner", "reason", "expires"];

/// Keys of an `[[identity]]`.
const IDENTITY: &[&str] = &["name", "may", "namespaces", "paths", "addresses", "owner", "reason", "expires"];

/// Keys that someone who wants to name a workload may try: the workload chooses what they say.
const SELF_DECLARED: &[&str] = &[
    "name",
    "container",
    "container_name",
    "label",
    "labels",
    "annotation",
    "annotations",
    "tag",
    "image_name",
    "repository",
    "service",
    "project",
];

const WAY_OUT: &str =
    "give `image = \"sha256:…\"` (docker inspect --format '{{.Image}}' NAME) and `command = \"…\"` (the executable with its arguments)";

type Entry<'a> = (&'a DeTable<'a>, usize);

/// The entries that can be used.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) workloads: Vec<Workload>,
    pub(super) builders: Vec<Builder>,
    pub(super) identities: Vec<Identity>,
}

/// What can be used, and what is wrong.
pub(super) fn read(text: &str, file: &str) -> (Entries, Vec<Problem>) {
    let mut reader = Reader { text, file, problems: Vec::new() };
    let mut entries = Entries::default();
    match DeTable::parse(text) {
        Ok(root) => {
            for (key, value) in root.get_ref() {
                match key.get_ref().as_ref() {
                    "workload" => {
                        entries.workloads = reader.entries(value).into_iter().filter_map(|entry| reader.workload(entry)).collect()
                    }
                    "builder" => entries.builders = reader.entries(value).into_iter().filter_map(|entry| reader.builder(entry)).collect(),
                    "identity" => {
                        entries.identities = reader.entries(value).into_iter().filter_map(|entry| reader.identity(entry)).collect()
                    }
                    other => {
                        let line = reader.line(key.span().start);
                        let remedy = match nearest(other, ["workload", "builder", "identity"]) {
                            Some(near) => format!("did you mean `[[{near}]]`?"),
                            None => "a context has the tables `[[workload]]`, `[[builder]]` and `[[identity]]`".to_owned(),
                        };
                        reader.error(line, "unknown-key", format!("has the unknown key {other:?}"), &remedy);
                    }
                }
            }
        }
        Err(error) => {
            let line = error.span().map_or(0, |span| reader.line(span.start));
            reader.error(line, "not-toml", error.message().to_owned(), "a context is a TOML file with `[[workload]]` tables");
        }
    }
    (entries, reader.problems)
}

struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }

    fn error(&mut self, line: usize, code: &'static str, message: String, remedy: &str) {
        self.problems.push(Problem::error(self.file, line, code, message).remedy(remedy));
    }

    fn entries<'a>(&mut self, value: &'a Spanned<DeValue<'a>>) -> Vec<Entry<'a>> {
        let entries = value.get_ref().as_array().map(|list| {
            list.iter()
                .filter_map(|entry| entry.get_ref().as_table().map(|table| (table, self.line(entry.span().start))))
                .collect::<Vec<_>>()
        });
        if entries.is_none() {
            let line = self.line(value.span().start);
            self.error(line, "not-a-list", "is no list of tables".to_owned(), "write it as `[[workload]]`, with two brackets");
        }
        entries.unwrap_or_default()
    }

    /// Names unknown keys of an entry; false when one of them makes the entry unusable.
    fn keys(&mut self, entry: &DeTable<'_>, known: &[&str]) -> bool {
        let mut usable = true;
        for key in entry.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            usable = false;
            let line = self.line(key.span().start);
            if SELF_DECLARED.contains(&name) {
                let message = format!("`{name}` is what a workload says of itself, and an attacker says the same");
                self.error(line, "self-declared", message, WAY_OUT);
            } else {
                let remedy = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known keys are {}", known.join(", ")),
                };
                self.error(line, "unknown-key", format!("has the unknown key {name:?}"), &remedy);
            }
        }
        usable
    }

    fn text<'a>(&mut self, (table, line): Entry<'a>, key: &str, required: bool) -> Option<(&'a str, usize)> {
        let Some(value) = table.get(key) else {
            if required {
                self.error(line, "missing-key", format!("lacks `{key}`"), if matches!(key, "image" | "command") { WAY_OUT } else { "" });
            }
            return None;
        };
        let at = self.line(value.span().start);
        match value.get_ref().as_str().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => Some((text, at)),
            None => {
                self.error(at, "wrong-type", format!("`{key}` is no text, or an empty one"), "");
                None
            }
        }
    }

    fn by(&mut self, entry: Entry<'_>) -> Option<SmolStr> {
        let owner = self.text(entry, "owner", true);
        let reason = self.text(entry, "reason", true);
        Some(SmolStr::from(format!("{}: {}", owner?.0, reason?.0)))
    }

    fn expires(&mut self, (table, line): Entry<'_>) -> Option<Time> {
        const REMEDY: &str = "write the last day on which it holds, as `expires = \"2027-03-31\"`";
        let Some(value) = table.get("expires") else {
            self.error(line, "missing-key", "lacks `expires`: what explains for ever is a blind spot".to_owned(), REMEDY);
            return None;
        };
        let at = self.line(value.span().start);
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            _ => String::new(),
        };
        let end = match Time::parse(&text) {
            Some(time) => Some(time),
            None if text.len() == 10 => Time::parse(&format!("{text}T00:00:00Z")).map(|day| day + Span::seconds(86_400)),
            None => None,
        };
        if end.is_none() {
            self.error(at, "not-a-date", format!("`expires` is no date: {text:?}"), REMEDY);
        }
        end
    }

    fn identity(&mut self, entry: Entry<'_>) -> Option<Identity> {
        let usable = self.keys(entry.0, IDENTITY);
        let name = self.text(entry, "name", true);
        let may: Vec<(SmolStr, SmolStr)> = self
            .list(entry, "may")
            .into_iter()
            .filter_map(|(text, line)| {
                let parts = text.split_once(' ').map(|(verb, resource)| (SmolStr::new(verb), SmolStr::new(resource.trim())));
                if parts.is_none() {
                    let message = format!("`may` has {text:?}, which is no verb and resource");
                    self.error(line, "wrong-type", message, "write it as `may = [\"get secrets\", \"get nodes/proxy\"]`");
                }
                parts
            })
            .collect();
        if may.is_empty() {
            self.error(entry.1, "missing-key", "lacks `may`: what it may ask for".to_owned(), "write `may = [\"get secrets\"]`");
        }
        let addresses = self
            .list(entry, "addresses")
            .into_iter()
            .filter_map(|(text, line)| {
                let net = network(&text);
                if net.is_none() {
                    self.error(
                        line,
                        "wrong-type",
                        format!("`addresses` has {text:?}, which is no address"),
                        "write `10.0.0.0/24` or `10.0.0.7`",
                    );
                }
                net
            })
            .collect();
        let texts = |list: Vec<(SmolStr, usize)>| list.into_iter().map(|(text, _)| text).collect();
        let namespaces = texts(self.list(entry, "namespaces"));
        let paths = texts(self.list(entry, "paths"));
        let (by, expires) = (self.by(entry), self.expires(entry));
        let name = SmolStr::new(name?.0);
        (usable && !may.is_empty()).then_some(Identity { name, may, namespaces, paths, addresses, by: by?, expires: expires? })
    }

    /// A list of texts, each with its line; empty when it is not there.
    fn list(&mut self, (table, _): Entry<'_>, key: &str) -> Vec<(SmolStr, usize)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let line = self.line(value.span().start);
        let list: Option<Vec<(SmolStr, usize)>> = value
            .get_ref()
            .as_array()
            .and_then(|list| list.iter().map(|item| item.get_ref().as_str().map(|text| (text.into(), line))).collect());
        if list.is_none() {
            self.error(line, "wrong-type", format!("`{key}` is no list of texts"), "");
        }
        list.unwrap_or_default()
    }

    fn image(&mut self, entry: Entry<'_>) -> Option<SmolStr> {
        let (image, line) = self.text(entry, "image", true)?;
        let digest = image.rsplit_once('@').map_or(image, |(_, digest)| digest);
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Some(SmolStr::from(format!("sha256:{hex}")));
        }
        let message = format!("`image` names {image:?}, and anyone may give an image that name");
        self.error(line, "self-declared", message, WAY_OUT);
        None
    }

    fn command(&mut self, entry: Entry<'_>) -> Option<SmolStr> {
        // A list is joined as it is shown.
        if let Some(list) = entry.0.get("command").and_then(|value| value.get_ref().as_array()) {
            let words: Vec<&str> = list.iter().filter_map(|word| word.get_ref().as_str()).collect();
            return Some(SmolStr::from(words.join(" ")));
        }
        // Blanks at its ends are part of it.
        let (_, line) = self.text(entry, "command", true)?;
        let whole = entry.0.get("command").and_then(|value| value.get_ref().as_str());
        debug_assert!(whole.is_some(), "line {line} has just been read as text");
        whole.map(SmolStr::new)
    }

    fn posture(&mut self, (table, _): Entry<'_>) -> Option<Allowed> {
        let Some(value) = table.get("posture") else { return Some(Allowed::Reasons(Vec::new())) };
        if let Some(list) = value.get_ref().as_array() {
            let reasons = list.iter().filter_map(|reason| reason.get_ref().as_str()).filter(|reason| *reason != "none");
            return Some(Allowed::Reasons(reasons.map(SmolStr::new).collect()));
        }
        let level = value
            .get_ref()
            .as_str()
            .and_then(|word| [Danger::None, Danger::Low, Danger::Medium, Danger::High].into_iter().find(|level| level.as_str() == word));
        if level.is_none() {
            let line = self.line(value.span().start);
            let remedy = "list the reasons, as `posture = [\"mount:engine_socket\"]`, or name a level: none, low, medium, high";
            self.error(line, "wrong-type", "`posture` is neither a list of reasons nor a level".to_owned(), remedy);
        }
        level.map(Allowed::Level)
    }

    fn max_standing(&mut self, (table, _): Entry<'_>) -> Option<Option<u32>> {
        let Some(value) = table.get("max_standing") else { return Some(None) };
        let number = value.get_ref().as_integer().and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        if number.is_none() {
            let line = self.line(value.span().start);
            self.error(line, "wrong-type", "`max_standing` is no whole number".to_owned(), "");
        }
        number.map(Some)
    }

    fn schedule(&mut self, entry: Entry<'_>) -> Option<Option<Schedule>> {
        if !entry.0.contains_key("schedule") {
            return Some(None);
        }
        let (text, line) = self.text(entry, "schedule", false)?;
        let schedule = Schedule::parse(text);
        if schedule.is_none() {
            let remedy = "write `daily 02:00-03:00 UTC`, `weekdays 08:00-18:00 UTC` or `mon,thu 23:00-01:00 UTC`";
            self.error(line, "not-a-schedule", format!("`schedule` is none: {text:?}"), remedy);
        }
        schedule.map(Some)
    }

    fn sensor(&mut self, entry: Entry<'_>) -> Option<bool> {
        if !entry.0.contains_key("role") {
            return Some(false);
        }
        let (text, line) = self.text(entry, "role", false)?;
        match text {
            "sensor" => Some(true),
            "workload" => Some(false),
            _ => {
                self.error(line, "wrong-type", format!("`role` is neither \"sensor\" nor \"workload\": {text:?}"), "");
                None
            }
        }
    }

    fn workload(&mut self, entry: Entry<'_>) -> Option<Workload> {
        // Every part is read, so that all its mistakes are said at once.
        let usable = self.keys(entry.0, WORKLOAD);
        let (image, command) = (self.image(entry), self.command(entry));
        let (max_standing, posture, schedule, sensor) =
            (self.max_standing(entry), self.posture(entry), self.schedule(entry), self.sensor(entry));
        let (by, expires) = (self.by(entry), self.expires(entry));
        let workload = Workload {
            image: image?,
            command: command?,
            max_standing: max_standing?,
            posture: posture?,
            schedule: schedule?,
            sensor: sensor?,
            by: by?,
            expires: expires?,
        };
        usable.then_some(workload)
    }

    fn builder(&mut self, entry: Entry<'_>) -> Option<Builder> {
        let usable = self.keys(entry.0, BUILDER);
        let host = self.text(entry, "host", true);
        let (by, expires) = (self.by(entry), self.expires(entry));
        let builder = Builder { host: SmolStr::new(host?.0), by: by?, expires: expires? };
        usable.then_some(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn complaints(text: &str) -> Vec<String> {
        read(text, "context.toml").1.iter().map(|problem| format!("{}: {}", problem.line, problem.code)).collect()
    }

    #[test]
    fn a_whole_entry_is_read() {
        let text = format!(
            "[[workload]]\nimage = \"{ID}\"\ncommand = [\"/bin/agent\", \"--serve\"]\nmax_standing = 5\nposture = [\"mount:engine_socket\"]\n\
             schedule = \"daily 02:00-03:00 UTC\"\nrole = \"sensor\"\nowner = \"platform\"\nreason = \"nightly\"\nexpires = 2027-01-01\n\
             [[builder]]\nhost = \"ci-1\"\nowner = \"platform\"\nreason = \"builds\"\nexpires = \"2027-01-01\"\n"
        );
        let (Entries { workloads, builders, .. }, problems) = read(&text, "context.toml");
        assert_eq!(problems, []);
        assert_eq!(workloads[0].command, "/bin/agent --serve");
        assert_eq!(workloads[0].by, "platform: nightly");
        assert_eq!(workloads[0].expires, Time::parse("2027-01-02T00:00:00Z").unwrap());
        assert_eq!(builders[0].host, "ci-1");
    }

    #[test]
    fn what_a_workload_says_of_itself_is_refused() {
        let rest = "command = \"x\"\nowner = \"o\"\nreason = \"r\"\nexpires = \"2027-01-01\"\n";
        assert_eq!(complaints(&format!("[[workload]]\nname = \"web\"\nimage = \"{ID}\"\n{rest}")), ["2: self-declared"]);
        assert_eq!(complaints(&format!("[[workload]]\nimage = \"alpine:3.20\"\n{rest}")), ["2: self-declared"]);
        assert_eq!(complaints(&format!("[[workload]]\nlabels = {{ a = \"b\" }}\n{rest}")), ["2: self-declared", "1: missing-key"]);
    }

    #[test]
    fn all_mistakes_are_said_at_once_each_with_its_line() {
        let text = format!(
            "[[workload]]\nimage = \"{ID}\"\ncommand = \"x\"\nmax_standing = -1\nschedule = \"now\"\nowners = \"o\"\n\n[[worklod]]\n"
        );
        let said = complaints(&text);
        for expected in ["4: wrong-type", "5: not-a-schedule", "6: unknown-key", "1: missing-key", "8: unknown-key"] {
            assert!(said.iter().any(|line| line == expected), "{expected} is not among {said:?}");
        }
        assert_eq!(complaints("[[workload]\n"), ["1: not-toml"]);
        assert_eq!(complaints("workload = 5\n"), ["1: not-a-list"]);
    }
}
