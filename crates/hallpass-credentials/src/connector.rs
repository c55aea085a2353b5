use crate::EndpointError;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A host that does not answer a connection in this time is treated as gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which HTTP is spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    /// Agreed on in TLS; known before, without it.
    Http2,
}

/// How connections are made: with the certificates of `ca_file`, or the system's.
///
/// # Errors
/// [`EndpointError::CaFile`] and [`EndpointError::Roots`].
pub fn connector(
    https: bool,
    ca_file: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, EndpointError> {
    connector_of(Version::Http1, https, ca_file, None)
}

/// [`connector`] that connects from this address.
///
/// # Errors
/// As [`connector`].
pub fn connector_from(
    https: bool,
    ca_file: Option<&Path>,
    from: Option<IpAddr>,
) -> Result<HttpsConnector<HttpConnector>, EndpointError> {
    connector_of(Version::Http1, https, ca_file, from)
}

/// [`connector`] for HTTP/2 and nothing else.
///
/// # Errors
/// As [`connector`].
pub fn http2_connector(
    https: bool,
    ca_file: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, EndpointError> {
    connector_of(Version::Http2, https, ca_file, None)
}

fn connector_of(
    version: Version,
    https: bool,
    ca_file: Option<&Path>,
    from: Option<IpAddr>,
) -> Result<HttpsConnector<HttpConnector>, EndpointError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_local_address(from);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let failed = |error: &dyn std::fmt::Display| EndpointError::Roots(error.to_string());
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    if https && ca_file.is_none() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = builder
            .with_provider_and_native_roots(provider)
            .map_err(|error| failed(&error))?;
        let builder = builder.https_only();
        return Ok(match version {
            Version::Http1 => builder.enable_http1().wrap_connector(http),
            Version::Http2 => builder.enable_http2().wrap_connector(http),
        });
    }
    // The system's roots are not read where none are needed: small images have none.
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|error| EndpointError::CaFile(format!("`{}`: {error}", path.display())))?;
        for certificate in certificates {
            let certificate = certificate
                .map_err(|error| EndpointError::CaFile(format!("`{}`: {error}", path.display())))?;
            roots
                .add(certificate)
                .map_err(|error| EndpointError::CaFile(format!("`{}`: {error}", path.display())))?;
        }
        if roots.is_empty() {
            return Err(EndpointError::CaFile(format!(
                "`{}` holds no certificate",
                path.display()
            )));
        }
    }
    let tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    let builder = builder.with_tls_config(tls);
    let builder = if https {
        builder.https_only()
    } else {
        builder.https_or_http()
    };
    Ok(match version {
        Version::Http1 => builder.enable_http1().wrap_connector(http),
        Version::Http2 => builder.enable_http2().wrap_connector(http),
    })
}

/// Half of `wait` to all of it, so that those who failed together do not come back together.
#[must_use]
pub fn jittered(wait: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(wait) % 512;
    wait.mul_f64(0.5 + random as f64 / 1_024.0)
}
