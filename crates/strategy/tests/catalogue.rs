//! The shipped ATT&CK catalogue says what the full one says.

use std::collections::BTreeSet;
use std::fmt::Write;

const HEAD: &str = "# ATT&CK Enterprise 19.0: id, name, tactics, platforms with an analytic, status, replacement. Tactics: id, name, short name.\n\
# Copyright The MITRE Corporation. ATT&CK ids and names are reproduced and distributed with the permission of The MITRE Corporation.\n";

#[test]
fn the_shipped_catalogue_equals_the_full_one() {
    let Some(dir) = std::env::var_os("LANDWAITER_TEST_DATA") else {
        eprintln!("skipped: LANDWAITER_TEST_DATA is not set");
        return;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&dir).join("attack-containers.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let made = table(&json);
    // To take over a new catalogue: set LANDWAITER_BLESS and run this test.
    if std::env::var_os("LANDWAITER_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/attack.tsv"), &made).unwrap();
        return;
    }
    assert_eq!(json["attack_version"], strategy::attack::VERSION);
    assert!(made == strategy::attack::TSV, "src/attack.tsv differs from the full catalogue: bless it");
}

fn table(json: &serde_json::Value) -> String {
    let mut out = HEAD.to_owned();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &serde_json::Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    for tactic in json["tactics"].as_array().unwrap() {
        let _ = writeln!(out, "{}\t{}\t{}\t\tlive\t", text(&tactic["id"]), text(&tactic["name"]), text(&tactic["shortname"]));
    }
    for technique in json["techniques"].as_array().unwrap() {
        let strategies = technique["detection"].as_array().into_iter().flatten();
        let analytics = strategies.flat_map(|strategy| strategy["analytics"].as_array().into_iter().flatten());
        let platforms: BTreeSet<String> = analytics.flat_map(|analytic| list(&analytic["platforms"])).collect();
        let id = text(&technique["id"]);
        let revoked = technique["revoked"] == true;
        let status = match (revoked, technique["deprecated"] == true) {
            (true, _) => "revoked",
            (false, true) => "deprecated",
            (false, false) => "live",
        };
        let replacement = if revoked { text(&json["revoked_to_replacement"][&id]) } else { String::new() };
        let platforms: Vec<String> = platforms.into_iter().collect();
        let _ = writeln!(
            out,
            "{id}\t{}\t{}\t{}\t{status}\t{replacement}",
            text(&technique["name"]),
            list(&technique["tactics"]).join(","),
            platforms.join(",")
        );
    }
    out
}
