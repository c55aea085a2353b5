//! What the two calls with a provider's word have in common: the trust policy is asked, nothing else.

use super::named_role;
use crate::ApiError;
use crate::call::{Ctx, Requirement, with_request_tags, with_resource_tags};
use hallpass_access::ActionOn;
use hallpass_session::Tag;

/// What a provider vouches for.
pub(super) struct Vouched<'a> {
    /// `AssumeRoleWithSAML` or `AssumeRoleWithWebIdentity`, of `sts`.
    pub(super) action: &'static str,
    pub(super) session_name: &'a str,
    pub(super) provider_arn: &'a str,
    pub(super) condition_keys: &'a [(String, Vec<String>)],
    pub(super) tags: &'a [Tag],
    pub(super) transitive_tag_keys: &'a [String],
    pub(super) source_identity: Option<&'a str>,
}

/// What AWS says of every role that cannot be had, the one that is not there included.
pub(super) fn denied(action: &str) -> ApiError {
    ApiError::new("AccessDenied", 403, format!("Not authorized to perform {action}"))
}

/// The call itself, and what it does besides: tags and source identity need their own actions.
pub(super) fn requirement(ctx: &Ctx<'_>, vouched: &Vouched<'_>) -> Result<Requirement, ApiError> {
    let (arn, account, role) = named_role(ctx)?;
    let mut base = ActionOn::new(vouched.action, arn.to_string())
        .with("sts:RoleSessionName", vouched.session_name)
        .with("aws:FederatedProvider", vouched.provider_arn);
    base.resource_account = Some(account);
    for (key, values) in vouched.condition_keys {
        base = base.with_many(key, values.clone());
    }
    if let Some(source) = vouched.source_identity {
        base = base.with("sts:SourceIdentity", source);
    }
    if let Some(role) = &role {
        base = with_resource_tags(base, &role.role.permissions.tags);
    }
    let mut actions = vec![with_request_tags(base.clone(), vouched.tags)];
    if !vouched.tags.is_empty() {
        let mut tag = with_request_tags(base.clone(), vouched.tags);
        tag.action = "sts:TagSession".to_owned();
        if !vouched.transitive_tag_keys.is_empty() {
            tag = tag.with_many("sts:TransitiveTagKeys", vouched.transitive_tag_keys.to_vec());
        }
        actions.push(tag);
    }
    if vouched.source_identity.is_some() {
        actions.push(ActionOn {
            action: "sts:SetSourceIdentity".to_owned(),
            ..base
        });
    }
    Ok(Requirement::Trust(
        actions,
        role.and_then(|role| role.trust().cloned()),
    ))
}
