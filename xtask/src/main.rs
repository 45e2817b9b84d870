//! Chores of the house: `cargo xtask check | docs | bless | new`.
fn main() {}
