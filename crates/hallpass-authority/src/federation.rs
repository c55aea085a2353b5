//! Who an identity provider says somebody is: tokens of OpenID Connect providers and assertions of SAML providers, verified
//! with the providers' keys.

mod keys;
mod saml;
mod token;

pub use keys::{IdentityKeys, IdentityKeysError};

pub(crate) use keys::KeyCache;

use crate::call::Service;
use crate::entity::OidcProvider;
use crate::{ApiError, Authority, model};
use hallpass_access::{Caller, CallerKind};
use hallpass_policy::PrincipalInfo;
use hallpass_types::{AccountId, Arn, UnixSeconds};
use hallpass_wire::QueryParams;
use std::sync::Arc;
use token::{Presented, invalid};

impl Authority {
    /// From now on the keys of identity providers are asked of `source`. Without one no token is taken.
    pub fn asks_keys_of(&self, source: Arc<dyn IdentityKeys>) {
        self.identity_keys.asks(source);
    }

    /// The bearer of the token in a call of `AssumeRoleWithWebIdentity`, which nobody has signed. The token must be of a
    /// provider of the account whose role the call names, verified with a key that the provider publishes, for one of the
    /// provider's client ids, and neither too old nor too new.
    ///
    /// # Errors
    /// `ValidationError`, `InvalidIdentityToken`, `ExpiredTokenException`, `IDPRejectedClaim`, `IDPCommunicationError`
    /// (STS API reference, AssumeRoleWithWebIdentity). An account that is not there looks like one without the provider.
    pub async fn web_identity(
        &self,
        params: &QueryParams,
        now: UnixSeconds,
    ) -> Result<Arc<Caller>, ApiError> {
        model::check(Service::Sts, "AssumeRoleWithWebIdentity", params)?;
        let text = params
            .get("WebIdentityToken")
            .ok_or_else(|| ApiError::missing("WebIdentityToken"))?;
        if params.get("ProviderId").is_some() {
            return Err(ApiError::validation(
                "ProviderId is for OAuth 2.0 access tokens, which are not taken.",
            ));
        }
        let account = account_of_role(params)?;
        let presented = Presented::read(text)?;
        let provider = self.provider_of(account, &presented)?;
        let keys = self
            .identity_keys
            .of(&presented.issuer, presented.key_id.as_deref(), now)
            .await?;
        let identity = presented.verify(&keys, account, &provider, now)?;
        Ok(Arc::new(Caller {
            account,
            principal: PrincipalInfo::web_identity(&identity.provider_arn, &identity.subject),
            user_id: format!(
                "{}:{}:{}",
                identity.provider_arn, identity.audience, identity.subject
            ),
            kind: CallerKind::WebIdentity(Box::new(identity)),
            access_key_id: None,
            session: None,
        }))
    }

    fn provider_of(
        &self,
        account: AccountId,
        presented: &Presented<'_>,
    ) -> Result<Arc<OidcProvider>, ApiError> {
        let unknown = || {
            invalid(format!(
                "No OpenIDConnect provider found in your account for {}",
                presented.issuer
            ))
        };
        let (scheme, url) = presented.issuer.split_once("://").ok_or_else(unknown)?;
        let url = url.strip_suffix('/').unwrap_or(url);
        let state = self.read();
        let providers = &state.account(account).ok_or_else(unknown)?.oidc_providers;
        providers
            .get(&url.to_ascii_lowercase())
            .filter(|provider| provider.url == url && provider.scheme() == scheme)
            .cloned()
            .ok_or_else(unknown)
    }
}

fn account_of_role(params: &QueryParams) -> Result<AccountId, ApiError> {
    let text = params
        .get("RoleArn")
        .ok_or_else(|| ApiError::missing("RoleArn"))?;
    text.parse::<Arn>()
        .ok()
        .and_then(|arn| arn.account.parse().ok())
        .ok_or_else(|| ApiError::validation(format!("{text} is invalid")))
}
