//! Rules over IAM policy documents. Each finding has a stable code, a place, and one line of help; where the remedy is
//! mechanical, a fix too.
//!
//! ```
//! use hallpass_lint::{Options, check};
//! use hallpass_policy::PolicyKind;
//!
//! let text = r#"{"Version": "2012-10-17", "Statement":
//!     {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "*"}}"#;
//! let findings = check(text, &Options { kind: PolicyKind::Identity });
//! assert_eq!(findings[0].rule.name, "INVALID_ACTION");
//! assert!(findings[0].fix.is_some());
//! ```
//!
//! An [`Level::Error`] is a reason for which IAM refuses the document: [`hallpass_policy::Policy::parse`] refuses it
//! exactly when there is one. What IAM stores, though it can never work (an action that does not exist), is a
//! [`Level::Warning`], even where AWS's Access Analyzer calls it an error. Names in capitals are Access Analyzer's
//! where it has such a check ("IAM policy validation check reference").
//!
//! ```text
//! text ── policy::json ──▶ document (elements with spans) ── rules/* ──▶ findings ── render/* ──▶ text, JSON, SARIF
//! ```
//!
//! No I/O, no clock, no randomness; the time taken grows with the document's length, not with its square.

mod catalogue;
mod document;
mod finding;
mod fix;
mod glob;
mod key;
mod place;
pub mod render;
mod report;
mod rules;

pub use catalogue::{Level, RULES, Rule};
pub use finding::{Finding, Fix};
pub use fix::apply;
pub use key::{AccessKey, KEY_AGE_DAYS_MAX, check_key};
pub use rules::check;

use hallpass_policy::PolicyKind;

/// How a document is to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Where it is or will be attached.
    pub kind: PolicyKind,
}

#[cfg(test)]
mod tests;
