//! Which rules an event can match at all: takes programs; gives candidates by the values that they need.
//!
//! The law: an index may only leave out a rule that cannot match. From each program a set of *atoms* is read of which at least one must hold: a whole value of a field, or a piece
//! of text inside one. All pieces of a field are looked for in one pass, so the cost of an event hardly grows with the number of rules. A program without such a
//! set (a bare `not`, a regular expression, a comparison) is always evaluated.

use crate::check::{Check, with_text};
use crate::program::Program;
use crate::scratch::{Candidates, Reader};
use crate::set::Shared;
use aho_corasick::AhoCorasick;
use event::ValueRef;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Something that a value of a field must be, or hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Atom {
    Whole(u32, String),
    Piece(u32, String),
}

/// How unlikely an atom is to hold by chance: lower is better. Truth values say little, short pieces too.
fn cost(atom: &Atom) -> u64 {
    match atom {
        Atom::Whole(_, value) if value == "true" || value == "false" => 200,
        Atom::Whole(_, value) if value.is_empty() => 300,
        Atom::Whole(..) => 10,
        Atom::Piece(_, piece) => 20 + 80 / piece.len().max(1) as u64,
    }
}

/// The atoms of which one must hold when the program does; `None` when there is no such set.
fn atoms(program: &Program, shared: &[Shared]) -> Option<Vec<Atom>> {
    match program {
        Program::Predicate(index) => shared.get(*index as usize).and_then(of_predicate),
        Program::All(list) => list.iter().filter_map(|p| atoms(p, shared)).min_by_key(|atoms| atoms.iter().map(cost).sum::<u64>()),
        Program::Any(list) | Program::AtLeast(_, list) => {
            list.iter().map(|p| atoms(p, shared)).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
        }
        Program::Not(_) => None,
        Program::Always(_) => None,
    }
}

fn of_predicate(predicate: &Shared) -> Option<Vec<Atom>> {
    let Check::Values(values) = &*predicate.check else { return None };
    let unusual = values.null
        || !values.numbers.is_empty()
        || !values.compare.is_empty()
        || !values.regexes.is_empty()
        || !values.networks.is_empty();
    if unusual {
        return None;
    }
    let mut atoms: Vec<Atom> = values.bools.iter().map(|b| Atom::Whole(predicate.slot, b.to_string())).collect();
    if let Some(texts) = &values.texts {
        let (whole, pieces) = texts.atoms()?;
        atoms.extend(whole.iter().map(|value| Atom::Whole(predicate.slot, value.to_lowercase())));
        atoms.extend(pieces.map(|piece| Atom::Piece(predicate.slot, piece.to_ascii_lowercase())));
    }
    (!atoms.is_empty()).then_some(atoms)
}

/// Programs of one kind of event, and how to find those that an event can match.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Rule and program, in the order of rules.
    pub programs: Vec<(u32, Arc<Program>)>,
    /// Positions in `programs` that are always tried.
    always: Vec<u32>,
    fields: Vec<FieldIndex>,
}

/// What the programs of a kind need of one field.
#[derive(Debug)]
struct FieldIndex {
    slot: u32,
    whole: HashMap<String, Vec<u32>>,
    whole_length_max: usize,
    pieces: Option<AhoCorasick>,
    /// For each piece, the programs that need it.
    of_pieces: Vec<Vec<u32>>,
}

impl Plan {
    pub fn new(programs: Vec<(u32, Arc<Program>)>, shared: &[Shared]) -> Plan {
        let mut always = Vec::new();
        // For each slot: whole values, then pieces, each with the programs that need it.
        type Needs = BTreeMap<String, Vec<u32>>;
        let mut by_field: BTreeMap<u32, (Needs, Needs)> = BTreeMap::new();
        for (position, (_, program)) in programs.iter().enumerate() {
            let position = position as u32;
            let Some(mut atoms) = atoms(program, shared) else {
                always.push(position);
                continue;
            };
            atoms.sort();
            atoms.dedup();
            for atom in atoms {
                let list = match atom {
                    Atom::Whole(slot, value) => by_field.entry(slot).or_default().0.entry(value).or_default(),
                    Atom::Piece(slot, piece) => by_field.entry(slot).or_default().1.entry(piece).or_default(),
                };
                list.push(position);
            }
        }
        let mut fields = Vec::new();
        for (slot, (whole, pieces)) in by_field {
            let (pieces, of_pieces): (Vec<String>, Vec<Vec<u32>>) = pieces.into_iter().unzip();
            let automaton = if pieces.is_empty() {
                None
            } else {
                match AhoCorasick::builder().ascii_case_insensitive(true).build(&pieces) {
                    Ok(automaton) => Some(automaton),
                    Err(_) => {
                        // Too many pieces for one pass: these programs are then always tried.
                        always.extend(of_pieces.iter().flatten().copied());
                        None
                    }
                }
            };
            let whole_length_max = whole.keys().map(String::len).max().unwrap_or(0);
            fields.push(FieldIndex { slot, whole: whole.into_iter().collect(), whole_length_max, pieces: automaton, of_pieces });
        }
        always.sort_unstable();
        always.dedup();
        Plan { programs, always, fields }
    }

    /// Collects the positions of programs that this event can match, in order, each once.
    pub fn candidates(&self, reader: &mut Reader<'_, '_>, found: &mut Candidates) {
        found.start(self.programs.len());
        self.always.iter().for_each(|position| found.add(*position));
        for field in &self.fields {
            for value in reader.slot(field.slot) {
                field.look_up(value, found);
            }
        }
        found.sort();
    }
}

impl FieldIndex {
    fn look_up(&self, value: ValueRef<'_>, found: &mut Candidates) {
        with_text(value, |text| {
            // Folding may shorten or lengthen a text, by a factor below three.
            if text.len() <= self.whole_length_max.saturating_mul(3) {
                let positions = if text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
                    self.whole.get(text.to_lowercase().as_str())
                } else {
                    self.whole.get(text)
                };
                positions.into_iter().flatten().for_each(|position| found.add(*position));
            }
            if let Some(pieces) = &self.pieces {
                for piece in pieces.find_overlapping_iter(text) {
                    if let Some(positions) = self.of_pieces.get(piece.pattern().as_usize()) {
                        positions.iter().for_each(|position| found.add(*position));
                    }
                }
            }
        });
    }
}
