//! What the evaluator itself says of a request.

use super::Subject;
use crate::context::Context;
use crate::decision::{Decision, Effect, StatementRef};
use crate::document::{Policy, PolicyKind};
use crate::evaluate::{PolicySet, Request, evaluate, evaluate_trust};
use crate::group::{NamedPolicy, PolicyGroup};
use crate::principal::{Grant, PrincipalKind};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// A policy that allows everything, for the parts that the comparison is not about.
pub(super) fn allow_all() -> PolicyGroup {
    let parsed = Policy::parse(ALLOW_ALL, PolicyKind::Identity);
    parsed
        .map(|policy| NamedPolicy::new("everything", policy))
        .into_iter()
        .collect()
}

/// The statements by which `policies` allow the request at least as strongly as `subject` says; `None` when they do
/// not. A resource control policy allows without a statement.
pub(super) fn allowing(
    policies: &PolicyGroup,
    kind: PolicyKind,
    subject: &Subject,
    action: &str,
    resource: &str,
    context: &Context,
    everything: &PolicyGroup,
) -> Option<Vec<StatementRef>> {
    let request = Request {
        principal: &subject.principal,
        action,
        resource,
        resource_account: subject.principal.account.as_ref().map(|account| account.as_str()),
        context,
    };
    let none = &PolicyGroup::default();
    let federated = subject.principal.kind == PrincipalKind::FederatedUser;
    // Other policies are set so that a weaker grant would not be enough.
    let rest = PolicySet {
        identity: (subject.grant == Some(Grant::Account)).then_some(everything),
        session: match subject.grant {
            Some(Grant::Direct) => Some(none),
            _ if federated => Some(everything),
            _ => None,
        },
        boundary: subject.bounded.then_some(everything),
        ..PolicySet::default()
    };
    let decisions: Vec<Decision> = match kind {
        // A role has one trust policy.
        PolicyKind::Trust => {
            let each = policies.policies().iter().cloned().map(PolicyGroup::from);
            each.map(|trust| evaluate_trust(&request, &trust, &rest))
                .collect()
        }
        PolicyKind::Resource => {
            let set = PolicySet {
                resource: Some(policies),
                ..rest
            };
            vec![evaluate(&request, &set)]
        }
        PolicyKind::ResourceControl => {
            let set = PolicySet {
                identity: Some(everything),
                resource_control: Some(policies),
                ..PolicySet::default()
            };
            vec![evaluate(&request, &set)]
        }
        PolicyKind::Identity | PolicyKind::Session | PolicyKind::Boundary | PolicyKind::ServiceControl => {
            let set = PolicySet {
                identity: Some(policies),
                ..PolicySet::default()
            };
            vec![evaluate(&request, &set)]
        }
    };
    let denied = decisions
        .iter()
        .any(|decision| decision.effect == Effect::ExplicitDeny);
    let allowed = decisions
        .into_iter()
        .find(Decision::is_allow)
        .filter(|_| !denied)?;
    let ours = |statement: &StatementRef| match kind {
        PolicyKind::Resource | PolicyKind::Trust => statement.kind() == kind,
        PolicyKind::ResourceControl => false,
        _ => true,
    };
    Some(
        allowed
            .matched
            .iter()
            .filter(|statement| ours(statement))
            .cloned()
            .collect(),
    )
}
