//! AWS's own managed policies that are known by ARN, and the fallback that denies.

use hallpass_policy::{NamedPolicy, Policy, PolicyGroup, PolicyKind};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const PREFIX: &str = "arn:aws:iam::aws:policy/";

/// Name and document, as AWS publishes them ("AWS managed policy reference"). The whole catalogue is a later matter;
/// these are the ones an installation needs to get going.
const DOCUMENTS: &[(&str, &str)] = &[
    (
        "AdministratorAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "IAMFullAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*"],"Resource":"*"}]}"#,
    ),
    (
        "IAMReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}]}"#,
    ),
    (
        "AmazonS3FullAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}"#,
    ),
    (
        "AmazonS3ReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}]}"#,
    ),
];

/// When AWS's first managed policies appeared; ours are told to be as old.
pub(crate) const CREATED: &str = "2015-02-06T18:39:46Z";

static COMPILED: LazyLock<BTreeMap<String, PolicyGroup>> = LazyLock::new(|| {
    DOCUMENTS
        .iter()
        .filter_map(|(name, document)| {
            let arn = format!("{PREFIX}{name}");
            let policy = Policy::parse(document, PolicyKind::Identity).ok()?;
            Some((arn.clone(), NamedPolicy::new(&arn, policy).into()))
        })
        .collect()
});

static DENY_ALL: LazyLock<Option<Arc<Policy>>> = LazyLock::new(|| {
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    Policy::parse(document, PolicyKind::Identity).ok().map(Arc::new)
});

static ALLOW_ALL: LazyLock<PolicyGroup> = LazyLock::new(|| {
    let administrator = COMPILED.get("arn:aws:iam::aws:policy/AdministratorAccess");
    let policies = administrator.iter().flat_map(|group| group.policies());
    policies
        .map(|policy| NamedPolicy {
            name: "account root".into(),
            policy: Arc::clone(&policy.policy),
        })
        .collect()
});

/// AWS's managed policy of that ARN, as a group of its own.
pub(crate) fn aws_managed(arn: &str) -> Option<&'static PolicyGroup> {
    COMPILED.get(arn)
}

/// The document of AWS's managed policy of that ARN.
pub(crate) fn aws_managed_document(arn: &str) -> Option<&'static str> {
    let name = arn.strip_prefix(PREFIX)?;
    DOCUMENTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, document)| *document)
}

/// All ARNs of AWS's managed policies known here.
pub(crate) fn aws_managed_arns() -> impl Iterator<Item = &'static str> {
    COMPILED.keys().map(String::as_str)
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
    fn every_document_here_parses() {
        assert_eq!(COMPILED.len(), DOCUMENTS.len());
        assert_eq!(root_policies().policies().len(), 1);
        assert!(deny_all("x").name.starts_with("x "));
    }
}
