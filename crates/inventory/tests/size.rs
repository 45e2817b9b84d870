//! A hundred thousand containers that stand at once fit in memory, and each costs the same as the ones before.

use event::fact::{ContainerAction, ContainerEvent, ContainerSpec, Endpoint, Fact, Mount};
use event::{Decoded, Deriver, Document, Emit, Event, Fields, Kind, Place, Provenance, SmolStr, Span, Time, dictionary as d};
use inventory::{Context, Inventory};
use std::sync::Arc;
use std::time::Instant;

fn hex(n: usize) -> SmolStr {
    SmolStr::from(format!("{:064x}", (n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
}

fn event(kind: Kind, time: Time, fact: Fact) -> Event {
    let raw: Arc<[u8]> = vec![b'x'; 600].into();
    let provenance = Provenance { time, source: "docker_events".into(), place: Place { file: "f".into(), number: 1 }, raw };
    let decoded = Decoded {
        kind,
        time: (kind == d::DOCKER_EVENT).then_some(time),
        identity: None,
        subject: SmolStr::default(),
        document: Document::default(),
        fact: Some(fact),
        truncated: false,
        duplicate_keys: false,
    };
    Event {
        kind,
        at: time,
        time,
        late_by: Span::ZERO,
        time_suspect: false,
        source: "docker_events".into(),
        host: "h".into(),
        subject: SmolStr::default(),
        fields: Fields::Native(Arc::new(decoded)),
        evidence: vec![Arc::new(provenance)],
    }
}

/// A container of one of twenty services, with the labels that compose writes.
fn spec(n: usize, time: Time) -> ContainerSpec {
    let service = n % 20;
    let paths = [
        "/proc/asound",
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/sched_debug",
        "/sys/firmware",
    ];
    let label = |key: &str, value: String| (SmolStr::new(key), SmolStr::from(value));
    ContainerSpec {
        id: hex(n),
        name: format!("project-service{service}-{n}").into(),
        created: Some(time),
        status: "running".into(),
        pid: 1000 + n as i64,
        started: Some(time),
        image_id: format!("sha256:{:064x}", service + 1).into(),
        image: format!("registry.example/team/service{service}:1.4").into(),
        labels: vec![
            label("com.docker.compose.config-hash", format!("{:064x}", service + 77)),
            label("com.docker.compose.container-number", n.to_string()),
            label("com.docker.compose.depends_on", String::new()),
            label("com.docker.compose.image", format!("sha256:{:064x}", service + 1)),
            label("com.docker.compose.oneoff", "False".into()),
            label("com.docker.compose.project", "project".into()),
            label("com.docker.compose.project.config_files", "/srv/project/docker-compose.yml".into()),
            label("com.docker.compose.project.working_dir", "/srv/project".into()),
            label("com.docker.compose.service", format!("service{service}")),
            label("com.docker.compose.version", "2.29.7".into()),
            label("org.example.instance", format!("{:032x}", n * 7919)),
        ],
        command: vec!["/usr/local/bin/serve".into(), "--listen".into(), "0.0.0.0:8080".into()],
        env_names: ["PATH", "HOME", "DATABASE_URL", "LOG_LEVEL"].map(SmolStr::new).to_vec(),
        masked_paths: Some(paths.map(SmolStr::new).to_vec()),
        readonly_paths: Some(paths.map(SmolStr::new).to_vec()),
        network_mode: "project_default".into(),
        ipc_mode: "private".into(),
        cgroupns_mode: "host".into(),
        mounts: vec![Mount {
            kind: "volume".into(),
            source: format!("/var/lib/docker/volumes/{}/_data", hex(n + 7)).into(),
            target: "/var/lib/service/data".into(),
            volume: hex(n + 7),
            driver: "local".into(),
            writable: true,
            ..Mount::default()
        }],
        networks: vec![Endpoint {
            network: "project_default".into(),
            network_id: hex(5),
            address: format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255).into(),
            mac: format!("02:42:0a:{:02x}:{:02x}:{:02x}", n >> 16, n >> 8 & 255, n & 255).into(),
            ..Endpoint::default()
        }],
        log_driver: "json-file".into(),
        memory_limit: Some(512 << 20),
        ..ContainerSpec::default()
    }
}

fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

fn act(inventory: &mut Inventory, event: &Event, emit: &mut Emit) {
    while let Some(due) = inventory.next_due().filter(|due| *due <= event.at) {
        inventory.fire(due, emit);
    }
    inventory.apply(event, emit);
    emit.events.clear();
}

/// Without optimisation a tenth shows the same.
const N: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

#[test]
fn a_hundred_thousand_standing_containers_fit() {
    if resident().is_none() {
        eprintln!("skipped: this system does not say how much memory a process holds");
        return;
    }
    let mut inventory = Inventory::new(Context::default());
    let mut emit = Emit::default();
    let begun = Instant::now();
    let (mut time_half, mut size_half) = (begun.elapsed(), 0);
    for n in 0..N {
        // In the window of a minute are six of a hundred.
        let time = Time::from_seconds(1_000_000, 0) + Span::millis((1_000_000 / N * n) as i64);
        let said = |action| {
            let spec = spec(n, time);
            Fact::Container(ContainerEvent {
                id: hex(n),
                action,
                name: spec.name,
                image: spec.image,
                labels: spec.labels,
                runtime: "docker".into(),
                division: "".into(),
                pod: "".into(),
                spec: None,
            })
        };
        act(&mut inventory, &event(d::DOCKER_EVENT, time, said(ContainerAction::Create)), &mut emit);
        act(&mut inventory, &event(d::DOCKER_EVENT, time, said(ContainerAction::Start)), &mut emit);
        act(&mut inventory, &event(d::DOCKER_CONTAINER, time, Fact::ContainerSpec(Box::new(spec(n, time)))), &mut emit);
        if n == N / 2 {
            (time_half, size_half) = (begun.elapsed(), resident().unwrap_or_default());
        }
    }
    let whole = begun.elapsed();
    assert_eq!(inventory.hosts().next().map(|host| host.containers.len()), Some(N));
    // What the window holds is there at both ends of the second half, so the difference is what standing costs.
    let each = resident().unwrap_or_default().saturating_sub(size_half) / (N / 2);
    eprintln!("{each} bytes a standing container; {:.1} µs for its three records", whole.as_secs_f64() * 1e6 / N as f64);
    // Of a tenth as many, more stand in the windows, and trees and tables have more room to spare.
    let most = if cfg!(debug_assertions) { 2500 } else { 2000 };
    assert!(each < most, "{each} bytes a standing container");
    assert!(whole < time_half * 5, "the first half took {time_half:?}, all {whole:?}");
}
