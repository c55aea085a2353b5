//! Who asks, and who a policy names.

use crate::context::Context;
use crate::error::Position;
use hallpass_types::AccountId;

/// The session a role is asked about with, when none is named.
const UNNAMED_SESSION: &str = "session";

/// What sort of caller makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// Nobody has signed. Only a resource policy can let it in.
    Anonymous,
    /// The account's root user: its own account's identity policies do not limit it.
    Root,
    /// An IAM user, with long-term or `GetSessionToken` credentials.
    User,
    /// A role's session.
    AssumedRole,
    /// A `GetFederationToken` session. Without a session policy it has nothing but what resources grant it.
    FederatedUser,
    /// The bearer of a token from this OIDC provider (host, or provider ARN), calling `AssumeRoleWithWebIdentity`.
    WebIdentity(String),
    /// The bearer of an assertion from this SAML provider (ARN), calling `AssumeRoleWithSAML`.
    Saml(String),
    /// A service, such as `ec2.amazonaws.com`.
    Service(String),
}

/// Who asks. Every field is the server's own knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalInfo {
    /// The account the caller belongs to; none for anonymous callers, services and federated bearers.
    pub account: Option<AccountId>,
    /// What sort of caller it is.
    pub kind: PrincipalKind,
    /// The user's ARN, or the session's: `arn:aws:sts::…:assumed-role/NAME/SESSION`, without the role's path.
    pub arn: String,
    /// The role of a session, with its path.
    pub role_arn: Option<String>,
    /// `AIDA…` of a user, `AROA…` of a role (without the session's name), the account id of root; empty when not known,
    /// and then `aws:userid` is not set.
    pub unique_id: String,
    /// The session's name, for `aws:userid`.
    pub session_name: Option<String>,
    /// The canonical id S3 policies may name instead of an account.
    pub canonical_user_id: Option<String>,
}

impl PrincipalInfo {
    fn new(account: Option<AccountId>, kind: PrincipalKind, arn: String, unique_id: String) -> Self {
        Self {
            account,
            kind,
            arn,
            role_arn: None,
            unique_id,
            session_name: None,
            canonical_user_id: None,
        }
    }

    /// A caller that has not signed.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new(
            None,
            PrincipalKind::Anonymous,
            "anonymous".to_owned(),
            "anonymous".to_owned(),
        )
    }

    /// The root user of `account`.
    #[must_use]
    pub fn root(account: AccountId) -> Self {
        let arn = format!("arn:aws:iam::{account}:root");
        Self::new(Some(account), PrincipalKind::Root, arn, account.to_string())
    }

    /// An IAM user.
    #[must_use]
    pub fn user(account: AccountId, arn: &str, unique_id: &str) -> Self {
        Self::new(
            Some(account),
            PrincipalKind::User,
            arn.to_owned(),
            unique_id.to_owned(),
        )
    }

    /// A session of the role `role_arn` (with path) whose id is `role_id`.
    #[must_use]
    pub fn role_session(account: AccountId, session_arn: &str, role_arn: &str, role_id: &str) -> Self {
        Self {
            role_arn: Some(role_arn.to_owned()),
            session_name: session_arn.rsplit_once('/').map(|(_, name)| name.to_owned()),
            ..Self::new(
                Some(account),
                PrincipalKind::AssumedRole,
                session_arn.to_owned(),
                role_id.to_owned(),
            )
        }
    }

    /// A `GetFederationToken` session.
    #[must_use]
    pub fn federated_user(account: AccountId, arn: &str) -> Self {
        let name = arn.rsplit_once('/').map_or(arn, |(_, name)| name);
        let unique_id = format!("{account}:{name}");
        Self::new(
            Some(account),
            PrincipalKind::FederatedUser,
            arn.to_owned(),
            unique_id,
        )
    }

    /// The bearer of an OIDC provider's token.
    #[must_use]
    pub fn web_identity(provider: &str, subject: &str) -> Self {
        let kind = PrincipalKind::WebIdentity(provider.to_owned());
        Self::new(None, kind, subject.to_owned(), subject.to_owned())
    }

    /// The bearer of a SAML provider's assertion.
    #[must_use]
    pub fn saml(provider_arn: &str, subject: &str) -> Self {
        Self::new(
            None,
            PrincipalKind::Saml(provider_arn.to_owned()),
            subject.to_owned(),
            subject.to_owned(),
        )
    }

    /// Whoever is named by an ARN or another plain name, for questions about principals that are not here: a user, a
    /// role (some session of it), a role session, a federated user, an account or its `:root`, an identity provider,
    /// a service (`ec2.amazonaws.com`), or `*` and `anonymous` for somebody who has not signed. `None` for anything
    /// else.
    ///
    /// Unique ids cannot be told from an ARN: policies that name one never match. Neither can the path of a
    /// session's role.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if matches!(name, "*" | "anonymous") {
            return Some(Self::anonymous());
        }
        if let Ok(account) = name.parse::<AccountId>() {
            return Some(Self::root(account));
        }
        let Ok(arn) = name.parse::<hallpass_types::Arn>() else {
            let service = name.contains('.') && !name.contains([':', '/', '*', ' ']);
            return service.then(|| Self::service(name));
        };
        let account: AccountId = arn.account.parse().ok()?;
        let (kind, rest) = arn.resource.split_once('/').unwrap_or((&arn.resource, ""));
        match (arn.service.as_str(), kind) {
            ("iam", "root") if rest.is_empty() => Some(Self::root(account)),
            ("iam", "user") if !rest.is_empty() => Some(Self::user(account, name, "")),
            ("iam", "role") if !rest.is_empty() => {
                let role = rest.rsplit('/').next()?;
                let session = hallpass_types::Arn {
                    service: "sts".to_owned(),
                    resource: format!("assumed-role/{role}/{UNNAMED_SESSION}"),
                    ..arn.clone()
                };
                Some(Self::role_session(account, &session.to_string(), name, ""))
            }
            ("iam", "oidc-provider") if !rest.is_empty() => Some(Self::web_identity(name, name)),
            ("iam", "saml-provider") if !rest.is_empty() => Some(Self::saml(name, name)),
            ("sts", "assumed-role") => {
                let (role, _) = rest.split_once('/').filter(|(_, session)| !session.is_empty())?;
                let role = hallpass_types::Arn {
                    service: "iam".to_owned(),
                    resource: format!("role/{role}"),
                    ..arn.clone()
                };
                Some(Self::role_session(account, name, &role.to_string(), ""))
            }
            ("sts", "federated-user") if !rest.is_empty() => Some(Self::federated_user(account, name)),
            _ => None,
        }
    }

    /// A service.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self::new(
            None,
            PrincipalKind::Service(name.to_owned()),
            name.to_owned(),
            name.to_owned(),
        )
    }

    /// Sets the condition keys that follow from who asks: `aws:PrincipalArn` (of a session: the role's, not the
    /// session's), `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:userid`, and `aws:username` for users only.
    pub fn fill(&self, context: &mut Context) {
        let kind = match &self.kind {
            PrincipalKind::Anonymous => "Anonymous",
            PrincipalKind::Root => "Account",
            PrincipalKind::User => "User",
            PrincipalKind::AssumedRole => "AssumedRole",
            PrincipalKind::FederatedUser => "FederatedUser",
            PrincipalKind::WebIdentity(_) | PrincipalKind::Saml(_) => return,
            PrincipalKind::Service(name) => {
                context.set("aws:PrincipalIsAWSService", "true");
                context.set("aws:PrincipalServiceName", name);
                return;
            }
        };
        context.set("aws:PrincipalType", kind);
        let session = self
            .session_name
            .as_deref()
            .filter(|_| self.kind == PrincipalKind::AssumedRole);
        match session {
            _ if self.unique_id.is_empty() => {}
            Some(session) => {
                context.set("aws:userid", format!("{}:{session}", self.unique_id));
            }
            None => {
                context.set("aws:userid", &self.unique_id);
            }
        }
        if self.kind == PrincipalKind::Anonymous {
            return;
        }
        context.set("aws:PrincipalArn", self.role_arn.as_deref().unwrap_or(&self.arn));
        if let Some(account) = &self.account {
            context.set("aws:PrincipalAccount", account.as_str());
        }
        if self.kind == PrincipalKind::User
            && let Some((_, name)) = self.arn.rsplit_once('/')
        {
            context.set("aws:username", name);
        }
    }
}

/// A principal as a policy names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalName {
    /// `"*"` or `{"AWS": "*"}`.
    Everyone,
    /// An account id or its `:root` ARN: the account as a whole, which then decides by its own policies.
    Account(String),
    /// A user's ARN.
    User(String),
    /// A role's ARN.
    Role(String),
    /// A role session's ARN.
    Session(String),
    /// A `GetFederationToken` session's ARN.
    FederatedUser(String),
    /// `AIDA…` or `AROA…`: how a stored policy keeps a user or role, so that its successor inherits nothing.
    UniqueId(String),
    /// An identity provider.
    Federated(String),
    /// A service.
    Service(String),
    /// An S3 canonical id.
    CanonicalUser(String),
}

impl PrincipalName {
    /// Reads one value of `Principal`'s member `member`; `None` when it names no principal. Partial wildcards
    /// never do.
    pub(crate) fn parse(member: &str, text: &str) -> Option<Self> {
        let owned = || text.to_owned();
        if text.is_empty() {
            return None;
        }
        match member {
            "AWS" if text == "*" => Some(Self::Everyone),
            _ if text.contains(['*', '?']) => None,
            "AWS" => Self::parse_aws(text),
            "Federated" => Some(Self::Federated(owned())),
            "Service" if text.contains('.') => Some(Self::Service(owned())),
            "CanonicalUser" => Some(Self::CanonicalUser(owned())),
            _ => None,
        }
    }

    fn parse_aws(text: &str) -> Option<Self> {
        if text.parse::<AccountId>().is_ok() {
            return Some(Self::Account(text.to_owned()));
        }
        let unique = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if unique && (text.starts_with("AIDA") || text.starts_with("AROA")) {
            return Some(Self::UniqueId(text.to_owned()));
        }
        let arn: hallpass_types::Arn = text.parse().ok()?;
        let (kind, name) = arn.resource.split_once('/').unwrap_or((&arn.resource, ""));
        let owned = text.to_owned();
        match (arn.service.as_str(), kind) {
            ("iam", "root") if name.is_empty() => {
                arn.account.parse::<AccountId>().ok()?;
                Some(Self::Account(arn.account))
            }
            ("iam", "user") if !name.is_empty() => Some(Self::User(owned)),
            ("iam", "role") if !name.is_empty() => Some(Self::Role(owned)),
            ("sts", "assumed-role") if name.contains('/') => Some(Self::Session(owned)),
            ("sts", "federated-user") if !name.is_empty() => Some(Self::FederatedUser(owned)),
            _ => None,
        }
    }

    /// How `principal` is named by this, if it is. In a trust policy `*` means every AWS principal, and never
    /// somebody who has not signed.
    fn grant(&self, principal: &PrincipalInfo, trust: bool) -> Option<Grant> {
        let kind = &principal.kind;
        let in_account = matches!(
            kind,
            PrincipalKind::Root
                | PrincipalKind::User
                | PrincipalKind::AssumedRole
                | PrincipalKind::FederatedUser
        );
        let (named, grant) = match self {
            Self::Everyone => (in_account || !trust, Grant::Direct),
            Self::Account(account) => {
                let same = principal.account.is_some_and(|own| own.as_str() == account);
                (in_account && same, Grant::Account)
            }
            Self::User(arn) => (
                *kind == PrincipalKind::User && principal.arn == *arn,
                Grant::Direct,
            ),
            Self::Role(arn) => {
                let same = principal.role_arn.as_ref() == Some(arn);
                (*kind == PrincipalKind::AssumedRole && same, Grant::Role)
            }
            Self::Session(arn) => (
                *kind == PrincipalKind::AssumedRole && principal.arn == *arn,
                Grant::Direct,
            ),
            Self::FederatedUser(arn) => (
                *kind == PrincipalKind::FederatedUser && principal.arn == *arn,
                Grant::Direct,
            ),
            Self::UniqueId(id) => match kind {
                PrincipalKind::User => (principal.unique_id == *id, Grant::Direct),
                PrincipalKind::AssumedRole => (principal.unique_id == *id, Grant::Role),
                _ => (false, Grant::Direct),
            },
            Self::Federated(provider) => match kind {
                PrincipalKind::WebIdentity(own) | PrincipalKind::Saml(own) => {
                    (own == provider, Grant::Direct)
                }
                _ => (false, Grant::Direct),
            },
            Self::Service(name) => (
                matches!(kind, PrincipalKind::Service(own) if own == name),
                Grant::Direct,
            ),
            Self::CanonicalUser(id) => (principal.canonical_user_id.as_ref() == Some(id), Grant::Account),
        };
        named.then_some(grant)
    }
}

/// How far a grant by name reaches past what else limits the caller. Later is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// To the caller's account, which must still allow it.
    Account,
    /// To the role, whose boundary and session policies still limit it.
    Role,
    /// To the caller itself or to everyone: nothing implicit limits it within the account.
    Direct,
}

/// One value of `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalEntry {
    /// Who is named.
    pub name: PrincipalName,
    /// As written.
    pub text: String,
    /// Where the value's text starts, quotes included.
    pub position: Position,
}

/// `Principal` or `NotPrincipal` of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalClause {
    /// True for `NotPrincipal`.
    pub negated: bool,
    /// The principals named.
    pub entries: Vec<PrincipalEntry>,
}

impl PrincipalClause {
    /// How the statement reaches `principal`; `None` when it does not.
    pub(crate) fn reach(&self, principal: &PrincipalInfo, trust: bool, bounded: bool) -> Option<Grant> {
        if self.negated {
            return (bounded || !self.exempts(principal)).then_some(Grant::Direct);
        }
        self.entries
            .iter()
            .filter_map(|entry| entry.name.grant(principal, trust))
            .max()
    }

    /// Whether `NotPrincipal` spares `principal`: all of account, user, role and session that it consists of must be
    /// listed, since being in the denied account, or in the denied role, is being denied.
    fn exempts(&self, principal: &PrincipalInfo) -> bool {
        let names =
            |wanted: &dyn Fn(&PrincipalName) -> bool| self.entries.iter().any(|entry| wanted(&entry.name));
        if names(&|name| *name == PrincipalName::Everyone) {
            return true;
        }
        let account = || {
            names(
                &|name| matches!((name, &principal.account), (PrincipalName::Account(listed), Some(own)) if listed == own.as_str()),
            )
        };
        match &principal.kind {
            PrincipalKind::Anonymous => false,
            PrincipalKind::Root => account(),
            PrincipalKind::AssumedRole => {
                let role = names(&|name| match name {
                    PrincipalName::Role(arn) => principal.role_arn.as_ref() == Some(arn),
                    PrincipalName::UniqueId(id) => principal.unique_id == *id,
                    _ => false,
                });
                let session =
                    names(&|name| matches!(name, PrincipalName::Session(arn) if *arn == principal.arn));
                account() && role && session
            }
            PrincipalKind::User | PrincipalKind::FederatedUser => {
                account() && names(&|name| name.grant(principal, false) == Some(Grant::Direct))
            }
            PrincipalKind::WebIdentity(_) | PrincipalKind::Saml(_) | PrincipalKind::Service(_) => {
                names(&|name| name.grant(principal, false).is_some())
            }
        }
    }
}
