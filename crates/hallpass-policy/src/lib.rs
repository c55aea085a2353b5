//! The IAM policy language: documents are parsed once, with positions, and then asked for decisions.
//!
//! ```text
//! text ── json ──▶ values with offsets ── parse ──▶ Policy ── evaluate ──▶ Decision
//!                                          │                    ▲
//!                               pattern, condition, principal   Request + Context
//! ```
//!
//! Parsing is strict: what AWS refuses is refused with AWS's own message, and so is everything that could not be
//! evaluated later (unknown operators, broken dates). Evaluation is total: it never fails, and whatever cannot be
//! decided counts against the request, so it neither satisfies an `Allow` nor escapes a `Deny`.
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
mod variable;

pub use compare::{Comparison, Counterexample, Undecided, compare};
pub use context::{Context, ContextValue};
pub use decision::{Considered, Decision, Effect, FailedCondition, MatchedStatements, Outcome, StatementRef};
pub use document::{Policy, PolicyKind, Statement, StatementEffect, Version};
pub use error::{PolicyError, PolicyErrorCode, Position};
pub use evaluate::{
    PolicySet, Request, evaluate, evaluate_explained, evaluate_trust, evaluate_trust_explained,
};
pub use group::{NamedPolicy, PolicyGroup};
pub use json::DEPTH_MAX;
pub use parse::{DOCUMENT_BYTES_MAX, VALUES_MAX};
pub use possibility::{Conditional, Dependence, Possibility, possibility};
pub use principal::{PrincipalClause, PrincipalEntry, PrincipalInfo, PrincipalKind, PrincipalName};
pub use simulate::{Simulated, simulate};
