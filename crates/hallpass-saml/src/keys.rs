//! The keys a provider's metadata names, taken out of their certificates.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const EXPLICIT_0: u8 = 0xa0;

/// `rsaEncryption` (RFC 8017), `id-ecPublicKey`, `secp256r1` and `secp384r1` (RFC 5480).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// A way to sign. SHA-1 and shared secrets are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

impl Method {
    /// By its URI (RFC 9231).
    pub(crate) fn of(uri: &str) -> Option<Self> {
        Some(
            match uri.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#")? {
                "rsa-sha256" => Self::RsaSha256,
                "rsa-sha384" => Self::RsaSha384,
                "rsa-sha512" => Self::RsaSha512,
                "ecdsa-sha256" => Self::EcdsaSha256,
                "ecdsa-sha384" => Self::EcdsaSha384,
                _ => return None,
            },
        )
    }

    fn algorithm(self) -> (Kind, &'static dyn VerificationAlgorithm) {
        match self {
            Self::RsaSha256 => (Kind::Rsa, &RSA_PKCS1_2048_8192_SHA256),
            Self::RsaSha384 => (Kind::Rsa, &RSA_PKCS1_2048_8192_SHA384),
            Self::RsaSha512 => (Kind::Rsa, &RSA_PKCS1_2048_8192_SHA512),
            Self::EcdsaSha256 => (Kind::P256, &ECDSA_P256_SHA256_FIXED),
            Self::EcdsaSha384 => (Kind::P384, &ECDSA_P384_SHA384_FIXED),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
}

/// A public key, with which only signatures of its own kind are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    kind: Kind,
    /// The bits of `subjectPublicKey`.
    bits: Vec<u8>,
}

impl Key {
    /// Of a certificate in DER. Its dates, issuer and own signature are not looked at: that the metadata names it is what
    /// makes it good, as at AWS. `None` for a key of another kind.
    pub(crate) fn of_certificate(der: &[u8]) -> Option<Self> {
        let mut body = Der(Der(Der(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
        let (mut tag, _) = body.any()?;
        if tag == EXPLICIT_0 {
            (tag, _) = body.any()?;
        }
        if tag != INTEGER {
            return None;
        }
        // The signature's algorithm, issuer, validity and subject.
        for _ in 0..4 {
            body.expect(SEQUENCE)?;
        }
        let mut info = Der(body.expect(SEQUENCE)?);
        let mut algorithm = Der(info.expect(SEQUENCE)?);
        let kind = match algorithm.expect(OBJECT)? {
            RSA => Kind::Rsa,
            EC => match algorithm.expect(OBJECT)? {
                P256 => Kind::P256,
                P384 => Kind::P384,
                _ => return None,
            },
            _ => return None,
        };
        let bits = info.expect(BIT_STRING)?.strip_prefix(&[0])?.to_vec();
        Some(Self { kind, bits })
    }

    pub(crate) fn verifies(&self, method: Method, message: &[u8], signature: &[u8]) -> bool {
        let (kind, algorithm) = method.algorithm();
        let key = UnparsedPublicKey::new(algorithm, &self.bits);
        self.kind == kind && key.verify(message, signature).is_ok()
    }
}

/// DER, one element after the other. Lengths are definite and fit what is there.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            let (bytes, after) = rest
                .split_at_checked(length - 0x80)
                .filter(|(bytes, _)| (1..=4).contains(&bytes.len()))?;
            length = bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            rest = after;
        }
        let (body, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((*tag, body))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any()
            .filter(|(found, _)| *found == tag)
            .map(|(_, body)| body)
    }
}
