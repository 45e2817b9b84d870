//! Witnesses: what reads their words, from files or live.
//!
//! Takes bytes; gives [`Prepared`] records: decoded, still unordered. [`prepare`] is a pure function of one record's bytes; it never panics, never reads a
//! clock and never lets one record see another. A collector or a reader only finds the bytes.
//!
//! The way through: [`read`] (files) or `collect` (live) → [`Record`] → [`prepare`] → the decoder of one row of [`SOURCES`] → [`Prepared`].
//! To add a witness: one file with `pub const SOURCE: SourceDef` as its first item, and its name in the list below.

mod docker_list;
mod fields;
mod kubernetes;
mod loose;
pub mod mapping;
mod prepare;
mod process;
pub mod read;
pub mod recording;
mod shape;
mod skim;
mod tape;
mod text;

#[cfg(feature = "live")]
pub mod collect;

use event::document::{Document, SIZE_MAX};
use event::{Decoded, Kind, Undecodable};

pub use event::Witness;

pub use prepare::{Preparer, prepare, source_named, source_of};
pub use sensor::write as write_note;

/// One witness's words: how to recognise and how to read them.
#[derive(Debug)]
pub struct SourceDef {
    /// Its name, the stem of its file.
    pub name: &'static str,
    /// What kind of witness speaks.
    pub witness: Witness,
    /// The native event that its records become.
    pub kind: Kind,
    /// What it tells, one sentence.
    pub about: &'static str,
    /// Records above this many bytes are kept as a stub.
    pub size_max: usize,
    /// Whether a parsed record has this source's shape; looks at keys, never at what they hold.
    pub recognise: fn(&Document) -> bool,
    /// `decode` itself says whether a key is there twice, because it passes all of them anyway. Else it is found out for it.
    pub finds_duplicates: bool,
    /// Reads a parsed record; its document is added to the answer afterwards. The bytes are there for decoders that read with serde.
    pub decode: fn(&Document, &[u8]) -> Result<Decoded, Undecodable>,
    /// For a format that is not JSON: how to recognise and read its bytes. `recognise` and `decode` above are then never called with such bytes.
    pub text: Option<Text>,
    /// A real record, for the documents and for the contract tests.
    pub sample: &'static str,
}

/// How a format that is not JSON is recognised and read.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Whether the bytes of a record have this format's shape. Called on each line that no other format took, so it must be quick and must look at the shape only.
    pub recognise: fn(&[u8]) -> bool,
    /// Reads a record. The answer's document, so that rules can name its fields, is made here.
    pub decode: fn(&[u8]) -> Result<Decoded, Undecodable>,
}

/// Lists name everything that stands on a host at once, so they may be larger than other records.
pub const LIST_SIZE_MAX: usize = 16 * SIZE_MAX;

macro_rules! sources {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        /// Every witness, in the order in which a record without a name is offered to them.
        pub static SOURCES: &[SourceDef] = &[$($name::SOURCE),+];
    };
}

sources! {
    podman_events,
    podman_container,
    podman_containers,
    podman_exec,
    containerd_events,
    containerd_container,
    containerd_containers,
    crio_journal,
    conntrack,
    zeek_conn,
    vpc_flow,
    auditd,
    docker_events,
    docker_container,
    docker_exec,
    docker_image,
    docker_network,
    docker_volume,
    docker_info,
    docker_containers,
    docker_images,
    docker_networks,
    docker_volumes,
    kubernetes_audit,
    kubernetes_objects,
    eks_audit,
    gke_audit,
    aks_audit,
    system_process,
    system_usage,
    netfilter,
    falco,
    tetragon,
    tracee,
    kunai,
    auditd_json,
    suricata,
    hubble,
    gcp_flow,
    sensor,
}
