//! What a container may use, and how it changed against what it was created with.
//!
//! A ladder of small steps counts from the start value: each change carries the factor against creation, beside that of the step itself.

use event::dictionary as d;
use event::fact::ContainerSpec;
use event::{FieldId, Value};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

/// The engine refuses less memory than this.
pub const MEMORY_MIN: i64 = 6 * 1024 * 1024;
/// The engine refuses less of a processor than this.
pub const CPU_MIN: f64 = 0.01;
/// The kernel's largest processor weight.
pub const SHARES_MAX: i64 = 262_144;
/// From here on a limit is worth naming as a claim on its host.
const CPU_LARGE: f64 = 4.0;
const MEMORY_LARGE: i64 = 8 << 30;
/// Weight of a container that names none.
const SHARES_DEFAULT: i64 = 1024;
/// What an unlimited container is taken to have at least: a tenth of it is a throttle on any host.
const UNLIMITED_CPU: f64 = 1.0;
const UNLIMITED_MEMORY: i64 = 512 * 1024 * 1024;
const UNLIMITED_PIDS: i64 = 100;

/// Limits in normalised units; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor limit in cores.
    pub cpu: Option<f64>,
    /// Relative processor weight.
    pub cpu_shares: Option<i64>,
    /// Processors it may run on; empty means all.
    pub cpuset: SmolStr,
    /// Memory in bytes.
    pub memory: Option<i64>,
    /// Memory and swap together in bytes; −1 means unlimited.
    pub memory_swap: Option<i64>,
    /// Number of processes.
    pub pids: Option<i64>,
    /// The kernel will not kill it for memory.
    pub oom_kill_disable: bool,
    /// Preference of the kernel in killing for memory; negative means later.
    pub oom_score_adj: i64,
}

/// One property that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyChange {
    /// What changed: `limits.cpu`, `restart_policy`, `capabilities`, …
    pub property: &'static str,
    /// Value at creation for limits, else the value before.
    pub before: SmolStr,
    /// Value now.
    pub after: SmolStr,
    /// Which way.
    pub direction: Direction,
    /// Value now over the value at creation.
    pub factor: Option<f64>,
    /// Value now over the value before this change.
    pub step_factor: Option<f64>,
    /// At most a tenth of what it was created with, or the engine's minimum. `None` for what is no limit.
    pub to_minimum: Option<bool>,
}

/// Which way a property changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is allowed than before.
    Raised,
    /// Less is allowed than before.
    Lowered,
    /// A limit is gone.
    Removed,
    /// A limit where there was none.
    Set,
    /// Another value, neither more nor less.
    Changed,
    /// Less confinement than before.
    Weakened,
    /// More confinement than before.
    Strengthened,
}

impl Direction {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Raised => "raised",
            Direction::Lowered => "lowered",
            Direction::Removed => "removed",
            Direction::Set => "set",
            Direction::Changed => "changed",
            Direction::Weakened => "weakened",
            Direction::Strengthened => "strengthened",
        }
    }
}

impl PropertyChange {
    /// A change of something that is no quantity.
    pub fn plain(property: &'static str, before: impl Into<SmolStr>, after: impl Into<SmolStr>, direction: Direction) -> PropertyChange {
        PropertyChange {
            property,
            before: before.into(),
            after: after.into(),
            direction,
            factor: None,
            step_factor: None,
            to_minimum: None,
        }
    }

    /// The fields of the dictionary's group `CHANGE` that a single change knows.
    pub fn fields(&self, put: &mut dyn FnMut(FieldId, Value)) {
        put(d::CHANGE_PROPERTY, self.property.into());
        put(d::CHANGE_BEFORE, (&self.before).into());
        put(d::CHANGE_AFTER, (&self.after).into());
        put(d::CHANGE_DIRECTION, self.direction.as_str().into());
        if let Some(factor) = self.factor {
            put(d::CHANGE_FACTOR, factor.into());
        }
        if let Some(factor) = self.step_factor {
            put(d::CHANGE_STEP_FACTOR, factor.into());
        }
        if let Some(to_minimum) = self.to_minimum {
            put(d::CHANGE_TO_MINIMUM, to_minimum.into());
        }
    }
}

impl Limits {
    /// What an inspect answer says.
    pub fn of(spec: &ContainerSpec) -> Limits {
        let positive = |n: Option<i64>| n.filter(|n| *n > 0);
        Limits {
            cpu: spec.cpu_limit.filter(|n| *n > 0.0 && n.is_finite()),
            cpu_shares: positive(spec.cpu_shares),
            cpuset: spec.cpuset.clone(),
            memory: positive(spec.memory_limit),
            memory_swap: spec.memory_swap.filter(|n| *n > 0 || *n == -1),
            pids: positive(spec.pids_limit),
            oom_kill_disable: spec.oom_kill_disable,
            oom_score_adj: spec.oom_score_adj,
        }
    }

    /// Memory and swap together, when somebody chose it: twice the memory is what the engine makes of no choice.
    pub fn chosen_swap(&self) -> Option<i64> {
        self.memory_swap.filter(|swap| self.memory.is_none_or(|memory| *swap != memory.saturating_mul(2)))
    }

    /// Memory and swap together as the kernel bounds them; `None` without a bound.
    fn swap(&self) -> Option<i64> {
        match self.memory_swap {
            Some(-1) => None,
            Some(swap) => Some(swap),
            None => self.memory.map(|memory| memory.saturating_mul(2)),
        }
    }

    /// Processor weight at the kernel's maximum together with unlimited swap.
    pub fn maxed(&self) -> bool {
        self.cpu_shares.is_some_and(|shares| shares >= SHARES_MAX) && self.memory_swap == Some(-1)
    }

    /// The kernel will not kill it for memory, or only after everything else.
    pub fn oom_protected(&self) -> bool {
        self.oom_kill_disable || self.oom_score_adj < -500
    }

    /// In words, what is large or unbounded about them; whatever is not limited at all is how every container is, and no claim.
    fn claims(&self) -> Vec<SmolStr> {
        let mut claims = Vec::new();
        if let Some(cpu) = self.cpu.filter(|cpu| *cpu >= CPU_LARGE) {
            claims.push(format_smolstr!("{} processors", Value::Float(cpu)));
        }
        if let Some(memory) = self.memory.filter(|memory| *memory >= MEMORY_LARGE) {
            claims.push(format_smolstr!("{} of memory", bytes(memory as f64)));
        }
        if self.memory_swap == Some(-1) {
            claims.push(SmolStr::new_static("unlimited swap"));
        }
        if self.cpu_shares.is_some_and(|shares| shares >= SHARES_MAX) {
            claims.push(SmolStr::new_static("processor shares at the maximum"));
        }
        if self.oom_protected() {
            claims.push(SmolStr::new_static("spared when memory runs out"));
        }
        claims
    }

    /// The fields of the dictionary's group `LIMITS`, in its order.
    pub fn fields(&self, put: &mut dyn FnMut(FieldId, Value)) {
        if let Some(cpu) = self.cpu {
            put(d::LIMIT_CPU, cpu.into());
        }
        if let Some(shares) = self.cpu_shares {
            put(d::LIMIT_CPU_SHARES, shares.into());
        }
        if let Some(memory) = self.memory {
            put(d::LIMIT_MEMORY, memory.into());
        }
        if let Some(swap) = self.chosen_swap() {
            put(d::LIMIT_SWAP, swap.into());
        }
        if let Some(pids) = self.pids {
            put(d::LIMIT_PIDS, pids.into());
        }
        put(d::LIMIT_MAXED, self.maxed().into());
        put(d::LIMIT_OOM_PROTECTED, self.oom_protected().into());
        put(d::LIMIT_CLAIMS, self.claims().into());
    }
}

/// What changed between `before` and `after`, told against `creation`.
pub fn diff(creation: &Limits, before: &Limits, after: &Limits) -> Vec<PropertyChange> {
    let mut changes = Vec::new();
    if before.cpu != after.cpu {
        let minimum = least(creation.cpu.unwrap_or(UNLIMITED_CPU), CPU_MIN);
        changes.push(quantity("limits.cpu", [creation.cpu, before.cpu, after.cpu], minimum, &|n| Value::Float(n).to_smolstr()));
    }
    if before.cpu_shares != after.cpu_shares {
        // No weight named is a weight too, so a change of it always has a factor.
        let of = |limits: &Limits| Some(limits.cpu_shares.unwrap_or(SHARES_DEFAULT) as f64);
        let minimum = least(creation.cpu_shares.unwrap_or(SHARES_DEFAULT) as f64, 2.0);
        if of(before) != of(after) {
            changes.push(quantity("limits.cpu_shares", [of(creation), of(before), of(after)], minimum, &|n| format_smolstr!("{n:.0}")));
        }
    }
    if before.cpuset != after.cpuset {
        changes.push(cpuset(&creation.cpuset, &before.cpuset, &after.cpuset));
    }
    let float = |n: Option<i64>| n.map(|n| n as f64);
    if before.memory != after.memory {
        let minimum = least(creation.memory.unwrap_or(UNLIMITED_MEMORY) as f64, MEMORY_MIN as f64);
        changes.push(quantity("limits.memory", [float(creation.memory), float(before.memory), float(after.memory)], minimum, &bytes));
    }
    // Swap that follows memory, and swap that nothing bounded before or after, is told by the memory limit alone.
    let chosen = before.chosen_swap().is_some() || after.chosen_swap().is_some();
    if before.memory_swap != after.memory_swap && before.swap() != after.swap() && chosen {
        let [start, from, to] = [creation, before, after].map(|limits| float(limits.swap()));
        let change = quantity("limits.memory_swap", [start, from, to], 0.0, &bytes);
        // The kernel needs no swap, so a container without it is not starved by that.
        changes.push(PropertyChange { to_minimum: Some(false), ..change });
    }
    if before.pids != after.pids {
        let minimum = least(creation.pids.unwrap_or(UNLIMITED_PIDS) as f64, 1.0);
        changes.push(quantity("limits.pids", [float(creation.pids), float(before.pids), float(after.pids)], minimum, &|n| {
            format_smolstr!("{n:.0}")
        }));
    }
    if (before.oom_kill_disable, before.oom_score_adj) != (after.oom_kill_disable, after.oom_score_adj) {
        let direction = match (before.oom_protected(), after.oom_protected()) {
            (false, true) => Direction::Raised,
            (true, false) => Direction::Lowered,
            _ => Direction::Changed,
        };
        changes.push(PropertyChange::plain("limits.oom", oom(creation), oom(after), direction));
    }
    changes
}

/// A tenth of a value, or the engine's minimum where that is more.
fn least(creation: f64, minimum: f64) -> f64 {
    (creation / 10.0).max(minimum)
}

fn quantity(
    property: &'static str,
    [creation, before, after]: [Option<f64>; 3],
    minimum: f64,
    show: &dyn Fn(f64) -> SmolStr,
) -> PropertyChange {
    let direction = match (before, after) {
        (Some(_), None) => Direction::Removed,
        (None, Some(_)) => Direction::Set,
        (Some(before), Some(after)) if after > before => Direction::Raised,
        (Some(_), Some(_)) => Direction::Lowered,
        (None, None) => Direction::Changed,
    };
    let over = |base: Option<f64>| base.filter(|base| *base > 0.0).zip(after).map(|(base, after)| round(after / base));
    let text = |value: Option<f64>| value.map_or(SmolStr::new_static("unlimited"), show);
    PropertyChange {
        property,
        before: text(creation),
        after: text(after),
        direction,
        factor: over(creation),
        step_factor: over(before),
        to_minimum: Some(after.is_some_and(|after| after <= minimum && before.is_none_or(|before| after < before))),
    }
}

/// Six digits are enough to compare and spare readers the noise of division.
fn round(factor: f64) -> f64 {
    (factor * 1e6).round() / 1e6
}

fn cpuset(creation: &SmolStr, before: &SmolStr, after: &SmolStr) -> PropertyChange {
    let text = |set: &SmolStr| if set.is_empty() { SmolStr::new_static("unlimited") } else { set.clone() };
    let [start, from, to] = [creation, before, after].map(|set| if set.is_empty() { None } else { processors(set) });
    let direction = match (before.is_empty(), after.is_empty()) {
        (false, true) => Direction::Removed,
        (true, false) => Direction::Set,
        _ => match (from, to) {
            (Some(from), Some(to)) if to > from => Direction::Raised,
            (Some(from), Some(to)) if to < from => Direction::Lowered,
            _ => Direction::Changed,
        },
    };
    let over = |base: Option<f64>| base.filter(|base| *base > 0.0).zip(to).map(|(base, to)| round(to / base));
    let to_minimum = start.zip(to).is_some_and(|(start, to)| to <= start / 10.0);
    PropertyChange {
        property: "limits.cpuset",
        before: text(creation),
        after: text(after),
        direction,
        factor: over(start),
        step_factor: over(from),
        to_minimum: Some(to_minimum),
    }
}

/// How many processors a set (`0-3,8`) names.
fn processors(set: &str) -> Option<f64> {
    let mut count = 0.0;
    for part in set.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        count += f64::from(last.checked_sub(first)?) + 1.0;
    }
    Some(count)
}

/// Bytes as a person reads them, exact where a unit divides them.
fn bytes(n: f64) -> SmolStr {
    let n = n as i64;
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if n >= size && n % size == 0 {
            return format_smolstr!("{} {unit}", n / size);
        }
    }
    if n >= 10 * (1 << 20) { format_smolstr!("{:.1} MiB", n as f64 / f64::from(1 << 20)) } else { format_smolstr!("{n} bytes") }
}

fn oom(limits: &Limits) -> SmolStr {
    if limits.oom_kill_disable {
        SmolStr::new_static("never killed")
    } else if limits.oom_score_adj == 0 {
        SmolStr::new_static("normal")
    } else {
        format_smolstr!("adjusted by {}", limits.oom_score_adj)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;

    fn picture(creation: &Limits, before: &Limits, after: &Limits) -> String {
        let lines: Vec<String> = diff(creation, before, after)
            .iter()
            .map(|c| {
                format!(
                    "{} {} -> {} {}{}{}{}",
                    c.property,
                    c.before,
                    c.after,
                    c.direction.as_str(),
                    c.factor.map(|f| format!(" x{f}")).unwrap_or_default(),
                    c.step_factor.map(|f| format!(" step x{f}")).unwrap_or_default(),
                    if c.to_minimum == Some(true) { " minimum" } else { "" }
                )
            })
            .collect();
        lines.join("\n")
    }

    fn limits(cpu: Option<f64>, memory: Option<i64>, swap: Option<i64>) -> Limits {
        Limits { cpu, memory, memory_swap: swap, ..Limits::default() }
    }

    #[test]
    fn a_ladder_counts_from_the_start() {
        let start = limits(Some(0.5), None, None);
        let middle = limits(Some(1.0), None, None);
        let end = limits(Some(2.0), None, None);
        assert_eq!(picture(&start, &start, &middle), "limits.cpu 0.5 -> 1 raised x2 step x2");
        assert_eq!(picture(&start, &middle, &end), "limits.cpu 0.5 -> 2 raised x4 step x2");
        assert_eq!(picture(&start, &end, &limits(None, None, None)), "limits.cpu 0.5 -> unlimited removed");
    }

    #[test]
    fn swap_that_follows_memory_is_no_change_of_its_own() {
        let start = limits(None, Some(64 * MIB), Some(128 * MIB));
        assert_eq!(
            picture(&start, &start, &limits(None, Some(512 * MIB), Some(1024 * MIB))),
            "limits.memory 64 MiB -> 512 MiB raised x8 step x8"
        );
        assert_eq!(
            picture(&start, &start, &limits(None, Some(512 * MIB), Some(-1))),
            "limits.memory 64 MiB -> 512 MiB raised x8 step x8\nlimits.memory_swap 128 MiB -> unlimited removed"
        );
        // Memory moves and swap stays: one change.
        assert_eq!(
            picture(&start, &start, &limits(None, Some(100 * MIB), Some(128 * MIB))),
            "limits.memory 64 MiB -> 100 MiB raised x1.5625 step x1.5625"
        );
        assert_eq!(picture(&start, &start, &start), "");
    }

    #[test]
    fn starving_is_a_tenth_or_the_engines_minimum() {
        let start = limits(Some(2.0), Some(100 * MIB), None);
        assert_eq!(
            picture(&start, &start, &limits(Some(0.2), Some(100 * MIB), None)),
            "limits.cpu 2 -> 0.2 lowered x0.1 step x0.1 minimum"
        );
        assert_eq!(picture(&start, &start, &limits(Some(1.0), Some(100 * MIB), None)), "limits.cpu 2 -> 1 lowered x0.5 step x0.5");
        assert_eq!(
            picture(&start, &start, &limits(Some(2.0), Some(6 * MIB), None)),
            "limits.memory 100 MiB -> 6 MiB lowered x0.06 step x0.06 minimum"
        );
        let none = Limits::default();
        assert_eq!(picture(&none, &none, &limits(Some(0.01), None, None)), "limits.cpu unlimited -> 0.01 set minimum");
        assert_eq!(picture(&none, &none, &limits(Some(1.5), None, None)), "limits.cpu unlimited -> 1.5 set");
        // Raised from the floor but still low: that is no throttling step.
        let floor = limits(Some(0.01), Some(100 * MIB), None);
        assert_eq!(picture(&start, &floor, &limits(Some(0.02), Some(100 * MIB), None)), "limits.cpu 2 -> 0.02 raised x0.01 step x2");
    }

    #[test]
    fn the_smaller_knobs_are_told_too() {
        let none = Limits::default();
        let shares = Limits { cpu_shares: Some(SHARES_MAX), memory_swap: Some(-1), ..Limits::default() };
        assert!(shares.maxed());
        assert_eq!(picture(&none, &none, &shares), "limits.cpu_shares 1024 -> 262144 raised x256 step x256");
        let pids = |n| Limits { pids: n, ..Limits::default() };
        assert_eq!(picture(&pids(Some(100)), &pids(Some(100)), &pids(None)), "limits.pids 100 -> unlimited removed");
        let set = |text: &str| Limits { cpuset: text.into(), ..Limits::default() };
        assert_eq!(picture(&set("0-7"), &set("0-7"), &set("3")), "limits.cpuset 0-7 -> 3 lowered x0.125 step x0.125");
        let safe = Limits { oom_kill_disable: true, ..Limits::default() };
        assert_eq!(picture(&none, &none, &safe), "limits.oom normal -> never killed raised");
    }

    #[test]
    fn unset_in_any_spelling_is_no_limit() {
        let spec = ContainerSpec {
            pids_limit: Some(-1),
            memory_swap: Some(0),
            cpu_shares: Some(0),
            cpu_limit: Some(0.0),
            ..ContainerSpec::default()
        };
        assert_eq!(Limits::of(&spec), Limits::default());
        let default_swap = Limits { memory: Some(MIB), memory_swap: Some(2 * MIB), ..Limits::default() };
        let mut said: Vec<FieldId> = Vec::new();
        default_swap.fields(&mut |field, _| said.push(field));
        assert_eq!(said, [d::LIMIT_MEMORY, d::LIMIT_MAXED, d::LIMIT_OOM_PROTECTED, d::LIMIT_CLAIMS]);
    }

    #[test]
    fn what_is_large_is_said_in_words_and_what_is_unlimited_is_not() {
        assert!(Limits::default().claims().is_empty());
        let large = Limits {
            cpu: Some(4.0),
            cpu_shares: Some(SHARES_MAX),
            memory: Some(8 << 30),
            memory_swap: Some(-1),
            oom_score_adj: -1000,
            ..Limits::default()
        };
        let claims =
            ["4 processors", "8 GiB of memory", "unlimited swap", "processor shares at the maximum", "spared when memory runs out"];
        assert_eq!(large.claims(), claims);
        assert!(Limits { cpu: Some(3.9), memory: Some((8 << 30) - 1), ..Limits::default() }.claims().is_empty());
    }
}
