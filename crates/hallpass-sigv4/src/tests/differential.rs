//! Our signatures against those of `aws-sigv4`, on random requests.

use super::{Request, SECRET, credentials, example_date};
use crate::*;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;
use std::time::{Duration, UNIX_EPOCH};

const HOST: &str = "host.example.com";

fn theirs(request: &Request, service: &str, body: SignableBody<'_>, expires: Option<u64>) -> String {
    let s3 = service == "s3";
    let mut settings = SigningSettings::default();
    if s3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if let Some(seconds) = expires {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
    }
    let identity =
        aws_credential_types::Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(UNIX_EPOCH + Duration::from_secs(example_date().0.unsigned_abs()))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let query = request
        .query
        .as_ref()
        .map_or(String::new(), |query| format!("?{query}"));
    let uri = format!("https://{HOST}{}{query}", request.path);
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
        .collect();
    let signable = SignableRequest::new(&request.method, uri, headers.into_iter(), body).unwrap();
    let (_, signature) = aws_sigv4::http_request::sign(signable, &params)
        .unwrap()
        .into_parts();
    signature
}

fn ours(request: &Request, service: &str, payload: PayloadMode, expires: Option<u32>) -> String {
    let scope = Scope::new(example_date(), "us-east-1", service).unwrap();
    request.with(|view| match expires {
        Some(seconds) => {
            let query = presign(view, &credentials(), &scope, example_date(), seconds, payload).unwrap();
            query.rsplit_once('=').unwrap().1.to_owned()
        }
        None => {
            let signed = sign(view, &credentials(), &scope, example_date(), payload).unwrap();
            signed
                .get("authorization")
                .unwrap()
                .rsplit_once('=')
                .unwrap()
                .1
                .to_owned()
        }
    })
}

fn query() -> impl Strategy<Value = Option<String>> {
    let piece = "([a-zA-Z0-9._~/:@+-]|%20|%2F|%2b|%C3%A4|%25){1,5}";
    let pair = (piece, prop::option::of(piece)).prop_map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name,
    });
    prop::option::of(prop::collection::vec(pair, 1..6).prop_map(|pairs| pairs.join("&")))
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec!["x-amz-meta-a", "x-amz-meta-b", "content-type", "range", "a"]);
    prop::collection::vec((name.prop_map(str::to_owned), "[ a-zA-Z0-9,;=]{0,12}"), 0..5)
}

fn request(path: &str, method: &str, query: Option<String>, headers: &[(String, String)]) -> Request {
    let mut request = Request::new(method, path, &[("host", HOST)]);
    request.query = query;
    for (name, value) in headers {
        request.add(name, value);
    }
    request
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn s3_signatures_agree(
        key in prop::collection::vec(prop::sample::select(b"aZ0-._~/ +%$@\xc3\xa4&".to_vec()), 0..12),
        method in "GET|PUT|DELETE", query in query(), headers in headers(), presigned: bool,
    ) {
        // aws-sigv4 takes an S3 path as already encoded once.
        let mut path = b"/".to_vec();
        for byte in key {
            if byte == b'/' { path.push(byte) } else { crate::canonical::write_encoded(&mut path, byte) }
        }
        let request = request(&String::from_utf8(path).unwrap(), &method, query, &headers);
        let expires = presigned.then_some(300);
        let left = ours(&request, "s3", PayloadMode::Unsigned, expires);
        let right = theirs(&request, "s3", SignableBody::UnsignedPayload, expires.map(u64::from));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn other_signatures_agree(
        path in "(/[a-zA-Z0-9._~%@:!$'()*,-]{0,4}){1,5}(/\\.\\.?){0,2}/?",
        method in "GET|POST", query in query(), headers in headers(),
        body in prop::collection::vec(any::<u8>(), 0..40), presigned: bool,
    ) {
        use sha2::Digest;
        let request = request(&path, &method, query, &headers);
        let digest = sha2::Sha256::digest(&body).into();
        let expires = presigned.then_some(300);
        let left = ours(&request, "execute-api", PayloadMode::Sha256(digest), expires);
        let right = theirs(&request, "execute-api", SignableBody::Bytes(&body), expires.map(u64::from));
        prop_assert_eq!(left, right);
    }
}
