//! What a user relies on when files hold lines that are no JSON.

use event::fact::Fact;
use event::{Body, Prepared};
use source::SOURCES;
use source::read::{ReadOptions, ReadReport, Reader};
use std::path::PathBuf;
use std::sync::Arc;

const ZEEK: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2026-11-24-13-41-18\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\n";
const DNS: &str = "#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tquery\n";
const VPC: &str = "version vpc-id srcaddr dstaddr dstport protocol start end action log-status\n";

fn zeek(n: u32) -> String {
    format!("{}.5\tC{n}\t10.0.0.1\t4\t10.0.0.2\t{n}\ttcp\tSF\n", 1_795_527_678 + n)
}

fn vpc(n: u32) -> String {
    format!("3 vpc-1 10.0.0.1 10.0.0.2 {n} 6 {0} {0} ACCEPT OK\n", 1_795_527_678 + n)
}

fn audit(n: u32) -> String {
    let stamp = format!("msg=audit({}.072:{n})", 1_795_527_678 + n);
    format!(
        "type=SYSCALL {stamp}: arch=c000003e syscall=59 success=yes exit=0 pid={n} exe=\"/bin/sh\"\ntype=EXECVE {stamp}: argc=1 a0=\"sh\"\ntype=CWD {stamp}: cwd=\"/\"\n"
    )
}

fn conntrack(n: u32) -> String {
    format!(
        "[{}.5]\t    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=4 dport={n} [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport={n} dport=4\n",
        1_795_527_678 + n
    )
}

fn docker(n: u32) -> String {
    format!(
        "{{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{{\"ID\":\"e{n}\"}},\"timeNano\":{}}}\n",
        (1_795_527_678 + i64::from(n)) * 1_000_000_000
    )
}

fn read(files: &[&str]) -> (Vec<Prepared>, ReadReport) {
    let files = files.iter().enumerate().map(|(i, text)| (PathBuf::from(format!("{i:03}")), Arc::from(text.as_bytes())));
    let mut reader = Reader::over(files, &ReadOptions::default());
    let records = reader.by_ref().collect();
    (records, reader.report().clone())
}

/// What was read: the source with the destination's port, the process or the container; `!` for what was not understood.
fn shown(files: &[&str]) -> String {
    let of = |prepared: &Prepared| match &prepared.content {
        Some(Ok(decoded)) => match &decoded.fact {
            Some(Fact::Flow(flow)) => format!("{}:{}", prepared.record.source, flow.destination.port),
            Some(Fact::Process(process)) => format!("{}:{}", prepared.record.source, process.pid),
            _ => format!("{}:{}", prepared.record.source, decoded.subject),
        },
        _ => "!".to_owned(),
    };
    read(files).0.iter().map(of).collect::<Vec<_>>().join(" ")
}

#[test]
fn formats_may_be_mixed_in_one_file() {
    let text = format!(
        "{}\n# a comment\n{}{}{}not a record\n{ZEEK}{}{}{VPC}{}#close\t2026\n{}{}",
        docker(1),
        conntrack(2),
        audit(3),
        conntrack(4),
        zeek(5),
        docker(6),
        vpc(7),
        conntrack(8),
        zeek(9)
    );
    assert_eq!(
        shown(&[&text]),
        "docker_events:e1 conntrack:2 auditd:3 conntrack:4 ! zeek_conn:5 docker_events:e6 vpc_flow:7 conntrack:8 zeek_conn:9"
    );
    let (_, report) = read(&[&text]);
    assert_eq!((report.skipped_total, report.skipped[0].place.number), (1, 9), "comments, headers and blank lines are no faults");
}

#[test]
fn every_text_sample_is_read_out_of_a_file() {
    for source in SOURCES.iter().filter(|source| source.text.is_some()) {
        let (records, _) = read(&[&format!("{}\n{}{}\n", source.sample, docker(1), source.sample)]);
        assert_eq!(records.len(), 3, "{}", source.name);
        assert!(
            records
                .iter()
                .filter(|prepared| prepared.record.source != "docker_events")
                .all(|prepared| prepared.record.source == source.name),
            "{}",
            source.name
        );
    }
}

#[test]
fn the_records_of_one_audit_event_are_one_record() {
    let text = format!("{}{}", audit(1), audit(2));
    let (records, _) = read(&[&text]);
    assert_eq!(records.len(), 2);
    let Body::Data(bytes) = &records[0].record.body else { panic!("a record") };
    assert_eq!(bytes.as_ref(), audit(1).trim_end().as_bytes());
    // Without end: one event that never stops is cut.
    let endless = "type=PATH msg=audit(1795527678.072:1): item=0 name=\"x\"\n".repeat(3000);
    assert_eq!(read(&[&endless]).0.len(), 3);
}

#[test]
fn the_frame_of_an_xml_document_is_no_record() {
    let flow = r#"<flow type="destroy"><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>4</sport><dport>5</dport></layer4></meta></flow>"#;
    assert_eq!(shown(&[&format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n{flow}\n</conntrack>\n")]), "conntrack:5");
}

#[test]
fn rows_of_another_log_are_not_taken_for_connections() {
    let (_, report) = read(&[&format!("{DNS}{}{ZEEK}{}", zeek(1), zeek(2))]);
    assert_eq!((report.records, report.unknown), (1, 1), "{report:?}");
}

#[test]
fn a_header_counts_for_the_files_behind_it() {
    let rows: Vec<String> = (1..9).map(|n| if n % 2 == 0 { zeek(n) } else { vpc(n) }).collect();
    let whole = format!("{ZEEK}{VPC}{}", rows.concat());
    let expected = shown(&[&whole]);
    assert!(!expected.contains('!'), "{expected}");
    for cut in 0..=rows.len() {
        let (first, second) = (format!("{ZEEK}{VPC}{}", rows[..cut].concat()), rows[cut..].concat());
        assert_eq!(shown(&[&first, &second]), expected, "cut before row {cut}");
        assert_eq!(shown(&[&first, &docker(0), &second]).replace("docker_events:e0 ", ""), expected);
    }
    // And nothing flows backwards.
    assert!(shown(&[&rows.concat(), &format!("{ZEEK}{VPC}")]).starts_with('!'));
}

#[test]
fn text_behind_a_broken_value_is_found() {
    assert_eq!(shown(&[&format!("{{\"a\":[\n1,\n{}{}", conntrack(1), docker(2))]), "! conntrack:1 docker_events:e2");
}
