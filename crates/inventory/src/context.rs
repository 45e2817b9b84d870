//! What the operator declared to be expected, and how far a container keeps to it.
//!
//! An entry names a workload by what it cannot choose: the image's id or registry digest, and the command. It explains only within its bounds, and only until
//! it expires. Labels and names are refused: an attacker writes them.

mod identity;
mod read;
mod schedule;

use crate::container::Container;
use crate::host::Host;
use crate::posture::Danger;
use event::{Problem, SmolStr, Time};
use identity::Identity;
use schedule::Schedule;
use std::collections::BTreeMap;

/// The declared workloads.
#[derive(Clone, Debug, Default)]
pub struct Context {
    workloads: Vec<Workload>,
    /// Entries by the image id or digest that they name.
    by_image: BTreeMap<SmolStr, Vec<u32>>,
    builders: Vec<Builder>,
    identities: Vec<Identity>,
}

/// A declared workload.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Image id or registry digest, `sha256:…`.
    pub(crate) image: SmolStr,
    /// Executable and arguments, as inspect shows them, joined by blanks.
    pub(crate) command: SmolStr,
    /// The most that may stand at once on one host.
    pub(crate) max_standing: Option<u32>,
    /// What its posture may be at worst.
    pub(crate) posture: Allowed,
    /// When it may be created.
    pub(crate) schedule: Option<Schedule>,
    /// It is part of monitoring.
    pub(crate) sensor: bool,
    /// Owner and reason.
    pub(crate) by: SmolStr,
    /// The end of its last day.
    pub(crate) expires: Time,
}

/// A host on which images are made.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    pub(crate) host: SmolStr,
    pub(crate) by: SmolStr,
    pub(crate) expires: Time,
}

/// The worst posture that an entry allows.
#[derive(Clone, Debug)]
pub(crate) enum Allowed {
    /// Any reason up to this level.
    Level(Danger),
    /// These reasons only, as `container.posture.dangerous` gives them.
    Reasons(Vec<SmolStr>),
}

/// What the context says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The verdict.
    pub verdict: Verdict,
    /// Owner and reason of the entry.
    pub by: Option<SmolStr>,
}

/// The verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An entry names it, and it keeps within the entry's bounds.
    Known,
    /// No entry names it.
    Unknown,
    /// An entry names it, but it goes beyond the entry's bounds.
    Contradicted,
}

impl Verdict {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Known => "known",
            Verdict::Unknown => "unknown",
            Verdict::Contradicted => "contradicted",
        }
    }
}

impl Explained {
    const UNKNOWN: Explained = Explained { verdict: Verdict::Unknown, by: None };
}

impl Context {
    /// Reads a context file. Entries with errors are left out; the rest is usable.
    pub fn parse(text: &str, file: &str) -> (Context, Vec<Problem>) {
        let (read::Entries { workloads, builders, identities }, problems) = read::read(text, file);
        let mut by_image: BTreeMap<SmolStr, Vec<u32>> = BTreeMap::new();
        for (index, workload) in workloads.iter().enumerate() {
            by_image.entry(workload.image.clone()).or_default().push(u32::try_from(index).unwrap_or(u32::MAX));
        }
        (Context { workloads, by_image, builders, identities }, problems)
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.workloads.is_empty() && self.builders.is_empty() && self.identities.is_empty()
    }

    /// What it says of a container at a time.
    pub fn explain(&self, host: &Host, container: &Container, time: Time) -> Explained {
        let mut contradicted = None;
        for entry in self.naming(host, container) {
            let Some(workload) = self.workloads.get(entry as usize).filter(|workload| time < workload.expires) else { continue };
            let within = workload.allows(container, time) && workload.max_standing.is_none_or(|max| host.standing_of(entry) <= max);
            if within {
                return Explained { verdict: Verdict::Known, by: Some(workload.by.clone()) };
            }
            contradicted.get_or_insert(workload);
        }
        match contradicted {
            Some(workload) => Explained { verdict: Verdict::Contradicted, by: Some(workload.by.clone()) },
            None => Explained::UNKNOWN,
        }
    }

    /// What it says of an image that came to be on a host by being built, imported, committed or tagged there.
    pub fn explain_image(&self, host: &Host, time: Time) -> Explained {
        match self.builders.iter().find(|builder| builder.host == host.name && time < builder.expires) {
            Some(builder) => Explained { verdict: Verdict::Known, by: Some(builder.by.clone()) },
            None => Explained::UNKNOWN,
        }
    }

    /// What it says of a request to an API server.
    pub fn explain_request(&self, who: &crate::who::Who, request: &event::kubernetes::ApiRequest, time: Time) -> Explained {
        let mut contradicted = None;
        for identity in self.identities.iter().filter(|identity| identity.name == who.name && time < identity.expires) {
            if identity.allows(who, request) {
                return Explained { verdict: Verdict::Known, by: Some(identity.by.clone()) };
            }
            contradicted.get_or_insert(identity);
        }
        match contradicted {
            Some(identity) => Explained { verdict: Verdict::Contradicted, by: Some(identity.by.clone()) },
            None => Explained::UNKNOWN,
        }
    }

    /// The entry that declares a container to be a sensor, by its owner and reason.
    pub fn sensor(&self, host: &Host, container: &Container) -> Option<SmolStr> {
        self.naming(host, container)
            .filter_map(|entry| self.workloads.get(entry as usize))
            .find(|workload| workload.sensor)
            .map(|w| w.by.clone())
    }

    /// The first entry that names a container, whatever its bounds.
    pub(crate) fn entry(&self, host: &Host, container: &Container) -> Option<u32> {
        self.naming(host, container).next()
    }

    /// The first entry that names a container whose posture and time of creation keep within it.
    pub(crate) fn entry_within(&self, host: &Host, container: &Container) -> Option<u32> {
        let time = container.created.unwrap_or(Time(0));
        self.naming(host, container)
            .find(|entry| self.workloads.get(*entry as usize).is_some_and(|workload| workload.allows(container, time)))
    }

    /// Whether an entry still explains what stands of it: neither expired nor exceeded.
    pub(crate) fn holds(&self, entry: u32, host: &Host, time: Time) -> bool {
        self.workloads
            .get(entry as usize)
            .is_some_and(|workload| time < workload.expires && workload.max_standing.is_none_or(|max| host.standing_of(entry) <= max))
    }

    /// Owner and reason of an entry.
    pub(crate) fn by(&self, entry: u32) -> Option<SmolStr> {
        self.workloads.get(entry as usize).map(|workload| workload.by.clone())
    }

    /// Entries that name a container by image and command, in the order of the file.
    fn naming<'a>(&'a self, host: &Host, container: &Container) -> impl Iterator<Item = u32> + use<'a> {
        let mut found: Vec<u32> = Vec::new();
        let digest = container.pod.as_ref().map_or("", |part| part.digest.as_str());
        if !self.by_image.is_empty()
            && (!container.image_id.is_empty() || !digest.is_empty())
            && let Some(kept) = &container.kept
        {
            let digests = host.image(&container.image_id).map_or(&[][..], |image| &image.spec.repo_digests);
            let digests = digests.iter().filter_map(|digest| digest.rsplit_once('@')).map(|(_, digest)| digest);
            let names = [container.image_id.as_str(), digest].into_iter().chain(digests);
            let entries = names.filter_map(|name| self.by_image.get(name)).flatten();
            found.extend(
                entries.filter(|entry| {
                    self.workloads.get(**entry as usize).is_some_and(|workload| is_joined(&workload.command, &kept.command))
                }),
            );
            found.sort_unstable();
            found.dedup();
        }
        found.into_iter()
    }
}

impl Workload {
    /// Whether a container keeps within the bounds that concern it alone.
    fn allows(&self, container: &Container, time: Time) -> bool {
        let created = container.created.filter(|_| !container.preexisting()).unwrap_or(time);
        let in_time = self.schedule.as_ref().is_none_or(|schedule| schedule.allows(created));
        let Some(posture) = &container.posture else { return false };
        in_time
            && match &self.posture {
                Allowed::Level(level) => posture.level <= *level,
                Allowed::Reasons(reasons) => posture.dangerous.iter().all(|reason| reasons.contains(reason)),
            }
    }
}

/// Whether `line` is these words, joined by blanks.
fn is_joined(line: &str, words: &[SmolStr]) -> bool {
    let mut rest = line;
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            match rest.strip_prefix(' ') {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        match rest.strip_prefix(word.as_str()) {
            Some(tail) => rest = tail,
            None => return false,
        }
    }
    rest.is_empty()
}

/// Writes the entry that accepts a container as it stands; `None` while its image id or command is unknown.
pub fn entry_for(container: &Container, max_standing: u32, owner: &str, reason: &str, expires: &str) -> Option<String> {
    let posture = container.posture.as_ref()?;
    let command = container.kept.as_ref()?.command.join(" ");
    // Of a pod's image only the registry's digest is known.
    let image = if container.image_id.is_empty() { &container.pod.as_ref()?.digest } else { &container.image_id };
    if image.is_empty() {
        return None;
    }
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let reasons: Vec<String> = posture.dangerous.iter().map(|reason| quote(reason)).collect();
    Some(format!(
        "[[workload]]\nimage = {}\ncommand = {}\nmax_standing = {max_standing}\nposture = [{}]\nowner = {}\nreason = {}\nexpires = {}\n",
        quote(image),
        quote(&command),
        reasons.join(", "),
        quote(owner),
        quote(reason),
        quote(expires),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::dictionary as d;
    use event::fact::{ContainerSpec, Fact, ImageSpec};

    const IMAGE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const DIGEST: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn spec() -> ContainerSpec {
        ContainerSpec {
            image: "agent:1".into(),
            image_id: IMAGE.into(),
            command: vec!["/bin/agent".into(), "--serve \"all\" ".into()],
            privileged: true,
            ..ContainerSpec::default()
        }
    }

    /// What a context says of that container when it appears.
    fn verdict(text: &str) -> String {
        let (context, problems) = Context::parse(text, "context.toml");
        assert_eq!(problems, []);
        let mut play = Play::with(context);
        let image = ImageSpec {
            id: IMAGE.into(),
            repo_digests: vec![format!("registry.example/agent@{DIGEST}").into()],
            digests_known: true,
            ..ImageSpec::default()
        };
        play.tell(d::DOCKER_IMAGE, Some(Fact::ImageSpec(Box::new(image))));
        play.run("a", spec());
        play.draw(d::CONTAINER_APPEARED, &["explained", "explained.by"])
    }

    fn entry(image: &str, more: &str) -> String {
        let head = format!("[[workload]]\nimage = \"{image}\"\ncommand = '/bin/agent --serve \"all\" '\nowner = \"o\"\nreason = \"r\"\n");
        let expires = if more.contains("expires") { "" } else { "expires = \"2027-01-01\"\n" };
        format!("{head}{more}\n{expires}")
    }

    #[test]
    fn an_entry_explains_only_within_its_bounds() {
        // The play's day is the 12th of January 1970, a Monday, at 13:46.
        for (more, expected) in [
            ("posture = [\"privileged\"]", "known | o: r"),
            ("posture = \"high\"", "known | o: r"),
            ("", "contradicted | o: r"),
            ("posture = \"medium\"", "contradicted | o: r"),
            ("posture = [\"mount:engine_socket\"]", "contradicted | o: r"),
            ("posture = \"high\"\nmax_standing = 1", "known | o: r"),
            ("posture = \"high\"\nmax_standing = 0", "contradicted | o: r"),
            ("posture = \"high\"\nschedule = \"mon 13:00-14:00 UTC\"", "known | o: r"),
            ("posture = \"high\"\nschedule = \"daily 02:00-03:00 UTC\"", "contradicted | o: r"),
            ("posture = \"high\"\nexpires = \"1970-01-12\"", "known | o: r"),
            ("posture = \"high\"\nexpires = \"1970-01-11\"", "unknown | -"),
        ] {
            assert_eq!(verdict(&entry(IMAGE, more)), expected, "{more}");
        }
    }

    #[test]
    fn a_registry_digest_names_the_image_too_and_another_image_is_unknown() {
        assert_eq!(verdict(&entry(DIGEST, "posture = \"high\"")), "known | o: r");
        assert_eq!(verdict(&entry(&format!("registry.example/agent@{DIGEST}"), "posture = \"high\"")), "known | o: r");
        let other = DIGEST.replace('b', "c");
        assert_eq!(verdict(&entry(&other, "posture = \"high\"")), "unknown | -");
        let (command, same) = ("--serve \"all\" ", "--serve \"all\"");
        assert_eq!(verdict(&entry(IMAGE, "posture = \"high\"").replace(command, same)), "unknown | -");
    }

    #[test]
    fn of_several_entries_one_that_holds_is_enough() {
        let both = format!("{}\n{}", entry(IMAGE, ""), entry(IMAGE, "posture = \"high\"").replace("\"o\"", "\"p\""));
        assert_eq!(verdict(&both), "known | p: r");
    }

    #[test]
    fn what_is_accepted_is_known_afterwards() {
        let mut play = Play::new();
        play.run("a", spec());
        let text = {
            let view = play.inventory.containers("h", play.now).next().unwrap();
            assert_eq!(view.id, id("a"));
            entry_for(view.container, 3, "ops", "the \"agent\"", "2027-01-01").unwrap()
        };
        assert_eq!(verdict(&text), "known | ops: the \"agent\"");
    }
}
