//! The commands of a scenario, run as one shell script in a process group of its own.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// Output that is kept to explain a failure.
const WORDS_MAX: usize = 16 << 10;

/// A running script. It ends with its group when it is dropped.
pub struct Script {
    child: Child,
    words: Arc<Mutex<String>>,
    ended: Option<bool>,
}

impl Script {
    /// Starts `text`; `environment` is added to ours.
    pub fn start(text: &str, environment: &[(&str, &str)]) -> std::io::Result<Script> {
        let mut child = Command::new("sh")
            .args(["-eu", "-c", text])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C must reach us alone, so that we end the script and then clean up.
            .process_group(0)
            .spawn()?;
        let words = Arc::new(Mutex::new(String::new()));
        if let Some(mut stderr) = child.stderr.take() {
            let words = words.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                    if let Ok(mut words) = words.lock()
                        && words.len() < WORDS_MAX
                    {
                        words.push_str(&String::from_utf8_lossy(&buffer[..count]));
                    }
                }
            });
        }
        Ok(Script { child, words, ended: None })
    }

    /// Whether it ended, and well.
    pub fn ended(&mut self) -> Option<bool> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten().map(|status| status.success());
        }
        self.ended
    }

    /// What it complained of: the line that tells most.
    pub fn complaint(&self) -> String {
        let words = self.words.lock().map(|words| words.clone()).unwrap_or_default();
        complaint(&words)
    }
}

/// The engine's refusal if there is one, else the last line.
fn complaint(words: &str) -> String {
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    let refusal = lines().find(|line| line.contains("Error response from daemon"));
    refusal.or_else(|| lines().next_back()).unwrap_or("it said nothing").to_owned()
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        for signal in ["-TERM", "-KILL"] {
            let _ = Command::new("kill").args([signal, "--", &format!("-{}", self.child.id())]).stderr(Stdio::null()).status();
            for _ in 0..20 {
                if self.ended().is_some() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(script: &mut Script) -> bool {
        for _ in 0..200 {
            if let Some(well) = script.ended() {
                return well;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("the script goes on");
    }

    #[test]
    fn commands_share_a_shell_and_the_first_failure_ends_them() {
        let mut script = Script::start("x=$RUN\ntest $x = r1\nfalse\necho after >&2", &[("RUN", "r1")]).expect("started");
        assert!(!wait(&mut script));
        assert_eq!(script.complaint(), "it said nothing");
    }

    #[test]
    fn the_refusal_of_the_engine_is_what_counts() {
        let words = "docker: Error response from daemon: no such runtime.\n\nRun 'docker run --help' for more information\n";
        assert_eq!(complaint(words), "docker: Error response from daemon: no such runtime.");
        assert_eq!(complaint("a\nb\n"), "b");
    }

    #[test]
    fn it_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("alive");
        let path = file.display().to_string();
        let script = Script::start("(sleep 1; touch $FILE) & sleep 5", &[("FILE", &path)]).expect("started");
        drop(script);
        std::thread::sleep(std::time::Duration::from_millis(1300));
        assert!(!file.exists());
    }
}
