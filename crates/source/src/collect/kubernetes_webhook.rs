//! The audit webhook of a Kubernetes API server as a collector: the server posts what it was asked, in batches.
//!
//! A batch is answered with 200 only when every record of it stands in the queue, so that what was accepted is never lost: while there is no room, the answer
//! waits, then asks the server to come again. The server keeps its own buffer meanwhile (`--audit-webhook-batch-*`).
//!
//! Whoever may post here may tell us anything. So off the loopback address it takes TLS, and a token or a client certificate.

use super::Surroundings;
use super::room::{CollectorDef, Found, Presence, Room};
use super::webhook_answer::{self, Gate};
use super::webhook_tls;
use event::Witness;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// The collector's row.
pub const COLLECTOR: CollectorDef = CollectorDef {
    name: "kubernetes_webhook",
    witness: Witness::Orchestrator,
    sources: &["kubernetes_audit"],
    about: "What was asked of a Kubernetes API server, as its audit webhook posts it here.",
    blind: "who asked the cluster for what is not seen as it happens",
    find,
};

/// Connections that are served at once; further ones wait to be taken.
const CONNECTIONS_MAX: usize = 64;
/// A client that has not finished its handshake or its headers by now is let go.
const HELLO_WAIT: Duration = Duration::from_secs(10);
/// The longest that one connection may last without a request.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How to listen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    /// What the cluster's records bear as their host, when it is not this machine.
    pub(super) cluster: Option<String>,
}

impl Settings {
    /// Reads what was set; `None` when nobody asked for the webhook.
    fn read(around: &Surroundings) -> Result<Option<Settings>, String> {
        let setting = |key: &str| around.setting(&format!("kubernetes_webhook.{key}")).filter(|value| !value.is_empty());
        let Some(listen) = setting("listen") else { return Ok(None) };
        let path = |key: &str| setting(key).map(PathBuf::from);
        let certificate = match (path("cert"), path("key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("serve TLS with half of a pair; give both the certificate and its key".into()),
        };
        let listen: SocketAddr = listen
            .parse()
            .map_err(|_| format!("listen for the audit webhook at {listen}: no address with a port; such as 127.0.0.1:9443"))?;
        let settings = Settings {
            listen,
            certificate,
            client_ca: path("client-ca"),
            token_file: path("token-file"),
            cluster: setting("cluster").map(str::to_owned),
        };
        if settings.client_ca.is_some() && settings.certificate.is_none() {
            return Err("ask for client certificates without TLS; give --audit-webhook-cert and --audit-webhook-key".into());
        }
        let is_guarded = settings.certificate.is_some() && (settings.client_ca.is_some() || settings.token_file.is_some());
        if !listen.ip().is_loopback() && !is_guarded {
            return Err(format!(
                "listen for the audit webhook at {listen}: anyone who reaches it could make up events; give --audit-webhook-cert and --audit-webhook-key, and --audit-webhook-token-file or --audit-webhook-client-ca"
            ));
        }
        Ok(Some(settings))
    }
}

fn find(around: &Surroundings) -> Presence {
    let denied = |text: String| {
        let (reason, remedy) = text.split_once("; ").unwrap_or((&text, ""));
        Presence::denied(reason, remedy)
    };
    let settings = match Settings::read(around) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            let remedy = "to follow a cluster: --audit-webhook 127.0.0.1:9443, and on the API server --audit-webhook-config-file";
            return Presence::absent("no audit webhook was asked for", remedy);
        }
        Err(text) => return denied(text),
    };
    // What is wrong with the files is said now and not at the first post.
    let prepared = settings.certificate.as_ref().map(|pair| webhook_tls::acceptor(pair, settings.client_ca.as_deref())).transpose();
    let gate = Gate::new(settings.token_file.clone());
    match (prepared, gate) {
        (Err(text), _) | (_, Err(text)) => denied(text),
        (Ok(tls), Ok(gate)) => {
            let scheme = if tls.is_some() { "https" } else { "http" };
            let address = format!("{scheme}://{}", settings.listen);
            let shared = Arc::new((settings, tls, gate));
            Presence::Present(Found::kept(address, move |room| serve(room, shared.clone())))
        }
    }
}

/// Takes connections until the listener fails.
async fn serve(room: Room, shared: Arc<(Settings, Option<TlsAcceptor>, Gate)>) -> Result<(), String> {
    let (settings, tls, _) = &*shared;
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
        format!("listen for the audit webhook at {}: {error}; choose another address with --audit-webhook", settings.listen)
    })?;
    if let Some(cluster) = &settings.cluster {
        room.outlet().set_host(cluster);
    }
    room.ready();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let bodies = Rc::new(Semaphore::new(webhook_answer::BODIES_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, or the client left before it was taken: others may still come.
            sleep(PAUSE_AFTER_FAILURE).await;
            continue;
        };
        let (room, shared, bodies, tls) = (room.clone(), shared.clone(), bodies.clone(), tls.clone());
        tokio::task::spawn_local(async move {
            let _place = place;
            match tls {
                None => converse(stream, room, shared, bodies).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HELLO_WAIT, tls.accept(stream)).await {
                        converse(stream, room, shared, bodies).await;
                    }
                }
            }
        });
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    room: Room,
    shared: Arc<(Settings, Option<TlsAcceptor>, Gate)>,
    bodies: Rc<Semaphore>,
) {
    let service = service_fn(move |request| {
        let (room, shared, bodies) = (room.clone(), shared.clone(), bodies.clone());
        async move { Ok::<_, std::convert::Infallible>(webhook_answer::answer(request, &room, &shared.2, &bodies).await) }
    });
    // What a client does wrong ends its connection and nothing else.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HELLO_WAIT)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let settings = settings.iter().map(|(key, value)| (format!("kubernetes_webhook.{key}"), (*value).to_owned())).collect();
        Settings::read(&Surroundings { settings, ..Surroundings::default() })
    }

    #[test]
    fn off_the_loopback_address_it_is_guarded_or_not_there() {
        assert_eq!(read(&[]), Ok(None));
        assert!(read(&[("listen", "127.0.0.1:0")]).is_ok() && read(&[("listen", "[::1]:0")]).is_ok());
        let tls = [("listen", "0.0.0.0:9443"), ("cert", "c"), ("key", "k")];
        for refused in [&tls[..1], &tls[..], &[tls[0], ("token-file", "t")][..], &[tls[0], ("client-ca", "a")][..]] {
            assert!(read(refused).is_err(), "{refused:?}");
        }
        for guard in ["token-file", "client-ca"] {
            assert!(read(&[&tls[..], &[(guard, "f")]].concat()).is_ok(), "{guard}");
        }
        for odd in
            [&[("listen", "localhost")][..], &[("listen", "127.0.0.1:1"), ("cert", "c")], &[("listen", "127.0.0.1:1"), ("client-ca", "c")]]
        {
            assert!(read(odd).is_err(), "{odd:?}");
        }
    }
}
