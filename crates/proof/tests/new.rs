//! A page made from a recording is a page, and fires on that recording.

use proof::stage::Leg;
use proof::{Options, Outcome, test};
use source::read::{ReadOptions, Reader};
use std::path::Path;
use strategy::{Pack, new::scaffold};

#[test]
fn a_new_page_detects_the_recording_it_was_made_from() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../strategy/tests/pages/privileged-example/one.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let records = Reader::open(&[path], &ReadOptions::default()).unwrap().collect();
    let leg = Leg { records, ..Leg::default() };
    let none = proof::run::compiled(&Pack::default(), Vec::new());
    let made = scaffold("odd-things", &leg.play_with_events(&none).events, &text);
    assert_eq!(made.recording, None, "a short recording stands in the page");
    let (page, problems) = strategy::parse(&made.page, "odd-things.md");
    let errors: Vec<String> = problems.iter().filter(|p| p.gravity == event::Gravity::Error).map(ToString::to_string).collect();
    assert_eq!(errors, Vec::<String>::new(), "{}", made.page);
    assert!(page.rules[0].text.contains("container.privileged: true"), "{}", page.rules[0].text);
    let pack = Pack::of(vec![page], Path::new("."));
    let verdicts = test(&pack, &Options::default());
    let validation = verdicts.iter().find(|verdict| verdict.claim == "validation").unwrap();
    assert!(matches!(validation.outcome, Outcome::Untested(_)), "{validation}");
    assert!(validation.notes[0].contains("odd-things-seen"), "{validation}");
    let blessed = proof::run::bless(&pack, &pack.strategies()[0]).unwrap();
    let pack = Pack::of(vec![strategy::parse(&blessed, "odd-things.md").0], Path::new("."));
    let verdicts = test(&pack, &Options::default());
    assert!(verdicts.iter().any(|verdict| verdict.claim == "validation" && verdict.outcome == Outcome::Held));
}
