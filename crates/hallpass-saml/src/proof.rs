//! Which element of a response is proved, by which signature.

use crate::SamlError;
use crate::keys::Key;
use crate::names::{ASSERTION, DSIG, PROTOCOL, SUCCESS};
use crate::parse::{RESPONSE, parse};
use crate::signature::proved;
use crate::tree::{Element, Node};
use std::collections::BTreeSet;

/// The only assertion of a response, read again from the bytes that a signature of `keys` is over: its own signature, or
/// else the response's. Where both are there, both must hold.
pub(crate) fn proved_assertion(text: &str, keys: &[Key]) -> Result<Element, SamlError> {
    let response = parse(text, RESPONSE)?;
    if !response.is(PROTOCOL, "Response") {
        return Err(SamlError::Unreadable("it is no SAML 2.0 response"));
    }
    refuse_tricks(&response)?;
    succeeded(&response)?;
    let assertion = response.only(ASSERTION, "Assertion")?;
    let is_signed = |element: &Element| element.all(DSIG, "Signature").next().is_some();
    let whole = match is_signed(&response) {
        true => Some(proved(&response, &[], keys)?),
        false => None,
    };
    if is_signed(assertion) {
        return parse(&proved(assertion, &[&response], keys)?, RESPONSE);
    }
    let Some(whole) = whole else {
        return Err(SamlError::Signature("there is none"));
    };
    let inside = parse(&whole, RESPONSE)?.children.into_iter();
    let mut assertions = inside.filter_map(|node| match node {
        Node::Element(element) if element.is(ASSERTION, "Assertion") => Some(element),
        _ => None,
    });
    assertions
        .next()
        .ok_or(SamlError::Signature("it is over another element"))
}

/// Forgers put a signed element where nobody looks and one of their own where everybody does. Claims are read from what
/// was hashed, so that this gains nothing; a response with more than one place to look at is refused all the same.
fn refuse_tricks(response: &Element) -> Result<(), SamlError> {
    let is_assertion = |element: &&Element| element.namespace == ASSERTION && element.local == "Assertion";
    if response.walk().filter(is_assertion).count() > 1 {
        return Err(SamlError::unfit("There is more than one Assertion"));
    }
    if response.walk().any(|element| {
        matches!(
            &*element.local,
            "EncryptedAssertion" | "EncryptedID" | "EncryptedAttribute"
        )
    }) {
        return Err(SamlError::unfit("Encrypted assertions are not taken"));
    }
    let mut ids = BTreeSet::new();
    for element in response.walk() {
        for attribute in &element.attributes {
            if attribute.local.eq_ignore_ascii_case("id") && !ids.insert(&attribute.value) {
                return Err(SamlError::Unreadable("an ID is there twice"));
            }
        }
    }
    let own = |element: &Element| element.all(DSIG, "Signature").count();
    let beneath: usize = response.all(ASSERTION, "Assertion").map(own).sum();
    let all = response
        .walk()
        .filter(|element| element.is(DSIG, "Signature"))
        .count();
    if own(response) > 1 || beneath > 1 || all != own(response) + beneath {
        return Err(SamlError::Signature("there is one where none belongs"));
    }
    Ok(())
}

/// Whether the provider says that somebody was authenticated.
fn succeeded(response: &Element) -> Result<(), SamlError> {
    let status = response.only(PROTOCOL, "Status")?;
    let code = status.only(PROTOCOL, "StatusCode")?.attribute("Value");
    if code == Some(SUCCESS) {
        Ok(())
    } else {
        Err(SamlError::Rejected(
            "The identity provider reported that authentication failed",
        ))
    }
}
