//! The ways a request takes that is not a plain request to S3: older signatures, browsers' forms, calls.

use super::reading::{api_dialect, guessed_dialect, is_stream_of_events};
use super::{Arrived, FrontDoor, bearer as bearers};
use crate::api::{self, ApiEnv, Asker};
use crate::entry::Entry;
use crate::render::Dialect;
use crate::version_2;
use bytes::Bytes;
use hallpass_access::{Caller, CallerKind};
use hallpass_authority::Service;
use hallpass_gateway::{Claim, Facts, Refusal, Requester, api as gateway_api, post_form, s3, s3::cors};
use hallpass_sigv4::{ParseError, Payload};
use hallpass_upstream::{ApiBody, Body, VerifiedEvents};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Instant;

impl FrontDoor {
    /// A URL presigned with version 2, which the operator allows.
    pub(super) async fn serve_version_2(
        &self,
        mut arrived: Arrived,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        let fields = arrived.head.fields();
        let presented = hallpass_sigv4::parse_v2_query(&arrived.head.view(&fields))?;
        drop(fields);
        let presented = presented.ok_or(ParseError::SignatureV2)?;
        entry.note_presented(presented.access_key_id.as_str(), "s3");
        let bucket = self.parts.gateway.host_bucket(&arrived.head).map(str::to_owned);
        let signed =
            self.authenticator
                .verify_v2(&arrived.head, presented, bucket.as_deref(), arrived.now)?;
        entry.note_caller(signed.caller());
        let authenticated = signed.bind(arrived.connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        // What the signature covered as parameters are headers to everything after it.
        version_2::settle(&mut arrived.head)?;
        entry.note_s3(s3::name_of(&arrived.head, &self.parts.gateway));
        let requester = Requester::Signed(Box::new(authenticated));
        self.serve_s3(requester, arrived, entry).await
    }

    /// A browser's form with a file.
    pub(super) async fn serve_form(
        &self,
        arrived: Arrived,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        let Arrived {
            head,
            body,
            connection,
            now,
            ..
        } = arrived;
        let bucket = s3::bucket_of_form(&head, &self.parts.gateway)?;
        entry.note_presented_by_nobody(&Caller::anonymous(self.parts.gateway.account));
        let nobody = Arc::new(Caller::anonymous(self.parts.gateway.account));
        let upload = post_form::read(
            &self.authenticator,
            nobody,
            &head,
            &bucket,
            body,
            connection,
            now,
            |caller| {
                if caller.kind != CallerKind::Anonymous {
                    entry.note_presented("", "s3");
                    entry.note_caller(caller);
                }
            },
        )
        .await?;
        let answer = upload.answer_with();
        let post_form::Upload {
            requester,
            head,
            body,
            ..
        } = upload;
        let arrived = Arrived {
            head,
            body,
            connection,
            now,
        };
        self.serve_s3(requester, arrived, entry).await.map(answer)
    }

    /// A browser that asks what a page may send. It is nobody's request, and is counted and recorded as one.
    pub(super) fn serve_preflight(
        &self,
        arrived: &Arrived,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        let nobody = Caller::anonymous(self.parts.gateway.account);
        entry.note_presented_by_nobody(&nobody);
        let mut facts = Facts::default();
        let answer = cors::preflight(&arrived.head, &self.parts.gateway, &mut facts);
        entry.note_s3(facts);
        entry.running = self.limits.begin(&nobody, Instant::now())?;
        answer
    }

    /// A call to a service that lies behind: understood by AWS's models, authorized, signed anew.
    pub(super) async fn serve_other(
        &self,
        service: &str,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let Arrived {
            head,
            body,
            connection,
            now,
        } = arrived;
        *dialect = guessed_dialect(&head);
        let request = gateway_api::understand(service, &head)?;
        *dialect = api_dialect(&head, request.protocol());
        let mut whole = Bytes::new();
        let (mut stream, mut _room) = (None, None);
        let payload = if is_stream_of_events(&head) {
            if !request.takes_events() {
                return Err(Refusal::caller(
                    "InvalidRequestException",
                    400,
                    "The operation takes no stream of events.",
                ));
            }
            stream = Some(body);
            Payload::Events
        } else {
            // Bodies are held before they can be judged; strangers hold none.
            self.authenticator.refuse_strangers(&claim, now)?;
            _room = Some(api::room_for(&self.api_room, &head, api::API_BODY_BYTES_MAX).await?);
            whole = api::read_body(body, api::API_BODY_BYTES_MAX).await?;
            Payload::Body(Sha256::digest(&whole).into())
        };
        let signed = self.authenticator.verify(&head, claim, payload, now)?;
        entry.note_caller(signed.caller());
        let mut authenticated = signed.bind(connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        let clock = Arc::clone(&self.parts.clock);
        let body = match stream.zip(authenticated.take_events()) {
            Some((stream, decoder)) => ApiBody::Events(Box::new(VerifiedEvents::new(decoder, stream, clock))),
            None => ApiBody::Whole(whole),
        };
        entry.running = self.limits.begin(authenticated.caller(), Instant::now())?;
        let input = gateway_api::Input {
            authenticated,
            request,
            head,
            body,
            connection,
            now,
            request_id: entry.request_id.clone(),
        };
        let mut facts = Facts::default();
        let answer = gateway_api::handle(&self.parts.gateway, input, &mut facts).await;
        entry.note_api(facts);
        answer
    }

    pub(super) fn api_env(&self) -> ApiEnv<'_> {
        ApiEnv {
            authority: &self.parts.authority,
            networks: &self.parts.gateway.config.networks,
            region: &self.region,
        }
    }

    /// A call to one of our own services; the text is the answer's document.
    pub(super) async fn serve_api(
        &self,
        service: Service,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
    ) -> Result<String, Refusal> {
        let Arrived {
            head,
            body,
            connection,
            now,
            ..
        } = arrived;
        // Bodies are held before they can be judged; strangers hold none.
        self.authenticator.refuse_strangers(&claim, now)?;
        let _room = api::room_for(&self.query_room, &head, api::QUERY_BODY_BYTES_MAX).await?;
        let body = api::read_body(body, api::QUERY_BODY_BYTES_MAX).await?;
        let payload = Payload::Body(Sha256::digest(&body).into());
        let signed = self.authenticator.verify(&head, claim, payload, now)?;
        entry.note_caller(signed.caller());
        let params = api::parameters(&head, &body)?;
        entry.note_action(&params);
        let authenticated = signed.bind(connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        entry.running = self.limits.begin(authenticated.caller(), Instant::now())?;
        let mut asker = Asker {
            caller: authenticated.caller(),
            verified: Some(authenticated.verified()),
        };
        let bearer;
        if bearers::is_asked(service, &params) {
            // A signature changes nothing: who asks is whom the token names.
            bearer = self.bearer(&params, now, entry).await?;
            asker = Asker {
                caller: &bearer,
                verified: None,
            };
        }
        api::handle(
            &self.api_env(),
            asker,
            &head,
            connection,
            service,
            params,
            now,
            entry,
        )
        .await
    }
}
