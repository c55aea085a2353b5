use crate::{SamlIdentity, WebIdentity};
use hallpass_policy::{Context, PrincipalInfo};
use hallpass_session::SessionClaims;
use hallpass_types::{AccessKeyId, AccountId, UnixSeconds};
use std::sync::Arc;

/// What sort of principal signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerKind {
    /// The account's root.
    Root,
    /// A user, with a long-term key or a session of its own.
    User {
        /// The user's name.
        name: String,
    },
    /// A role's session.
    Role {
        /// The role's name.
        name: String,
    },
    /// The session of `GetFederationToken`.
    FederatedUser {
        /// The user whose policies its session policies narrow; the account's root when absent.
        user: Option<String>,
    },
    /// The bearer of an OpenID Connect provider's token, who signs nothing and may call one action.
    WebIdentity(Box<WebIdentity>),
    /// The bearer of a SAML provider's assertion, who signs nothing and may call one action.
    Saml(Box<SamlIdentity>),
    /// A service acting for the system itself (the agent asking for an instance's session).
    Service,
    /// Nobody signed. Only a resource's own policy can let such a request in.
    Anonymous,
}

/// An authenticated principal: everything later steps may know about who is calling, from the server's own
/// knowledge, never from a header.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal's account.
    pub account: AccountId,
    /// What sort of principal.
    pub kind: CallerKind,
    /// As the policy evaluator wants it.
    pub principal: PrincipalInfo,
    /// `aws:userid`.
    pub user_id: String,
    /// The key that signed.
    pub access_key_id: Option<AccessKeyId>,
    /// The session, when the key belongs to one.
    pub session: Option<Arc<SessionClaims>>,
}

impl Caller {
    /// Whoever sends a request without signature to a resource of `account`.
    #[must_use]
    pub fn anonymous(account: AccountId) -> Self {
        Self {
            account,
            kind: CallerKind::Anonymous,
            principal: PrincipalInfo::anonymous(),
            user_id: "anonymous".to_owned(),
            access_key_id: None,
            session: None,
        }
    }

    /// The condition keys every request of this caller carries (IAM User Guide, "AWS global condition context keys").
    #[must_use]
    pub fn context(&self, now: UnixSeconds, role_tags: &[(String, String)]) -> Context {
        let mut context = Context::new();
        context.set("aws:CurrentTime", now.iso8601());
        context.set("aws:EpochTime", now.0.to_string());
        self.principal.fill(&mut context);
        for (key, value) in role_tags {
            context.set(format!("aws:PrincipalTag/{key}"), value);
        }
        if let Some(session) = &self.session {
            context.set("aws:TokenIssueTime", session.issued_at.iso8601());
            // With long-term keys these are absent; a session without MFA says so ("AWS global condition context keys").
            context.set(
                "aws:MultiFactorAuthPresent",
                if session.mfa_at.is_some() { "true" } else { "false" },
            );
            if let Some(at) = session.mfa_at {
                context.set("aws:MultiFactorAuthAge", now.since(at).max(0).to_string());
            }
            if let Some(identity) = &session.web_identity {
                context.set("aws:FederatedProvider", &identity.provider_arn);
                context.set(format!("{}:aud", identity.key_prefix), &identity.audience);
                context.set(format!("{}:sub", identity.key_prefix), &identity.subject);
            }
            if let Some(identity) = &session.saml {
                context.set("aws:FederatedProvider", &identity.provider_arn);
                context.set("saml:sub", &identity.subject);
                context.set("saml:sub_type", &identity.subject_type);
                context.set("saml:namequalifier", &identity.name_qualifier);
            }
            if let Some(identity) = &session.source_identity {
                context.set("aws:SourceIdentity", identity);
            }
            // Session tags override the role's own.
            for tag in &session.tags {
                context.set(format!("aws:PrincipalTag/{}", tag.key), &tag.value);
            }
            if let Some(instance) = &session.instance {
                context.set("ec2:SourceInstanceArn", &instance.arn);
                if let Some(address) = &instance.private_ip {
                    context.set("aws:Ec2InstanceSourcePrivateIPv4", address);
                }
                if let Some(vpc) = &instance.vpc {
                    context.set("aws:Ec2InstanceSourceVpc", vpc);
                }
            }
        }
        context
    }
}
