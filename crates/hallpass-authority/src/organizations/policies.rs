//! Service control policies, and what they are attached to.

use super::{Asked, Planned, done, error, key, read};
use crate::ApiError;
use crate::entity::ControlPolicy;
use crate::state::put;
use hallpass_policy::{Policy, PolicyKind};
use hallpass_session::random_hex;
use hallpass_store::Op;
use serde_json::{Value, json};

/// AWS's own, attached to everything when it is made: without it nothing would be allowed.
pub(super) const FULL_ACCESS_ID: &str = "p-FullAWSAccess";
pub(super) const FULL_ACCESS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const CHARS_MAX: usize = 5_120;
const POLICIES_MAX: usize = 2_000;
/// Policies attached to one root, unit or account, and one at least.
const ATTACHED_MAX: usize = 5;

/// What is made gets AWS's own policy.
pub(super) fn attached_to_new(asked: &Asked<'_>, target: &str) -> Option<Op> {
    let mut full = asked.state.tree.policies.get(FULL_ACCESS_ID)?.clone();
    full.targets.push(target.to_owned());
    Some(put(key("scp", FULL_ACCESS_ID), &full))
}

fn summary(asked: &Asked<'_>, policy: &ControlPolicy) -> Value {
    let is_aws = policy.id == FULL_ACCESS_ID;
    let arn = if is_aws {
        format!("arn:aws:organizations::aws:policy/service_control_policy/{FULL_ACCESS_ID}")
    } else {
        asked.arn("policy", &format!("/service_control_policy/{}", policy.id))
    };
    json!({
        "Id": policy.id, "Arn": arn, "Name": policy.name, "Description": policy.description,
        "Type": "SERVICE_CONTROL_POLICY", "AwsManaged": is_aws,
    })
}

fn shown(asked: &Asked<'_>, policy: &ControlPolicy) -> Value {
    json!({ "Policy": { "PolicySummary": summary(asked, policy), "Content": policy.content } })
}

fn is_control_type(asked: &Asked<'_>, name: &str) -> Result<(), ApiError> {
    match asked.text(name)? {
        "SERVICE_CONTROL_POLICY" => Ok(()),
        _ => Err(error(
            "PolicyTypeNotAvailableForOrganizationException",
            "Only service control policies are built.",
        )),
    }
}

fn policy<'a>(asked: &'a Asked<'_>) -> Result<&'a ControlPolicy, ApiError> {
    asked.managed()?;
    let id = asked.text("PolicyId")?;
    asked
        .state
        .tree
        .policies
        .get(id)
        .ok_or_else(|| error("PolicyNotFoundException", "We can't find a policy with that id."))
}

/// One of the organization's own, which may be changed.
fn own_policy<'a>(asked: &'a Asked<'_>) -> Result<&'a ControlPolicy, ApiError> {
    policy(asked).and_then(|found| match found.id == FULL_ACCESS_ID {
        true => Err(error(
            "PolicyChangesInProgressException",
            "AWS's own policy is not changed.",
        )),
        false => Ok(found),
    })
}

fn content(text: &str) -> Result<String, ApiError> {
    if text.chars().count() > CHARS_MAX {
        return Err(error(
            "ConstraintViolationException",
            format!("A service control policy has at most {CHARS_MAX} characters."),
        ));
    }
    match Policy::parse(text, PolicyKind::ServiceControl) {
        Ok(_) => Ok(text.to_owned()),
        Err(wrong) => Err(error("MalformedPolicyDocumentException", wrong.message)),
    }
}

fn free_name(asked: &Asked<'_>, name: &str, own: &str) -> Result<String, ApiError> {
    let mut others = asked
        .state
        .tree
        .policies
        .values()
        .filter(|policy| policy.id != own);
    if others.any(|policy| policy.name == name) {
        return Err(error(
            "DuplicatePolicyException",
            "A policy with the same name already exists.",
        ));
    }
    if name.chars().count() > 128 {
        return Err(error("InvalidInputException", "Name is too long."));
    }
    Ok(name.to_owned())
}

pub(super) fn create(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    is_control_type(asked, "Type")?;
    if asked.state.tree.policies.len() >= POLICIES_MAX {
        return Err(error(
            "ConstraintViolationException",
            "There are too many policies.",
        ));
    }
    let made = ControlPolicy {
        id: format!("p-{}", random_hex(&*asked.env.entropy, 8)),
        name: free_name(asked, asked.text("Name")?, "")?,
        description: asked.input["Description"].as_str().unwrap_or_default().to_owned(),
        content: content(asked.text("Content")?)?,
        targets: vec![],
    };
    Ok((shown(asked, &made), vec![put(key("scp", &made.id), &made)]))
}

pub(super) fn update(asked: &Asked<'_>) -> Planned {
    let mut changed = own_policy(asked)?.clone();
    if let Some(name) = asked.input["Name"].as_str() {
        changed.name = free_name(asked, name, &changed.id)?;
    }
    if let Some(description) = asked.input["Description"].as_str() {
        description.clone_into(&mut changed.description);
    }
    if let Some(text) = asked.input["Content"].as_str() {
        changed.content = content(text)?;
    }
    Ok((
        shown(asked, &changed),
        vec![put(key("scp", &changed.id), &changed)],
    ))
}

pub(super) fn describe(asked: &Asked<'_>) -> Planned {
    read(shown(asked, policy(asked)?))
}

pub(super) fn delete(asked: &Asked<'_>) -> Planned {
    let gone = own_policy(asked)?;
    if !gone.targets.is_empty() {
        return Err(error(
            "PolicyInUseException",
            "The policy is attached to one or more entities.",
        ));
    }
    done(vec![Op::Delete(key("scp", &gone.id))])
}

pub(super) fn list(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    is_control_type(asked, "Filter")?;
    let all = asked.state.tree.policies.values();
    let all: Vec<_> = all.map(|policy| summary(asked, policy)).collect();
    read(json!({ "Policies": all }))
}

/// The root, a unit or an account.
fn target<'a>(asked: &'a Asked<'_>) -> Result<&'a str, ApiError> {
    let organization = asked.managed()?;
    let id = asked.text("TargetId")?;
    let tree = &asked.state.tree;
    let is_account = id
        .parse()
        .is_ok_and(|account| tree.members.contains_key(&account));
    if is_account || organization.root == id || tree.units.contains_key(id) {
        return Ok(id);
    }
    Err(error(
        "TargetNotFoundException",
        "We can't find a root, OU, or account with that id.",
    ))
}

fn attached<'a>(asked: &'a Asked<'_>, target: &'a str) -> impl Iterator<Item = &'a ControlPolicy> {
    let policies = asked.state.tree.policies.values();
    policies.filter(move |policy| policy.targets.iter().any(|one| one == target))
}

pub(super) fn list_for_target(asked: &Asked<'_>) -> Planned {
    is_control_type(asked, "Filter")?;
    let all = attached(asked, target(asked)?);
    let all: Vec<_> = all.map(|policy| summary(asked, policy)).collect();
    read(json!({ "Policies": all }))
}

pub(super) fn targets(asked: &Asked<'_>) -> Planned {
    let found = policy(asked)?;
    let tree = &asked.state.tree;
    let shown = found.targets.iter().map(|id| {
        let account = id.parse().ok().and_then(|account| tree.members.get(&account));
        let (kind, name, arn) = match (account, tree.units.get(id)) {
            (Some(member), _) => (
                "ACCOUNT",
                member.name.as_str(),
                asked.arn("account", &format!("/{id}")),
            ),
            (None, Some(unit)) => (
                "ORGANIZATIONAL_UNIT",
                unit.name.as_str(),
                asked.arn("ou", &format!("/{id}")),
            ),
            (None, None) => ("ROOT", "Root", asked.arn("root", &format!("/{id}"))),
        };
        json!({ "TargetId": id, "Arn": arn, "Name": name, "Type": kind })
    });
    read(json!({ "Targets": shown.collect::<Vec<_>>() }))
}

pub(super) fn attach(asked: &Asked<'_>) -> Planned {
    let mut changed = policy(asked)?.clone();
    let to = target(asked)?;
    if changed.targets.iter().any(|one| one == to) {
        return Err(error(
            "DuplicatePolicyAttachmentException",
            "The selected policy is already attached to the specified target.",
        ));
    }
    if attached(asked, to).count() >= ATTACHED_MAX {
        return Err(error(
            "ConstraintViolationException",
            format!("At most {ATTACHED_MAX} policies may be attached to one target."),
        ));
    }
    changed.targets.push(to.to_owned());
    done(vec![put(key("scp", &changed.id), &changed)])
}

pub(super) fn detach(asked: &Asked<'_>) -> Planned {
    let mut changed = policy(asked)?.clone();
    let from = target(asked)?;
    if !changed.targets.iter().any(|one| one == from) {
        return Err(error(
            "PolicyNotAttachedException",
            "The policy isn't attached to the specified target.",
        ));
    }
    if attached(asked, from).count() == 1 {
        return Err(error(
            "ConstraintViolationException",
            "You cannot remove the last policy attached to the specified target: it would be denied everything.",
        ));
    }
    changed.targets.retain(|one| one != from);
    done(vec![put(key("scp", &changed.id), &changed)])
}
