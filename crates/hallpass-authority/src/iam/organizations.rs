//! What IAM offers to organizations. There are none here, and that is the answer.

use crate::ApiError;
use crate::call::{Ctx, Outcome};

/// Outside of an organization (IAM API Reference, the errors of these actions).
pub(crate) fn none(_ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    Err(ApiError::new(
        "OrganizationNotFoundException",
        400,
        "The request was rejected because your account is not part of an organization.",
    ))
}

/// No job of that kind was ever begun.
pub(crate) fn no_report(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let id = ctx.required("JobId")?;
    Err(ApiError::no_such_entity(format!("Job {id} cannot be found.")))
}
