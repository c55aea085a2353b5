//! Service-specific credentials of users. They are kept and told; no service here takes them.

use super::{arn_of, put_user, user};
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::{ServiceCredential, User};
use crate::{ApiError, password};
use hallpass_access::ActionOn;
use hallpass_secret::Secret;
use hallpass_session::{IdKind, secret_access_key, unique_id};
use hallpass_wire::XmlWriter;

/// Services AWS makes such credentials for, and whether they are a bearer token rather than a name and a password.
const SERVICES: [(&str, bool); 3] = [
    ("codecommit.amazonaws.com", false),
    ("cassandra.amazonaws.com", false),
    ("bedrock.amazonaws.com", true),
];
/// Of one user for one service.
const CREDENTIALS_MAX: usize = 2;
const DAY_SECONDS: i64 = 86_400;

/// Enough for a secret of 240 random bits, which nobody guesses.
fn digest(secret: &Secret) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose().as_bytes());
    password::hex(digest.as_ref())
}

/// Whether a service takes a bearer token.
fn takes_token(service: &str) -> Result<bool, ApiError> {
    let known = SERVICES.iter().find(|(name, _)| *name == service);
    known.map(|(_, token)| *token).ok_or_else(|| {
        ApiError::new(
            "NotSupportedService",
            404,
            format!("No such service {service} is supported for Service Specific Credentials"),
        )
    })
}

fn credential_xml(xml: &mut XmlWriter, user: &User, credential: &ServiceCredential, secret: Option<&str>) {
    let is_token = takes_token(&credential.service).unwrap_or(false);
    let (name, secret_name) = match is_token {
        true => ("ServiceCredentialAlias", "ServiceCredentialSecret"),
        false => ("ServiceUserName", "ServicePassword"),
    };
    xml.text("CreateDate", credential.created.iso8601())
        .optional(
            "ExpirationDate",
            credential.expires.map(|expires| expires.iso8601()),
        )
        .text("ServiceName", &credential.service)
        .text(name, &credential.user_name)
        .optional(secret_name, secret)
        .text("ServiceSpecificCredentialId", &credential.id)
        .text("UserName", &user.name)
        .text("Status", super::status(credential.is_active));
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    let service = ctx.required("ServiceName")?;
    let is_token = takes_token(service)?;
    let days = ctx.integer("CredentialAgeDays")?;
    if days.is_some() && !is_token {
        let message = "CredentialAgeDays is taken for Amazon Bedrock alone";
        return Err(ApiError::new("InvalidInput", 400, message));
    }
    let kept = &mut changed.credentials.services;
    let others = kept.iter().filter(|other| other.service == service).count();
    if others >= CREDENTIALS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for ServiceSpecificCredentialsPerUser: {CREDENTIALS_MAX}"
        )));
    }
    // As AWS names them: `name-at-account`, the next ones with a number.
    let names = (0..).map(|number| match number {
        0 => format!("{}-at-{}", changed.name, ctx.account.id()),
        _ => format!("{}+{number}-at-{}", changed.name, ctx.account.id()),
    });
    let user_name = names
        .take(CREDENTIALS_MAX + 1)
        .find(|name| {
            !kept
                .iter()
                .any(|other| other.service == service && other.user_name == *name)
        })
        .unwrap_or_default();
    let secret = secret_access_key(&*ctx.env.entropy);
    let credential = ServiceCredential {
        id: unique_id(IdKind::ServiceCredential, &*ctx.env.entropy),
        service: service.to_owned(),
        user_name,
        hash: digest(&secret),
        is_active: true,
        created: ctx.call.now,
        expires: days.map(|days| ctx.call.now.plus(days.saturating_mul(DAY_SECONDS))),
    };
    kept.push(credential.clone());
    let mut xml = XmlWriter::new();
    xml.element("ServiceSpecificCredential", |xml| {
        credential_xml(xml, &changed, &credential, Some(secret.expose()));
    });
    let made = Outcome::made(xml, vec![put_user(ctx, &changed)])?;
    Ok(made.noting("serviceSpecificCredentialId", &credential.id))
}

/// On the user named; everybody's are listed with the right to every user's.
pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    if ctx.param("AllUsers") != Some("true") {
        return super::user::requirement(ctx);
    }
    let action = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, "user/*"));
    Ok(Requirement::Actions(vec![action]))
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let service = ctx.param("ServiceName");
    if let Some(service) = service {
        takes_token(service)?;
    }
    let users: Vec<&User> = if ctx.param("AllUsers") == Some("true") {
        ctx.account.users.values().map(|user| &user.user).collect()
    } else {
        vec![&user(ctx)?.user]
    };
    let of = |user| {
        let user: &User = user;
        user.credentials
            .services
            .iter()
            .map(move |credential| (user, credential))
    };
    let all = users.into_iter().flat_map(of);
    let mut all: Vec<_> = all
        .filter(|(_, one)| service.is_none_or(|service| one.service == service))
        .collect();
    all.sort_by(|(_, left), (_, right)| left.id.cmp(&right.id));
    let (page, marker) = ctx.page(all, |(_, credential)| credential.id.clone())?;
    let mut xml = XmlWriter::new();
    xml.list(
        "ServiceSpecificCredentials",
        "member",
        page,
        |xml, (user, credential)| {
            credential_xml(xml, user, credential, None);
        },
    );
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

/// The user with the place of the credential named.
fn find(ctx: &Ctx<'_>) -> Result<(User, usize), ApiError> {
    let id = ctx.required("ServiceSpecificCredentialId")?;
    let user = user(ctx)?.user.clone();
    let place = user
        .credentials
        .services
        .iter()
        .position(|credential| credential.id == id);
    let place = place.ok_or_else(|| ApiError::no_such_entity(format!("No such credential {id} exists")))?;
    Ok((user, place))
}

pub(crate) fn reset(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    let secret = secret_access_key(&*ctx.env.entropy);
    let mut told = None;
    if let Some(credential) = user.credentials.services.get_mut(place) {
        credential.hash = digest(&secret);
        told = Some(credential.clone());
    }
    let mut xml = XmlWriter::new();
    xml.element("ServiceSpecificCredential", |xml| {
        if let Some(credential) = &told {
            credential_xml(xml, &user, credential, Some(secret.expose()));
        }
    });
    Outcome::made(xml, vec![put_user(ctx, &user)])
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    let is_active = super::is_active(ctx)?;
    if let Some(credential) = user.credentials.services.get_mut(place) {
        credential.is_active = is_active;
    }
    Outcome::wrote(vec![put_user(ctx, &user)])
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    user.credentials.services.remove(place);
    Outcome::wrote(vec![put_user(ctx, &user)])
}
