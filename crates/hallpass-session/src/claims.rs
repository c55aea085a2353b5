use crate::Binding;
use hallpass_secret::Secret;
use hallpass_types::{AccessKeyId, AccountId, Arn, UnixSeconds};
use serde::{Deserialize, Serialize};

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionPrincipal {
    /// From `AssumeRole` or an instance profile.
    AssumedRole {
        /// The role's name, without path.
        role_name: String,
        /// The role's path, `/` or `/a/b/`.
        role_path: String,
        /// `AROA…`: a deleted and recreated role has another, so old sessions do not fit it.
        role_id: String,
        /// The session's name.
        session_name: String,
    },
    /// From `GetSessionToken`: the user itself, for a while.
    User {
        /// The user's name.
        user_name: String,
        /// `AIDA…`
        user_id: String,
    },
    /// From `GetSessionToken` with the account's root key.
    Root,
    /// From `GetFederationToken`.
    FederatedUser {
        /// The name the session was given.
        name: String,
        /// The user that asked for it; none when it was the account's root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_name: Option<String>,
        /// `AIDA…` of that user; empty for root.
        #[serde(default)]
        user_id: String,
    },
}

/// A tag: a key (unique ignoring case) and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// 0 to 256 characters.
    pub value: String,
}

/// The instance a session was issued to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRef {
    /// `i-…`
    pub id: String,
    /// The instance's ARN, for `ec2:SourceInstanceArn`.
    pub arn: String,
    /// Its private address, for `aws:Ec2InstanceSourcePrivateIPv4`.
    pub private_ip: Option<String>,
    /// Its network, for `aws:Ec2InstanceSourceVpc`.
    pub vpc: Option<String>,
}

/// The token of an identity provider that a session was got with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebIdentityRef {
    /// The provider's ARN (`aws:FederatedProvider`).
    pub provider_arn: String,
    /// What the provider's condition keys begin with: its URL without scheme.
    pub key_prefix: String,
    /// The audience of the token (`HOST:aud`).
    pub audience: String,
    /// Its subject (`HOST:sub`).
    pub subject: String,
}

/// The assertion of a SAML provider that a session was got with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlRef {
    /// The provider's ARN (`aws:FederatedProvider`).
    pub provider_arn: String,
    /// The assertion's subject (`saml:sub`).
    pub subject: String,
    /// What sort of name that is (`saml:sub_type`).
    pub subject_type: String,
    /// Tells subjects of different providers apart (`saml:namequalifier`).
    pub name_qualifier: String,
}

/// Everything a session token says. Its `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClaims {
    /// `ASIA…`; the request must be signed with this id.
    pub access_key_id: AccessKeyId,
    /// The key the request must be signed with.
    pub secret: Secret,
    /// The account the principal belongs to.
    pub account: AccountId,
    /// Whose session it is.
    pub principal: SessionPrincipal,
    /// When it was issued (`aws:TokenIssueTime`).
    pub issued_at: UnixSeconds,
    /// The first instant at which it is no longer valid.
    pub expires_at: UnixSeconds,
    /// When a code of an MFA device was shown for it (`aws:MultiFactorAuthAge`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_at: Option<UnixSeconds>,
    /// How many role assumptions led here without an instance in between; above zero, one hour is the longest.
    #[serde(default)]
    pub chain_depth: u8,
    /// The access key that asked for this session, for tracing across chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_access_key_id: Option<AccessKeyId>,
    /// The keys before the parent, the first one first: whichever of them is revoked takes this session with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<AccessKeyId>,
    /// Who is answerable, unchangeable down the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// Session policy documents; all must allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_policies: Vec<String>,
    /// Managed policies named as session policies, by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_policy_arns: Vec<String>,
    /// Session tags (`aws:PrincipalTag/…`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Keys of those tags that go on to chained sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive_tag_keys: Vec<String>,
    /// The instance it was issued to, if any; inherited by chained sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceRef>,
    /// The token of an identity provider it was got with, if any; not inherited, since a chained session is no longer
    /// the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentityRef>,
    /// The assertion of a SAML provider it was got with, if any; not inherited either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saml: Option<SamlRef>,
    /// Where it may be used from; inherited by chained sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

impl SessionClaims {
    /// Every key this session rests on, itself first.
    pub fn lineage(&self) -> impl Iterator<Item = &AccessKeyId> {
        std::iter::once(&self.access_key_id)
            .chain(&self.parent_access_key_id)
            .chain(&self.ancestors)
    }

    /// The ARN requests made with this session carry.
    #[must_use]
    pub fn arn(&self) -> String {
        let account = self.account.as_str();
        match &self.principal {
            // The session ARN loses the role's path (IAM User Guide, "IAM identifiers").
            SessionPrincipal::AssumedRole {
                role_name,
                session_name,
                ..
            } => Arn::aws(
                "sts",
                "",
                account,
                &format!("assumed-role/{role_name}/{session_name}"),
            )
            .to_string(),
            SessionPrincipal::User { user_name, .. } => {
                Arn::aws("iam", "", account, &format!("user/{user_name}")).to_string()
            }
            SessionPrincipal::Root => Arn::aws("iam", "", account, "root").to_string(),
            SessionPrincipal::FederatedUser { name, .. } => {
                Arn::aws("sts", "", account, &format!("federated-user/{name}")).to_string()
            }
        }
    }

    /// `AROA…:session-name`, the user's id, the account for root, `ACCOUNT:name` for a federated user: `aws:userid`.
    #[must_use]
    pub fn user_id(&self) -> String {
        match &self.principal {
            SessionPrincipal::AssumedRole {
                role_id,
                session_name,
                ..
            } => format!("{role_id}:{session_name}"),
            SessionPrincipal::User { user_id, .. } => user_id.clone(),
            SessionPrincipal::Root => self.account.to_string(),
            SessionPrincipal::FederatedUser { name, .. } => format!("{}:{name}", self.account),
        }
    }
}
