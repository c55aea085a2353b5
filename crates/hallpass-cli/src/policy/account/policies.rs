//! What bears on an entity, compiled.

use super::{Account, Document, Entity};
use hallpass_policy::{NamedPolicy, Policy, PolicyError, PolicyGroup, PolicyKind, PolicySet};
use std::fmt;

/// A document that cannot be used, so that a question about its holder has no answer.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Unreadable {
    /// IAM, or we, refuse it.
    Refused {
        /// What the document is called.
        name: String,
        /// Why.
        error: PolicyError,
    },
    /// It is referred to and not there.
    Missing(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { name, error } => {
                write!(f, "{name} ({}): {}", error.position, error.message)
            }
            Self::Missing(arn) => write!(f, "`{arn}` is not in the account's details"),
        }
    }
}

/// The policies of one user or role.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Held {
    /// Its own, its groups' and the managed ones attached to either.
    pub(in crate::policy) identity: PolicyGroup,
    /// Its permissions boundary.
    pub(in crate::policy) boundary: Option<PolicyGroup>,
}

/// What the root user of an account may do.
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

impl Held {
    /// The root user's: it has no policies, and is asked as if one allowed it everything.
    pub(in crate::policy) fn of_root() -> Self {
        Self {
            identity: everything("the root user needs no policy"),
            boundary: None,
        }
    }

    /// As the evaluator takes them, with the resource's.
    pub(in crate::policy) fn set<'a>(&'a self, resource: Option<&'a PolicyGroup>) -> PolicySet<'a> {
        PolicySet {
            identity: Some(&self.identity),
            boundary: self.boundary.as_ref(),
            resource,
            ..PolicySet::default()
        }
    }
}

/// A policy of this name that allows everything.
pub(in crate::policy) fn everything(name: &str) -> PolicyGroup {
    let policy = Policy::parse(EVERYTHING, PolicyKind::Identity).ok();
    policy
        .map(|policy| NamedPolicy::new(name, policy).into())
        .unwrap_or_default()
}

/// The policy of one resource.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ResourcePolicy {
    /// The resource's ARN.
    pub(in crate::policy) arn: String,
    /// Its policy.
    pub(in crate::policy) policy: PolicyGroup,
}

impl ResourcePolicy {
    /// Whether the policy is `resource`'s: a bucket's is its objects' too.
    pub(in crate::policy) fn governs(&self, resource: &str) -> bool {
        let rest = resource.strip_prefix(self.arn.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

pub(in crate::policy) fn compile(document: &Document, kind: PolicyKind) -> Result<NamedPolicy, Unreadable> {
    let policy = Policy::parse(&document.text, kind).map_err(|error| Unreadable::Refused {
        name: document.name.clone(),
        error,
    })?;
    Ok(NamedPolicy::new(&document.name, policy))
}

impl Account {
    /// The documents that give an entity permissions, in the order in which they are looked at; a managed policy that
    /// is attached twice comes once.
    pub(in crate::policy) fn documents<'a>(
        &'a self,
        entity: &'a Entity,
    ) -> Result<Vec<&'a Document>, Unreadable> {
        let groups = entity.groups.iter().map(|name| {
            let group = self.groups.get(name);
            group.ok_or_else(|| Unreadable::Missing(format!("group/{name}")))
        });
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        let inline = entity
            .inline
            .iter()
            .chain(groups.iter().flat_map(|group| &group.inline));
        let mut documents = inline.collect::<Vec<_>>();
        let mut known: Vec<&str> = Vec::new();
        for arn in entity
            .attached
            .iter()
            .chain(groups.iter().flat_map(|group| &group.attached))
        {
            if !known.contains(&arn.as_str()) {
                known.push(arn);
                documents.push(self.managed_document(arn)?);
            }
        }
        Ok(documents)
    }

    fn managed_document(&self, arn: &str) -> Result<&Document, Unreadable> {
        self.managed
            .get(arn)
            .ok_or_else(|| Unreadable::Missing(arn.to_owned()))
    }

    /// An entity's policies. One that cannot be read leaves no answer: left out, a boundary or a deny would be missed.
    pub(in crate::policy) fn held(&self, entity: &Entity) -> Result<Held, Unreadable> {
        let documents = self.documents(entity)?.into_iter();
        let identity = documents.map(|document| compile(document, PolicyKind::Identity));
        let boundary = entity.boundary.as_deref();
        let boundary = boundary.map(|arn| compile(self.managed_document(arn)?, PolicyKind::Boundary));
        Ok(Held {
            identity: identity.collect::<Result<_, _>>()?,
            boundary: boundary.transpose()?.map(PolicyGroup::from),
        })
    }

    /// A role's trust policy.
    pub(in crate::policy) fn trust(role: &Entity) -> Result<PolicyGroup, Unreadable> {
        let missing = || Unreadable::Missing(format!("{} trust policy", role.shown()));
        let document = role.trust.as_ref().ok_or_else(missing)?;
        compile(document, PolicyKind::Trust).map(PolicyGroup::from)
    }
}
