//! The way of a request: an API server posts its batch, and the watch says what it thinks of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A body as the webhook posts it: somebody runs a command in a pod.
fn body() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let time = event::Time(i64::try_from(now).unwrap()).to_string();
    let item = format!(
        r#"{{"level":"Metadata","auditID":"a-1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods/web-1/exec?command=id\u0026container=web","verb":"get","user":{{"username":"mallory@example.org","groups":["system:authenticated"]}},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl","objectRef":{{"resource":"pods","namespace":"shop","name":"web-1","apiVersion":"v1","subresource":"exec"}},"responseStatus":{{"metadata":{{}},"code":101}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
    );
    format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{item}]}}"#)
}

fn post(address: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn what_the_webhook_posts_becomes_a_finding() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(["watch", "--only", "kubernetes_webhook", "--audit-webhook", &address, "--output", "jsonl", "--for", "6s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let answer = loop {
        match post(&address, &body()) {
            Some(answer) => break answer,
            None if began.elapsed() > Duration::from_secs(20) => break "nobody listens".to_owned(),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let output = child.wait_with_output().unwrap();
    let (said, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}\n{notes}");
    let finding =
        said.lines().find(|line| line.contains("\"strategy\":\"exec-into-container\"")).unwrap_or_else(|| panic!("{said}\n{notes}"));
    assert!(finding.contains("shop/web-1/web"), "{finding}");
    assert!(notes.contains("1 kubernetes_webhook"), "{notes}");
}

#[test]
fn an_open_door_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(["watch", "--only", "kubernetes_webhook", "--audit-webhook", "0.0.0.0:0", "--for", "1s"])
        .output()
        .unwrap();
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && notes.contains("anyone who reaches it could make up events"), "{notes}");
}
