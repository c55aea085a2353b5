//! What an S3 request means: [`route`] finds the operation, the bucket and the key, [`S3Request::actions`] the IAM
//! actions it amounts to.
//!
//! The map is closed: a sub-resource, a parameter or a combination it does not know is refused, so that nothing is
//! authorized as something simpler than it is. No I/O; every input is an argument.

mod actions;
mod body;
mod bucket_name;
mod copy_source;
mod error;
mod head;
mod operation;
mod request;
mod route;
mod table;
mod tags;

pub use body::{DeleteKey, ParsedBody, Part};
pub use bucket_name::valid_bucket_name;
pub use copy_source::CopySource;
pub use error::RouteError;
pub use head::S3Head;
pub use operation::Operation;
pub use request::S3Request;
pub use route::{route, target};
pub use tags::parse_tagging_header;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

/// The largest body the gateway buffers to read it before deciding, in bytes. A DeleteObjects of 1,000 keys of 1,024
/// bytes, every byte escaped, stays below it; above it the answer is `EntityTooLarge`.
pub const XML_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The longest key, in bytes of UTF-8. Source: S3, "Object key naming guidelines".
pub const KEY_BYTES_MAX: usize = 1_024;

/// Keys one DeleteObjects may name. Source: S3 API, DeleteObjects.
pub const DELETE_KEYS_MAX: usize = 1_000;

/// Parts of one upload. Source: S3, "Multipart upload limits".
pub const PARTS_MAX: usize = 10_000;
