use super::{HttpUpstream, Plan, STORES_REGION, header_value};
use crate::body::{Body, VerifiedBody};
use crate::error::UpstreamError;
use crate::forward::{ForwardParts, ForwardRequest};
use crate::headers;
use crate::progress::{Progress, Watched};
use crate::reframe::Outgoing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_sigv4::PayloadMode;
use http::{HeaderName, HeaderValue, Method, Response};
use md5::{Digest, Md5};
use std::sync::Arc;

impl HttpUpstream {
    fn bucket_there<'a>(&'a self, bucket: &'a str) -> &'a str {
        self.bucket_map.get(bucket).map_or(bucket, String::as_str)
    }

    pub(super) async fn forward(&self, request: ForwardRequest) -> Result<Response<Body>, UpstreamError> {
        let mut response = self.sent(request).await?;
        headers::forget_origins(response.headers_mut());
        Ok(response)
    }

    async fn sent(&self, request: ForwardRequest) -> Result<Response<Body>, UpstreamError> {
        let mut parts = request.into_parts();
        let empty_trailers = parts.body.prove_empty().await?;
        let clients = parts
            .client_region
            .as_deref()
            .filter(|_| self.endpoint.at.has_region());
        let region = self
            .region
            .as_deref()
            .or(clients)
            .unwrap_or(STORES_REGION)
            .to_owned();
        let bucket = parts.s3.bucket.as_deref().map(|name| self.bucket_there(name));
        let target = self.endpoint.s3_target(&parts.s3, bucket, &region);
        let mut headers = headers::for_upstream(&parts.head.headers, &parts.s3.query_headers)?;
        if let Some(trailers) = empty_trailers {
            // Of an empty body the checksum is known before the head goes out.
            headers.extend(trailers.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let payload = self.describe_body(&parts, &mut headers)?;
        if let Some(source) = &parts.s3.copy_source {
            let mut source = source.clone();
            source.bucket = self.bucket_there(&source.bucket).to_owned();
            headers.push((
                HeaderName::from_static("x-amz-copy-source"),
                header_value(&source.header_value())?,
            ));
        }
        headers.push((http::header::HOST, header_value(&target.host)?));
        let plan = Plan {
            method: parts.head.method.clone(),
            uri: target.uri,
            path: target.path,
            query: target.query,
            headers,
            payload,
            service: "s3".to_owned(),
            region,
            caller: Arc::clone(parts.permit.caller()),
            now: parts.now,
        };
        if parts.body.length() == 0 && matches!(plan.method, Method::GET | Method::HEAD) {
            let again = || self.signed(&plan, Outgoing::plain(Watched::unwatched(VerifiedBody::empty())));
            return self.exchange.repeatable(again, plan.now).await;
        }
        let progress = Arc::new(Progress::default());
        let watched = Watched::new(parts.body, Arc::clone(&progress));
        let body = match payload {
            PayloadMode::StreamingUnsignedTrailer => Outgoing::chunked(watched),
            _ => Outgoing::plain(watched),
        };
        let outgoing = self.signed(&plan, body).await?;
        self.exchange.once(outgoing, &progress, plan.now).await
    }

    /// Adds the headers that describe the body, and says how it is bound to the signature.
    fn describe_body(
        &self,
        parts: &ForwardParts,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<PayloadMode, UpstreamError> {
        let length = parts.body.length();
        let has_trailer = parts.head.headers.contains_key("x-amz-trailer");
        if length > 0 && has_trailer && self.trailing_checksums {
            let trailer = parts.header("x-amz-trailer").unwrap_or_default();
            headers.push((HeaderName::from_static("x-amz-trailer"), header_value(&trailer)?));
            let decoded = HeaderName::from_static("x-amz-decoded-content-length");
            headers.push((decoded, HeaderValue::from(length)));
            let position = headers
                .iter()
                .position(|(name, _)| *name == http::header::CONTENT_ENCODING);
            let others = position.map(|position| headers.swap_remove(position).1);
            let others = others.as_ref().and_then(|value| value.to_str().ok());
            let coding = others.map_or_else(
                || "aws-chunked".to_owned(),
                |others| format!("aws-chunked,{others}"),
            );
            headers.push((http::header::CONTENT_ENCODING, header_value(&coding)?));
            return Ok(PayloadMode::StreamingUnsignedTrailer);
        }
        let method = &parts.head.method;
        if length > 0 || method == http::Method::PUT || method == http::Method::POST {
            headers.push((http::header::CONTENT_LENGTH, HeaderValue::from(length)));
        }
        if length == 0 {
            return Ok(PayloadMode::EMPTY);
        }
        let declared = |name: &str| headers.iter().any(|(other, _)| other.as_str().starts_with(name));
        if let Some(bytes) = parts.body.proven_bytes()
            && parts.s3.buffers_body()
            && !declared("content-md5")
            && !declared("x-amz-checksum-")
        {
            // Several of these operations demand a checksum, and the client's may have been a trailer.
            let md5 = STANDARD.encode(Md5::digest(&bytes));
            headers.push((HeaderName::from_static("content-md5"), header_value(&md5)?));
        }
        let known = parts
            .head
            .headers
            .get("x-amz-content-sha256")
            .and_then(|value| value.to_str().ok());
        match known.and_then(|value| PayloadMode::parse(value.trim()).ok()) {
            // Over TLS the upstream need not hash what cannot have changed on the way.
            Some(PayloadMode::Sha256(hash)) if !self.endpoint.at.is_https() => Ok(PayloadMode::Sha256(hash)),
            _ => Ok(PayloadMode::Unsigned),
        }
    }
}
