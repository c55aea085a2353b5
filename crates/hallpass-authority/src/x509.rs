//! As much of PEM, X.509 and public keys as IAM looks at: dates and public keys, not chains or names.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use zeroize::Zeroizing;

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const EXPLICIT_0: u8 = 0xa0;
/// `rsaEncryption` with its null parameters (RFC 8017, appendix A.1).
const RSA_ALGORITHM: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// What is read of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) not_before: UnixSeconds,
    pub(crate) not_after: UnixSeconds,
    /// Whether its key is one of `rsaEncryption`.
    pub(crate) is_rsa: bool,
    /// The bits of its `subjectPublicKey`.
    pub(crate) public_key: Vec<u8>,
}

/// DER, one element after the other. Lengths are definite and fit what is there.
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

impl<'a> Der<'a> {
    pub(crate) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            let (bytes, after) = rest
                .split_at_checked(length - 0x80)
                .filter(|(bytes, _)| bytes.len() <= 4)?;
            length = bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            rest = after;
        }
        let (body, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((*tag, body))
    }

    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any()
            .filter(|(found, _)| *found == tag)
            .map(|(_, body)| body)
    }
}

/// The blocks of that label in a PEM text, decoded.
pub(crate) fn pem(text: &str, label: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut found = vec![];
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let Some((body, after)) = after.split_once(&end) else {
            return vec![];
        };
        let body: Zeroizing<String> = body.split_whitespace().collect::<String>().into();
        match STANDARD.decode(body.as_bytes()) {
            Ok(bytes) => found.push(Zeroizing::new(bytes)),
            Err(_) => return vec![],
        }
        rest = after;
    }
    found
}

/// The only certificate in a PEM text.
pub(crate) fn certificate(text: &str) -> Option<Certificate> {
    let blocks = pem(text, "CERTIFICATE");
    let [der] = blocks.as_slice() else {
        return None;
    };
    certificate_of(der)
}

/// A certificate in DER.
pub(crate) fn certificate_of(der: &[u8]) -> Option<Certificate> {
    let mut certificate = Der(Der(der).expect(SEQUENCE)?);
    let mut body = Der(certificate.expect(SEQUENCE)?);
    let (mut tag, _) = body.any()?;
    if tag == EXPLICIT_0 {
        (tag, _) = body.any()?;
    }
    // The serial number, then the signature's algorithm and the issuer.
    if tag != INTEGER {
        return None;
    }
    body.expect(SEQUENCE)?;
    body.expect(SEQUENCE)?;
    let mut validity = Der(body.expect(SEQUENCE)?);
    let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
    body.expect(SEQUENCE)?;
    let info = body.expect(SEQUENCE)?;
    Some(Certificate {
        not_before,
        not_after,
        is_rsa: info.starts_with(RSA_ALGORITHM),
        public_key: subject_public_key(info)?.to_vec(),
    })
}

fn subject_public_key(info: &[u8]) -> Option<&[u8]> {
    let mut info = Der(info);
    info.expect(SEQUENCE)?;
    info.expect(BIT_STRING)?.strip_prefix(&[0])
}

fn time((tag, body): (u8, &[u8])) -> Option<UnixSeconds> {
    let text = std::str::from_utf8(body).ok()?;
    let text = match tag {
        // Two digits of the year: 1950 to 2049 (RFC 5280 §4.1.2.5.1).
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let (date, clock) = text.split_at_checked(8)?;
    UnixSeconds::from_amz_date(&format!("{date}T{clock}")).ok()
}

/// The public key, as in a certificate, of a private key in PEM: PKCS #8, or the older forms for RSA and elliptic curves.
pub(crate) fn public_key_of(private_key: &str) -> Option<Vec<u8>> {
    let curves = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ];
    let rsa = |key: RsaKeyPair| key.public_key().as_ref().to_vec();
    let curve = |key: EcdsaKeyPair| key.public_key().as_ref().to_vec();
    if let [der] = pem(private_key, "PRIVATE KEY").as_slice() {
        let mut found = curves
            .iter()
            .filter_map(|kind| EcdsaKeyPair::from_pkcs8(kind, der).ok());
        return RsaKeyPair::from_pkcs8(der)
            .ok()
            .map(rsa)
            .or_else(|| found.next().map(curve));
    }
    if let [der] = pem(private_key, "RSA PRIVATE KEY").as_slice() {
        return RsaKeyPair::from_der(der).ok().map(rsa);
    }
    let blocks = pem(private_key, "EC PRIVATE KEY");
    let [der] = blocks.as_slice() else {
        return None;
    };
    let mut found = curves
        .iter()
        .filter_map(|kind| EcdsaKeyPair::from_private_key_der(kind, der).ok());
    found.next().map(curve)
}

/// Modulus and exponent of an RSA key in the `SubjectPublicKeyInfo` of a PEM text.
pub(crate) fn rsa_public_key(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let blocks = pem(text, "PUBLIC KEY");
    let [der] = blocks.as_slice() else {
        return None;
    };
    let info = Der(der).expect(SEQUENCE)?;
    if !info.starts_with(RSA_ALGORITHM) {
        return None;
    }
    let mut key = Der(Der(subject_public_key(info)?).expect(SEQUENCE)?);
    Some((key.expect(INTEGER)?.to_vec(), key.expect(INTEGER)?.to_vec()))
}

/// How many bits the modulus of an RSA key has, given the bits of its `subjectPublicKey`.
pub(crate) fn rsa_bits(public_key: &[u8]) -> Option<usize> {
    let modulus = Der(Der(public_key).expect(SEQUENCE)?).expect(INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// The other way: a PEM text of an RSA key's `SubjectPublicKeyInfo`.
pub(crate) fn rsa_public_key_pem(modulus: &[u8], exponent: &[u8]) -> String {
    let key = element(
        SEQUENCE,
        &[element(INTEGER, modulus), element(INTEGER, exponent)].concat(),
    );
    let bits = element(BIT_STRING, &[&[0], key.as_slice()].concat());
    let info = element(SEQUENCE, &[RSA_ALGORITHM, &bits].concat());
    let text = STANDARD.encode(info);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

/// One element in DER.
pub(crate) fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_be_bytes();
    let significant: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            out.extend(long);
        }
    }
    out.extend(body);
    out
}

#[cfg(test)]
mod tests;
