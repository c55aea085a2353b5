//! The organization itself, and its accounts.

use super::policies::{FULL_ACCESS, FULL_ACCESS_ID};
use super::{Asked, Planned, done, error, key, read};
use crate::ApiError;
use crate::entity::{Account, ControlPolicy, Membership, Organization, Permissions, Role};
use crate::principals::PrincipalIds;
use crate::state::{key as entity_key, put};
use hallpass_session::{IdKind, random_hex, unique_id};
use hallpass_types::AccountId;
use serde_json::{Value, json};

const ACCOUNTS_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 50;
const EMAIL_CHARS: std::ops::RangeInclusive<usize> = 6..=64;
/// Made in each new account; the management account may assume it.
const ACCESS_ROLE: &str = "OrganizationAccountAccessRole";

pub(super) fn create_organization(asked: &Asked<'_>) -> Planned {
    if asked.state.tree.organization.is_some() {
        return Err(error(
            "AlreadyInOrganizationException",
            "The AWS account is already a member of an organization.",
        ));
    }
    let entropy = &*asked.env.entropy;
    let organization = Organization {
        id: format!("o-{}", random_hex(entropy, 10)),
        root: format!("r-{}", random_hex(entropy, 4)),
        management: asked.caller,
        created: asked.now,
    };
    let member = Membership {
        account: asked.caller,
        name: "management".to_owned(),
        email: "management@localhost".to_owned(),
        parent: organization.root.clone(),
        joined: asked.now,
        request: String::new(),
    };
    let full = ControlPolicy {
        id: FULL_ACCESS_ID.to_owned(),
        name: "FullAWSAccess".to_owned(),
        description: "Allows access to every operation".to_owned(),
        content: FULL_ACCESS.to_owned(),
        targets: vec![organization.root.clone(), asked.caller.to_string()],
    };
    let answer = json!({ "Organization": shown(&organization) });
    let ops = vec![
        put(key("org", ""), &organization),
        put(key("member", asked.caller.as_str()), &member),
        put(key("scp", FULL_ACCESS_ID), &full),
    ];
    Ok((answer, ops))
}

fn shown(organization: &Organization) -> Value {
    let Organization { id, management, .. } = organization;
    json!({
        "Id": id,
        "Arn": format!("arn:aws:organizations::{management}:organization/{id}"),
        "FeatureSet": "ALL",
        "MasterAccountArn": format!("arn:aws:organizations::{management}:account/{id}/{management}"),
        "MasterAccountId": management.as_str(),
        "MasterAccountEmail": "management@localhost",
        "AvailablePolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }],
    })
}

pub(super) fn describe_organization(asked: &Asked<'_>) -> Planned {
    read(json!({ "Organization": shown(asked.organization()?) }))
}

fn account_json(asked: &Asked<'_>, member: &Membership) -> Value {
    let is_management = member.request.is_empty();
    json!({
        "Id": member.account.as_str(),
        "Arn": asked.arn("account", &format!("/{}", member.account)),
        "Email": member.email,
        "Name": member.name,
        "Status": "ACTIVE",
        "State": "ACTIVE",
        "JoinedMethod": if is_management { "INVITED" } else { "CREATED" },
        "JoinedTimestamp": member.joined.0,
    })
}

fn creation_json(member: &Membership) -> Value {
    json!({
        "Id": member.request,
        "AccountName": member.name,
        "State": "SUCCEEDED",
        "RequestedTimestamp": member.joined.0,
        "CompletedTimestamp": member.joined.0,
        "AccountId": member.account.as_str(),
    })
}

/// The account, its place, and a role in it that the management account may assume: all of it, or none.
pub(super) fn create(asked: &Asked<'_>) -> Planned {
    let organization = asked.managed()?;
    let (name, email) = (asked.text("AccountName")?, asked.text("Email")?);
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(error("InvalidInputException", "AccountName is too long."));
    }
    if !EMAIL_CHARS.contains(&email.len()) || !email.contains('@') {
        return Err(error("InvalidInputException", "Email is not an address."));
    }
    let tree = &asked.state.tree;
    if tree.members.values().any(|member| member.email == email) {
        return Err(error(
            "FinalizingOrganizationException",
            "An account with that email address is there already.",
        ));
    }
    if tree.members.len() >= ACCOUNTS_MAX {
        return Err(error(
            "ConstraintViolationException",
            "You have exceeded the allowed number of AWS accounts.",
        ));
    }
    let entropy = &*asked.env.entropy;
    let account = fresh_account(asked)?;
    let member = Membership {
        account,
        name: name.to_owned(),
        email: email.to_owned(),
        parent: organization.root.clone(),
        joined: asked.now,
        request: format!("car-{}", random_hex(entropy, 32)),
    };
    let management = organization.management;
    let role_name = asked.input["RoleName"].as_str().unwrap_or(ACCESS_ROLE);
    crate::names::name("RoleName", role_name, crate::names::NAME_CHARS_MAX)
        .map_err(|error| super::error("InvalidInputException", error.message))?;
    let role = Role {
        name: role_name.to_owned(),
        path: "/".to_owned(),
        id: unique_id(IdKind::Role, entropy),
        trust: format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{management}:root"}},"Action":"sts:AssumeRole"}}]}}"#
        ),
        description: None,
        max_session_seconds: 3_600,
        created: asked.now,
        permissions: Permissions {
            attached: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Permissions::default()
        },
        trusted_ids: PrincipalIds::new(),
        revoked_before: None,
    };
    let mut ops = vec![
        put(
            entity_key(account, "account", ""),
            &Account {
                id: account,
                created: asked.now,
            },
        ),
        put(entity_key(account, "role", &role.name), &role),
        put(key("member", account.as_str()), &member),
    ];
    ops.extend(super::policies::attached_to_new(asked, account.as_str()));
    Ok((json!({ "CreateAccountStatus": creation_json(&member) }), ops))
}

fn fresh_account(asked: &Asked<'_>) -> Result<AccountId, ApiError> {
    let mut random = [0u8; 8];
    asked.env.entropy.fill(&mut random);
    // Twelve digits, the first not zero, as AWS hands them out.
    let number = 100_000_000_000 + u64::from_be_bytes(random) % 900_000_000_000;
    let account = AccountId::from_number(number)
        .map_err(|error| super::error("ServiceException", error.to_string()))?;
    match asked.state.account(account) {
        None => Ok(account),
        Some(_) => fresh_account(asked),
    }
}

pub(super) fn creation(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let id = asked.text("CreateAccountRequestId")?;
    let members = asked.state.tree.members.values();
    let found = members.into_iter().find(|member| member.request == id);
    let found = found.ok_or_else(|| {
        error(
            "CreateAccountStatusNotFoundException",
            "We can't find a create account request with that id.",
        )
    })?;
    read(json!({ "CreateAccountStatus": creation_json(found) }))
}

pub(super) fn creations(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let made = asked.state.tree.members.values();
    let made: Vec<_> = made
        .filter(|member| !member.request.is_empty())
        .map(creation_json)
        .collect();
    read(json!({ "CreateAccountStatuses": made }))
}

fn member<'a>(asked: &'a Asked<'_>) -> Result<&'a Membership, ApiError> {
    let id = asked.text("AccountId")?;
    let account: Option<AccountId> = id.parse().ok();
    account
        .and_then(|account| asked.state.tree.members.get(&account))
        .ok_or_else(|| {
            error(
                "AccountNotFoundException",
                "We can't find an account with that id.",
            )
        })
}

pub(super) fn describe(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    read(json!({ "Account": account_json(asked, member(asked)?) }))
}

pub(super) fn list(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let all = asked.state.tree.members.values();
    let all: Vec<_> = all.map(|member| account_json(asked, member)).collect();
    read(json!({ "Accounts": all }))
}

pub(super) fn list_for_parent(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let parent = asked.parent("ParentId")?;
    let all = asked.state.tree.members.values();
    let all: Vec<_> = all
        .filter(|member| member.parent == parent)
        .map(|member| account_json(asked, member))
        .collect();
    read(json!({ "Accounts": all }))
}

pub(super) fn move_account(asked: &Asked<'_>) -> Planned {
    asked.managed()?;
    let mut moved = member(asked)?.clone();
    if moved.parent != asked.text("SourceParentId")? {
        return Err(error(
            "SourceParentNotFoundException",
            "We can't find that account in the source root or OU.",
        ));
    }
    let to = asked.parent("DestinationParentId").map_err(|_| {
        error(
            "DestinationParentNotFoundException",
            "We can't find the destination container (a root or OU).",
        )
    })?;
    moved.parent = to.to_owned();
    done(vec![put(key("member", moved.account.as_str()), &moved)])
}
