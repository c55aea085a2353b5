//! One account's entities in memory, compiled. Managed policies and those of groups are parsed when they arrive, those of roles
//! and users when they are first asked: of a million roles a server is asked about few, and parsed they take several times the
//! room.

use crate::anywhere::Anywhere;
use crate::entity::{
    Account, AccountSettings, CredentialReport, Enrolment, Group, Instance, InstanceProfile, Job, LastUse,
    ManagedPolicy, MfaDevice, OidcProvider, Permissions, Role, SamlProvider, ServerCertificate, User,
};
use crate::managed;
use hallpass_policy::{NamedPolicy, Policy, PolicyError, PolicyGroup, PolicyKind};
use hallpass_types::{AccountId, Arn};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

mod lookup;
mod membership;

pub(crate) use membership::Membership;

/// An entity's identity policies, inline and attached together: parsed and indexed when they are first asked, and put
/// together again when one of the attached ones changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdentityPolicies {
    inline: OnceLock<Box<[NamedPolicy]>>,
    all: OnceLock<PolicyGroup>,
}

impl IdentityPolicies {
    fn inline(&self, kind: &str, entity: &str, permissions: &Permissions) -> &[NamedPolicy] {
        self.inline
            .get_or_init(|| compile_inline(kind, entity, permissions).into())
    }

    /// The same after the managed policy `arn` changed or went.
    fn after_change_of(&self, arn: &str, changed: Option<&PolicyGroup>) -> Self {
        let all = OnceLock::new();
        if let (Some(known), Some([policy])) = (self.all.get(), changed.map(PolicyGroup::policies))
            && known.policies().iter().any(|policy| *policy.name == *arn)
        {
            let _ = all.set(known.replacing(policy.clone()));
        }
        Self {
            inline: self.inline.clone(),
            all,
        }
    }
}

/// A role, its policies parsed once they are asked.
#[derive(Debug)]
pub(crate) struct CompiledRole {
    pub(crate) role: Role,
    trust: OnceLock<Option<PolicyGroup>>,
    identity: IdentityPolicies,
}

impl CompiledRole {
    /// `None` when the stored document does not parse: then nobody may assume it.
    pub(crate) fn trust(&self) -> Option<&PolicyGroup> {
        let compile = || {
            let name = format!("role/{} trust policy", self.role.name);
            let ids = &self.role.trusted_ids;
            let policy = parse(&name, &self.role.trust, PolicyKind::Trust)?;
            let policy = policy.meaning_ids(|arn| ids.get(arn).map(String::as_str));
            Some(NamedPolicy::new(&name, policy).into())
        };
        self.trust.get_or_init(compile).as_ref()
    }
}

/// A user, its policies parsed once they are asked.
#[derive(Debug)]
pub(crate) struct CompiledUser {
    pub(crate) user: User,
    identity: IdentityPolicies,
}

/// A group with its inline policies parsed.
#[derive(Debug)]
pub(crate) struct CompiledGroup {
    pub(crate) group: Group,
    inline: Vec<NamedPolicy>,
}

/// A managed policy with its default version parsed.
#[derive(Debug)]
pub(crate) struct CompiledPolicy {
    pub(crate) policy: ManagedPolicy,
    /// By itself, as a boundary is.
    pub(crate) compiled: PolicyGroup,
}

/// One account. Names are keyed in lower case: they are unique ignoring case.
#[derive(Debug)]
pub(crate) struct AccountState {
    pub(crate) account: Account,
    pub(crate) roles: BTreeMap<String, Arc<CompiledRole>>,
    pub(crate) users: BTreeMap<String, Arc<CompiledUser>>,
    pub(crate) groups: BTreeMap<String, Arc<CompiledGroup>>,
    pub(crate) membership: Membership,
    pub(crate) policies: BTreeMap<String, Arc<CompiledPolicy>>,
    pub(crate) profiles: BTreeMap<String, Arc<InstanceProfile>>,
    pub(crate) instances: BTreeMap<String, Arc<Instance>>,
    /// By the SHA-256 of the secret, in hex.
    pub(crate) enrolments: BTreeMap<String, Arc<Enrolment>>,
    pub(crate) mfa_devices: BTreeMap<String, Arc<MfaDevice>>,
    pub(crate) server_certificates: BTreeMap<String, Arc<ServerCertificate>>,
    pub(crate) oidc_providers: BTreeMap<String, Arc<OidcProvider>>,
    pub(crate) saml_providers: BTreeMap<String, Arc<SamlProvider>>,
    /// One, under the empty name, once something is set.
    pub(crate) settings: BTreeMap<String, Arc<AccountSettings>>,
    /// By the id of an access key, user or role, in lower case.
    pub(crate) last: BTreeMap<String, Arc<LastUse>>,
    /// One, under the empty name, once it was generated.
    pub(crate) reports: BTreeMap<String, Arc<CredentialReport>>,
    pub(crate) jobs: BTreeMap<String, Arc<Job>>,
    pub(crate) anywhere: Anywhere,
}

impl AccountState {
    pub(crate) fn new(account: Account) -> Self {
        Self {
            account,
            roles: BTreeMap::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            membership: Membership::default(),
            policies: BTreeMap::new(),
            profiles: BTreeMap::new(),
            instances: BTreeMap::new(),
            enrolments: BTreeMap::new(),
            mfa_devices: BTreeMap::new(),
            server_certificates: BTreeMap::new(),
            oidc_providers: BTreeMap::new(),
            saml_providers: BTreeMap::new(),
            settings: BTreeMap::new(),
            last: BTreeMap::new(),
            reports: BTreeMap::new(),
            jobs: BTreeMap::new(),
            anywhere: Anywhere::default(),
        }
    }

    pub(crate) fn id(&self) -> AccountId {
        self.account.id
    }

    pub(crate) fn role(&self, name: &str) -> Option<&Arc<CompiledRole>> {
        self.roles.get(&name.to_ascii_lowercase())
    }

    pub(crate) fn user(&self, name: &str) -> Option<&Arc<CompiledUser>> {
        self.users.get(&name.to_ascii_lowercase())
    }

    pub(crate) fn profile(&self, name: &str) -> Option<&Arc<InstanceProfile>> {
        self.profiles.get(&name.to_ascii_lowercase())
    }

    /// A managed policy of this account or of AWS, by ARN, as it stands.
    pub(crate) fn managed_policy(&self, arn: &str) -> Option<&PolicyGroup> {
        managed::aws_managed(arn).or_else(|| self.own_policy(arn).map(|policy| &policy.compiled))
    }

    pub(crate) fn own_policy(&self, arn: &str) -> Option<&Arc<CompiledPolicy>> {
        let name = arn.rsplit('/').next()?;
        self.policies
            .get(&name.to_ascii_lowercase())
            .filter(|policy| policy_arn(self.id(), &policy.policy) == arn)
    }

    /// Inline and attached policies of a role.
    pub(crate) fn role_policies<'a>(&'a self, role: &'a CompiledRole) -> &'a PolicyGroup {
        role.identity.all.get_or_init(|| {
            let permissions = &role.role.permissions;
            let inline = role.identity.inline("role", &role.role.name, permissions);
            self.gather(inline.iter(), permissions.attached.iter())
        })
    }

    /// Inline and attached policies of a user and of the groups it is in.
    pub(crate) fn user_policies<'a>(&'a self, user: &'a CompiledUser) -> &'a PolicyGroup {
        user.identity.all.get_or_init(|| {
            let groups: Vec<_> = self.groups_of(&user.user).collect();
            let inline = groups.iter().flat_map(|group| &group.inline);
            let lists = groups.iter().map(|group| &group.group.permissions.attached);
            let permissions = &user.user.permissions;
            let lists = std::iter::once(&permissions.attached).chain(lists);
            let own = user.identity.inline("user", &user.user.name, permissions);
            self.gather(own.iter().chain(inline), lists.flatten())
        })
    }

    /// Inline and attached policies of a group, as its members have them.
    pub(crate) fn group_policies(&self, group: &CompiledGroup) -> PolicyGroup {
        self.gather(group.inline.iter(), group.group.permissions.attached.iter())
    }

    /// An attached policy that no longer resolves is left out: it can only have allowed, a deny inside it cannot be
    /// deleted while attached (`DeleteConflict`). One that comes by several ways is there once.
    fn gather<'a>(
        &self,
        inline: impl Iterator<Item = &'a NamedPolicy>,
        attached: impl Iterator<Item = &'a String>,
    ) -> PolicyGroup {
        let mut seen = BTreeSet::new();
        let attached = attached.filter(|arn| seen.insert(arn.as_str()));
        let attached = attached.filter_map(|arn| self.managed_policy(arn));
        let attached = attached.flat_map(PolicyGroup::policies).cloned();
        inline.cloned().chain(attached).collect()
    }

    /// Brings what was indexed up to date after the managed policy called `name` changed: only those it is attached
    /// to, and only its part of them.
    pub(crate) fn policy_changed(&mut self, arn: &str) {
        let changed = self.managed_policy(arn).cloned();
        let attached = |permissions: &Permissions| permissions.attached.iter().any(|other| other == arn);
        for role in self
            .roles
            .values_mut()
            .filter(|role| attached(&role.role.permissions))
        {
            *role = Arc::new(CompiledRole {
                role: role.role.clone(),
                trust: role.trust.clone(),
                identity: role.identity.after_change_of(arn, changed.as_ref()),
            });
        }
        let groups = self.groups.values().map(|group| &group.group);
        let groups = groups.filter(|group| attached(&group.permissions));
        let concerned: BTreeSet<String> = groups
            .flat_map(|group| self.membership.members_of(&group.id))
            .map(str::to_owned)
            .collect();
        for (_, user) in self
            .users
            .iter_mut()
            .filter(|(name, user)| attached(&user.user.permissions) || concerned.contains(*name))
        {
            *user = Arc::new(CompiledUser {
                user: user.user.clone(),
                identity: user.identity.after_change_of(arn, changed.as_ref()),
            });
        }
    }

    fn holders(&self) -> impl Iterator<Item = &Permissions> {
        let roles = self.roles.values().map(|role| &role.role.permissions);
        let users = self.users.values().map(|user| &user.user.permissions);
        let groups = self.groups.values().map(|group| &group.group.permissions);
        roles.chain(users).chain(groups)
    }

    /// What each managed policy is used for, in one pass; those that are not used are not there.
    pub(crate) fn policy_counts(&self) -> HashMap<&str, PolicyCounts> {
        let mut counts: HashMap<&str, PolicyCounts> = HashMap::new();
        for permissions in self.holders() {
            for arn in &permissions.attached {
                counts.entry(arn).or_default().attached += 1;
            }
            if let Some(arn) = &permissions.boundary {
                counts.entry(arn).or_default().boundary += 1;
            }
        }
        counts
    }

    /// What one managed policy is used for.
    pub(crate) fn policy_counts_of(&self, arn: &str) -> PolicyCounts {
        let mut counts = PolicyCounts::default();
        for permissions in self.holders() {
            counts.attached += usize::from(permissions.attached.iter().any(|other| other == arn));
            counts.boundary += usize::from(permissions.boundary.as_deref() == Some(arn));
        }
        counts
    }
}

/// How many entities a managed policy is attached to, and of how many it is the boundary.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PolicyCounts {
    pub(crate) attached: usize,
    pub(crate) boundary: usize,
}

pub(crate) fn role_arn(account: AccountId, role: &Role) -> String {
    iam_arn(account, &format!("role{}{}", role.path, role.name))
}

pub(crate) fn user_arn(account: AccountId, user: &User) -> String {
    iam_arn(account, &format!("user{}{}", user.path, user.name))
}

pub(crate) fn group_arn(account: AccountId, group: &Group) -> String {
    iam_arn(account, &format!("group{}{}", group.path, group.name))
}

pub(crate) fn policy_arn(account: AccountId, policy: &ManagedPolicy) -> String {
    iam_arn(account, &format!("policy{}{}", policy.path, policy.name))
}

pub(crate) fn profile_arn(account: AccountId, profile: &InstanceProfile) -> String {
    iam_arn(
        account,
        &format!("instance-profile{}{}", profile.path, profile.name),
    )
}

pub(crate) fn iam_arn(account: AccountId, resource: &str) -> String {
    Arn::aws("iam", "", account.as_str(), resource).to_string()
}

pub(crate) fn compile_role(role: Role) -> CompiledRole {
    CompiledRole {
        role,
        trust: OnceLock::new(),
        identity: IdentityPolicies::default(),
    }
}

pub(crate) fn compile_user(user: User) -> CompiledUser {
    CompiledUser {
        user,
        identity: IdentityPolicies::default(),
    }
}

pub(crate) fn compile_group(group: Group) -> CompiledGroup {
    let inline = compile_inline("group", &group.name, &group.permissions);
    CompiledGroup { group, inline }
}

pub(crate) fn compile_policy(account: AccountId, policy: ManagedPolicy) -> CompiledPolicy {
    let arn = policy_arn(account, &policy);
    let document = policy
        .versions
        .get(&policy.default_version)
        .map_or("", |version| &version.document);
    let compiled = compile(&arn, document, PolicyKind::Identity).unwrap_or_else(|| managed::deny_all(&arn));
    CompiledPolicy {
        policy,
        compiled: compiled.into(),
    }
}

fn compile_inline(kind: &str, entity: &str, permissions: &Permissions) -> Vec<NamedPolicy> {
    permissions
        .inline
        .iter()
        .map(|(name, document)| {
            let shown = format!("{kind}/{entity} inline policy {name}");
            // Documents are parsed before they are stored. One that no longer parses may have held a deny: it
            // then denies everything rather than nothing.
            compile(&shown, document, PolicyKind::Identity).unwrap_or_else(|| managed::deny_all(&shown))
        })
        .collect()
}

fn compile(name: &str, document: &str, kind: PolicyKind) -> Option<NamedPolicy> {
    parse(name, document, kind).map(|policy| NamedPolicy::new(name, policy))
}

fn parse(name: &str, document: &str, kind: PolicyKind) -> Option<Policy> {
    let parsed = Policy::parse(document, kind);
    let log = |error: &PolicyError| tracing::error!(name, %error, "a stored policy does not parse");
    parsed.inspect_err(log).ok()
}
