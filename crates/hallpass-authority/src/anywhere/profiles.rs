//! Profiles: which roles certificates may be exchanged for, and what narrows the sessions.

use super::thing::{self, Thing, answer, changed, found, kept, new_head, rename};
use super::{Asked, Planned, invalid};
use crate::ApiError;
use crate::account::AccountState;
use crate::entity::{AnywhereProfile, Head};
use hallpass_policy::{Policy, PolicyKind};
use hallpass_types::Arn;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const SECONDS_DEFAULT: i64 = 3_600;
const ROLES_MAX: usize = 250;
/// Of `AssumeRole`, which is what a profile's session comes to.
const SESSION_POLICY_CHARS_MAX: usize = 2_048;
const MANAGED_POLICIES_MAX: usize = 10;

impl Thing for AnywhereProfile {
    const KIND: &'static str = "anywhere-profile";
    const RESOURCE: &'static str = "profile";
    const MEMBERS: (&'static str, &'static str) = ("profile", "profiles");
    const COUNT_MAX: usize = 250;

    fn all(account: &AccountState) -> &BTreeMap<String, Arc<Self>> {
        &account.anywhere.profiles
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn json(&self, asked: &Asked<'_>) -> Value {
        let mut told = thing::head_json(asked, self);
        told["roleArns"] = json!(self.roles);
        told["managedPolicyArns"] = json!(self.managed_policies);
        told["durationSeconds"] = json!(self.duration_seconds);
        told["requireInstanceProperties"] = json!(self.requires_instance_properties);
        told["acceptRoleSessionName"] = json!(self.accepts_session_name);
        told["createdBy"] = json!(self.created_by);
        if let Some(policy) = &self.session_policy {
            told["sessionPolicy"] = json!(policy);
        }
        told["attributeMappings"] = json!([
            { "certificateField": "x509Issuer", "mappingRules": [{ "specifier": "*" }] },
            { "certificateField": "x509SAN", "mappingRules": [
                { "specifier": "DNS" }, { "specifier": "URI" }, { "specifier": "Name/*" },
            ] },
            { "certificateField": "x509Subject", "mappingRules": [{ "specifier": "*" }] },
        ]);
        told
    }
}

/// Takes over what the request gives.
fn fill(asked: &Asked<'_>, profile: &mut AnywhereProfile) -> Result<(), ApiError> {
    if let Some(roles) = asked.texts("roleArns", ROLES_MAX)? {
        let is_ours = |arn: &String| {
            let parsed: Result<Arn, _> = arn.parse();
            parsed.is_ok_and(|arn| {
                let account = asked.account.id();
                arn.service == "iam" && arn.account == account.as_str() && arn.resource.starts_with("role/")
            })
        };
        if !roles.iter().all(is_ours) {
            return Err(invalid("roleArns must be ARNs of roles of this account."));
        }
        profile.roles = roles;
    }
    if let Some(arns) = asked.texts("managedPolicyArns", MANAGED_POLICIES_MAX)? {
        if let Some(unknown) = arns
            .iter()
            .find(|arn| asked.account.managed_policy(arn).is_none())
        {
            return Err(invalid(format!("There is no policy {unknown}.")));
        }
        profile.managed_policies = arns;
    }
    if let Some(policy) = asked.text("sessionPolicy")? {
        if policy.chars().count() > SESSION_POLICY_CHARS_MAX {
            return Err(invalid(format!(
                "sessionPolicy has at most {SESSION_POLICY_CHARS_MAX} characters."
            )));
        }
        Policy::parse(policy, PolicyKind::Session).map_err(|error| invalid(error.message))?;
        profile.session_policy = Some(policy.to_owned());
    }
    if let Some(seconds) = asked.number("durationSeconds")? {
        if !(900..=43_200).contains(&seconds) {
            return Err(invalid("durationSeconds must be from 900 to 43200."));
        }
        profile.duration_seconds = seconds;
    }
    if let Some(accepts) = asked.truth("acceptRoleSessionName")? {
        profile.accepts_session_name = accepts;
    }
    Ok(())
}

pub(super) fn create(asked: &Asked<'_>) -> Planned {
    if asked.input["roleArns"].is_null() {
        return Err(invalid("roleArns must be given."));
    }
    let mut made = AnywhereProfile {
        head: new_head::<AnywhereProfile>(asked)?,
        roles: vec![],
        session_policy: None,
        managed_policies: vec![],
        duration_seconds: SECONDS_DEFAULT,
        requires_instance_properties: asked.truth("requireInstanceProperties")?.unwrap_or(false),
        accepts_session_name: false,
        created_by: asked.caller.principal.arn.clone(),
    };
    fill(asked, &mut made)?;
    Ok(((201, answer(asked, &made)), vec![kept(asked, &made)]))
}

pub(super) fn update(asked: &Asked<'_>) -> Planned {
    let mut profile = AnywhereProfile::clone(found::<AnywhereProfile>(asked)?);
    rename(asked, &mut profile.head)?;
    fill(asked, &mut profile)?;
    changed(asked, profile)
}
