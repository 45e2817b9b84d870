//! TLS for those who post here.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Serves with this certificate and key; with a `client_ca`, only those may speak who show a certificate that it signed.
pub(super) fn acceptor((certificate, key): &(PathBuf, PathBuf), client_ca: Option<&Path>) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("set up TLS: {error}"))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path, "--audit-webhook-client-ca")? {
                roots.add(authority).map_err(|error| format!("trust {}: {error}", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| format!("ask for client certificates by {}: {error}", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let own = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("read the key {}: {error}; --audit-webhook-key names a file in PEM", key.display()))?;
    let config = builder
        .with_single_cert(certificates(certificate, "--audit-webhook-cert")?, own)
        .map_err(|error| format!("serve with {} and {}: {error}", certificate.display(), key.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(format!("read {}: no certificate is in it; {option} names a file in PEM", path.display())),
        Err(error) => Err(format!("read {}: {error}; {option} names a file in PEM", path.display())),
    }
}
