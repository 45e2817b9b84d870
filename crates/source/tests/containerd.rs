//! What the collector sees of a real containerd. Says that it was skipped where there is none that `ctr` can be used on.

use event::fact::{ContainerAction, ContainerSpec, Fact, List, SensorNote, Sight};
use event::{Body, Record};
use source::collect::{Live, Presence, Stopper, Surroundings, collector_named};
use source::prepare;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A namespace of its own in the containerd of this machine; all of it is removed at the end.
struct Bench {
    folder: tempfile::TempDir,
    socket: &'static str,
    namespace: String,
}

impl Bench {
    fn find(test: &str) -> Option<Bench> {
        let missing = |what: &str| -> Option<Bench> {
            assert!(std::env::var("LANDWAITER_TEST_ENGINE").as_deref() != Ok("required"), "{test}: {what}, and it is required");
            eprintln!("skipped: {test}: {what}");
            None
        };
        let sockets = ["/run/containerd/containerd.sock", "/var/run/docker/containerd/containerd.sock"];
        // Where nothing listens, ctr waits ten seconds before it says so.
        let answers = |socket: &&str| {
            Path::new(socket).exists()
                && Command::new("ctr").args(["-a", socket, "version"]).output().is_ok_and(|output| output.status.success())
        };
        let Some(socket) = sockets.into_iter().find(answers) else { return missing("no containerd that ctr reaches") };
        if !Path::new("/bin/busybox").exists() {
            return missing("no /bin/busybox to make a container of");
        }
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["bin", "etc", "proc", "sys", "dev", "tmp", "run", "h"] {
            std::fs::create_dir_all(folder.path().join(part)).expect("a root");
        }
        std::fs::copy("/bin/busybox", folder.path().join("bin/busybox")).expect("busybox");
        for applet in ["sh", "sleep", "true"] {
            std::os::unix::fs::symlink("busybox", folder.path().join("bin").join(applet)).expect("an applet");
        }
        let bench = Bench { folder, socket, namespace: format!("landwaiter-test-{}", std::process::id()) };
        bench.ctr(&["namespaces", "create", &bench.namespace]);
        Some(bench)
    }

    fn try_ctr(&self, words: &[&str]) -> std::process::Output {
        Command::new("ctr").args(["-a", self.socket, "-n", &self.namespace]).args(words).output().expect("ctr")
    }

    fn ctr(&self, words: &[&str]) {
        let output = self.try_ctr(words);
        assert!(output.status.success(), "ctr {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn run(&self, id: &str, options: &[&str]) {
        let root = self.folder.path().display().to_string();
        let mut words = vec!["run", "-d"];
        words.extend(options);
        words.extend(["--rootfs", &root, id, "/bin/sleep", "60"]);
        self.ctr(&words);
    }

    fn end(&self, id: &str) {
        self.try_ctr(&["tasks", "rm", "-f", id]);
        self.try_ctr(&["containers", "rm", id]);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let listed = self.try_ctr(&["containers", "ls", "-q"]);
        for id in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            self.end(id);
        }
        // Not from within: it would wait for what itself holds there.
        let _ = Command::new("ctr").args(["-a", self.socket, "namespaces", "rm", &self.namespace]).output();
    }
}

struct Ear {
    records: Receiver<Record>,
    heard: Vec<Record>,
    stopper: Stopper,
}

impl Ear {
    fn listen(bench: &Bench) -> Ear {
        let def = collector_named("containerd").expect("the collector");
        let mut around = Surroundings::default();
        around.settings.insert("containerd.socket".into(), bench.socket.into());
        let Presence::Present(found) = (def.find)(&around) else { panic!("the socket is not found") };
        let live = Live::gather(vec![(def, found)]);
        assert!(live.started()[0].failure.is_none(), "{:?}", live.started()[0].failure);
        let (stopper, (send, records)) = (live.stopper(), channel());
        std::thread::spawn(move || live.take_while(|record| send.send(record.clone()).is_ok()).count());
        Ear { records, heard: Vec::new(), stopper }
    }

    /// Waits until what a record says satisfies `wanted`, looking at those heard before, too.
    fn wait<T>(&mut self, what: &str, wanted: impl Fn(&Record, &Fact) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        let look = |record: &Record| {
            let Body::Data(_) = &record.body else { return None };
            let decoded = prepare(record.clone()).content?.unwrap_or_else(|error| panic!("{}: {}", record.source, error.reason));
            wanted(record, &decoded.fact?)
        };
        if let Some(found) = self.heard.iter().find_map(look) {
            return found;
        }
        while let Ok(record) = self.records.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let found = look(&record);
            self.heard.push(record);
            if let Some(found) = found {
                return found;
            }
        }
        panic!("{what} did not come; heard {:?}", self.heard.iter().map(|record| &record.source).collect::<Vec<_>>());
    }

    fn action(&mut self, bench: &Bench, id: &str, wanted: &ContainerAction) {
        self.wait(&format!("{wanted:?}"), |record, fact| match fact {
            Fact::Container(event) if event.id == id && event.action == *wanted && event.division == bench.namespace => {
                assert_eq!((record.source.as_str(), event.runtime.as_str()), ("containerd_events", "containerd"));
                Some(())
            }
            _ => None,
        });
    }

    fn spec(&mut self, id: &str) -> ContainerSpec {
        self.wait("what it is", |_, fact| match fact {
            Fact::ContainerSpec(spec) if spec.id == id && spec.status == "running" => Some((**spec).clone()),
            _ => None,
        })
    }
}

#[test]
fn containerd_tells_of_containers_that_no_engine_made() {
    let Some(bench) = Bench::find("containerd_tells_of_containers_that_no_engine_made") else { return };
    bench.run("before", &["--label", "team=payments"]);
    let mut ear = Ear::listen(&bench);
    ear.wait("the start", |_, fact| matches!(fact, Fact::Sensor(SensorNote { note: Sight::Started, .. })).then_some(()));
    let listed = ear.wait("a list", |_, fact| match fact {
        Fact::List(List::Containers(list)) => list.iter().find(|entry| entry.id == "before").cloned(),
        _ => None,
    });
    assert_eq!((listed.status.as_str(), listed.labels.as_slice()), ("running", &[("team".into(), "payments".into())][..]));
    let plain = ear.spec("before");
    // containerd's own defaults must look like nothing at all.
    assert!(!plain.privileged && plain.cap_add.is_empty() && plain.pid_mode.is_empty() && plain.network_mode.is_empty());
    assert!(plain.mounts.is_empty() && plain.devices.is_empty() && plain.runtime.is_empty() && plain.unreadable.is_empty());
    assert!(plain.pid > 0);
    assert_eq!(plain.command, ["/bin/sleep", "60"]);

    bench.run("strong", &["--privileged", "--net-host", "--mount", "type=bind,src=/etc,dst=/h,options=rbind:ro"]);
    ear.action(&bench, "strong", &ContainerAction::Create);
    ear.action(&bench, "strong", &ContainerAction::Start);
    let strong = ear.spec("strong");
    assert!(strong.privileged && strong.network_mode == "host");
    assert_eq!(strong.mounts.len(), 1);
    assert_eq!((strong.mounts[0].source.as_str(), strong.mounts[0].writable), ("/etc", false));

    bench.ctr(&["tasks", "exec", "--exec-id", "e1", "strong", "/bin/true"]);
    ear.action(&bench, "strong", &ContainerAction::ExecCreate { command: "".into(), exec_id: Some("e1".into()) });
    ear.action(&bench, "strong", &ContainerAction::ExecDie { exec_id: Some("e1".into()), exit_code: Some(0) });
    bench.end("strong");
    ear.action(&bench, "strong", &ContainerAction::Die { exit_code: Some(137) });
    ear.action(&bench, "strong", &ContainerAction::Destroy);
    ear.stopper.stop_in(Duration::ZERO);
}
