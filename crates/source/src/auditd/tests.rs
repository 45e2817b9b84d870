use super::*;
use proptest::prelude::*;

fn decoded(text: &str) -> Decoded {
    assert!(recognise(text.as_bytes()), "{text}");
    decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {}", error.reason))
}

fn process(text: &str) -> ProcessEvent {
    match decoded(text).fact {
        Some(Fact::Process(process)) => *process,
        other => panic!("{text}: {other:?}"),
    }
}

const CALL: &str = "type=SYSCALL msg=audit(1795527678.072:1): arch=c000003e syscall=";

#[test]
fn a_program_that_was_run_is_told_with_its_words() {
    let event = process(SOURCE.sample);
    assert_eq!((event.action, event.pid, event.parent_pid), (ProcessAction::Exec, 17417, 17391));
    assert_eq!(event.command, ["sh", "-c", "cat /etc/shadow"]);
    assert_eq!((event.executable.as_str(), event.directory.as_str(), event.uid, event.login_uid), ("/bin/busybox", "/", Some(0), None));
    assert!(!event.command_truncated);
    assert_eq!(decoded(SOURCE.sample).time, Some(Time(1_795_527_678_072_000_000)));
    let cut = process(&SOURCE.sample.replace("argc=3", "argc=9"));
    assert!(cut.command_truncated);
}

#[test]
fn public_rules_find_their_fields_in_one_document() {
    let shown = format!("{:?}", decoded(SOURCE.sample).document);
    for field in [
        r#""type":["SYSCALL","EXECVE","CWD"]"#,
        r#""a1":["7f2c","-c"]"#,
        r#""key":"exec""#,
        r#""SYSCALL":"execve""#,
        r#""exe":"/bin/busybox""#,
    ] {
        assert!(shown.contains(field), "{field} is not in {shown}");
    }
}

#[test]
fn a_long_word_comes_in_pieces() {
    let event = process(&format!(
        "{CALL}59 success=yes pid=2 exe=\"/bin/sh\"\ntype=EXECVE msg=audit(1795527678.072:1): argc=2 a0=\"sh\" a1_len=8 a1[0]=6161 a1[1]=6262"
    ));
    assert_eq!(event.command, ["sh", "aabb"]);
}

#[test]
fn calls_are_known_by_their_number() {
    let connect = process(&format!(
        "{CALL}42 success=no exit=-115 pid=2\ntype=SOCKADDR msg=audit(1795527678.072:1): saddr=020018EBAC1100030000000000000000"
    ));
    assert_eq!((connect.action, connect.address.as_str(), connect.port), (ProcessAction::Connect, "172.17.0.3", 6379));
    let socket = process(&format!(
        "{CALL}42 success=yes pid=2\ntype=SOCKADDR msg=audit(1795527678.072:1): saddr=01002F72756E2F646F636B65722E736F636B00"
    ));
    assert_eq!((socket.path.as_str(), socket.protocol.as_str()), ("/run/docker.sock", "unix"));
    let open = |flags: &str| {
        process(&format!(
            "{CALL}257 success=yes a0=ffffff9c a1=7f a2={flags} pid=2\ntype=CWD msg=audit(1795527678.072:1): cwd=\"/etc\"\ntype=PATH msg=audit(1795527678.072:1): item=0 name=\"cron.d/x\" nametype=NORMAL"
        ))
    };
    assert_eq!((open("241").path.as_str(), open("241").writes, open("80000").writes), ("/etc/cron.d/x", true, false));
    let kill = process(&format!("{CALL}62 success=yes a0=1f4 a1=9 pid=2"));
    assert_eq!(kill.signal, Some((9, 500)));
    for (number, action) in
        [("165", ProcessAction::Mount), ("308", ProcessAction::Namespace), ("272", ProcessAction::Namespace), ("321", ProcessAction::Bpf)]
    {
        assert_eq!(process(&format!("{CALL}{number} success=yes pid=2")).action, action, "{number}");
    }
    let arm = CALL.replace("c000003e", "c00000b7");
    assert_eq!(process(&format!("{arm}221 success=yes pid=2")).action, ProcessAction::Exec);
    assert_eq!(process(&format!("{CALL}59 success=no exit=-13 pid=2")).action, ProcessAction::Other);
}

#[test]
fn changes_of_the_packet_filter_are_told() {
    let change = decoded(
        "type=NETFILTER_CFG msg=audit(1795527678.072:9): table=filter:5 family=2 entries=3 op=nft_register_rule pid=4021 subj=unconfined comm=\"iptables\"\ntype=SYSCALL msg=audit(1795527678.072:9): arch=c000003e syscall=46 success=yes ppid=1 pid=4021 auid=1000 uid=0 comm=\"iptables\" exe=\"/usr/sbin/xtables-nft-multi\" key=(null)",
    );
    let Some(Fact::Filter(change)) = change.fact else { panic!("{change:?}") };
    assert_eq!((change.tool.as_str(), change.table.as_str(), change.entries, change.pid), ("nftables", "filter", Some(3), 4021));
    assert_eq!((change.process.as_str(), change.login_uid, change.object.as_str()), ("iptables", Some(1000), "rule"));
}

#[test]
fn what_was_lost_is_said() {
    let lost = |text: &str| match decoded(text).fact {
        Some(Fact::Sensor(note)) => note.note,
        other => panic!("{text}: {other:?}"),
    };
    for text in [
        "[ 1234.567890] audit: backlog limit exceeded",
        "2026-11-24T13:41:18Z node1 kernel: audit: audit_lost=42 audit_rate_limit=0 audit_backlog_limit=64",
        "type=CONFIG_CHANGE msg=audit(1795527678.072:9): op=reset lost=42 auid=0 res=1",
    ] {
        assert!(matches!(lost(text), Sight::Dropped { .. }), "{text}");
    }
    assert!(matches!(lost("type=CONFIG_CHANGE msg=audit(1795527678.072:9): audit_enabled=0 old=1 auid=0 ses=1 res=1"), Sight::Lost { .. }));
    assert!(matches!(lost("type=DAEMON_END msg=audit(1795527678.072:9): op=terminate auid=0 pid=1 res=success"), Sight::Stopped));
}

#[test]
fn other_spellings_are_read() {
    let node = process(&SOURCE.sample.replace("type=", "node=web-1 type="));
    assert_eq!(node.pid, 17417);
    let resolved = process(&format!(
        "{CALL}59 success=yes pid=2 uid=0 exe=\"/bin/sh\" key=\"x\"\u{1d}ARCH=x86_64 SYSCALL=execve AUID=\"unset\" UID=\"root\""
    ));
    assert_eq!((resolved.action, resolved.user.as_str()), (ProcessAction::Exec, "root"));
    let kernel =
        process("[    5.1] audit: type=1300 audit(1795527678.072:1): arch=c000003e syscall=59 success=yes exit=0 pid=7 exe=\"/bin/sh\"");
    assert_eq!((kernel.action, kernel.pid), (ProcessAction::Exec, 7));
    let abend =
        process("type=ANOM_ABEND msg=audit(1795527678.072:1): auid=1000 uid=0 gid=0 ses=1 pid=77 comm=\"x\" exe=\"/bin/x\" sig=11 res=1");
    assert_eq!((abend.rule.as_str(), abend.pid), ("ANOM_ABEND", 77));
    assert_eq!(interpreted_time("11/24/2026 13:41:18.072"), Some(Time(1_795_527_678_072_000_000)));
}

proptest! {
    #[test]
    fn any_line_is_survived(lines in prop::collection::vec("(node=a )?type=(SYSCALL|EXECVE|PATH|AVC|SOCKADDR|CONFIG_CHANGE)( msg=audit\\([0-9.:]{0,9}\\):)?[ a-z0-9=\"'{}\\[\\]éA-F]{0,60}", 1..4)) {
        let text = lines.join("\n");
        let _ = recognise(text.as_bytes());
        let _ = decode(text.as_bytes());
        let _ = decode(format!("type=X msg=audit(1.1:1): {text}").as_bytes());
    }

    #[test]
    fn any_socket_address_is_survived(hex in "[0-9A-F]{0,60}") {
        let _ = calls::address(&hex);
    }
}
