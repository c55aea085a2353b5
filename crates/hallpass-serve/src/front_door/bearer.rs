//! The two calls that nobody signs: `AssumeRoleWithWebIdentity` and `AssumeRoleWithSAML`, whose token or assertion is what
//! proves who asks.

use super::reading::{query_dialect, unsigned};
use super::{Arrived, FrontDoor};
use crate::api::{self, Asker};
use crate::entry::Entry;
use crate::render::{self, Dialect};
use hallpass_access::{Caller, CallerKind};
use hallpass_authority::Service;
use hallpass_gateway::Refusal;
use hallpass_types::UnixSeconds;
use hallpass_upstream::Body;
use hallpass_wire::QueryParams;
use std::sync::Arc;
use std::time::Instant;

/// An assertion of 100,000 characters, of which one in sixteen is encoded as three, a session policy and ten ARNs.
const BODY_BYTES_MAX: usize = 128 * 1_024;

/// Whether a call is one of them.
pub(super) fn is_asked(service: Service, params: &QueryParams) -> bool {
    service == Service::Sts
        && matches!(
            params.get("Action"),
            Some("AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML")
        )
}

impl FrontDoor {
    /// A form that nobody signed. Anything but these calls is refused as it would be unread.
    pub(super) async fn serve_unsigned(
        &self,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let Arrived {
            head,
            body,
            connection,
            now,
            ..
        } = arrived;
        *dialect = query_dialect(Service::Sts);
        let announced = head
            .header("content-length")
            .and_then(|length| length.parse().ok());
        if announced.is_some_and(|length: usize| length > BODY_BYTES_MAX) {
            return Err(unsigned(true));
        }
        let _room = api::room_for(&self.unsigned_room, &head, BODY_BYTES_MAX).await?;
        let body = api::read_body(body, BODY_BYTES_MAX).await?;
        let params = api::parameters(&head, &body).map_err(|_| unsigned(true))?;
        if !is_asked(Service::Sts, &params) {
            return Err(unsigned(true));
        }
        entry.source = "sts.amazonaws.com".to_owned();
        entry.note_action(&params);
        let caller = self.bearer(&params, now, entry).await?;
        let asker = Asker {
            caller: &caller,
            verified: None,
        };
        let answer = api::handle(
            &self.api_env(),
            asker,
            &head,
            connection,
            Service::Sts,
            params,
            now,
            entry,
        )
        .await?;
        Ok(render::text(200, "text/xml", answer))
    }

    /// Whoever the token or assertion says it is, once that is proved.
    pub(super) async fn bearer(
        &self,
        params: &QueryParams,
        now: UnixSeconds,
        entry: &mut Entry,
    ) -> Result<Arc<Caller>, Refusal> {
        let authority = &self.parts.authority;
        let caller = match params.get("Action") {
            Some("AssumeRoleWithSAML") => authority.saml_identity(params, now),
            _ => authority.web_identity(params, now).await,
        };
        let caller = caller.map_err(api::refused)?;
        entry.note_caller(&caller);
        if let CallerKind::Saml(identity) = &caller.kind {
            entry.note_assertion(identity);
        }
        entry.running = self.limits.begin(&caller, Instant::now())?;
        Ok(caller)
    }
}
