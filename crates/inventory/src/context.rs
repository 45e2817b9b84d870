//! What the operator declared to be expected, and how far a container keeps to it.
//!
//! An entry names a workload by what it cannot choose: the image's id or registry digest, and the command. It explains only within its bounds, and only until
//! it expires. Labels and names are refused: an attacker writes them.

mod read;
mod schedule;

use crate::container::Container;
use crate::host::Host;
use crate::posture::Danger;
use event::{Problem, SmolStr, Time};
use schedule::Schedule;
use std::collections::BTreeMap;

/// The declared workloads.
#[derive(Clone, Debug, Default)]
pub struct Context {
    workloads: Vec<Workload>,
    /// Entries by the image id or digest that they name.
    by_image: BTreeMap<SmolStr, Vec<u32>>,
    builders: Vec<Builder>,
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
        let (workloads, builders, problems) = read::read(text, file);
        let mut by_image: BTreeMap<SmolStr, Vec<u32>> = BTreeMap::new();
        for (index, workload) in workloads.iter().enumerate() {
            by_image.entry(workload.image.clone()).or_default().push(u32::try_from(index).unwrap_or(u32::MAX));
        }
        (Context { workloads, by_image, builders }, problems)
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.workloads.is_empty() && self.builders.is_empty()
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
        if !self.by_image.is_empty()
            && !container.image_id.is_empty()
            && let Some(kept) = &container.kept
        {
            let digests = host.image(&container.image_id).map_or(&[][..], |image| &image.spec.repo_digests);
            let digests = digests.iter().filter_map(|digest| digest.rsplit_once('@')).map(|(_, digest)| digest);
            let names = std::iter::once(container.image_id.as_str()).chain(digests);
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
    if container.image_id.is_empty() {
        return None;
    }
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let reasons: Vec<String> = posture.dangerous.iter().map(|reason| quote(reason)).collect();
    Some(format!(
        "[[workload]]\nimage = {}\ncommand = {}\nmax_standing = {max_standing}\nposture = [{}]\nowner = {}\nreason = {}\nexpires = {}\n",
        quote(&container.image_id),
        quote(&command),
        reasons.join(", "),
        quote(owner),
        quote(reason),
        quote(expires),
    ))
}
