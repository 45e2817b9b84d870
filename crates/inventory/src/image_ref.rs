//! Image references taken apart. A reference is a claim; only the id and the registry's digest say what an image is.

use crate::names;
use smol_str::SmolStr;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The parts of a reference, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRef {
    /// Registry host with port, when the reference names one.
    pub registry: Option<SmolStr>,
    /// Path on the registry, without the implied `library/`.
    pub path: SmolStr,
    /// Tag, when the reference names one.
    pub tag: Option<SmolStr>,
    /// Digest (`sha256:…`), when the reference names one.
    pub digest: Option<SmolStr>,
}

/// Engines refuse longer references; whoever writes one wants to fill our memory.
const LENGTH_MAX: usize = 1024;

/// Registries that anyone can pull from: an image from there has a digest that the registry gave it.
const PUBLIC: &[&str] = &[
    "docker.io",
    "docker.elastic.co",
    "gcr.io",
    "ghcr.io",
    "k8s.gcr.io",
    "lscr.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "public.ecr.aws",
    "quay.io",
    "registry.access.redhat.com",
    "registry.gitlab.com",
    "registry.k8s.io",
];

impl ImageRef {
    /// Takes a reference apart. `None` for a bare image id, an empty text and one that no engine would take: they name no repository.
    pub fn parse(text: &str) -> Option<ImageRef> {
        let text = text.trim();
        if text.is_empty() || text.len() > LENGTH_MAX || is_id(text) {
            return None;
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(SmolStr::new(digest))),
            None => (text, None),
        };
        // A colon behind the last slash starts the tag; one before it belongs to the registry's port.
        let slash = rest.rfind('/').map_or(0, |i| i + 1);
        let (rest, tag) = match rest[slash..].find(':') {
            Some(colon) => (&rest[..slash + colon], Some(SmolStr::new(&rest[slash + colon + 1..]))),
            None => (rest, None),
        };
        let (registry, path) = match rest.split_once('/') {
            Some((first, path)) if first.contains('.') || first.contains(':') || first == "localhost" => (Some(SmolStr::new(first)), path),
            _ => (None, rest),
        };
        // The hub has two more names and an implied first folder; they are the same place.
        let registry = registry.map(|host| match host.as_str() {
            "index.docker.io" | "registry-1.docker.io" => SmolStr::new_static("docker.io"),
            _ => host,
        });
        let hub = registry.as_ref().is_none_or(|host| host == "docker.io");
        let path = if hub { path.strip_prefix("library/").unwrap_or(path) } else { path };
        Some(ImageRef { registry, path: SmolStr::new(path), tag: tag.filter(|t| !t.is_empty()), digest })
    }

    /// Registry and path, as written but for the hub's other names: what stays when tag and digest change.
    pub fn repository(&self) -> SmolStr {
        match &self.registry {
            Some(host) if host != "docker.io" => SmolStr::new(format!("{host}/{}", self.path)),
            _ => self.path.clone(),
        }
    }

    /// The tag; `latest` when the reference names neither tag nor digest.
    pub fn effective_tag(&self) -> Option<SmolStr> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag.clone()),
            (None, None) => Some(SmolStr::new_static("latest")),
            (None, Some(_)) => None,
        }
    }

    /// Last part of the path: `falco` in `falcosecurity/falco`.
    pub fn base(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Repository and tag, the form in which two spellings of one reference are equal.
    pub fn canonical(&self) -> SmolStr {
        match (self.effective_tag(), &self.digest) {
            (Some(tag), _) => SmolStr::new(format!("{}:{tag}", self.repository())),
            (None, Some(digest)) => SmolStr::new(format!("{}@{digest}", self.repository())),
            (None, None) => self.repository(),
        }
    }

    /// Whether it names a registry that anyone can pull from. A name without a registry is not taken for one: every local build has such a name.
    pub fn names_public_registry(&self) -> bool {
        self.registry.as_ref().is_some_and(|host| PUBLIC.contains(&host.as_str()))
    }

    /// Whether two repositories are the same thing under two addresses (`ghcr.io/acme/app` and `acme/app`, a mirror): their last parts agree.
    pub fn related(&self, other: &ImageRef) -> bool {
        self.base() == other.base()
    }
}

/// What is asked of a reference with every event of a container.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) repository: SmolStr,
    pub(crate) tag: Option<SmolStr>,
    pub(crate) canonical: SmolStr,
    pub(crate) base: SmolStr,
    /// The monitoring tool whose name the path holds.
    pub(crate) monitoring: Option<&'static str>,
}

/// References whose parts are remembered. Beyond it all are forgotten, and worked out anew.
const REMEMBERED_MAX: usize = 4096;

thread_local! {
    /// A function of the text alone, so that nothing but time depends on what is remembered.
    static REMEMBERED: RefCell<HashMap<SmolStr, Option<Rc<Named>>>> = RefCell::default();
}

/// The parts of a reference that are asked for again and again; `None` where [`ImageRef::parse`] gives none.
pub(crate) fn known(text: &str) -> Option<Rc<Named>> {
    if text.is_empty() || text.len() > LENGTH_MAX {
        return named(text).map(Rc::new);
    }
    REMEMBERED.with_borrow_mut(|remembered| {
        if let Some(known) = remembered.get(text) {
            return known.clone();
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        let new = named(text).map(Rc::new);
        remembered.insert(SmolStr::new(text), new.clone());
        new
    })
}

fn named(text: &str) -> Option<Named> {
    let reference = ImageRef::parse(text)?;
    Some(Named {
        repository: reference.repository(),
        tag: reference.effective_tag(),
        canonical: reference.canonical(),
        base: SmolStr::new(reference.base()),
        monitoring: names::claims_monitoring(&reference.path),
    })
}

/// Whether a text is an image id, full or short, rather than a reference.
pub fn is_id(text: &str) -> bool {
    let hex = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    match text.strip_prefix("sha256:") {
        Some(rest) => hex(rest),
        None => (text.len() == 64 || text.len() == 12) && hex(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(text: &str) -> String {
        match ImageRef::parse(text) {
            None => "no reference".to_owned(),
            Some(r) => format!(
                "{} | {} | {} | {}{}",
                r.repository(),
                r.effective_tag().unwrap_or_default(),
                r.digest.clone().unwrap_or_default(),
                r.canonical(),
                if r.names_public_registry() { " | public" } else { "" }
            ),
        }
    }

    #[test]
    fn references_come_apart() {
        assert_eq!(picture("alpine"), "alpine | latest |  | alpine:latest");
        assert_eq!(picture("docker.io/library/alpine:3.20"), "alpine | 3.20 |  | alpine:3.20 | public");
        assert_eq!(picture("registry.example:5000/app"), "registry.example:5000/app | latest |  | registry.example:5000/app:latest");
        assert_eq!(picture("localhost/a/b:1"), "localhost/a/b | 1 |  | localhost/a/b:1");
        assert_eq!(picture("acme/app@sha256:ab"), "acme/app |  | sha256:ab | acme/app@sha256:ab");
        assert_eq!(picture("quay.io/acme/app:1@sha256:ab"), "quay.io/acme/app | 1 | sha256:ab | quay.io/acme/app:1 | public");
        assert_eq!(picture("sha256:e3003ece00880a0c"), "no reference");
        assert_eq!(picture("e3003ece0088"), "no reference");
        assert_eq!(picture(""), "no reference");
    }

    #[test]
    fn broken_references_do_not_panic() {
        for text in [":", "@", "/", "a:", "/:", "a/@", "é:é", "a//b", "@@", "::::"] {
            let _ = picture(text);
        }
        assert_eq!(picture(&"a/".repeat(1000)), "no reference");
    }
}
