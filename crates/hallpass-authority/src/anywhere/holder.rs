//! Whoever a request's certificate stands for, once a trust anchor answers for it.

use super::leaf::Leaf;
use super::{chain, denied, id_of, not_found};
use crate::ApiError;
use crate::authority::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_access::{Caller, CallerKind};
use hallpass_policy::PrincipalInfo;
use hallpass_types::{AccountId, Arn, UnixSeconds};
use std::sync::Arc;

const SERVICE: &str = "rolesanywhere.amazonaws.com";

/// The holder of a certificate that an enabled trust anchor answers for. Only [`Authority::certificate_holder`] makes one.
#[derive(Debug)]
pub struct CertificateHolder {
    pub(super) caller: Arc<Caller>,
    pub(super) trust_anchor: String,
    pub(super) leaf: Leaf,
}

impl CertificateHolder {
    /// The service, which assumes roles for the holder: in the account of the trust anchor.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The certificate's subject, for people.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.leaf.subject
    }

    /// The certificate's serial number, in hex.
    #[must_use]
    pub fn serial_hex(&self) -> &str {
        &self.leaf.serial_hex
    }
}

impl Authority {
    /// Judges the certificate (DER) that signed a request, with those that came along, against the trust anchor that the
    /// request names. `serial` is the number the request gives, in decimal.
    ///
    /// That the certificate's key signed is for the caller to have proved.
    ///
    /// # Errors
    /// `ResourceNotFoundException` when there is no such trust anchor in this region; `AccessDeniedException` when it is
    /// disabled, or does not answer for the certificate: another authority's, expired, revoked, not made for signing.
    pub fn certificate_holder(
        &self,
        certificate: &[u8],
        along: &[Vec<u8>],
        serial: &str,
        trust_anchor: &str,
        now: UnixSeconds,
    ) -> Result<CertificateHolder, ApiError> {
        let leaf = Leaf::read(certificate)
            .map_err(|why| denied(format!("The certificate is not accepted: {why}.")))?;
        if leaf.serial != serial {
            return Err(denied("The credential is not the certificate's serial number."));
        }
        let unknown = || not_found("There is no such trust anchor.");
        let parsed: Arn = trust_anchor.parse().map_err(|_| unknown())?;
        let account: AccountId = parsed.account.parse().map_err(|_| unknown())?;
        let (anchor, crls) = self
            .with_account(account, |_, state| {
                let id = id_of(&self.env, account.as_str(), trust_anchor, "trust-anchor")?;
                let anchor = Arc::clone(state.anywhere.trust_anchors.get(&id)?);
                let crls = state.anywhere.crls.values();
                let crls = crls.filter(|crl| crl.head.is_enabled && crl.trust_anchor == trust_anchor);
                Some((anchor, crls.cloned().collect::<Vec<_>>()))
            })
            .flatten()
            .ok_or_else(unknown)?;
        if !anchor.head.is_enabled {
            return Err(denied("The trust anchor is not enabled."));
        }
        let crls: Vec<Vec<u8>> = crls
            .iter()
            .map(|crl| STANDARD.decode(&crl.data).unwrap_or_default())
            .collect();
        chain::judge(certificate, along, &anchor.certificates, &crls, now)
            .map_err(|why| denied(format!("Untrusted certificate: {why}.")))?;
        let caller = Caller {
            account,
            kind: CallerKind::Service,
            principal: PrincipalInfo::service(SERVICE),
            user_id: SERVICE.to_owned(),
            access_key_id: None,
            session: None,
        };
        Ok(CertificateHolder {
            caller: Arc::new(caller),
            trust_anchor: trust_anchor.to_owned(),
            leaf,
        })
    }
}
