//! An engine for the tests of the live commands, and commands that run beside a test.
#![allow(dead_code)]

#[path = "../../../source/tests/support/engine.rs"]
mod engine;

pub use engine::IMAGE;
use serde_json::Value;
use source::collect::Client;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// An engine, and what one test made there; all of it is removed at the end.
pub struct Bench {
    pub client: Client,
    pub run: String,
    made: Mutex<Vec<String>>,
}

impl Bench {
    pub fn find(test: &str) -> Option<Bench> {
        Some(Bench { client: engine::find(test)?, run: format!("{test}-{}", std::process::id()), made: Mutex::default() })
    }

    pub fn post(&self, path: &str, body: Option<&str>) -> String {
        let answer = self.client.ask("POST", path, body).expect("an answer");
        assert!(answer.is_good(), "{path}: {}", answer.message());
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    /// Creates a container named `{run}-{name}`; gives its full id.
    pub fn create(&self, name: &str, host_config: &str, command: &str) -> String {
        let run = &self.run;
        let body = format!(
            r#"{{"Image":"{IMAGE}","Cmd":["sh","-c","{command}"],"Labels":{{"landwaiter.run":"{run}"}},"HostConfig":{host_config}}}"#
        );
        let answer = self.post(&format!("/containers/create?name={run}-{name}"), Some(&body));
        let id = answer.split('"').find(|part| part.len() == 64).expect("an id").to_owned();
        self.made.lock().expect("a lock").push(id.clone());
        id
    }

    pub fn start(&self, id: &str) {
        self.post(&format!("/containers/{id}/start"), None);
    }

    pub fn remove(&self, id: &str) {
        let _ = self.client.ask("DELETE", &format!("/containers/{id}?force=1&v=1"), None);
    }

    pub fn inspect(&self, id: &str) -> Option<Value> {
        let answer = self.client.get(&format!("/containers/{id}/json")).expect("an answer");
        answer.is_good().then(|| serde_json::from_slice(&answer.body).expect("JSON"))
    }

    pub fn labelled(&self, run: &str) -> usize {
        let filter = format!("%7B%22label%22%3A%5B%22landwaiter.run%3D{run}%22%5D%7D");
        let answer = self.client.get(&format!("/containers/json?all=1&filters={filter}")).expect("an answer");
        serde_json::from_slice::<Vec<Value>>(&answer.body).expect("a list").len()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for id in self.made.get_mut().map(std::mem::take).unwrap_or_default() {
            self.remove(&id);
        }
    }
}

/// A command that runs beside the test. It is ended with the test, whatever became of that.
pub struct Beside(Option<Child>);

impl Beside {
    pub fn start(args: &[&str]) -> Beside {
        let child = Command::new(env!("CARGO_BIN_EXE_landwaiter")).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Beside::of(child.expect("the binary runs"))
    }

    pub fn of(child: Child) -> Beside {
        Beside(Some(child))
    }

    /// Fails with what it said when it has ended already.
    pub fn still_runs(&mut self) {
        let child = self.0.as_mut().expect("it was started");
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            let output = self.0.take().expect("it was started").wait_with_output().expect("its output");
            panic!("it ended too soon: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    pub fn signal(&self, signal: &str) {
        let id = self.0.as_ref().expect("it was started").id();
        let sent = Command::new("kill").args([signal, &id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    pub fn end(mut self) -> std::process::Output {
        self.0.take().expect("it was started").wait_with_output().expect("the binary ends")
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}
