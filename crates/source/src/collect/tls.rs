//! Certificates as the `docker` command keeps them: `ca.pem`, `cert.pem`, `key.pem` in one folder.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Trusts `ca.pem` and nothing else; shows `cert.pem` when it is there.
pub(super) fn connector(folder: &Path) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&folder.join("ca.pem"))? {
        roots.add(certificate).map_err(|e| format!("trust {}: {e}", folder.join("ca.pem").display()))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("set up TLS: {e}"))?
        .with_root_certificates(roots);
    let own = folder.join("cert.pem");
    let config = if own.exists() {
        let path = folder.join("key.pem");
        let key = PrivateKeyDer::from_pem_file(&path).map_err(|e| format!("read {}: {e}", path.display()))?;
        config.with_client_auth_cert(certificates(&own)?, key).map_err(|e| format!("use {}: {e}", own.display()))?
    } else {
        config.with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    read().map_err(|e| format!("read {}: {e}; DOCKER_CERT_PATH names the folder of the certificates", path.display()))
}

pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}
