//! What the collector sees of a real Podman. The test starts a service of its own, and says that it was skipped where there is no Podman.

use event::fact::{ContainerAction, ContainerSpec, Fact, List, SensorNote, Sight};
use event::{Body, Record};
use source::collect::{Live, Presence, Surroundings, collector_named};
use source::prepare;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const IMAGE: &str = "registry.example/landwaiter-podman:1";

/// A service of Podman on a socket of its own; what the test made is removed at the end.
struct Bench {
    folder: tempfile::TempDir,
    service: Option<Child>,
    name: String,
}

fn podman() -> Command {
    let mut command = Command::new("podman");
    command.args(["--cgroup-manager=cgroupfs", "--runtime=runc"]);
    command
}

impl Bench {
    /// `None`, and a word about it, where Podman cannot run.
    fn find(test: &str) -> Option<Bench> {
        let missing = |what: &str| {
            assert!(std::env::var("LANDWAITER_TEST_ENGINE").as_deref() != Ok("required"), "{test}: {what}, and it is required");
            eprintln!("skipped: {test}: {what}");
        };
        let there = |path: &str| Path::new(path).exists();
        if !podman().arg("--version").output().is_ok_and(|output| output.status.success()) {
            missing("no podman here");
            return None;
        }
        if !there("/bin/busybox") || !(there("/usr/sbin/runc") || there("/usr/bin/runc")) {
            missing("no /bin/busybox or no runc to make a container of");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        for part in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
            std::fs::create_dir_all(root.join(part)).expect("a root");
        }
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox");
        for applet in ["sh", "sleep", "true"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("an applet");
        }
        let archive = folder.path().join("root.tar");
        let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status().expect("tar");
        assert!(packed.success());
        let imported = podman().arg("import").arg(&archive).arg(IMAGE).output().expect("podman import");
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let name = format!("landwaiter-test-{}", std::process::id());
        let mut bench = Bench { folder, service: None, name };
        bench.start();
        Some(bench)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("podman.sock")
    }

    fn start(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let address = format!("unix://{}", self.socket().display());
        let service = podman().args(["system", "service", "--time=0", &address]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.service = Some(service.expect("a service"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.socket().exists() {
            assert!(Instant::now() < deadline, "the service opened no socket");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }

    fn run(&self, words: &[&str]) -> String {
        let output = podman().args(words).output().expect("podman");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a container of that name in the background; gives its id.
    fn container(&self, name: &str, options: &[&str]) -> String {
        let name = format!("{}-{name}", self.name);
        let mut words = vec!["run", "-d", "--name", &name, "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"];
        words.extend(options);
        words.extend([IMAGE, "sleep", "60"]);
        self.run(&words)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let filter = format!("name={}-", self.name);
        if let Ok(output) = podman().args(["ps", "-aq", "--filter", &filter]).output() {
            for id in String::from_utf8_lossy(&output.stdout).split_whitespace() {
                let _ = podman().args(["rm", "-f", "-t", "0", id]).output();
            }
        }
        self.stop();
    }
}

struct Ear {
    records: Receiver<Record>,
    heard: Vec<Record>,
}

impl Ear {
    fn listen(bench: &Bench) -> Ear {
        let def = collector_named("podman").expect("the collector");
        let mut around = Surroundings::default();
        around.settings.insert("podman.socket".into(), bench.socket().display().to_string());
        let Presence::Present(found) = (def.find)(&around) else { panic!("the socket is not found") };
        let live = Live::gather(vec![(def, found)]);
        assert!(live.started()[0].failure.is_none(), "{:?}", live.started()[0].failure);
        let (send, records) = channel();
        std::thread::spawn(move || live.take_while(|record| send.send(record.clone()).is_ok()).count());
        Ear { records, heard: Vec::new() }
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

    fn action(&mut self, id: &str, wanted: &ContainerAction) {
        self.wait(&format!("{wanted:?}"), |record, fact| match fact {
            Fact::Container(event) if event.id == id && event.action == *wanted => {
                assert_eq!((record.source.as_str(), event.runtime.as_str()), ("podman_events", "podman"));
                Some(())
            }
            _ => None,
        });
    }

    fn spec(&mut self, id: &str) -> ContainerSpec {
        self.wait("an inspect answer", |record, fact| match fact {
            Fact::ContainerSpec(spec) if spec.id == id && spec.status == "running" => {
                assert_eq!(record.source, "podman_container");
                Some((**spec).clone())
            }
            _ => None,
        })
    }

    fn list(&mut self, id: &str) {
        self.wait("a list with it", |record, fact| match fact {
            Fact::List(List::Containers(list)) if list.iter().any(|entry| entry.id == id) => {
                assert_eq!(record.source, "podman_containers");
                Some(())
            }
            _ => None,
        });
    }

    fn sight(&mut self, what: &str, wanted: impl Fn(&Sight) -> bool) {
        self.wait(what, |_, fact| match fact {
            Fact::Sensor(SensorNote { of, note }) if of == "podman_events" && wanted(note) => Some(()),
            _ => None,
        });
    }
}

/// One test, because the service that it breaks is everybody's.
#[test]
fn podman_is_followed_through_a_break() {
    let Some(mut bench) = Bench::find("podman_is_followed_through_a_break") else { return };
    let before = bench.container("before", &["--label=team=payments"]);
    let mut ear = Ear::listen(&bench);
    ear.sight("the start", |note| matches!(note, Sight::Started));
    ear.list(&before);
    let plain = ear.spec(&before);
    // Podman's own defaults must look like nothing at all.
    assert!(!plain.privileged && plain.cap_add.is_empty() && plain.pid_mode.is_empty() && plain.uts_mode.is_empty());
    assert!(plain.security_opt.is_empty() && plain.runtime.is_empty() && plain.unreadable.is_empty() && plain.mounts.is_empty());
    assert_eq!(plain.labels, [("team".into(), "payments".into())]);
    assert_eq!(plain.image, IMAGE);

    let strong = bench.container("strong", &["--privileged", "--pid=host", "-v=/etc:/h:ro"]);
    ear.action(&strong, &ContainerAction::Create);
    ear.action(&strong, &ContainerAction::Start);
    let spec = ear.spec(&strong);
    assert!(spec.privileged && spec.pid_mode == "host");
    assert_eq!((spec.mounts[0].source.as_str(), spec.mounts[0].writable), ("/etc", false));

    bench.run(&["exec", "-d", "--privileged", &strong, "sleep", "3"]);
    ear.action(&strong, &ContainerAction::ExecCreate { command: "".into(), exec_id: None });
    let exec = ear.wait("what the command is", |record, fact| match fact {
        Fact::ExecSpec(spec) if spec.container_id == strong => {
            assert_eq!(record.source, "podman_exec");
            Some(spec.clone())
        }
        _ => None,
    });
    assert!(exec.privileged);
    assert_eq!(exec.command, ["sleep", "3"]);

    bench.stop();
    ear.sight("the break", |note| matches!(note, Sight::Lost { .. }));
    let unseen = bench.container("unseen", &[]);
    bench.run(&["rm", "-f", "-t", "0", &strong]);
    bench.start();
    ear.sight("the end of the break", |note| matches!(note, Sight::Resumed { .. }));
    ear.sight("the comparison", |note| matches!(note, Sight::Reconciled));
    ear.list(&unseen);
    assert_eq!(ear.spec(&unseen).id, unseen);
    bench.run(&["rm", "-f", "-t", "0", &unseen]);
    ear.action(&unseen, &ContainerAction::Destroy);
}
