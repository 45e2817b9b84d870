//! Sources without code: mapping files that say how to read a runtime's own records.

use event::{Decoded, SmolStr, Undecodable};

/// The mapped sources of an installation.
#[derive(Debug, Default)]
pub struct Mappings {}

impl Mappings {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        true
    }
    pub(crate) fn has_tables(&self) -> bool {
        false
    }
    pub(crate) fn header(&self, _line: &[u8]) -> Option<usize> {
        None
    }
    pub(crate) fn takes_row(&self, _index: usize, _whole: &[u8]) -> Option<SmolStr> {
        None
    }
    pub(crate) fn decode(&self, _bytes: &[u8], _name: &mut SmolStr) -> Option<Result<Decoded, Undecodable>> {
        None
    }
    pub(crate) fn decode_named(&self, _bytes: &[u8], _name: &SmolStr) -> Option<Result<Decoded, Undecodable>> {
        None
    }
}
