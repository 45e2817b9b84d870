//! An ordinary day on a live engine raises nothing above low, and the report's own commands are caught while they are typed. One test, so that nothing else
//! happens on the engine meanwhile.

mod common;

use common::{findings, folder, stdout};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const IMAGE: &str = "registry.example/app:1.4";

/// What an ordinary day does: a deployment of six services with a rolling redeployment, forty CI jobs in a row, a scale-up, health checks, a backup, a modest
/// change of limits, a network for a deployment.
const ORDINARY: &str = r#"
set -e
L="--label landwaiter.run=$RUN"
docker network create $L ${RUN}_default >/dev/null
up() { docker run -d $L --label com.docker.compose.project=$RUN --label com.docker.compose.service=$1 --name $RUN-$1-1 --network ${RUN}_default \
  --health-cmd true --health-interval 1s $IMAGE sleep 30$2 >/dev/null; }
n=0; for s in web api store cache worker cron; do n=$((n+1)); up $s $n; done
n=0; for s in web api store; do n=$((n+1)); docker rm -f $RUN-$s-1 >/dev/null; up $s $n; done
for i in $(seq 1 40); do docker run --rm $L $IMAGE true; done
for i in $(seq 1 8); do docker run -d $L --name $RUN-scale-$i $IMAGE sleep 300 >/dev/null; done
docker volume create --label landwaiter.run=$RUN ${RUN}_data >/dev/null
docker run --rm $L -v ${RUN}_data:/data:ro $IMAGE tar -cf /dev/null /data
docker run -d $L --name $RUN-limits --cpus 0.5 --memory 64m --memory-swap 128m $IMAGE sleep 300 >/dev/null
docker update --memory 96m --memory-swap 192m --cpus 0.75 $RUN-limits >/dev/null
"#;

/// The report's three samples, as they can run here, and an internal network that is opened.
const REPORT: &str = r#"
set -e
L="--label landwaiter.run=$RUN"
for i in $(seq 1 25); do docker run -d $L --name $RUN-container$i $IMAGE sleep 300 >/dev/null; done
docker run -d $L --name $RUN-service --cpus 0.25 --memory 64m --memory-swap 128m $IMAGE sleep 300 >/dev/null
docker update --cpus 2 --memory 1g --memory-swap 2g $RUN-service >/dev/null
docker network create $L --internal ${RUN}_inside >/dev/null
docker network create $L ${RUN}_outside >/dev/null
docker run -d $L --name $RUN-db --network ${RUN}_inside $IMAGE sleep 300 >/dev/null
sleep 1
docker network connect ${RUN}_outside $RUN-db
"#;

/// Cleans up by label, whatever became of the test.
struct Run(String);

impl Drop for Run {
    fn drop(&mut self) {
        let filter = format!("label=landwaiter.run={}", self.0);
        for (list, remove) in [("ps -aq", "rm -f -v"), ("network ls -q", "network rm"), ("volume ls -q", "volume rm")] {
            let script = format!("docker {list} --filter {filter} | xargs -r docker {remove} >/dev/null 2>&1");
            let _ = Command::new("sh").args(["-c", &script]).status();
        }
    }
}

/// Watches while a script runs; gives the findings in their last state.
fn watched(run: &Run, script: &str) -> Vec<Value> {
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let watch = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(["watch", "--output", "jsonl", "--record", tape.to_str().expect("a path")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&tape).is_ok_and(|text| text.contains("\"docker_volumes\"")) {
        assert!(Instant::now() < deadline, "the watch began within twenty seconds");
        std::thread::sleep(Duration::from_millis(50));
    }
    let done = Command::new("sh").args(["-c", script]).env("RUN", &run.0).env("IMAGE", IMAGE).output().expect("a shell");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::thread::sleep(Duration::from_secs(2));
    let _ = Command::new("kill").args(["-INT", &watch.id().to_string()]).status();
    let output = watch.wait_with_output().expect("the watch ends");
    let mut latest: Vec<Value> = Vec::new();
    for finding in findings(&output) {
        latest.retain(|known| known["id"] != finding["id"]);
        latest.push(finding);
    }
    assert!(output.status.success(), "{}", stdout(&output));
    latest
}

#[test]
fn an_ordinary_day_is_quiet_and_the_reports_commands_are_caught() {
    let there = Command::new("docker").args(["image", "inspect", IMAGE]).output().is_ok_and(|output| output.status.success());
    if !there {
        let required = std::env::var_os("LANDWAITER_TEST_ENGINE").is_some_and(|value| value == "required");
        assert!(!required, "the engine is required, and has no image {IMAGE}");
        eprintln!("skipped: no engine with the image {IMAGE}");
        return;
    }

    let run = Run(format!("ordinary{}", std::process::id()));
    let loud: Vec<Value> =
        watched(&run, ORDINARY).into_iter().filter(|finding| !matches!(finding["severity"].as_str(), Some("low"))).collect();
    assert!(loud.is_empty(), "an ordinary day raised {loud:#?}");
    drop(run);

    let run = Run(format!("report{}", std::process::id()));
    let found = watched(&run, REPORT);
    for (strategy, words) in [("container-spray", "within 60 seconds"), ("resource-limits-raised", "-service"), ("network-opened", "-db")] {
        let hit = found.iter().find(|f| f["strategy"] == strategy && f["message"].as_str().is_some_and(|m| m.contains(words)));
        let hit = hit.unwrap_or_else(|| panic!("{strategy} is not among {found:#?}"));
        assert_eq!(hit["severity"], "medium", "{hit:#}");
    }
}
