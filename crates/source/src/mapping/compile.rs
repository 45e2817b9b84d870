//! From a mapping file's text to a [`Mapping`], or to everything that is wrong with it at once.

use super::find::{Clock, Unit};
use super::yaml::{At, Node, Yaml, parse};
use super::{Condition, Format, KindRule, Leaf, Mapping, Test, What};
use crate::Witness;
use event::problem::nearest;
use event::{Gravity, Problem, SmolStr};
use std::collections::BTreeMap;

/// Keys at the root of a mapping file.
const ROOT: [&str; 14] = [
    "name",
    "about",
    "witness",
    "format",
    "separator",
    "columns",
    "header",
    "recognise",
    "time",
    "kind",
    "container",
    "actor",
    "flow",
    "process",
];

/// Everything that can be taken out of a record, by the name under which a mapping file says where it stands.
pub(super) const FIELDS: [(&str, &str); 52] = [
    ("actor", "who asked for it"),
    ("container.id", "the container's id"),
    ("container.name", "its name"),
    ("container.image", "its image, as it was asked for"),
    ("container.image_id", "its image's id"),
    ("container.labels", "its labels: an object, or texts key=value"),
    ("container.pod", "the pod or sandbox that it belongs to"),
    ("container.division", "the runtime's own division"),
    ("container.exit_code", "how it ended"),
    ("container.signal", "the signal that was sent, by number or name"),
    ("container.old_name", "its name before"),
    ("container.exec_command", "the command of an exec"),
    ("container.exec_id", "the exec's id"),
    ("container.status", "running, exited, …"),
    ("container.pid", "its first process on the host"),
    ("container.command", "what it runs"),
    ("container.user", "the user inside"),
    ("container.privileged", "runs with all privileges"),
    ("container.capabilities", "capabilities added"),
    ("container.capabilities_dropped", "capabilities taken away"),
    ("container.mounts", "what is mounted, with `source`, `target` and `writable` or `readonly` below it"),
    ("container.devices", "devices of the host"),
    ("container.security_options", "options such as seccomp=unconfined"),
    ("container.host.network", "shares the host's network"),
    ("container.host.pid", "shares the host's processes"),
    ("container.host.ipc", "shares the host's memory segments"),
    ("container.host.user", "shares the host's users"),
    ("container.limits.cpu", "processor limit"),
    ("container.limits.memory", "memory limit"),
    ("container.limits.pids", "process limit"),
    ("flow.source.address", "who began"),
    ("flow.source.port", "its port"),
    ("flow.destination.address", "whom it reached for"),
    ("flow.destination.port", "its port"),
    ("flow.protocol", "tcp, udp, … or its number"),
    ("flow.bytes_out", "bytes from who began"),
    ("flow.bytes_in", "bytes to who began"),
    ("flow.packets_out", "packets from who began"),
    ("flow.packets_in", "packets to who began"),
    ("flow.outcome", "answered, unanswered, refused or dropped"),
    ("flow.started", "when it began, written as `time` is"),
    ("process.pid", "its id on the host"),
    ("process.parent_pid", "its parent's"),
    ("process.executable", "path of the program"),
    ("process.command", "program and arguments"),
    ("process.directory", "working directory"),
    ("process.uid", "user id on the host"),
    ("process.user", "user's name"),
    ("process.container_id", "the container that it runs in"),
    ("process.cgroup", "path of its control group"),
    ("process.exit_code", "how it ended"),
    ("process.path", "the file that it touched"),
];

/// What a record can be, by the word for it.
pub(super) const KINDS: [(&str, What); 34] = [
    ("container.create", What::Container("create")),
    ("container.start", What::Container("start")),
    ("container.restart", What::Container("restart")),
    ("container.die", What::Container("die")),
    ("container.kill", What::Container("kill")),
    ("container.stop", What::Container("stop")),
    ("container.oom", What::Container("oom")),
    ("container.pause", What::Container("pause")),
    ("container.unpause", What::Container("unpause")),
    ("container.rename", What::Container("rename")),
    ("container.update", What::Container("update")),
    ("container.destroy", What::Container("destroy")),
    ("container.attach", What::Container("attach")),
    ("container.exec", What::Container("exec")),
    ("container.exec_die", What::Container("exec_die")),
    ("container.copy_in", What::Container("copy_in")),
    ("container.copy_out", What::Container("copy_out")),
    ("container.other", What::Container("other")),
    ("container.inspect", What::Inspect),
    ("flow", What::Flow("ended")),
    ("flow.new", What::Flow("new")),
    ("flow.update", What::Flow("update")),
    ("flow.ended", What::Flow("ended")),
    ("process.exec", What::Process("exec")),
    ("process.fork", What::Process("fork")),
    ("process.exit", What::Process("exit")),
    ("process.connect", What::Process("connect")),
    ("process.listen", What::Process("listen")),
    ("process.file", What::Process("file")),
    ("process.mount", What::Process("mount")),
    ("process.namespace", What::Process("namespace")),
    ("process.bpf", What::Process("bpf")),
    ("process.other", What::Process("other")),
    ("ignore", What::Nothing),
];

/// Options beside `path`.
const OPTIONS: [&str; 8] = ["path", "unit", "values", "split", "source", "target", "writable", "readonly"];

pub(super) fn compile(text: &str, file: &str) -> (Option<Mapping>, Vec<Problem>) {
    let root = match parse(text, file) {
        Ok(root) => root,
        Err(problem) => return (None, vec![problem]),
    };
    let mut reader = Reader { file, problems: Vec::new() };
    let mapping = reader.mapping(&root);
    let mapping = mapping.filter(|_| reader.problems.iter().all(|problem| problem.gravity != Gravity::Error));
    (mapping, reader.problems)
}

struct Reader<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn error(&mut self, at: At, code: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::error(self.file, at.line, code, message).column(at.column).remedy(remedy));
    }

    /// Names each key that does not belong.
    fn known(&mut self, node: &Node, known: &[&str], within: &str) {
        for entry in node.map().unwrap_or_default() {
            if !known.contains(&entry.key.as_str()) {
                let near = nearest(&entry.key, known.iter().copied());
                let remedy = near.map_or_else(|| format!("known here: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
                self.error(entry.at, "unknown-key", format!("has the unknown key `{}`{within}", entry.key), remedy);
            }
        }
    }

    fn mapping(&mut self, root: &Node) -> Option<Mapping> {
        if root.map().is_none() {
            self.error(root.at, "no-mapping", "is not a map of keys", "begin with `name:`; docs/mapping-a-source.md has an example");
            return None;
        }
        self.known(root, &ROOT, "");
        let name = self.name(root);
        let witness = self
            .one_of(root, "witness", "runtime", &["orchestrator", "runtime", "network", "system"])
            .and_then(|word| Witness::named(&word));
        let format = self.format(root);
        let recognise = self.recognise(root);
        let clock = self.time(root);
        let kind = self.kind(root);
        let fields = self.fields(root);
        if let Some(kind) = &kind {
            self.needs(root, kind, &fields);
        }
        Some(Mapping {
            name: name?,
            about: SmolStr::new(root.get("about").and_then(Node::text).unwrap_or_default()),
            witness: witness?,
            format: format?,
            recognise,
            time: clock?,
            kind: kind?,
            fields,
            file: SmolStr::new(self.file),
        })
    }

    fn name(&mut self, root: &Node) -> Option<SmolStr> {
        let Some(node) = root.get("name") else {
            self.error(root.at, "no-name", "has no `name`", "name the source, such as `name: quayd_events`");
            return None;
        };
        let text = node.text().unwrap_or_default();
        let fits = !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !fits {
            self.error(node.at, "name", "has a `name` that is none", "use lower-case letters, digits and _, at most 64");
        } else if crate::source_named(text).is_some() {
            self.error(node.at, "name-taken", format!("is called `{text}`, which is a built-in source"), "choose another name");
        }
        fits.then(|| SmolStr::new(text))
    }

    /// A word out of a few.
    fn one_of(&mut self, node: &Node, key: &str, default: &str, words: &[&str]) -> Option<String> {
        let Some(value) = node.get(key) else { return Some(default.to_owned()) };
        let text = value.text().unwrap_or_default();
        if words.contains(&text) {
            return Some(text.to_owned());
        }
        self.error(value.at, "unknown-word", format!("has the unknown {key} `{text}`"), format!("one of {}", words.join(", ")));
        None
    }

    fn format(&mut self, root: &Node) -> Option<Format> {
        let word = self.one_of(root, "format", "json", &["json", "logfmt", "csv"])?;
        if word != "csv" {
            for key in ["columns", "header", "separator"] {
                if let Some(entry) = root.map().unwrap_or_default().iter().find(|entry| entry.key == key) {
                    self.error(
                        entry.at,
                        "not-a-table",
                        format!("has `{key}`, but its format is {word}"),
                        "say `format: csv`, or leave it out",
                    );
                }
            }
            return Some(if word == "json" { Format::Json } else { Format::Logfmt });
        }
        let separator = match root.get("separator").map(|node| (node.at, node.text().unwrap_or_default())) {
            None => ',',
            Some((_, "tab" | "\t")) => '\t',
            Some((at, text)) => match text.chars().collect::<Vec<_>>()[..] {
                [one] if one != '"' => one,
                _ => {
                    self.error(at, "separator", "has a `separator` that is not one character", "write one character, or `tab`");
                    return None;
                }
            },
        };
        let header = root.get("header").and_then(Node::bool).unwrap_or(false);
        let columns: Vec<String> =
            root.get("columns").map(|node| node.each().iter().filter_map(Node::text).map(str::to_owned).collect()).unwrap_or_default();
        if columns.is_empty() && !header {
            self.error(root.at, "no-columns", "is a table without `columns` and without `header: true`", "name the columns in their order");
            return None;
        }
        Some(Format::Table { separator, columns })
    }

    fn recognise(&mut self, root: &Node) -> Vec<Condition> {
        let mut list = Vec::new();
        let Some(node) = root.get("recognise") else {
            self.error(
                root.at,
                "no-recognise",
                "does not say how its records are recognised",
                "name keys that only its records have, under `recognise:`",
            );
            return list;
        };
        for entry in node.map().unwrap_or_default() {
            if let Some(text) = entry.value.text() {
                list.push(Condition { path: entry.key.clone(), test: Test::Value(vec![text.to_owned()]) });
                continue;
            }
            self.known(&entry.value, &["value", "exists", "prefix"], " of a condition");
            let texts = |key: &str| {
                entry.value.get(key).map(|node| node.each().iter().filter_map(Node::text).map(str::to_owned).collect::<Vec<_>>())
            };
            let test = match (texts("value"), texts("prefix"), entry.value.get("exists").map(Node::bool)) {
                (Some(list), None, None) => Test::Value(list),
                (None, Some(list), None) => Test::Prefix(list),
                (None, None, Some(Some(truth))) => Test::Exists(truth),
                _ => {
                    self.error(
                        entry.at,
                        "condition",
                        format!("has a condition on `{}` that is none", entry.key),
                        "one of `value: …`, `prefix: …`, `exists: true`",
                    );
                    continue;
                }
            };
            list.push(Condition { path: entry.key.clone(), test });
        }
        let is_positive = |condition: &Condition| condition.test != Test::Exists(false);
        if !list.iter().any(is_positive) {
            self.error(node.at, "recognises-all", "would recognise any record", "name at least one key that its records have");
        }
        list
    }

    /// How a time is written and where; the outer `None` is an error.
    #[allow(clippy::option_option)]
    fn time(&mut self, root: &Node) -> Option<Option<(String, Clock)>> {
        let Some(node) = root.get("time") else {
            self.problems.push(
                Problem::warning(self.file, root.at.line, "no-time", "has no `time`: its records take the time of those around them")
                    .column(root.at.column)
                    .remedy("say `time: { path: …, format: rfc3339 }`"),
            );
            return Some(None);
        };
        let (path, format) = match node.text() {
            Some(path) => (path.to_owned(), "rfc3339"),
            None => {
                self.known(node, &["path", "format"], " of `time`");
                let Some(path) = node.get("path").and_then(Node::text) else {
                    self.error(node.at, "no-path", "has a `time` without a `path`", "say where it stands");
                    return None;
                };
                (path.to_owned(), node.get("format").and_then(Node::text).unwrap_or("rfc3339"))
            }
        };
        let clock = match format {
            "rfc3339" => Clock::Rfc3339,
            "s" => Clock::Since(1_000_000_000),
            "ms" => Clock::Since(1_000_000),
            "us" => Clock::Since(1_000),
            "ns" => Clock::Since(1),
            pattern if pattern.contains('%') => {
                let tells = |letters: &str| letters.chars().any(|letter| pattern.contains(&format!("%{letter}")));
                if !(tells("YyFDcs") && (tells("sc") || tells("mbBDF"))) {
                    self.error(
                        node.at,
                        "no-date",
                        format!("has the pattern `{pattern}`, which names no year or no month"),
                        "a time needs a whole date, such as %Y-%m-%d %H:%M:%S",
                    );
                    return None;
                }
                Clock::Pattern(pattern.to_owned())
            }
            other => {
                self.error(
                    node.at,
                    "time-format",
                    format!("has the unknown time format `{other}`"),
                    "one of rfc3339, s, ms, us, ns, or a pattern such as %d/%b/%Y:%H:%M:%S %z",
                );
                return None;
            }
        };
        Some(Some((path, clock)))
    }

    fn what(&mut self, node: &Node) -> Option<What> {
        let word = node.text().unwrap_or_default();
        let found = KINDS.iter().find(|(known, _)| *known == word).map(|(_, what)| *what);
        if found.is_none() {
            let near = nearest(word, KINDS.iter().map(|(known, _)| *known));
            let remedy = near
                .map_or_else(|| format!("one of {}", KINDS.map(|(known, _)| known).join(", ")), |near| format!("did you mean `{near}`?"));
            self.error(node.at, "unknown-kind", format!("has the unknown kind `{word}`"), remedy);
        }
        found
    }

    fn kind(&mut self, root: &Node) -> Option<KindRule> {
        let Some(node) = root.get("kind") else {
            self.error(
                root.at,
                "no-kind",
                "does not say what its records are",
                "say `kind: flow`, or `kind: { path: …, values: { …: container.start } }`",
            );
            return None;
        };
        if node.text().is_some() {
            return Some(KindRule { path: String::new(), values: BTreeMap::new(), otherwise: self.what(node)? });
        }
        self.known(node, &["path", "values", "otherwise"], " of `kind`");
        let Some(path) = node.get("path").and_then(Node::text).map(str::to_owned) else {
            self.error(node.at, "no-path", "has a `kind` without a `path`", "say where the word stands that tells what happened");
            return None;
        };
        let mut values = BTreeMap::new();
        for entry in node.get("values").and_then(Node::map).unwrap_or_default() {
            if let Some(what) = self.what(&entry.value) {
                values.insert(entry.key.clone(), what);
            }
        }
        if values.is_empty() {
            self.error(node.at, "no-values", "has a `kind` without `values`", "say which value means what: `started: container.start`");
        }
        let otherwise = match node.get("otherwise") {
            Some(node) => self.what(node)?,
            None => What::Nothing,
        };
        Some(KindRule { path, values, otherwise })
    }

    fn fields(&mut self, root: &Node) -> BTreeMap<&'static str, Leaf> {
        let mut fields = BTreeMap::new();
        for section in ["actor", "container", "flow", "process"] {
            if let Some(node) = root.get(section) {
                self.section(section, node, &mut fields);
            }
        }
        fields
    }

    fn section(&mut self, name: &str, node: &Node, fields: &mut BTreeMap<&'static str, Leaf>) {
        let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
        let Some(field) = field else {
            let begins = format!("{name}.");
            let is_section = FIELDS.iter().any(|(known, _)| known.starts_with(&begins));
            match node.map().filter(|_| is_section) {
                Some(entries) => entries.iter().for_each(|entry| self.section(&format!("{name}.{}", entry.key), &entry.value, fields)),
                None => {
                    let near = nearest(name, FIELDS.iter().map(|(known, _)| *known));
                    let above = name.rsplit_once('.').map_or("", |(above, _)| above);
                    let around: Vec<&str> = FIELDS.iter().map(|(known, _)| *known).filter(|known| known.starts_with(above)).collect();
                    let remedy =
                        near.map_or_else(|| format!("known here: {}", around.join(", ")), |near| format!("did you mean `{near}`?"));
                    self.error(node.at, "unknown-field", format!("has the unknown field `{name}`"), remedy);
                }
            }
            return;
        };
        if let Some(leaf) = self.leaf(field, node) {
            fields.insert(field, leaf);
        }
    }

    fn leaf(&mut self, field: &'static str, node: &Node) -> Option<Leaf> {
        if let Some(path) = node.text() {
            let unit = default_unit(field);
            return Some(Leaf { path: path.to_owned(), unit, ..Leaf::default() });
        }
        self.known(node, &OPTIONS, &format!(" of `{field}`"));
        let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        let Some(path) = text("path") else {
            self.error(node.at, "no-path", format!("has `{field}` without a `path`"), "say where it stands");
            return None;
        };
        let units: &[(&str, Unit)] = match field {
            "container.limits.cpu" => &[("cores", Unit::Cores), ("millicores", Unit::Millicores), ("quantity", Unit::Quantity)],
            "container.limits.memory" => &[("bytes", Unit::Bytes), ("quantity", Unit::Quantity)],
            _ => &[],
        };
        let unit = match node.get("unit") {
            None => default_unit(field),
            Some(word) => {
                let found = units.iter().find(|(known, _)| Some(*known) == word.text()).map(|(_, unit)| *unit);
                if found.is_none() {
                    let known: Vec<&str> = units.iter().map(|(known, _)| *known).collect();
                    let remedy = if known.is_empty() { "leave it out".to_owned() } else { format!("one of {}", known.join(", ")) };
                    self.error(word.at, "unit", format!("has an unknown unit for `{field}`"), remedy);
                }
                found
            }
        };
        let mut values = BTreeMap::new();
        for entry in node.get("values").and_then(Node::map).unwrap_or_default() {
            values.insert(entry.key.clone(), entry.value.text().unwrap_or_default().to_owned());
        }
        let mounts = ["source", "target", "writable", "readonly"].map(text);
        if field != "container.mounts" && mounts.iter().any(Option::is_some) {
            self.error(node.at, "not-a-mount", format!("has the paths of a mount under `{field}`"), "they belong to `container.mounts`");
        }
        if field == "container.mounts" && mounts[0].is_none() && !matches!(node.value, Yaml::Scalar { .. }) {
            self.error(node.at, "no-source", "has `container.mounts` without `source`", "say where in each mount the host's path stands");
        }
        Some(Leaf { path, unit, values, split: text("split").and_then(|text| text.chars().next()), mounts })
    }

    /// Without some fields a record of a kind says nothing.
    fn needs(&mut self, root: &Node, kind: &KindRule, fields: &BTreeMap<&'static str, Leaf>) {
        let is = |what: fn(&What) -> bool| kind.values.values().chain([&kind.otherwise]).any(what);
        let container = is(|what| matches!(what, What::Container(_) | What::Inspect));
        let (flow, process) = (is(|what| matches!(what, What::Flow(_))), is(|what| matches!(what, What::Process(_))));
        for (needed, field) in
            [(container, "container.id"), (flow, "flow.source.address"), (flow, "flow.destination.address"), (process, "process.pid")]
        {
            if needed && !fields.contains_key(field) {
                self.error(
                    root.get("kind").map_or(root.at, |node| node.at),
                    "no-field",
                    format!("has records that need `{field}`, and does not say where it stands"),
                    format!("add `{field}`"),
                );
            }
        }
    }
}

fn default_unit(field: &str) -> Option<Unit> {
    match field {
        "container.limits.cpu" => Some(Unit::Cores),
        "container.limits.memory" => Some(Unit::Bytes),
        _ => None,
    }
}
