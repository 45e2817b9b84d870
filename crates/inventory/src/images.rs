//! `image.appeared`: an image came to be on the host after watching began, once, with how it came.
//!
//! Engines differ in what they say: before API 1.46 a build shows only as a tag, an import is a tag and then an import, a commit is a tag and then a commit.
//! So a tag waits for two seconds for what it may be a part of. A tag on an image that is known already makes no new image.

use crate::host::Host;
use crate::id::Id;
use crate::image_ref::ImageRef;
use crate::names;
use crate::row::{Row, RowOut};
use crate::step::{Listed, Step};
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::{ContainerAction, Fact, ImageAction, ImageSpec, List};
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long the first sign of an image waits for others.
const WAIT: Span = Span::seconds(2);
/// How long a pull may be what brought an image whose id nothing has told yet.
const PULL_KEEP: Span = Span::minutes(10);
const HOSTS_MAX: usize = 1024;
const KNOWN_MAX: usize = 32_768;
const PENDING_MAX: usize = 4096;
const PULLS_MAX: usize = 1024;

/// What is known of the images of each host.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    hosts: IndexMap<SmolStr, Images>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Images {
    /// Image ids that are no news.
    known: IndexSet<SmolStr>,
    /// What came lately and was not said yet: by image id, or for a pull by its reference.
    pending: IndexMap<SmolStr, Pending>,
    /// References pulled lately whose image id nothing has told yet, with their times.
    pulls: IndexMap<SmolStr, Time>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    origin: Origin,
    name: SmolStr,
    moved_from: Option<SmolStr>,
    parent: Option<SmolStr>,
    due: Time,
    evidence: Vec<Arc<Provenance>>,
}

/// How an image came; of several signs the last in this order tells most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Origin {
    Unknown,
    Tagged,
    Built,
    Pulled,
    Loaded,
    Imported,
    Committed,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Origin::Unknown => "unknown",
            Origin::Tagged => "tagged",
            Origin::Built => "built",
            Origin::Pulled => "pulled",
            Origin::Loaded => "loaded",
            Origin::Imported => "imported",
            Origin::Committed => "committed",
        }
    }
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if !matches!(
            step,
            Step::Image { .. }
                | Step::ImageInspected { .. }
                | Step::Inspected { .. }
                | Step::Other { .. }
                | Step::Listed { what: Listed::Images, .. }
        ) {
            return;
        }
        let Some(host) = world.host(&cause.host) else { return };
        match (step, cause.fact()) {
            (Step::Image { id, moved_from }, Some(Fact::Image(said))) => {
                // A pull says the whole reference in its id; the others say the id there.
                let whole = said.name.is_empty() || said.name.starts_with("sha256:") || !said.id.starts_with("sha256:");
                let reference = if whole { &said.id } else { &said.name };
                let name = if ImageRef::parse(reference).is_some() { reference.clone() } else { SmolStr::default() };
                let images = self.of(&cause.host);
                let origin = match said.action {
                    ImageAction::Pull if name.is_empty() => return,
                    ImageAction::Pull => {
                        let key = canonical(&name);
                        if images.pulls.len() >= PULLS_MAX {
                            images.pulls.shift_remove_index(0);
                        }
                        images.pulls.insert(key.clone(), cause.at);
                        images.await_more(&key, Origin::Pulled, name, moved_from.clone(), cause, world, out);
                        return;
                    }
                    ImageAction::Tag => Origin::Tagged,
                    ImageAction::Load => Origin::Loaded,
                    ImageAction::Import => Origin::Imported,
                    ImageAction::Create => Origin::Built,
                    ImageAction::Delete => {
                        if let Some(id) = id {
                            images.say(id, cause.at, host, world, out);
                            images.known.shift_remove(id);
                        }
                        return;
                    }
                    _ => return,
                };
                let Some(id) = id.as_ref().filter(|id| !images.known.contains(*id)) else { return };
                // With some image stores a pull also makes and tags the image; it stays a pull.
                let pulled = images.pulls.get(&canonical(&name)).is_some_and(|at| *at + PULL_KEEP >= cause.at);
                let origin = if pulled && origin < Origin::Pulled { Origin::Pulled } else { origin };
                images.await_more(id, origin, name, moved_from.clone(), cause, world, out);
                if origin > Origin::Tagged {
                    images.say(id, cause.at, host, world, out);
                }
            }
            (Step::Other { id }, Some(Fact::Container(said))) => {
                if let ContainerAction::Commit { reference, image_id: Some(image_id) } = &said.action {
                    let images = self.of(&cause.host);
                    // The tag that came before may be waiting; the commit says more.
                    if images.known.contains(image_id) {
                        return;
                    }
                    images.await_more(image_id, Origin::Committed, reference.clone().unwrap_or_default(), None, cause, world, out);
                    if let Some(pending) = images.pending.get_mut(image_id) {
                        pending.parent = Some(id.text());
                    }
                    images.say(image_id, cause.at, host, world, out);
                }
            }
            (Step::ImageInspected { id, .. }, Some(Fact::ImageSpec(spec))) => self.inspected(id, spec, world, host, cause, out),
            (Step::Inspected { id, .. }, _) => {
                // Whatever a container was made of is on the host; without the list of images nothing says since when.
                let Some(image_id) = host.container(id).map(|container| &container.image_id).filter(|image_id| !image_id.is_empty()) else {
                    return;
                };
                let images = self.of(&cause.host);
                if !images.known.contains(image_id) && !images.pending.contains_key(image_id) {
                    images.met(image_id, SmolStr::default(), host, world, cause, out);
                }
            }
            (Step::Listed { what: Listed::Images, at_start }, Some(Fact::List(List::Images(list)))) => {
                let images = self.of(&cause.host);
                for spec in list {
                    if *at_start {
                        images.learn(&spec.id, out);
                    } else if !images.known.contains(&spec.id) && !images.pending.contains_key(&spec.id) {
                        images.met(&spec.id, spec.tags.first().cloned().unwrap_or_default(), host, world, cause, out);
                    }
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&key.host) else { return };
        let images = self.of(&key.host);
        let id = key.id.text();
        if images.pending.get(&id).is_some_and(|pending| pending.due <= now) {
            images.say(&id, now, host, world, out);
        }
    }
}

impl State {
    fn of(&mut self, host: &SmolStr) -> &mut Images {
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= HOSTS_MAX {
                self.hosts.shift_remove_index(0);
            }
            self.hosts.insert(host.clone(), Images::default());
        }
        self.hosts.entry(host.clone()).or_default()
    }

    fn inspected(&mut self, id: &SmolStr, spec: &ImageSpec, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let images = self.of(&cause.host);
        // A pull says only its reference; the inspect says which image that is, and thereby whether it is a new one.
        for reference in spec.tags.iter().chain(&spec.repo_digests).map(|reference| canonical(reference)) {
            if images.pulls.shift_remove(&reference).is_none() {
                continue;
            }
            let Some(pull) = images.pending.shift_remove(&reference) else { continue };
            out.cancel(pull.due, TimerKey::new(&cause.host, &Id::new(&reference)));
            if !images.known.contains(id) {
                images.drop_pending(id, &cause.host, out);
                images.pending.insert(id.clone(), Pending { moved_from: pull.moved_from.clone().filter(|old| old != id), ..pull });
                images.say(id, cause.at, host, world, out);
            }
        }
        if images.known.contains(id) {
            return;
        }
        match images.pending.get_mut(id) {
            Some(pending) => {
                if pending.name.is_empty() {
                    pending.name = spec.tags.first().cloned().unwrap_or_default();
                }
                if spec.comment.starts_with("Imported from") {
                    pending.origin = pending.origin.max(Origin::Imported);
                }
            }
            None => images.met(id, spec.tags.first().cloned().unwrap_or_default(), host, world, cause, out),
        }
    }
}

impl Images {
    fn learn(&mut self, id: &SmolStr, out: &mut RowOut<'_>) {
        if self.known.len() >= KNOWN_MAX {
            self.known.drain(..KNOWN_MAX / 16);
            out.forgot("inventory.images_known", KNOWN_MAX as u64 / 16);
        }
        self.known.insert(id.clone());
    }

    /// An image of which no event told. Where the list of images at start has been seen it is a new one, else it may always have been there.
    fn met(&mut self, id: &SmolStr, name: SmolStr, host: &Host, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if host.images_listed && host.image(id).is_none_or(|image| !image.at_start) {
            self.await_more(id, Origin::Unknown, name, None, cause, world, out);
        } else {
            self.learn(id, out);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn await_more(
        &mut self,
        key: &SmolStr,
        origin: Origin,
        name: SmolStr,
        moved_from: Option<SmolStr>,
        cause: &Event,
        world: &World,
        out: &mut RowOut<'_>,
    ) {
        if let Some(pending) = self.pending.get_mut(key) {
            pending.origin = pending.origin.max(origin);
            if pending.name.is_empty() {
                pending.name = name;
            }
            pending.moved_from = pending.moved_from.take().or(moved_from);
            if pending.evidence.len() < 10 {
                pending.evidence.extend(cause.evidence.first().cloned());
            }
            return;
        }
        if self.pending.len() >= PENDING_MAX
            && let Some(host) = world.host(&cause.host)
            && let Some(oldest) = self.pending.keys().next().cloned()
        {
            out.forgot("inventory.images_waiting", 1);
            self.say(&oldest, cause.at, host, world, out);
        }
        let due = cause.at + WAIT;
        out.timer(due, TimerKey::new(&cause.host, &Id::new(key)));
        self.pending.insert(key.clone(), Pending { origin, name, moved_from, parent: None, due, evidence: cause.evidence.clone() });
    }

    fn drop_pending(&mut self, id: &SmolStr, host: &SmolStr, out: &mut RowOut<'_>) {
        if let Some(pending) = self.pending.shift_remove(id) {
            out.cancel(pending.due, TimerKey::new(host, &Id::new(id)));
        }
    }

    /// Says an image that waited.
    fn say(&mut self, key: &SmolStr, now: Time, host: &Host, world: &World, out: &mut RowOut<'_>) {
        let Some(mut pending) = self.pending.shift_remove(key) else { return };
        out.cancel(pending.due, TimerKey::new(&host.name, &Id::new(key)));
        let id = key.starts_with("sha256:").then(|| key.clone());
        if let Some(id) = &id {
            self.learn(id, out);
        }
        // Where all images at start are known and no pull is open, an image that only a tag announced was made here.
        self.pulls.retain(|_, at| *at + PULL_KEEP >= now);
        if pending.origin == Origin::Tagged && host.images_listed && self.pulls.is_empty() {
            pending.origin = Origin::Built;
        }
        // The engine names the container of which it made an image: a step of a build, when no commit told it.
        let image = id.as_ref().and_then(|id| host.image(id));
        if pending.origin == Origin::Unknown && image.is_some_and(|image| !image.spec.parent_container.is_empty()) {
            pending.origin = Origin::Built;
        }
        if !out.wants(d::IMAGE_APPEARED) {
            return;
        }
        let parent = pending.parent.or_else(|| image.map(|image| image.spec.parent_container.clone()).filter(|parent| !parent.is_empty()));
        let explained = match pending.origin {
            Origin::Pulled | Origin::Loaded | Origin::Unknown => None,
            _ => Some(world.context.explain_image(host, now)),
        };
        let builder = DerivedBuilder::at(d::IMAGE_APPEARED, "images", now, host.name.clone(), pending.evidence)
            .about(id.as_ref().unwrap_or(&pending.name));
        let builder = builder
            .maybe(d::IMAGE_ID, id)
            .maybe(d::IMAGE_NAME, (!pending.name.is_empty()).then_some(&pending.name))
            .with(d::IMAGE_ORIGIN, pending.origin.as_str())
            .maybe(d::IMAGE_REPOSITORIES, image.map(|image| repositories(&image.references)))
            .maybe(d::IMAGE_MOVED_FROM, pending.moved_from)
            .maybe(
                d::IMAGE_RESEMBLES,
                ImageRef::parse(&pending.name).and_then(|reference| names::resembles(&reference.path)).map(|(known, _)| known),
            )
            .maybe(d::IMAGE_PARENT_CONTAINER, parent)
            .with(d::ACTOR, "unknown")
            .with(d::EXPLAINED, explained.as_ref().map_or("unknown", |explained| explained.verdict.as_str()))
            .maybe(d::EXPLAINED_BY, explained.and_then(|explained| explained.by));
        out.emit(builder.build());
    }
}

fn canonical(reference: &str) -> SmolStr {
    crate::image_ref::known(reference).map_or_else(|| SmolStr::new(reference), |named| named.canonical.clone())
}

/// The repositories among references, each once.
pub(crate) fn repositories(references: &[SmolStr]) -> Vec<SmolStr> {
    let all: IndexSet<SmolStr> =
        references.iter().filter_map(|reference| ImageRef::parse(reference)).map(|parsed| parsed.repository()).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::{ContainerSpec, ImageEvent};

    const A: &str = "sha256:aa";
    const B: &str = "sha256:bb";

    fn list(play: &mut Play, ids: &[&str]) {
        let images = ids.iter().map(|id| ImageSpec { id: (*id).into(), digests_known: true, ..ImageSpec::default() }).collect();
        play.tell(d::DOCKER_LIST, Some(Fact::List(List::Images(images))));
    }

    fn inspect(play: &mut Play, id: &str, tag: &str) {
        let spec = ImageSpec { id: id.into(), tags: vec![tag.into()], digests_known: true, ..ImageSpec::default() };
        play.tell(d::DOCKER_IMAGE, Some(Fact::ImageSpec(Box::new(spec))));
    }

    fn draw(play: &Play) -> String {
        play.draw(d::IMAGE_APPEARED, &["image.id", "image.name", "image.origin", "image.moved_from"])
    }

    #[test]
    fn imports_and_loads_are_said_at_once_under_the_name_of_their_tag() {
        let mut play = Play::new();
        play.image(A, "alpine:3.20", ImageAction::Tag).image(A, A, ImageAction::Import).image(B, "x:1", ImageAction::Load);
        play.wait(5.0);
        assert_eq!(draw(&play), "sha256:aa | alpine:3.20 | imported | -\nsha256:bb | x:1 | loaded | -");
    }

    #[test]
    fn a_tag_alone_is_a_build_only_where_all_images_are_known() {
        let mut play = Play::new();
        play.image(A, "app:1", ImageAction::Tag).wait(3.0);
        list(&mut play, &[A]);
        play.image(B, "app:2", ImageAction::Tag).image(A, "other:1", ImageAction::Tag).wait(3.0);
        assert_eq!(draw(&play), "sha256:aa | app:1 | tagged | -\nsha256:bb | app:2 | built | -");
    }

    #[test]
    fn a_build_says_so_itself_on_newer_engines() {
        let mut play = Play::new();
        play.image(A, A, ImageAction::Create).wait(3.0);
        assert_eq!(draw(&play), "sha256:aa | - | built | -");
    }

    #[test]
    fn a_pull_is_told_with_its_id_when_inspect_knows_it_and_only_when_it_brought_something() {
        let mut play = Play::new();
        list(&mut play, &[A]);
        play.image("alpine:3.20", "alpine", ImageAction::Pull);
        inspect(&mut play, B, "alpine:3.20");
        play.image("busybox:1", "busybox", ImageAction::Pull);
        inspect(&mut play, A, "busybox:1");
        play.image("late:1", "late", ImageAction::Pull).wait(3.0);
        assert_eq!(draw(&play), "sha256:bb | alpine:3.20 | pulled | -\n- | late:1 | pulled | -");
    }

    #[test]
    fn a_commit_names_its_container() {
        let mut play = Play::new();
        play.run("c1", ContainerSpec { name: "web".into(), image: "web:1".into(), image_id: A.into(), ..ContainerSpec::default() });
        play.image(B, "clean:1", ImageAction::Tag);
        let commit = ContainerAction::Commit { reference: Some("clean:1".into()), image_id: Some(B.into()) };
        play.container("c1", "web", "web:1", commit).wait(3.0);
        assert_eq!(
            play.draw(d::IMAGE_APPEARED, &["image.id", "image.name", "image.origin", "image.parent_container"]),
            format!("sha256:bb | clean:1 | committed | {}", id("c1"))
        );
    }

    #[test]
    fn what_stood_there_or_was_used_before_is_no_news() {
        let mut play = Play::new();
        play.run("c1", ContainerSpec { name: "web".into(), image: "web:1".into(), image_id: A.into(), ..ContainerSpec::default() });
        play.image(A, "again:1", ImageAction::Tag).wait(3.0);
        assert_eq!(draw(&play), "");
        list(&mut play, &[A]);
        list(&mut play, &[A, B]);
        play.wait(3.0);
        assert_eq!(draw(&play), "sha256:bb | - | unknown | -");
        let event = ImageEvent { id: B.into(), action: ImageAction::Delete, name: "".into() };
        play.tell(d::DOCKER_EVENT, Some(Fact::Image(event))).image(B, "b:1", ImageAction::Tag).wait(3.0);
        assert!(draw(&play).ends_with("sha256:bb | b:1 | built | -"));
    }
}
