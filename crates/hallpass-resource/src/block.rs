use serde::{Deserialize, Serialize};

/// S3's public access block of one bucket.
///
/// A bucket nobody configured has all four on, as every new bucket of S3 has since April 2023: whoever wants anonymous
/// readers says so twice, here and in the policy.
///
/// # Source
/// S3 User Guide, "Blocking public access to your Amazon S3 storage".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "S3's four switches, under S3's names"
)]
pub struct PublicAccessBlock {
    /// Requests that set a public ACL are refused.
    pub block_public_acls: bool,
    /// ACLs grant nothing to the public. They grant nothing at all here, so this is kept and told only.
    pub ignore_public_acls: bool,
    /// A public policy cannot be put.
    pub block_public_policy: bool,
    /// A bucket with a public policy serves only its own account.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// All four on.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };

    /// All four off: what is left once the configuration was deleted.
    pub const NONE: Self = Self {
        block_public_acls: false,
        ignore_public_acls: false,
        block_public_policy: false,
        restrict_public_buckets: false,
    };
}
