//! Bearers of SAML assertions: whose provider, and what of the assertion is for policies.

mod context;

use super::token::{invalid, rejected};
use crate::call::Service;
use crate::entity::SamlProvider;
use crate::{ApiError, Authority, model, names};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_access::{Caller, CallerKind, SamlIdentity};
use hallpass_policy::PrincipalInfo;
use hallpass_saml::{Assertion, Metadata, SamlError};
use hallpass_session::Tag;
use hallpass_types::{AccountId, Arn, UnixSeconds};
use hallpass_wire::QueryParams;
use std::sync::Arc;

impl Authority {
    /// The bearer of the assertion in a call of `AssumeRoleWithSAML`, which nobody has signed. The assertion must be of the
    /// provider that `PrincipalArn` names, signed with a key of its metadata, for AWS's sign-in, and issued no more than
    /// five minutes ago.
    ///
    /// # Errors
    /// `ValidationError`, `InvalidIdentityToken`, `ExpiredTokenException`, `IDPRejectedClaim` (STS API reference,
    /// AssumeRoleWithSAML).
    pub fn saml_identity(&self, params: &QueryParams, now: UnixSeconds) -> Result<Arc<Caller>, ApiError> {
        model::check(Service::Sts, "AssumeRoleWithSAML", params)?;
        let required = |name: &str| params.get(name).ok_or_else(|| ApiError::missing(name));
        let text = required("SAMLAssertion")?;
        let provider_arn = required("PrincipalArn")?;
        let (account, provider) = self.saml_provider(provider_arn)?;
        if provider.valid_until <= now {
            return Err(invalid("The metadata of the specified provider has expired."));
        }
        let metadata = Metadata::parse(&provider.metadata).map_err(refused)?;
        let assertion = hallpass_saml::verify(text, &metadata, now).map_err(refused)?;
        let identity = identity(assertion, account, &provider.name, provider_arn)?;
        Ok(Arc::new(Caller {
            account,
            principal: PrincipalInfo::saml(provider_arn, &identity.subject),
            user_id: format!("{}:{}", identity.name_qualifier, identity.subject),
            kind: CallerKind::Saml(Box::new(identity)),
            access_key_id: None,
            session: None,
        }))
    }

    fn saml_provider(&self, arn: &str) -> Result<(AccountId, Arc<SamlProvider>), ApiError> {
        let unknown = || invalid("Specified provider doesn't exist.");
        let parsed: Arn = arn.parse().map_err(|_| unknown())?;
        let account: AccountId = parsed.account.parse().map_err(|_| unknown())?;
        let state = self.read();
        let provider = state
            .account(account)
            .and_then(|account| account.saml_provider(arn))
            .ok_or_else(unknown)?;
        // Providers are found whatever the case of their letters; policies name them by exactly one spelling.
        if parsed.resource.strip_prefix("saml-provider/") != Some(provider.name.as_str()) {
            return Err(unknown());
        }
        Ok((account, Arc::clone(provider)))
    }
}

fn refused(error: SamlError) -> ApiError {
    let message = error.to_string();
    match error {
        SamlError::Expired(_) => ApiError::new("ExpiredTokenException", 400, message),
        SamlError::Rejected(_) => rejected(message),
        SamlError::Unreadable(_) | SamlError::Metadata(_) | SamlError::Signature(_) | SamlError::Unfit(_) => {
            invalid(message)
        }
    }
}

fn identity(
    assertion: Assertion,
    account: AccountId,
    provider_name: &str,
    provider_arn: &str,
) -> Result<SamlIdentity, ApiError> {
    let name_qualifier = name_qualifier(&assertion.issuer, account, provider_name);
    let condition_keys = context::condition_keys(&assertion, account, provider_name, &name_qualifier);
    let tags: Vec<Tag> = assertion
        .tags
        .into_iter()
        .map(|(key, value)| Tag { key, value })
        .collect();
    names::check_tags(&tags).map_err(|error| rejected(error.message))?;
    for key in &assertion.transitive_tag_keys {
        if !tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
            return Err(rejected(format!(
                "The specified transitive tag key {key} must be included in the tags."
            )));
        }
    }
    let pairs = assertion.roles.into_iter();
    let own = pairs.filter(|pair| pair.provider_arn == provider_arn);
    Ok(SamlIdentity {
        provider_arn: provider_arn.to_owned(),
        assertion_id: assertion.id,
        issuer: assertion.issuer,
        subject: assertion.subject,
        subject_type: assertion.subject_type,
        audience: assertion.recipient,
        name_qualifier,
        role_arns: own.map(|pair| pair.role_arn).collect(),
        session_name: assertion.session_name,
        session_ends: assertion.session_ends,
        condition_keys,
        tags,
        transitive_tag_keys: assertion.transitive_tag_keys,
        source_identity: assertion.source_identity,
    })
}

/// `NameQualifier`, as the STS API reference computes it.
fn name_qualifier(issuer: &str, account: AccountId, provider_name: &str) -> String {
    let text = format!("{issuer}{account}/{provider_name}");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_qualifier_is_the_hash_that_the_reference_writes_down() {
        let account = "123456789012".parse().unwrap();
        let qualifier = name_qualifier("https://example.com/saml", account, "MySAMLIdP");
        assert_eq!(qualifier, "1uAJanUnBc2XeUkHURMht+xam2c=");
    }
}
