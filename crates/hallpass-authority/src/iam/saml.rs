//! SAML 2.0 providers.

mod metadata;

use super::{arn_of, put, tagging, tags_xml};
use crate::account::iam_arn;
use crate::call::{Ctx, Outcome, Requirement, with_resource_tags};
use crate::entity::SamlProvider;
use crate::state::key;
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::random_base32;
use hallpass_store::Op;
use hallpass_types::{AccountId, UnixSeconds};
use hallpass_wire::XmlWriter;
use std::sync::Arc;

/// Providers in one account (IAM quotas).
const PROVIDERS_MAX: usize = 100;
/// How long a document without `validUntil` is good.
const VALID_SECONDS: i64 = 100 * 365 * 86_400;
const ID_LETTERS: usize = 32;

fn arn(account: AccountId, provider: &SamlProvider) -> String {
    iam_arn(account, &format!("saml-provider/{}", provider.name))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", 400, message)
}

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("SAMLProviderArn")?;
    let on = ActionOn::new(ctx.call.iam_action(), arn);
    let on = match ctx.account.saml_provider(arn) {
        Some(provider) => with_resource_tags(on, &provider.tags),
        None => on,
    };
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, on)?]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("Name")?;
    let on = ActionOn::new(
        ctx.call.iam_action(),
        arn_of(ctx, &format!("saml-provider/{name}")),
    );
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, on)?]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let on = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, "saml-provider/"));
    Ok(Requirement::Actions(vec![on]))
}

fn find<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<SamlProvider>, ApiError> {
    let arn = ctx.required("SAMLProviderArn")?;
    ctx.account
        .saml_provider(arn)
        .ok_or_else(|| ApiError::no_such_entity(format!("Manifest not found for arn {arn}")))
}

fn put_provider(ctx: &Ctx<'_>, provider: &SamlProvider) -> Op {
    put(key(ctx.account.id(), "saml", &provider.name), provider)
}

fn valid_until(ctx: &Ctx<'_>, document: &str) -> Result<UnixSeconds, ApiError> {
    let said = metadata::valid_until(document).ok_or_else(|| invalid("Could not parse metadata"))?;
    match said {
        Some(until) if until <= ctx.call.now => Err(invalid("Metadata document has expired")),
        Some(until) => Ok(until),
        None => Ok(ctx.call.now.plus(VALID_SECONDS)),
    }
}

/// Encrypted assertions would need a key that IAM keeps; see docs/divergences.md.
fn refuse_encryption(ctx: &Ctx<'_>) -> Result<(), ApiError> {
    let asked = ["AssertionEncryptionMode", "AddPrivateKey", "RemovePrivateKey"];
    match asked.iter().find(|name| ctx.param(name).is_some()) {
        Some(name) => Err(invalid(format!("{name} is not supported"))),
        None => Ok(()),
    }
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    refuse_encryption(ctx)?;
    let name = ctx.required("Name")?;
    let metadata = ctx.required("SAMLMetadataDocument")?;
    if ctx
        .account
        .saml_providers
        .contains_key(&name.to_ascii_lowercase())
    {
        return Err(ApiError::exists(format!("SAMLProvider {name} already exists.")));
    }
    if ctx.account.saml_providers.len() >= PROVIDERS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for SAMLProvidersPerAccount: {PROVIDERS_MAX}"
        )));
    }
    let provider = SamlProvider {
        name: name.to_owned(),
        valid_until: valid_until(ctx, metadata)?,
        metadata: metadata.to_owned(),
        tags: names::tags(&ctx.call.params)?,
        created: ctx.call.now,
        id: random_base32(&*ctx.env.entropy, ID_LETTERS),
    };
    let arn = arn(ctx.account.id(), &provider);
    let mut xml = XmlWriter::new();
    xml.text("SAMLProviderArn", &arn);
    if !provider.tags.is_empty() {
        tags_xml(&mut xml, &provider.tags);
    }
    Ok(Outcome::made(xml, vec![put_provider(ctx, &provider)])?.noting("samlProviderArn", arn))
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let provider = find(ctx)?;
    let mut xml = XmlWriter::new();
    xml.text("SAMLProviderUUID", &provider.id)
        .text("SAMLMetadataDocument", &provider.metadata)
        .text("CreateDate", provider.created.iso8601())
        .text("ValidUntil", provider.valid_until.iso8601());
    tags_xml(&mut xml, &provider.tags);
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut xml = XmlWriter::new();
    let providers = ctx.account.saml_providers.values();
    xml.list("SAMLProviderList", "member", providers, |xml, provider| {
        xml.text("Arn", arn(ctx.account.id(), provider))
            .text("ValidUntil", provider.valid_until.iso8601())
            .text("CreateDate", provider.created.iso8601());
    });
    Outcome::read(xml)
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    refuse_encryption(ctx)?;
    let mut changed = SamlProvider::clone(find(ctx)?);
    if let Some(metadata) = ctx.param("SAMLMetadataDocument") {
        changed.valid_until = valid_until(ctx, metadata)?;
        metadata.clone_into(&mut changed.metadata);
    }
    let mut xml = XmlWriter::new();
    xml.text("SAMLProviderArn", arn(ctx.account.id(), &changed));
    Outcome::made(xml, vec![put_provider(ctx, &changed)])
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let provider = find(ctx)?;
    Outcome::wrote(vec![Op::Delete(key(ctx.account.id(), "saml", &provider.name))])
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::tag(
        ctx,
        SamlProvider::clone(find(ctx)?),
        |it| &mut it.tags,
        put_provider,
    )
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::untag(
        ctx,
        SamlProvider::clone(find(ctx)?),
        |it| &mut it.tags,
        put_provider,
    )
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::list(ctx, &find(ctx)?.tags)
}
