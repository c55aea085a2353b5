//! The certificates of both sides.

use hallpass_authority::ServerIdentity;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(crate) fn roots(authorities: &[Vec<u8>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(CertificateDer::from(authority.clone()))?;
    }
    Ok(roots)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// TLS of the control listener, replaced while it serves: certificates live a day, authorities rotate.
pub struct ControlTls(RwLock<TlsAcceptor>);

impl ControlTls {
    /// With this identity.
    ///
    /// # Errors
    /// What rustls says of it.
    pub fn new(identity: ServerIdentity) -> Result<Self, Error> {
        Ok(Self(RwLock::new(acceptor(identity)?)))
    }

    /// New connections see this identity.
    ///
    /// # Errors
    /// What rustls says of it; the old one then stays.
    pub fn replace(&self, identity: ServerIdentity) -> Result<(), Error> {
        let acceptor = acceptor(identity)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(identity: ServerIdentity) -> Result<TlsAcceptor, Error> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&identity.authorities)?), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
    // Behind the own certificate the authority's: who enrols knows that one's fingerprint.
    let chain = std::iter::once(identity.certificate)
        .chain(identity.authorities.into_iter().take(1))
        .map(CertificateDer::from)
        .collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would show the certificate of the one it resumes, and certificates are withdrawn.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// TLS of who asks a server, with a certificate of the fleet.
pub(crate) fn client_config(
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: &[Vec<u8>],
) -> Result<ClientConfig, Error> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(authorities)?)
        .with_client_auth_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
        )
}

/// TLS of who enrols: the server's certificate must be of an authority with one of these fingerprints (SHA-256, hex), which
/// the server shows behind its own.
pub(crate) fn enrolling_config(fingerprints: Vec<String>) -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ByFingerprint {
            fingerprints,
            provider: provider(),
        }))
        .with_no_client_auth())
}

#[derive(Debug)]
struct ByFingerprint {
    fingerprints: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let known = intermediates
            .iter()
            .find(|certificate| self.fingerprints.contains(&hex(&Sha256::digest(certificate))))
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        // From here on as with any authority that is trusted: signature, name and time are checked.
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots(&[known.to_vec()])?),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
