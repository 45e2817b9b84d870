//! Addresses and their ranges, as far as attribution asks for them.

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address in any spelling, with or without prefix length or zone. A version 4 address in a version 6 one is the former.
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.split(['/', '%']).next().unwrap_or_default();
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A range of addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

impl Subnet {
    /// Reads `address/length`.
    pub fn parse(text: &str) -> Option<Subnet> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse().ok()?, bits.parse().ok()?);
        let most = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        (bits <= most).then_some(Subnet { address, bits })
    }

    /// The range of that length around an address.
    pub fn around(address: IpAddr, bits: u8) -> Subnet {
        Subnet { address: masked(address, bits), bits }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(self.address, self.bits) == masked(address, self.bits)
    }
}

/// The address with all bits behind the prefix cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

/// The network of an address outside, by which it is one place of the graph: /24, or /48 for version 6.
pub fn place_of(address: IpAddr) -> SmolStr {
    let bits = if address.is_ipv4() { 24 } else { 48 };
    format_smolstr!("{}/{bits}", masked(address, bits))
}

/// Whether an address belongs to somebody's inner network: private, shared, link-local or unique-local.
pub fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether it is meant for many at once: answers from one of them are no matter of reachability.
pub fn is_shared_out(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unspecified(),
    }
}

/// Addresses at which clouds hand out credentials and settings to whoever asks from inside.
const METADATA: [&str; 6] = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "100.100.100.200"];

/// Whether it is such an address.
pub fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address.to_smolstr().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges_are_read() {
        let at = |text: &str| parse(text).unwrap();
        assert_eq!(at("172.18.0.2/16"), at("::ffff:172.18.0.2"));
        assert_eq!(parse("gateway"), None);
        let net = Subnet::parse("172.18.0.0/16").unwrap();
        assert!(net.contains(at("172.18.255.255")) && !net.contains(at("172.19.0.0")) && !net.contains(at("fd00::1")));
        assert!(Subnet::parse("0.0.0.0/0").unwrap().contains(at("8.8.8.8")));
        assert_eq!(Subnet::parse("10.0.0.0/33"), None);
        assert_eq!(place_of(at("198.51.100.77")), "198.51.100.0/24");
        assert_eq!(place_of(at("2001:db8:1:2::3")), "2001:db8:1::/48");
        assert!(is_metadata(at("fd00:0ec2:0:0::254")) && is_metadata(at("169.254.169.254")) && !is_metadata(at("169.254.1.1")));
        assert!(is_inner(at("100.64.0.1")) && !is_inner(at("100.128.0.1")));
    }
}
