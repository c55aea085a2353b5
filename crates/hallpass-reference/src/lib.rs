//! AWS's service authorization reference: which actions exist, what they act on, which condition keys they know; and
//! AWS's managed policies ([`managed`]).
//!
//! ```
//! let action = hallpass_reference::action("S3:getobject").ok_or("no such action")?;
//! assert_eq!(action.name(), "GetObject");
//! assert_eq!(action.access_level(), hallpass_reference::AccessLevel::Read);
//! # Ok::<(), &str>(())
//! ```
//!
//! The data is a snapshot (`data/SOURCE`): AWS adds actions every week, so that an action unknown here may exist.
//! It is read once, on first use, and borrows its text from the binary. No I/O, no clock, no randomness.

pub mod glob;
mod global;
mod key;
pub mod managed;
mod read;

pub use key::{KeyType, condition_key, is_key};

use std::cmp::Ordering;
use std::sync::LazyLock;

static REFERENCE: LazyLock<Vec<Service>> =
    LazyLock::new(|| read::read(include_str!("../data/reference.txt")));

/// What an action can do, as AWS sorts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessLevel {
    /// Names what exists.
    List,
    /// Reads contents.
    Read,
    /// Creates, changes, deletes.
    Write,
    /// Changes nothing but tags.
    Tagging,
    /// Grants or takes permissions.
    PermissionsManagement,
}

impl AccessLevel {
    /// As AWS's pages write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "List",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Tagging => "Tagging",
            Self::PermissionsManagement => "Permissions management",
        }
    }
}

/// A resource type that an action may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionResource {
    /// The type's name within the service, such as `object`; see [`Service::resource_type`].
    pub name: &'static str,
    /// True when every call acts on one.
    pub required: bool,
}

/// A kind of resource that a service has.
#[derive(Debug, PartialEq, Eq)]
pub struct ResourceType {
    pub(crate) name: &'static str,
    pub(crate) arn: &'static str,
    pub(crate) condition_keys: &'static [&'static str],
}

impl ResourceType {
    /// Its name within the service.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its ARN with `${…}` for what varies: `arn:${Partition}:s3:::${BucketName}`.
    #[must_use]
    pub fn arn(&self) -> &'static str {
        self.arn
    }

    /// The condition keys that a request about such a resource carries.
    #[must_use]
    pub fn condition_keys(&self) -> &'static [&'static str] {
        self.condition_keys
    }
}

/// One action of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct Action {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) level: AccessLevel,
    pub(crate) resources: &'static [ActionResource],
    pub(crate) condition_keys: &'static [&'static str],
}

impl Action {
    /// The service's prefix: `s3`.
    #[must_use]
    pub fn service_prefix(&self) -> &'static str {
        self.service
    }

    /// The name without the prefix, in AWS's spelling: `GetObject`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it can do.
    #[must_use]
    pub fn access_level(&self) -> AccessLevel {
        self.level
    }

    /// The resource types it acts on.
    #[must_use]
    pub fn resources(&self) -> &'static [ActionResource] {
        self.resources
    }

    /// The condition keys of the call itself and of its part for each resource type. Those that every resource of a
    /// type carries are at [`ResourceType::condition_keys`]; the global keys hold for every action.
    #[must_use]
    pub fn condition_keys(&self) -> &'static [&'static str] {
        self.condition_keys
    }

    /// True when it names no resource type, so that only the resource `*` matches it.
    #[must_use]
    pub fn is_wildcard_only(&self) -> bool {
        self.resources.is_empty()
    }
}

/// One service.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    pub(crate) prefix: &'static str,
    pub(crate) actions: Vec<Action>,
    pub(crate) resource_types: Vec<ResourceType>,
    pub(crate) condition_keys: Vec<(&'static str, KeyType)>,
}

impl Service {
    /// What its actions begin with: `s3`.
    #[must_use]
    pub fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// Its actions, by name.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// The action of this name (without the prefix), in any case.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        let found = self.actions.binary_search_by(|action| compare(action.name, name));
        found.ok().and_then(|index| self.actions.get(index))
    }

    /// Its kinds of resources, by name.
    #[must_use]
    pub fn resource_types(&self) -> &[ResourceType] {
        &self.resource_types
    }

    /// The resource type of this name, in AWS's spelling.
    #[must_use]
    pub fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        self.resource_types.iter().find(|kind| kind.name == name)
    }

    /// The condition keys that its page lists, with their types.
    #[must_use]
    pub fn condition_keys(&self) -> &[(&'static str, KeyType)] {
        &self.condition_keys
    }
}

/// The order of the data: letters without their case.
fn compare(left: &str, right: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    left.bytes().map(lower).cmp(right.bytes().map(lower))
}

/// The service with this prefix, in any case.
#[must_use]
pub fn service(prefix: &str) -> Option<&'static Service> {
    let found = REFERENCE.binary_search_by(|service| compare(service.prefix, prefix));
    found.ok().and_then(|index| REFERENCE.get(index))
}

/// All services, by prefix.
pub fn services() -> impl Iterator<Item = &'static Service> {
    REFERENCE.iter()
}

/// The action of this full name (`s3:GetObject`), in any case.
#[must_use]
pub fn action(name: &str) -> Option<&'static Action> {
    let (prefix, name) = name.split_once(':')?;
    service(prefix)?.action(name)
}

/// The actions that a policy's pattern matches: `s3:Get*`, `*`; in any case, `*` for any characters, `?` for one.
pub fn matching(pattern: &str) -> impl Iterator<Item = &'static Action> {
    let (prefix, name) = match pattern.split_once(':') {
        Some((prefix, name)) => (prefix.to_ascii_lowercase(), name.to_ascii_lowercase()),
        None if pattern == "*" => ("*".to_owned(), "*".to_owned()),
        None => (String::new(), String::new()),
    };
    services()
        .filter(move |service| glob::covers(&prefix, service.prefix))
        .flat_map(|service| service.actions.iter())
        .filter(move |action| glob::covers(&name, &action.name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
