use hallpass_secret::Secret;
use hallpass_types::{AccessKeyId, AccessKeyKind, AccountId, Entropy};

/// Which entity a unique id names; the prefix says so
/// (IAM User Guide, "IAM identifiers", table of unique id prefixes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// `AROA…`
    Role,
    /// `AIDA…`
    User,
    /// `AIPA…`
    InstanceProfile,
    /// `ANPA…`
    ManagedPolicy,
    /// `AGPA…`
    Group,
    /// `ASCA…`
    ServerCertificate,
    /// `ACCA…`
    ServiceCredential,
}

/// A unique id that no deleted and recreated entity ever gets again: four letters and seventeen more.
#[must_use]
pub fn unique_id(kind: IdKind, entropy: &dyn Entropy) -> String {
    let prefix = match kind {
        IdKind::Role => "AROA",
        IdKind::User => "AIDA",
        IdKind::InstanceProfile => "AIPA",
        IdKind::ManagedPolicy => "ANPA",
        IdKind::Group => "AGPA",
        IdKind::ServerCertificate => "ASCA",
        IdKind::ServiceCredential => "ACCA",
    };
    format!("{prefix}{}", random_base32(entropy, 17))
}

/// `letters` random letters of base 32 (RFC 4648), five bits each.
#[must_use]
pub fn random_base32(entropy: &dyn Entropy, letters: usize) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = vec![0u8; letters];
    entropy.fill(&mut random);
    random
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte & 31)).map(|b| char::from(*b)))
        .collect()
}

/// `i-` and seventeen hexadecimal digits.
#[must_use]
pub fn instance_id(entropy: &dyn Entropy) -> String {
    format!("i-{}", random_hex(entropy, 17))
}

/// Random digits as a UUID is written; its version and variant are random, too.
#[must_use]
pub fn random_uuid(entropy: &dyn Entropy) -> String {
    let mut id = random_hex(entropy, 32);
    for place in [20, 16, 12, 8] {
        id.insert(place, '-');
    }
    id
}

/// `digits` random hexadecimal digits.
#[must_use]
pub fn random_hex(entropy: &dyn Entropy, digits: usize) -> String {
    let mut random = vec![0u8; digits.div_ceil(2)];
    entropy.fill(&mut random);
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let mut text = String::with_capacity(random.len() * 2);
    text.extend(
        random
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]),
    );
    text.truncate(digits);
    text
}

/// A secret access key: forty characters of base 64, 240 bits.
#[must_use]
pub fn secret_access_key(entropy: &dyn Entropy) -> Secret {
    use base64::Engine as _;
    let mut random = [0u8; 30];
    entropy.fill(&mut random);
    Secret::new(base64::engine::general_purpose::STANDARD.encode(random))
}

/// A fresh `AKIA…` id of `account`.
#[must_use]
pub fn user_access_key(account: AccountId, entropy: &dyn Entropy) -> AccessKeyId {
    access_key(AccessKeyKind::LongTerm, account, entropy)
}

/// A fresh `ASIA…` id of `account`.
#[must_use]
pub fn session_access_key(account: AccountId, entropy: &dyn Entropy) -> AccessKeyId {
    access_key(AccessKeyKind::Session, account, entropy)
}

fn access_key(kind: AccessKeyKind, account: AccountId, entropy: &dyn Entropy) -> AccessKeyId {
    let mut random = [0u8; 10];
    entropy.fill(&mut random);
    AccessKeyId::encode(kind, account, random)
}
