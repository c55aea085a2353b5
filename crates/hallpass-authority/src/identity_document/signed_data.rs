//! PKCS #7 messages (RFC 5652, `SignedData`) of one signer who signs with RSA and SHA-256.

use super::{IdentityDocumentError, ber};
use crate::x509::{Der, EXPLICIT_0, INTEGER, SEQUENCE, element};
use aws_lc_rs::digest::{SHA256, digest};

const OCTET_STRING: u8 = 0x04;
const NULL: &[u8] = &[0x05, 0x00];
const OBJECT: u8 = 0x06;
const SET: u8 = 0x31;
const IMPLICIT_0: u8 = 0xa0;
const IMPLICIT_1: u8 = 0xa1;
/// `subjectKeyIdentifier` of a signer.
const KEY_IDENTIFIER: u8 = 0x80;

/// `id-signedData` and `id-data` (RFC 5652 §4, §5.1), `id-contentType` and `id-messageDigest` (§11).
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// `id-sha256` (RFC 5754 §2), `rsaEncryption` and `sha256WithRSAEncryption` (§3.2).
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_SHA_256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];

/// A message whose digest fits its content. Who signed it is not known yet.
pub(super) struct SignedData {
    pub(super) content: Vec<u8>,
    /// What the signature is over: the attributes, or the content when there are none.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

struct Signer<'a> {
    attributes: Option<&'a [u8]>,
    signature: &'a [u8],
}

/// Reads a message in BER. `detached` is the content of a message that has none in itself.
///
/// # Errors
/// [`IdentityDocumentError::Form`]; [`IdentityDocumentError::Digest`] if the attributes were signed for another content.
pub(super) fn read(message: &[u8], detached: Option<&[u8]>) -> Result<SignedData, IdentityDocumentError> {
    let der = ber::definite(message).ok_or(IdentityDocumentError::Form)?;
    let (attached, signer) = parse(&der).ok_or(IdentityDocumentError::Form)?;
    let content = attached.or(detached).ok_or(IdentityDocumentError::Form)?;
    let signed = match signer.attributes {
        Some(attributes) => {
            let told = message_digest(attributes).ok_or(IdentityDocumentError::Form)?;
            if told != digest(&SHA256, content).as_ref() {
                return Err(IdentityDocumentError::Digest);
            }
            // They are signed as the set they are (RFC 5652 §5.4), not as the optional element they are sent as.
            element(SET, attributes)
        }
        None => content.to_vec(),
    };
    Ok(SignedData {
        content: content.to_vec(),
        signed,
        signature: signer.signature.to_vec(),
    })
}

/// The only element of `body`, if it has that tag.
fn only(body: &[u8], tag: u8) -> Option<&[u8]> {
    let mut der = Der(body);
    let found = der.expect(tag)?;
    der.0.is_empty().then_some(found)
}

/// The next element, if it has that tag; otherwise nothing is read.
fn optional<'a>(der: &mut Der<'a>, tag: u8) -> Option<Option<&'a [u8]>> {
    if der.0.first() == Some(&tag) {
        der.expect(tag).map(Some)
    } else {
        Some(None)
    }
}

fn parse(der: &[u8]) -> Option<(Option<&[u8]>, Signer<'_>)> {
    let mut info = Der(only(der, SEQUENCE)?);
    if info.expect(OBJECT)? != SIGNED_DATA {
        return None;
    }
    let mut data = Der(only(only(info.0, EXPLICIT_0)?, SEQUENCE)?);
    data.expect(INTEGER)?;
    algorithm(only(data.expect(SET)?, SEQUENCE)?, &[SHA_256])?;
    let content = content(data.expect(SEQUENCE)?)?;
    // Certificates and revocation lists that a message brings say nothing: ours are configured.
    optional(&mut data, IMPLICIT_0)?;
    optional(&mut data, IMPLICIT_1)?;
    let signers = only(data.0, SET)?;
    Some((content, signer(only(signers, SEQUENCE)?)?))
}

fn content(info: &[u8]) -> Option<Option<&[u8]>> {
    let mut info = Der(info);
    if info.expect(OBJECT)? != DATA {
        return None;
    }
    if info.0.is_empty() {
        return Some(None);
    }
    only(only(info.0, EXPLICIT_0)?, OCTET_STRING).map(Some)
}

fn signer(info: &[u8]) -> Option<Signer<'_>> {
    let mut info = Der(info);
    info.expect(INTEGER)?;
    // Whose certificate it says it is: every configured one is tried, so that nothing hangs on it.
    let (name, _) = info.any()?;
    if !matches!(name, SEQUENCE | KEY_IDENTIFIER) {
        return None;
    }
    algorithm(info.expect(SEQUENCE)?, &[SHA_256])?;
    let attributes = optional(&mut info, IMPLICIT_0)?;
    algorithm(info.expect(SEQUENCE)?, &[RSA, RSA_SHA_256])?;
    let signature = info.expect(OCTET_STRING)?;
    optional(&mut info, IMPLICIT_1)?;
    info.0.is_empty().then_some(Signer {
        attributes,
        signature,
    })
}

/// Whether an algorithm is one of these, without parameters.
fn algorithm(body: &[u8], known: &[&[u8]]) -> Option<()> {
    let mut body = Der(body);
    let name = body.expect(OBJECT)?;
    let is_plain = body.0.is_empty() || body.0 == NULL;
    (is_plain && known.contains(&name)).then_some(())
}

/// What the attributes say the content's digest is. They must say that the content is plain data, too, and each once.
fn message_digest(attributes: &[u8]) -> Option<&[u8]> {
    let mut attributes = Der(attributes);
    let (mut content_type, mut digest) = (None, None);
    while !attributes.0.is_empty() {
        let mut attribute = Der(attributes.expect(SEQUENCE)?);
        let name = attribute.expect(OBJECT)?;
        let values = only(attribute.0, SET)?;
        let before = match name {
            CONTENT_TYPE => content_type.replace(only(values, OBJECT)?),
            MESSAGE_DIGEST => digest.replace(only(values, OCTET_STRING)?),
            _ => None,
        };
        if before.is_some() {
            return None;
        }
    }
    if content_type? != DATA {
        return None;
    }
    digest
}
