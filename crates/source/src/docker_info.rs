//! The engine's own settings: `GET /info` and `GET /version`, or what `docker info` and `docker version` print as JSON.

use crate::fields::{Fields, Notes};
use crate::prepare::undated;
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{EngineSpec, Fact};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_info",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_INFO,
    about: "The engine's own settings and defaults, which containers are judged against.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"ID":"5CFW:367D:VHGW:HOLO:ZR7A:SCLQ:5BLV:PCII:5ZFO:K22V:7PZ5:QYYS","Containers":3,"Driver":"overlay2","Plugins":{"Volume":["local"],"Network":["bridge"],"Authorization":null,"Log":["json-file"]},"SystemTime":"2026-11-24T14:03:26.213930929Z","LoggingDriver":"json-file","CgroupDriver":"cgroupfs","CgroupVersion":"1","NCPU":2,"MemTotal":25276502016,"DockerRootDir":"/var/lib/docker","Name":"host1","ServerVersion":"20.10.24","DefaultRuntime":"runc","SecurityOptions":["name=seccomp,profile=default"]}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    is_info(&root) || is_version(&root) || is_version(&root.object("Server"))
}

fn is_info(root: &Fields<'_>) -> bool {
    root.has("ServerVersion") && (root.has("NCPU") || root.has("SecurityOptions") || root.has("DockerRootDir"))
}

fn is_version(root: &Fields<'_>) -> bool {
    root.has("ApiVersion") && root.has("Version") && (root.has("MinAPIVersion") || root.has("Components") || root.has("KernelVersion"))
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    let spec = match () {
        () if is_info(&root) => info(&root),
        () if is_version(&root) => version(&root),
        () if is_version(&root.object("Server")) => version(&root.object("Server")),
        () => return Err(Undecodable { reason: "neither an answer of /info nor of /version".to_owned(), unknown: false }),
    };
    Ok(undated(dictionary::DOCKER_INFO, spec.id.clone(), Fact::Engine(Box::new(spec))))
}

fn info(root: &Fields<'_>) -> EngineSpec {
    let said = |key| root.text_maybe(key).filter(|text| !text.is_empty());
    let plugins = root.object("Plugins");
    EngineSpec {
        id: root.text("ID"),
        host_name: root.text("Name"),
        product: product(root),
        version: said("ServerVersion"),
        api_version: None,
        cgroup_version: said("CgroupVersion"),
        log_driver: said("LoggingDriver"),
        security_options: root.texts_maybe("SecurityOptions"),
        default_runtime: said("DefaultRuntime"),
        cpus: root.int("NCPU"),
        memory: root.int("MemTotal"),
        root_dir: said("DockerRootDir"),
        // An engine that lists its plugins says by `null` that none of them authorises.
        authorization_plugins: root.has("Plugins").then(|| plugins.texts("Authorization")),
    }
}

fn version(root: &Fields<'_>) -> EngineSpec {
    EngineSpec {
        product: product(root),
        version: root.text_maybe("Version"),
        api_version: root.text_maybe("ApiVersion"),
        ..EngineSpec::default()
    }
}

/// Podman answers the same calls, and says so in the names of its parts.
fn product(root: &Fields<'_>) -> SmolStr {
    let podman = root.objects("Components").iter().any(|part| part.str("Name").starts_with("Podman"))
        || root.has("BuildahVersion")
        || root.str("ProductLicense").contains("Apache-2.0");
    SmolStr::new_static(if podman { "podman" } else { "docker" })
}
