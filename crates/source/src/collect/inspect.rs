//! Asks the engine about what the events name, on connections of their own, the most fleeting first.

use super::client::{Answer, AskError, Connection, Endpoint};
use super::outlet::Outlet;
use super::want::{Ask, Container, Object, Urgency};
use event::SmolStr;
use event::fact::Sight;
use hyper::Method;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;

/// Connections that answer anything, and those kept free for what may be gone in a moment.
const WORKERS_ANY: usize = 6;
const WORKERS_FLEETING: usize = 2;
/// Questions that wait at most; the least urgent go first, and each one that goes is said.
const ASKS_MAX: usize = 20_000;
/// Containers, images and volumes remembered so as not to be asked twice; forgotten in one go, which only costs questions.
const MEMORY_MAX: usize = 100_000;

/// Knows what was asked and what waits.
pub(super) struct Inspector {
    outlet: Rc<Outlet>,
    endpoint: RefCell<Endpoint>,
    waiting: RefCell<Waiting>,
    memory: RefCell<Memory>,
    wake: Notify,
    in_flight: Cell<usize>,
    /// Counts creations and ends: a list that was asked for meanwhile tells of neither before nor after.
    pub turnover: Cell<u64>,
}

/// Questions by urgency, then by age.
#[derive(Default)]
struct Waiting {
    by_urgency: BTreeMap<(Urgency, u64), Ask>,
    places: BTreeMap<(Object, String), (Urgency, u64)>,
    next: u64,
}

#[derive(Default)]
struct Memory {
    /// Containers that stand, and what is known of each.
    containers: BTreeMap<String, Standing>,
    /// Images, volumes and execs that were asked about.
    asked: BTreeSet<(Object, String)>,
}

#[derive(Clone, Copy, Default)]
struct Standing {
    /// The engine removes it by itself as soon as it ends.
    auto_remove: bool,
    /// Created before our eyes and not started yet.
    waits_for_start: bool,
    /// The engine has described it at least once.
    described: bool,
}

impl Waiting {
    /// Adds a question, or makes one that waits more urgent. Gives back the least urgent one when there are too many.
    fn add(&mut self, ask: Ask) -> Option<Ask> {
        let key = (ask.object, ask.id.clone());
        if let Some(place) = self.places.get(&key).copied() {
            if place.0 <= ask.urgency {
                return None;
            }
            self.by_urgency.remove(&place);
        }
        let place = (ask.urgency, self.next);
        self.next += 1;
        self.by_urgency.insert(place, ask);
        self.places.insert(key, place);
        if self.by_urgency.len() <= ASKS_MAX {
            return None;
        }
        let (_, dropped) = self.by_urgency.pop_last()?;
        self.places.remove(&(dropped.object, dropped.id.clone()));
        Some(dropped)
    }

    fn take(&mut self, least: Urgency) -> Option<Ask> {
        let first = self.by_urgency.first_entry()?;
        if first.key().0 > least {
            return None;
        }
        let ask = first.remove();
        self.places.remove(&(ask.object, ask.id.clone()));
        Some(ask)
    }
}

impl Inspector {
    pub fn new(outlet: Rc<Outlet>, endpoint: Endpoint) -> Rc<Inspector> {
        Rc::new(Inspector {
            outlet,
            endpoint: RefCell::new(endpoint),
            waiting: RefCell::default(),
            memory: RefCell::default(),
            wake: Notify::new(),
            in_flight: Cell::new(0),
            turnover: Cell::new(0),
        })
    }

    /// Starts the workers on this thread's local set.
    pub fn start(self: &Rc<Self>) {
        for number in 0..WORKERS_ANY + WORKERS_FLEETING {
            let least = if number < WORKERS_FLEETING { Urgency::Fleeting } else { Urgency::Standing };
            tokio::task::spawn_local(self.clone().work(least));
        }
    }

    /// The engine came back, perhaps with another version.
    pub fn set_endpoint(&self, endpoint: Endpoint) {
        *self.endpoint.borrow_mut() = endpoint;
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.borrow().clone()
    }

    pub fn ask(&self, ask: Ask) {
        if ask.object.path(&ask.id).is_none() {
            return;
        }
        if let Some(dropped) = self.waiting.borrow_mut().add(ask) {
            self.missed(&dropped, "too many questions were waiting");
        }
        self.wake.notify_waiters();
    }

    /// Asks once in the life of this collector.
    pub fn ask_once(&self, ask: Ask) {
        let mut memory = self.memory.borrow_mut();
        if memory.asked.len() >= MEMORY_MAX {
            memory.asked.clear();
        }
        if memory.asked.insert((ask.object, ask.id.clone())) {
            drop(memory);
            self.ask(ask);
        }
    }

    /// A container stands; true when that is news.
    pub fn stands(&self, id: &str) -> bool {
        self.remember(id, Standing::default())
    }

    /// A container was created and will be asked about again when it starts.
    pub fn created(&self, id: &str) {
        self.remember(id, Standing { waits_for_start: true, ..Standing::default() });
    }

    fn remember(&self, id: &str, standing: Standing) -> bool {
        let mut memory = self.memory.borrow_mut();
        if memory.containers.contains_key(id) {
            return false;
        }
        if memory.containers.len() >= MEMORY_MAX {
            memory.containers.clear();
        }
        memory.containers.insert(id.to_owned(), standing);
        true
    }

    pub fn started(&self, id: &str) {
        if let Some(standing) = self.memory.borrow_mut().containers.get_mut(id) {
            standing.waits_for_start = false;
        }
    }

    pub fn ended(&self, id: &str) {
        self.memory.borrow_mut().containers.remove(id);
    }

    /// Forgets all containers that are not in a list.
    pub fn only_these_stand(&self, ids: &BTreeSet<String>) {
        self.memory.borrow_mut().containers.retain(|id, _| ids.contains(id));
    }

    /// Whether the engine has described a container that still stands.
    pub fn is_described(&self, id: &str) -> bool {
        self.memory.borrow().containers.get(id).is_some_and(|standing| standing.described)
    }

    /// Asking is in vain: after the end of a container that the engine then removes, and while one starts, when it answers nothing until it runs.
    pub fn is_in_vain(&self, ask: &Ask, verb: &str) -> bool {
        if ask.object != Object::Container {
            return false;
        }
        let standing = self.memory.borrow().containers.get(&ask.id).copied().unwrap_or_default();
        (verb == "die" && standing.auto_remove) || (verb == "connect" && standing.waits_for_start)
    }

    /// Nothing waits and nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.get() == 0 && self.waiting.borrow().by_urgency.is_empty()
    }

    async fn work(self: Rc<Self>, least: Urgency) {
        let mut connection: Option<Connection> = self.connect().await.ok();
        loop {
            let next = self.waiting.borrow_mut().take(least);
            let Some(ask) = next else {
                // Nothing else runs on this thread between the look and the wait, so no wake-up is lost.
                self.wake.notified().await;
                continue;
            };
            self.in_flight.set(self.in_flight.get() + 1);
            match self.answer(&ask, &mut connection).await {
                Ok(answer) if answer.is_good() => self.keep(&ask, &answer),
                Ok(answer) => self.refused(&ask, &answer.message()),
                Err(error) => self.missed(&ask, &error.to_string()),
            }
            self.in_flight.set(self.in_flight.get() - 1);
        }
    }

    async fn connect(&self) -> Result<Connection, AskError> {
        self.endpoint().connect().await
    }

    /// Three attempts: an idle connection may have been closed, and an engine that restarts needs a moment.
    async fn answer(&self, ask: &Ask, connection: &mut Option<Connection>) -> Result<Answer, AskError> {
        let Some(path) = ask.object.path(&ask.id) else { return Err(AskError::Setting("ask about a thing without a name".into())) };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let tried = async {
                let mut open = match connection.take().filter(Connection::is_open) {
                    Some(open) => open,
                    None => self.connect().await?,
                };
                let answer = open.ask(Method::GET, &path, None).await?;
                Ok((open, answer))
            };
            match tried.await {
                Ok((open, answer)) => {
                    *connection = Some(open);
                    return Ok(answer);
                }
                Err(error) if attempt == 3 => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100 * (attempt - 1))).await,
            }
        }
    }

    fn keep(&self, ask: &Ask, answer: &Answer) {
        self.outlet.stats().answers.fetch_add(1, Ordering::Relaxed);
        self.outlet.data(ask.object.source(), &answer.body);
        if ask.object == Object::Container
            && let Ok(container) = sonic_rs::from_slice::<Container>(&answer.body)
        {
            self.follow_up(container);
        }
    }

    /// What a container's inspect names in turn: its image, its volumes (a bind may hide in one), its running execs.
    fn follow_up(&self, container: Container) {
        if let Some(standing) = self.memory.borrow_mut().containers.get_mut(&container.id) {
            standing.auto_remove = container.host_config.auto_remove;
            standing.described = true;
        }
        self.ask_once(Ask::new(Object::Image, container.image, Urgency::Changed));
        for mount in container.mounts.unwrap_or_default() {
            if let (true, Some(name)) = (mount.kind == "volume", mount.name) {
                self.ask_once(Ask::new(Object::Volume, name, Urgency::Changed));
            }
        }
        for exec in container.execs.unwrap_or_default() {
            self.ask_once(Ask::new(Object::Exec, exec, Urgency::Fleeting));
        }
    }

    fn refused(&self, ask: &Ask, message: &str) {
        if ask.after_end {
            return;
        }
        // A container's label may shadow `execID` in the event; the container itself still knows its execs.
        if ask.object == Object::Exec && !ask.near.is_empty() {
            self.ask(Ask::new(Object::Container, ask.near.as_str(), Urgency::Fleeting));
        }
        self.missed(ask, message);
    }

    pub fn missed(&self, ask: &Ask, reason: &str) {
        self.outlet.stats().missed.fetch_add(1, Ordering::Relaxed);
        self.outlet.note(Sight::Missed {
            object: SmolStr::new_static(ask.object.name()),
            id: SmolStr::new(&ask.id),
            reason: SmolStr::new(reason),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(id: &str, urgency: Urgency) -> Ask {
        Ask::new(Object::Container, id, urgency)
    }

    #[test]
    fn the_fleeting_goes_first_and_nothing_waits_twice() {
        let mut waiting = Waiting::default();
        for (id, urgency) in [("old", Urgency::Standing), ("b", Urgency::Fresh), ("old", Urgency::Standing), ("c", Urgency::Fresh)] {
            assert_eq!(waiting.add(ask(id, urgency)), None);
        }
        assert_eq!(waiting.add(ask("old", Urgency::Fleeting)), None, "it waits already, and moves up");
        let order: Vec<String> = std::iter::from_fn(|| waiting.take(Urgency::Standing)).map(|a| a.id).collect();
        assert_eq!(order, ["b", "c", "old"]);
        assert!(waiting.places.is_empty());
    }

    #[test]
    fn kept_workers_take_only_what_may_be_gone_soon() {
        let mut waiting = Waiting::default();
        waiting.add(ask("a", Urgency::Changed));
        assert_eq!(waiting.take(Urgency::Fleeting), None);
        assert!(waiting.take(Urgency::Standing).is_some());
    }

    #[test]
    fn a_flood_pushes_out_the_least_urgent() {
        let mut waiting = Waiting::default();
        waiting.add(ask("standing", Urgency::Standing));
        for number in 1..ASKS_MAX {
            assert_eq!(waiting.add(ask(&number.to_string(), Urgency::Fresh)), None);
        }
        assert_eq!(waiting.add(ask("one more", Urgency::Fresh)).map(|a| a.id).as_deref(), Some("standing"));
        assert_eq!(waiting.by_urgency.len(), waiting.places.len());
    }
}
