//! The answer, why it is so, and AWS's sentence for it.

use crate::document::{PolicyKind, StatementEffect};
use crate::error::Position;
use crate::evaluate::Request;
use std::fmt;
use std::sync::Arc;

/// The outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Allowed by everything that must allow, denied by nothing.
    Allow,
    /// A `Deny` statement applies.
    ExplicitDeny,
    /// Something that must allow does not.
    ImplicitDeny,
}

/// Points at one statement of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRef {
    /// The name the policy was given in [`crate::NamedPolicy`].
    pub policy: Arc<str>,
    /// The part the policy played.
    pub kind: PolicyKind,
    /// The statement's `Sid`.
    pub sid: Option<Arc<str>>,
    /// Its index in the document, from 0.
    pub index: usize,
    /// Where it starts.
    pub position: Position,
    /// Where it ends.
    pub end: Position,
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statement {}", self.policy, self.index + 1)?;
        match self.sid.as_deref() {
            Some(sid) if !sid.is_empty() => write!(f, " \"{sid}\" ({})", self.position),
            _ => write!(f, " ({})", self.position),
        }
    }
}

/// The first thing about a statement that kept it from applying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It applies.
    Applied,
    /// It names other actions.
    ActionMismatch,
    /// It names other resources, or a variable in them has no value.
    ResourceMismatch,
    /// It names other principals, or none.
    PrincipalMismatch,
    /// A condition does not hold, or cannot be decided in the request's favour.
    ConditionFailed {
        /// The operator, as written.
        operator: String,
        /// The condition key, as written.
        key: String,
    },
}

/// A statement that was looked at, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The statement.
    pub statement: StatementRef,
    /// What it would do.
    pub effect: StatementEffect,
    /// Whether it applied, and if not, why.
    pub outcome: Outcome,
}

/// What was decided, and by which statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub effect: Effect,
    /// The statements that decided: for an allow one of each policy kind that allowed, for an explicit deny the
    /// denying one, for an implicit deny none.
    pub matched: Vec<StatementRef>,
    /// The kind of policy that denies, or that fails to allow; none for an allow.
    pub denied_by: Option<PolicyKind>,
}

impl Decision {
    /// True for an allow, and for nothing else.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        self.effect == Effect::Allow
    }

    /// AWS's sentence for a refusal, naming one kind of policy; for an allow, what was allowed.
    ///
    /// S3 puts the resource in quotes, the other services do not.
    #[must_use]
    pub fn message(&self, request: &Request<'_>) -> String {
        let Request {
            principal,
            action,
            resource,
            ..
        } = request;
        let quote = if action
            .get(..3)
            .is_some_and(|vendor| vendor.eq_ignore_ascii_case("s3:"))
        {
            "\""
        } else {
            ""
        };
        let what = format!("to perform: {action} on resource: {quote}{resource}{quote}");
        let user = &principal.arn;
        let kind = self.denied_by.unwrap_or(PolicyKind::Identity);
        match self.effect {
            Effect::Allow => format!("User: {user} is authorized {what}"),
            Effect::ExplicitDeny => {
                format!(
                    "User: {user} is not authorized {what} with an explicit deny in {}",
                    with_article(kind)
                )
            }
            Effect::ImplicitDeny => {
                format!(
                    "User: {user} is not authorized {what} because no {} allows the {action} action",
                    name(kind)
                )
            }
        }
    }
}

fn name(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Identity => "identity-based policy",
        PolicyKind::Resource => "resource-based policy",
        PolicyKind::Trust => "role trust policy",
        PolicyKind::Session => "session policy",
        PolicyKind::Boundary => "permissions boundary",
        PolicyKind::ServiceControl => "service control policy",
        PolicyKind::ResourceControl => "resource control policy",
    }
}

fn with_article(kind: PolicyKind) -> String {
    match kind {
        PolicyKind::Identity => format!("an {}", name(kind)),
        PolicyKind::Trust => format!("the {}", name(kind)),
        _ => format!("a {}", name(kind)),
    }
}
