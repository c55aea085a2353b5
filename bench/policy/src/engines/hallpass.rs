//! Ours.

use super::Engine;
use crate::scenario::{ACCOUNT, ACTION, PRINCIPAL, Scenario};
use hallpass_policy::{
    Context, Effect, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request,
    evaluate,
};
use std::hint::black_box;

pub struct Hallpass {
    principal: PrincipalInfo,
    resource: String,
    context: Context,
    policies: PolicyGroup,
}

/// The scenario's documents as one group.
pub fn group(scenario: &Scenario) -> Option<PolicyGroup> {
    let named = scenario.policies.iter().enumerate().map(|(index, text)| {
        let policy = Policy::parse(text, PolicyKind::Identity).ok()?;
        Some(NamedPolicy::new(&format!("policy {index}"), policy))
    });
    named.collect()
}

impl Engine for Hallpass {
    const NAME: &'static str = "hallpass-policy";

    fn load(scenario: &Scenario) -> Option<Self> {
        let mut context = Context::new();
        context
            .set("aws:SourceIp", "10.0.0.1")
            .set("aws:SecureTransport", "true");
        Some(Self {
            principal: PrincipalInfo::user(ACCOUNT.parse().unwrap(), PRINCIPAL, "AIDAEXAMPLE"),
            resource: scenario.resource.clone(),
            context,
            policies: group(scenario)?,
        })
    }

    #[inline]
    fn decide(&mut self) -> &'static str {
        let request = Request {
            principal: &self.principal,
            action: ACTION,
            resource: &self.resource,
            resource_account: Some(ACCOUNT),
            context: &self.context,
        };
        let policies = PolicySet {
            identity: Some(&self.policies),
            ..PolicySet::default()
        };
        match evaluate(black_box(&request), &policies).effect {
            Effect::Allow => "allow",
            Effect::ExplicitDeny => "explicit_deny",
            Effect::ImplicitDeny => "implicit_deny",
        }
    }
}
