//! IAM's wider half through the authority's own door: groups, credentials of users, MFA, reports.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod federation;
mod groups;
mod house;
mod mfa;
mod reports;
mod saml;
mod trust;
mod users;
