//! Any formats in one folder, without a flag; and what a runtime of one's own needs.

mod common;

use common::{findings, folder, landwaiter, stderr, stdout};
use std::fs;
use std::io::Write;

/// Records of any built-in source, as they stand in files.
fn samples() -> Vec<(&'static str, &'static str)> {
    // What goes by its name alone is recognised in recordings only.
    source::SOURCES
        .iter()
        .filter(|source| !matches!(source.name, "sensor" | "docker_networks"))
        .map(|source| (source.name, source.sample))
        .collect()
}

#[test]
fn a_folder_of_all_formats_needs_no_flag() {
    let dir = folder();
    for (name, sample) in samples() {
        fs::write(dir.path().join(format!("{name}.log")), format!("{sample}\n")).unwrap();
    }
    let all: String = samples().iter().map(|(_, sample)| format!("{sample}\n")).collect();
    fs::write(dir.path().join("everything.log"), all).unwrap();
    let output = landwaiter(&["replay", dir.path().to_str().unwrap()], None);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stderr(&output).contains("skipped"), "{}", stderr(&output));
    assert!(stdout(&output).contains(&format!("{} files", samples().len() + 1)), "{}", stdout(&output));
}

#[test]
fn a_mapping_file_makes_a_source_of_any_runtime() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/sources.d");
    let records = format!("{examples}/quayd.jsonl");
    let without = landwaiter(&["replay", "--output", "jsonl", &records], None);
    assert_eq!(without.status.code(), Some(2), "{}", stderr(&without));
    let with = landwaiter(&["replay", "--output", "jsonl", "--sources", examples, &records], None);
    assert_eq!(with.status.code(), Some(0), "{}", stderr(&with));
    let found = findings(&with);
    assert!(found.iter().any(|finding| finding["strategy"] == "privileged-container"), "{}", stdout(&with));

    let check = landwaiter(&["source", "check", &format!("{examples}/quayd.yml"), &records], None);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    assert!(stdout(&check).contains("8 of 8 records read") && stdout(&check).contains("container.create"), "{}", stdout(&check));
    assert!(stdout(&landwaiter(&["source", "list", "--sources", examples], None)).contains("quayd_events"));
}

#[test]
fn mistakes_in_a_mapping_are_all_told() {
    let dir = folder();
    let path = dir.path().join("bad.yml");
    fs::write(&path, "name: x\nwitnes: runtime\nrecognise: { a: b }\nkind: flowing\n").unwrap();
    let output = landwaiter(&["source", "check", path.to_str().unwrap()], None);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("bad.yml:2:1: error[unknown-key]") && told.contains("bad.yml:4:7: error[unknown-kind]"), "{told}");
    let replay = landwaiter(&["replay", "--sources", dir.path().to_str().unwrap(), "-"], Some(b""));
    assert_eq!(replay.status.code(), Some(2), "a mapping with mistakes is not passed over");
}

/// A recording of mixed formats, with one line in a hundred broken in a known way; gives the expected counts by reason.
fn write_mixed(out: &mut impl Write, count: u64) -> [u64; 3] {
    let mut broken = [0; 3];
    for n in 0..count {
        let (seconds, id) = (1_795_527_678 + n / 100, n % 5000);
        let micros = n % 100 * 10_000;
        if n % 100 == 99 {
            let which = (n / 100 % 3) as usize;
            broken[which] += 1;
            let line = match which {
                0 => "this is no record at all",
                1 => r#"{"nobody":"knows","this":1}"#,
                _ => "[1795527678.5]\t    [NEW] tcp      6 120 SYN_SENT sport=4 dport=5",
            };
            writeln!(out, "{line}").unwrap();
            continue;
        }
        match n % 5 {
            0 => writeln!(
                out,
                r#"{{"Type":"container","Action":"exec_die","Actor":{{"ID":"{id:064x}","Attributes":{{"image":"a","name":"n{id}","exitCode":"0"}}}},"timeNano":{seconds}{micros:06}000}}"#
            ),
            1 => writeln!(
                out,
                "[{seconds}.{micros:06}]\t    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport={id} dport=443 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=443 dport={id}"
            ),
            2 => writeln!(
                out,
                "type=SYSCALL msg=audit({seconds}.{:03}:{n}): arch=c000003e syscall=59 success=yes exit=0 pid={n} uid=0 comm=\"sh\" exe=\"/bin/sh\"\ntype=EXECVE msg=audit({seconds}.{:03}:{n}): argc=1 a0=\"sh\"",
                micros / 1000,
                micros / 1000
            ),
            3 => writeln!(out, "2 123456789010 eni-1235b8ca 10.0.0.1 10.0.0.2 {id} 22 6 20 4249 {} {seconds} ACCEPT OK", seconds - 60),
            _ => writeln!(
                out,
                "{seconds}.{micros:06}\tCMdzit1AMNsmfA{n}\t10.0.0.1\t{id}\t10.0.0.2\t6379\ttcp\t-\t0.0\t31\t77\tSF\tT\tF\t0\tShADadFf\t6\t351\t5\t345\t-"
            ),
        }
        .unwrap();
    }
    broken
}

fn many(count: u64) {
    let dir = folder();
    let path = dir.path().join("mixed.log");
    let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let [no_record, unknown, lacking] = write_mixed(&mut out, count);
    out.into_inner().unwrap();
    let output = landwaiter(&["replay", path.to_str().unwrap()], None);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains(&format!("skipped {} records", no_record + unknown + lacking)), "{told}");
    for expected in [
        format!("{no_record} neither JSON nor a line of a known format"),
        format!("{unknown} well-formed, but of no known format"),
        format!("{lacking} lacks"),
    ] {
        assert!(told.contains(&expected), "{expected} is not in {told}");
    }
    let read = count - no_record - unknown - lacking;
    assert!(stdout(&output).contains(&format!("{read} records")), "{}", stdout(&output));
}

#[test]
fn what_is_broken_among_many_is_counted_by_reason() {
    many(6_000);
}

/// `cargo test --release -p landwaiter --test mixed -- --ignored a_million`
#[test]
#[ignore = "a million records take their time without optimisation"]
fn a_million_mixed_records_are_read_and_what_is_broken_is_counted() {
    many(std::env::var("LANDWAITER_MIXED_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000));
}

#[test]
fn public_rules_for_auditd_match_its_raw_lines_unchanged() {
    let Some(archive) = std::env::var_os("LANDWAITER_TEST_DATA").map(|path| std::path::PathBuf::from(path).join("sigmahq.tar.gz")) else {
        eprintln!("skipped: LANDWAITER_TEST_DATA does not say where the public rules are");
        return;
    };
    let dir = folder();
    let unpacked = std::process::Command::new("tar")
        .arg("xzf")
        .arg(&archive)
        .arg("-C")
        .arg(dir.path())
        .args(["--wildcards", "*/linux/auditd/*"])
        .status();
    if !unpacked.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {} cannot be unpacked here", archive.display());
        return;
    }
    let lines = "type=SYSCALL msg=audit(1795527678.072:1): arch=c000003e syscall=133 success=yes exit=0 pid=2 uid=0 comm=\"mknod\" exe=\"/usr/bin/mknod\" key=\"x\"
type=EXECVE msg=audit(1795527681.072:4): argc=3 a0=\"arecord\" a1=\"-vv\" a2=2D66646174
type=PATH msg=audit(1795527683.072:6): item=0 name=\"/etc/ld.so.preload\" nametype=CREATE
type=SYSCALL msg=audit(1795527684.072:7): arch=c000003e syscall=59 success=yes exit=0 pid=2 uid=0 comm=\"x\" exe=\"/tmp/x\" key=\"susp_activity\"
";
    let rules = dir.path().to_str().unwrap();
    let output = landwaiter(&["replay", "--no-shipped", "--rules", rules, "--output", "jsonl", "-"], Some(lines.as_bytes()));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let titles: Vec<String> = findings(&output).iter().map(|finding| finding["title"].as_str().unwrap_or_default().to_owned()).collect();
    for expected in ["Special File Creation via Mknod Syscall", "Audio Capture", "Modification of ld.so.preload"] {
        assert!(titles.iter().any(|title| title == expected), "{expected} is not in {titles:?}");
    }
}
