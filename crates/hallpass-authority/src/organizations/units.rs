//! The root and the units.

use super::{Asked, Planned, done, error, key, read};
use crate::ApiError;
use crate::entity::Unit;
use crate::state::put;
use crate::tree::DEPTH_MAX;
use hallpass_session::random_hex;
use hallpass_store::Op;
use serde_json::{Value, json};

const UNITS_MAX: usize = 2_000;
const NAME_CHARS_MAX: usize = 128;

fn root_json(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let root = &asked.managed()?.root;
    Ok(json!({
        "Id": root,
        "Arn": asked.arn("root", &format!("/{root}")),
        "Name": "Root",
        "PolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }],
    }))
}

pub(super) fn roots(asked: &Asked<'_>) -> Planned {
    read(json!({ "Roots": [root_json(asked)?] }))
}

/// The type is on from the start.
pub(super) fn enable(asked: &Asked<'_>) -> Planned {
    if asked.text("PolicyType")? != "SERVICE_CONTROL_POLICY" {
        return Err(error(
            "PolicyTypeNotAvailableForOrganizationException",
            "Only service control policies are built.",
        ));
    }
    read(json!({ "Root": root_json(asked)? }))
}

fn unit_json(asked: &Asked<'_>, unit: &Unit) -> Value {
    json!({ "Id": unit.id, "Arn": asked.arn("ou", &format!("/{}", unit.id)), "Name": unit.name })
}

fn unit<'a>(asked: &'a Asked<'_>) -> Result<&'a Unit, ApiError> {
    asked.managed()?;
    let id = asked.text("OrganizationalUnitId")?;
    asked.state.tree.units.get(id).ok_or_else(|| {
        error(
            "OrganizationalUnitNotFoundException",
            "We can't find an OU with that id.",
        )
    })
}

fn name<'a>(asked: &'a Asked<'_>, parent: &str) -> Result<&'a str, ApiError> {
    let name = asked.text("Name")?;
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(error("InvalidInputException", "Name is too long."));
    }
    let units = asked.state.tree.units.values();
    let mut siblings = units.filter(|unit| unit.parent == parent);
    if siblings.any(|unit| unit.name == name) {
        return Err(error(
            "DuplicateOrganizationalUnitException",
            "An OU with the same name already exists.",
        ));
    }
    Ok(name)
}

pub(super) fn create(asked: &Asked<'_>) -> Planned {
    let organization = asked.managed()?;
    let parent = asked.parent("ParentId")?;
    let tree = &asked.state.tree;
    if tree.units.len() >= UNITS_MAX || tree.depth(parent) >= DEPTH_MAX {
        return Err(error(
            "ConstraintViolationException",
            "There are too many OUs, or too many levels of them.",
        ));
    }
    let root = organization.root.trim_start_matches("r-");
    let made = Unit {
        id: format!("ou-{root}-{}", random_hex(&*asked.env.entropy, 8)),
        name: name(asked, parent)?.to_owned(),
        parent: parent.to_owned(),
    };
    let mut ops = vec![put(key("ou", &made.id), &made)];
    ops.extend(super::policies::attached_to_new(asked, &made.id));
    Ok((json!({ "OrganizationalUnit": unit_json(asked, &made) }), ops))
}

pub(super) fn update(asked: &Asked<'_>) -> Planned {
    let mut renamed = unit(asked)?.clone();
    renamed.name = name(asked, &renamed.parent)?.to_owned();
    let answer = json!({ "OrganizationalUnit": unit_json(asked, &renamed) });
    Ok((answer, vec![put(key("ou", &renamed.id), &renamed)]))
}

pub(super) fn describe(asked: &Asked<'_>) -> Planned {
    read(json!({ "OrganizationalUnit": unit_json(asked, unit(asked)?) }))
}

pub(super) fn delete(asked: &Asked<'_>) -> Planned {
    let gone = unit(asked)?;
    let tree = &asked.state.tree;
    let is_empty = tree.units.values().all(|unit| unit.parent != gone.id)
        && tree.members.values().all(|member| member.parent != gone.id);
    if !is_empty {
        return Err(error(
            "OrganizationalUnitNotEmptyException",
            "The specified OU is not empty.",
        ));
    }
    let mut ops = vec![Op::Delete(key("ou", &gone.id))];
    for policy in tree
        .policies
        .values()
        .filter(|policy| policy.targets.contains(&gone.id))
    {
        let mut without = policy.clone();
        without.targets.retain(|target| *target != gone.id);
        ops.push(put(key("scp", &without.id), &without));
    }
    done(ops)
}

pub(super) fn list(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let parent = asked.parent("ParentId")?;
    let units = asked.state.tree.units.values();
    let units: Vec<_> = units
        .filter(|unit| unit.parent == parent)
        .map(|unit| unit_json(asked, unit))
        .collect();
    read(json!({ "OrganizationalUnits": units }))
}

pub(super) fn parents(asked: &Asked<'_>) -> Planned {
    let organization = asked.managed()?;
    let child = asked.text("ChildId")?;
    let tree = &asked.state.tree;
    let of_account = child.parse().ok().and_then(|account| tree.members.get(&account));
    let parent = of_account
        .map(|member| &member.parent)
        .or_else(|| tree.units.get(child).map(|unit| &unit.parent))
        .ok_or_else(|| {
            error(
                "ChildNotFoundException",
                "We can't find an OU or account with that id.",
            )
        })?;
    let kind = if *parent == organization.root {
        "ROOT"
    } else {
        "ORGANIZATIONAL_UNIT"
    };
    read(json!({ "Parents": [{ "Id": parent, "Type": kind }] }))
}

pub(super) fn children(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let parent = asked.parent("ParentId")?;
    let tree = &asked.state.tree;
    let children: Vec<_> = match asked.text("ChildType")? {
        "ACCOUNT" => {
            let members = tree.members.values().filter(|member| member.parent == parent);
            members
                .map(|member| json!({ "Id": member.account.as_str(), "Type": "ACCOUNT" }))
                .collect()
        }
        "ORGANIZATIONAL_UNIT" => {
            let units = tree.units.values().filter(|unit| unit.parent == parent);
            units
                .map(|unit| json!({ "Id": unit.id, "Type": "ORGANIZATIONAL_UNIT" }))
                .collect()
        }
        _ => {
            return Err(error(
                "InvalidInputException",
                "ChildType is ACCOUNT or ORGANIZATIONAL_UNIT.",
            ));
        }
    };
    read(json!({ "Children": children }))
}
