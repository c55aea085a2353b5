//! `iam-rs`.

use super::Engine;
use crate::scenario::{ACTION, PRINCIPAL, Scenario};
use iam_rs::{
    Arn, Context, Decision, EvaluationOptions, IAMPolicy, IAMRequest, PolicyEvaluator, Principal, PrincipalId,
};
use std::hint::black_box;

pub struct IamRs {
    evaluator: PolicyEvaluator,
    request: IAMRequest,
}

impl Engine for IamRs {
    const NAME: &'static str = "iam-rs";

    fn load(scenario: &Scenario) -> Option<Self> {
        let policies = scenario
            .policies
            .iter()
            .map(|text| IAMPolicy::from_json(text).ok());
        let options = EvaluationOptions {
            // Its default would refuse the larger sizes.
            max_statements: usize::MAX,
            ..EvaluationOptions::default()
        };
        let context = Context::new()
            .with_string("aws:SourceIp", "10.0.0.1")
            .with_boolean("aws:SecureTransport", true);
        let principal = Principal::Aws(PrincipalId::String(PRINCIPAL.to_owned()));
        let resource = Arn::parse(&scenario.resource).ok()?;
        Some(Self {
            evaluator: PolicyEvaluator::with_policies(policies.collect::<Option<_>>()?).with_options(options),
            request: IAMRequest::new_with_context(principal, ACTION, resource, context),
        })
    }

    #[inline]
    fn decide(&mut self) -> &'static str {
        match self.evaluator.evaluate(black_box(&self.request)) {
            Ok(result) => match result.decision {
                Decision::Allow => "allow",
                Decision::Deny => "explicit_deny",
                Decision::NotApplicable => "implicit_deny",
            },
            Err(_) => "error",
        }
    }
}
