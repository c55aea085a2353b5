//! AWS Signature Version 4, in both directions, over bytes the caller already holds.
//!
//! [`parse()`] finds the authentication of a request, [`verify()`] turns it into a [`Verified`] (the only proof there
//! is), [`sign()`] and [`presign()`] make signatures with the same canonical form, and [`BodyCheck`] proves a body
//! while it passes; [`EventDecoder`] does for a stream of events. [`parse_v2_query()`], [`parse_v4a()`], [`parse_x509()`] and [`parse_post()`] are the other forms' own ways to the same
//! proof, for callers that accept them. No I/O, no clock, no HTTP library: all of it is arguments. No randomness, but
//! for the nonces of version 4a's signatures, which the library that makes them draws.

mod body;
mod canonical;
mod checksum;
mod chunked;
mod date;
mod error;
mod events;
mod key;
mod parse;
mod payload;
mod post;
mod presign;
mod query;
mod scope;
mod sign;
mod string_to_sign;
mod v2;
mod v4a;
mod verify;
mod x509;

pub use body::{BodyCheck, BodyOptions};
pub use canonical::{PathStyle, RequestView};
pub use checksum::{Checksum, ChecksumAlgorithm};
pub use chunked::{ChunkLimits, ChunkSigner, ChunkVerifier, ChunkedDecoder, Trailers};
pub use error::{
    BodyError, ChunkError, EventError, FormError, ParseError, PolicyDocumentError, PostLengthError, S3Code,
    SignError, VerifyError,
};
pub use events::{EventDecoder, EventLimits, EventSigner};
pub use key::SigningKey;
pub use parse::{AuthForm, Place, Presented, SignedHeaderNames, parse};
pub use payload::{Payload, PayloadMode, STREAM_OF_EVENTS};
pub use post::{
    FormDecoder, PostLimits, PostPolicy, PresentedPost, parse_post, substitute_filename, verify_post,
};
pub use presign::{presign, presign_with_key};
pub use scope::{Scope, ScopeError};
pub use sign::{SignedHeaders, SigningCredentials, sign, sign_with_key};
pub use v2::{PresentedV2, parse_v2_query, verify_v2};
pub use v4a::{
    EcdsaKey, EcdsaVerifyingKey, KeyDerivationError, PresentedV4a, RegionSet, parse_v4a, presign_v4a,
    sign_v4a, sign_v4a_with_key, verify_v4a,
};
pub use verify::{Verified, VerifyOptions, verify};
pub use x509::{PresentedX509, VerifiedX509, X509Algorithm, parse_x509, verify_x509};

#[cfg(test)]
mod tests;

/// How far a signature's date may be from our clock, in seconds, either way.
///
/// Source: AWS SigV4, "requests must be received within five minutes"; S3 in fact allows fifteen, and clients rely on
/// it (`RequestTimeTooSkewed` beyond).
pub const SKEW_SECONDS_MAX: i64 = 900;

/// The longest life of a presigned request: seven days, in seconds. Source: S3, `X-Amz-Expires`.
pub const EXPIRES_SECONDS_MAX: u32 = 604_800;
