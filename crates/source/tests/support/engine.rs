//! A real engine for a test, or a word about its absence. Where the engine is required, its absence is a failure.

use source::collect::{Address, Client, Surroundings};

/// The image that live tests use.
pub const IMAGE: &str = "alpine:3.20";

/// Says that a test is skipped.
pub fn skip<T>(test: &str, reason: &str) -> Option<T> {
    assert!(std::env::var_os("LANDWAITER_TEST_ENGINE").is_none_or(|v| v != "required"), "{test} needs an engine: {reason}");
    eprintln!("skipped: {test}: {reason}");
    None
}

/// An engine that has the image.
pub fn find(test: &str) -> Option<Client> {
    let address = match Address::find(&Surroundings::of_this_process(), &|path| path.exists()) {
        Ok(address) => address,
        Err(error) => return skip(test, &error.to_string()),
    };
    let client = match Client::connect(address) {
        Ok(client) => client,
        Err(error) => return skip(test, &error.to_string()),
    };
    match client.get(&format!("/images/{IMAGE}/json")) {
        Ok(answer) if answer.is_good() => Some(client),
        _ => skip(test, &format!("the engine has no image {IMAGE}")),
    }
}
