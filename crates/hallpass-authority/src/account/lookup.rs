//! Entities by what calls name them by.

use super::{AccountState, CompiledUser};
use crate::entity::{AccountSettings, MfaDevice, OidcProvider, SamlProvider, ServerCertificate};
use std::sync::{Arc, LazyLock};

static NOTHING_SET: LazyLock<AccountSettings> = LazyLock::new(AccountSettings::default);

impl AccountState {
    pub(crate) fn settings(&self) -> &AccountSettings {
        self.settings.get("").map_or(&NOTHING_SET, |settings| settings)
    }

    /// What follows `kind` in an ARN of this account, in lower case.
    fn rest_of(&self, arn: &str, kind: &str) -> Option<String> {
        let prefix = super::iam_arn(self.id(), kind);
        arn.strip_prefix(&prefix).map(str::to_ascii_lowercase)
    }

    pub(crate) fn user_of_id(&self, id: &str) -> Option<&Arc<CompiledUser>> {
        self.users.values().find(|user| user.user.id == id)
    }

    /// By its serial number, which is its ARN.
    pub(crate) fn mfa_device(&self, serial: &str) -> Option<&Arc<MfaDevice>> {
        self.mfa_devices.get(&self.rest_of(serial, "mfa")?)
    }

    /// Those of the user of that id.
    pub(crate) fn mfa_devices_of(&self, user_id: &str) -> impl Iterator<Item = &Arc<MfaDevice>> {
        let devices = self.mfa_devices.values();
        devices.filter(move |device| device.owner.as_deref() == Some(user_id))
    }

    pub(crate) fn server_certificate(&self, name: &str) -> Option<&Arc<ServerCertificate>> {
        self.server_certificates.get(&name.to_ascii_lowercase())
    }

    /// By ARN.
    pub(crate) fn oidc_provider(&self, arn: &str) -> Option<&Arc<OidcProvider>> {
        self.oidc_providers.get(&self.rest_of(arn, "oidc-provider/")?)
    }

    /// By ARN.
    pub(crate) fn saml_provider(&self, arn: &str) -> Option<&Arc<SamlProvider>> {
        self.saml_providers.get(&self.rest_of(arn, "saml-provider/")?)
    }
}
