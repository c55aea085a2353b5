//! Reads the answer to `GetAccountAuthorizationDetails` in the JSON form of AWS's own client.
//!
//! Source: IAM API reference, `GetAccountAuthorizationDetails`; AWS CLI reference, `iam
//! get-account-authorization-details`. The client prints documents as objects; other tools keep them as strings,
//! percent-encoded as the API sends them.

use super::{Account, Document, Entity, EntityKind, Group};
use hallpass_types::AccountId;
use hallpass_wire::percent_decode;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details<'a> {
    #[serde(borrow, default)]
    user_detail_list: Vec<User<'a>>,
    #[serde(borrow, default)]
    group_detail_list: Vec<GroupDetail<'a>>,
    #[serde(borrow, default)]
    role_detail_list: Vec<Role<'a>>,
    #[serde(borrow, default)]
    policies: Vec<Managed<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User<'a> {
    user_name: String,
    arn: String,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    group_list: Vec<String>,
    #[serde(borrow, default)]
    user_policy_list: Vec<Inline<'a>>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
    permissions_boundary: Option<Boundary>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupDetail<'a> {
    group_name: String,
    #[serde(borrow, default)]
    group_policy_list: Vec<Inline<'a>>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Role<'a> {
    role_name: String,
    arn: String,
    #[serde(default)]
    role_id: String,
    #[serde(borrow)]
    assume_role_policy_document: Option<&'a RawValue>,
    #[serde(borrow, default)]
    role_policy_list: Vec<Inline<'a>>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
    permissions_boundary: Option<Boundary>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline<'a> {
    policy_name: String,
    #[serde(borrow)]
    policy_document: &'a RawValue,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary {
    permissions_boundary_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Managed<'a> {
    policy_name: String,
    arn: String,
    #[serde(borrow, default)]
    policy_version_list: Vec<PolicyVersion<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyVersion<'a> {
    #[serde(borrow)]
    document: &'a RawValue,
    is_default_version: bool,
}

/// Why a file is no account.
#[derive(Debug, thiserror::Error)]
pub(in crate::policy) enum DetailsError {
    #[error("it is not the answer to GetAccountAuthorizationDetails: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0} is neither a JSON object nor text that holds one")]
    Document(String),
    #[error("it names neither a user nor a role, so that the account is not known")]
    Empty,
    #[error("`{0}` is not the ARN of a user or role")]
    Arn(String),
}

/// Reads the pages of one answer, in order.
pub(super) fn parse<'a>(pages: impl IntoIterator<Item = &'a str>) -> Result<Account, DetailsError> {
    let mut entities = Vec::new();
    let mut groups = BTreeMap::new();
    let mut managed = BTreeMap::new();
    for page in pages {
        let details: Details<'_> = serde_json::from_str(page)?;
        for user in details.user_detail_list {
            entities.push(user.entity()?);
        }
        for role in details.role_detail_list {
            entities.push(role.entity()?);
        }
        for group in details.group_detail_list {
            let known = Group {
                inline: inline(&format!("group/{}", group.group_name), group.group_policy_list)?,
                attached: arns(group.attached_managed_policies),
            };
            groups.insert(group.group_name, known);
        }
        for policy in details.policies {
            let name = format!("managed policy {}", policy.policy_name);
            let mut versions = policy.policy_version_list.iter();
            if let Some(version) = versions.find(|version| version.is_default_version) {
                managed.insert(policy.arn, document(name, version.document)?);
            }
        }
    }
    entities.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let first = entities.first().ok_or(DetailsError::Empty)?;
    Ok(Account {
        id: account_of(&first.arn)?,
        entities,
        groups,
        managed,
        keys: Vec::new(),
    })
}

/// One page, for tests of what is done with accounts.
#[cfg(test)]
pub(in crate::policy) fn parse_one(text: &str) -> Result<Account, DetailsError> {
    parse([text])
}

fn account_of(arn: &str) -> Result<AccountId, DetailsError> {
    let account = arn.split(':').nth(4).and_then(|account| account.parse().ok());
    account.ok_or_else(|| DetailsError::Arn(arn.to_owned()))
}

impl User<'_> {
    fn entity(self) -> Result<Entity, DetailsError> {
        account_of(&self.arn)?;
        let shown = format!("user/{}", self.user_name);
        Ok(Entity {
            kind: EntityKind::User,
            inline: inline(&shown, self.user_policy_list)?,
            name: self.user_name,
            arn: self.arn,
            id: self.user_id,
            tags: tags(self.tags),
            attached: arns(self.attached_managed_policies),
            groups: self.group_list,
            boundary: self
                .permissions_boundary
                .map(|boundary| boundary.permissions_boundary_arn),
            trust: None,
        })
    }
}

impl Role<'_> {
    fn entity(self) -> Result<Entity, DetailsError> {
        account_of(&self.arn)?;
        let shown = format!("role/{}", self.role_name);
        let trust = self.assume_role_policy_document;
        let trust = trust
            .map(|raw| document(format!("{shown} trust policy"), raw))
            .transpose()?;
        Ok(Entity {
            kind: EntityKind::Role,
            inline: inline(&shown, self.role_policy_list)?,
            name: self.role_name,
            arn: self.arn,
            id: self.role_id,
            tags: tags(self.tags),
            attached: arns(self.attached_managed_policies),
            groups: Vec::new(),
            boundary: self
                .permissions_boundary
                .map(|boundary| boundary.permissions_boundary_arn),
            trust,
        })
    }
}

fn tags(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn arns(attached: Vec<Attached>) -> Vec<String> {
    attached.into_iter().map(|policy| policy.policy_arn).collect()
}

fn inline(holder: &str, list: Vec<Inline<'_>>) -> Result<Vec<Document>, DetailsError> {
    let list = list.into_iter();
    list.map(|policy| {
        document(
            format!("{holder} inline {}", policy.policy_name),
            policy.policy_document,
        )
    })
    .collect()
}

/// A document that is an object, or a string that holds one, percent-encoded or not.
fn document(name: String, raw: &RawValue) -> Result<Document, DetailsError> {
    let text = match raw.get().as_bytes().first() {
        Some(b'{') => Some(raw.get().to_owned()),
        Some(b'"') => {
            let text: String = serde_json::from_str(raw.get())?;
            if text.trim_start().starts_with('{') {
                Some(text)
            } else {
                percent_decode(&text)
            }
        }
        _ => None,
    };
    match text {
        Some(text) => Ok(Document { name, text }),
        None => Err(DetailsError::Document(name)),
    }
}

#[cfg(test)]
mod tests;
