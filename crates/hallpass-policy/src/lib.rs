//! The IAM policy language: documents are parsed once, with positions, and then asked for decisions.
//!
//! ```text
//! text ── json ──▶ values with offsets ── parse ──▶ Policy ──▶ PolicyGroup ── evaluate ──▶ Decision
//!                                          │             index ▲                  ▲
//!                               pattern, condition, principal  │           Request + Context
//!                                                   heads of actions and resources
//! ```
//!
//! Parsing is strict: what AWS refuses is refused with AWS's own message, and so is everything that could not be
//! evaluated later (unknown operators, broken dates). Evaluation is total: it never fails, and whatever cannot be
//! decided counts against the request, so it neither satisfies an `Allow` nor escapes a `Deny`.
//!
//! ```
//! use hallpass_policy::{
//!     Context, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request, evaluate,
//! };
//!
//! let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;
//! let policy = Policy::parse(text, PolicyKind::Identity)?;
//! let identity: PolicyGroup = NamedPolicy::new("worker", policy).into();
//! let principal = PrincipalInfo::from_name("arn:aws:iam::123456789012:user/ana").expect("an ARN");
//! let mut context = Context::new();
//! principal.fill(&mut context);
//! let request = Request {
//!     principal: &principal,
//!     action: "s3:GetObject",
//!     resource: "arn:aws:s3:::reports/q3.csv",
//!     resource_account: None,
//!     context: &context,
//! };
//! let decision = evaluate(&request, &PolicySet { identity: Some(&identity), ..PolicySet::default() });
//! assert!(decision.is_allow());
//! # Ok::<(), hallpass_policy::PolicyError>(())
//! ```
//!
//! No I/O, no clock, no randomness. The caller supplies every fact about the request, from the server's own
//! knowledge and never from a header of the same name.

mod compare;
mod condition;
mod context;
mod decision;
mod document;
mod error;
mod evaluate;
mod group;
mod index;
pub mod json;
mod parse;
mod pattern;
mod possibility;
mod principal;
mod resource;
mod simulate;
mod unique_ids;
mod variable;

pub use compare::{Comparison, Counterexample, Undecided, compare};
pub use context::{Context, ContextValue};
pub use decision::{Considered, Decision, Effect, FailedCondition, MatchedStatements, Outcome, StatementRef};
pub use document::{Policy, PolicyKind, Statement, StatementEffect, Version};
pub use error::{PolicyError, PolicyErrorCode, Position};
pub use evaluate::{
    PolicySet, Request, evaluate, evaluate_explained, evaluate_on_unknown_resource,
    evaluate_on_unknown_resource_explained, evaluate_trust, evaluate_trust_explained,
};
pub use group::{NamedPolicy, PolicyGroup};
pub use json::DEPTH_MAX;
pub use parse::{DOCUMENT_BYTES_MAX, VALUES_MAX};
pub use possibility::{Conditional, Dependence, Possibility, possibility};
pub use principal::{PrincipalClause, PrincipalEntry, PrincipalInfo, PrincipalKind, PrincipalName};
pub use simulate::{Simulated, simulate};
