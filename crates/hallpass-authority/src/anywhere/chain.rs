//! Whether a certificate is of a trust anchor, and was not revoked.
//!
//! Source: IAM Roles Anywhere User Guide, "Signature validation" and "Revocation"; RFC 5280 for paths.

use crate::x509::pem;
use hallpass_types::UnixSeconds;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::aws_lc_rs as algorithms;
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExtendedKeyUsageValidator,
    KeyPurposeIdIter, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Certificates in one trust anchor.
const ANCHOR_CERTIFICATES_MAX: usize = 10;

/// With what certificates may be signed: SHA-256 or stronger.
const SIGNATURES: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
];

/// With which kind of key a request says it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKey {
    /// RSA of 2,048 to 8,192 bits, PKCS #1 v1.5.
    Rsa,
    /// ECDSA on P-256, P-384 or P-521.
    Ecdsa,
}

/// Whether the key of `certificate` (DER) signed `text`, over SHA-256. False for what is no certificate of version 3 and
/// for keys of another kind than said. That anybody answers for the certificate is not judged by it.
#[must_use]
pub fn signed_by(certificate: &[u8], kind: CertificateKey, text: &[u8], signature: &[u8]) -> bool {
    let der = CertificateDer::from(certificate);
    let Ok(certificate) = EndEntityCert::try_from(&der) else {
        return false;
    };
    let fitting: &[&dyn SignatureVerificationAlgorithm] = match kind {
        CertificateKey::Rsa => &[algorithms::RSA_PKCS1_2048_8192_SHA256],
        CertificateKey::Ecdsa => &[
            algorithms::ECDSA_P256_SHA256,
            algorithms::ECDSA_P384_SHA256,
            algorithms::ECDSA_P521_SHA256,
        ],
    };
    let mut fitting = fitting.iter();
    fitting.any(|algorithm| certificate.verify_signature(*algorithm, text, signature).is_ok())
}

/// Certificates are not asked what they are meant for: the service's guide names no extended key usage.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// A certificate, all of the bytes.
pub(super) fn parsed(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// Whether it may sign certificates. Where the usage of the key is not limited, it may.
fn signs_certificates(certificate: &X509Certificate<'_>, must_say: bool) -> bool {
    let usage = certificate.key_usage();
    certificate.is_ca()
        && usage.is_ok_and(|usage| usage.map_or(!must_say, |usage| usage.value.key_cert_sign()))
}

/// Whether a text holds certificates of authorities that are fit to be a trust anchor: version 3, `CA:TRUE`, allowed to sign
/// certificates. The error says what is wrong.
pub(super) fn check_anchor(text: &str) -> Result<(), String> {
    let certificates = pem(text, "CERTIFICATE");
    if certificates.is_empty() || certificates.len() > ANCHOR_CERTIFICATES_MAX {
        return Err(format!(
            "x509CertificateData must be 1 to {ANCHOR_CERTIFICATES_MAX} certificates in PEM."
        ));
    }
    for (index, der) in certificates.iter().enumerate() {
        let which = format!("Certificate {} of x509CertificateData", index + 1);
        let certificate = parsed(der).ok_or_else(|| format!("{which} is not an X.509 certificate."))?;
        let der = CertificateDer::from(der.as_slice());
        if webpki::anchor_from_trusted_cert(&der).is_err() || certificate.version.0 != 2 {
            return Err(format!("{which} is not one of version 3."));
        }
        if !signs_certificates(&certificate, true) {
            return Err(format!(
                "{which} is not an authority's: it needs CA:TRUE and the key usage Certificate Sign."
            ));
        }
        let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
        if WEAK.contains(&algorithm.as_str()) {
            return Err(format!(
                "{which} is signed with MD5 or SHA-1; SHA-256 or stronger is needed."
            ));
        }
    }
    Ok(())
}

/// MD5 and SHA-1 with RSA, SHA-1 with ECDSA.
const WEAK: &[&str] = &[
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10045.4.1",
];

/// The list in bytes that are PEM or DER.
fn crl_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let Some(text) = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.contains("-----BEGIN"))
    else {
        return Some(bytes.to_vec());
    };
    match pem(text, "X509 CRL").as_slice() {
        [one] => Some(one.to_vec()),
        _ => None,
    }
}

/// Whether bytes are a revocation list that can be asked. The error says what is wrong.
pub(super) fn check_crl(bytes: &[u8]) -> Result<(), String> {
    let bad = || {
        "crlData must be one certificate revocation list of version 2, complete, in PEM or DER.".to_owned()
    };
    let der = crl_der(bytes).ok_or_else(bad)?;
    let list = BorrowedCertRevocationList::from_der(&der).map_err(|_| bad())?;
    // Every entry is read: one that cannot be would hide those behind it.
    list.to_owned().map_err(|_| bad())?;
    Ok(())
}

/// Judges a certificate and those that came along, as of `now`. `anchor` is the trust anchor's text; each of `crls` is asked
/// about every certificate on the way, and one whose signature is not its issuer's refuses. Lists are asked also when their
/// next issue is due. The error says what is wrong.
pub(super) fn judge(
    leaf: &[u8],
    along: &[Vec<u8>],
    anchor: &str,
    crls: &[Vec<u8>],
    now: UnixSeconds,
) -> Result<(), String> {
    let leaf = CertificateDer::from(leaf);
    let certificate = EndEntityCert::try_from(&leaf).map_err(|error| error.to_string())?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
    let ders = pem(anchor, "CERTIFICATE");
    let ders: Vec<CertificateDer<'_>> = ders
        .iter()
        // An authority whose time is over vouches for nobody.
        .filter(|der| parsed(der).is_some_and(|certificate| is_within(&certificate, now)))
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let anchors: Vec<TrustAnchor<'_>> = ders
        .iter()
        .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok())
        .collect();
    let along: Vec<CertificateDer<'_>> = along
        .iter()
        .filter(|der| parsed(der).is_some_and(|certificate| signs_certificates(&certificate, false)))
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let verify = |crl: Option<&CertRevocationList<'_>>| {
        let lists: Vec<&CertRevocationList<'_>> = crl.into_iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            // Most lists are not of this certificate's issuer.
            options.with_status_policy(UnknownStatusPolicy::Allow).build()
        });
        certificate
            .verify_for_usage(SIGNATURES, &anchors, &along, time, AnyUsage, revocation, None)
            .map(|_| ())
            .map_err(|error| reason(&error))
    };
    verify(None)?;
    // One at a time: of two lists of one issuer only the first would be asked.
    for bytes in crls {
        let unreadable = || "a revocation list cannot be read".to_owned();
        let der = crl_der(bytes).ok_or_else(unreadable)?;
        let list = BorrowedCertRevocationList::from_der(&der).map_err(|_| unreadable())?;
        verify(Some(&list.into()))?;
    }
    Ok(())
}

fn is_within(certificate: &X509Certificate<'_>, now: UnixSeconds) -> bool {
    let validity = certificate.validity();
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now.0)
}

fn reason(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } => "the certificate, or one on the way to the trust anchor, has expired",
        E::CertNotValidYet { .. } => {
            "the certificate, or one on the way to the trust anchor, is not valid yet"
        }
        E::CertRevoked => "the certificate, or one on the way to the trust anchor, was revoked",
        E::CaUsedAsEndEntity => "the certificate is an authority's",
        E::InvalidSignatureForPublicKey => "a signature is not its issuer's",
        E::UnknownIssuer => "no way leads from the certificate to the trust anchor",
        other => return other.to_string(),
    }
    .to_owned()
}
