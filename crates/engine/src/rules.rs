//! The rules in use: the one place where the engine meets the matcher and the inventory by name.

use crate::detect::Detect;
use crate::engine::Engine;
use event::{Event, Signal};
use finding::RuleCard;
use inventory::Inventory;
use sigma::{Matcher, RuleSet};
use std::sync::Arc;

/// A compiled table of rules, with what the judge must know of each, at the same index.
#[derive(Clone)]
pub struct Rules {
    /// The rules.
    pub set: Arc<RuleSet>,
    /// A card for each.
    pub cards: Arc<Vec<RuleCard>>,
}

impl Engine {
    /// An engine over these rules, with nothing seen yet.
    pub fn new(rules: Rules, inventory: Inventory) -> Engine {
        let (wanted, fields) = (rules.set.wanted(), rules.set.wanted_fields());
        Engine::of_parts(vec![Box::new(inventory)], Box::new(Matcher::new(rules.set)), rules.cards, wanted).reading(fields)
    }
}

impl Detect for Matcher {
    fn step(&mut self, event: &Event, out: &mut Vec<Signal>) {
        Matcher::step(self, event, out);
    }

    fn forgotten(&self) -> u64 {
        let pressure = self.pressure();
        // Evidence between the first and the last records is left out by design, and counted by the correlation itself.
        pressure.groups + pressure.entries
    }

    fn freeze(&self) -> Vec<u8> {
        Matcher::freeze(self)
    }

    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        Matcher::thaw(self, frozen)
    }
}
