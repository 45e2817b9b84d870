//! What a mapped record tells, in the words that every runtime shares.

use super::{Leaf, Mapping, What, find};
use crate::process::{container_id, signal_number, user_id};
use crate::text;
use event::fact::{ContainerAction, ContainerEvent, ContainerSpec, Device, Fact, Mount};
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::system::{ProcessAction, ProcessEvent};
use event::{SmolStr, Time};
use sonic_rs::{JsonValueTrait, Value};

/// Reads the fields that a mapping names.
pub(super) struct Taken<'a> {
    pub mapping: &'a Mapping,
    pub root: &'a Value,
}

/// Fields that say what a container is, beside what its events say.
const OF_SPEC: [&str; 17] = [
    "container.image_id",
    "container.command",
    "container.user",
    "container.privileged",
    "container.capabilities",
    "container.capabilities_dropped",
    "container.mounts",
    "container.devices",
    "container.security_options",
    "container.host.network",
    "container.host.pid",
    "container.host.ipc",
    "container.host.user",
    "container.limits.cpu",
    "container.limits.memory",
    "container.limits.pids",
    "container.pid",
];

impl<'a> Taken<'a> {
    fn leaf(&self, field: &str) -> Option<&'a Leaf> {
        self.mapping.fields.get(field)
    }

    pub fn values(&self, field: &str) -> Vec<&'a Value> {
        self.leaf(field).map(|leaf| find::all(self.root, &leaf.path)).unwrap_or_default()
    }

    fn first(&self, field: &str) -> Option<&'a Value> {
        find::first(self.root, &self.leaf(field)?.path)
    }

    fn text(&self, field: &str) -> SmolStr {
        let text = self.first(field).and_then(find::text).unwrap_or_default();
        match self.leaf(field).and_then(|leaf| leaf.values.get(text.as_str())) {
            Some(named) => SmolStr::new(named),
            None => text,
        }
    }

    fn int(&self, field: &str) -> Option<i64> {
        self.first(field).and_then(find::int)
    }

    fn count(&self, field: &str) -> Option<u64> {
        self.int(field).and_then(|number| number.try_into().ok())
    }

    fn truth(&self, field: &str) -> bool {
        self.first(field).and_then(find::truth).unwrap_or(false)
    }

    fn split(&self, field: &str) -> Option<char> {
        self.leaf(field).and_then(|leaf| leaf.split)
    }

    fn texts(&self, field: &str) -> Vec<SmolStr> {
        find::texts(&self.values(field), self.split(field))
    }

    fn amount(&self, field: &str) -> Option<f64> {
        self.leaf(field)?.unit?.read(self.first(field)?)
    }

    /// A command: a list of words, or one line of them.
    fn words(&self, field: &str) -> Vec<SmolStr> {
        match self.values(field).as_slice() {
            [one] if one.is_str() && self.split(field).is_none() => crate::process::words(one.as_str().unwrap_or_default()),
            values => find::texts(values, self.split(field)),
        }
    }

    /// The fact, or the field without which it is none.
    pub fn fact(&self, what: What, time: Option<Time>) -> Result<Option<Fact>, &'static str> {
        Ok(match what {
            What::Nothing => None,
            What::Inspect => Some(Fact::ContainerSpec(Box::new(self.spec()?))),
            What::Container(word) => Some(Fact::Container(self.event(word)?)),
            What::Flow(word) => Some(Fact::Flow(Box::new(self.flow(word, time)?))),
            What::Process(word) => Some(Fact::Process(Box::new(self.process(word)?))),
        })
    }

    fn id(&self) -> Result<SmolStr, &'static str> {
        let id = self.text("container.id");
        if id.is_empty() { Err("container.id") } else { Ok(id) }
    }

    fn event(&self, word: &str) -> Result<ContainerEvent, &'static str> {
        let maybe = |field: &str| Some(self.text(field)).filter(|text| !text.is_empty());
        let action = match word {
            "create" => ContainerAction::Create,
            "start" => ContainerAction::Start,
            "restart" => ContainerAction::Restart,
            "die" => ContainerAction::Die { exit_code: self.int("container.exit_code") },
            "kill" => ContainerAction::Kill { signal: signal_number(&self.text("container.signal")) },
            "stop" => ContainerAction::Stop,
            "oom" => ContainerAction::Oom,
            "pause" => ContainerAction::Pause,
            "unpause" => ContainerAction::Unpause,
            "rename" => ContainerAction::Rename { old_name: maybe("container.old_name") },
            "update" => ContainerAction::Update,
            "destroy" => ContainerAction::Destroy,
            "attach" => ContainerAction::Attach,
            "exec" => ContainerAction::ExecStart {
                command: SmolStr::from(self.words("container.exec_command").join(" ")),
                exec_id: maybe("container.exec_id"),
            },
            "exec_die" => ContainerAction::ExecDie { exec_id: maybe("container.exec_id"), exit_code: self.int("container.exit_code") },
            "copy_in" => ContainerAction::CopyIn,
            "copy_out" => ContainerAction::CopyOut,
            _ => ContainerAction::Other(self.mapping.word(self.root)),
        };
        let says_spec = OF_SPEC.iter().any(|field| !self.values(field).is_empty());
        let labels = if action == ContainerAction::Create { self.labels() } else { Vec::new() };
        Ok(ContainerEvent {
            id: self.id()?,
            action,
            name: crate::fields::bare_name(&self.text("container.name")),
            image: self.text("container.image"),
            labels,
            runtime: self.mapping.name.clone(),
            division: self.text("container.division"),
            pod: self.text("container.pod"),
            spec: if says_spec { Some(Box::new(self.spec()?)) } else { None },
        })
    }

    fn labels(&self) -> Vec<(SmolStr, SmolStr)> {
        find::pairs(&self.values("container.labels"), self.split("container.labels"))
    }

    fn spec(&self) -> Result<ContainerSpec, &'static str> {
        let host = |field: &str| if self.truth(field) { SmolStr::new_static("host") } else { SmolStr::default() };
        let whole = |field: &str| self.amount(field).map(|amount| amount.min(i64::MAX as f64) as i64);
        Ok(ContainerSpec {
            id: self.id()?,
            name: crate::fields::bare_name(&self.text("container.name")),
            status: self.text("container.status"),
            pid: self.int("container.pid").unwrap_or(0),
            image: self.text("container.image"),
            image_id: self.text("container.image_id"),
            labels: self.labels(),
            command: self.words("container.command"),
            user: self.text("container.user"),
            privileged: self.truth("container.privileged"),
            cap_add: self.texts("container.capabilities"),
            cap_drop: self.texts("container.capabilities_dropped"),
            mounts: self.mounts(),
            devices: self
                .texts("container.devices")
                .into_iter()
                .map(|host_path| Device { host_path, permissions: SmolStr::new_static("rwm") })
                .collect(),
            security_opt: self.texts("container.security_options"),
            network_mode: host("container.host.network"),
            pid_mode: host("container.host.pid"),
            ipc_mode: host("container.host.ipc"),
            userns_mode: host("container.host.user"),
            cpu_limit: self.amount("container.limits.cpu"),
            memory_limit: whole("container.limits.memory"),
            pids_limit: self.int("container.limits.pids").filter(|limit| *limit > 0),
            exit_code: self.int("container.exit_code"),
            runtime: self.mapping.name.clone(),
            ..ContainerSpec::default()
        })
    }

    /// Mounts: objects, or texts `source:target[:ro]`.
    fn mounts(&self) -> Vec<Mount> {
        let Some(leaf) = self.leaf("container.mounts") else { return Vec::new() };
        let mut list = Vec::new();
        for value in self.values("container.mounts") {
            if value.is_object() {
                let at = |n: usize| leaf.mounts[n].as_deref().and_then(|path| find::first(value, path));
                let text = |n: usize| at(n).and_then(find::text).unwrap_or_default();
                let writable = match (at(2).and_then(find::truth), at(3).and_then(find::truth)) {
                    (Some(writable), _) => writable,
                    (None, Some(readonly)) => !readonly,
                    (None, None) => true,
                };
                list.push(Mount { kind: kind_of(&text(0)), source: text(0), target: text(1), writable, ..Mount::default() });
                continue;
            }
            for part in find::texts(&[value], leaf.split) {
                let mut parts = part.split(':');
                let (source, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                let writable = !parts.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
                list.push(Mount {
                    kind: kind_of(source),
                    source: SmolStr::new(source),
                    target: SmolStr::new(target),
                    writable,
                    ..Mount::default()
                });
            }
        }
        list
    }

    fn flow(&self, word: &str, time: Option<Time>) -> Result<Flow, &'static str> {
        let end = |address: &'static str, port: &str| -> Result<End, &'static str> {
            let text = self.text(address);
            if text.is_empty() {
                return Err(address);
            }
            Ok(End {
                address: text::address(&text),
                port: self.int(port).and_then(|port| port.try_into().ok()).unwrap_or(0),
                ..End::default()
            })
        };
        let stage = match word {
            "new" => FlowStage::New,
            "update" => FlowStage::Update,
            _ => FlowStage::Ended,
        };
        let started = self.first("flow.started").and_then(|value| self.mapping.time.as_ref()?.1.read(value));
        Ok(Flow {
            stage,
            started: started.or(time.filter(|_| stage == FlowStage::New)),
            ended: time.filter(|_| stage == FlowStage::Ended),
            source: end("flow.source.address", "flow.source.port")?,
            destination: end("flow.destination.address", "flow.destination.port")?,
            protocol: text::protocol(&self.text("flow.protocol").to_ascii_lowercase()),
            outcome: match self.text("flow.outcome").to_ascii_lowercase().as_str() {
                "answered" => FlowOutcome::Answered,
                "unanswered" => FlowOutcome::Unanswered,
                "refused" => FlowOutcome::Refused,
                "dropped" => FlowOutcome::Dropped,
                _ => FlowOutcome::Unknown,
            },
            bytes_out: self.count("flow.bytes_out"),
            bytes_in: self.count("flow.bytes_in"),
            packets_out: self.count("flow.packets_out"),
            packets_in: self.count("flow.packets_in"),
            ..Flow::default()
        })
    }

    fn process(&self, word: &str) -> Result<ProcessEvent, &'static str> {
        let user = self.text("process.user");
        Ok(ProcessEvent {
            action: match word {
                "exec" => ProcessAction::Exec,
                "fork" => ProcessAction::Fork,
                "exit" => ProcessAction::Exit,
                "connect" => ProcessAction::Connect,
                "listen" => ProcessAction::Listen,
                "file" => ProcessAction::File,
                "mount" => ProcessAction::Mount,
                "namespace" => ProcessAction::Namespace,
                "bpf" => ProcessAction::Bpf,
                _ => ProcessAction::Other,
            },
            pid: self.int("process.pid").ok_or("process.pid")?,
            parent_pid: self.int("process.parent_pid").unwrap_or(0),
            executable: self.text("process.executable"),
            command: self.words("process.command"),
            directory: self.text("process.directory"),
            uid: user_id(self.int("process.uid")),
            user: if user.is_empty() { self.text("actor") } else { user },
            container_id: container_id(&self.text("process.container_id")),
            cgroup: self.text("process.cgroup"),
            exit_code: self.int("process.exit_code"),
            path: self.text("process.path"),
            address: self.text("flow.destination.address"),
            port: self.int("flow.destination.port").and_then(|port| port.try_into().ok()).unwrap_or(0),
            ..ProcessEvent::default()
        })
    }
}

/// What is mounted from a path of the host is a bind.
fn kind_of(source: &str) -> SmolStr {
    SmolStr::new_static(if source.starts_with('/') { "bind" } else { "volume" })
}
