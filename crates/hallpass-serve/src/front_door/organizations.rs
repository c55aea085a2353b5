//! Calls to AWS Organizations, which the authority answers.

use super::{Arrived, FrontDoor};
use crate::entry::Entry;
use crate::render::{self, Dialect};
use hallpass_authority::ApiError;
use hallpass_gateway::{Blame, Claim, Refusal};
use hallpass_upstream::Body;

/// The service, unless an upstream is named for it.
pub(super) const SERVICE: &str = "organizations";

impl FrontDoor {
    pub(super) async fn serve_organizations(
        &self,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let now = arrived.now;
        let asked = self.json_call(SERVICE, claim, arrived, entry, dialect).await?;
        let answer = self
            .parts
            .authority
            .organizations(&asked.permit, asked.operation, &asked.input, now)
            .await
            .map_err(refused)?;
        Ok(render::text(
            200,
            "application/x-amz-json-1.1",
            answer.to_string(),
        ))
    }
}

fn refused(error: ApiError) -> Refusal {
    let blame = if error.is_callers_fault() {
        Blame::Caller
    } else {
        Blame::Server
    };
    Refusal {
        blame,
        ..Refusal::caller(error.code, error.status, error.message)
    }
}
