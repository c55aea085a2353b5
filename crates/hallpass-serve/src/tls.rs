//! TLS for the listener, with certificates that may be replaced while it runs.

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureScheme};
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;

/// The certificate and key cannot be used; the text names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl TlsError {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

/// Answers TLS with the certificate in `certificate_file` (chain, PEM) and the key in `key_file` (PEM), read again
/// when they change. While a change is half written, or does not fit together, the last good pair stays in use.
///
/// Clients may show a certificate of an authority in `client_ca_file`; without that file none is asked for.
///
/// # Errors
/// [`TlsError`] when the files cannot be used now.
pub fn acceptor(
    certificate_file: &Path,
    key_file: &Path,
    client_ca_file: Option<&Path>,
) -> Result<TlsAcceptor, TlsError> {
    let resolver = Pair::open(certificate_file, key_file)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(error.to_string()))?;
    let builder = match client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError(format!("`{}`: {error}", path.display())))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub(crate) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let at = |error: &dyn fmt::Display| TlsError(format!("`{}`: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| at(&error))? {
        let certificate = certificate.map_err(|error| at(&error))?;
        roots.add(certificate).map_err(|error| at(&error))?;
    }
    Ok(roots)
}

type Stamp = Option<(i64, i64, u64, u64)>;

struct Kept {
    stamps: (Stamp, Stamp),
    pair: Arc<CertifiedKey>,
}

/// A certificate and its key, read again when the files change.
pub(crate) struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    kept: Mutex<Kept>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Pair {
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let kept = Kept {
            stamps: stamps(certificate, key),
            pair: load(certificate, key)?,
        };
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            kept: Mutex::new(kept),
        })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.certificate, &self.key);
        if stamps != kept.stamps {
            match load(&self.certificate, &self.key) {
                Ok(pair) => {
                    kept.pair = pair;
                    kept.stamps = stamps;
                }
                Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
            }
        }
        Arc::clone(&kept.pair)
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Pair {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn stamps(certificate: &Path, key: &Path) -> (Stamp, Stamp) {
    let stamp = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.mtime(), meta.mtime_nsec(), meta.size(), meta.ino()))
    };
    (stamp(certificate), stamp(key))
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let at = |path: &Path, error: &dyn fmt::Display| TlsError(format!("`{}`: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| at(certificate, &error))?;
    if chain.is_empty() {
        return Err(at(certificate, &"holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let pair = CertifiedKey::from_der(chain, private, &provider).map_err(|error| at(key, &error))?;
    Ok(Arc::new(pair))
}
