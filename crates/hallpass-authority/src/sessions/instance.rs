//! Sessions for instances, for the agent to hand to processes.

use super::{role_claims, seal};
use crate::account::role_arn;
use crate::authority::Authority;
use crate::call::with_request_tags;
use crate::entity::InstanceState;
use crate::{ApiError, names};
use hallpass_access::{ActionOn, Caller, CallerKind, authorize_assume};
use hallpass_policy::{Policy, PolicyKind, PrincipalInfo};
use hallpass_secret::Secret;
use hallpass_session::{InstanceRef, SessionClaims, Tag};
use hallpass_types::{AccountId, Arn, UnixSeconds};
use std::sync::Arc;

/// How long an instance's session lasts. AWS's last about six hours and are replaced hourly
/// (`reference` on the metadata service); the agent replaces them well before the end.
const INSTANCE_SESSION_SECONDS: i64 = 6 * 3_600;
/// AWS's limits (STS API reference, AssumeRole).
const SESSION_SECONDS_MIN: i64 = 900;
const SESSION_POLICY_CHARS_MAX: usize = 2_048;
const NAME_CHARS_MIN: usize = 2;

/// A session for an instance's role, for the agent to hand to processes.
#[derive(Debug, Clone)]
pub struct InstanceSession {
    /// What the token says; holds key id, secret and expiry.
    pub claims: Arc<SessionClaims>,
    /// The sealed token.
    pub token: Secret,
}

/// Why an instance gets no session of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceSessionError {
    /// No such instance, or it was terminated.
    #[error("instance `{0}` is not running")]
    NotRunning(String),
    /// Its profile does not hold the role.
    #[error("role `{role}` is not in an instance profile of `{instance}`")]
    NotInProfile {
        /// The instance.
        instance: String,
        /// The role asked for.
        role: String,
    },
    /// The role's trust policy does not name `ec2.amazonaws.com`.
    #[error("the trust policy of role `{0}` does not let ec2.amazonaws.com assume it")]
    NotTrusted(String),
    /// What is asked for is not what AWS would give, or the role's trust policy does not allow it.
    #[error("the session cannot be shaped so: {0}")]
    Invalid(String),
    /// Sealing failed.
    #[error("the session could not be minted: {0}")]
    Mint(String),
}

/// The session an instance asks for. What is `None` or empty is as for any instance: named after it, for six hours.
///
/// Names, tags, policy and duration have the limits of `AssumeRole` (STS API reference).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceSessionRequest {
    /// The role's name.
    pub role: String,
    /// 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`.
    pub session_name: Option<String>,
    /// As the session name. The trust policy must allow `sts:SetSourceIdentity`.
    pub source_identity: Option<String>,
    /// At most 50. The trust policy must allow `sts:TagSession`.
    pub tags: Vec<Tag>,
    /// A session policy, at most 2,048 characters.
    pub policy: Option<String>,
    /// 900 to the role's `MaxSessionDuration`.
    pub duration_seconds: Option<u32>,
}

impl From<&str> for InstanceSessionRequest {
    /// A session of a role as for any instance.
    fn from(role: &str) -> Self {
        Self {
            role: role.to_owned(),
            ..Self::default()
        }
    }
}

impl InstanceSessionRequest {
    /// How long it is to last, if all of it is within AWS's limits.
    fn check(&self, seconds_max: i64) -> Result<i64, ApiError> {
        for (parameter, text) in [
            ("RoleSessionName", &self.session_name),
            ("SourceIdentity", &self.source_identity),
        ] {
            let Some(text) = text else { continue };
            if names::name(parameter, text, names::NAME_CHARS_MAX)?.len() < NAME_CHARS_MIN {
                return Err(ApiError::validation(format!(
                    "{parameter} has at least 2 characters"
                )));
            }
        }
        names::check_tags(&self.tags)?;
        if let Some(policy) = &self.policy {
            if policy.chars().count() > SESSION_POLICY_CHARS_MAX {
                return Err(ApiError::validation(format!(
                    "a session policy has at most {SESSION_POLICY_CHARS_MAX} characters"
                )));
            }
            Policy::parse(policy, PolicyKind::Session)
                .map_err(|error| ApiError::malformed_policy(error.message))?;
        }
        match self.duration_seconds.map(i64::from) {
            None => Ok(INSTANCE_SESSION_SECONDS),
            Some(seconds) if seconds < SESSION_SECONDS_MIN => Err(ApiError::validation(format!(
                "a session lasts at least {SESSION_SECONDS_MIN} seconds"
            ))),
            Some(seconds) if seconds > seconds_max => Err(ApiError::validation(
                "the duration exceeds the MaxSessionDuration set for this role",
            )),
            Some(seconds) => Ok(seconds),
        }
    }

    /// What EC2 does for it, as the trust policy has to allow.
    fn actions(&self, role_arn: &str, session_name: &str) -> Vec<ActionOn> {
        let mut assume = ActionOn::new("sts:AssumeRole", role_arn);
        // An instance's session has its own name; a name the rules chose is worth a condition.
        if self.session_name.is_some() {
            assume = assume.with("sts:RoleSessionName", session_name);
        }
        if let Some(identity) = &self.source_identity {
            assume = assume.with("sts:SourceIdentity", identity);
        }
        assume = with_request_tags(assume, &self.tags);
        let also = |action: &str| ActionOn {
            action: action.to_owned(),
            ..assume.clone()
        };
        let mut actions = vec![assume.clone()];
        if !self.tags.is_empty() {
            actions.push(also("sts:TagSession"));
        }
        if self.source_identity.is_some() {
            actions.push(also("sts:SetSourceIdentity"));
        }
        actions
    }

    fn untrusted(&self) -> InstanceSessionError {
        if self.tags.is_empty() && self.source_identity.is_none() && self.session_name.is_none() {
            return InstanceSessionError::NotTrusted(self.role.clone());
        }
        InstanceSessionError::Invalid(format!(
            "the trust policy of role `{}` must let ec2.amazonaws.com do sts:AssumeRole with this name, and sts:TagSession \
             for tags, sts:SetSourceIdentity for a source identity",
            self.role
        ))
    }
}

impl Authority {
    /// Mints a session of a role for an instance whose profile holds it.
    ///
    /// Whoever may set a session's tags or source identity can satisfy policies that look at them, so the role's trust
    /// policy must let `ec2.amazonaws.com` do that too, as AWS asks of `AssumeRole`.
    ///
    /// # Errors
    /// [`InstanceSessionError`].
    pub fn mint_instance_session(
        &self,
        instance_id: &str,
        request: &InstanceSessionRequest,
        now: UnixSeconds,
    ) -> Result<InstanceSession, InstanceSessionError> {
        let role = request.role.as_str();
        let instance = self
            .instance(instance_id)
            .filter(|instance| instance.state == InstanceState::Running)
            .ok_or_else(|| InstanceSessionError::NotRunning(instance_id.to_owned()))?;
        let not_in_profile = || InstanceSessionError::NotInProfile {
            instance: instance_id.to_owned(),
            role: role.to_owned(),
        };
        let (_, _, roles) = self.instance_profile(&instance).ok_or_else(not_in_profile)?;
        if !roles.iter().any(|name| name == role) {
            return Err(not_in_profile());
        }
        let compiled = self
            .with_account(instance.account, |_, account| account.role(role).cloned())
            .flatten()
            .ok_or_else(not_in_profile)?;
        let service = Arc::new(ec2_service(instance.account));
        let arn = role_arn(instance.account, &compiled.role);
        let invalid = |error: ApiError| InstanceSessionError::Invalid(error.message);
        let seconds = request
            .check(compiled.role.max_session_seconds)
            .map_err(invalid)?;
        let session_name = request.session_name.as_deref().unwrap_or(instance_id);
        authorize_assume(
            &service,
            request.actions(&arn.to_string(), session_name),
            &service.context(now, &[]),
            compiled.trust(),
            &Default::default(),
        )
        .map_err(|_| request.untrusted())?;
        let instance_arn = Arn::aws(
            "ec2",
            &self.env.region,
            instance.account.as_str(),
            &format!("instance/{instance_id}"),
        );
        let claims = SessionClaims {
            chain_depth: 0,
            instance: Some(InstanceRef {
                id: instance.id.clone(),
                arn: instance_arn.to_string(),
                private_ip: Some(instance.private_ip.clone()),
                vpc: None,
            }),
            binding: Some(instance.session_binding()),
            source_identity: request.source_identity.clone(),
            tags: request.tags.clone(),
            session_policies: request.policy.iter().cloned().collect(),
            ..role_claims(&self.env, instance.account, &compiled, session_name, now, seconds)
        };
        let claims = SessionClaims {
            // As with a role's: what is issued after a revocation is not what was revoked.
            issued_at: instance
                .revoked_before
                .map_or(claims.issued_at, |before| claims.issued_at.max(before)),
            ..claims
        };
        let token = seal(&self.env, &claims).map_err(|error| InstanceSessionError::Mint(error.message))?;
        Ok(InstanceSession {
            claims: Arc::new(claims),
            token,
        })
    }
}

/// EC2 itself, asking for an instance's session.
fn ec2_service(account: AccountId) -> Caller {
    Caller {
        account,
        kind: CallerKind::Service,
        principal: PrincipalInfo::service("ec2.amazonaws.com"),
        user_id: "ec2.amazonaws.com".to_owned(),
        access_key_id: None,
        session: None,
    }
}
