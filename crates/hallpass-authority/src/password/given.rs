//! The passwords of a call, hashed before anything is locked: a hash takes as long as thousands of other calls.

use super::{hash, salt, salt_of};
use crate::authority::Authority;
use crate::call::Call;
use crate::{ApiError, Service};
use hallpass_access::CallerKind;

const ACTIONS: [&str; 3] = ["CreateLoginProfile", "UpdateLoginProfile", "ChangePassword"];
const PARAMETERS: [&str; 3] = ["Password", "OldPassword", "NewPassword"];

/// Hashes of a call's passwords, all with the salt of the user they are for.
#[derive(Debug, Default)]
pub(crate) struct GivenPasswords {
    salt: String,
    hashes: Vec<(&'static str, String)>,
}

/// What calls without passwords have.
pub(crate) static NONE_GIVEN: GivenPasswords = GivenPasswords {
    salt: String::new(),
    hashes: vec![],
};

impl GivenPasswords {
    /// The hash of the password in that parameter, to be held against hashes like `known`.
    ///
    /// # Errors
    /// `ConcurrentModification` when the user got another salt meanwhile.
    pub(crate) fn hash_like(&self, parameter: &str, known: &str) -> Result<&str, ApiError> {
        let found = self.hash(parameter)?;
        if self.salt == salt_of(known) {
            return Ok(found);
        }
        Err(ApiError::new(
            "ConcurrentModification",
            409,
            "The login profile is being changed by another request.",
        ))
    }

    /// The hash of the password in that parameter.
    ///
    /// # Errors
    /// As for a parameter that is missing.
    pub(crate) fn hash(&self, parameter: &str) -> Result<&str, ApiError> {
        let found = self.hashes.iter().find(|(name, _)| *name == parameter);
        found
            .map(|(_, hash)| hash.as_str())
            .ok_or_else(|| ApiError::missing(parameter))
    }
}

impl Authority {
    /// Hashes what passwords a call has, on a thread where that holds up nobody.
    pub(crate) async fn hash_given(&self, call: &Call) -> GivenPasswords {
        if call.service != Service::Iam || !ACTIONS.contains(&call.action.as_str()) {
            return GivenPasswords::default();
        }
        let own = match &call.caller.kind {
            CallerKind::User { name } => Some(name.as_str()),
            _ => None,
        };
        let name = call.params.get("UserName").or(own).unwrap_or_default();
        let known = self.with_account(call.caller.account, |_, account| {
            let login = account.user(name)?.user.credentials.login.as_ref()?;
            Some(salt_of(&login.hash).to_owned())
        });
        let salt = known.flatten().unwrap_or_else(|| salt(&*self.env.entropy));
        let given = PARAMETERS.into_iter().filter_map(|name| {
            let password = call.params.get(name)?;
            Some((name, hallpass_secret::Secret::new(password)))
        });
        let given: Vec<_> = given.collect();
        let work = move || {
            let hashes = given
                .into_iter()
                .map(|(name, password)| (name, hash(&salt, password.expose())));
            GivenPasswords {
                hashes: hashes.collect(),
                salt,
            }
        };
        // Without hashes the call fails as if it had brought no password.
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    }
}
