//! What a plan must know of a container.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A container, as the engine described it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Full id: the only name that cannot be taken over.
    pub id: String,
    /// Name at that moment, without the slash.
    pub name: String,
    /// Image as it was asked for.
    pub image: String,
    /// `running`, `exited`, `created`, `restarting`, `dead`.
    pub status: String,
    /// Its processes run, or are frozen.
    pub running: bool,
    /// Its processes are frozen.
    pub paused: bool,
    /// `host`, `none`, `container:…`, or the name of a network.
    pub network_mode: String,
    /// Networks that it is on.
    pub networks: Vec<Network>,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart: String,
    /// The engine removes it, with its files and logs, as soon as it ends.
    pub auto_remove: bool,
    /// `json-file`, `journald`, `none`, …
    pub log_driver: String,
    /// Names of volumes and paths of the host that it uses: an export does not hold them.
    pub mounts: Vec<String>,
    /// Paths that live in memory and end with it.
    pub tmpfs: Vec<String>,
}

/// A network that a container is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspect {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    state: State,
    #[serde(default)]
    host_config: HostConfig,
    #[serde(default)]
    network_settings: NetworkSettings,
    mounts: Option<Vec<Mount>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    image: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    status: String,
    running: bool,
    paused: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
    auto_remove: bool,
    restart_policy: Named,
    log_config: Typed,
    tmpfs: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Named {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Typed {
    #[serde(rename = "Type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Endpoint>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    name: Option<String>,
    source: String,
}

impl Target {
    /// Reads the engine's answer to an inspect.
    ///
    /// # Errors
    /// When it is no such answer.
    pub fn parse(inspect: &[u8]) -> Result<Target, String> {
        let inspect: Inspect = serde_json::from_slice(inspect).map_err(|e| format!("read the engine's answer about the container: {e}"))?;
        let host = inspect.host_config;
        let restart = Some(host.restart_policy.name).filter(|name| !name.is_empty()).unwrap_or_else(|| "no".to_owned());
        let networks = inspect.network_settings.networks.unwrap_or_default();
        let (tmpfs, mounts) = inspect.mounts.unwrap_or_default().into_iter().partition::<Vec<_>, _>(|mount| mount.kind == "tmpfs");
        Ok(Target {
            id: inspect.id,
            name: inspect.name.trim_start_matches('/').to_owned(),
            image: inspect.config.image,
            status: inspect.state.status,
            running: inspect.state.running,
            paused: inspect.state.paused,
            network_mode: host.network_mode,
            networks: networks.into_iter().map(|(name, endpoint)| Network { name, id: endpoint.network_id }).collect(),
            restart,
            auto_remove: host.auto_remove,
            log_driver: host.log_config.kind,
            mounts: mounts.into_iter().map(|mount| mount.name.unwrap_or(mount.source)).collect(),
            tmpfs: host.tmpfs.unwrap_or_default().into_keys().chain(tmpfs.into_iter().map(|mount| mount.source)).collect(),
        })
    }

    /// The first twelve digits, as engines show them.
    pub fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// It comes back when its process ends.
    pub fn restarts(&self) -> bool {
        self.restart != "no"
    }
}
