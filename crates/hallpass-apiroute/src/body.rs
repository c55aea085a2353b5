//! Bodies of every protocol, read into one kind of value. What a peer could read otherwise is refused.

mod cbor;
mod form;
mod json;
mod xml;

use crate::value::Value;
use crate::{BODY_BYTES_MAX, Protocol, RouteError};

/// Reads a body that is not a form.
///
/// # Errors
/// [`RouteError::Body`], [`RouteError::BodyTooLarge`].
pub(crate) fn read(protocol: Protocol, body: &[u8]) -> Result<Value, RouteError> {
    check_length(body)?;
    if body.is_empty() && protocol != Protocol::RestXml {
        return Ok(Value::Map([].into()));
    }
    let value = match protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => json::read(body),
        Protocol::Cbor => cbor::read(body),
        Protocol::RestXml if body.is_empty() => Ok(Value::Map([].into())),
        Protocol::RestXml => xml::read(body),
        Protocol::Query | Protocol::Ec2 => form::read(body).map(|form| form.value),
    };
    let value = value.map_err(|reason| RouteError::Body(protocol, reason))?;
    // A peer that takes names in any case must not find another one than we do.
    let mut names: Vec<_> = value
        .entries()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() == count {
        Ok(value)
    } else {
        Err(RouteError::Body(protocol, "two names differ in case only"))
    }
}

/// Reads a form or a query string: `Action`, `Version`, and the rest.
pub(crate) fn read_form(protocol: Protocol, body: &[u8]) -> Result<Form, RouteError> {
    check_length(body)?;
    form::read(body).map_err(|reason| RouteError::Body(protocol, reason))
}

pub(crate) use form::Form;

fn check_length(body: &[u8]) -> Result<(), RouteError> {
    if body.len() > BODY_BYTES_MAX {
        Err(RouteError::BodyTooLarge)
    } else {
        Ok(())
    }
}
