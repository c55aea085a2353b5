//! `AssumeRoleWithSAML`, once the assertion is verified: what the trust policy is asked, and the session.

use super::federated::{Vouched, denied};
use super::shaping::{assumed_role_xml, fits_role, role_seconds, session_policies};
use super::{credentials_xml, federated, named_role};
use crate::ApiError;
use crate::call::{Ctx, Outcome, Requirement};
use crate::sessions::{role_claims, seal};
use hallpass_access::{CallerKind, SamlIdentity};
use hallpass_session::SamlRef;
use hallpass_wire::XmlWriter;

const ACTION: &str = "sts:AssumeRoleWithSAML";

/// The bearer, who may ask for the roles that the assertion lists and for no other, whoever trusts the provider.
fn identity<'a>(ctx: &'a Ctx<'_>) -> Result<&'a SamlIdentity, ApiError> {
    let CallerKind::Saml(identity) = &ctx.call.caller.kind else {
        return Err(denied(ACTION));
    };
    let (arn, account, _) = named_role(ctx)?;
    if account != ctx.call.caller.account || !identity.role_arns.contains(&arn.to_string()) {
        return Err(denied(ACTION));
    }
    Ok(identity)
}

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let identity = identity(ctx)?;
    let vouched = Vouched {
        action: ACTION,
        session_name: &identity.session_name,
        provider_arn: &identity.provider_arn,
        condition_keys: &identity.condition_keys,
        tags: &identity.tags,
        transitive_tag_keys: &identity.transitive_tag_keys,
        source_identity: identity.source_identity.as_deref(),
    };
    federated::requirement(ctx, &vouched)
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let identity = identity(ctx)?;
    let (_, account, role) = named_role(ctx)?;
    let role = role.ok_or_else(|| denied(ACTION))?;
    let seconds = role_seconds(ctx)?;
    fits_role(seconds, &role)?;
    let name = &identity.session_name;
    let mut claims = role_claims(ctx.env, account, &role, name, ctx.call.now, seconds);
    if let Some(ends) = identity.session_ends {
        claims.expires_at = claims.expires_at.min(ends);
    }
    // A role assumed with this session is the second link of a chain.
    claims.chain_depth = 1;
    claims.source_identity = identity.source_identity.clone();
    claims.tags = identity.tags.clone();
    claims.transitive_tag_keys = identity.transitive_tag_keys.clone();
    claims.saml = Some(SamlRef {
        provider_arn: identity.provider_arn.clone(),
        subject: identity.subject.clone(),
        subject_type: identity.subject_type.clone(),
        name_qualifier: identity.name_qualifier.clone(),
    });
    session_policies(ctx, account, &mut claims)?;
    let token = seal(ctx.env, &claims)?;
    let said = [
        ("Subject", "subject", &identity.subject),
        ("SubjectType", "subjectType", &identity.subject_type),
        ("Issuer", "issuer", &identity.issuer),
        ("Audience", "audience", &identity.audience),
        ("NameQualifier", "nameQualifier", &identity.name_qualifier),
    ];
    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    for (element, _, value) in said {
        xml.text(element, value);
    }
    assumed_role_xml(&mut xml, &claims, token.expose());
    let mut outcome = Outcome::made(xml, vec![])?
        .noting("assumedRole", claims.arn())
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("expiration", claims.expires_at.iso8601());
    for (_, name, value) in said {
        outcome = outcome.noting(name, value);
    }
    Ok(outcome)
}
