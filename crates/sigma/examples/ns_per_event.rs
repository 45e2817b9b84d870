//! How long one event takes: thirty rules over derived events, then the same beside three thousand others.
//!
//! `cargo run --release -p landwaiter-sigma --example ns_per_event`

use event::dictionary::{FieldId, Kind};
use event::{DerivedBuilder, Event, Span, Time, Value};
use sigma::{Matcher, RuleSet};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let events = events();
    let few = rules(0);
    for (name, text) in [("30 rules", few.clone()), ("3,030 rules", format!("{few}{}", rules(3_000)))] {
        let (rules, problems) = sigma::parse(&text, "bench", 1);
        assert!(problems.iter().all(|p| p.gravity != event::Gravity::Error), "{}", problems[0]);
        let (set, _) = RuleSet::compile(rules);
        let set = Arc::new(set);
        let mut matcher = Matcher::new(set.clone());
        let mut signals = Vec::new();
        let mut fastest = f64::MAX;
        let mut matched = 0;
        for _ in 0..500 {
            let start = Instant::now();
            for event in &events {
                matcher.step(event, &mut signals);
            }
            fastest = fastest.min(start.elapsed().as_nanos() as f64 / events.len() as f64);
            matched = signals.len();
            signals.clear();
        }
        println!("{name:>12}: {fastest:.0} ns an event, {} predicates, {matched} signals in {} events", set.predicates(), events.len());
    }
}

/// Thirty rules in the shape of shipped ones, or `n` rules that ask for other literals of the same fields.
fn rules(n: usize) -> String {
    let mut text = String::new();
    let mut push = |title: String, selection: String| {
        text.push_str(&format!(
            "title: {title}\nlogsource: {{ category: container }}\ndetection:\n  selection:\n{selection}  known: {{ explained: known }}\n  condition: selection and not known\n---\n"
        ));
    };
    if n > 0 {
        for i in 0..n {
            let (event, field) = [
                ("container.exec", "exec.command_line|contains"),
                ("container.appeared", "container.image.name|startswith"),
                ("container.changed", "change.property"),
            ][i % 3];
            push(format!("Other {i}"), format!("    event.name: {event}\n    {field}: 'literal-{i}-x'\n"));
        }
        return text;
    }
    for i in 0..10 {
        let capability = ["SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "NET_ADMIN", "DAC_READ_SEARCH"][i % 5];
        push(
            format!("Posture {i}"),
            format!("    event.name: [container.appeared, container.changed]\n    container.capabilities.dangerous: {capability}\n"),
        );
        push(
            format!("Exec {i}"),
            format!("    event.name: container.exec\n    exec.command_line|contains: [tool-{i}, '/tmp/x{i}', ' -enc{i} ']\n"),
        );
        push(
            format!("Change {i}"),
            format!("    event.name: container.changed\n    change.property: limits.memory\n    change.factor|gte: {}\n", 4 + i),
        );
    }
    text
}

fn events() -> Vec<Event> {
    let at = |n: i64| Time(0) + Span::millis(n);
    let field = |name: &str| FieldId::named(name).unwrap_or_else(|| panic!("there is no field {name}"));
    // Few enough to stay in the cache, as an event does that was made just now.
    (0..600i64)
        .map(|n| {
            let name =
                ["container.created", "container.appeared", "container.started", "container.exec", "container.ended", "container.changed"]
                    [n as usize % 6];
            let kind = Kind::named(name).unwrap_or_else(|| panic!("there is no event {name}"));
            let mut builder = DerivedBuilder::at(kind, "bench", at(n), "host-1".into(), Vec::new());
            let base = [
                ("container.id", Value::from(format!("{:064x}", n / 6))),
                ("container.name", format!("service-{}", n % 50).into()),
                ("container.image.name", "registry.example/team/app:1.4".into()),
                ("container.command_line", "/usr/bin/app --config /etc/app.toml".into()),
                ("container.privileged", false.into()),
                ("container.capabilities.dangerous", Vec::<&str>::new().into()),
                ("container.mounts.sources", vec!["/var/lib/app", "/etc/app"].into()),
                ("container.limits.memory", Value::Int(512 << 20)),
                ("exec.command_line", "sh -c 'curl -s http://127.0.0.1:8080/health || exit 1'".into()),
                ("change.property", "limits.memory".into()),
                ("change.factor", Value::Float(if n % 60 == 5 { 8.0 } else { 1.5 })),
                ("explained", "unknown".into()),
            ];
            for (name, value) in base {
                if kind.has_field(field(name)) {
                    builder.push(field(name), value);
                }
            }
            builder.build()
        })
        .collect()
}
