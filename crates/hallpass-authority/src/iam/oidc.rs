//! OpenID Connect providers.

use super::{arn_of, put, tagging, tags_xml};
use crate::account::iam_arn;
use crate::call::{Ctx, Outcome, Requirement, with_resource_tags};
use crate::entity::OidcProvider;
use crate::state::key;
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_store::Op;
use hallpass_types::AccountId;
use hallpass_wire::XmlWriter;
use std::net::Ipv4Addr;
use std::sync::Arc;

const CLIENT_IDS_MAX: usize = 100;
const THUMBPRINTS_MAX: usize = 5;
/// Providers in one account (IAM quotas).
const PROVIDERS_MAX: usize = 100;

fn arn(account: AccountId, provider: &OidcProvider) -> String {
    iam_arn(account, &format!("oidc-provider/{}", provider.url))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", 400, message)
}

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("OpenIDConnectProviderArn")?;
    let on = ActionOn::new(ctx.call.iam_action(), arn);
    let on = match ctx.account.oidc_provider(arn) {
        Some(provider) => with_resource_tags(on, &provider.tags),
        None => on,
    };
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, on)?]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let (url, _) = url(ctx.required("Url")?)?;
    let on = ActionOn::new(
        ctx.call.iam_action(),
        arn_of(ctx, &format!("oidc-provider/{url}")),
    );
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, on)?]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let on = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, "oidc-provider/"));
    Ok(Requirement::Actions(vec![on]))
}

/// The URL as it is kept, without the scheme, and whether it goes without TLS. The scheme must be `https`, or `http` for
/// an issuer on loopback, which only tests have. A port is taken, which AWS does not do: issuers of one's own have one. A
/// query, a user or a fragment makes it no issuer ("CreateOpenIDConnectProvider").
fn url(text: &str) -> Result<(String, bool), ApiError> {
    let bad = || ApiError::validation("Invalid Open ID Connect Provider URL");
    let (rest, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return Err(bad()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let letters = |text: &str, more: &[u8]| {
        let mut bytes = text.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    // A name of one word could be a service's, and its condition keys be mistaken for the service's.
    let is_host = host.contains('.') || port.is_some();
    let is_loopback = host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    let sound = is_host
        && letters(host, b".-")
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
        && letters(path, b".-_~/%")
        && !rest.contains("//")
        && !rest.ends_with('/')
        && (!is_plain || is_loopback);
    sound.then(|| (rest.to_owned(), is_plain)).ok_or_else(bad)
}

fn find<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<OidcProvider>, ApiError> {
    let arn = ctx.required("OpenIDConnectProviderArn")?;
    ctx.account
        .oidc_provider(arn)
        .ok_or_else(|| ApiError::no_such_entity(format!("OpenIDConnect Provider not found for arn {arn}")))
}

fn put_provider(ctx: &Ctx<'_>, provider: &OidcProvider) -> Op {
    put(key(ctx.account.id(), "oidc", &provider.url), provider)
}

fn client_id(text: &str) -> Result<String, ApiError> {
    match text.chars().count() {
        1..=255 => Ok(text.to_owned()),
        _ => Err(ApiError::validation(
            "Client ID length must be between 1 and 255 characters",
        )),
    }
}

fn thumbprints(ctx: &Ctx<'_>) -> Result<Vec<String>, ApiError> {
    let thumbprints = ctx.call.params.list("ThumbprintList");
    if thumbprints.len() > THUMBPRINTS_MAX {
        return Err(invalid("Thumbprint list must contain fewer than 5 entries."));
    }
    let read = |text: &&str| {
        let sound = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound
            .then(|| text.to_ascii_lowercase())
            .ok_or_else(|| ApiError::validation("Thumbprint must be 40 hexadecimal digits"))
    };
    thumbprints.iter().map(read).collect()
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (url, is_plain) = url(ctx.required("Url")?)?;
    let account = ctx.account.id();
    if ctx.account.oidc_providers.contains_key(&url.to_ascii_lowercase()) {
        return Err(ApiError::exists(format!(
            "Provider with url https://{url} already exists."
        )));
    }
    if ctx.account.oidc_providers.len() >= PROVIDERS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for OpenIdConnectProvidersPerAccount: {PROVIDERS_MAX}"
        )));
    }
    let given = ctx.call.params.list("ClientIDList");
    if given.len() > CLIENT_IDS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}"
        )));
    }
    let mut client_ids = vec![];
    for id in given {
        let id = client_id(id)?;
        if !client_ids.contains(&id) {
            client_ids.push(id);
        }
    }
    let provider = OidcProvider {
        url,
        client_ids,
        thumbprints: thumbprints(ctx)?,
        tags: names::tags(&ctx.call.params)?,
        created: ctx.call.now,
        is_plain,
    };
    let arn = arn(account, &provider);
    let mut xml = XmlWriter::new();
    xml.text("OpenIDConnectProviderArn", &arn);
    if !provider.tags.is_empty() {
        tags_xml(&mut xml, &provider.tags);
    }
    Ok(Outcome::made(xml, vec![put_provider(ctx, &provider)])?.noting("openIDConnectProviderArn", arn))
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let provider = find(ctx)?;
    let mut xml = XmlWriter::new();
    xml.text("Url", &provider.url);
    for (name, values) in [
        ("ClientIDList", &provider.client_ids),
        ("ThumbprintList", &provider.thumbprints),
    ] {
        xml.element(name, |xml| {
            for value in values {
                xml.text("member", value);
            }
        });
    }
    xml.text("CreateDate", provider.created.iso8601());
    tags_xml(&mut xml, &provider.tags);
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut xml = XmlWriter::new();
    let providers = ctx.account.oidc_providers.values();
    xml.list(
        "OpenIDConnectProviderList",
        "member",
        providers,
        |xml, provider| {
            xml.text("Arn", arn(ctx.account.id(), provider));
        },
    );
    Outcome::read(xml)
}

/// One that is not there is no error (API reference, "DeleteOpenIDConnectProvider": idempotent).
pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = ctx.required("OpenIDConnectProviderArn")?;
    let gone = ctx.account.oidc_provider(arn);
    let gone = gone.map(|provider| Op::Delete(key(ctx.account.id(), "oidc", &provider.url)));
    Outcome::wrote(gone.into_iter().collect())
}

pub(crate) fn add_client(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = OidcProvider::clone(find(ctx)?);
    let id = client_id(ctx.required("ClientID")?)?;
    if changed.client_ids.contains(&id) {
        return Outcome::wrote(vec![]);
    }
    if changed.client_ids.len() >= CLIENT_IDS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}"
        )));
    }
    changed.client_ids.push(id);
    Outcome::wrote(vec![put_provider(ctx, &changed)])
}

/// One that is not there is no error ("RemoveClientIDFromOpenIDConnectProvider" is idempotent).
pub(crate) fn remove_client(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = OidcProvider::clone(find(ctx)?);
    let id = ctx.required("ClientID")?;
    changed.client_ids.retain(|other| other != id);
    Outcome::wrote(vec![put_provider(ctx, &changed)])
}

pub(crate) fn update_thumbprints(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = OidcProvider::clone(find(ctx)?);
    changed.thumbprints = thumbprints(ctx)?;
    Outcome::wrote(vec![put_provider(ctx, &changed)])
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::tag(
        ctx,
        OidcProvider::clone(find(ctx)?),
        |it| &mut it.tags,
        put_provider,
    )
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::untag(
        ctx,
        OidcProvider::clone(find(ctx)?),
        |it| &mut it.tags,
        put_provider,
    )
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::list(ctx, &find(ctx)?.tags)
}
