//! The HTTP upstream against a server that verifies what it gets and tells what it received.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use bytes::Bytes;
use hallpass_access::{Caller, CallerKind, Permit};
use hallpass_policy::PrincipalInfo;
use hallpass_s3route::{S3Head, route};
use hallpass_secret::Secret;
use hallpass_sigv4::{
    BodyCheck, BodyOptions, PathStyle, Payload, RequestView, SigningCredentials, SigningKey, VerifyOptions,
    parse, verify,
};
use hallpass_types::{AccountId, UnixSeconds};
use hallpass_upstream::{
    ForwardRequest, HttpUpstream, HttpUpstreamConfig, StaticCredentials, Upstream, UpstreamError,
    VerifiedBody,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex};

const NOW: UnixSeconds = UnixSeconds(1_440_938_160);
const SECRET: &str = "wJalrXUtnFEMI";

#[derive(Default, Clone, Debug)]
struct Got {
    line: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

type Seen = Arc<Mutex<Vec<Got>>>;

async fn answer(
    request: Request<Incoming>,
    seen: Seen,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    let headers: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let view = RequestView {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &headers,
    };
    let presented = parse(&view).unwrap().unwrap();
    let key = SigningKey::derive(&Secret::new(SECRET), &presented.scope);
    let options = VerifyOptions::new(NOW, PathStyle::S3);
    let verified = verify(&view, presented, &key, Payload::Declared, &options).unwrap();
    for (name, _) in &headers {
        let unsigned = ["authorization", "transfer-encoding"].contains(name);
        assert!(unsigned || verified.signed_header(name), "{name} is not signed");
    }
    let check = BodyCheck::for_request(&view, Some(&verified), &BodyOptions::default()).unwrap();
    let mut got = Got {
        line: format!("{} {}", head.method, head.uri),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: None,
    };
    got.body = VerifiedBody::new(check, body)
        .collect()
        .await
        .ok()
        .map(|body| body.to_bytes().to_vec());
    seen.lock().unwrap().push(got);
    let mut response = Response::new(Full::new(Bytes::from("answer")));
    for (name, value) in [
        ("location", "http://elsewhere/"),
        ("connection", "x-secret"),
        ("x-secret", "1"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("etag", "\"e\""),
    ] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    if head.uri.path().ends_with("/moved") {
        *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
    }
    Ok(response)
}

async fn lab() -> (HttpUpstream, Seen) {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&serving);
            let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&seen)));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    let credentials = SigningCredentials {
        access_key_id: "ASIAIOSFODNN7EXAMPLE".parse().unwrap(),
        secret: Secret::new(SECRET),
        session_token: Some(Secret::new("up-token")),
    };
    let credentials = Arc::new(StaticCredentials(credentials));
    let config = HttpUpstreamConfig {
        bucket_map: [("demo".to_owned(), "real-demo".to_owned())].into(),
        ..HttpUpstreamConfig::new("lab", &endpoint, credentials)
    };
    (HttpUpstream::new(config).unwrap(), seen)
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> ForwardRequest {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let length = body.len().to_string();
    let mut all: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    if !headers
        .iter()
        .any(|(name, _)| *name == "x-amz-decoded-content-length")
    {
        all.push(("content-length", length.as_bytes()));
    }
    let s3 = route(&S3Head {
        method,
        path,
        query,
        headers: &all,
        host_bucket: None,
    })
    .unwrap();
    let view = RequestView {
        method,
        path,
        query,
        headers: &all,
    };
    let check = BodyCheck::for_request(&view, None, &BodyOptions::default()).unwrap();
    let mut head = Request::builder().method(method).uri("/");
    for (name, value) in &all {
        head = head.header(*name, *value);
    }
    let account: AccountId = "123456789012".parse().unwrap();
    let caller = Caller {
        account,
        kind: CallerKind::Root,
        principal: PrincipalInfo::root(account),
        user_id: account.to_string(),
        access_key_id: None,
        session: None,
    };
    let permit = Permit::unconditional(Arc::new(caller), "s3:*", "tests of forwarding, not of policy");
    let body = VerifiedBody::new(check, Full::new(Bytes::copy_from_slice(body)));
    ForwardRequest::new(
        permit,
        s3,
        head.body(()).unwrap().into_parts().0,
        body,
        "r".to_owned(),
        NOW,
    )
}

async fn send(upstream: &HttpUpstream, request: ForwardRequest) -> Result<Response<Bytes>, UpstreamError> {
    let (head, body) = upstream.serve(request).await?.into_parts();
    Ok(Response::from_parts(
        head,
        body.collect().await.unwrap().to_bytes(),
    ))
}

#[tokio::test]
async fn the_request_is_rebuilt_and_all_of_it_is_signed() {
    let (upstream, seen) = lab().await;
    let headers = [
        ("host", "gateway"),
        ("authorization", "AWS4-HMAC-SHA256 theirs"),
        ("x-amz-security-token", "their-token"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-forwarded-for", "1.2.3.4"),
        ("cookie", "c"),
        ("expect", "100-continue"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("content-type", "text/plain"),
        ("x-amz-meta-a", "b"),
        ("x-amz-copy-source-if-match", "e"),
    ];
    let target = "/demo/a%20b//../%2B?X-Amz-Signature=s&X-Amz-Algorithm=a&x-amz-storage-class=STANDARD_IA&x-id=PutObject";
    let answer = send(&upstream, request("PUT", target, &headers, b"hello"))
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"answer"[..])
    );
    assert_eq!(answer.headers().get("etag").unwrap(), "\"e\"");
    for gone in [
        "location",
        "connection",
        "x-secret",
        "access-control-allow-origin",
        "access-control-allow-credentials",
    ] {
        assert!(!answer.headers().contains_key(gone), "{gone}");
    }
    let got = seen.lock().unwrap().remove(0);
    assert_eq!(got.line, "PUT /real-demo/a%20b//../%2B");
    assert_eq!(got.body.as_deref(), Some(&b"hello"[..]));
    for gone in ["x-forwarded-for", "cookie", "expect", "x-hop", "connection"] {
        assert_eq!(got.header(gone), None, "{gone}");
    }
    for (name, value) in [
        ("x-amz-security-token", "up-token"),
        ("x-amz-date", "20150830T123600Z"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-meta-a", "b"),
        ("content-type", "text/plain"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("content-length", "5"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn framing_is_taken_off_and_the_trailer_goes_on() {
    let (upstream, seen) = lab().await;
    let headers = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("content-encoding", "gzip,aws-chunked"),
    ];
    // CRC-32's check value: of "123456789" it is cbf43926.
    let body = b"4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    send(&upstream, request("PUT", "/demo/k", &headers, body))
        .await
        .unwrap();
    let got = seen.lock().unwrap().remove(0);
    assert_eq!(got.body.as_deref(), Some(&b"123456789"[..]));
    assert_eq!(got.header("content-encoding"), Some("aws-chunked,gzip"));
    assert_eq!(got.header("x-amz-trailer"), Some("x-amz-checksum-crc32"));
    assert_eq!(got.header("x-amz-sdk-checksum-algorithm"), None);
    let signed = [("content-encoding", "gzip,aws-chunked")];
    send(&upstream, request("PUT", "/demo/k", &signed, b"z"))
        .await
        .unwrap();
    assert_eq!(
        seen.lock().unwrap().remove(0).header("content-encoding"),
        Some("gzip")
    );
}

#[tokio::test]
async fn a_body_that_is_not_proven_never_completes_upstream() {
    let (upstream, seen) = lab().await;
    let wrong = "0".repeat(64);
    for body in [&b"not that"[..], &[7; 900_000], b""] {
        let headers = [("x-amz-content-sha256", wrong.as_str())];
        let error = send(&upstream, request("PUT", "/demo/k", &headers, body))
            .await
            .unwrap_err();
        assert_eq!((error.code, error.status), ("XAmzContentSHA256Mismatch", 400));
    }
    assert!(seen.lock().unwrap().iter().all(|got| got.body.is_none()));
}

#[tokio::test]
async fn what_cannot_be_forwarded_faithfully_is_refused() {
    let (upstream, seen) = lab().await;
    for (headers, code) in [
        ([("x-amz-write-offset-bytes", "5")], "NotImplemented"),
        ([("connection", "x-amz-acl")], "OK"),
    ] {
        let result = send(&upstream, request("PUT", "/demo/k", &headers, b"x")).await;
        assert_eq!(result.map_or_else(|error| error.code, |_| "OK"), code);
    }
    let named = [("connection", "x-amz-acl"), ("x-amz-acl", "private")];
    let error = send(&upstream, request("PUT", "/demo/k", &named, b"x"))
        .await
        .unwrap_err();
    assert_eq!(error.code, "InvalidRequest");
    let error = send(&upstream, request("GET", "/demo/moved", &[], b""))
        .await
        .unwrap_err();
    assert_eq!(error.status, 502);
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert!(!format!("{upstream:?}").contains(SECRET));
}
