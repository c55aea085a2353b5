//! What a machine of EC2 enrols with: what the metadata service says of it, and whom it may be told to.

use crate::protocol::Ec2EnrolRequest;
use crate::tls::hex;
use hallpass_credentials::{FetchError, MetadataService};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

const MESSAGE: &str = "/latest/dynamic/instance-identity/rsa2048";
const DOCUMENT: &str = "/latest/dynamic/instance-identity/document";
/// A server refuses what is longer.
const CHARS_MAX: usize = 48 * 1_024;

/// What a machine of EC2 says of itself, or whom it trusts, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The metadata service.
    #[error("the metadata service at {0} tells no identity document: {1}")]
    Metadata(String, FetchError),
    /// It has none.
    #[error("the metadata service at {0} has no signed identity document: it is not EC2's")]
    None(String),
    /// Longer than any of EC2's.
    #[error("what the metadata service at {0} has is too long for an identity document")]
    Long(String),
    /// Neither a fingerprint nor certificates.
    #[error(
        "whom to enrol with is told by the SHA-256 fingerprint of the fleet's certificate authority, 64 digits in hex, or by \
         its certificate in PEM"
    )]
    Trusted,
}

/// A machine's identity document, signed by AWS. It is no secret: every process of the machine may read it.
#[derive(Debug, Clone)]
pub struct InstanceIdentity {
    message: String,
    document: Option<String>,
}

impl InstanceIdentity {
    /// As `service` tells it, by version 2 of its protocol.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn of(service: &MetadataService) -> Result<Self, IdentityError> {
        let base = || service.base().to_owned();
        let failed = |error| IdentityError::Metadata(base(), error);
        let session = service.session().await.map_err(failed)?;
        let text = async |path: &str| {
            let found = session.get(path).await.map_err(failed)?;
            Ok(found.map(|text| text.expose().to_owned()))
        };
        let message = text(MESSAGE).await?.ok_or_else(|| IdentityError::None(base()))?;
        let document = text(DOCUMENT).await?;
        if message.len() + document.as_ref().map_or(0, String::len) > CHARS_MAX {
            return Err(IdentityError::Long(base()));
        }
        Ok(Self { message, document })
    }

    pub(crate) fn question(&self, request: String) -> Ec2EnrolRequest {
        Ec2EnrolRequest {
            message: self.message.clone(),
            document: self.document.clone(),
            request,
        }
    }
}

/// The certificate authorities a machine may enrol with, by their fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted(Vec<String>);

impl Trusted {
    /// Reads a fingerprint (SHA-256 in hex, with or without colons), or certificates in PEM.
    ///
    /// # Errors
    /// [`IdentityError::Trusted`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let digits = text.trim().replace(':', "").to_ascii_lowercase();
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(vec![digits]));
        }
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let certificates = certificates.map_err(|_| IdentityError::Trusted)?;
        if certificates.is_empty() {
            return Err(IdentityError::Trusted);
        }
        let fingerprint = |certificate: &CertificateDer<'_>| hex(&Sha256::digest(certificate));
        Ok(Self(certificates.iter().map(fingerprint).collect()))
    }

    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_trust_is_a_fingerprint_or_certificates() {
        let digits = "0123456789abcdef".repeat(4);
        let pairs: Vec<_> = digits.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
        let spoken = pairs.join(":").to_ascii_uppercase();
        for text in [digits.clone(), format!(" {spoken}\n")] {
            assert_eq!(Trusted::parse(&text), Ok(Trusted(vec![digits.clone()])), "{text}");
        }
        let certificate = crate::certificate_pem(b"a certificate");
        let of_it = hex(&Sha256::digest(b"a certificate"));
        let other = crate::certificate_pem(b"another");
        let both = Trusted::parse(&format!("{certificate}{other}")).unwrap();
        assert_eq!(both.0.len(), 2);
        assert_eq!(both.0[0], of_it);
        let cut = certificate.replace("-----END", "");
        for text in ["", &digits[1..], "/etc/hallpass/ca.pem", &cut] {
            assert_eq!(Trusted::parse(text), Err(IdentityError::Trusted), "{text}");
        }
    }
}
