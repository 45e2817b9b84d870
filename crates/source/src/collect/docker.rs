//! The Docker engine as a collector: where it is, and whether it may be asked.

use super::Surroundings;
use super::address::Address;
use super::client::{AskError, Endpoint};
use super::follow;
use super::room::{CollectorDef, Found, Presence};
use event::Witness;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "docker",
    witness: Witness::Runtime,
    sources: &[
        "docker_events",
        "docker_container",
        "docker_exec",
        "docker_image",
        "docker_network",
        "docker_volume",
        "docker_info",
        "docker_containers",
        "docker_images",
        "docker_networks",
        "docker_volumes",
    ],
    about: "What the Docker engine did, and how each container was configured.",
    blind: "containers of this Docker engine, and how they are configured, are not seen",
    find,
};

fn find(around: &Surroundings) -> Presence {
    let address = match Address::find(around, &|path| path.exists()) {
        Ok(address) => address,
        Err(reason) => return Presence::denied(reason, ""),
    };
    let Address::Unix(path) = &address else { return Presence::Present(at(address)) };
    // Podman speaks Docker's words as well, but its own collector knows more of them.
    if path.as_os_str().as_encoded_bytes().ends_with(b"podman.sock") {
        return Presence::absent("no Docker engine listens here, but Podman", "");
    }
    match UnixStream::connect(path) {
        Ok(_) => Presence::Present(at(address)),
        Err(cause) => {
            let kind = cause.kind();
            let text = AskError::Connection { address, cause }.to_string();
            let (reason, remedy) = text.split_once("; ").unwrap_or((&text, ""));
            match kind {
                ErrorKind::PermissionDenied => Presence::denied(reason, remedy),
                _ => Presence::absent(reason, remedy),
            }
        }
    }
}

/// The engine at that address, whether or not it answers.
pub(super) fn at(address: Address) -> Found {
    // An engine behind the network is another machine, whose name the local witnesses must not bear.
    let is_here = matches!(address, Address::Unix(_));
    Found::own(address.to_string(), move |room| async move {
        match Endpoint::new(address) {
            Ok(endpoint) => follow::run(endpoint, is_here, room).await,
            Err(error) => drop(room.answer(Err(error))),
        }
    })
}
