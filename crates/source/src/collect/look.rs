//! Looks at what stands: the lists of the engine, at the start and after each break.

use super::client::Connection;
use super::follow::{Follower, Info};
use super::want::{Ask, Object, Urgency};
use event::fact::Sight;
use event::{SmolStr, Time};
use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// A list is asked for again when containers came or went meanwhile, at most so often.
const LIST_ATTEMPTS: u64 = 5;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// What stands at start.
    Start,
    /// What was missed; `everything`: what is known may have changed, too.
    Again { everything: bool },
}

impl Look {
    /// Whether what is known is asked about again.
    fn everything(self) -> bool {
        self != Look::Again { everything: false }
    }
}

impl Follower {
    /// Reads the lists and asks about what is in them. One look at a time; what is asked for meanwhile follows.
    pub(super) async fn look(self: Rc<Self>, look: Look) {
        if self.looking.replace(true) {
            let everything = look.everything() || self.look_again.get().is_some_and(Look::everything);
            self.look_again.set(Some(Look::Again { everything }));
            return;
        }
        let mut next = Some(look);
        while let Some(look) = next {
            let endpoint = self.inspector.endpoint();
            if let Ok(mut connection) = endpoint.connect().await {
                self.look_with(&mut connection, look).await;
            }
            next = self.look_again.take();
        }
        self.looking.set(false);
    }

    async fn look_with(&self, connection: &mut Connection, look: Look) {
        if look != Look::Start {
            self.outlet.note(Sight::Reconciled);
        }
        if let Some(body) = self.record(connection, "docker_info", "/info").await {
            let info: Info = serde_json::from_slice(&body).unwrap_or_default();
            if let Some(theirs) = Time::parse(&info.system_time) {
                self.clock_offset.set(theirs.0.saturating_sub(self.outlet.now().0));
            }
        }
        self.record(connection, "docker_info", "/version").await;
        self.look_at_containers(connection, look).await;
        for image in self.list(connection, "docker_images", "/images/json").await {
            self.inspector.ask_once(Ask::new(Object::Image, image, Urgency::Standing));
        }
        for network in self.list(connection, "docker_networks", "/networks").await {
            // The list leaves out who is on a network.
            if look.everything() {
                self.inspector.ask(Ask::new(Object::Network, network, Urgency::Standing));
            }
        }
        self.record(connection, "docker_volumes", "/volumes").await;
    }

    /// The list of containers, taken while none came or went: otherwise it would contradict the events around it.
    async fn look_at_containers(&self, connection: &mut Connection, look: Look) {
        let path = "/containers/json?all=1";
        for attempt in 1..=LIST_ATTEMPTS {
            let before = self.inspector.turnover.get();
            let Some(body) = self.answer(connection, path).await else { return };
            // Events that were on their way when the list was made arrive first.
            sleep(Duration::from_millis(20 * attempt)).await;
            if self.inspector.turnover.get() != before && attempt < LIST_ATTEMPTS {
                continue;
            }
            self.outlet.stats().answers.fetch_add(1, Ordering::Relaxed);
            self.outlet.data("docker_containers", &body);
            let ids: BTreeSet<String> = listed(body).await.into_iter().collect();
            self.inspector.only_these_stand(&ids);
            for id in ids {
                if self.inspector.stands(&id) || look.everything() {
                    self.inspector.ask(Ask::new(Object::Container, id, Urgency::Standing));
                }
            }
            return;
        }
    }

    async fn list(&self, connection: &mut Connection, source: &'static str, path: &str) -> Vec<String> {
        match self.record(connection, source, path).await {
            Some(body) => listed(body).await,
            None => Vec::new(),
        }
    }

    async fn record(&self, connection: &mut Connection, source: &'static str, path: &str) -> Option<Bytes> {
        let body = self.answer(connection, path).await?;
        self.outlet.stats().answers.fetch_add(1, Ordering::Relaxed);
        self.outlet.data(source, &body);
        Some(body)
    }

    async fn answer(&self, connection: &mut Connection, path: &str) -> Option<Bytes> {
        let reason = match connection.ask(Method::GET, path, None).await {
            Ok(answer) if answer.is_good() => return Some(answer.body),
            Ok(answer) => answer.message(),
            Err(error) => error.to_string(),
        };
        self.outlet.note(Sight::Missed { object: SmolStr::new_static("list"), id: SmolStr::new(path), reason: SmolStr::new(reason) });
        None
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Listed {
    id: String,
}

/// The ids in a list. A list can have megabytes, and this thread must not be busy with it for as long as Docker waits for a subscriber.
async fn listed(body: Bytes) -> Vec<String> {
    let parse = move || serde_json::from_slice::<Vec<Listed>>(&body).unwrap_or_default().into_iter().map(|entry| entry.id).collect();
    tokio::task::spawn_blocking(parse).await.unwrap_or_default()
}
