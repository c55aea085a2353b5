//! Whether an account's principals may have tokens for services elsewhere.

use super::settings::put_settings;
use crate::call::{Ctx, Outcome};
use crate::entity::OutboundFederation;
use crate::{ApiError, outbound};
use hallpass_session::random_uuid;
use hallpass_wire::XmlWriter;

fn disabled() -> ApiError {
    ApiError::new(
        "FeatureDisabled",
        404,
        "Outbound web identity federation is disabled for this account. It is enabled by EnableOutboundWebIdentityFederation.",
    )
}

/// The account's issuer.
pub(crate) fn issuer(ctx: &Ctx<'_>, id: &str) -> Result<String, ApiError> {
    outbound::issuer(ctx.env, id).ok_or_else(|| {
        ApiError::new(
            "ServiceFailure",
            500,
            "It is not known where this API is reached, so that tokens could not say where their keys are.",
        )
    })
}

/// An account keeps its issuer when it is disabled and enabled again.
pub(crate) fn enable(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut settings = ctx.account.settings().clone();
    if settings
        .outbound
        .as_ref()
        .is_some_and(|outbound| outbound.is_enabled)
    {
        return Err(ApiError::new(
            "FeatureEnabled",
            409,
            "Outbound web identity federation is already enabled for this account.",
        ));
    }
    let known = settings.outbound.take().map(|outbound| outbound.id);
    let id = known.unwrap_or_else(|| random_uuid(&*ctx.env.entropy));
    let issuer = issuer(ctx, &id)?;
    settings.outbound = Some(OutboundFederation { id, is_enabled: true });
    let mut ops = vec![put_settings(ctx, &settings)];
    if ctx.state.token_keys.is_empty() {
        let keys = outbound::new_keys(ctx.env, 1, ctx.call.now)
            .map_err(|error| ApiError::new("ServiceFailure", 500, error))?;
        ops.push(outbound::put_keys(1, &keys.in_use(true, ctx.call.now)));
    }
    let mut xml = XmlWriter::new();
    xml.text("IssuerIdentifier", &issuer);
    Ok(Outcome::made(xml, ops)?.noting("issuerIdentifier", issuer))
}

pub(crate) fn disable(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut settings = ctx.account.settings().clone();
    let outbound = settings.outbound.as_mut().filter(|outbound| outbound.is_enabled);
    outbound.ok_or_else(disabled)?.is_enabled = false;
    Outcome::wrote(vec![put_settings(ctx, &settings)])
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let outbound = ctx.account.settings().outbound.as_ref().ok_or_else(disabled)?;
    let mut xml = XmlWriter::new();
    xml.text("IssuerIdentifier", issuer(ctx, &outbound.id)?)
        .text("JwtVendingEnabled", outbound.is_enabled.to_string());
    Outcome::read(xml)
}
