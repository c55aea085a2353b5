//! What a bucket's own policy and public access block say of a request.

use crate::Refusal;
use hallpass_access::{ActionOn, Caller, CallerKind};
use hallpass_policy::PolicyGroup;
use hallpass_resource::ResourcePolicies;
use hallpass_s3route::{Operation, S3Head, S3Request};
use hallpass_types::AccountId;
use std::sync::Arc;

/// The policies of buckets, as they bear on one request.
pub(super) struct Protection<'a> {
    pub(super) resources: &'a ResourcePolicies,
    pub(super) caller: &'a Arc<Caller>,
    pub(super) operation: Operation,
}

/// The bucket an S3 ARN is about.
pub(super) fn bucket_of(arn: &str) -> Option<&str> {
    let path = arn.strip_prefix("arn:aws:s3:::")?;
    path.split('/').next().filter(|bucket| !bucket.is_empty())
}

impl Protection<'_> {
    /// The policy of the bucket an action is about.
    pub(super) fn policy_on(&self, action: &ActionOn) -> Option<PolicyGroup> {
        let bucket = bucket_of(&action.resource)?;
        let kept = self.resources.policy(&format!("arn:aws:s3:::{bucket}"))?;
        // A bucket policy must not lock its owner out for ever (S3 API reference, PutBucketPolicy).
        let is_owners_way_out = matches!(
            self.operation,
            Operation::GetBucketPolicy | Operation::PutBucketPolicy | Operation::DeleteBucketPolicy
        ) && self.caller.kind == CallerKind::Root
            && action.resource_account == Some(self.caller.account);
        if is_owners_way_out {
            return None;
        }
        // Then only its own account is let in, by whatever policy, so the public grant counts for nobody else.
        let is_stranger = self.caller.kind == CallerKind::Anonymous
            || action
                .resource_account
                .is_some_and(|owner| owner != self.caller.account);
        if kept.is_public && is_stranger && self.resources.block(bucket).restrict_public_buckets {
            return None;
        }
        Some(kept.group.clone())
    }

    /// Refuses what the public access block of the bucket forbids to ask at all.
    ///
    /// # Errors
    /// `AccessDenied`, as S3 answers.
    pub(super) fn check(
        &self,
        s3: &S3Request,
        head: &S3Head<'_>,
        owner: AccountId,
        body: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        let Some(bucket) = s3.bucket.as_deref() else {
            return Ok(());
        };
        if self.resources.block(bucket).block_public_acls && sets_public_acl(s3, head, body) {
            return Err(blocked(bucket, owner, "BlockPublicAcls", "a public ACL"));
        }
        Ok(())
    }
}

/// What S3 calls a public ACL: anything for its groups of all users or all authenticated ones.
fn sets_public_acl(s3: &S3Request, head: &S3Head<'_>, body: Option<&[u8]>) -> bool {
    const GROUPS: [&str; 2] = ["global/AllUsers", "global/AuthenticatedUsers"];
    let canned = s3.header(head, "x-amz-acl");
    if canned.is_some_and(|acl| acl.starts_with("public-") || acl == "authenticated-read") {
        return true;
    }
    let grants = ["read", "write", "read-acp", "write-acp", "full-control"];
    let granted = grants
        .iter()
        .filter_map(|grant| s3.header(head, &format!("x-amz-grant-{grant}")));
    let in_body = body.filter(|_| matches!(s3.operation, Operation::PutBucketAcl | Operation::PutObjectAcl));
    let in_body = in_body.map(|body| String::from_utf8_lossy(body).into_owned());
    granted
        .chain(in_body)
        .any(|text| GROUPS.iter().any(|group| text.contains(group)))
}

pub(super) fn blocked(bucket: &str, owner: AccountId, switch: &str, what: &str) -> Refusal {
    Refusal::caller(
        "AccessDenied",
        403,
        format!("Access Denied: the public access block of `{bucket}` refuses {what}."),
    )
    .with_detail(format!("{switch} of bucket {bucket} of account {owner}"))
}
