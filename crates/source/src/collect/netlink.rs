//! What the kernel announces through netlink sockets: a socket, its messages, their attributes. In safe Rust over `rustix`.

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto, socket_with, sockopt};
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// What may wait in the kernel until it is read. A burst of connections or processes fills the usual 200 KiB within a blink.
const KERNEL_BUFFER: usize = 16 << 20;
/// No message of the kernel is longer.
const DATAGRAM_MAX: usize = 128 << 10;

/// Capability to administer the network, as a bit of `CapEff`.
const CAP_NET_ADMIN: u32 = 12;

/// A socket that hears what the kernel announces to groups.
pub(super) struct Netlink {
    fd: AsyncFd<OwnedFd>,
    buffer: Box<[u8]>,
}

/// What came.
pub(super) enum Heard<'a> {
    /// A datagram of the kernel.
    Datagram(&'a [u8]),
    /// The kernel had more to say than there was room for.
    Overflow,
}

impl Netlink {
    /// Subscribes to the groups whose bits are set.
    pub fn open(protocol: Protocol, groups: u32) -> Result<Netlink, String> {
        let open = || -> Result<OwnedFd, Errno> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let fd = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(protocol))?;
            // Beyond the system's limit where that is allowed, up to it otherwise.
            if sockopt::set_socket_recv_buffer_size_force(&fd, KERNEL_BUFFER).is_err() {
                let _ = sockopt::set_socket_recv_buffer_size(&fd, KERNEL_BUFFER);
            }
            bind(&fd, &SocketAddrNetlink::new(0, groups))?;
            Ok(fd)
        };
        let fd = open().map_err(|error| match error {
            Errno::PERM | Errno::ACCESS => "listen to the kernel: not permitted; run as root or grant CAP_NET_ADMIN".to_owned(),
            error => format!("listen to the kernel: {error}"),
        })?;
        #[expect(deprecated, reason = "its successor is unsafe; what made it unsound cannot happen with a descriptor that is owned")]
        let fd = AsyncFd::new(fd).map_err(|error| format!("listen to the kernel: {error}"))?;
        Ok(Netlink { fd, buffer: vec![0; DATAGRAM_MAX].into_boxed_slice() })
    }

    /// Says something to the kernel.
    pub fn tell(&self, bytes: &[u8]) -> Result<(), String> {
        let sent = sendto(self.fd.get_ref(), bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0));
        sent.map(drop).map_err(|error| format!("ask the kernel to announce: {error}; run as root or grant CAP_NET_ADMIN"))
    }

    /// Waits for the next datagram. What another process sends to this socket is passed over.
    pub async fn hear(&mut self) -> Result<Heard<'_>, String> {
        let broken = |error: std::io::Error| format!("listen to the kernel: {error}");
        let length = loop {
            let mut ready = self.fd.readable().await.map_err(broken)?;
            let buffer = &mut self.buffer;
            let got = ready.try_io(|fd| Ok(recvfrom(fd.get_ref(), &mut buffer[..], RecvFlags::empty())?));
            match got {
                Err(_) => {}
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => return Ok(Heard::Overflow),
                Ok(Err(error)) => return Err(broken(error)),
                Ok(Ok((_, length, from))) => {
                    let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                    if from.is_some_and(|from| from.pid() == 0) {
                        break length;
                    }
                }
            }
        };
        Ok(Heard::Datagram(self.buffer.get(..length).unwrap_or_default()))
    }
}

/// Whether this process may listen to the kernel's network, and what to do if not.
pub(super) fn may_administer_network() -> Result<(), (String, String)> {
    if capabilities().is_some_and(|set| set & (1 << CAP_NET_ADMIN) != 0) {
        return Ok(());
    }
    let remedy =
        "run as root, or `setcap cap_net_admin+ep` on the program, or `--cap-add NET_ADMIN --network host --pid host` in a container";
    Err(("the capability CAP_NET_ADMIN is missing".to_owned(), remedy.to_owned()))
}

/// Effective capabilities of this process.
fn capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub body: &'a [u8],
}

/// The messages of a datagram; ends at the first that is not whole.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let (kind, flags) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?);
        let body = bytes.get(16..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, flags, body })
    })
}

/// The attributes of a message, without the bits that say how they are meant; ends at the first that is not whole.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & 0x3fff, value))
    })
}

/// The first attribute of that kind.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// A number in the order of the network, of whatever width.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    (1..=8).contains(&bytes.len()).then(|| bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

/// A text that a zero ends.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An attribute as the kernel would write it.
    pub fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::from(((value.len() + 4) as u16).to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    /// A message as the kernel would write it.
    pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::from(((body.len() + 16) as u32).to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(flags.to_ne_bytes());
        out.extend([0; 8]);
        out.extend(body);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn messages_and_attributes_come_out_as_they_went_in() {
        let body = [attr(1, b"abc"), attr(0x8002, b"")].concat();
        let datagram = [message(7, 1, &body), message(8, 0, b"")].concat();
        let read: Vec<(u16, usize)> = messages(&datagram).map(|m| (m.kind, attributes(m.body).count())).collect();
        assert_eq!(read, [(7, 2), (8, 0)]);
        assert_eq!(attribute(&body, 1), Some(&b"abc"[..]));
        assert_eq!(attribute(&body, 2), Some(&b""[..]), "that it is nested does not change what it is");
        assert_eq!(number(&[1, 2]), Some(258));
        assert_eq!(text(b"filter\0\0"), "filter");
    }

    proptest! {
        #[test]
        fn whatever_comes_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
            prop_assert!(attributes(&bytes).count() <= bytes.len());
        }
    }
}
