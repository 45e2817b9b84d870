//! Every claim of every shipped strategy, through the real engine.

use proof::{Options, Outcome, summary, test};
use strategy::Pack;

#[test]
fn every_claim_of_the_shipped_strategies_holds() {
    let (pack, problems) = Pack::shipped();
    let errors: Vec<String> = problems.iter().filter(|p| p.gravity == event::Gravity::Error).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
    let verdicts = test(&pack, &Options::default());
    let mut wrong = Vec::new();
    for page in pack.strategies() {
        let summary = summary(page, &verdicts);
        eprintln!(
            "{}: {} held, {} broken, {} untested, {} skipped; {} mutations noticed, {} exempt",
            page.id, summary.held, summary.broken, summary.untested, summary.skipped, summary.noticed, summary.exempt
        );
    }
    for verdict in verdicts {
        match verdict.outcome {
            Outcome::Held => {}
            // A page that says it is a draft may have claims that nothing tests yet.
            Outcome::Untested(_) | Outcome::Skipped(_) => eprintln!("{verdict}"),
            Outcome::Broken(_) => wrong.push(verdict.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{} claims are broken\n{}", wrong.len(), wrong.join("\n"));
}
