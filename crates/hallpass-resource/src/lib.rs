//! Policies on resources, kept here whatever the store behind is: bucket, queue and topic policies, S3's public access
//! block, and which pages of other origins may use a bucket.
//!
//! Kept here and not in the upstream, because they name principals that only exist here, and because many stores know
//! no policies at all. [`ResourcePolicies`] answers from memory; a change is durable before it is seen.

mod block;
mod cors;
mod kept;
mod public;

pub use block::PublicAccessBlock;
pub use cors::{
    CORS_BYTES_MAX, CORS_RULES_MAX, CorsConfiguration, CorsError, CorsRequest, CorsRule, is_cors_method,
};
pub use kept::{Kept, ResourcePolicies, ResourcePolicyError};
pub use public::is_public;

/// The longest policy of a bucket, in bytes. Source: S3, "Bucket policies" (20 KB).
pub const BUCKET_POLICY_BYTES_MAX: usize = 20 * 1_024;

/// The longest policy of a queue or topic, in bytes. Source: SNS and SQS quotas (30 KB for a topic).
pub const POLICY_BYTES_MAX: usize = 30 * 1_024;
