//! `image.masquerade`: an image or a container wears a name that its origin does not bear out.
//!
//! What counts as evidence cannot be forged by whoever chooses names: which image id a reference means, how the reference came to mean it, which registry
//! digests the engine knows, which labels the kubelet always sets. A mere likeness of names is evidence of the weakest sort.

use crate::container::Container;
use crate::fields::container_fields;
use crate::host::{Host, Image};
use crate::id::Id;
use crate::image_ref::{self, ImageRef};
use crate::images::repositories;
use crate::names::{self, Likeness};
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::{Fact, ImageAction};
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long a container is judged again when more becomes known of it.
const WATCH: Span = Span::seconds(2);
/// How long a pull bears out a tag.
const PULL_KEEP: Span = Span::minutes(10);
const TAGS_MAX: usize = 16_384;
const PULLS_MAX: usize = 4096;
const USES_MAX: usize = 16_384;
const WATCHED_MAX: usize = 65_536;
/// Image references whose likeness is remembered.
const LIKENESS_MAX: usize = 1024;
/// Repositories remembered of one image.
const REPOSITORIES_MAX: usize = 16;

const ONE_ID: u8 = 1;
const TAGGED: u8 = 2;
const NO_DIGEST: u8 = 4;
const NO_LABELS: u8 = 8;
const MOVED: u8 = 16;
const SIMILAR: u8 = 32;

/// The words that rules use, in the order of the dictionary.
const WORDS: &[(u8, &str)] = &[
    (ONE_ID, "one_id_many_repositories"),
    (TAGGED, "tagged_without_pull"),
    (NO_DIGEST, "no_digest_for_public_registry"),
    (NO_LABELS, "kubelet_name_without_labels"),
    (MOVED, "reference_moved"),
    (SIMILAR, "similar_name"),
];

/// How references came to mean what they mean, and under which names images were used.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// References that were given on this host, by host and reference: to which image, and the evidence that gave.
    tags: IndexMap<(SmolStr, SmolStr), (SmolStr, u8)>,
    pulls: IndexMap<(SmolStr, SmolStr), Time>,
    /// Repositories under which containers were made of an image id.
    uses: IndexMap<(SmolStr, SmolStr), Vec<SmolStr>>,
    /// Containers that came lately, or were renamed.
    watched: IndexMap<(SmolStr, Id), Watched>,
    /// Which known name each image reference resembles: there are few references, and many containers of each.
    #[serde(skip)]
    likeness: IndexMap<SmolStr, Likely>,
}

type Likely = Option<(&'static str, Likeness)>;

/// A container that is judged again when more becomes known of it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Watched {
    /// The evidence already said.
    said: u8,
    /// Until when.
    due: Time,
    /// Known name that its own name or a label resembles without a right to it.
    wears: Option<SmolStr>,
    /// Records of its creation while its inspect is awaited: only that tells whether the operator's context knows it.
    waiting: Vec<Arc<Provenance>>,
}

/// What was found.
#[derive(Default)]
struct Found {
    evidence: u8,
    resembles: Option<SmolStr>,
    moved_from: Option<SmolStr>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if !out.wants(d::IMAGE_MASQUERADE) {
            return;
        }
        let Some(host) = world.host(&cause.host) else { return };
        match step {
            Step::Image { id, moved_from } => {
                if let Some(Fact::Image(said)) = cause.fact() {
                    match (&said.action, id) {
                        (ImageAction::Pull, _) => self.pulled(&said.id, &said.name, cause),
                        (ImageAction::Tag, Some(id)) => self.tagged(id, &said.name, moved_from.as_ref(), host, cause, out),
                        _ => {}
                    }
                }
            }
            Step::Created { id, .. } | Step::Found { id } => {
                self.watch(id, true, host, cause, out);
                if host.container(id).is_some_and(|container| container.posture.is_none()) {
                    if let Some(watched) = self.watched.get_mut(&(cause.host.clone(), id.clone())) {
                        watched.waiting.extend(cause.evidence.first().cloned());
                    }
                } else {
                    self.judge(id, world, host, cause.at, &cause.evidence, out);
                }
            }
            Step::Renamed { id, .. } => {
                self.watch(id, true, host, cause, out);
                if !self.waits(host, id) {
                    self.judge(id, world, host, cause.at, &cause.evidence, out);
                }
            }
            Step::Removed { id, .. } if self.waits(host, id) => self.judge(id, world, host, cause.at, &cause.evidence, out),
            Step::Inspected { id, first, .. } => {
                if *first {
                    self.used(id, host);
                    self.watch(id, false, host, cause, out);
                }
                self.judge(id, world, host, cause.at, &cause.evidence, out);
            }
            Step::ImageInspected { id, .. } => {
                let fresh: Vec<Id> =
                    self.watched.keys().filter(|(on, _)| *on == cause.host).map(|(_, container)| container.clone()).collect();
                for container in fresh {
                    if host.container(&container).is_some_and(|container| container.image_id == *id) && !self.waits(host, &container) {
                        self.judge(&container, world, host, cause.at, &cause.evidence, out);
                    }
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let place = (key.host.clone(), key.id.clone());
        if self.watched.get(&place).is_none_or(|watched| watched.due > now) {
            return;
        }
        if let Some(host) = world.host(&key.host).filter(|host| self.waits(host, &key.id)) {
            self.judge(&key.id, world, host, now, &[], out);
        }
        self.watched.swap_remove(&place);
    }
}

impl State {
    /// Keeps an eye on a container for a while; `named`: its name is new and has to be looked at.
    fn watch(&mut self, id: &Id, named: bool, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let key = (cause.host.clone(), id.clone());
        if self.watched.len() >= WATCHED_MAX && !self.watched.contains_key(&key) {
            self.watched.drain(..WATCHED_MAX / 16);
            out.forgot("inventory.masquerade_watched", WATCHED_MAX as u64 / 16);
        }
        let watched = self.watched.entry(key).or_default();
        watched.due = cause.at + WATCH;
        out.timer(watched.due, TimerKey::new(&cause.host, id));
        // At first sight a likeness is no news: names have stood there for years.
        if named && let Some(container) = host.container(id).filter(|container| !container.preexisting()) {
            watched.wears = wears(container).map(SmolStr::new_static);
        }
    }

    fn pulled(&mut self, id: &str, name: &str, cause: &Event) {
        for reference in [id, name].into_iter().filter_map(ImageRef::parse) {
            let key = (cause.host.clone(), reference.canonical());
            // What a pull set is the registry's word again.
            self.tags.swap_remove(&key);
            if self.pulls.len() >= PULLS_MAX {
                self.pulls.drain(..PULLS_MAX / 16);
            }
            self.pulls.insert(key, cause.at);
        }
    }

    /// A reference was given here. That is ordinary for names of one's own, and telling for names that belong to somebody else.
    fn tagged(&mut self, id: &SmolStr, name: &str, moved_from: Option<&SmolStr>, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let Some(reference) = ImageRef::parse(name) else { return };
        let key = (cause.host.clone(), reference.canonical());
        if self.pulls.get(&key).is_some_and(|at| *at + PULL_KEEP >= cause.at)
            || host.image(id).is_some_and(|image| borne_out(image, &reference))
        {
            self.tags.swap_remove(&key);
            return;
        }
        let likeness = likeness_of(&reference);
        let known = likeness.is_some_and(|(_, likeness)| likeness == Likeness::Exact);
        // The name meant what a registry gave until now.
        let was_pulled = moved_from.and_then(|old| host.image(old)).is_some_and(|old| borne_out(old, &reference));
        let mut evidence = 0;
        if known || was_pulled || reference.names_public_registry() {
            evidence |= TAGGED;
        }
        if moved_from.is_some() && (known || was_pulled) {
            evidence |= MOVED;
        }
        if likeness.is_some_and(|(_, likeness)| likeness == Likeness::Similar) {
            evidence |= SIMILAR;
        }
        if self.tags.len() >= TAGS_MAX {
            self.tags.drain(..TAGS_MAX / 16);
            out.forgot("inventory.tags", TAGS_MAX as u64 / 16);
        }
        self.tags.insert(key, (id.clone(), evidence));
        // A build for a public registry is tagged before it is pushed; only a container that runs of it makes that worth a word.
        if evidence == 0 || evidence == TAGGED && !known && !was_pulled {
            return;
        }
        let found = Found { evidence, resembles: likeness.map(|(known, _)| SmolStr::new_static(known)), moved_from: moved_from.cloned() };
        let builder = DerivedBuilder::caused_by(d::IMAGE_MASQUERADE, "masquerade", cause).about(id);
        let image = host.image(id);
        out.emit(image_fields(builder, &found, Some(id), name, image.map(|image| repositories(&image.references))).build());
    }

    /// A container was made of an image, under some name.
    fn used(&mut self, id: &Id, host: &Host) {
        let Some(container) = host.container(id).filter(|container| !container.image_id.is_empty()) else { return };
        let Some(named) = image_ref::known(&container.image) else { return };
        let key = (host.name.clone(), container.image_id.clone());
        if !self.uses.contains_key(&key) && self.uses.len() >= USES_MAX {
            self.uses.drain(..USES_MAX / 16);
        }
        let repositories = self.uses.entry(key).or_default();
        if !repositories.contains(&named.repository) && repositories.len() < REPOSITORIES_MAX {
            repositories.push(named.repository.clone());
        }
    }

    /// Says what of a container's names is not borne out and was not said yet.
    fn judge(&mut self, id: &Id, world: &World, host: &Host, at: Time, records: &[Arc<Provenance>], out: &mut RowOut<'_>) {
        let key = (host.name.clone(), id.clone());
        let (Some(container), true) = (host.container(id), self.watched.contains_key(&key)) else { return };
        let likeness = self.likeness(&container.image);
        let Some(watched) = self.watched.get(&key) else { return };
        let found = self.evidence(container, watched, likeness, host);
        let new = found.evidence & !watched.said != 0;
        let mut evidence = records.to_vec();
        if let Some(watched) = self.watched.get_mut(&key) {
            watched.said |= found.evidence;
            let earlier = std::mem::take(&mut watched.waiting).into_iter();
            evidence.extend(earlier.filter(|record| !records.iter().any(|known| Arc::ptr_eq(known, record))));
        }
        if !new {
            return;
        }
        let builder = DerivedBuilder::at(d::IMAGE_MASQUERADE, "masquerade", at, host.name.clone(), evidence).about(&container.id.text());
        let repositories = self.uses.get(&(host.name.clone(), container.image_id.clone())).cloned();
        let image_id = Some(&container.image_id).filter(|image_id| !image_id.is_empty());
        let mut builder = image_fields(builder, &found, image_id, &container.image, repositories);
        container_fields(&mut builder, world, host, container, at);
        out.emit(builder.build());
    }

    /// Whether a container's inspect is awaited before its names are judged.
    fn waits(&self, host: &Host, id: &Id) -> bool {
        self.watched.get(&(host.name.clone(), id.clone())).is_some_and(|watched| !watched.waiting.is_empty())
    }

    /// Which known name an image reference resembles.
    fn likeness(&mut self, image: &SmolStr) -> Likely {
        if let Some(known) = self.likeness.get(image) {
            return *known;
        }
        let reference = ImageRef::parse(image)?;
        let likeness = likeness_of(&reference);
        if self.likeness.len() >= LIKENESS_MAX {
            self.likeness.clear();
        }
        self.likeness.insert(image.clone(), likeness);
        likeness
    }

    fn evidence(&self, container: &Container, watched: &Watched, likeness: Likely, host: &Host) -> Found {
        let mut found = Found::default();
        let kubelet = container.name.starts_with("k8s_");
        if kubelet && !(container.label("io.kubernetes.pod.uid").is_some() && container.label("io.kubernetes.container.name").is_some()) {
            found.evidence |= NO_LABELS;
            found.resembles = Some(SmolStr::new_static(names::resembles(&container.name).map_or("kubelet", |(known, _)| known)));
        }
        let reference = ImageRef::parse(&container.image);
        if let Some(reference) = &reference {
            let resembled = || likeness.map(|(known, _)| SmolStr::new_static(known));
            let known = likeness.is_some_and(|(_, likeness)| likeness == Likeness::Exact);
            let claims = known || reference.names_public_registry();
            let image = host.image(&container.image_id).filter(|image| image.spec.digests_known);
            let unborne = image.is_some_and(|image| !borne_out(image, reference));
            if claims && unborne {
                found.evidence |= NO_DIGEST;
                found.resembles = found.resembles.or_else(resembled);
            }
            if let Some((to, evidence)) = self.tags.get(&(host.name.clone(), reference.canonical()))
                && (container.image_id.is_empty() || container.image_id == *to)
                && image.is_none_or(|image| !borne_out(image, reference))
            {
                found.evidence |= evidence;
            }
            if likeness.is_some_and(|(_, likeness)| likeness == Likeness::Similar) {
                found.evidence |= SIMILAR;
            }
            if found.evidence != 0 {
                found.resembles = found.resembles.or_else(resembled);
            }
        }
        if let Some(repositories) = self.uses.get(&(host.name.clone(), container.image_id.clone())) {
            let mut parsed = repositories.iter().filter_map(|repository| ImageRef::parse(repository));
            if let Some(first) = parsed.next()
                && parsed.any(|other| !kin(&first, &other))
            {
                found.evidence |= ONE_ID;
            }
        }
        if let Some(known) = &watched.wears {
            found.evidence |= SIMILAR;
            found.resembles = found.resembles.or_else(|| Some(known.clone()));
        }
        found
    }
}

/// The known name that a container's name takes without its image's path speaking of it, or that the name or a label imitates.
fn wears(container: &Container) -> Option<&'static str> {
    if container.name.starts_with("k8s_") {
        return None;
    }
    // A label in letters of another script that looks like a known name is there to be misread.
    let foreign = container.labels.iter().map(|(_, value)| value).filter(|value| !value.is_ascii());
    let disguised = || foreign.filter_map(|value| names::resembles(value)).find(|(_, likeness)| *likeness == Likeness::Similar);
    let named = names::resembles(&container.name).filter(|(known, likeness)| match likeness {
        Likeness::Similar => true,
        Likeness::Exact => !ImageRef::parse(&container.image).is_some_and(|reference| is_of(&reference, known)),
    });
    named.or_else(disguised).map(|(known, _)| known)
}

/// The known name that an image's path holds, or that its last part imitates: whole paths of real products are near to one another.
fn likeness_of(reference: &ImageRef) -> Option<(&'static str, Likeness)> {
    let exact = names::resembles(&reference.path).filter(|(_, likeness)| *likeness == Likeness::Exact);
    exact.or_else(|| names::resembles(reference.base()))
}

/// Whether the engine knows a registry digest of the image under this repository, or under another address of the same thing.
fn borne_out(image: &Image, reference: &ImageRef) -> bool {
    image.spec.repo_digests.iter().filter_map(|digest| ImageRef::parse(digest)).any(|pulled| pulled.related(reference))
}

/// Whether two repositories are plainly of one family: the same thing at two addresses, or services built from one source (`shop-web` and `shop-worker`).
fn kin(one: &ImageRef, other: &ImageRef) -> bool {
    let family = |reference: &ImageRef| reference.base().split(['-', '_', '.']).next().filter(|word| word.len() >= 3).map(str::to_owned);
    one.related(other) || family(one).is_some_and(|word| Some(word) == family(other))
}

/// Whether an image's path speaks of the product that a known name stands for (`datadog-agent` and `datadoghq/agent`).
fn is_of(reference: &ImageRef, known: &str) -> bool {
    let path = names::skeleton(&reference.path);
    let first = known.split('-').next().unwrap_or(known);
    let stem = first.strip_suffix('d').filter(|stem| stem.len() > 4).unwrap_or(first);
    path.contains(&names::skeleton(known)) || first.len() > 4 && path.contains(&names::skeleton(stem))
}

fn image_fields(
    builder: DerivedBuilder,
    found: &Found,
    id: Option<&SmolStr>,
    name: &str,
    repositories: Option<Vec<SmolStr>>,
) -> DerivedBuilder {
    let words: Vec<&str> = WORDS.iter().filter(|(bit, _)| found.evidence & bit != 0).map(|(_, word)| *word).collect();
    builder
        .maybe(d::IMAGE_ID, id)
        .with(d::IMAGE_NAME, name)
        .maybe(d::IMAGE_REPOSITORIES, repositories)
        .maybe(d::IMAGE_MOVED_FROM, found.moved_from.as_ref())
        .maybe(d::IMAGE_RESEMBLES, found.resembles.as_ref())
        .with(d::IMAGE_EVIDENCE, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;
    use event::fact::{ContainerAction, ContainerSpec, ImageSpec};

    const REAL: &str = "sha256:aa";
    const FAKE: &str = "sha256:bb";

    fn describe(play: &mut Play, id: &str, tag: &str, digests: &[&str]) {
        let digests = digests.iter().map(|digest| (*digest).into()).collect();
        let spec = ImageSpec { id: id.into(), tags: vec![tag.into()], repo_digests: digests, digests_known: true, ..ImageSpec::default() };
        play.tell(d::DOCKER_IMAGE, Some(Fact::ImageSpec(Box::new(spec))));
    }

    fn of(name: &str, image: &str, image_id: &str) -> ContainerSpec {
        ContainerSpec { name: name.into(), image: image.into(), image_id: image_id.into(), ..ContainerSpec::default() }
    }

    fn draw(play: &Play) -> String {
        play.draw(d::IMAGE_MASQUERADE, &["container.name", "image.id", "image.name", "image.resembles", "image.evidence"])
    }

    #[test]
    fn a_trusted_name_that_is_moved_to_a_local_image_is_told_at_the_tag_and_at_the_container() {
        let mut play = Play::new();
        describe(&mut play, REAL, "falcosecurity/falco:latest", &["falcosecurity/falco@sha256:01"]);
        play.image(FAKE, "falcosecurity/falco:latest", ImageAction::Tag);
        describe(&mut play, FAKE, "falcosecurity/falco:latest", &[]);
        play.run("c1", of("f", "falcosecurity/falco:latest", FAKE));
        assert_eq!(
            draw(&play),
            "- | sha256:bb | falcosecurity/falco:latest | falco | tagged_without_pull,reference_moved\n\
             f | sha256:bb | falcosecurity/falco:latest | falco | tagged_without_pull,no_digest_for_public_registry,reference_moved"
        );
    }

    #[test]
    fn the_registrys_word_bears_a_name_out() {
        let mut play = Play::new();
        play.image("quay.io/acme/app:1", "quay.io/acme/app", ImageAction::Pull);
        describe(&mut play, REAL, "quay.io/acme/app:1", &["quay.io/acme/app@sha256:01"]);
        // A mirror's tag of the same thing, one's own build, and a tag of one's own are ordinary.
        play.image(REAL, "mirror.example/acme/app:1", ImageAction::Tag).image(FAKE, "shop:dev", ImageAction::Tag);
        play.run("c1", of("a", "quay.io/acme/app:1", REAL)).run("c2", of("b", "shop:dev", FAKE)).wait(3.0);
        assert_eq!(draw(&play), "");
    }

    #[test]
    fn a_public_name_without_a_registrys_digest_is_told_only_when_digests_are_known() {
        let mut play = Play::new();
        play.run("c1", of("a", "quay.io/acme/app:1", FAKE));
        assert_eq!(draw(&play), "");
        describe(&mut play, FAKE, "quay.io/acme/app:1", &[]);
        assert_eq!(draw(&play), "a | sha256:bb | quay.io/acme/app:1 | - | no_digest_for_public_registry");
        // The same again says nothing new.
        describe(&mut play, FAKE, "quay.io/acme/app:1", &[]);
        assert_eq!(draw(&play).lines().count(), 1);
    }

    #[test]
    fn one_image_under_unrelated_names_is_told() {
        let mut play = Play::new();
        play.run("c1", of("a", "app:1", REAL)).run("c2", of("b", "registry.example/app:1", REAL));
        assert_eq!(draw(&play), "");
        play.run("c4", of("d", "shop-web:1", FAKE)).run("c5", of("e", "shop-worker:1", FAKE));
        assert_eq!(draw(&play), "");
        play.run("c3", of("c", "metrics:2", REAL));
        assert_eq!(draw(&play), "c | sha256:aa | metrics:2 | - | one_id_many_repositories");
    }

    #[test]
    fn a_kubelets_name_needs_a_kubelets_labels() {
        let mut play = Play::new();
        play.container("c1", "k8s_kube-proxy_x_kube-system_1_0", "alpine:3.20", ContainerAction::Create);
        let labels = [("io.kubernetes.pod.uid", "1"), ("io.kubernetes.container.name", "kube-proxy")];
        play.labelled("c2", "k8s_kube-proxy_y_kube-system_1_0", "alpine:3.20", ContainerAction::Create, &labels);
        assert_eq!(draw(&play), "", "the inspect may still come");
        play.wait(2.1);
        assert_eq!(draw(&play), "k8s_kube-proxy_x_kube-system_1_0 | - | alpine:3.20 | kube-proxy | kubelet_name_without_labels");
    }

    #[test]
    fn likeness_of_names_is_evidence_of_its_own_weak_sort() {
        let mut play = Play::new();
        play.container("c1", "falc0", "alpine:3.20", ContainerAction::Create);
        play.container("c2", "falco", "falcosecurity/falco:0.40", ContainerAction::Create);
        play.container("c3", "datadog-agent", "gcr.io/datadoghq/agent:7", ContainerAction::Create);
        play.container("c4", "x", "falcоsecurity/fаlco:1", ContainerAction::Create);
        play.labelled("c6", "y", "alpine", ContainerAction::Create, &[("app", "falcо"), ("note", "für alle")]);
        play.wait(2.1);
        play.container("c5", "x", "alpine", ContainerAction::Create).container(
            "c5",
            "tetragon",
            "alpine",
            ContainerAction::Rename { old_name: None },
        );
        play.wait(2.1);
        assert_eq!(
            draw(&play),
            "falc0 | - | alpine:3.20 | falco | similar_name\nx | - | falcоsecurity/fаlco:1 | falco | similar_name\n\
             y | - | alpine | falco | similar_name\ntetragon | - | alpine | tetragon | similar_name"
        );
    }
}
