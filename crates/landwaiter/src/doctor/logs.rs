//! Whether the logs of each running container can be read: what many investigations take for granted.

use serde::{Deserialize, Serialize};
use source::collect::{AskError, Client, escape};

/// How many can be read, and why not the others.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Logs {
    /// Containers that run.
    pub running: usize,
    /// Those whose logs can be read.
    pub readable: usize,
    /// The others.
    pub unreadable: Vec<Unreadable>,
}

/// A container whose logs cannot be read.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its name.
    pub name: String,
    /// Its full id.
    pub id: String,
    /// Why.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Inspect {
    host_config: HostConfig,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    log_config: LogConfig,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct LogConfig {
    #[serde(rename = "Type")]
    kind: String,
}

/// Asks for the last line of each.
pub fn read(client: &Client) -> Result<Logs, AskError> {
    let answer = client.get("/containers/json")?;
    let listed: Vec<Listed> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut logs = Logs { running: listed.len(), ..Logs::default() };
    for container in listed {
        let id = escape(&container.id);
        let answer = client.get(&format!("/containers/{id}/logs?stdout=1&stderr=1&tail=1"))?;
        if answer.is_good() {
            logs.readable += 1;
            continue;
        }
        let inspect = client.get(&format!("/containers/{id}/json"))?;
        // Gone since the list was made.
        if inspect.status == 404 {
            logs.running -= 1;
            continue;
        }
        let inspect: Inspect = serde_json::from_slice(&inspect.body).unwrap_or_default();
        let driver = inspect.host_config.log_config.kind;
        let (reason, remedy) = explain(&driver, answer.status, &answer.message());
        let name = container.names.first().map_or(container.id.as_str(), |name| name.trim_start_matches('/')).to_owned();
        logs.unreadable.push(Unreadable { name, id: container.id, reason, remedy });
    }
    Ok(logs)
}

fn explain(driver: &str, status: u16, message: &str) -> (String, String) {
    match (driver, status) {
        ("none", _) => (
            "its log driver is `none`: what it prints is kept nowhere".to_owned(),
            "run it again with --log-driver local, or find out why it was started like that".to_owned(),
        ),
        (_, 403) => {
            (format!("the engine refuses: {message}"), "let the proxy in front of the socket allow GET /containers/*/logs".to_owned())
        }
        _ => (
            format!("log driver {driver}: {message}"),
            "read them where the driver sends them, or let the engine keep a copy (dual logging, `cache-disabled=false`)".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn each_reason_has_a_remedy() {
        assert!(explain("none", 500, "configured logging driver does not support reading").0.contains("kept nowhere"));
        assert!(explain("syslog", 500, "configured logging driver does not support reading").1.contains("where the driver sends them"));
        assert!(explain("json-file", 403, "forbidden").1.contains("proxy"));
    }
}
