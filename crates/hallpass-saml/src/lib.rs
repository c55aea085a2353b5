//! SAML 2.0 assertions for `AssumeRoleWithSAML`: read strictly, held against the keys of the provider's metadata, and
//! understood as AWS does.
//!
//! A claim is never read from the document that came. The signed element is written in canonical form, the signature and
//! digest are checked over those bytes, and those bytes are parsed again: what is believed is what was hashed, wherever
//! else in the document a forger put something that looks like it.
//!
//! Sources: SAML 2.0 Core and Profiles (OASIS), XML Signature Syntax and Processing 1.1, Exclusive XML Canonicalization
//! 1.0 (W3C), IAM User Guide, "Configure SAML assertions for the authentication response".

mod assertion;
mod attributes;
mod canonical;
mod error;
mod keys;
mod metadata;
mod names;
mod parse;
mod proof;
mod signature;
mod tree;

pub use assertion::{Assertion, verify};
pub use attributes::RolePair;
pub use error::SamlError;
pub use metadata::Metadata;

#[cfg(test)]
mod tests;
