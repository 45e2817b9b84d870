//! Who held an address, and when: intervals of time for each address, so that a flow is attributed by who held it *then*.
//!
//! An address that nobody held, and one that more than one claims, stay unattributed. Nothing is guessed: an engine gives an address to another container
//! within a second.

use event::{SmallVec, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Addresses remembered.
const ADDRESSES_MAX: usize = if cfg!(test) { 512 } else { 65_536 };
/// Intervals of one address remembered: enough for a busy day of reuse, since the engine takes the lowest free address.
const INTERVALS_MAX: usize = 256;

/// Intervals by address. `H` is who holds, `P` the place at which it is held (a network's id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leases<H: Ord, P: Ord> {
    // There may be as many as containers, and nearly all have one.
    by_address: BTreeMap<IpAddr, SmallVec<[Lease<H, P>; 1]>>,
    /// Addresses of which a holder has, or had, a remembered lease.
    by_holder: BTreeMap<H, SmallVec<[IpAddr; 1]>>,
}

/// One interval: from its beginning up to, but not at, its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease<H, P> {
    /// Who.
    pub holder: H,
    /// At which place.
    pub place: P,
    /// Beginning.
    pub from: Time,
    /// End; `None` while it is held.
    pub to: Option<Time>,
}

/// The answer to whose an address was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held<'a, H> {
    /// Nobody's, as far as it is known.
    Nobody,
    /// One holder's.
    By(&'a H),
    /// More than one claims it.
    Disputed(Vec<&'a H>),
}

impl<H: Ord, P: Ord> Default for Leases<H, P> {
    fn default() -> Self {
        Leases { by_address: BTreeMap::new(), by_holder: BTreeMap::new() }
    }
}

impl<H, P> Lease<H, P> {
    /// Whether it holds at a time.
    fn covers(&self, time: Time) -> bool {
        self.from <= time && self.to.is_none_or(|to| time < to)
    }
}

impl<H: Ord + Clone, P: Ord + Clone> Leases<H, P> {
    /// Somebody holds an address from a time on. Said again of a lease that is open, the earlier beginning counts. Gives how many intervals were forgotten.
    pub fn open(&mut self, address: IpAddr, holder: &H, place: &P, from: Time) -> u64 {
        if let Some(lease) = self.open_one(address, holder, place) {
            lease.from = lease.from.min(from);
            return 0;
        }
        self.push(address, Lease { holder: holder.clone(), place: place.clone(), from, to: None })
    }

    /// The same where only the earliest possible beginning is known: whoever had the address before had it until it gave it up.
    pub fn open_after(&mut self, address: IpAddr, holder: &H, place: &P, earliest: Time) -> u64 {
        if self.open_one(address, holder, place).is_some() {
            return 0;
        }
        let before = self.by_address.get(&address).into_iter().flatten().filter_map(|lease| lease.to).max();
        let from = before.map_or(earliest, |before| before.max(earliest));
        self.push(address, Lease { holder: holder.clone(), place: place.clone(), from, to: None })
    }

    /// A lease that is over already when it becomes known.
    pub fn past(&mut self, address: IpAddr, holder: &H, place: &P, from: Time, to: Time) -> u64 {
        let known = |lease: &Lease<H, P>| lease.holder == *holder && lease.place == *place && lease.covers(from);
        if to <= from || self.by_address.get(&address).is_some_and(|leases| leases.iter().any(known)) {
            return 0;
        }
        self.push(address, Lease { holder: holder.clone(), place: place.clone(), from, to: Some(to) })
    }

    /// A holder gives up what it has at one place. Leases that began later stay.
    pub fn close_at(&mut self, holder: &H, place: &P, to: Time) {
        self.close_where(holder, to, |_, lease| lease.place == *place);
    }

    /// A holder gives up all that it has. Leases that began later stay.
    pub fn close(&mut self, holder: &H, to: Time) {
        self.close_where(holder, to, |_, _| true);
    }

    /// A holder gives up every other address at a place.
    pub fn close_others(&mut self, holder: &H, place: &P, keep: IpAddr, to: Time) {
        self.close_where(holder, to, |address, lease| lease.place == *place && address != keep && address.is_ipv4() == keep.is_ipv4());
    }

    /// Whose an address was at a time.
    pub fn at(&self, address: IpAddr, time: Time) -> Held<'_, H> {
        self.among(address, |lease| lease.covers(time))
    }

    /// Whose an address was at some unknown time before this one: somebody's only when it was never another's.
    pub fn until(&self, address: IpAddr, time: Time) -> Held<'_, H> {
        self.among(address, |lease| lease.from <= time)
    }

    fn among(&self, address: IpAddr, counts: impl Fn(&Lease<H, P>) -> bool) -> Held<'_, H> {
        let mut holders: Vec<&H> =
            self.by_address.get(&address).into_iter().flatten().filter(|lease| counts(lease)).map(|lease| &lease.holder).collect();
        holders.sort_unstable();
        holders.dedup();
        match holders.as_slice() {
            [] => Held::Nobody,
            [one] => Held::By(one),
            _ => Held::Disputed(holders),
        }
    }

    /// The places at which a holder held anything at a time.
    pub fn places(&self, holder: &H, time: Time) -> BTreeSet<P> {
        let addresses = self.by_holder.get(holder).into_iter().flatten();
        let leases = addresses.flat_map(|address| self.by_address.get(address).into_iter().flatten());
        leases.filter(|lease| lease.holder == *holder && lease.covers(time)).map(|lease| lease.place.clone()).collect()
    }

    /// Whether anybody has, or had, an address of the same /16.
    pub fn any_near(&self, address: IpAddr) -> bool {
        let IpAddr::V4(v4) = address else { return false };
        let [a, b, ..] = v4.octets();
        self.by_address.range(IpAddr::from([a, b, 0, 0])..=IpAddr::from([a, b, 255, 255])).next().is_some()
    }

    /// Everybody who has, or had, anything.
    pub fn holders(&self) -> impl Iterator<Item = &H> {
        self.by_holder.keys()
    }

    /// The same from one on, in their order.
    pub fn holders_from(&self, first: &H) -> impl Iterator<Item = &H> {
        self.by_holder.range(first..).map(|(holder, _)| holder)
    }

    /// Whether a holder has, or had, anything.
    pub fn has(&self, holder: &H) -> bool {
        self.by_holder.contains_key(holder)
    }

    fn open_one(&mut self, address: IpAddr, holder: &H, place: &P) -> Option<&mut Lease<H, P>> {
        self.by_address.get_mut(&address)?.iter_mut().find(|lease| lease.to.is_none() && lease.holder == *holder && lease.place == *place)
    }

    fn push(&mut self, address: IpAddr, lease: Lease<H, P>) -> u64 {
        let mut forgotten = 0;
        if !self.by_address.contains_key(&address) && self.by_address.len() >= ADDRESSES_MAX {
            forgotten += self.make_room();
        }
        let held = self.by_holder.entry(lease.holder.clone()).or_default();
        if let Err(place) = held.binary_search(&address) {
            held.insert(place, address);
        }
        let leases = self.by_address.entry(address).or_default();
        leases.push(lease);
        if leases.len() > INTERVALS_MAX {
            // The one that ended longest ago goes; if none has ended, the oldest.
            let oldest = (0..leases.len()).min_by_key(|index| (leases[*index].to.unwrap_or(Time::MAX), leases[*index].from));
            if let Some(index) = oldest {
                let gone = leases.remove(index);
                if !leases.iter().any(|lease| lease.holder == gone.holder) {
                    forget(&mut self.by_holder, &gone.holder, address);
                }
                forgotten += 1;
            }
        }
        forgotten
    }

    fn close_where(&mut self, holder: &H, to: Time, which: impl Fn(IpAddr, &Lease<H, P>) -> bool) {
        for address in self.by_holder.get(holder).into_iter().flatten() {
            for lease in self.by_address.get_mut(address).into_iter().flatten() {
                if lease.holder == *holder && lease.to.is_none() && lease.from <= to && which(*address, lease) {
                    lease.to = Some(to);
                }
            }
        }
    }

    /// Forgets a sixteenth: addresses that nobody holds first, those whose last lease ended longest ago.
    fn make_room(&mut self) -> u64 {
        let last = |leases: &[Lease<H, P>]| leases.iter().map(|lease| lease.to.unwrap_or(Time::MAX)).max().unwrap_or(Time::MIN);
        let mut order: Vec<(Time, IpAddr)> = self.by_address.iter().map(|(address, leases)| (last(leases), *address)).collect();
        order.sort_unstable();
        order.truncate((ADDRESSES_MAX / 16).max(1));
        let mut forgotten = 0;
        for (_, address) in order {
            for lease in self.by_address.remove(&address).unwrap_or_default() {
                forgotten += 1;
                forget(&mut self.by_holder, &lease.holder, address);
            }
        }
        forgotten
    }
}

fn forget<H: Ord>(by_holder: &mut BTreeMap<H, SmallVec<[IpAddr; 1]>>, holder: &H, address: IpAddr) {
    if let Some(addresses) = by_holder.get_mut(holder) {
        addresses.retain(|known| *known != address);
        if addresses.is_empty() {
            by_holder.remove(holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn at(seconds: f64) -> Time {
        Time((seconds * 1e9) as i64)
    }

    fn whose(leases: &Leases<u8, u8>, n: u8, time: Time) -> String {
        match leases.at(address(n), time) {
            Held::Nobody => "nobody".into(),
            Held::By(holder) => holder.to_string(),
            Held::Disputed(all) => format!("{all:?}"),
        }
    }

    #[test]
    fn an_address_is_whoever_held_it_then() {
        let mut leases = Leases::<u8, u8>::default();
        leases.open(address(5), &1, &0, at(0.0));
        leases.close(&1, at(10.0));
        leases.open(address(5), &2, &0, at(10.2));
        let seen: Vec<String> = [-1.0, 0.0, 9.9, 10.0, 10.1, 10.2, 10.3, 400.0].iter().map(|t| whose(&leases, 5, at(*t))).collect();
        assert_eq!(seen, ["nobody", "1", "1", "nobody", "nobody", "2", "2", "2"]);
        // A third claims it while the second still has it: then it is neither's.
        leases.open(address(5), &3, &0, at(20.0));
        assert_eq!(whose(&leases, 5, at(21.0)), "[2, 3]");
        assert_eq!(whose(&leases, 5, at(11.0)), "2");
        // When the beginning is not known, it could have been the first one's.
        assert_eq!(leases.until(address(5), at(12.0)), Held::Disputed(vec![&1, &2]));
        assert_eq!(leases.until(address(5), at(9.0)), Held::By(&1));
    }

    #[test]
    fn both_addresses_and_intervals_are_bounded() {
        let mut leases = Leases::<u8, u8>::default();
        let mut forgotten = 0;
        for n in 0..5000u32 {
            let address = IpAddr::from([10, 1, (n >> 8) as u8, n as u8]);
            forgotten += leases.open(address, &1, &0, Time(i64::from(n)));
        }
        for n in 0..5000 {
            forgotten += leases.open(address(1), &2, &0, Time(n));
            leases.close(&2, Time(n + 1));
        }
        assert!(leases.by_address.len() <= ADDRESSES_MAX && leases.by_address[&address(1)].len() <= INTERVALS_MAX);
        assert!(leases.by_holder[&1].len() <= ADDRESSES_MAX && forgotten > 8000, "{forgotten}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// A list of all intervals that were ever said, looked through from one end to the other, says the same.
        #[test]
        fn whose_it_was_agrees_with_a_naive_list(
            moves in proptest::collection::vec((0u8..3, 0u8..3, 0u8..2, any::<bool>(), 1i64..20), 1..60),
            asked in proptest::collection::vec((0u8..3, 0i64..700), 30),
        ) {
            let mut leases = Leases::<u8, u8>::default();
            let mut naive: Vec<(u8, u8, u8, i64, i64)> = Vec::new();
            let mut now = 0;
            for (n, holder, place, opens, wait) in moves {
                now += wait;
                if opens {
                    leases.open(address(n), &holder, &place, Time(now));
                    if !naive.iter().any(|(a, h, p, _, to)| (*a, *h, *p, *to) == (n, holder, place, i64::MAX)) {
                        naive.push((n, holder, place, now, i64::MAX));
                    }
                } else {
                    leases.close_at(&holder, &place, Time(now));
                    for entry in naive.iter_mut().filter(|(_, h, p, _, to)| (*h, *p, *to) == (holder, place, i64::MAX)) {
                        entry.4 = now;
                    }
                }
            }
            for (n, time) in asked {
                let mut holders: Vec<u8> = naive.iter().filter(|(a, _, _, from, to)| *a == n && *from <= time && time < *to).map(|e| e.1).collect();
                holders.sort_unstable();
                holders.dedup();
                let expected = match holders.as_slice() {
                    [] => "nobody".to_owned(),
                    [one] => one.to_string(),
                    many => format!("{many:?}"),
                };
                prop_assert_eq!(whose(&leases, n, Time(time)), expected);
            }
        }
    }
}
