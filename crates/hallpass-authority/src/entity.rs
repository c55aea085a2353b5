//! What the store keeps: one value for each entity, as JSON. Field names are the stored format.

mod anywhere;
mod credentials;
mod organization;
mod provider;
mod settings;

pub(crate) use anywhere::{AnywhereProfile, Crl, Head, TrustAnchor};
pub(crate) use credentials::{
    LoginProfile, MfaDevice, ServerCertificate, ServiceCredential, SigningCertificate, SshPublicKey,
    UserCredentials,
};
pub(crate) use organization::{ControlPolicy, Membership, Organization, Unit};
pub(crate) use provider::{OidcProvider, SamlProvider};
pub(crate) use settings::{
    AccountSettings, CredentialReport, Job, LastUse, OutboundFederation, PasswordPolicy, Use,
};

use crate::principals::PrincipalIds;
use hallpass_session::{Binding, BindingMode, Network, Tag};
use hallpass_types::{AccessKeyId, AccountId, UnixSeconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) created: UnixSeconds,
}

/// What roles and users have in common: policies and tags.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Permissions {
    /// Inline policy documents by name.
    #[serde(default)]
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of attached managed policies, in the order of attachment.
    #[serde(default)]
    pub(crate) attached: Vec<String>,
    #[serde(default)]
    pub(crate) boundary: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) trust: String,
    /// Who the trust policy means by the ARNs of users and roles in it: a successor of the same name is not meant.
    #[serde(default, skip_serializing_if = "PrincipalIds::is_empty")]
    pub(crate) trusted_ids: PrincipalIds,
    pub(crate) description: Option<String>,
    pub(crate) max_session_seconds: i64,
    pub(crate) created: UnixSeconds,
    pub(crate) permissions: Permissions,
    /// Sessions issued before this instant are refused.
    #[serde(default)]
    pub(crate) revoked_before: Option<UnixSeconds>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: UnixSeconds,
    pub(crate) permissions: Permissions,
    /// Sessions issued before this instant are refused.
    #[serde(default)]
    pub(crate) revoked_before: Option<UnixSeconds>,
    /// Ids of the groups it is in. By id, so that a group that is renamed keeps its members and one that is deleted and
    /// made anew has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
    /// What it proves itself with, access keys and MFA devices apart.
    #[serde(default, skip_serializing_if = "UserCredentials::is_empty")]
    pub(crate) credentials: UserCredentials,
}

/// A key whose sessions are refused, and those that came of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// The key of a session, or a long-term key.
    pub(crate) id: AccessKeyId,
    /// What was issued before this instant; `None`: all of it.
    pub(crate) before: Option<UnixSeconds>,
    /// No session of it can live as long as this.
    pub(crate) until: UnixSeconds,
}

/// Its members are kept on the users.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: UnixSeconds,
    /// Neither boundary nor tags: AWS's groups have none.
    pub(crate) permissions: Permissions,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessKey {
    pub(crate) id: AccessKeyId,
    pub(crate) account: AccountId,
    /// `None`: the account's root.
    pub(crate) user: Option<String>,
    /// Sealed under the root key.
    pub(crate) sealed_secret: String,
    pub(crate) is_active: bool,
    pub(crate) created: UnixSeconds,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyVersion {
    pub(crate) document: String,
    pub(crate) created: UnixSeconds,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ManagedPolicy {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) created: UnixSeconds,
    pub(crate) updated: UnixSeconds,
    pub(crate) versions: BTreeMap<u32, PolicyVersion>,
    pub(crate) default_version: u32,
    /// Version numbers are never used again.
    pub(crate) next_version: u32,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InstanceProfile {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: UnixSeconds,
    /// Names of roles; several are allowed (DESIGN §8), AWS allows one.
    pub(crate) roles: Vec<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

/// Whether an instance may have sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceState {
    /// It may.
    Running,
    /// Never again.
    Terminated,
}

/// How the instance's metadata service behaves (`ModifyInstanceMetadataOptions`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// `required`: version 2 only, the default. `optional`: version 1 too.
    pub http_tokens_required: bool,
    /// Whether it answers at all.
    pub http_endpoint_enabled: bool,
    /// How many network hops its answers survive.
    pub hop_limit: u8,
    /// Whether it shows the instance's tags.
    pub instance_tags: bool,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            http_tokens_required: true,
            http_endpoint_enabled: true,
            hop_limit: 1,
            instance_tags: false,
        }
    }
}

/// A machine that may have a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// As asked for at launch; only told back.
    pub image_id: String,
    /// As asked for at launch; only told back.
    pub instance_type: String,
    /// Whether it may have sessions.
    pub state: InstanceState,
    /// When it was launched.
    pub launched: UnixSeconds,
    /// When it was terminated.
    #[serde(default)]
    pub terminated: Option<UnixSeconds>,
    /// Its address as it sees it itself.
    pub private_ip: String,
    /// The addresses its sessions may be used from.
    pub networks: Vec<Network>,
    /// What happens to sessions used from elsewhere.
    #[serde(default)]
    pub binding: BindingMode,
    /// The name of its instance profile.
    pub profile: Option<String>,
    /// The id of the association with that profile.
    pub association_id: Option<String>,
    /// `r-…`
    pub reservation_id: String,
    /// Raw bytes, base 64.
    pub user_data: Option<String>,
    /// Makes `RunInstances` idempotent.
    #[serde(default)]
    pub client_token: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// How its metadata service behaves.
    #[serde(default)]
    pub metadata_options: MetadataOptions,
    /// Its sessions issued before this instant are refused.
    #[serde(default)]
    pub revoked_before: Option<UnixSeconds>,
    /// How it is known as a machine of its own, once it has enrolled.
    #[serde(default)]
    pub node: Option<Node>,
}

/// A machine that has enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// SHA-256 of its public key (subject public key info), in hex: it is the same in every certificate it gets.
    pub key: String,
    /// When it enrolled.
    pub enrolled: UnixSeconds,
    /// When its newest certificate ends.
    pub not_after: UnixSeconds,
}

/// One generation of the certificate authority of the fleet's machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAuthority {
    /// Its own certificate, DER in base 64.
    pub(crate) certificate: String,
    /// Its private key (PKCS #8 in base 64), sealed.
    pub(crate) sealed_key: String,
    /// When it was made.
    pub(crate) made: UnixSeconds,
    /// Whether it signs what is new; the others are only believed.
    pub(crate) is_current: bool,
}

/// A secret with which a machine may enrol as an instance, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    pub(crate) instance: String,
    /// The first instant at which it is no longer good.
    pub(crate) until: UnixSeconds,
}

/// An instance of AWS's EC2 that has enrolled by its identity document, which is good once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ec2Machine {
    /// Whose instance it is here.
    pub(crate) account: AccountId,
    /// Which one.
    pub(crate) instance: String,
    pub(crate) enrolled: UnixSeconds,
}

/// Tags with this prefix decide something, so whoever sets them must be allowed `ec2:ModifyInstanceAttribute` as well.
pub(crate) const DECIDING_TAGS: &str = "hallpass:";

impl Instance {
    /// Where its sessions may be used from: by its addresses, unless its tags say otherwise. `hallpass:binding` is
    /// `enforce`, `report` or `off`; `hallpass:networks` adds address ranges, `hallpass:certificate` demands a client
    /// certificate instead of an address (SHA-256 in hex; several parted by commas; `enrolled`: any certificate of the key
    /// that the machine has enrolled with). What cannot be read says nothing.
    pub(crate) fn session_binding(&self) -> Binding {
        let tag = |name: &str| {
            let found = self
                .tags
                .iter()
                .find(|tag| tag.key.strip_prefix(DECIDING_TAGS) == Some(name));
            found.map_or("", |tag| tag.value.as_str())
        };
        let list = |text: &str| -> Vec<String> {
            let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
            pieces.map(str::to_ascii_lowercase).collect()
        };
        let mode = match tag("binding") {
            "report" => BindingMode::Report,
            "off" => BindingMode::Off,
            _ => self.binding,
        };
        let own = |name: String| match (&self.node, name.as_str()) {
            // A machine that has not enrolled shows nothing that could fit.
            (node, "enrolled") => format!("key:{}", node.as_ref().map_or("none", |node| node.key.as_str())),
            _ => name,
        };
        let more = list(tag("networks"));
        let more = more.iter().filter_map(|network| network.parse::<Network>().ok());
        Binding {
            mode,
            networks: self.networks.iter().copied().chain(more).collect(),
            certificates: list(tag("certificate")).into_iter().map(own).collect(),
        }
    }
}
