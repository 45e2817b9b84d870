//! A rule as it is evaluated: a tree over predicates that all rules share, with everything that the kind of event decides folded away.

use crate::condition::Condition;
use crate::detection::{Detection, Expr};
use crate::kinds::{self, Known, View};
use event::Kind;

/// A condition over shared predicates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Program {
    All(Vec<Program>),
    Any(Vec<Program>),
    AtLeast(usize, Vec<Program>),
    Not(Box<Program>),
    /// Index of a shared predicate.
    Predicate(u32),
    Always(bool),
}

impl Program {
    /// The program of a rule for events of one kind. `shared` maps the rule's own predicates to shared ones.
    pub fn new(detection: &Detection, shared: &[u32], kind: Kind) -> Program {
        Folder { detection, shared, kind }.condition(&detection.condition)
    }

    /// Evaluates it; `holds` answers for a predicate.
    pub fn eval(&self, holds: &mut impl FnMut(u32) -> bool) -> bool {
        match self {
            Program::Predicate(index) => holds(*index),
            Program::All(list) => list.iter().all(|p| p.eval(holds)),
            Program::Any(list) => list.iter().any(|p| p.eval(holds)),
            Program::Not(inner) => !inner.eval(holds),
            Program::AtLeast(n, list) => {
                let mut found = 0;
                list.iter().any(|p| {
                    found += usize::from(p.eval(holds));
                    found >= *n
                })
            }
            Program::Always(is) => *is,
        }
    }

    /// Calls `f` with every predicate that it may ask.
    pub fn each_predicate(&self, f: &mut impl FnMut(u32)) {
        match self {
            Program::Predicate(index) => f(*index),
            Program::All(list) | Program::Any(list) | Program::AtLeast(_, list) => list.iter().for_each(|p| p.each_predicate(f)),
            Program::Not(inner) => inner.each_predicate(f),
            Program::Always(_) => {}
        }
    }
}

struct Folder<'a> {
    detection: &'a Detection,
    shared: &'a [u32],
    kind: Kind,
}

impl Folder<'_> {
    fn condition(&self, condition: &Condition) -> Program {
        let each = |list: &[Condition]| list.iter().map(|c| self.condition(c)).collect();
        match condition {
            Condition::Selection(index) => match self.detection.selections.get(*index) {
                Some(selection) => self.expr(&selection.expr),
                None => Program::Always(false),
            },
            Condition::All(list) => all(each(list)),
            Condition::Any(list) => any(each(list)),
            Condition::AtLeast(n, list) => at_least(*n, each(list)),
            Condition::Not(inner) => not(self.condition(inner)),
        }
    }

    fn expr(&self, expr: &Expr) -> Program {
        let each = |list: &[Expr]| list.iter().map(|e| self.expr(e)).collect();
        match expr {
            Expr::All(list) => all(each(list)),
            Expr::Any(list) => any(each(list)),
            Expr::Not(inner) => not(self.expr(inner)),
            Expr::Predicate(index) => {
                let known = self.detection.predicates.get(*index).map(|p| kinds::predicate(p, self.kind, View::Fields));
                match (known, self.shared.get(*index)) {
                    (Some(Known::True), _) => Program::Always(true),
                    (Some(Known::Perhaps), Some(shared)) => Program::Predicate(*shared),
                    _ => Program::Always(false),
                }
            }
        }
    }
}

fn all(list: Vec<Program>) -> Program {
    if list.contains(&Program::Always(false)) {
        return Program::Always(false);
    }
    let mut flat = Vec::new();
    for program in list {
        match program {
            Program::Always(_) => {}
            Program::All(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    match flat.len() {
        0 => Program::Always(true),
        1 => flat.remove(0),
        _ => Program::All(flat),
    }
}

fn any(list: Vec<Program>) -> Program {
    if list.contains(&Program::Always(true)) {
        return Program::Always(true);
    }
    let mut flat = Vec::new();
    for program in list {
        match program {
            Program::Always(_) => {}
            Program::Any(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    match flat.len() {
        0 => Program::Always(false),
        1 => flat.remove(0),
        _ => Program::Any(flat),
    }
}

fn at_least(n: usize, list: Vec<Program>) -> Program {
    let sure = list.iter().filter(|p| **p == Program::Always(true)).count();
    let open: Vec<Program> = list.into_iter().filter(|p| !matches!(p, Program::Always(_))).collect();
    match n.saturating_sub(sure) {
        0 => Program::Always(true),
        n if n > open.len() => Program::Always(false),
        1 => any(open),
        n if n == open.len() => all(open),
        n => Program::AtLeast(n, open),
    }
}

fn not(program: Program) -> Program {
    match program {
        Program::Always(is) => Program::Always(!is),
        Program::Not(inner) => *inner,
        other => Program::Not(Box::new(other)),
    }
}
