//! Security Token Service. Lifetimes: IAM User Guide, "Requesting temporary security credentials".

use crate::account::CompiledRole;
use crate::call::{Action, Ctx, Outcome, Requirement, Service, with_request_tags};
use crate::sessions::{new_claims, role_claims, seal};
use crate::{ApiError, iam, names};
use hallpass_access::{ActionOn, CallerKind};
use hallpass_policy::{Policy, PolicyKind};
use hallpass_session::{SessionClaims, SessionPrincipal, Tag};
use hallpass_store::Op;
use hallpass_types::{AccessKeyId, AccountId, Arn};
use hallpass_wire::XmlWriter;
use std::sync::Arc;

const SESSION_SECONDS_MIN: i64 = 900;
const ASSUME_SECONDS_DEFAULT: i64 = 3_600;
/// Roles assumed by a role's session live no longer.
const CHAINED_SECONDS_MAX: i64 = 3_600;
const TOKEN_SECONDS_DEFAULT: i64 = 43_200;
const TOKEN_SECONDS_MAX: i64 = 129_600;
const ROOT_TOKEN_SECONDS_MAX: i64 = 3_600;
const SESSION_POLICY_CHARS_MAX: usize = 2_048;
const SESSION_POLICY_ARNS_MAX: usize = 10;

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
        requirement: assume_role_requirement,
        run: assume_role,
    },
    Action {
        service: Service::Sts,
        name: "GetSessionToken",
        requirement: |_| {
            Ok(Requirement::Nothing(
                "STS API reference, GetSessionToken: no permissions are required",
            ))
        },
        run: get_session_token,
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

fn assume_role_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    if ctx.call.caller.kind == CallerKind::Root {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "Roles may not be assumed by root accounts.",
        ));
    }
    let (arn, account, role) = named_role(ctx)?;
    let session_name = ctx.required("RoleSessionName")?;
    let tags = names::tags(&ctx.call.params)?;
    let mut base = ActionOn::new("sts:AssumeRole", arn.to_string()).with("sts:RoleSessionName", session_name);
    base.resource_account = Some(account);
    if iam::is_given(ctx) {
        // Proved with this very call, so that a trust policy may demand it.
        iam::authenticate(ctx)?;
        base = base.with("aws:MultiFactorAuthPresent", "true");
        base = base.with("aws:MultiFactorAuthAge", "0");
    }
    if let Some(id) = ctx.param("ExternalId") {
        base = base.with("sts:ExternalId", id);
    }
    if let Some(identity) = ctx.param("SourceIdentity") {
        base = base.with("sts:SourceIdentity", identity);
    }
    if let Some(role) = &role {
        base = crate::call::with_resource_tags(base, &role.role.permissions.tags);
    }
    let mut actions = vec![with_request_tags(base.clone(), &tags)];
    if !tags.is_empty() {
        let mut tag = with_request_tags(base.clone(), &tags);
        tag.action = "sts:TagSession".to_owned();
        let keys = ctx
            .call
            .params
            .list("TransitiveTagKeys")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        actions.push(if keys.is_empty() {
            tag
        } else {
            tag.with_many("sts:TransitiveTagKeys", keys)
        });
    }
    if ctx.param("SourceIdentity").is_some() {
        actions.push(ActionOn {
            action: "sts:SetSourceIdentity".to_owned(),
            ..base
        });
    }
    Ok(Requirement::Trust(
        actions,
        role.and_then(|role| role.trust().cloned()),
    ))
}

fn assume_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (_, account, role) = named_role(ctx)?;
    let role =
        role.ok_or_else(|| ApiError::new("AccessDenied", 403, "Not authorized to perform sts:AssumeRole"))?;
    let session_name = names::name(
        "RoleSessionName",
        ctx.required("RoleSessionName")?,
        names::NAME_CHARS_MAX,
    )?;
    if session_name.len() < 2 {
        return Err(ApiError::validation(
            "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: \
             Member must have length greater than or equal to 2",
        ));
    }
    let seconds = ctx.integer("DurationSeconds")?.unwrap_or(ASSUME_SECONDS_DEFAULT);
    if !(SESSION_SECONDS_MIN..=43_200).contains(&seconds) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
             Member must have value between 900 and 43200"
        )));
    }
    let parent = ctx.call.caller.session.as_deref();
    let is_chained = parent.is_some_and(|parent| {
        // An instance's own session does not count as a link (IAM User Guide, "Role chaining").
        matches!(parent.principal, SessionPrincipal::AssumedRole { .. }) && parent.chain_depth >= 1
    });
    if is_chained && seconds > CHAINED_SECONDS_MAX {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    if seconds > role.role.max_session_seconds {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let mut claims = role_claims(ctx.env, account, &role, session_name, ctx.call.now, seconds);
    claims.chain_depth = parent.map_or(0, |parent| parent.chain_depth).saturating_add(1);
    claims.parent_access_key_id = ctx.call.caller.access_key_id.clone();
    claims.ancestors = parent.map_or_else(Vec::new, |parent| parent.lineage().skip(1).cloned().collect());
    claims.source_identity = source_identity(ctx, parent)?;
    // A chained session is as bound as the one it came from.
    claims.binding = parent.and_then(|parent| parent.binding.clone());
    claims.instance = parent.and_then(|parent| parent.instance.clone());
    let used_code = mfa(ctx, &mut claims)?;
    session_tags(ctx, parent, &mut claims)?;
    session_policies(ctx, account, &mut claims)?;
    let token = seal(ctx.env, &claims)?;

    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    xml.element("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", claims.user_id())
            .text("Arn", claims.arn());
    });
    xml.optional("SourceIdentity", claims.source_identity.as_deref());
    if !claims.session_policies.is_empty() || !claims.tags.is_empty() {
        let percent = token.expose().len() * 100 / hallpass_session::SESSION_TOKEN_BYTES_MAX;
        xml.text("PackedPolicySize", percent.to_string());
    }
    Ok(Outcome::made(xml, used_code)?
        .noting("assumedRole", claims.arn())
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("expiration", claims.expires_at.iso8601()))
}

/// The code a call brings makes its session one with MFA, and is remembered as used.
fn mfa(ctx: &Ctx<'_>, claims: &mut SessionClaims) -> Result<Vec<Op>, ApiError> {
    if !iam::is_given(ctx) {
        return Ok(vec![]);
    }
    let used = iam::authenticate(ctx)?;
    claims.mfa_at = Some(ctx.call.now);
    Ok(vec![used])
}

/// Set once, it cannot change down the chain.
fn source_identity(ctx: &Ctx<'_>, parent: Option<&SessionClaims>) -> Result<Option<String>, ApiError> {
    let inherited = parent.and_then(|parent| parent.source_identity.clone());
    let asked = ctx.param("SourceIdentity");
    if let Some(asked) = asked {
        names::name("SourceIdentity", asked, names::NAME_CHARS_MAX)?;
    }
    match (inherited, asked) {
        (Some(inherited), Some(asked)) if inherited != asked => Err(ApiError::new(
            "AccessDenied",
            403,
            "The source identity of a session cannot be changed by assuming another role.",
        )),
        (Some(inherited), _) => Ok(Some(inherited)),
        (None, asked) => Ok(asked.map(str::to_owned)),
    }
}

fn session_tags(
    ctx: &Ctx<'_>,
    parent: Option<&SessionClaims>,
    claims: &mut SessionClaims,
) -> Result<(), ApiError> {
    let invalid = |message: String| ApiError::new("InvalidParameterValue", 400, message);
    let asked = names::tags(&ctx.call.params)?;
    let transitive: Vec<String> = ctx
        .call
        .params
        .list("TransitiveTagKeys")
        .into_iter()
        .map(str::to_owned)
        .collect();
    for key in &transitive {
        if !asked.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
            return Err(invalid(format!(
                "The specified transitive tag key {key} must be included in the tags."
            )));
        }
    }
    let mut tags: Vec<Tag> = vec![];
    if let Some(parent) = parent {
        let inherited = |tag: &&Tag| {
            parent
                .transitive_tag_keys
                .iter()
                .any(|key| key.eq_ignore_ascii_case(&tag.key))
        };
        tags.extend(parent.tags.iter().filter(inherited).cloned());
        claims.transitive_tag_keys = parent.transitive_tag_keys.clone();
    }
    for tag in &asked {
        if tags.iter().any(|own| own.key.eq_ignore_ascii_case(&tag.key)) {
            return Err(invalid(format!(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: {}",
                tag.key
            )));
        }
    }
    tags.extend(asked);
    claims.tags = tags;
    claims.transitive_tag_keys.extend(transitive);
    Ok(())
}

fn session_policies(ctx: &Ctx<'_>, account: AccountId, claims: &mut SessionClaims) -> Result<(), ApiError> {
    if let Some(document) = ctx.param("Policy") {
        if document.chars().count() > SESSION_POLICY_CHARS_MAX {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: \
                 Member must have length less than or equal to {SESSION_POLICY_CHARS_MAX}"
            )));
        }
        Policy::parse(document, PolicyKind::Session)
            .map_err(|error| ApiError::malformed_policy(error.message))?;
        claims.session_policies.push(document.to_owned());
    }
    let arns: Vec<String> = ctx
        .call
        .params
        .structures("PolicyArns")
        .into_iter()
        .filter_map(|mut entry| entry.remove("arn").or_else(|| entry.remove("Arn")))
        .collect();
    if arns.len() > SESSION_POLICY_ARNS_MAX {
        return Err(ApiError::limit(format!(
            "At most {SESSION_POLICY_ARNS_MAX} policies may be given by ARN."
        )));
    }
    for arn in arns {
        let known = ctx
            .state
            .account(account)
            .and_then(|account| account.managed_policy(&arn))
            .is_some();
        if !known {
            return Err(ApiError::validation(format!(
                "{arn} does not exist or is not attachable."
            )));
        }
        claims.session_policy_arns.push(arn);
    }
    Ok(())
}

fn get_session_token(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let caller = &ctx.call.caller;
    if caller.session.is_some() {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "Cannot call GetSessionToken with session credentials",
        ));
    }
    let (principal, seconds_max, seconds_default) = match &caller.kind {
        CallerKind::Root => (
            SessionPrincipal::Root,
            ROOT_TOKEN_SECONDS_MAX,
            ROOT_TOKEN_SECONDS_MAX,
        ),
        CallerKind::User { name } => (
            SessionPrincipal::User {
                user_name: name.clone(),
                user_id: caller.principal.unique_id.clone(),
            },
            TOKEN_SECONDS_MAX,
            TOKEN_SECONDS_DEFAULT,
        ),
        CallerKind::Role { .. } | CallerKind::Service | CallerKind::Anonymous => {
            return Err(ApiError::new(
                "AccessDenied",
                403,
                "Cannot call GetSessionToken with session credentials",
            ));
        }
    };
    let seconds = ctx.integer("DurationSeconds")?.unwrap_or(seconds_default);
    if !(SESSION_SECONDS_MIN..=TOKEN_SECONDS_MAX).contains(&seconds) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
             Member must have value between 900 and 129600"
        )));
    }
    // For root a longer wish is shortened, not refused (STS API reference, GetSessionToken).
    let seconds = seconds.min(seconds_max);
    let mut claims = new_claims(ctx.env, caller.account, principal, ctx.call.now, seconds);
    claims.parent_access_key_id = caller.access_key_id.clone();
    let used_code = mfa(ctx, &mut claims)?;
    let token = seal(ctx.env, &claims)?;
    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    Ok(Outcome::made(xml, used_code)?
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("expiration", claims.expires_at.iso8601()))
}

fn credentials_xml(xml: &mut XmlWriter, claims: &SessionClaims, token: &str) {
    xml.element("Credentials", |xml| {
        xml.text("AccessKeyId", claims.access_key_id.as_str())
            .text("SecretAccessKey", claims.secret.expose())
            .text("SessionToken", token)
            .text("Expiration", claims.expires_at.iso8601());
    });
}
