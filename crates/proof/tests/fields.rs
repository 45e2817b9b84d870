//! Fields that no rule reads are left out of derived events. That is a matter of speed: what is found stays the same.

use engine::Rules;
use proof::stage::{self, Leg};
use sigma::RuleSet;
use std::sync::Arc;
use strategy::Pack;

fn rules(pack: &Pack) -> Rules {
    let (set, _) = RuleSet::compile(pack.rules());
    let cards = pack.cards(&set);
    Rules { set: Arc::new(set), cards: Arc::new(cards) }
}

#[test]
fn the_shipped_recordings_give_the_same_findings_with_all_fields_and_with_those_that_are_read() {
    let (pack, _) = Pack::shipped();
    let all = rules(&pack);
    let (mut played, mut found) = (0, 0);
    for page in pack.strategies() {
        let mut alone = pack.clone();
        alone.retain(|id| page.id == id);
        // The fewer rules, the fewer fields are read.
        let alone = rules(&alone);
        for scenario in &page.scenarios {
            let Some(lines) = stage::lines(&pack, page, scenario).expect("shipped recordings can be read") else { continue };
            let records = stage::records(&pack, page, &lines, &scenario.play).expect("shipped backgrounds can be read");
            let leg = Leg { records, ..Leg::default() };
            for rules in [&all, &alone] {
                let (read, whole) = (leg.play(rules), leg.play_with_events(rules));
                assert_eq!(format!("{:#?}", read.findings), format!("{:#?}", whole.findings), "{} {}", page.id, scenario.slug);
                played += 1;
                found += read.findings.len();
            }
        }
    }
    assert!(played > 0 && found > 0, "{played} plays, {found} findings");
}
