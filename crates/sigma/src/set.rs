//! Many rules compiled into one set: predicates shared, fields shared, and for each kind of event the programs that can match it.

use crate::check::Check;
use crate::index::Plan;
use crate::link;
use crate::program::Program;
use crate::rule::Rule;
use event::deriver::{Wanted, WantedFields};
use event::{Event, FieldId, Kind, Path, Problem, SmolStr, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rules, compiled. Immutable; one set serves any number of matchers.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) shared: Vec<Shared>,
    pub(crate) slots: Vec<Slot>,
    /// For each derived field, the slot that reads it.
    pub(crate) slot_of_field: Vec<Option<u32>>,
    /// By [`Kind::index`].
    pub(crate) plans: Vec<Plan>,
    /// Correlations, those that others refer to first.
    pub(crate) correlations: Vec<link::Linked>,
    /// For each rule, the correlations that count it, and its position in their list.
    pub(crate) listeners: Vec<Vec<(u32, u8)>>,
    /// For each rule, what its signals carry.
    pub(crate) carried: Vec<Vec<(SmolStr, Source)>>,
}

/// A predicate that any number of rules ask.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub slot: u32,
    /// The other field of a reference.
    pub other: Option<u32>,
    pub check: Arc<Check>,
}

/// A field that some predicate reads.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub source: Source,
}

/// Where the values of a name come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Every value of the event.
    Everything,
    /// A derived field, in native events a path.
    Named { field: Option<FieldId>, path: Path },
}

impl Source {
    pub fn named(name: &str) -> Source {
        if name.is_empty() { Source::Everything } else { Source::Named { field: FieldId::named(name), path: Path::new(name) } }
    }

    /// The value that an event has there: one value as it is, several as a list.
    pub fn value(&self, event: &Event) -> Option<Value> {
        let Source::Named { field, path } = self else { return None };
        if *field == Some(event::dictionary::HOST_NAME) {
            return (!event.host.is_empty()).then(|| Value::Text(event.host.clone()));
        }
        match &event.fields {
            event::Fields::Derived(_) => field.and_then(|field| event.derived(field)).cloned(),
            // Who saw a container is the inventory's to say, never a record's.
            event::Fields::Native(_) if *field == Some(event::dictionary::WITNESSES) => None,
            event::Fields::Native(_) => {
                let mut found = Vec::new();
                event.each_native(path, &mut |v| {
                    if found.len() < CARRIED_VALUES_MAX && !matches!(v, event::ValueRef::Null | event::ValueRef::Composite) {
                        found.push(v.to_value());
                    }
                });
                if found.len() > 1 { Some(Value::List(found)) } else { found.pop() }
            }
        }
    }
}

/// Elements of one list that a signal carries; a finding shows fewer.
const CARRIED_VALUES_MAX: usize = 100;

impl RuleSet {
    /// Compiles rules. They keep their order and number: a rule that cannot be used stays in its place and never matches.
    pub fn compile(mut rules: Vec<Rule>) -> (RuleSet, Vec<Problem>) {
        let mut problems = Vec::new();
        let links = link::link(&mut rules, &mut problems);
        let mut set = RuleSet { listeners: vec![Vec::new(); rules.len()], correlations: links, ..RuleSet::default() };
        for (order, linked) in set.correlations.iter().enumerate() {
            for (position, member) in linked.members.iter().enumerate() {
                set.listeners[member.rule].push((order as u32, position as u8));
            }
        }
        let mut interner = Interner::default();
        let mut programs: Vec<Vec<(u32, Arc<Program>)>> = vec![Vec::new(); event::dictionary::KINDS.len()];
        for (index, rule) in rules.iter().enumerate() {
            let Some(detection) = &rule.detection else { continue };
            let shared: Vec<u32> = detection.predicates.iter().map(|p| interner.predicate(p)).collect();
            // Most kinds leave the same of a rule; they share one program.
            let mut made: Vec<Arc<Program>> = Vec::new();
            for kind in &rule.kinds {
                let program = Program::new(detection, &shared, *kind);
                if program == Program::Always(false) {
                    continue;
                }
                let program = made.iter().find(|other| ***other == program).cloned().unwrap_or_else(|| {
                    made.push(Arc::new(program));
                    made[made.len() - 1].clone()
                });
                programs[kind.index()].push((index as u32, program));
            }
        }
        set.shared = interner.shared;
        set.slots = interner.slots;
        set.slot_of_field = vec![None; event::dictionary::FIELDS.len()];
        for (slot, Slot { source }) in set.slots.iter().enumerate() {
            if let Source::Named { field: Some(field), .. } = source {
                set.slot_of_field[field.index()] = Some(slot as u32);
            }
        }
        set.plans = programs.into_iter().map(|programs| Plan::new(programs, &set.shared)).collect();
        set.carried = rules
            .iter()
            .map(|rule| link::carried_names(rule).into_iter().map(|name| (name.clone(), Source::named(&name))).collect())
            .collect();
        set.rules = rules;
        (set, problems)
    }

    /// The rules, in the order in which they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Index of the rule of that name or id; of several the first.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.name == name || (!rule.id.is_empty() && rule.id == name))
    }

    /// For each kind, by [`Kind::index`]: whether some rule may match it. What nobody reads need not be made.
    pub fn wanted(&self) -> Vec<bool> {
        Kind::all().map(|kind| self.plans.get(kind.index()).is_some_and(|plan| !plan.programs.is_empty())).collect()
    }

    /// For each kind, the derived fields that are read in its events: by the rules that may match it, by the correlations that count those, and by their signals.
    pub fn wanted_fields(&self) -> WantedFields {
        let mut wanted = WantedFields::none();
        for kind in Kind::all() {
            let Some(plan) = self.plans.get(kind.index()) else { continue };
            let mut reading = Reading::default();
            let mut rules: BTreeSet<usize> = BTreeSet::new();
            for (rule, program) in &plan.programs {
                program.each_predicate(&mut |predicate| {
                    if let Some(shared) = self.shared.get(predicate as usize) {
                        let slots = [Some(shared.slot), shared.other];
                        slots
                            .iter()
                            .flatten()
                            .filter_map(|slot| self.slots.get(*slot as usize))
                            .for_each(|slot| reading.source(&slot.source));
                    }
                });
                rules.insert(*rule as usize);
            }
            // An event that a rule matches is read by the correlations that count the rule too, and by those that count these.
            let mut waiting: Vec<usize> = rules.iter().copied().collect();
            while let Some(rule) = waiting.pop() {
                self.carried[rule].iter().for_each(|(_, source)| reading.source(source));
                for (order, position) in &self.listeners[rule] {
                    let linked = &self.correlations[*order as usize];
                    if let Some(member) = linked.members.get(usize::from(*position)) {
                        member.group.iter().chain(&member.counted).for_each(|source| reading.source(source));
                        member.carried.iter().for_each(|(_, source)| reading.source(source));
                    }
                    if rules.insert(linked.rule) {
                        waiting.push(linked.rule);
                    }
                }
            }
            wanted.set(kind, reading.wanted());
        }
        wanted
    }

    /// How many different predicates all rules together ask.
    pub fn predicates(&self) -> usize {
        self.shared.len()
    }
}

/// Gathers the fields that are read.
struct Reading {
    fields: Vec<bool>,
    everything: bool,
}

impl Default for Reading {
    fn default() -> Reading {
        let mut reading = Reading { fields: vec![false; event::dictionary::FIELDS.len()], everything: false };
        // Every signal says whether its event was explained, whatever the rule.
        reading.fields[event::dictionary::EXPLAINED.index()] = true;
        reading
    }
}

impl Reading {
    fn source(&mut self, source: &Source) {
        match source {
            Source::Everything => self.everything = true,
            Source::Named { field, .. } => {
                if let Some(slot) = field.and_then(|field| self.fields.get_mut(field.index())) {
                    *slot = true;
                }
            }
        }
    }

    fn wanted(self) -> Wanted {
        if self.everything { Wanted::all() } else { Wanted::these(self.fields) }
    }
}

/// Gives equal things one number.
#[derive(Default)]
struct Interner {
    slots: Vec<Slot>,
    slot_of_name: BTreeMap<SmolStr, u32>,
    shared: Vec<Shared>,
    shared_of_text: BTreeMap<String, u32>,
}

impl Interner {
    fn slot(&mut self, name: &SmolStr) -> u32 {
        let slots = &mut self.slots;
        *self.slot_of_name.entry(name.clone()).or_insert_with(|| {
            slots.push(Slot { source: Source::named(name) });
            slots.len() as u32 - 1
        })
    }

    fn predicate(&mut self, predicate: &crate::detection::Predicate) -> u32 {
        if let Some(index) = self.shared_of_text.get(&predicate.shown) {
            return *index;
        }
        let slot = self.slot(&predicate.field);
        let other = match &*predicate.check {
            Check::Reference { field, .. } => Some(self.slot(field)),
            _ => None,
        };
        let index = self.shared.len() as u32;
        self.shared.push(Shared { slot, other, check: predicate.check.clone() });
        self.shared_of_text.insert(predicate.shown.clone(), index);
        index
    }
}
