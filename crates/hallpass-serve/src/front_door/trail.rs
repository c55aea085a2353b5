//! Calls to CloudTrail, which is the audit log.

use super::json_call::JsonCall;
use super::{Arrived, FrontDoor};
use crate::cloudtrail::{self, Asked};
use crate::entry::Entry;
use crate::render::{self, Dialect};
use hallpass_gateway::{Claim, Refusal};
use hallpass_upstream::Body;
use std::sync::Arc;

/// The service that the audit log answers for, unless an upstream is named for it.
pub(super) const SERVICE: &str = "cloudtrail";
/// Look-ups that read the log at the same time; others wait.
pub(super) const LOOKUPS_MAX: usize = 2;

impl FrontDoor {
    pub(super) async fn serve_trail(
        &self,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let now = arrived.now;
        let JsonCall {
            permit,
            operation,
            input,
        } = self.json_call(SERVICE, claim, arrived, entry, dialect).await?;
        let gateway = &self.parts.gateway;
        let asked = Asked {
            log: Arc::clone(&self.parts.audit),
            config: gateway.config.audit.clone(),
            region: self.region.clone(),
            account: permit.caller().account,
            is_home: permit.caller().account == gateway.account,
            now,
        };
        let _turn = self.lookup_room.acquire().await;
        let reading = tokio::task::spawn_blocking(move || cloudtrail::answer(&asked, operation, &input));
        let answer = reading
            .await
            .map_err(|error| Refusal::server("The log cannot be read.", error.to_string()))??;
        Ok(render::text(
            200,
            "application/x-amz-json-1.1",
            answer.to_string(),
        ))
    }
}
