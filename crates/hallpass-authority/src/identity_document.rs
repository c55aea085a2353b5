//! EC2's instance identity documents: who signed one, what it says, whether that is good here. No I/O.
//!
//! Source: Amazon EC2 User Guide, "Verify the instance identity document for an Amazon EC2 instance" (the RSA-2048 signature).

mod ber;
mod signed_data;

use crate::x509;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use hallpass_types::{AccountId, UnixSeconds};
use serde::Deserialize;

/// A message has two kilobytes; with certificates in it, a few more.
const MESSAGE_BYTES_MAX: usize = 32 * 1_024;
const DOCUMENT_BYTES_MAX: usize = 8 * 1_024;
/// AWS's clock and ours differ a little.
const EARLY_SECONDS_MAX: i64 = 60;
const REGION_CHARS_MAX: usize = 32;
const WORD_CHARS_MAX: usize = 64;
/// Every region's, several times.
const CERTIFICATES_MAX: usize = 200;
const RSA_BITS_MIN: usize = 2_048;

/// A file of certificates cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFileError {
    /// No certificate in it, or one that cannot be read.
    #[error("it is not PEM with one or more certificates")]
    Form,
    /// More than any set of AWS's.
    #[error("it has more than {CERTIFICATES_MAX} certificates")]
    Many,
    /// A certificate whose key is not of RSA, or too short.
    #[error(
        "it has a certificate whose key is not of RSA with 2,048 bits or more: of those AWS publishes for a region, the \
         one called RSA-2048 is meant"
    )]
    Key,
}

/// A certificate an identity document may be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCertificate {
    not_before: UnixSeconds,
    not_after: UnixSeconds,
    public_key: Vec<u8>,
}

impl TrustedCertificate {
    /// The certificates in a PEM text.
    ///
    /// # Errors
    /// [`CertificateFileError`].
    pub fn read_pem(text: &str) -> Result<Vec<Self>, CertificateFileError> {
        let blocks = x509::pem(text, "CERTIFICATE");
        if blocks.is_empty() {
            return Err(CertificateFileError::Form);
        }
        if blocks.len() > CERTIFICATES_MAX {
            return Err(CertificateFileError::Many);
        }
        blocks.iter().map(|der| Self::of(der)).collect()
    }

    fn of(der: &[u8]) -> Result<Self, CertificateFileError> {
        let read = x509::certificate_of(der).ok_or(CertificateFileError::Form)?;
        let bits = x509::rsa_bits(&read.public_key);
        if !read.is_rsa || bits.is_none_or(|bits| bits < RSA_BITS_MIN) {
            return Err(CertificateFileError::Key);
        }
        Ok(Self {
            not_before: read.not_before,
            not_after: read.not_after,
            public_key: read.public_key,
        })
    }

    fn verifies(&self, message: &signed_data::SignedData, now: UnixSeconds) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        (self.not_before..=self.not_after).contains(&now)
            && key.verify(&message.signed, &message.signature).is_ok()
    }
}

/// Which machines of EC2 may enrol by their document, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ec2Trust {
    /// AWS's account, which the document must name.
    pub account: AccountId,
    /// AWS's regions it may name; none: all.
    pub regions: Vec<String>,
    /// What it must be signed with.
    pub certificates: Vec<TrustedCertificate>,
    /// How old its `pendingTime` may be, in seconds.
    pub max_age_seconds: i64,
    /// Our account, in which the instance is made.
    pub owner: AccountId,
    /// The instance profile it gets there.
    pub profile: String,
}

impl Ec2Trust {
    /// Whether a text may be the name of a region.
    #[must_use]
    pub fn is_region(text: &str) -> bool {
        let is_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=REGION_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_byte)
    }

    fn takes_region(&self, region: &str) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|one| one == region)
    }

    /// Whether a document may be good for both, so that which one takes it would hang on their order.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.account == other.account
            && (other.regions.is_empty() && self.regions.is_empty()
                || self.regions.iter().any(|region| other.takes_region(region))
                || other.regions.iter().any(|region| self.takes_region(region)))
    }
}

/// What a machine shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct ShownDocument<'a> {
    /// What EC2's metadata service has at `instance-identity/rsa2048`, decoded: a PKCS #7 message.
    pub message: &'a [u8],
    /// What it has at `instance-identity/document`: believed only if the message has no content of its own and was signed
    /// for this one.
    pub document: Option<&'a [u8]>,
}

/// Why a document is not good here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityDocumentError {
    /// It cannot be read as a signed message, or is signed in another way.
    #[error("it is not a PKCS #7 message of one signer with RSA and SHA-256")]
    Form,
    /// Attributes that were signed for another content.
    #[error("its content is not what was signed")]
    Digest,
    /// None of the certificates.
    #[error("it is not signed by a certificate that is trusted here and valid now")]
    Signature,
    /// Signed, and not an identity document.
    #[error("what was signed is not an instance identity document")]
    Content,
    /// Signed by AWS, of an account that is not named here.
    #[error("machines of its account do not enrol so")]
    Account,
    /// Of a region that is not named here.
    #[error("machines of its region do not enrol so")]
    Region,
    /// The machine was started too long ago.
    #[error("it is too old: a machine enrols soon after it was started")]
    Old,
    /// The machine was started in the future.
    #[error("its time is in the future")]
    Early,
}

/// What a document says of its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityDocument {
    /// AWS's account.
    pub account: AccountId,
    /// AWS's region.
    pub region: String,
    /// `i-…`
    pub instance: String,
    /// When the machine was started last.
    pub pending: UnixSeconds,
    /// Its address in its network, where it has one of version 4.
    pub private_ip: Option<std::net::IpAddr>,
    /// `ami-…`
    pub image: Option<String>,
    /// Such as `m7i.large`.
    pub instance_type: Option<String>,
}

/// As it is written. Of a name that comes twice none is believed: serde refuses it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    account_id: String,
    region: String,
    instance_id: String,
    pending_time: String,
    private_ip: Option<String>,
    image_id: Option<String>,
    instance_type: Option<String>,
}

impl IdentityDocument {
    fn read(content: &[u8]) -> Option<Self> {
        // A list of the values in their order would be taken, too.
        let is_object = content.trim_ascii_start().first() == Some(&b'{');
        if content.len() > DOCUMENT_BYTES_MAX || !is_object {
            return None;
        }
        let written: Written = serde_json::from_slice(content).ok()?;
        let private_ip = written.private_ip.as_deref().map(str::parse).transpose().ok()?;
        let is_good = Ec2Trust::is_region(&written.region)
            && is_instance_id(&written.instance_id)
            && [&written.image_id, &written.instance_type]
                .into_iter()
                .flatten()
                .all(|word| is_word(word));
        is_good.then_some(())?;
        Some(Self {
            account: written.account_id.parse().ok()?,
            region: written.region,
            instance: written.instance_id,
            pending: UnixSeconds::from_rfc3339(&written.pending_time).ok()?,
            private_ip,
            image: written.image_id,
            instance_type: written.instance_type,
        })
    }

    /// What tells its machine from all others: account, region and id as AWS has them.
    pub(crate) fn machine(&self) -> String {
        format!("{}/{}/{}", self.account, self.region, self.instance)
    }

    fn check_age(&self, max_age_seconds: i64, now: UnixSeconds) -> Result<(), IdentityDocumentError> {
        match now.since(self.pending) {
            age if age < -EARLY_SECONDS_MAX => Err(IdentityDocumentError::Early),
            age if age > max_age_seconds => Err(IdentityDocumentError::Old),
            _ => Ok(()),
        }
    }
}

/// `i-` and 8 or, since 2016, 17 digits.
fn is_instance_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("i-")
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(is_digit))
}

fn is_word(text: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=WORD_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_byte)
}

/// What a machine shows, if one of `trusts` takes it now; and which one does.
///
/// # Errors
/// [`IdentityDocumentError`]: the first thing that is wrong, in the order of its variants.
pub(crate) fn verify<'a>(
    shown: ShownDocument<'_>,
    trusts: &'a [Ec2Trust],
    now: UnixSeconds,
) -> Result<(&'a Ec2Trust, IdentityDocument), IdentityDocumentError> {
    if shown.message.len() > MESSAGE_BYTES_MAX {
        return Err(IdentityDocumentError::Form);
    }
    let message = signed_data::read(shown.message, shown.document)?;
    let mut signed = trusts
        .iter()
        .filter(|trust| trust.certificates.iter().any(|one| one.verifies(&message, now)))
        .peekable();
    if signed.peek().is_none() {
        return Err(IdentityDocumentError::Signature);
    }
    let document = IdentityDocument::read(&message.content).ok_or(IdentityDocumentError::Content)?;
    let mut of_account = signed
        .filter(|trust| trust.account == document.account)
        .peekable();
    if of_account.peek().is_none() {
        return Err(IdentityDocumentError::Account);
    }
    let trust = of_account
        .find(|trust| trust.takes_region(&document.region))
        .ok_or(IdentityDocumentError::Region)?;
    document.check_age(trust.max_age_seconds, now)?;
    Ok((trust, document))
}

#[cfg(test)]
mod tests;
