//! `CreateSession`: a session of a role for the holder of a certificate.
//!
//! Source: IAM Roles Anywhere User Guide, "CreateSession API".

use super::thing::uuid;
use super::{CertificateHolder, denied, id_of, invalid, not_found};
use crate::account::role_arn;
use crate::authority::Authority;
use crate::call::{with_request_tags, with_resource_tags};
use crate::certificates::hex;
use crate::sessions::{role_claims, seal};
use crate::{ApiError, names};
use aws_lc_rs::digest::{SHA256, digest};
use hallpass_access::{ActionOn, authorize_assume};
use hallpass_session::{SESSION_TOKEN_BYTES_MAX, SessionClaims};
use hallpass_types::{Arn, UnixSeconds};
use serde_json::{Value, json};

const SECONDS_MIN: i64 = 900;
const SECONDS_MAX: i64 = 43_200;
const NAME_CHARS_MIN: usize = 2;

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateSessionRequest {
    /// The profile's ARN.
    pub profile: String,
    /// The role's.
    pub role: String,
    /// 900 to 43,200; the profile's, if that is less or none is asked for.
    pub duration_seconds: Option<i64>,
    /// 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`, where the profile accepts one; else the certificate's serial number.
    pub session_name: Option<String>,
    /// Whether the request says what it comes from.
    pub has_instance_properties: bool,
}

/// A session, as `CreateSession` answers it.
#[derive(Debug)]
pub struct CertificateSession {
    /// The whole answer; it holds the secret.
    pub answer: Value,
    /// The session's ARN, for the record.
    pub arn: String,
    /// The session's key id, for the record.
    pub access_key_id: String,
    /// When it ends.
    pub expires_at: UnixSeconds,
}

impl CertificateSessionRequest {
    fn check(&self) -> Result<(), ApiError> {
        if self
            .duration_seconds
            .is_some_and(|seconds| !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds))
        {
            return Err(invalid("durationSeconds must be from 900 to 43200."));
        }
        if let Some(name) = &self.session_name {
            let fits = names::name("roleSessionName", name, names::NAME_CHARS_MAX);
            if fits.map_err(super::as_invalid)?.len() < NAME_CHARS_MIN {
                return Err(invalid("roleSessionName must have at least 2 characters."));
            }
        }
        Ok(())
    }
}

impl CertificateHolder {
    /// What the service does for the holder, as the role's trust policy has to allow.
    fn actions(&self, role: &str, session_name: &str, role_tags: &[hallpass_session::Tag]) -> Vec<ActionOn> {
        let account = self.caller.account;
        let base = ActionOn::new("sts:AssumeRole", role)
            .with("sts:RoleSessionName", session_name)
            .with("sts:SourceIdentity", &self.leaf.source_identity)
            .with("aws:SourceArn", &self.trust_anchor)
            .with("aws:SourceAccount", account.as_str());
        let base = with_resource_tags(base, role_tags);
        let tagging = with_request_tags(base.clone(), &self.leaf.tags);
        let under = |action: &str, of: &ActionOn| ActionOn {
            action: action.to_owned(),
            ..of.clone()
        };
        vec![
            tagging.clone(),
            under("sts:TagSession", &tagging),
            under("sts:SetSourceIdentity", &base),
        ]
    }

    /// The ARN of the subject, which is the same for every certificate of that name. Subjects are not kept.
    fn subject_arn(&self, region: &str) -> String {
        let account = self.caller.account;
        let named = [account.as_str().as_bytes(), &self.leaf.subject_der].concat();
        let id = uuid(&hex(digest(&SHA256, &named).as_ref()));
        Arn::aws(
            "rolesanywhere",
            region,
            account.as_str(),
            &format!("subject/{id}"),
        )
        .to_string()
    }
}

impl Authority {
    /// Mints a session of a role that is in an enabled profile and whose trust policy lets `rolesanywhere.amazonaws.com` do
    /// `sts:AssumeRole`, `sts:TagSession` and `sts:SetSourceIdentity` for this certificate.
    ///
    /// # Errors
    /// `ValidationException`, `ResourceNotFoundException` when there is no such profile, `AccessDeniedException`. A role
    /// that is not there is told like one that does not trust.
    pub fn certificate_session(
        &self,
        holder: &CertificateHolder,
        asked: &CertificateSessionRequest,
        now: UnixSeconds,
    ) -> Result<CertificateSession, ApiError> {
        asked.check()?;
        let account = holder.caller.account;
        let unable = || denied(format!("Unable to assume role {}", asked.role));
        let (profile, role) = self
            .with_account(account, |_, state| {
                let id = id_of(&self.env, account.as_str(), &asked.profile, "profile")?;
                let profile = state.anywhere.profiles.get(&id).cloned()?;
                let name = asked.role.rsplit('/').next().unwrap_or_default();
                let role = state.role(name).cloned();
                Some((
                    profile,
                    role.filter(|role| role_arn(account, &role.role) == asked.role),
                ))
            })
            .flatten()
            .ok_or_else(|| not_found("There is no such profile."))?;
        if !profile.head.is_enabled {
            return Err(denied("The profile is not enabled."));
        }
        if !profile.roles.contains(&asked.role) {
            return Err(denied("The role is not in the profile."));
        }
        if profile.requires_instance_properties && !asked.has_instance_properties {
            return Err(denied("The profile requires instance properties."));
        }
        if asked.session_name.is_some() && !profile.accepts_session_name {
            return Err(denied("The profile does not accept role session names."));
        }
        let role = role.ok_or_else(unable)?;
        let session_name = asked.session_name.as_deref().unwrap_or(&holder.leaf.serial_hex);
        let tags = &holder.leaf.tags;
        let principal_tags: Vec<_> = tags
            .iter()
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect();
        authorize_assume(
            &holder.caller,
            holder.actions(&asked.role, session_name, &role.role.permissions.tags),
            &holder.caller.context(now, &principal_tags),
            role.trust(),
            &Default::default(),
        )
        .map_err(|_| unable())?;
        let seconds = asked.duration_seconds.map_or(profile.duration_seconds, |asked| {
            asked.min(profile.duration_seconds)
        });
        if seconds > role.role.max_session_seconds {
            return Err(invalid(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let claims = SessionClaims {
            // A role assumed with this session is the second link of a chain.
            chain_depth: 1,
            source_identity: Some(holder.leaf.source_identity.clone()),
            tags: tags.clone(),
            session_policies: profile.session_policy.iter().cloned().collect(),
            session_policy_arns: profile.managed_policies.clone(),
            ..role_claims(&self.env, account, &role, session_name, now, seconds)
        };
        let token = seal(&self.env, &claims).map_err(super::as_invalid)?;
        let answer = json!({
            "credentialSet": [{
                "assumedRoleUser": { "arn": claims.arn(), "assumedRoleId": claims.user_id() },
                "credentials": {
                    "accessKeyId": claims.access_key_id.as_str(),
                    "secretAccessKey": claims.secret.expose(),
                    "sessionToken": token.expose(),
                    "expiration": claims.expires_at.iso8601(),
                },
                "packedPolicySize": token.expose().len() * 100 / SESSION_TOKEN_BYTES_MAX,
                "roleArn": asked.role,
                "sourceIdentity": holder.leaf.source_identity,
            }],
            "subjectArn": holder.subject_arn(&self.env.region),
        });
        Ok(CertificateSession {
            answer,
            arn: claims.arn(),
            access_key_id: claims.access_key_id.to_string(),
            expires_at: claims.expires_at,
        })
    }
}
