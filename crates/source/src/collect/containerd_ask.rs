//! Questions to containerd: gRPC over its socket, by hand on HTTP/2.

use super::containerd_wire::{Frames, frame};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// An engine that is busy with a disk still answers within this.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// A connection that is not there by now will not come.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// A connection to containerd; questions share it.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// The messages of a running answer.
pub(super) struct Stream {
    body: Incoming,
    frames: Frames,
}

impl Connection {
    pub async fn to(path: &Path) -> Result<Connection, String> {
        let failed = |error: &dyn std::fmt::Display| format!("reach containerd at {}: {error}", path.display());
        let stream = timeout(CONNECT_WAIT, UnixStream::connect(path)).await.map_err(|_| failed(&"no answer within five seconds"))?;
        let stream = stream.map_err(|error| failed(&error))?;
        let (sender, driver) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // The driver ends when the sender is dropped or containerd hangs up; its error reaches the asker through the sender.
        tokio::task::spawn_local(async move {
            let _ = driver.await;
        });
        Ok(Connection { sender })
    }

    /// Asks, and gives the messages of the answer as they come. A stream answers nothing, not even its head, before there is something to say.
    pub async fn open(&self, method: &str, namespace: &str, message: &[u8]) -> Result<Stream, String> {
        let mut request = Request::post(format!("http://localhost/containerd.services.{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if !namespace.is_empty() {
            request = request.header("containerd-namespace", namespace);
        }
        let request =
            request.body(Full::new(Bytes::from(frame(message)))).map_err(|error| format!("ask containerd for {method}: {error}"))?;
        let mut sender = self.sender.clone();
        let head = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let response = head.await.map_err(|error| format!("ask containerd for {method}: {error}"))?;
        refusal(method, response.headers())?;
        if response.status() != 200 {
            return Err(format!("ask containerd for {method}: status {}", response.status()));
        }
        Ok(Stream { body: response.into_body(), frames: Frames::default() })
    }

    /// Asks for one message.
    pub async fn ask(&self, method: &str, namespace: &str, message: &[u8]) -> Result<Vec<u8>, String> {
        let whole = async { self.open(method, namespace, message).await?.next(method).await };
        match timeout(ANSWER_WAIT, whole).await {
            Ok(answer) => answer?.ok_or_else(|| format!("ask containerd for {method}: an empty answer")),
            Err(_) => Err(format!("ask containerd for {method}: nothing came for {} s", ANSWER_WAIT.as_secs())),
        }
    }
}

impl Stream {
    /// The next message; `None` at the end.
    pub async fn next(&mut self, method: &str) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(message) = self.frames.next()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(format!("read what containerd says of {method}: {error}")),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.frames.push(&data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            refusal(method, &trailers)?;
                        }
                    }
                },
            }
        }
    }
}

/// gRPC says in a header or a trailer that it refuses, and why.
fn refusal(method: &str, headers: &hyper::HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(code) => Err(format!("ask containerd for {method}: {} (code {code})", text("grpc-message").unwrap_or("refused"))),
    }
}
