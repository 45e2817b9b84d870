//! Where an engine listens, as `DOCKER_HOST` and its companions say it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket on this host.
    Unix(PathBuf),
    /// Another host, or this one over the network, as `host:port`.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Folder with `ca.pem`, `cert.pem` and `key.pem`; `None` speaks in the clear.
        certificates: Option<PathBuf>,
    },
}

/// The environment that decides: a plain value, so that tests need not change their own.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_TLS_VERIFY`, true when it is set and not empty.
    pub tls: bool,
    /// `DOCKER_CERT_PATH`.
    pub certificates: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, where engines without root keep their sockets.
    pub runtime: Option<PathBuf>,
    /// Other variables that collectors look at, by name; those of `VARIABLES`.
    pub variables: BTreeMap<String, String>,
    /// What the operator set for a collector, as `collector.key`, such as `kubernetes_webhook.listen`.
    pub settings: BTreeMap<String, String>,
}

/// Variables that collectors other than Docker's look at.
const VARIABLES: &[&str] =
    &["CONTAINER_HOST", "CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

impl Surroundings {
    /// Reads them from this process.
    pub fn of_this_process() -> Surroundings {
        let path = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Surroundings {
            host: std::env::var("DOCKER_HOST").ok().filter(|v| !v.is_empty()),
            tls: std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|v| !v.is_empty()),
            certificates: path("DOCKER_CERT_PATH"),
            home: path("HOME"),
            runtime: path("XDG_RUNTIME_DIR"),
            variables: VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok().filter(|v| !v.is_empty())?)))
                .collect(),
            settings: BTreeMap::new(),
        }
    }

    /// A variable of the environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// What the operator set for a collector, as `collector.key`.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

const DEFAULT: &str = "/var/run/docker.sock";

impl Address {
    /// The engine that the `docker` command would speak to, else the first socket that is there.
    ///
    /// # Errors
    /// When `DOCKER_HOST` is of no kind that is spoken here; the text names the remedy.
    pub fn find(around: &Surroundings, there: &dyn Fn(&Path) -> bool) -> Result<Address, String> {
        if let Some(host) = &around.host {
            return Address::parse(host, around);
        }
        let mut candidates = vec![PathBuf::from(DEFAULT)];
        candidates.extend(around.runtime.iter().map(|r| r.join("docker.sock")));
        candidates.push(PathBuf::from("/run/podman/podman.sock"));
        candidates.extend(around.runtime.iter().map(|r| r.join("podman/podman.sock")));
        let found = candidates.into_iter().find(|path| there(path));
        Ok(Address::Unix(found.unwrap_or_else(|| PathBuf::from(DEFAULT))))
    }

    /// Reads an address as `DOCKER_HOST` has it.
    ///
    /// # Errors
    /// When the scheme or the port is not understood.
    pub fn parse(text: &str, around: &Surroundings) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        if text.starts_with('/') {
            return Ok(Address::Unix(PathBuf::from(text)));
        }
        let (rest, forced) = match text.split_once("://") {
            Some(("tcp" | "http", rest)) => (rest, false),
            Some(("https", rest)) => (rest, true),
            Some(("ssh", rest)) => {
                return Err(format!(
                    "DOCKER_HOST is ssh://{rest}, which is not spoken here; forward the socket with `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock {rest}` and set DOCKER_HOST=unix:///tmp/docker.sock"
                ));
            }
            _ => return Err(format!("DOCKER_HOST is `{text}`: expected unix:///path or tcp://host:port")),
        };
        let tls = forced || around.tls;
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().map_err(|_| format!("DOCKER_HOST is `{text}`: `{port}` is no port number"))?;
                (host, port)
            }
            _ => (rest, if tls { 2376 } else { 2375 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let certificates =
            tls.then(|| around.certificates.clone().or_else(|| around.home.as_ref().map(|h| h.join(".docker"))).unwrap_or_default());
        Ok(Address::Tcp { host, port, certificates })
    }
}

/// As `DOCKER_HOST` would have it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(host: Option<&str>, tls: bool) -> Surroundings {
        Surroundings {
            host: host.map(str::to_owned),
            tls,
            certificates: None,
            home: Some("/home/a".into()),
            runtime: Some("/run/user/7".into()),
            ..Surroundings::default()
        }
    }

    #[test]
    fn without_docker_host_the_first_socket_that_is_there_is_taken() {
        let none = Address::find(&around(None, false), &|_| false).unwrap();
        assert_eq!(none.to_string(), "unix:///var/run/docker.sock");
        let rootless = Address::find(&around(None, false), &|p| p.starts_with("/run/user")).unwrap();
        assert_eq!(rootless.to_string(), "unix:///run/user/7/docker.sock");
    }

    #[test]
    fn docker_host_is_honoured() {
        let find = |host, tls| Address::find(&around(Some(host), tls), &|_| true);
        assert_eq!(find("unix:///tmp/x.sock", false), Ok(Address::Unix("/tmp/x.sock".into())));
        let plain = Address::Tcp { host: "h".into(), port: 2375, certificates: None };
        assert_eq!(find("tcp://h:2375", false), Ok(plain.clone()));
        assert_eq!(find("tcp://h", false), Ok(plain));
        let tls = Address::Tcp { host: "::1".into(), port: 2376, certificates: Some("/home/a/.docker".into()) };
        assert_eq!(find("tcp://[::1]", true), Ok(tls));
    }

    #[test]
    fn what_is_not_spoken_says_what_to_do() {
        let error = Address::find(&around(Some("ssh://root@h"), false), &|_| true).unwrap_err();
        assert!(error.contains("ssh -nNT -L"), "{error}");
        assert!(Address::find(&around(Some("tcp://h:many"), false), &|_| true).is_err());
        assert!(Address::find(&around(Some("npipe:////./pipe/x"), false), &|_| true).is_err());
    }
}
