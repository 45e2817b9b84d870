//! What a collector hands over: bytes as they came, with where and when.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// One thing a witness said, unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the one sequence of a call, from 0; breaks ties between equal times.
    pub seq: u64,
    /// The decoder's name, such as `docker_events`. Empty: to be recognised from the bytes.
    pub source: SmolStr,
    /// The host that the witness stands on, as far as it is known.
    pub host: SmolStr,
    /// When it reached us. In files: the running maximum of event time, set by the reader.
    pub arrived: Time,
    /// True when `arrived` was read from a clock (live, or recorded live): then event time is clamped to it.
    pub live: bool,
    /// The bytes, or the mere passing of time.
    pub body: Body,
    /// Where the record can be found again.
    pub place: Place,
}

/// A record carries data, or says only that time has passed without any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The untouched bytes of one record, without a line end.
    Data(Arc<[u8]>),
    /// Nothing came until `arrived`.
    Tick,
}

/// Where a record stands: a file (or `-`, or a live source's address) and its number in it, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Path as it was given, `-` for standard input, or the address of a live source.
    pub file: SmolStr,
    /// Number of the record in that file, from 1.
    pub number: u64,
}

/// What a finding cites: the raw bytes, their time and place. Hashed only when a finding needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Event time as the record says it.
    pub time: Time,
    /// The decoder's name.
    pub source: SmolStr,
    /// Where it stands.
    pub place: Place,
    /// The untouched bytes.
    pub raw: Arc<[u8]>,
}
