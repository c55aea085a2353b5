//! One test for each thing implementations get wrong.

use super::{Request, credentials, example_date, key_of, s3_scope};
use crate::*;
use hallpass_secret::Secret;
use sha2::{Digest, Sha256};

const HOST: (&str, &str) = ("host", "bucket.example.com");

fn get(target: &str) -> Request {
    Request::new("GET", target, &[HOST])
}

fn signed(target: &str) -> Request {
    get(target).signed(&s3_scope(), PayloadMode::EMPTY)
}

fn presigned(target: &str) -> Request {
    let mut request = get(target);
    let query = request.with(|view| {
        presign(
            view,
            &credentials(),
            &s3_scope(),
            example_date(),
            600,
            PayloadMode::Unsigned,
        )
        .unwrap()
    });
    request.query = Some(query);
    request
}

fn query_scope(service: &str) -> Scope {
    Scope::new(example_date(), "us-east-1", service).unwrap()
}

/// Whether a request signed for `signed_target` verifies when sent as `sent_target`.
fn same(signed_target: &str, sent_target: &str) -> bool {
    let mut request = signed(signed_target);
    let sent = get(sent_target);
    request.path = sent.path;
    request.query = sent.query;
    request.verified().is_ok()
}

#[test]
fn s3_paths_are_decoded_once_and_never_normalised() {
    assert!(same("/b/a%2Fb", "/b/a/b"), "an encoded slash equals a slash");
    assert!(
        same("/b/%c3%a4%7e", "/b/%C3%A4~"),
        "hex case and needless encoding do not matter"
    );
    assert!(same("/b/a%2Bb", "/b/a+b"), "a plus in a path is a plus");
    assert!(!same("/b/a%20b", "/b/a+b"), "and never a space");
    for other in ["/b/a/c", "/b/a//c/", "/b/c", "/b/a//b/../c/.", "/b/a%252F%252Fc"] {
        assert!(!same("/b/a//c", other), "{other}");
    }
    assert!(!same("/b/x/../c", "/b/c"));
    assert!(!same("/b/a%2520b", "/b/a%20b"), "decoded once only");
}

#[test]
fn a_path_signed_with_reserved_bytes_bare_is_accepted_as_sent_only() {
    request_signed_as_sent("/b/a(1)%20c").verified().unwrap();
    let mut encoded = request_signed_as_sent("/b/a(1)%20c");
    encoded.path = "/b/a%281%29%20c".to_owned();
    assert_eq!(encoded.verified().unwrap_err(), VerifyError::SignatureMismatch);
    // Only for those bytes: no other path is taken as sent.
    let other = request_signed_as_sent("/b/%7e");
    assert_eq!(other.verified().unwrap_err(), VerifyError::SignatureMismatch);
}

/// What a client signs that encodes no path: signed by hand over the raw one.
fn request_signed_as_sent(path: &str) -> Request {
    use crate::canonical::{PathForm, SortedHeaders, write_request};
    let mut request = get(path);
    request.add("x-amz-date", "20130524T000000Z");
    request.add("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let scope = s3_scope();
    let authorization = request.with(|view| {
        let headers = SortedHeaders::new(view.headers);
        let names = SignedHeaderNames::from_sorted(headers.names());
        let mut text = Vec::new();
        write_request(
            &mut text,
            view,
            PathForm::AsSent,
            &headers,
            &names,
            None,
            PayloadMode::Unsigned,
        )
        .unwrap();
        let hash: [u8; 32] = Sha256::digest(&text).into();
        let signature =
            crate::string_to_sign::request_signature(&key_of(&scope), b"20130524T000000Z", &scope, &hash);
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope},SignedHeaders={},Signature={}",
            names.as_str(),
            hex::encode(signature)
        )
    });
    request.add("authorization", &authorization);
    request
}

#[test]
fn queries_are_encoded_and_sorted_by_name_then_value() {
    assert!(same("/?acl", "/?acl="));
    assert!(same("/?a=2&a=1&A=0", "/?A=0&a=1&a=2"));
    assert!(same("/?p=a%2Fb", "/?p=a/b"), "a slash counts as encoded");
    assert!(same("/?p=a%20b", "/?p=a+b"), "a bare plus is a space");
    assert!(!same("/?p=a%2Bb", "/?p=a+b"));
    assert!(!same("/?a=1", "/?a=1&a=1"), "repeated names stay");
    assert!(
        same("/?a=b=c", "/?a=b%3Dc"),
        "split at the first equals sign only"
    );
    // By encoded name first: "a-b" sorts after "a" although "a-b=" sorts before "a=" as text.
    let mut out = Vec::new();
    crate::query::write_canonical(&mut out, "a-b=1&a=2&X-Amz-Signature=00&x-amz-signature=1&%41=3");
    assert_eq!(String::from_utf8(out).unwrap(), "A=3&a=2&a-b=1&x-amz-signature=1");
}

#[test]
fn header_values_are_trimmed_folded_and_joined() {
    let mut request = Request::new(
        "GET",
        "/",
        &[HOST, ("x-amz-meta-a", "  a  b "), ("x-amz-meta-a", "c")],
    );
    request = request.signed(&s3_scope(), PayloadMode::EMPTY);
    request.verified().unwrap();
    let mut joined = request.clone();
    joined.set("x-amz-meta-a", "a b,c");
    joined.verified().unwrap();
    let mut other = request.clone();
    other.set("x-amz-meta-a", "c,a b");
    assert_eq!(other.verified().unwrap_err(), VerifyError::SignatureMismatch);
    let mut forged = request;
    forged.set("x-amz-meta-a", "a b,c\nx-amz-meta-b:1");
    assert_eq!(forged.verified().unwrap_err(), VerifyError::Unsignable);
}

#[test]
fn host_and_every_amz_header_must_be_signed() {
    let mut request = signed("/");
    request.add("x-amz-acl", "public-read");
    assert!(matches!(request.verified(), Err(VerifyError::HeaderNotSigned { name }) if name == "x-amz-acl"));
    let mut request = signed("/");
    request.add("content-type", "text/plain");
    request.add("content-length", "0");
    request.verified().expect("other headers need not be signed");
    let mut request = signed("/");
    let text = String::from_utf8(request.headers.pop().unwrap().1).unwrap();
    request.add(
        "authorization",
        &text.replace("SignedHeaders=host;", "SignedHeaders="),
    );
    assert_eq!(request.verified().unwrap_err(), VerifyError::HostNotSigned);
    request.set("authorization", &text.replace("=host;", "=gone;host;"));
    assert!(matches!(request.verified(), Err(VerifyError::SignedHeaderMissing { name }) if name == "gone"));
    // x-amz-content-sha256 itself stands in the payload line and need not be listed: the signature differs, no more.
    request.set("authorization", &text.replace(";x-amz-content-sha256", ""));
    assert_eq!(request.verified().unwrap_err(), VerifyError::SignatureMismatch);
}

#[test]
fn authorization_is_read_with_and_without_spaces() {
    let mut request = signed("/");
    let text = String::from_utf8(request.headers.pop().unwrap().1).unwrap();
    for variant in [text.clone(), text.replace(", ", ","), text.replace(", ", " ,  ")] {
        request.set("authorization", &variant);
        request.verified().unwrap();
    }
    for broken in [
        text.replace("Signature=", "Signature"),
        text.replace("Credential=", "Credential=AKIAIOSFODNN7EXAMPLE/"),
        text.replace("aws4_request", "aws4"),
        text.replace("SignedHeaders=host", "SignedHeaders=Host"),
        text.replace("SignedHeaders=host", "SignedHeaders=host;host"),
        text.replace("Signature=", "Signature=0"),
        text.to_uppercase()
            .replace("AWS4-HMAC-SHA256 CREDENTIAL", "AWS4-HMAC-SHA256 Credential"),
        format!("{text}, Credential=x"),
        format!("{text}, Other=x"),
        format!("{text},"),
        "AWS4-HMAC-SHA256".to_owned(),
        "AWS4-HMAC-SHA256 Credential=".to_owned(),
    ] {
        request.set("authorization", &broken);
        let error = request.parsed().unwrap_err();
        assert_eq!(error.s3_code(), ("AuthorizationHeaderMalformed", 400), "{broken}");
    }
}

#[test]
fn a_spoilt_signature_never_makes_a_request_anonymous() {
    assert!(get("/?acl").parsed().unwrap().is_none());
    let mut twice = signed("/");
    twice.add("authorization", "AWS4-HMAC-SHA256 x");
    assert_eq!(twice.parsed().unwrap_err(), ParseError::RepeatedAuthorization);
    let mut both = signed("/");
    both.query = presigned("/").query;
    assert_eq!(both.parsed().unwrap_err(), ParseError::HeaderAndQuery);
    let whole = presigned("/").query.unwrap();
    for left_out in 0..6 {
        let mut pieces: Vec<&str> = whole.split('&').collect();
        let gone = pieces.remove(left_out);
        let error = get(&format!("/?{}", pieces.join("&"))).parsed().unwrap_err();
        let name = gone.split_once('=').unwrap().0;
        assert!(
            matches!(error, ParseError::MissingParameter { name: missing } if missing == name),
            "{gone}"
        );
        let error = get(&format!("/?{whole}&{gone}")).parsed().unwrap_err();
        assert!(
            matches!(error, ParseError::RepeatedParameter { name: twice } if twice == name),
            "{gone}"
        );
        let error = get(&format!("/?{whole}&{}", gone.to_lowercase()))
            .parsed()
            .unwrap_err();
        assert!(
            matches!(
                error,
                ParseError::Malformed {
                    place: Place::Query,
                    ..
                }
            ),
            "{gone}"
        );
        let encoded = gone.replacen('X', "%58", 1);
        let error = get(&format!("/?{whole}&{encoded}")).parsed().unwrap_err();
        assert!(matches!(error, ParseError::RepeatedParameter { .. }), "{encoded}");
        assert_eq!(error.s3_code(), ("AuthorizationQueryParametersError", 400));
    }
    let token = Request::new("GET", "/", &[HOST, ("x-amz-security-token", "t")]);
    assert_eq!(token.parsed().unwrap_err(), ParseError::TokenWithoutSignature);
    assert!(get("/?X-Amz-Security-Token=t").parsed().is_err());
}

#[test]
fn other_schemes_are_named() {
    for (value, expected) in [
        ("AWS AKIAIOSFODNN7EXAMPLE:c2ln", ParseError::SignatureV2),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", ParseError::SignatureV4a),
        ("Bearer x", ParseError::UnsupportedAlgorithm),
        ("", ParseError::UnsupportedAlgorithm),
    ] {
        let mut request = get("/");
        request.add("authorization", value);
        assert_eq!(request.parsed().unwrap_err(), expected, "{value}");
    }
    let v2 = get("/?AWSAccessKeyId=AKIA&Expires=1&Signature=x");
    assert_eq!(v2.parsed().unwrap_err(), ParseError::SignatureV2);
    let query = presigned("/").query.unwrap().replace("AWS4-HMAC", "AWS4-HMAX");
    assert_eq!(
        get(&format!("/?{query}")).parsed().unwrap_err(),
        ParseError::UnsupportedAlgorithm
    );
}

#[test]
fn header_authentication_lives_fifteen_minutes_either_way() {
    let request = signed("/");
    for (offset, fits) in [(-901, false), (-900, true), (900, true), (901, false)] {
        let now = example_date().plus(offset);
        match request.verified_at(now, Payload::Declared) {
            Ok(_) => assert!(fits, "{offset}"),
            Err(error) => {
                assert!(!fits, "{offset}");
                assert_eq!(
                    error,
                    VerifyError::SkewTooLarge {
                        request: example_date(),
                        server: now
                    }
                );
                assert_eq!(error.s3_code(), ("RequestTimeTooSkewed", 403));
            }
        }
    }
}

#[test]
fn presigned_requests_live_from_a_little_before_to_their_expiry() {
    let request = presigned("/k");
    let at = |offset| request.verified_at(example_date().plus(offset), Payload::Declared);
    assert!(matches!(at(-901), Err(VerifyError::NotYetValid { .. })));
    at(-900).unwrap();
    at(599).unwrap();
    let expired = at(600).unwrap_err();
    assert!(
        matches!(expired, VerifyError::Expired { expired_at, .. } if expired_at == example_date().plus(600))
    );
    assert_eq!(expired.s3_code(), ("AccessDenied", 403));
    let query = request.query.unwrap();
    for (bad, fits) in [
        ("0", false),
        ("604801", false),
        ("604800", true),
        ("-1", false),
        ("+1", false),
        ("", false),
    ] {
        let changed = get(&format!(
            "/k?{}",
            query.replace("Expires=600", &format!("Expires={bad}"))
        ));
        match changed.parsed() {
            Ok(_) => assert!(fits, "{bad}"),
            Err(error) => {
                assert!(!fits, "{bad}");
                assert_eq!(error, ParseError::Expires);
            }
        }
    }
}

#[test]
fn the_scope_must_be_of_the_day_the_region_and_the_service() {
    let yesterday = Scope::new(example_date().plus(-86_400), "us-east-1", "s3").unwrap();
    let error = get("/")
        .signed(&yesterday, PayloadMode::EMPTY)
        .verified()
        .unwrap_err();
    assert_eq!(error, VerifyError::ScopeDate { place: Place::Header });
    let request = signed("/");
    let presented = request.parsed().unwrap().unwrap();
    let key = key_of(&presented.scope);
    let check = |options: &VerifyOptions<'_>| {
        request
            .with(|view| verify(view, presented.clone(), &key, Payload::Declared, options))
            .map(|_| ())
    };
    let base = VerifyOptions::new(example_date(), PathStyle::S3);
    let wrong = VerifyOptions {
        expected_region: Some("auto"),
        ..base
    };
    let error = check(&wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the region 'us-east-1' is wrong; expecting 'auto'"
    );
    assert_eq!(error.s3_code(), ("AuthorizationHeaderMalformed", 400));
    let aliased = VerifyOptions {
        region_aliases: &["", "us-east-1"],
        ..wrong
    };
    check(&aliased).unwrap();
    let service = VerifyOptions {
        expected_service: Some("sts"),
        ..base
    };
    assert!(matches!(check(&service), Err(VerifyError::WrongService { .. })));
}

#[test]
fn a_key_of_another_secret_or_scope_does_not_verify() {
    let request = signed("/");
    let presented = request.parsed().unwrap().unwrap();
    let options = VerifyOptions::new(example_date(), PathStyle::S3);
    for key in [
        SigningKey::derive(&Secret::new("other"), &presented.scope),
        SigningKey::derive(&Secret::new("x".repeat(100)), &presented.scope),
        key_of(&query_scope("sts")),
    ] {
        let result = request.with(|view| verify(view, presented.clone(), &key, Payload::Declared, &options));
        assert_eq!(result.unwrap_err(), VerifyError::SignatureMismatch);
    }
}

#[test]
fn the_amz_date_beats_the_date_header() {
    let mut request = signed("/");
    request.add("date", "Thu, 01 Jan 1970 00:00:00 GMT");
    request.verified().unwrap();
    request.set("x-amz-date", "nonsense");
    assert_eq!(request.parsed().unwrap_err(), ParseError::Date);
    request.headers.retain(|(name, _)| name != "x-amz-date");
    assert_eq!(request.parsed().unwrap().unwrap().date.0, 0);
    request.set("date", "Fri, 24 May 2013 00:00:00 GMT");
    assert_eq!(request.parsed().unwrap().unwrap().date, example_date());
    request.headers.retain(|(name, _)| name != "date");
    assert_eq!(request.parsed().unwrap_err(), ParseError::Date);
    let mut twice = signed("/");
    twice.add("x-amz-date", "20130524T000000Z");
    assert_eq!(
        twice.parsed().unwrap_err(),
        ParseError::RepeatedHeader { name: "x-amz-date" }
    );
}

#[test]
fn alternative_hosts_are_tried_only_when_offered() {
    let mut request = signed("/");
    request.set("host", "bucket.example.com:8080");
    assert_eq!(request.verified().unwrap_err(), VerifyError::SignatureMismatch);
    let presented = request.parsed().unwrap().unwrap();
    let options = VerifyOptions {
        host_alternatives: &["elsewhere", "bucket.example.com"],
        ..VerifyOptions::new(example_date(), PathStyle::S3)
    };
    let key = key_of(&s3_scope());
    request
        .with(|view| verify(view, presented, &key, Payload::Declared, &options))
        .unwrap();
}

#[test]
fn the_payload_line_follows_the_service() {
    let mut request = signed("/");
    request.headers.retain(|(name, _)| name != "x-amz-content-sha256");
    let error = request.verified().unwrap_err();
    assert_eq!(error, VerifyError::ContentHashMissing);
    assert_eq!(error.s3_code(), ("InvalidRequest", 400));
    for (value, expected) in [
        (
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            VerifyError::EcdsaPayload,
        ),
        (
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
            VerifyError::EcdsaPayload,
        ),
        ("unsigned-payload", VerifyError::ContentHashInvalid),
        (
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            VerifyError::ContentHashInvalid,
        ),
        ("", VerifyError::ContentHashInvalid),
    ] {
        request.set("x-amz-content-sha256", value);
        assert_eq!(request.verified().unwrap_err(), expected, "{value}");
    }
    let body: [u8; 32] = Sha256::digest(b"Action=GetCallerIdentity").into();
    let sts = Request::new("POST", "/", &[HOST]).signed(&query_scope("sts"), PayloadMode::Sha256(body));
    sts.verified_at(example_date(), Payload::Body(body)).unwrap();
    let other: [u8; 32] = Sha256::digest(b"Action=AssumeRole").into();
    assert_eq!(
        sts.verified_at(example_date(), Payload::Body(other)).unwrap_err(),
        VerifyError::SignatureMismatch
    );
    let mut told = sts;
    told.set("x-amz-content-sha256", &hex::encode(other));
    let error = told.verified_at(example_date(), Payload::Body(body)).unwrap_err();
    assert_eq!(error, VerifyError::ContentHashMismatch);
}

#[test]
fn session_tokens_are_signed_in_both_forms() {
    let mut temporary = credentials();
    temporary.session_token = Some(Secret::new("to/k+en="));
    let scope = s3_scope();
    let mut header = get("/");
    let added =
        header.with(|view| sign(view, &temporary, &scope, example_date(), PayloadMode::EMPTY).unwrap());
    for (name, value) in &added.headers {
        header.add(name, value);
    }
    assert_eq!(header.verified().unwrap().session_token(), Some("to/k+en="));
    header.set("x-amz-security-token", "other");
    assert_eq!(header.verified().unwrap_err(), VerifyError::SignatureMismatch);
    let mut url = get("/");
    url.query = Some(url.with(|view| {
        presign(
            view,
            &temporary,
            &scope,
            example_date(),
            60,
            PayloadMode::Unsigned,
        )
        .unwrap()
    }));
    assert_eq!(url.verified().unwrap().session_token(), Some("to/k+en="));
    url.add("x-amz-security-token", "other");
    assert_eq!(url.parsed().unwrap_err(), ParseError::HeaderAndQuery);
}

#[test]
fn normalised_paths_follow_rfc_3986() {
    for (path, expected) in [
        ("", "/"),
        ("/", "/"),
        ("/a/b/../../..", "/"),
        ("/a/./b//c/", "/a/b/c/"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a%2Fb@", "/a%252Fb%40"),
    ] {
        use crate::canonical::{PathForm, SortedHeaders, write_request};
        let mut out = Vec::new();
        get(path).with(|view| {
            let headers = SortedHeaders::new(view.headers);
            let names = SignedHeaderNames::from_sorted(headers.names());
            let form = PathForm::Styled(PathStyle::Normalized);
            write_request(
                &mut out,
                view,
                form,
                &headers,
                &names,
                None,
                PayloadMode::Unsigned,
            )
            .unwrap();
        });
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().nth(1), Some(expected), "{path}");
    }
}

#[test]
fn signing_refuses_what_cannot_be_verified() {
    let scope = s3_scope();
    let attempt = |request: &Request| {
        request
            .with(|view| sign(view, &credentials(), &scope, example_date(), PayloadMode::EMPTY))
            .map(|_| ())
    };
    assert_eq!(
        attempt(&Request::new("GET", "/", &[])),
        Err(SignError::HostMissing)
    );
    assert!(matches!(
        attempt(&signed("/")),
        Err(SignError::AlreadySigned { .. })
    ));
    assert!(matches!(
        attempt(&presigned("/")),
        Err(SignError::AlreadySigned { .. })
    ));
    assert_eq!(
        attempt(&Request::new("G\nET", "/", &[HOST])),
        Err(SignError::Unsignable)
    );
    for expires in [0, 604_801] {
        let result = get("/").with(|view| {
            presign(
                view,
                &credentials(),
                &scope,
                example_date(),
                expires,
                PayloadMode::Unsigned,
            )
        });
        assert_eq!(result, Err(SignError::Expires));
    }
}

/// Made by `@smithy/signature-v4` 5.7.5, as the AWS SDK for JavaScript signs over HTTP/2.
#[test]
fn http_2_s_authority_may_be_signed_in_place_of_the_host() {
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/transcribe/aws4_request, \
        SignedHeaders=:authority;content-type;x-amz-content-sha256;x-amz-date, \
        Signature=c9be10e155d3d99916858ac02b563d2099f1ac1e51cfc42e71960060bd28b30b";
    let request = |host: &str, authorization: &str| {
        let headers = [
            ("host", host),
            ("content-type", "application/vnd.amazon.eventstream"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", authorization),
        ];
        Request::new("POST", "/stream-transcription", &headers)
    };
    let verified = |request: &Request| request.verified_at(example_date(), Payload::Events).map(drop);
    let good = request("host.example.com:7400", authorization);
    assert_eq!(verified(&good), Ok(()));
    let elsewhere = request("host.example.com", authorization);
    assert_eq!(verified(&elsewhere), Err(VerifyError::SignatureMismatch));
    let mut two = good.clone();
    two.add("host", "host.example.com:7400");
    assert_eq!(verified(&two), Err(VerifyError::Unsignable));
    let mut none = good;
    none.headers.remove(0);
    assert!(matches!(
        verified(&none),
        Err(VerifyError::SignedHeaderMissing { .. })
    ));
    for names in [
        ":path;host",
        "host;:authority",
        ":authority",
        ":authority;:authority;host",
        ":authority;",
    ] {
        let text = authorization.replace(":authority;content-type;x-amz-content-sha256;x-amz-date", names);
        assert!(request("h", &text).parsed().is_err(), "{names}");
    }
}
