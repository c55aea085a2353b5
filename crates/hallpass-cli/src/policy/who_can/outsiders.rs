//! Whoever the resource's policy names and the account does not list.

use super::{Question, Row};
use crate::policy::account::{Held, everything};
use hallpass_policy::{Context, PolicyGroup, PrincipalInfo, PrincipalName, StatementEffect};
use hallpass_types::AccountId;

/// What is assumed of another account: that it lets its people do what this one allows them.
const ASSUMED_NAME: &str = "the policies of its own account";
/// Stands for somebody somewhere: no account has this number.
const SOMEWHERE: &str = "000000000000";
/// A policy names no more, in practice; the rest is not asked.
const OUTSIDERS_MAX: usize = 10_000;

/// A principal to ask about.
struct Outsider {
    principal: PrincipalInfo,
    name: String,
    kind: &'static str,
    outside: bool,
    /// Of a session in the account: its role's policies.
    held: Option<Held>,
    /// Nothing is known of it but that it exists.
    is_anybody: bool,
}

/// The answers of all that allowing statements name.
pub(super) fn rows(question: &Question<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let policies = question.policy.into_iter().flat_map(PolicyGroup::policies);
    let statements = policies.flat_map(|named| named.policy.statements());
    let allowing = statements.filter(|statement| statement.effect() == StatementEffect::Allow);
    let clauses = allowing.filter_map(|statement| statement.principals());
    let entries = clauses.flat_map(|clause| &clause.entries);
    let mut known = std::collections::HashSet::new();
    for entry in entries
        .filter(|entry| known.insert(entry.text.as_str()))
        .take(OUTSIDERS_MAX)
    {
        for outsider in outsiders(question, &entry.name) {
            rows.push(outsider.row(question));
        }
    }
    rows
}

fn outsiders(question: &Question<'_>, name: &PrincipalName) -> Vec<Outsider> {
    let account = question.account;
    let plain = |principal: PrincipalInfo, name: &str, kind| Outsider {
        principal,
        name: name.to_owned(),
        kind,
        outside: true,
        held: None,
        is_anybody: false,
    };
    let is_own = |arn: &str| arn.split(':').nth(4) == Some(account.id.as_str());
    let by_arn = |arn: &String, kind| {
        let principal = PrincipalInfo::from_name(arn).filter(|_| !is_own(arn));
        principal
            .map(|principal| plain(principal, arn, kind))
            .into_iter()
            .collect()
    };
    match name {
        PrincipalName::Everyone => {
            let mut all = vec![plain(
                PrincipalInfo::anonymous(),
                "everyone, unsigned",
                "anonymous",
            )];
            if let Ok(somewhere) = SOMEWHERE.parse::<AccountId>() {
                let arn = format!("arn:aws:iam::{somewhere}:user/anybody");
                let anybody = PrincipalInfo::user(somewhere, &arn, "");
                all.push(Outsider {
                    is_anybody: true,
                    ..plain(anybody, "everyone in other accounts", "everyone")
                });
            }
            all
        }
        PrincipalName::Account(id) if id != account.id.as_str() => {
            let id = id.parse::<AccountId>().ok();
            let root = id.map(|id| plain(PrincipalInfo::root(id), &format!("account {id}"), "account"));
            root.into_iter().collect()
        }
        // Who is in the account is asked anyway, and who is no longer in it asks no more.
        PrincipalName::Account(_) | PrincipalName::UniqueId(_) => Vec::new(),
        PrincipalName::User(arn) => by_arn(arn, "user"),
        PrincipalName::Role(arn) => by_arn(arn, "role"),
        PrincipalName::FederatedUser(arn) => {
            let principal = PrincipalInfo::from_name(arn);
            let federated = principal.map(|principal| Outsider {
                outside: !is_own(arn),
                ..plain(principal, arn, "session")
            });
            federated.into_iter().collect()
        }
        PrincipalName::Session(arn) if is_own(arn) => {
            let role = account.entity(arn);
            let session = role.zip(arn.rsplit('/').next()).and_then(|(role, name)| {
                Some(Outsider {
                    outside: false,
                    held: Some(account.held(role).ok()?),
                    ..plain(role.session(account.id, name), arn, "session")
                })
            });
            session.into_iter().collect()
        }
        PrincipalName::Session(arn) => by_arn(arn, "session"),
        PrincipalName::Federated(provider) => {
            let principal = if provider.contains(":saml-provider/") {
                PrincipalInfo::saml(provider, provider)
            } else {
                PrincipalInfo::web_identity(provider, provider)
            };
            vec![plain(principal, provider, "federated")]
        }
        PrincipalName::Service(name) => vec![plain(PrincipalInfo::service(name), name, "service")],
        PrincipalName::CanonicalUser(id) => {
            let somewhere = SOMEWHERE.parse::<AccountId>().ok();
            let owner = somewhere.map(|somewhere| PrincipalInfo {
                canonical_user_id: Some(id.clone()),
                ..PrincipalInfo::root(somewhere)
            });
            let owner = owner.map(|owner| Outsider {
                is_anybody: true,
                ..plain(owner, &format!("canonical user {id}"), "account")
            });
            owner.into_iter().collect()
        }
    }
}

impl Outsider {
    fn row(self, question: &Question<'_>) -> Row {
        let mut context = if self.principal.account.is_some() && self.outside {
            let mut context = Context::of_stranger();
            if !self.is_anybody {
                self.principal.fill(&mut context);
            }
            context
        } else {
            Context::of_principal(&self.principal)
        };
        question.given.fill(&mut context);
        let held = self.held.unwrap_or_else(|| Held {
            identity: if self.outside {
                everything(ASSUMED_NAME)
            } else {
                PolicyGroup::default()
            },
            boundary: None,
        });
        let mut set = held.set(question.resource_side());
        // A federated user of another account may have been given everything its parent has.
        if self.outside {
            set.session = Some(&held.identity).filter(|_| self.kind == "session");
        }
        let answer = question
            .ask(&self.principal, &context, &set)
            .without(ASSUMED_NAME);
        Row {
            principal: if self.is_anybody {
                self.name.clone()
            } else {
                self.principal.arn.clone()
            },
            name: self.name,
            kind: self.kind,
            outside: self.outside,
            answer,
        }
    }
}
