//! Address ranges of policies: `ipBlock` with `except`, and the pieces into which a set of them cuts the address space.

use event::SmolStr;
use event::kubernetes::PolicyPeer;
use ipnet::IpNet;
use std::net::IpAddr;

/// An address as a number, with its family, so that ranges can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// It is of version 6.
    pub six: bool,
    /// The address.
    pub number: u128,
}

impl Spot {
    /// Of an address; one of version 4 written as version 6 is of version 4.
    pub fn of(address: IpAddr) -> Spot {
        match address.to_canonical() {
            IpAddr::V4(address) => Spot { six: false, number: u128::from(u32::from(address)) },
            IpAddr::V6(address) => Spot { six: true, number: u128::from(address) },
        }
    }

    /// Largest of its family.
    fn max(six: bool) -> u128 {
        if six { u128::MAX } else { u128::from(u32::MAX) }
    }

    fn address(self) -> IpAddr {
        if self.six { IpAddr::V6(self.number.into()) } else { IpAddr::V4((self.number as u32).into()) }
    }
}

/// First and last address of a block; `None` when it is none.
fn ends(cidr: &str) -> Option<(Spot, Spot)> {
    let net: IpNet = cidr.trim().parse().ok()?;
    Some((Spot::of(net.network()), Spot::of(net.broadcast())))
}

fn within(spot: Spot, cidr: &str) -> bool {
    ends(cidr).is_some_and(|(from, to)| from.six == spot.six && (from..=to).contains(&spot))
}

/// Whether a block with its exceptions holds the address. A block that cannot be read holds nothing; an exception that cannot be read takes nothing out.
pub fn holds(cidr: &str, except: &[SmolStr], spot: Spot) -> bool {
    within(spot, cidr) && !except.iter().any(|except| within(spot, except))
}

/// Pieces of the address space within which all given blocks behave the same.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    cuts: Vec<Spot>,
}

/// Cuts beyond this many are left out: a policy of ten thousand blocks is judged by its first ones.
const CUTS_MAX: usize = 4096;

impl Pieces {
    /// The pieces that these peers cut.
    pub fn of<'a>(peers: impl Iterator<Item = &'a PolicyPeer>) -> Pieces {
        let mut cuts = vec![Spot { six: false, number: 0 }, Spot { six: true, number: 0 }];
        for peer in peers {
            let PolicyPeer::Block { cidr, except } = peer else { continue };
            for (from, to) in std::iter::once(cidr).chain(except).filter_map(|text| ends(text)) {
                cuts.push(from);
                if to.number < Spot::max(to.six) {
                    cuts.push(Spot { six: to.six, number: to.number + 1 });
                }
            }
            if cuts.len() > CUTS_MAX {
                break;
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        Pieces { cuts }
    }

    /// First and last address of each piece.
    pub fn iter(&self) -> impl Iterator<Item = (Spot, Spot)> + '_ {
        self.cuts.iter().enumerate().map(|(i, from)| {
            let last = match self.cuts.get(i + 1) {
                Some(next) if next.six == from.six => next.number - 1,
                _ => Spot::max(from.six),
            };
            (*from, Spot { six: from.six, number: last })
        })
    }
}

/// A range in words: a block where it is one, else both ends.
pub fn words(from: Spot, to: Spot) -> String {
    if from.number == 0 && to.number == Spot::max(from.six) {
        return if from.six { "every address of version 6".to_owned() } else { "every address".to_owned() };
    }
    let size = to.number - from.number;
    let bits: u32 = if from.six { 128 } else { 32 };
    let is_block = (size.wrapping_add(1)).is_power_of_two() && from.number & size == 0;
    match is_block {
        true => format!("{}/{}", from.address(), bits - size.count_ones()),
        false => format!("{}-{}", from.address(), to.address()),
    }
}

/// The share of its family's address space that a range is, 0 to 1.
pub fn share(from: Spot, to: Spot) -> f64 {
    ((to.number - from.number) as f64 + 1.0) / (Spot::max(from.six) as f64 + 1.0)
}
