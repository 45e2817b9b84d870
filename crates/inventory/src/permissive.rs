//! What makes networking permissive: bridges without their guard, and control ports open to everyone.

use event::fact::{ContainerSpec, NetworkSpec};
use smol_str::SmolStr;

/// Ports of engines, control planes and data stores: whoever reaches them controls or reads what lies behind.
const SENSITIVE_PORTS: &[u16] = &[
    2375, 2376, 2377, 2379, 2380, 3306, 5432, 5984, 6379, 6443, 7000, 8086, 9042, 9092, 9200, 9300, 10250, 10255, 10257, 10259, 11211,
    27017, 27018, 50000,
];

/// Why a network is permissive.
pub fn network(spec: &NetworkSpec) -> Vec<&'static str> {
    let mut why = Vec::new();
    match spec.driver.as_str() {
        "macvlan" => why.push("macvlan"),
        "ipvlan" => why.push("ipvlan"),
        _ => {}
    }
    for (key, value) in &spec.options {
        let key = key.strip_prefix("com.docker.network.bridge.").unwrap_or(key);
        match (key, value.as_str()) {
            ("gateway_mode_ipv4" | "gateway_mode_ipv6", "nat-unprotected") => why.push("gateway_mode_nat_unprotected"),
            ("gateway_mode_ipv4" | "gateway_mode_ipv6", "routed") => why.push("gateway_mode_routed"),
            ("trusted_host_interfaces", interfaces) if !interfaces.is_empty() => why.push("trusted_host_interfaces"),
            _ => {}
        }
    }
    why.sort_unstable();
    why.dedup();
    why
}

/// Ports published on every address of the host, as `host:container/protocol`, and whether one of them is sensitive.
pub fn ports(spec: &ContainerSpec) -> (Vec<SmolStr>, bool) {
    let open = spec.ports.iter().filter(|port| matches!(port.host_address.as_str(), "" | "0.0.0.0" | "::" | "[::]"));
    let mut texts: Vec<SmolStr> = Vec::new();
    let mut sensitive = false;
    for port in open {
        let text = match port.host_port {
            0 => format!("{}/{}", port.container_port, port.protocol),
            host => format!("{host}:{}/{}", port.container_port, port.protocol),
        };
        texts.push(text.into());
        sensitive |= SENSITIVE_PORTS.contains(&port.container_port) || SENSITIVE_PORTS.contains(&port.host_port);
    }
    texts.sort();
    texts.dedup();
    (texts, sensitive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::fact::Port;

    #[test]
    fn unguarded_bridges_are_permissive_and_ordinary_ones_are_not() {
        let of = |driver: &str, key: &str, value: &str| {
            network(&NetworkSpec { driver: driver.into(), options: vec![(key.into(), value.into())], ..NetworkSpec::default() }).join(",")
        };
        assert_eq!(of("bridge", "com.docker.network.bridge.enable_icc", "true"), "");
        assert_eq!(of("bridge", "com.docker.network.bridge.gateway_mode_ipv4", "nat"), "");
        assert_eq!(of("bridge", "com.docker.network.bridge.gateway_mode_ipv6", "routed"), "gateway_mode_routed");
        assert_eq!(of("bridge", "com.docker.network.bridge.gateway_mode_ipv4", "nat-unprotected"), "gateway_mode_nat_unprotected");
        assert_eq!(of("bridge", "com.docker.network.bridge.trusted_host_interfaces", "eth1"), "trusted_host_interfaces");
        assert_eq!(of("macvlan", "parent", "eth0"), "macvlan");
    }

    #[test]
    fn control_ports_on_all_addresses_are_told_from_web_ports_and_loopback() {
        let of = |address: &str, container: u16, host: u16| {
            let port = Port { container_port: container, protocol: "tcp".into(), host_address: address.into(), host_port: host };
            ports(&ContainerSpec { ports: vec![port], ..ContainerSpec::default() })
        };
        assert_eq!(of("0.0.0.0", 80, 8080), (vec!["8080:80/tcp".into()], false));
        assert_eq!(of("::", 2375, 12375), (vec!["12375:2375/tcp".into()], true));
        assert_eq!(of("127.0.0.1", 5432, 5432), (vec![], false));
    }
}
