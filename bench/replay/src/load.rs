//! A deterministic load: Docker events and inspect answers with the shapes and sizes of real ones.
//!
//! A host with services that stand and are health-checked, jobs that come and go, deployments that roll. One in about eight lines is an inspect answer
//! (4.5 KB, as Docker 20.10 writes it), the others are events (300 to 700 bytes, with Compose labels on half of the containers).

use std::fmt::Write;

/// The same load in every run.
pub struct Load {
    state: u64,
    now: u64,
    images: Vec<(String, String)>,
    standing: Vec<Container>,
    lines: Vec<String>,
}

struct Container {
    id: String,
    name: String,
    image: usize,
    labels: String,
}

/// 2026-01-05T06:00:00Z in nanoseconds.
const START: u64 = 1_767_592_800_000_000_000;

impl Load {
    /// Makes `count` lines.
    pub fn lines(count: usize) -> Vec<String> {
        let mut load = Load::new();
        while load.lines.len() < count {
            load.step();
        }
        load.lines.truncate(count);
        load.lines
    }

    /// Creates `count` containers that stay, each with its inspect answer.
    pub fn standing(count: usize) -> Vec<String> {
        let mut load = Load::new();
        for _ in 0..count {
            // Spread over time: this measures memory, not a spray.
            load.now += 5_000_000_000;
            load.create(false);
        }
        load.lines
    }

    fn new() -> Load {
        let mut load = Load { state: 0x1a2b_3c4d, now: START, images: Vec::new(), standing: Vec::new(), lines: Vec::new() };
        for n in 0..60 {
            let id = format!("sha256:{}", load.hex(64));
            load.images.push((format!("registry.example/team{}/service-{n}:1.{}", n % 7, n % 4), id));
        }
        load
    }

    /// splitmix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random() % n
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.random());
        }
        text.truncate(digits);
        text
    }

    fn step(&mut self) {
        self.now += 40_000_000 + self.below(400_000_000);
        match self.below(100) {
            0..=24 => self.job(),
            25..=39 => {
                self.create(true);
                if self.standing.len() > 400 {
                    let oldest = self.standing.remove(0);
                    self.end(&oldest, 143);
                }
            }
            _ if self.standing.is_empty() => self.create(true),
            _ => self.healthcheck(),
        }
    }

    fn create(&mut self, compose: bool) {
        let image = self.below(self.images.len() as u64) as usize;
        let id = self.hex(64);
        let service = format!("service-{image}");
        let name = format!("project{}-{service}-{}", image % 9, self.below(20));
        let labels = if compose {
            format!(
                "\"com.docker.compose.config-hash\":\"{}\",\"com.docker.compose.container-number\":\"1\",\"com.docker.compose.oneoff\":\"False\",\"com.docker.compose.project\":\"project{}\",\"com.docker.compose.service\":\"{service}\",\"com.docker.compose.version\":\"2.29.1\",",
                self.hex(64),
                image % 9
            )
        } else {
            String::new()
        };
        let container = Container { id, name, image, labels };
        self.container_event(&container, "create", "");
        self.inspect(&container, "created", 0, 0);
        self.network(&container, "connect");
        self.container_event(&container, "start", "");
        self.standing.push(container);
    }

    fn job(&mut self) {
        self.create(false);
        if let Some(job) = self.standing.pop() {
            self.now += 200_000_000 + self.below(3_000_000_000);
            self.end(&job, 0);
        }
    }

    fn end(&mut self, container: &Container, code: u32) {
        if code > 128 {
            self.container_event(container, "kill", "\"signal\":\"15\",");
        }
        self.container_event(container, "die", &format!("\"exitCode\":\"{code}\","));
        self.inspect(container, "exited", code, 0);
        self.network(container, "disconnect");
        self.container_event(container, "destroy", "");
    }

    fn healthcheck(&mut self) {
        let at = self.below(self.standing.len() as u64) as usize;
        let container = self.standing.swap_remove(at);
        let exec = format!("\"execID\":\"{}\",", self.hex(64));
        self.container_event(&container, "exec_create: /bin/sh -c wget -q -O /dev/null http://127.0.0.1:8080/health", &exec);
        self.container_event(&container, "exec_start: /bin/sh -c wget -q -O /dev/null http://127.0.0.1:8080/health", &exec);
        self.container_event(&container, "exec_die", &format!("{exec}\"exitCode\":\"0\","));
        self.standing.push(container);
    }

    fn tick(&mut self) -> u64 {
        self.now += 1_000_000 + self.below(9_000_000);
        self.now
    }

    fn container_event(&mut self, container: &Container, action: &str, extra: &str) {
        let now = self.tick();
        let image = &self.images[container.image].0;
        let Container { id, name, labels, .. } = container;
        self.lines.push(format!(
            "{{\"status\":\"{action}\",\"id\":\"{id}\",\"from\":\"{image}\",\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":{{{labels}{extra}\"image\":\"{image}\",\"name\":\"{name}\"}}}},\"scope\":\"local\",\"time\":{},\"timeNano\":{now}}}",
            now / 1_000_000_000
        ));
    }

    fn network(&mut self, container: &Container, action: &str) {
        let now = self.tick();
        let project = container.image % 9;
        self.lines.push(format!(
            "{{\"Type\":\"network\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{project:064x}\",\"Attributes\":{{\"container\":\"{}\",\"name\":\"project{project}_default\",\"type\":\"bridge\"}}}},\"scope\":\"local\",\"time\":{},\"timeNano\":{now}}}",
            container.id,
            now / 1_000_000_000
        ));
    }

    fn inspect(&mut self, container: &Container, status: &str, code: u32, pid: u32) {
        let Container { id, name, labels, image } = container;
        let (reference, image_id) = self.images[*image].clone();
        let layer = self.hex(64);
        let short = &id[..12];
        let labels = labels.trim_end_matches(',').to_owned();
        let address = format!("172.{}.{}.{}", 18 + image % 9, self.below(250), 2 + self.below(250));
        let project = image % 9;
        self.lines.push(format!(
            r#"{{"Id":"{id}","Created":"2026-01-05T06:00:00.06424563Z","Path":"/usr/local/bin/service","Args":["--listen","0.0.0.0:8080","--workers","4"],"State":{{"Status":"{status}","Running":{running},"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":{pid},"ExitCode":{code},"Error":"","StartedAt":"2026-01-05T06:00:00.269292065Z","FinishedAt":"0001-01-01T00:00:00Z"}},"Image":"{image_id}","ResolvConfPath":"/var/lib/docker/containers/{id}/resolv.conf","HostnamePath":"/var/lib/docker/containers/{id}/hostname","HostsPath":"/var/lib/docker/containers/{id}/hosts","LogPath":"/var/lib/docker/containers/{id}/{id}-json.log","Name":"/{name}","RestartCount":0,"Driver":"overlay2","Platform":"linux","MountLabel":"","ProcessLabel":"","AppArmorProfile":"docker-default","ExecIDs":null,"HostConfig":{{"Binds":["data{project}:/data:rw"],"ContainerIDFile":"","LogConfig":{{"Type":"json-file","Config":{{"max-size":"10m","max-file":"3"}}}},"NetworkMode":"project{project}_default","PortBindings":{{}},"RestartPolicy":{{"Name":"unless-stopped","MaximumRetryCount":0}},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"CapAdd":null,"CapDrop":["ALL"],"CgroupnsMode":"private","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"private","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":true,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"runc","ConsoleSize":[0,0],"Isolation":"","CpuShares":0,"Memory":268435456,"NanoCpus":500000000,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"KernelMemory":0,"KernelMemoryTCP":0,"MemoryReservation":0,"MemorySwap":536870912,"MemorySwappiness":null,"OomKillDisable":false,"PidsLimit":null,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"],"ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}},"GraphDriver":{{"Data":{{"LowerDir":"/var/lib/docker/overlay2/{layer}-init/diff:/var/lib/docker/overlay2/{layer}/diff","MergedDir":"/var/lib/docker/overlay2/{layer}/merged","UpperDir":"/var/lib/docker/overlay2/{layer}/diff","WorkDir":"/var/lib/docker/overlay2/{layer}/work"}},"Name":"overlay2"}},"Mounts":[{{"Type":"volume","Name":"data{project}","Source":"/var/lib/docker/volumes/data{project}/_data","Destination":"/data","Driver":"local","Mode":"rw","RW":true,"Propagation":""}}],"Config":{{"Hostname":"{short}","Domainname":"","User":"1000","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","LISTEN=0.0.0.0:8080"],"Cmd":["--listen","0.0.0.0:8080","--workers","4"],"Healthcheck":{{"Test":["CMD-SHELL","wget -q -O /dev/null http://127.0.0.1:8080/health"],"Interval":30000000000}},"Image":"{reference}","Volumes":null,"WorkingDir":"/srv","Entrypoint":["/usr/local/bin/service"],"OnBuild":null,"Labels":{{{labels}}}}},"NetworkSettings":{{"Bridge":"","SandboxID":"{layer}","HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,"Ports":{{}},"SandboxKey":"/var/run/docker/netns/{short}","SecondaryIPAddresses":null,"SecondaryIPv6Addresses":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"","Networks":{{"project{project}_default":{{"IPAMConfig":null,"Links":null,"Aliases":["{short}"],"NetworkID":"{project:064x}","EndpointID":"{layer}","Gateway":"172.18.0.1","IPAddress":"{address}","IPPrefixLen":16,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"MacAddress":"02:42:ac:12:00:02","DriverOpts":null}}}}}}}}"#,
            running = status == "running",
        ));
    }
}
