//! Everything in an account that can be checked: each document, each entity's policies together, and access keys.

use super::Checked;
use crate::policy::account::{Account, Document, Entity, EntityKind, Key};
use hallpass_lint::{AccessKey, Finding, Options, check, check_key};
use hallpass_policy::json::{self, Json, Node};
use hallpass_policy::{DOCUMENT_BYTES_MAX, PolicyKind};
use hallpass_types::UnixSeconds;

/// The rule that looks at all of an entity's policies at once.
const ESCALATION: &str = "PRIVILEGE_ESCALATION";
/// The rules that show that a boundary leaves a way to more permissions open.
const WAYS: [&str; 2] = [ESCALATION, "ADMINISTRATOR_ACCESS"];

/// Checks them all. AWS's own managed policies are left out: nobody here can mend them.
pub(super) fn documents(account: &Account) -> Vec<Checked> {
    let mut checked = Vec::new();
    for entity in &account.entities {
        let bounded = !is_open(account, entity);
        for document in &entity.inline {
            let mut one = checked_as(document, PolicyKind::Identity);
            // What the boundary does not let through is no way.
            one.findings
                .retain(|finding| !bounded || finding.rule.name != ESCALATION);
            checked.push(one);
        }
        if let Some(trust) = &entity.trust {
            checked.push(checked_as(trust, PolicyKind::Trust));
        }
        if !bounded {
            checked.extend(together(account, entity));
        }
    }
    let groups = account.groups.values().flat_map(|group| &group.inline);
    checked.extend(groups.map(|document| checked_as(document, PolicyKind::Identity)));
    for (arn, document) in &account.managed {
        if !arn.contains(":iam::aws:policy/") {
            let is = |entity: &Entity| entity.boundary.as_ref() == Some(arn);
            let attached = |list: &[String]| list.contains(arn);
            let held = account.entities.iter().any(|entity| attached(&entity.attached))
                || account.groups.values().any(|group| attached(&group.attached));
            let only_limits = !held && account.entities.iter().any(is);
            let kind = if only_limits {
                PolicyKind::Boundary
            } else {
                PolicyKind::Identity
            };
            checked.push(checked_as(document, kind));
        }
    }
    checked
}

fn checked_as(document: &Document, kind: PolicyKind) -> Checked {
    Checked {
        name: document.name.clone(),
        text: document.text.clone(),
        findings: check(&document.text, &Options { kind }),
    }
}

/// Whether the entity has no boundary, or one through which there is a way to more permissions.
fn is_open(account: &Account, entity: &Entity) -> bool {
    let boundary = entity.boundary.as_ref().and_then(|arn| account.managed.get(arn));
    boundary.is_none_or(|boundary| {
        let kind = PolicyKind::Identity;
        let found = check(&boundary.text, &Options { kind });
        found.iter().any(|finding| WAYS.contains(&finding.rule.name))
    })
}

/// Ways to more permissions that need several of the entity's policies; `None` when each is found in one of them, or
/// when a policy is missing. Policies that together are longer than one may be are not looked at together.
fn together(account: &Account, entity: &Entity) -> Option<Checked> {
    let documents = account
        .documents(entity)
        .ok()
        .filter(|documents| documents.len() > 1)?;
    let kind = PolicyKind::Identity;
    let ways = |text: &str| -> Vec<Finding> {
        let found = check(text, &Options { kind });
        found
            .into_iter()
            .filter(|finding| WAYS.contains(&finding.rule.name))
            .collect()
    };
    if documents.iter().any(|document| !ways(&document.text).is_empty()) {
        return None;
    }
    let statements = documents.iter().flat_map(|document| statements(&document.text));
    let statements = statements.collect::<Vec<_>>().join(",\n");
    let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [\n{statements}\n]}}");
    if text.len() > DOCUMENT_BYTES_MAX {
        return None;
    }
    let findings = ways(&text);
    (!findings.is_empty()).then(|| Checked {
        name: format!("{} all policies together", entity.shown()),
        text,
        findings,
    })
}

/// The texts of a document's statements.
fn statements(text: &str) -> Vec<&str> {
    let Ok(root) = json::parse(text) else {
        return Vec::new();
    };
    let list = super::member(&root, "Statement").map_or(&[][..], super::items);
    let objects = list
        .iter()
        .filter(|node: &&Node| matches!(node.value, Json::Object(_)));
    objects
        .filter_map(|node| text.get(node.offset..node.end))
        .collect()
}

/// Checks the keys that can sign.
pub(super) fn keys(keys: &[Key], now: UnixSeconds) -> Vec<Checked> {
    const DAY_SECONDS: i64 = 86_400;
    let active = keys.iter().filter(|key| key.is_active);
    let checked = active.map(|key| {
        let made = key
            .created
            .map_or("never rotated".to_owned(), |at| format!("made {at}"));
        let text = format!("{} of {}, active, {made}", key.id, key.user);
        let facts = AccessKey {
            user: &key.user,
            id: &key.id,
            is_root: key.is_root(),
            age_days: key.created.map(|created| now.since(created) / DAY_SECONDS),
        };
        Checked {
            name: format!("user/{} {}", key.user, key.id),
            findings: check_key(&text, &facts),
            text,
        }
    });
    checked.collect()
}

/// How many users there are, to say what was looked at.
pub(super) fn entities(account: &Account, kind: EntityKind) -> usize {
    account
        .entities
        .iter()
        .filter(|entity| entity.kind == kind)
        .count()
}

#[cfg(test)]
mod tests;
