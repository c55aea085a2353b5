//! IAM Roles Anywhere: certificates of other authorities, exchanged for sessions of roles.
//!
//! Source: IAM Roles Anywhere User Guide and API Reference (2018-05-10). JSON in and out; what the control plane is asked is
//! authorized before it comes here. Who presents a certificate proves the key by the request's signature, which is judged
//! outside; all else about the certificate is judged in [`holder`] and [`session`].

mod anchors;
mod chain;
mod crls;
mod holder;
mod leaf;
mod profiles;
mod session;
mod tags;
#[cfg(test)]
mod tests;
mod thing;

pub use chain::{CertificateKey, signed_by};
pub use holder::CertificateHolder;
pub use session::{CertificateSession, CertificateSessionRequest};

use crate::ApiError;
use crate::account::AccountState;
use crate::authority::{Authority, Environment};
use crate::entity::{AnywhereProfile, Crl, TrustAnchor};
use hallpass_access::{Caller, Permit};
use hallpass_store::Op;
use hallpass_types::{Arn, UnixSeconds};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An account's part, by id.
#[derive(Debug, Default)]
pub(crate) struct Anywhere {
    pub(crate) trust_anchors: BTreeMap<String, Arc<TrustAnchor>>,
    pub(crate) profiles: BTreeMap<String, Arc<AnywhereProfile>>,
    pub(crate) crls: BTreeMap<String, Arc<Crl>>,
}

/// One question, as it is planned on a state.
struct Asked<'a> {
    account: &'a AccountState,
    env: &'a Environment,
    caller: &'a Caller,
    input: &'a Value,
    now: UnixSeconds,
}

/// Status and body of the answer, and the writes it stands for.
type Planned = Result<((u16, Value), Vec<Op>), ApiError>;

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", 400, message)
}

fn denied(message: impl Into<String>) -> ApiError {
    ApiError::new("AccessDeniedException", 403, message)
}

fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceNotFoundException", 404, message)
}

/// Errors of what IAM has checked, under the names of this service.
fn as_invalid(error: ApiError) -> ApiError {
    if error.is_callers_fault() {
        invalid(error.message)
    } else {
        error
    }
}

/// The id in an ARN of this service, region and account.
fn id_of(env: &Environment, account: &str, arn: &str, resource: &str) -> Option<String> {
    let whole = Arn::aws("rolesanywhere", &env.region, account, resource).to_string();
    arn.strip_prefix(&whole)?.strip_prefix('/').map(str::to_owned)
}

impl Asked<'_> {
    fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match &self.input[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(invalid(format!("{name} must be a text."))),
        }
    }

    fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| invalid(format!("{name} must be given.")))
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match &self.input[name] {
            Value::Null => Ok(None),
            Value::Bool(truth) => Ok(Some(*truth)),
            _ => Err(invalid(format!("{name} must be true or false."))),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match &self.input[name] {
            Value::Null => Ok(None),
            value => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(invalid(format!("{name} must be an integer."))),
            },
        }
    }

    fn texts(&self, name: &str, max: usize) -> Result<Option<Vec<String>>, ApiError> {
        let bad = || {
            invalid(format!(
                "{name} must be a list of at most {max} texts, each once."
            ))
        };
        let items = match &self.input[name] {
            Value::Null => return Ok(None),
            value => value
                .as_array()
                .filter(|items| items.len() <= max)
                .ok_or_else(bad)?,
        };
        let mut texts: Vec<String> = vec![];
        for item in items {
            let text = item.as_str().ok_or_else(bad)?;
            if texts.iter().any(|other| other == text) {
                return Err(bad());
            }
            texts.push(text.to_owned());
        }
        Ok(Some(texts))
    }

    fn arn(&self, resource: &str, id: &str) -> String {
        let account = self.account.id();
        let resource = format!("{resource}/{id}");
        Arn::aws("rolesanywhere", &self.env.region, account.as_str(), &resource).to_string()
    }
}

impl Authority {
    /// Answers an operation of the control plane that `permit` allows: the HTTP status and the body.
    ///
    /// # Errors
    /// [`ApiError`]; nothing was changed then.
    pub async fn roles_anywhere(
        &self,
        permit: &Permit,
        operation: &str,
        input: &Value,
        now: UnixSeconds,
    ) -> Result<(u16, Value), ApiError> {
        let wanted = format!("rolesanywhere:{operation}");
        let permitted = permit.actions().first();
        if permitted.is_none_or(|first| first.action != wanted) {
            return Err(ApiError::new(
                "InternalFailure",
                500,
                "The permit is for another call.",
            ));
        }
        let caller = permit.caller();
        self.change(|state| {
            let account = state
                .account(caller.account)
                .ok_or_else(|| denied("There is no such account."))?;
            plan(
                operation,
                &Asked {
                    account,
                    env: &self.env,
                    caller,
                    input,
                    now,
                },
            )
        })
        .await
    }
}

fn plan(operation: &str, asked: &Asked<'_>) -> Planned {
    match operation {
        "CreateTrustAnchor" => anchors::create(asked),
        "UpdateTrustAnchor" => anchors::update(asked),
        "GetTrustAnchor" => thing::get::<TrustAnchor>(asked),
        "ListTrustAnchors" => thing::list::<TrustAnchor>(asked),
        "EnableTrustAnchor" => thing::enable::<TrustAnchor>(asked, true),
        "DisableTrustAnchor" => thing::enable::<TrustAnchor>(asked, false),
        "DeleteTrustAnchor" => anchors::delete(asked),
        "CreateProfile" => profiles::create(asked),
        "UpdateProfile" => profiles::update(asked),
        "GetProfile" => thing::get::<AnywhereProfile>(asked),
        "ListProfiles" => thing::list::<AnywhereProfile>(asked),
        "EnableProfile" => thing::enable::<AnywhereProfile>(asked, true),
        "DisableProfile" => thing::enable::<AnywhereProfile>(asked, false),
        "DeleteProfile" => thing::delete::<AnywhereProfile>(asked),
        "ImportCrl" => crls::import(asked),
        "UpdateCrl" => crls::update(asked),
        "GetCrl" => thing::get::<Crl>(asked),
        "ListCrls" => thing::list::<Crl>(asked),
        "EnableCrl" => thing::enable::<Crl>(asked, true),
        "DisableCrl" => thing::enable::<Crl>(asked, false),
        "DeleteCrl" => thing::delete::<Crl>(asked),
        "TagResource" => tags::tag(asked),
        "UntagResource" => tags::untag(asked),
        "ListTagsForResource" => tags::list(asked),
        _ => Err(invalid(
            "This operation is not built: see docs/divergences.md, D-130.",
        )),
    }
}

fn read(answer: Value) -> Planned {
    Ok(((200, answer), vec![]))
}

/// Nothing but that it was done.
fn done(status: u16, ops: Vec<Op>) -> Planned {
    Ok(((status, json!({})), ops))
}
