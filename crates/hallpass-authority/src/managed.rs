//! AWS's own managed policies, compiled when they are first asked for, and the fallback that denies.

use hallpass_policy::{NamedPolicy, Policy, PolicyGroup, PolicyKind};
use hallpass_reference::managed::{self, ManagedPolicy};
use std::sync::{Arc, LazyLock, OnceLock};

/// At the place that each has in `managed::all`.
static COMPILED: LazyLock<Vec<OnceLock<PolicyGroup>>> =
    LazyLock::new(|| managed::all().iter().map(|_| OnceLock::new()).collect());

static DENY_ALL: LazyLock<Option<Arc<Policy>>> = LazyLock::new(|| {
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    Policy::parse(document, PolicyKind::Identity).ok().map(Arc::new)
});

static ALLOW_ALL: LazyLock<PolicyGroup> = LazyLock::new(|| {
    let administrator = aws_managed("arn:aws:iam::aws:policy/AdministratorAccess");
    let policies = administrator.iter().flat_map(|group| group.policies());
    policies
        .map(|policy| NamedPolicy {
            name: "account root".into(),
            policy: Arc::clone(&policy.policy),
        })
        .collect()
});

/// AWS's managed policy of that ARN, as a group of its own. The one that is longer than a policy may be denies everything,
/// as any that cannot be read; it is a service's, and attached to nobody.
pub(crate) fn aws_managed(arn: &str) -> Option<&'static PolicyGroup> {
    let position = managed::position(arn)?;
    let policy = managed::all().get(position)?;
    let compiled = COMPILED.get(position)?;
    Some(compiled.get_or_init(|| {
        let parsed = Policy::parse(&policy.document(), PolicyKind::Identity);
        parsed
            .map_or_else(|_| deny_all(arn), |policy| NamedPolicy::new(arn, policy))
            .into()
    }))
}

/// What is known of AWS's managed policy of that ARN.
pub(crate) fn aws_managed_policy(arn: &str) -> Option<&'static ManagedPolicy> {
    managed::find(arn)
}

/// Whether that ARN is one of AWS's, known here or not.
pub(crate) fn is_aws(arn: &str) -> bool {
    arn.strip_prefix(managed::ARN_PREFIX)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// All of AWS's managed policies.
pub(crate) fn aws_managed_policies() -> &'static [ManagedPolicy] {
    managed::all()
}

/// What the account's root may do: everything no policy of another kind denies.
pub(crate) fn root_policies() -> PolicyGroup {
    ALLOW_ALL.clone()
}

/// Stands in for a policy that cannot be evaluated.
#[expect(clippy::expect_used, reason = "a constant document, parsed in every test run")]
pub(crate) fn deny_all(name: &str) -> NamedPolicy {
    let policy = DENY_ALL.as_ref().expect("the constant document parses");
    NamedPolicy {
        name: format!("{name} (cannot be evaluated)").into(),
        policy: Arc::clone(policy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_them_is_evaluated() {
        let denying: Vec<_> = managed::all()
            .iter()
            .map(ManagedPolicy::arn)
            .filter(|arn| {
                let group = aws_managed(arn).unwrap();
                group
                    .policies()
                    .iter()
                    .any(|policy| &*policy.name != arn.as_str())
            })
            .collect();
        assert_eq!(
            denying,
            ["arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"]
        );
        assert_eq!(root_policies().policies().len(), 1);
        assert!(deny_all("x").name.starts_with("x "));
    }
}
