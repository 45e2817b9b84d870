//! Doing it. The container is asked for again by its full id at the moment of acting: names are taken over, ids are not.

use crate::plan::{Action, Plan, Step};
use crate::target::Target;
use event::Time;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What the engine answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The engine's words when it refused, else the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// 304 says that things were so already.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status) || self.status == 304
    }

    fn message(&self) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => value.get("message").and_then(|m| m.as_str()).unwrap_or(&text).to_owned(),
            Err(_) => text,
        }
    }
}

/// What can reach the engine.
pub trait Hands {
    /// Asks and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer, String>;

    /// Asks and writes the answer into `sink` piece by piece; a refusal is in the answer.
    ///
    /// # Errors
    /// When there is no answer, or the sink refuses.
    fn stream(&self, path: &str, sink: &mut dyn Write) -> Result<Answer, String>;
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done.
    Done,
    /// The engine or the system refused.
    Failed,
    /// Not done, on purpose.
    Skipped,
}

/// What one step did, as it is written into `actions.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// When it ended, RFC 3339.
    pub time: String,
    /// Full id of the container.
    pub container: String,
    /// The step.
    pub step: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked, as `POST /containers/…/pause`.
    pub request: String,
    /// The engine's status; 0 when it was not asked.
    pub status: u16,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// File that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Carries out the plan: evidence goes into `folder`, each step is written to `log` as it ends and handed to `say`.
///
/// # Errors
/// When the container is gone or is another one than the plan was made for, or the log cannot be written: then nothing was touched.
pub fn apply(
    plan: &Plan,
    hands: &dyn Hands,
    folder: &Path,
    kill: bool,
    now: &dyn Fn() -> Time,
    say: &mut dyn FnMut(&Step, &Done),
) -> Result<Vec<Done>, String> {
    let target = resolve(plan, hands)?;
    // What is kept holds the container's environment with its secrets.
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| format!("make {}: {e}", folder.display()))?;
    let path = folder.join("actions.jsonl");
    let mut log = File::options().create(true).append(true).open(&path).map_err(|e| format!("write {}: {e}", path.display()))?;
    let mut all: Vec<Done> = Vec::new();
    for step in &plan.steps {
        let evidence_failed = all.iter().any(|done| done.outcome == Outcome::Failed && done.step.starts_with("keep-"));
        let skip = match (&step.impossible, &step.action) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Action::Kill) if !kill => Some("not asked for (--kill)".to_owned()),
            (None, Action::Kill) if evidence_failed => Some("some evidence could not be kept, and this would destroy it".to_owned()),
            _ => None,
        };
        let done = match skip {
            Some(reason) => Done { outcome: Outcome::Skipped, reason, ..blank(step, &target, now) },
            None => perform(step, &target, hands, folder, now),
        };
        let line = serde_json::to_string(&done).unwrap_or_default();
        // A plan that cannot be written down is not carried on: an action that nobody can prove is worse than none.
        writeln!(log, "{line}")
            .and_then(|()| log.flush())
            .map_err(|e| format!("write {}: {e}; the steps before it were done", path.display()))?;
        say(step, &done);
        all.push(done);
    }
    Ok(all)
}

/// The container that the plan is for, as it is now.
fn resolve(plan: &Plan, hands: &dyn Hands) -> Result<Target, String> {
    let planned = &plan.target;
    let answer = hands.ask("GET", &format!("/containers/{}/json", planned.id), None)?;
    if !answer.is_good() {
        return Err(match answer.status {
            404 => format!("find the container {} any more: it is gone; nothing was done", planned.short()),
            status => format!("ask about the container {}: status {status}, {}", planned.short(), answer.message()),
        });
    }
    let target = Target::parse(&answer.body)?;
    if target.id != planned.id {
        return Err(format!("act on {}: the engine answers with another container, {}; nothing was done", planned.short(), target.short()));
    }
    Ok(target)
}

fn blank(step: &Step, target: &Target, now: &dyn Fn() -> Time) -> Done {
    let request = step.action.request(&target.id);
    Done {
        time: now().to_string(),
        container: target.id.clone(),
        step: step.action.name(),
        outcome: Outcome::Done,
        request: format!("{} {}", request.method, request.path),
        status: 0,
        reason: String::new(),
        file: None,
        bytes: None,
        sha256: None,
    }
}

fn perform(step: &Step, target: &Target, hands: &dyn Hands, folder: &Path, now: &dyn Fn() -> Time) -> Done {
    let request = step.action.request(&target.id);
    let result = match request.file {
        None => hands.ask(request.method, &request.path, request.body.as_deref()).map(|answer| (answer, None)),
        Some(name) => keep(hands, &request.path, &folder.join(name)).map(|(answer, kept)| (answer, Some((name, kept)))),
    };
    let mut done = blank(step, target, now);
    match result {
        Err(reason) => Done { outcome: Outcome::Failed, reason, ..done },
        Ok((answer, _)) if !answer.is_good() => Done { outcome: Outcome::Failed, status: answer.status, reason: answer.message(), ..done },
        Ok((answer, kept)) => {
            done.status = answer.status;
            if let Some((name, Kept { bytes, sha256 })) = kept {
                done = Done { file: Some(name.to_owned()), bytes: Some(bytes), sha256: Some(sha256), ..done };
            }
            done
        }
    }
}

struct Kept {
    bytes: u64,
    sha256: String,
}

/// Hashes what passes through, so that the file can be proven later.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

fn keep(hands: &dyn Hands, path: &str, file: &Path) -> Result<(Answer, Kept), String> {
    // Evidence that was kept before is never overwritten, and no link that waits here is followed.
    let inner = File::create_new(file).map_err(|e| format!("write {}: {e}", file.display()))?;
    let mut sink = Hashing { inner, hash: Sha256::new(), bytes: 0 };
    let answer = hands.stream(path, &mut sink)?;
    if !answer.is_good() {
        // An empty file would look like evidence that there was nothing.
        let _ = std::fs::remove_file(file);
    }
    sink.inner.sync_all().map_err(|e| format!("write {}: {e}", file.display()))?;
    let sha256 = sink.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((answer, Kept { bytes: sink.bytes, sha256 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;
    use std::cell::RefCell;

    /// An engine with one container, which refuses what it is told to refuse.
    struct Fake {
        id: String,
        refuses: &'static str,
        asked: RefCell<Vec<String>>,
    }

    impl Fake {
        fn new(id: &str, refuses: &'static str) -> Fake {
            Fake { id: id.to_owned(), refuses, asked: RefCell::default() }
        }

        fn answer(&self, method: &str, path: &str) -> Answer {
            self.asked.borrow_mut().push(format!("{method} {path}"));
            if !self.refuses.is_empty() && path.contains(self.refuses) {
                return Answer { status: 500, body: br#"{"message":"no"}"#.to_vec() };
            }
            if path.ends_with("/json") {
                return Answer { status: 200, body: format!(r#"{{"Id":"{}","State":{{"Running":true}}}}"#, self.id).into_bytes() };
            }
            Answer { status: 204, body: Vec::new() }
        }
    }

    impl Hands for Fake {
        fn ask(&self, method: &str, path: &str, _: Option<&str>) -> Result<Answer, String> {
            Ok(self.answer(method, path))
        }

        fn stream(&self, path: &str, sink: &mut dyn Write) -> Result<Answer, String> {
            sink.write_all(b"abc").map_err(|e| e.to_string())?;
            Ok(self.answer("GET", path))
        }
    }

    fn run(fake: &Fake, id: &str, kill: bool) -> (Result<Vec<Done>, String>, String) {
        let folder = tempfile::tempdir().expect("a folder");
        run_into(&folder.path().join("kept"), fake, id, kill)
    }

    fn run_into(folder: &Path, fake: &Fake, id: &str, kill: bool) -> (Result<Vec<Done>, String>, String) {
        let target = Target { id: id.into(), running: true, restart: "always".into(), log_driver: "json-file".into(), ..Target::default() };
        let result = apply(&plan(&target), fake, folder, kill, &|| Time(0), &mut |_, _| {});
        let log = std::fs::read_to_string(folder.join("actions.jsonl")).unwrap_or_default();
        (result, log)
    }

    #[test]
    fn evidence_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = folder.path().join("kept");
        let fake = Fake::new("c1", "");
        assert!(run_into(&kept, &fake, "c1", false).0.expect("applied").iter().all(|done| done.outcome != Outcome::Failed));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&kept).expect("a folder")) & 0o777, 0o700);
        let again = run_into(&kept, &fake, "c1", true).0.expect("applied");
        let keeps: Vec<_> = again.iter().filter(|done| done.step.starts_with("keep-")).map(|done| &done.outcome).collect();
        assert!(!keeps.is_empty() && keeps.iter().all(|outcome| **outcome == Outcome::Failed), "{again:?}");
        assert_eq!(again.last().map(|done| &done.outcome), Some(&Outcome::Skipped), "nothing is ended when nothing was kept anew");
    }

    #[test]
    fn everything_that_is_done_is_written_down() {
        let fake = Fake::new("c1", "");
        let (result, log) = run(&fake, "c1", false);
        let steps: Vec<_> = result.expect("applied").iter().map(|done| (done.step, done.outcome.clone())).collect();
        assert_eq!(steps.last(), Some(&("kill", Outcome::Skipped)), "a kill must be asked for");
        assert!(steps[..steps.len() - 1].iter().all(|(_, outcome)| *outcome == Outcome::Done));
        assert_eq!(log.lines().count(), steps.len());
        assert!(log.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "what was kept can be proven: {log}");
        assert!(!fake.asked.borrow().iter().any(|asked| asked.contains("kill")));
    }

    #[test]
    fn another_container_is_never_touched() {
        let fake = Fake::new("c2", "");
        let (result, _) = run(&fake, "c1", true);
        assert!(result.expect_err("refused").contains("another container"));
        assert!(fake.asked.borrow().iter().all(|asked| asked.starts_with("GET")));
    }

    #[test]
    fn what_could_not_be_kept_is_not_destroyed() {
        let fake = Fake::new("c1", "export");
        let done = run(&fake, "c1", true).0.expect("applied");
        let export = done.iter().find(|done| done.step == "keep-files").expect("a step");
        assert_eq!((export.outcome.clone(), export.reason.as_str()), (Outcome::Failed, "no"));
        let kill = done.last().expect("a step");
        assert_eq!(kill.outcome, Outcome::Skipped, "{}", kill.reason);
    }

    #[test]
    fn a_kill_that_is_asked_for_comes_last() {
        let fake = Fake::new("c1", "");
        let done = run(&fake, "c1", true).0.expect("applied");
        assert_eq!(done.last().map(|done| (done.step, done.outcome.clone())), Some(("kill", Outcome::Done)));
        assert!(fake.asked.borrow().last().is_some_and(|asked| asked.contains("signal=KILL")));
    }
}
