//! What a request to an AWS API other than S3 means: [`route`] finds the operation, [`ApiRequest::actions`] the IAM
//! actions, resources and condition keys it amounts to.
//!
//! The map is closed: made from AWS's own models (`data/SOURCE`), it refuses what no model knows, and what could be read
//! in two ways. Where an action has resources and the request does not tell which, the resource is unknown: only
//! statements for all resources allow then. No I/O; every input is an argument.
//!
//! The models are read on first use, a service at a time.

mod actions;
mod asked;
mod body;
mod error;
mod head;
mod leading_keys;
mod model;
mod operation_actions;
mod protocol;
mod query;
mod request;
mod resource;
mod route;
mod routes;
mod services;
mod value;

pub use error::RouteError;
pub use head::ApiHead;
pub use leading_keys::{TableUse, UNKNOWN_LEADING_KEY};
pub use protocol::Protocol;
pub use request::ApiRequest;
pub use route::route;

#[cfg(test)]
mod tests;

/// The largest body that is read before deciding, in bytes: DynamoDB's limit, the largest of the document APIs.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most values (texts, numbers, lists, …) in one body. A batch of 10,000 log events has 30,000.
pub const BODY_VALUES_MAX: usize = 500_000;

/// How deep a body may nest. DynamoDB's attributes may 32 levels, and its wire form has two for each.
pub const BODY_DEPTH_MAX: usize = 100;

/// The most actions one request is taken apart into; one that needs more is one on an unknown resource.
pub const ACTIONS_MAX: usize = 1_000;

/// Whether some service signs with this name, the one in the credential scope.
#[must_use]
pub fn knows_service(signing_name: &str) -> bool {
    model::signing_as(signing_name).next().is_some()
}
