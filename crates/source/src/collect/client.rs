//! The engine's API as bytes: one request, one untouched answer.
//!
//! `bollard` is the well-kept client of this API, but it hands out typed models only and keeps its raw answers to itself. A recording must hold what the
//! engine said, byte for byte, so this is `hyper` underneath and nothing above: the bytes of a body are never parsed on their way.

use super::address::Address;
use super::tls;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// An answer longer than this is refused: a list of 10,000 containers is about 20 MB.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// An engine that is busy with a disk still answers within this.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// A connection that is not there by now will not come.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The newest API that the decoders were written against.
const API_NEWEST: (u32, u32) = (1, 56);

/// Why an engine could not be asked.
#[derive(Debug)]
pub enum AskError {
    /// No connection, or it broke.
    Connection {
        /// Where.
        address: Address,
        /// What the system said.
        cause: io::Error,
    },
    /// The answer does not speak HTTP, is too long, or took too long.
    Answer(String),
    /// Certificates, or the address itself.
    Setting(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Setting(text) | AskError::Answer(text) => f.write_str(text),
            AskError::Connection { address, cause } => {
                write!(f, "reach the container engine at {address}: {cause}")?;
                match (cause.kind(), address) {
                    (io::ErrorKind::NotFound, _) => write!(f, "; is it running, or is DOCKER_HOST set to where it listens?"),
                    (io::ErrorKind::PermissionDenied, Address::Unix(path)) => {
                        write!(f, "; run as root, or as a member of the group that owns {}", path.display())
                    }
                    (io::ErrorKind::ConnectionRefused, _) => write!(f, "; start the engine (`systemctl start docker`)"),
                    (_, Address::Tcp { certificates: None, .. }) => {
                        write!(f, "; if the engine expects TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for AskError {}

/// What an engine answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, untouched.
    pub body: Bytes,
}

impl Answer {
    /// Whether the engine did what it was asked. 304 says that things were so already.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status) || self.status == 304
    }

    /// The engine's own words about a refusal.
    pub fn message(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Refusal {
            message: String,
        }
        match serde_json::from_slice::<Refusal>(&self.body) {
            Ok(refusal) => refusal.message,
            Err(_) => format!("status {}", self.status),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Knows how to reach an engine and which version of its API to speak.
#[derive(Clone)]
pub struct Endpoint {
    address: Address,
    tls: Option<TlsConnector>,
    prefix: Arc<str>,
}

impl Endpoint {
    /// Reads the certificates, if any; connects to nothing yet.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn new(address: Address) -> Result<Endpoint, AskError> {
        let tls = match &address {
            Address::Tcp { certificates: Some(folder), .. } => Some(tls::connector(folder).map_err(AskError::Setting)?),
            _ => None,
        };
        Ok(Endpoint { address, tls, prefix: Arc::from("") })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Agrees on a version of the API: the engine's newest, unless that is newer than what is understood here.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    pub(super) async fn negotiate(&mut self) -> Result<(), AskError> {
        let mut connection = self.connect().await?;
        let response = connection.send(Method::GET, "/_ping", None).await?;
        let version = response.headers().get("Api-Version").and_then(|v| v.to_str().ok()).and_then(parse_version);
        if let Some(version) = version {
            let (major, minor) = version.min(API_NEWEST);
            self.prefix = Arc::from(format!("/v{major}.{minor}"));
        }
        Ok(())
    }

    pub(super) async fn connect(&self) -> Result<Connection, AskError> {
        let failed = |cause: io::Error| AskError::Connection { address: self.address.clone(), cause };
        let stream = match timeout(CONNECT_WAIT, self.stream()).await {
            Ok(stream) => stream.map_err(failed)?,
            Err(_) => return Err(failed(io::Error::new(io::ErrorKind::TimedOut, "no answer within five seconds"))),
        };
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|e| failed(io::Error::other(e)))?;
        // The driver ends when the sender is dropped or the engine hangs up; its error reaches the caller through the sender.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Ok(Connection { sender, endpoint: self.clone() })
    }

    async fn stream(&self) -> io::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
                let name = tls::server_name(host)?;
                Ok(Box::new(tls.connect(name, stream).await?))
            }
        }
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// One connection; requests go one after the other.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    endpoint: Endpoint,
}

impl Connection {
    /// Sends a request and returns when the head of the answer is there; the body can go on for ever.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<&str>) -> Result<Response<Incoming>, AskError> {
        let failed = |e: hyper::Error| AskError::Connection { address: self.endpoint.address.clone(), cause: io::Error::other(e) };
        let prefix = if path == "/_ping" { "" } else { &self.endpoint.prefix };
        let mut request = Request::builder().method(method).uri(format!("{prefix}{path}")).header("Host", "localhost");
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let bytes = Bytes::from(body.unwrap_or_default().to_owned());
        let request = request.body(Full::new(bytes)).map_err(|e| AskError::Setting(format!("ask for {path}: {e}")))?;
        let head = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        match timeout(ANSWER_WAIT, head).await {
            Ok(head) => head.map_err(failed),
            Err(_) => Err(AskError::Answer(format!("read the answer to {path}: nothing came for {} s", ANSWER_WAIT.as_secs()))),
        }
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<&str>) -> Result<Answer, AskError> {
        let whole = async {
            let response = self.send(method, path, body).await?;
            let status = response.status().as_u16();
            let body = read_up_to(response.into_body(), ANSWER_BYTES_MAX).await?;
            Ok(Answer { status, body })
        };
        match timeout(ANSWER_WAIT, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(AskError::Answer(format!("read the answer to {path}: nothing came for {} s", ANSWER_WAIT.as_secs()))),
        }
    }

    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

async fn read_up_to(mut body: Incoming, max: usize) -> Result<Bytes, AskError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| AskError::Answer(format!("read an answer of the engine: {e}")))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > max {
                return Err(AskError::Answer(format!("read an answer of the engine: it is longer than {max} bytes")));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Bytes::from(bytes))
}

/// Asks one thing at a time and waits: for `doctor`, `contain` and `validate`, which have all the time they need.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    endpoint: Endpoint,
}

impl Client {
    /// Reaches the engine and agrees on a version.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn connect(address: Address) -> Result<Client, AskError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| AskError::Setting(format!("start the network runtime: {e}")))?;
        let mut endpoint = Endpoint::new(address)?;
        runtime.block_on(endpoint.negotiate())?;
        Ok(Client { runtime, endpoint })
    }

    /// Where the engine is.
    pub fn address(&self) -> &Address {
        self.endpoint.address()
    }

    /// The version of the API that is spoken, as `1.41`; empty when the engine did not say.
    pub fn api_version(&self) -> &str {
        self.endpoint.prefix.trim_start_matches("/v")
    }

    /// `GET`.
    ///
    /// # Errors
    /// When there is no answer; a refusal is an answer.
    pub fn get(&self, path: &str) -> Result<Answer, AskError> {
        self.ask("GET", path, None)
    }

    /// Any method, with an optional JSON body.
    ///
    /// # Errors
    /// When there is no answer; a refusal is an answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer, AskError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|e| AskError::Setting(format!("ask with {method}: {e}")))?;
        self.runtime.block_on(async { self.endpoint.connect().await?.ask(method, path, body).await })
    }

    /// `GET` of something large, such as an export: each piece goes to `sink` as it comes. Gives the status and how many bytes came.
    ///
    /// # Errors
    /// When the connection breaks or `sink` refuses a piece.
    pub fn stream(&self, path: &str, sink: &mut dyn io::Write) -> Result<(Answer, u64), AskError> {
        self.runtime.block_on(async {
            let mut connection = self.endpoint.connect().await?;
            let response = connection.send(Method::GET, path, None).await?;
            let status = response.status().as_u16();
            let mut body = response.into_body();
            if status >= 300 {
                return Ok((Answer { status, body: read_up_to(body, 1 << 20).await? }, 0));
            }
            let mut total = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|e| AskError::Answer(format!("read {path}: {e}")))?;
                if let Ok(data) = frame.into_data() {
                    total += data.len() as u64;
                    sink.write_all(&data).map_err(|e| AskError::Answer(format!("keep the answer to {path}: {e}")))?;
                }
            }
            Ok((Answer { status, body: Bytes::new() }, total))
        })
    }
}

/// A name as one part of a path. Names come from events and may hold anything.
pub fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'@' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(escape("sha256:0aF_b-c.d"), "sha256:0aF_b-c.d");
        assert_eq!(escape("../a?b#c d%e\r\n"), "..%2Fa%3Fb%23c%20d%25e%0D%0A");
    }

    #[test]
    fn a_missing_socket_says_what_to_do() {
        let error = Client::connect(Address::Unix("/nowhere/docker.sock".into())).err().expect("nothing is there");
        assert!(error.to_string().contains("is it running"), "{error}");
    }
}
