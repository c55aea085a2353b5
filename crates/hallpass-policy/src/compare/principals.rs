//! Callers of whom every caller has its like, as far as two policies tell callers apart.
//!
//! Policies name principals whole, so those named and one of each kind that is not are all there are.

use crate::principal::{PrincipalInfo, PrincipalKind, PrincipalName};
use hallpass_types::{AccountId, Arn};

/// Accounts that are taken for ones not named.
const FRESH: [&str; 3] = ["111122223333", "444455556666", "777788889999"];
const FRESH_USER_ID: &str = "AIDAEXAMPLEEXAMPLE00";
const FRESH_ROLE_ID: &str = "AROAEXAMPLEEXAMPLE00";

/// The user whose identity policies are compared.
pub(super) fn somebody() -> Option<PrincipalInfo> {
    let account: AccountId = FRESH.first()?.parse().ok()?;
    Some(user(
        account,
        &format!("arn:aws:iam::{account}:user/example"),
        FRESH_USER_ID,
    ))
}

/// One caller of every sort, of those that `names` tell apart.
pub(super) fn representatives(names: &[&PrincipalName]) -> Vec<PrincipalInfo> {
    let mut accounts = Vec::new();
    let mut users = Vec::new();
    let mut roles = Vec::new();
    let mut sessions = Vec::new();
    let (mut user_ids, mut role_ids) = (vec![FRESH_USER_ID], vec![FRESH_ROLE_ID]);
    let mut canonical = vec![None];
    let mut callers = vec![
        PrincipalInfo::anonymous(),
        PrincipalInfo::service("example.amazonaws.com"),
        PrincipalInfo::web_identity("idp.example.com", "example"),
    ];
    for name in names {
        match name {
            PrincipalName::Everyone => {}
            PrincipalName::Account(account) => accounts.extend(account.parse::<AccountId>()),
            PrincipalName::User(arn) => users.extend(in_account(arn)),
            PrincipalName::Role(arn) => roles.extend(in_account(arn)),
            PrincipalName::Session(arn) => sessions.extend(in_account(arn)),
            PrincipalName::FederatedUser(arn) => {
                callers.extend(
                    in_account(arn).map(|(account, arn)| PrincipalInfo::federated_user(account, &arn)),
                );
            }
            PrincipalName::UniqueId(id) if id.starts_with("AIDA") => user_ids.push(id),
            PrincipalName::UniqueId(id) => role_ids.push(id),
            PrincipalName::Federated(provider) if provider.contains(":saml-provider/") => {
                callers.push(PrincipalInfo::saml(provider, "example"));
            }
            PrincipalName::Federated(provider) => {
                callers.push(PrincipalInfo::web_identity(provider, "example"));
            }
            PrincipalName::Service(name) => callers.push(PrincipalInfo::service(name)),
            PrincipalName::CanonicalUser(id) => canonical.push(Some(id.clone())),
        }
    }
    for (account, _) in users.iter().chain(&roles).chain(&sessions) {
        accounts.push(*account);
    }
    accounts.extend(callers.iter().filter_map(|caller| caller.account));
    let fresh = FRESH.iter().filter_map(|text| text.parse::<AccountId>().ok());
    accounts.extend(
        fresh
            .filter(|account| !accounts.contains(account))
            .take(1)
            .collect::<Vec<_>>(),
    );
    accounts.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
    accounts.dedup();
    for account in accounts {
        callers.push(PrincipalInfo::root(account));
        let federated = format!("arn:aws:sts::{account}:federated-user/example");
        callers.push(PrincipalInfo::federated_user(account, &federated));
        users.push((account, format!("arn:aws:iam::{account}:user/example")));
        roles.push((account, format!("arn:aws:iam::{account}:role/example")));
    }
    for (account, arn) in &users {
        callers.extend(user_ids.iter().map(|id| user(*account, arn, id)));
    }
    // A session's ARN does not tell its role's path: it may be of any role of that name.
    for (account, session) in &sessions {
        let name = session.split('/').nth(1).unwrap_or_default();
        roles.push((*account, format!("arn:aws:iam::{account}:role/{name}")));
    }
    for (account, role) in &roles {
        let name = role.rsplit('/').next().unwrap_or_default();
        let prefix = format!("arn:aws:sts::{account}:assumed-role/{name}/");
        let own = sessions
            .iter()
            .map(|(_, arn)| arn)
            .filter(|arn| arn.starts_with(&prefix))
            .cloned();
        for session in own.chain([format!("{prefix}example-session")]) {
            callers.extend(
                role_ids
                    .iter()
                    .map(|id| PrincipalInfo::role_session(*account, &session, role, id)),
            );
        }
    }
    let mut all = Vec::new();
    for caller in callers {
        for id in &canonical {
            let signed = caller.account.is_some();
            if id.is_none() || signed {
                let canonical_user_id = id.clone();
                all.push(PrincipalInfo {
                    canonical_user_id,
                    ..caller.clone()
                });
            }
        }
    }
    // People first: the request shown should look like one.
    all.sort_by_key(|caller| match caller.kind {
        PrincipalKind::User => 0,
        PrincipalKind::AssumedRole => 1,
        _ => 2,
    });
    all
}

fn user(account: AccountId, arn: &str, id: &str) -> PrincipalInfo {
    PrincipalInfo::user(account, arn, id)
}

fn in_account(arn: &str) -> Option<(AccountId, String)> {
    let parsed: Arn = arn.parse().ok()?;
    Some((parsed.account.parse().ok()?, arn.to_owned()))
}
