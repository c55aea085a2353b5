//! All policies that bear on one caller, brought together for each request.

use crate::account::AccountState;
use crate::managed::{deny_all, root_policies};
use hallpass_access::{Caller, CallerKind, PolicyBundle};
use hallpass_policy::{NamedPolicy, Policy, PolicyKind};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// A session's policy is at most 2,048 characters long, so this many stay in the low megabytes.
const PARSED_MAX: usize = 1_024;

/// Session policies travel inside the token; those seen lately stay parsed.
pub(crate) struct SessionPolicies {
    parsed: Cache<String, Arc<Policy>>,
}

impl SessionPolicies {
    pub(crate) fn new() -> Self {
        Self {
            parsed: Cache::new(PARSED_MAX),
        }
    }

    fn parsed(&self, document: &str) -> Option<Arc<Policy>> {
        if let Some(known) = self.parsed.get(document) {
            return Some(known);
        }
        let policy = Arc::new(Policy::parse(document, PolicyKind::Session).ok()?);
        self.parsed.insert(document.to_owned(), Arc::clone(&policy));
        Some(policy)
    }

    /// The policies that bear on `caller` now, and its role's or user's tags.
    pub(crate) fn bundle(
        &self,
        account: &AccountState,
        caller: &Caller,
    ) -> (PolicyBundle, Vec<(String, String)>) {
        let mut bundle = PolicyBundle::default();
        let permissions = match &caller.kind {
            CallerKind::Root => {
                bundle.identity = root_policies();
                None
            }
            // What such a session may is narrowed from what its maker may; without a session policy it is nothing.
            CallerKind::FederatedUser { user } => match user {
                None => {
                    bundle.identity = root_policies();
                    None
                }
                Some(name) => account.user(name).map(|user| {
                    bundle.identity = account.user_policies(user).clone();
                    &user.user.permissions
                }),
            },
            CallerKind::Service
            | CallerKind::Anonymous
            | CallerKind::WebIdentity(_)
            | CallerKind::Saml(_) => None,
            CallerKind::User { name } => account.user(name).map(|user| {
                let permissions = &user.user.permissions;
                bundle.identity = account.user_policies(user).clone();
                permissions
            }),
            CallerKind::Role { name } => account.role(name).map(|role| {
                let permissions = &role.role.permissions;
                bundle.identity = account.role_policies(role).clone();
                permissions
            }),
        };
        let mut tags = vec![];
        if let Some(permissions) = permissions {
            // A federated user has the tags of its session alone.
            if !matches!(caller.kind, CallerKind::FederatedUser { .. }) {
                let own = permissions.tags.iter();
                tags = own.map(|tag| (tag.key.clone(), tag.value.clone())).collect();
            }
            if let Some(arn) = &permissions.boundary {
                // A boundary that no longer resolves allows nothing.
                bundle.boundary = Some(
                    account
                        .managed_policy(arn)
                        .cloned()
                        .unwrap_or_else(|| deny_all(arn).into()),
                );
            }
        }
        if let Some(session) = &caller.session
            && !(session.session_policies.is_empty() && session.session_policy_arns.is_empty())
        {
            let documents = session.session_policies.iter().enumerate();
            let parsed = documents.map(|(index, document)| {
                let name = format!("session policy {}", index + 1);
                match self.parsed(document) {
                    Some(policy) => NamedPolicy {
                        name: name.into(),
                        policy,
                    },
                    None => deny_all(&name),
                }
            });
            let named = session
                .session_policy_arns
                .iter()
                .filter_map(|arn| account.managed_policy(arn))
                .flat_map(|group| group.policies().iter().cloned());
            bundle.session = Some(parsed.chain(named).collect());
        }
        (bundle, tags)
    }
}
