//! Version 2 in the query string. The targets are those of boto3 1.44.5 (`signature_version="s3"`, clock 1700000000,
//! ten minutes), and the worked example of S3's "Signing and authenticating REST requests".

use super::{Request, SECRET, key_id};
use crate::*;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const TAIL: &str = "&Expires=1700000600";

fn verified(request: &Request, bucket: Option<&str>, now: UnixSeconds) -> Result<Verified, VerifyError> {
    request.with(|view| {
        let presented = parse_v2_query(view).unwrap().unwrap();
        verify_v2(view, presented, &Secret::new(SECRET), bucket, "eu-west-1", now)
    })
}

fn sent(method: &str, target: &str) -> Request {
    Request::new(
        method,
        &format!("{target}{TAIL}"),
        &[("host", "s3.example.com"), ("user-agent", "x")],
    )
}

const PLAIN: &str = "/bkt/a//b/../c%20d%2Be%2541%C3%BC%281%29.txt?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
    &Signature=PEOUjrjodNAjP6k1648vY0Cw7uw%3D";
const OVERRIDES: &str = "/bkt/k?versionId=3%2FL4%2Bx%3D\
    &response-content-disposition=attachment%3B%20filename%3D%22a%26b%3Dc%2Bd%20e.txt%22\
    &response-content-type=text%2Fplain%3B%20charset%3Dutf-8&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
    &Signature=BHk6KttZCx%2FtuyBPtdfTrdMb8h0%3D";
const UPLOAD: &str = "/bkt/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=sTwoLNZ0U086Smx0UCHcB6LWVNQ%3D\
    &content-type=text%2Fplain%3B%20charset%3Dutf-8&x-amz-meta-b-two=zwei%20%20drei&x-amz-meta-a=1\
    &x-amz-acl=private&content-md5=1B2M2Y8AsgTpgAmY7PhCfg%3D%3D\
    &x-amz-security-token=tok%2Fen%2Bwith%3Dodd%26bytes";
const LISTING: &str = "/bkt?list-type=2&prefix=a%20b&delimiter=%2F&encoding-type=url\
    &AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=jXy6ZJU9HdRc07ddIwzQtDCNJqE%3D";

#[test]
fn what_boto3_presigns_verifies() {
    for (method, target) in [
        ("GET", PLAIN),
        ("GET", OVERRIDES),
        ("PUT", UPLOAD),
        ("GET", LISTING),
        (
            "PUT",
            "/bkt/k?partNumber=3&uploadId=up-load_id&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
             &Signature=q61gHpCqWtkpEQDCq%2FeWJBTKRnA%3D",
        ),
        (
            "POST",
            "/bkt/k?uploads&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=KX1QJN3S8YnsFWMVv5ABwtQ%2FXSU%3D",
        ),
        (
            "GET",
            "/bkt?acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=9srNu7tkHn6L70S1N6x5HCo4N%2FM%3D",
        ),
    ] {
        let request = sent(method, target);
        assert_eq!(request.parsed().unwrap_err(), ParseError::SignatureV2, "{target}");
        let verified = verified(&request, None, NOW).expect(target);
        assert_eq!(verified.access_key_id(), &key_id());
        assert_eq!(verified.form(), AuthForm::PresignedV2);
        assert_eq!(verified.form().place(), Place::Query);
        assert_eq!(verified.payload(), PayloadMode::Unsigned);
        assert_eq!(verified.scope().to_string(), "20231114/eu-west-1/s3/aws4_request");
        assert!(verified.chunk_verifier().is_none());
    }
}

#[test]
fn a_bucket_in_the_host_is_signed_before_the_path() {
    let target =
        "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=11UsdQpatxGZg6ZlcTgLX0xJ%2Bks%3D";
    let request = sent("GET", target);
    verified(&request, Some("bkt"), NOW).unwrap();
    for wrong in [None, Some("other")] {
        assert_eq!(
            verified(&request, wrong, NOW).unwrap_err(),
            VerifyError::SignatureMismatch
        );
    }
}

#[test]
fn the_documentation_example_verifies() {
    let target = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
        &Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
    let request = Request::new("GET", target, &[("host", "johnsmith.s3.amazonaws.com")]);
    verified(&request, Some("johnsmith"), UnixSeconds(1_175_139_619)).unwrap();
}

#[test]
fn it_ends_at_its_expiry_to_the_second() {
    let request = sent("GET", PLAIN);
    verified(&request, None, UnixSeconds(1_700_000_599)).unwrap();
    let error = verified(&request, None, UnixSeconds(1_700_000_600)).unwrap_err();
    let (expired_at, server) = (UnixSeconds(1_700_000_600), UnixSeconds(1_700_000_600));
    assert_eq!(error, VerifyError::Expired { expired_at, server });
}

#[test]
fn the_token_and_the_signed_headers_are_told() {
    let mut request = sent("PUT", UPLOAD);
    let proof = verified(&request, None, NOW).unwrap();
    assert_eq!(proof.session_token(), Some("tok/en+with=odd&bytes"));
    assert!(!format!("{proof:?}").contains("tok/en"));
    // A browser sends the type it was asked to send; another type is another request.
    request.add("content-type", "text/plain; charset=utf-8");
    let proof = verified(&request, None, NOW).unwrap();
    assert!(proof.signed_header("content-type"));
    assert!(!proof.signed_header("host"));
    request.set("content-type", "text/html");
    let name = "content-type".to_owned();
    assert_eq!(
        verified(&request, None, NOW).unwrap_err(),
        VerifyError::RepeatedHeader { name }
    );
}

#[test]
fn every_signed_part_counts() {
    let changed = |request: Request| {
        let error = verified(&request, None, NOW).unwrap_err();
        assert_eq!(error, VerifyError::SignatureMismatch, "{request:?}");
    };
    changed(sent("PUT", PLAIN));
    changed(sent("GET", &PLAIN.replace("a//b", "a/b")));
    changed(sent("GET", &PLAIN.replace("%20", "%2520")));
    changed(sent("GET", &OVERRIDES.replace("plain", "html")));
    changed(sent("GET", &OVERRIDES.replace("versionId=3", "versionId=4")));
    changed(sent("PUT", &UPLOAD.replace("private", "public-read")));
    changed(sent("PUT", &UPLOAD.replace("meta-a=1", "meta-a=2")));
    changed(sent("PUT", &UPLOAD.replace("tok%2F", "tik%2F")));
    changed(sent("GET", &format!("{PLAIN}&acl")));
    changed(sent("GET", &format!("{PLAIN}&x-amz-acl=public-read")));
    let mut header = sent("GET", PLAIN);
    header.add("x-amz-acl", "public-read");
    changed(header);
    let mut longer = sent("GET", PLAIN);
    longer.query = longer
        .query
        .map(|query| query.replace(TAIL, "&Expires=1800000600"));
    changed(longer);
}

#[test]
fn a_parameter_that_the_signature_does_not_cover_is_refused() {
    for name in [
        "retention",
        "encryption",
        "publicAccessBlock",
        "legal-hold",
        "newthing",
        "ACL",
    ] {
        let error = verified(&sent("GET", &format!("{PLAIN}&{name}")), None, NOW).unwrap_err();
        assert_eq!(
            error,
            VerifyError::ParameterNotSigned {
                name: name.to_owned()
            }
        );
        assert_eq!(error.s3_code(), ("AccessDenied", 403));
    }
}

#[test]
fn line_ends_and_doubled_values_are_refused() {
    for extra in [
        "x-amz-meta-z=1%0Ax-amz-acl:public",
        "content-type=a%0Ab",
        "response-expires=%0D",
        "x-amz-a%0A=1",
    ] {
        let error = verified(&sent("GET", &format!("{PLAIN}&{extra}")), None, NOW).unwrap_err();
        assert_eq!(error, VerifyError::Unsignable, "{extra}");
    }
    let twice = sent("GET", &format!("{PLAIN}&x-amz-a=1&X-Amz-A=1"));
    let name = "x-amz-a".to_owned();
    assert_eq!(
        verified(&twice, None, NOW).unwrap_err(),
        VerifyError::RepeatedHeader { name }
    );
}

#[test]
fn chunks_cannot_be_signed() {
    let mut request = sent("GET", PLAIN);
    request.add("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    assert_eq!(
        verified(&request, None, NOW).unwrap_err(),
        VerifyError::ContentHashInvalid
    );
}

#[test]
fn partial_and_doubled_authentication_is_never_anonymous() {
    let parse = |target: &str| Request::new("GET", target, &[("host", "h")]).with(parse_v2_query);
    assert!(parse("/b/k?acl").unwrap().is_none());
    assert!(parse("/b/k?Expires=1").unwrap().is_none());
    let missing = |name| ParseError::MissingParameter { name };
    let malformed = |part| ParseError::Malformed {
        place: Place::Query,
        part,
    };
    let id = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE";
    let signature = "Signature=PEOUjrjodNAjP6k1648vY0Cw7uw%3D";
    for (query, expected) in [
        (id.to_owned(), missing("Expires")),
        (format!("{id}&Expires=1"), missing("Signature")),
        (format!("{signature}&Expires=1"), missing("AWSAccessKeyId")),
        (
            format!("{id}&{signature}&Expires=1&Expires=1"),
            ParseError::RepeatedParameter { name: "Expires" },
        ),
        (format!("{id}&{signature}&Expires=-1"), malformed("Expires")),
        (format!("{id}&{signature}&Expires="), malformed("Expires")),
        (
            format!("{id}&{signature}&Expires=9999999999999"),
            malformed("Expires"),
        ),
        (format!("{id}&Signature=AAAA&Expires=1"), malformed("Signature")),
        (
            format!("AWSAccessKeyId=a/b&{signature}&Expires=1"),
            malformed("AWSAccessKeyId"),
        ),
        (
            format!("{id}&{signature}&Expires=1&X-Amz-Date=1"),
            malformed("X-Amz-Date"),
        ),
    ] {
        assert_eq!(parse(&format!("/b/k?{query}")).unwrap_err(), expected, "{query}");
    }
    let mut both = sent("GET", PLAIN);
    both.add("authorization", "AWS4-HMAC-SHA256 x");
    assert_eq!(both.with(parse_v2_query).unwrap_err(), ParseError::HeaderAndQuery);
}
