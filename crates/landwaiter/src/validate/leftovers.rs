//! Removes what a run has made, by its label and by its name in the names.

use event::SmolStr;
use serde::Deserialize;
use source::collect::{Client, escape};

/// Removes everything when it goes, however it goes.
pub struct Leftovers<'a> {
    client: &'a Client,
    run: &'a str,
}

#[derive(Deserialize)]
struct Thing {
    #[serde(rename = "Id", default)]
    id: String,
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "Names", default)]
    names: Option<Vec<String>>,
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
    #[serde(rename = "Labels", default)]
    labels: Option<std::collections::BTreeMap<String, SmolStr>>,
}

#[derive(Default, Deserialize)]
struct Volumes {
    #[serde(rename = "Volumes", default)]
    volumes: Option<Vec<Thing>>,
}

impl<'a> Leftovers<'a> {
    /// Watches over what bears the label `landwaiter.run=run`.
    pub fn of(client: &'a Client, run: &'a str) -> Leftovers<'a> {
        Leftovers { client, run }
    }

    fn is_ours(&self, thing: &Thing) -> bool {
        let labelled = thing.labels.as_ref().is_some_and(|labels| labels.get("landwaiter.run").is_some_and(|run| run == self.run));
        labelled || bears(&thing.name, self.run) || thing.names.iter().flatten().any(|name| bears(name, self.run))
    }

    fn list(&self, path: &str) -> Vec<Thing> {
        let Ok(answer) = self.client.get(path) else { return Vec::new() };
        if path == "/volumes" {
            return serde_json::from_slice::<Volumes>(&answer.body).unwrap_or_default().volumes.unwrap_or_default();
        }
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn delete(&self, path: &str) {
        // What is gone already is as it should be; anything else is shown by the next look.
        let _ = self.client.ask("DELETE", path, None);
    }

    /// Removes containers, then what they hold on to. Gives what is still there.
    fn sweep(&self) -> usize {
        let containers: Vec<Thing> = self.list("/containers/json?all=1").into_iter().filter(|thing| self.is_ours(thing)).collect();
        for container in &containers {
            self.delete(&format!("/containers/{}?force=1&v=1", escape(&container.id)));
        }
        let networks: Vec<Thing> = self.list("/networks").into_iter().filter(|thing| self.is_ours(thing)).collect();
        for network in &networks {
            self.delete(&format!("/networks/{}", escape(&network.id)));
        }
        let volumes: Vec<Thing> = self.list("/volumes").into_iter().filter(|thing| self.is_ours(thing)).collect();
        for volume in &volumes {
            self.delete(&format!("/volumes/{}?force=1", escape(&volume.name)));
        }
        let mut images = 0;
        for image in self.list("/images/json?all=1") {
            let tags: Vec<&String> = image.tags.iter().flatten().filter(|tag| bears(tag, self.run)).collect();
            for tag in &tags {
                let path = tag.split('/').map(escape).collect::<Vec<_>>().join("/");
                self.delete(&format!("/images/{path}?force=1"));
            }
            if self.is_ours(&image) {
                self.delete(&format!("/images/{}?force=1", escape(&image.id)));
                images += 1;
            }
            images += tags.len();
        }
        containers.len() + networks.len() + volumes.len() + images
    }
}

/// Whether a name holds the run's name as a part of its own: `r1` is no part of `r12`.
fn bears(name: &str, run: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    !run.is_empty()
        && name.match_indices(run).any(|(at, _)| edge(name[..at].chars().next_back()) && edge(name[at + run.len()..].chars().next()))
}

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        // A command that was just ended may still be on its way to create something.
        for attempt in 0..5 {
            if self.sweep() == 0 && attempt > 0 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100 << attempt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bears;

    #[test]
    fn only_the_run_itself_is_meant() {
        assert!(bears("/lw7-1", "lw7-1") && bears("lab/lw7-1:2", "lw7-1") && bears("web_lw7-1_2", "lw7-1"));
        assert!(!bears("lw7-12", "lw7-1") && !bears("xlw7-1", "lw7-1") && !bears("", "lw7-1") && !bears("anything", ""));
    }
}
