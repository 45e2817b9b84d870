//! The whole binary, as a user runs it.
#![allow(dead_code)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder that the test may fill, removed at its end.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Runs the binary with no terminal, no colours and a state folder of its own.
pub fn landwaiter(args: &[&str], stdin: Option<&[u8]>) -> Output {
    let state = folder();
    run_in(state.path(), args, stdin)
}

/// Runs the binary with this state folder.
pub fn run_in(state: &Path, args: &[&str], stdin: Option<&[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(args)
        .env("XDG_STATE_HOME", state)
        .env_remove("LANDWAITER_CONTEXT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    let bytes = stdin.unwrap_or_default().to_vec();
    let writer = std::thread::spawn(move || {
        let _ = input.write_all(&bytes);
    });
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("the input is written");
    output
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}

/// Findings as JSON.
pub fn findings(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// A small Docker host that writes its own event stream: one line a call, times in milliseconds from a fixed start.
#[derive(Default)]
pub struct Host {
    /// The lines so far.
    pub lines: Vec<String>,
}

/// 2026-01-05T06:00:00Z in nanoseconds.
pub const START: i64 = 1_767_592_800_000_000_000;

/// The image id that `Host` uses.
pub const IMAGE: &str = "sha256:e3003ece00880a0c6b7a21e2aacebc33aca3cf894a856bd8a6ee2548f5b2d153";

/// A container's id from a number.
pub fn id(n: u64) -> String {
    format!("{:064x}", u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

impl Host {
    /// A container event.
    pub fn event(&mut self, at_ms: i64, action: &str, n: u64, name: &str, extra: &str) -> &mut Self {
        let nano = START + at_ms * 1_000_000;
        let id = id(n);
        self.lines.push(format!(
            "{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":{{{extra}\"image\":\"registry.example/app:1.4\",\"name\":\"{name}\"}}}},\"scope\":\"local\",\"time\":{},\"timeNano\":{nano}}}",
            nano / 1_000_000_000
        ));
        self
    }

    /// An inspect answer; `host_config` is put at the head of `HostConfig`.
    pub fn inspect(&mut self, n: u64, name: &str, host_config: &str) -> &mut Self {
        let id = id(n);
        self.lines.push(format!(
            "{{\"Id\":\"{id}\",\"Created\":\"2026-01-05T06:00:00Z\",\"Path\":\"sleep\",\"Args\":[\"60\"],\"State\":{{\"Status\":\"created\",\"Pid\":0,\"ExitCode\":0}},\"Image\":\"{IMAGE}\",\"Name\":\"/{name}\",\"RestartCount\":0,\"HostConfig\":{{{host_config}\"NetworkMode\":\"default\",\"LogConfig\":{{\"Type\":\"json-file\",\"Config\":{{}}}}}},\"Mounts\":[],\"Config\":{{\"Image\":\"registry.example/app:1.4\",\"Cmd\":[\"sleep\",\"60\"],\"Labels\":{{}}}},\"NetworkSettings\":{{\"Networks\":{{}}}}}}"
        ));
        self
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// A spray: `count` containers created and started, `every_ms` apart.
pub fn spray(count: u64, every_ms: i64) -> Host {
    let mut host = Host::default();
    for n in 0..count {
        let at = n as i64 * every_ms;
        let name = format!("c{n}");
        host.event(at, "create", n, &name, "").inspect(n, &name, "").event(at + 20, "start", n, &name, "");
    }
    host
}
