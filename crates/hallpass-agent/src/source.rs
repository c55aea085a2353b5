use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A future that can be kept behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the agent gets credentials and its view of the machine: the authority, or a test.
pub trait CredentialSource: Send + Sync {
    /// The machine as the authority sees it now. Asked at most once a second.
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>>;

    /// A number that changes whenever the machine's view may have changed, if that is cheap to tell: the view is then
    /// asked for exactly when it is outdated. `None` (the default) means asking once a second.
    fn revision(&self) -> Option<u64> {
        None
    }

    /// A new session of a role on this machine.
    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>>;
}

/// The session that is wanted: a role, and how the rule shapes it. One lease is kept for each.
///
/// What is `None` or empty is left to the source, which may know better. AWS's names and limits are meant (STS API
/// reference, AssumeRole).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SessionRequest {
    /// The role's name.
    pub role: String,
    /// 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`.
    pub session_name: Option<String>,
    /// As the session name.
    pub source_identity: Option<String>,
    /// Session tags, sorted by key; at most 50.
    pub tags: Vec<(String, String)>,
    /// A session policy, JSON.
    pub policy: Option<String>,
    /// 900 to 43,200.
    pub duration_seconds: Option<u32>,
}

impl SessionRequest {
    /// A session of `role` as the source makes it.
    #[must_use]
    pub fn of_role(role: &str) -> Self {
        Self {
            role: role.to_owned(),
            ..Self::default()
        }
    }
}

/// Why the source gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It could not be asked, or could not answer: what is still valid is served on.
    #[error("there is no answer from the source of credentials: {0}")]
    Unavailable(String),
    /// It answered, and the answer is no (terminated, role taken away): nothing is served any more.
    #[error("the source of credentials refuses: {0}")]
    Refused(String),
}

/// The machine, as the authority knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `i-…`
    pub instance_id: String,
    /// Twelve digits.
    pub account: String,
    /// `eu-central-1`
    pub region: String,
    /// `eu-central-1a`
    pub availability_zone: String,
    /// The machine's address.
    pub private_ip: String,
    /// `ami-…`
    pub image_id: String,
    /// `t3.micro`, or what the operator calls such a machine.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its name; made from the address if absent.
    pub hostname: Option<String>,
    /// Its hardware address, if it is to be shown.
    pub mac: Option<String>,
    /// `subnet-…`
    pub subnet_id: Option<String>,
    /// `vpc-…`
    pub vpc_id: Option<String>,
    /// `r-…`
    pub reservation_id: Option<String>,
    /// Names of security groups.
    pub security_groups: Vec<String>,
    /// The instance profile's ARN.
    pub profile_arn: Option<String>,
    /// The instance profile's id.
    pub profile_id: Option<String>,
    /// The roles of the profile. A rule can give no other.
    pub roles: Vec<String>,
    /// What tells one time of a role from another, where the source knows it. A role made anew under its old name has
    /// another, and so has one whose sessions were revoked: credentials of before are worth nothing.
    #[serde(default)]
    pub role_ids: BTreeMap<String, String>,
    /// Access key ids of sessions that were revoked one by one: a lease among them is worth nothing.
    #[serde(default)]
    pub revoked: Vec<String>,
    /// Rules that the authority has for the machine, by the tags they are in (see [`crate::rule_tags`]). In force only
    /// where the agent's operator allows it.
    #[serde(default)]
    pub rules: Vec<(String, String)>,
    /// User data, shown to everyone on the machine.
    pub user_data: Option<Vec<u8>>,
    /// Tags, shown only if present: set when the instance's options allow tags in metadata.
    pub tags: Option<BTreeMap<String, String>>,
    /// Whether requests without a session token are served (`HttpTokens=optional`).
    pub v1_allowed: bool,
    /// Whether the metadata service answers at all (`HttpEndpoint=enabled`).
    pub endpoint_enabled: bool,
    /// When the instance was launched.
    pub launched: UnixSeconds,
}

impl Machine {
    /// A machine with nothing but what every one has: no profile, no roles, version 2 only, endpoint enabled.
    #[must_use]
    pub fn new(
        instance_id: &str,
        account: &str,
        region: &str,
        private_ip: &str,
        launched: UnixSeconds,
    ) -> Self {
        Self {
            instance_id: instance_id.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            availability_zone: format!("{region}a"),
            private_ip: private_ip.to_owned(),
            image_id: "ami-00000000000000000".to_owned(),
            instance_type: "hallpass.machine".to_owned(),
            architecture: "x86_64".to_owned(),
            hostname: None,
            mac: None,
            subnet_id: None,
            vpc_id: None,
            reservation_id: None,
            security_groups: Vec::new(),
            profile_arn: None,
            profile_id: None,
            roles: Vec::new(),
            role_ids: BTreeMap::new(),
            revoked: Vec::new(),
            rules: Vec::new(),
            user_data: None,
            tags: None,
            v1_allowed: false,
            endpoint_enabled: true,
            launched,
        }
    }
}

/// One set of credentials. `Debug` shows no secret; the secrets wipe themselves when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The access key id; not secret, and what audit records.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token.
    pub token: Secret,
    /// When they were issued.
    pub issued_at: UnixSeconds,
    /// When they end.
    pub expires_at: UnixSeconds,
    /// The account of the role.
    pub account: String,
    /// The role.
    pub role_arn: String,
}
