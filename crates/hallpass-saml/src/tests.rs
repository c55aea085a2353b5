//! Whole responses of a provider.

mod claims;
mod forged;
mod idp;
mod signed;

use crate::{Assertion, SamlError};
use idp::{Idp, assertion, response};

fn signed(idp: &Idp) -> String {
    idp.sign(&response(&assertion("_a")), "_a")
}

fn is_signature(result: Result<Assertion, SamlError>) -> bool {
    matches!(result, Err(SamlError::Signature(_)))
}
