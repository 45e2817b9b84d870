//! What the operator declared to be expected.

/// The declared workloads.
#[derive(Clone, Debug, Default)]
pub struct Context {}
