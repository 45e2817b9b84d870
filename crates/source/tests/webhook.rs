//! The audit webhook's receiver, spoken to as an API server speaks to it: over TLS, in batches, again when it is told to come again.

use event::Body;
use event::fact::Fact;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use source::collect::{Live, Presence, Stopper, Surroundings, collector_named};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const TOKEN: &str = "a token of more than sixteen characters";

/// Certificates and a token in a folder: an authority of ours, and one that is not.
struct Papers(tempfile::TempDir);

impl Papers {
    fn make() -> Papers {
        let papers = Papers(tempfile::tempdir().unwrap());
        for authority in ["ours", "other"] {
            let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            papers.write(&format!("{authority}-ca.pem"), &issuer.pem());
            for (name, usage) in [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)] {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
                params.extended_key_usages = vec![usage];
                papers.write(&format!("{authority}-{name}.pem"), &params.signed_by(&key, &issuer).unwrap().pem());
                papers.write(&format!("{authority}-{name}.key"), &key.serialize_pem());
            }
        }
        papers.write("token", &format!("{TOKEN}\n"));
        papers
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A client that trusts our authority and shows the certificate of that name.
    fn client(&self, certificate: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ours-ca.pem")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()];
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

/// A receiver that runs.
struct Receiver {
    address: SocketAddr,
    live: Live,
    stopper: Stopper,
}

impl Receiver {
    fn start(settings: &[(&str, String)]) -> Receiver {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut around = Surroundings::default();
        around.settings.insert("kubernetes_webhook.listen".into(), address.to_string());
        for (key, value) in settings {
            around.settings.insert(format!("kubernetes_webhook.{key}"), value.clone());
        }
        let def = collector_named("kubernetes_webhook").unwrap();
        let Presence::Present(found) = (def.find)(&around) else { panic!("the receiver is refused") };
        let live = Live::gather(vec![(def, found)]);
        assert!(live.started()[0].failure.is_none(), "{:?}", live.started()[0].failure);
        let stopper = live.stopper();
        Receiver { address, live, stopper }
    }

    /// Stops it, and gives the ids of the requests that it handed out, in order.
    fn stop(self) -> Vec<String> {
        self.stopper.stop_in(Duration::ZERO);
        self.live.filter_map(audit_id).collect()
    }
}

fn audit_id(record: event::Record) -> Option<String> {
    if record.source != "kubernetes_audit" || !matches!(record.body, Body::Data(_)) {
        return None;
    }
    match source::prepare(record).content.unwrap().unwrap().fact {
        Some(Fact::Request(request)) => Some(request.audit_id.to_string()),
        other => panic!("{other:?}"),
    }
}

fn batch(ids: impl IntoIterator<Item = String>) -> Vec<u8> {
    let items: Vec<String> =
        ids.into_iter().map(|id| format!(r#"{{"level":"Metadata","auditID":"{id}","stage":"ResponseComplete","verb":"get"}}"#)).collect();
    format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{}]}}"#, items.join(",")).into_bytes()
}

/// Speaks HTTP over whatever stream it is; gives the answer's head.
fn exchange(mut stream: impl Read + Write, method: &str, headers: &str, body: &[u8]) -> std::io::Result<String> {
    let head = format!("{method} /audit HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    // A receiver that refuses may not read to the end.
    let _ = stream.write_all(body).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        read?;
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn post_tls(receiver: &Receiver, client: &Arc<ClientConfig>, headers: &str, body: &[u8]) -> std::io::Result<String> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(client.clone(), name).unwrap();
    exchange(StreamOwned::new(connection, connect(receiver.address)), "POST", headers, body)
}

fn post(receiver: &Receiver, headers: &str, body: &[u8]) -> String {
    exchange(connect(receiver.address), "POST", headers, body).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn a_batch_over_tls_with_the_token_is_taken_and_none_without() {
    let papers = Papers::make();
    let receiver = Receiver::start(&[
        ("cert", papers.text("ours-server.pem")),
        ("key", papers.text("ours-server.key")),
        ("token-file", papers.text("token")),
    ]);
    let client = papers.client(None);
    let body = batch(["a".to_owned(), "b".to_owned()]);
    for refused in [String::new(), bearer("a token of more than sixteen characterz"), bearer(""), "Authorization: Basic x\r\n".to_owned()] {
        assert_eq!(status(&post_tls(&receiver, &client, &refused, &body).unwrap()), 401, "{refused}");
    }
    assert_eq!(status(&post_tls(&receiver, &client, &bearer(TOKEN), &body).unwrap()), 200);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&batch(["c".to_owned()])).unwrap();
    let packed = packer.finish().unwrap();
    let headers = format!("{}Content-Encoding: gzip\r\n", bearer(TOKEN));
    assert_eq!(status(&post_tls(&receiver, &client, &headers, &packed).unwrap()), 200);
    // Without TLS nothing is understood.
    assert!(exchange(connect(receiver.address), "POST", &bearer(TOKEN), &body).map_or(true, |answer| !answer.contains(" 200 ")));
    // The token may be changed while it runs.
    papers.write("token", "another token that is long enough");
    assert_eq!(status(&post_tls(&receiver, &client, &bearer(TOKEN), &body).unwrap()), 401);
    assert_eq!(receiver.stop(), ["a", "b", "c"]);
}

#[test]
fn only_a_client_of_our_own_authority_may_post() {
    let papers = Papers::make();
    let receiver = Receiver::start(&[
        ("cert", papers.text("ours-server.pem")),
        ("key", papers.text("ours-server.key")),
        ("client-ca", papers.text("ours-ca.pem")),
    ]);
    let body = batch(["a".to_owned()]);
    for wrong in [None, Some("other-client")] {
        assert!(post_tls(&receiver, &papers.client(wrong), "", &body).is_err(), "{wrong:?}");
    }
    assert_eq!(status(&post_tls(&receiver, &papers.client(Some("ours-client")), "", &body).unwrap()), 200);
    assert_eq!(receiver.stop(), ["a"]);
}

#[test]
fn what_is_no_batch_is_refused_and_said() {
    let receiver = Receiver::start(&[]);
    assert_eq!(status(&post(&receiver, "", b"[1,2")), 400);
    assert_eq!(status(&post(&receiver, "Content-Encoding: br\r\n", b"x")), 415);
    assert_eq!(status(&exchange(connect(receiver.address), "GET", "", b"").unwrap()), 405);
    assert_eq!(status(&post(&receiver, "", br#"{"kind":"EventList","items":[]}"#)), 200);
    assert_eq!(status(&post(&receiver, "", &vec![b' '; (32 << 20) + 1])), 413);
    let stats = receiver.live.stats();
    assert_eq!(stats.dropped.load(std::sync::atomic::Ordering::Relaxed), 2, "what was posted and is lost is counted");
    assert!(receiver.stop().is_empty());
}

#[test]
fn an_accepted_batch_is_never_lost_and_an_overflow_is_asked_to_come_again() {
    let mut receiver = Receiver::start(&[]);
    let mut accepted = BTreeSet::new();
    let mut next = 0;
    // Nobody takes the records, so the queue fills.
    let refused = loop {
        let ids: Vec<String> = (next..next + 20_000).map(|number| format!("r{number}")).collect();
        let answer = post(&receiver, "", &batch(ids.clone()));
        match status(&answer) {
            200 => accepted.extend(ids),
            429 => {
                assert!(answer.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"), "{answer}");
                break ids;
            }
            other => panic!("{other}"),
        }
        next += 20_000;
        assert!(next < 200_000, "the queue has no end");
    };
    // Once somebody reads, it is taken when it comes again.
    let mut seen = Vec::new();
    while seen.len() < accepted.len() {
        seen.extend(receiver.live.next().and_then(audit_id));
    }
    assert_eq!(status(&post(&receiver, "", &batch(refused.clone()))), 200);
    accepted.extend(refused);
    seen.extend(receiver.stop());
    assert_eq!(seen.len(), accepted.len(), "nothing is told twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), accepted);
}

#[test]
fn a_recorded_api_servers_posts_are_taken() {
    let path = std::env::var_os("LANDWAITER_TEST_DATA").map(|folder| Path::new(&folder).join("k8s-audit/webhook-benign-rollout.jsonl"));
    let Some(text) = path.and_then(|path| std::fs::read_to_string(path).ok()) else {
        eprintln!("skipped: LANDWAITER_TEST_DATA names no folder with k8s-audit/webhook-benign-rollout.jsonl");
        return;
    };
    let papers = Papers::make();
    let receiver = Receiver::start(&[
        ("cert", papers.text("ours-server.pem")),
        ("key", papers.text("ours-server.key")),
        ("token-file", papers.text("token")),
        ("client-ca", papers.text("ours-ca.pem")),
        ("cluster", "c1".to_owned()),
    ]);
    let client = papers.client(Some("ours-client"));
    let mut expected = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        expected += line.matches("\"auditID\":").count();
        assert_eq!(status(&post_tls(&receiver, &client, &bearer(TOKEN), line.as_bytes()).unwrap()), 200);
    }
    receiver.stopper.stop_in(Duration::ZERO);
    let records: Vec<_> =
        receiver.live.filter(|record| record.source == "kubernetes_audit" && matches!(record.body, Body::Data(_))).collect();
    assert_eq!(records.len(), expected);
    assert!(records.iter().all(|record| record.host == "c1" && record.live));
    assert_eq!(records.into_iter().filter_map(audit_id).count(), expected);
}
