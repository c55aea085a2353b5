//! Security Token Service. Lifetimes: IAM User Guide, "Requesting temporary security credentials".

mod assume_role;
mod decode;
mod federated;
mod federation_token;
mod outbound;
mod saml;
mod session_token;
mod shaping;
mod web_identity;

use crate::ApiError;
use crate::account::CompiledRole;
use crate::call::{Action, Ctx, Outcome, Requirement, Service};
use hallpass_access::ActionOn;
use hallpass_session::SessionClaims;
use hallpass_types::{AccessKeyId, AccountId, Arn};
use hallpass_wire::XmlWriter;
use std::sync::Arc;

pub(crate) const ACTIONS: &[Action] = &[
    Action {
        service: Service::Sts,
        name: "GetCallerIdentity",
        // "No permissions are required", and an explicit deny changes nothing.
        requirement: |_| Ok(Requirement::Nothing("STS API reference, GetCallerIdentity")),
        run: get_caller_identity,
    },
    Action {
        service: Service::Sts,
        name: "AssumeRole",
        requirement: assume_role::requirement,
        run: assume_role::run,
    },
    Action {
        service: Service::Sts,
        name: "GetSessionToken",
        requirement: |_| {
            Ok(Requirement::Nothing(
                "STS API reference, GetSessionToken: no permissions are required",
            ))
        },
        run: session_token::run,
    },
    Action {
        service: Service::Sts,
        name: "GetFederationToken",
        requirement: federation_token::requirement,
        run: federation_token::run,
    },
    Action {
        service: Service::Sts,
        name: "AssumeRoleWithWebIdentity",
        requirement: web_identity::requirement,
        run: web_identity::run,
    },
    Action {
        service: Service::Sts,
        name: "AssumeRoleWithSAML",
        requirement: saml::requirement,
        run: saml::run,
    },
    Action {
        service: Service::Sts,
        name: "GetWebIdentityToken",
        requirement: outbound::requirement,
        run: outbound::run,
    },
    Action {
        service: Service::Sts,
        name: "DecodeAuthorizationMessage",
        requirement: |_| {
            Ok(Requirement::Actions(vec![ActionOn::new(
                "sts:DecodeAuthorizationMessage",
                "*",
            )]))
        },
        run: decode::run,
    },
    // Without an organization there is no account whose root could be assumed, and nobody hands out tokens to trade in.
    Action {
        service: Service::Sts,
        name: "AssumeRoot",
        requirement: nobody_may,
        run: |_| Outcome::wrote(vec![]),
    },
    Action {
        service: Service::Sts,
        name: "GetDelegatedAccessToken",
        requirement: nobody_may,
        run: |_| Outcome::wrote(vec![]),
    },
    Action {
        service: Service::Sts,
        name: "GetAccessKeyInfo",
        requirement: |_| {
            Ok(Requirement::Actions(vec![ActionOn::new(
                "sts:GetAccessKeyInfo",
                "*",
            )]))
        },
        run: get_access_key_info,
    },
];

/// AWS's answer to who may not, which here is everybody.
fn nobody_may(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let (arn, action) = (&ctx.call.caller.principal.arn, ctx.call.iam_action());
    Err(ApiError::new(
        "AccessDenied",
        403,
        format!("User: {arn} is not authorized to perform: {action}"),
    ))
}

fn get_caller_identity(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let caller = &ctx.call.caller;
    let mut xml = XmlWriter::new();
    xml.text("Arn", &caller.principal.arn)
        .text("UserId", &caller.user_id)
        .text("Account", caller.account.as_str());
    Outcome::read(xml)
}

fn get_access_key_info(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let id: AccessKeyId = ctx
        .required("AccessKeyId")?
        .parse()
        .map_err(|_| ApiError::validation("The access key id is not valid."))?;
    let account = id
        .account()
        .ok_or_else(|| ApiError::validation("The access key id names no account."))?;
    let mut xml = XmlWriter::new();
    xml.text("Account", account.as_str());
    Outcome::read(xml)
}

/// The role a call names, with its account; `None` when there is none, which the caller must not be able to tell
/// from a role that does not trust it.
fn named_role(ctx: &Ctx<'_>) -> Result<(Arn, AccountId, Option<Arc<CompiledRole>>), ApiError> {
    let text = ctx.required("RoleArn")?;
    let invalid = || ApiError::validation(format!("{text} is invalid"));
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    let account: AccountId = arn.account.parse().map_err(|_| invalid())?;
    let path_and_name = arn
        .resource
        .strip_prefix("role")
        .filter(|rest| rest.starts_with('/'))
        .ok_or_else(invalid)?;
    let name = path_and_name.rsplit('/').next().unwrap_or_default();
    let role = ctx
        .state
        .account(account)
        .and_then(|state| state.role(name))
        .filter(|role| format!("{}{}", role.role.path, role.role.name) == path_and_name)
        .cloned();
    Ok((arn, account, role))
}

fn credentials_xml(xml: &mut XmlWriter, claims: &SessionClaims, token: &str) {
    xml.element("Credentials", |xml| {
        xml.text("AccessKeyId", claims.access_key_id.as_str())
            .text("SecretAccessKey", claims.secret.expose())
            .text("SessionToken", token)
            .text("Expiration", claims.expires_at.iso8601());
    });
}
