//! Browser forms: the policies of the S3 documentation and of boto3, the decoder over every split, hostile forms.

use super::{SECRET, key_id};
use crate::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use proptest::prelude::*;

type Fields = Vec<(String, String)>;

fn owned(fields: &[(&str, &str)]) -> Fields {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(own).collect()
}

/// The form of S3's "Examples: browser-based upload using HTTP POST", file name replaced.
fn example() -> Fields {
    let policy = [
        "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",",
        "  \"conditions\": [",
        "    {\"bucket\": \"sigv4examplebucket\"},",
        "    [\"starts-with\", \"$key\", \"user/user1/\"],",
        "    {\"acl\": \"public-read\"},",
        "    {\"success_action_redirect\": \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},",
        "    [\"starts-with\", \"$Content-Type\", \"image/\"],",
        "    {\"x-amz-meta-uuid\": \"14365123651274\"},",
        "    {\"x-amz-server-side-encryption\": \"AES256\"},",
        "    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],",
        "",
        "    {\"x-amz-credential\": \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},",
        "    {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},",
        "    {\"x-amz-date\": \"20151229T000000Z\" }",
        "  ]",
        "}",
    ];
    let policy = STANDARD.encode(policy.join("\r\n"));
    owned(&[
        ("key", "user/user1/cat.png"),
        ("acl", "public-read"),
        (
            "success_action_redirect",
            "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
        ),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        (
            "X-Amz-Credential",
            "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        ),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", &policy),
        (
            "X-Amz-Signature",
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
        ),
    ])
}

const EXAMPLE_NOW: UnixSeconds = UnixSeconds(1_451_347_200);

fn verified_at(
    fields: &Fields,
    bucket: &str,
    now: UnixSeconds,
) -> Result<(Verified, PostLimits), VerifyError> {
    let presented = parse_post(fields).unwrap();
    let key = SigningKey::derive(&Secret::new(SECRET), &presented.scope);
    verify_post(presented, &key, fields, bucket, now, Some("us-east-1"))
}

fn verified(fields: &Fields, bucket: &str) -> Result<(Verified, PostLimits), VerifyError> {
    verified_at(fields, bucket, EXAMPLE_NOW)
}

fn set(fields: &Fields, name: &str, value: &str) -> Fields {
    let mut fields = fields.clone();
    fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

#[test]
fn the_documentation_example_verifies() {
    let (proof, limits) = verified(&example(), "sigv4examplebucket").unwrap();
    assert_eq!(proof.access_key_id(), &key_id());
    assert_eq!(proof.form(), AuthForm::PostForm);
    assert_eq!(proof.form().place(), Place::Form);
    assert_eq!(proof.scope().to_string(), "20151229/us-east-1/s3/aws4_request");
    assert_eq!((limits.length_min, limits.length_max), (0, 5 << 30));
}

/// `generate_presigned_post` of boto3 1.44.5 at 2023-11-14T22:13:20Z, for key `user/ü/${filename}`, with a token.
fn from_boto3() -> Fields {
    owned(&[
        ("acl", "private"),
        ("Content-Type", "text/plain"),
        ("key", "user/ü/a.txt"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        (
            "x-amz-credential",
            "AKIAIOSFODNN7EXAMPLE/20231114/us-east-1/s3/aws4_request",
        ),
        ("x-amz-date", "20231114T221320Z"),
        ("x-amz-security-token", "tok/en+=&"),
        ("x-amz-meta-tag", "abc"),
        ("x-ignore-me", "please"),
        (
            "policy",
            "eyJleHBpcmF0aW9uIjogIjIwMjMtMTEtMTRUMjI6MjM6MjBaIiwgImNvbmRpdGlvbnMiOiBbeyJhY2wiOiAicHJpdmF0ZSJ9LCBbImVxIiwgIiRDb250ZW50LVR5cGUiLCAidGV4dC9wbGFpbiJdLCBbImNvbnRlbnQtbGVuZ3RoLXJhbmdlIiwgMSwgMTA0ODU3Nl0sIFsic3RhcnRzLXdpdGgiLCAiJHgtYW16LW1ldGEtdGFnIiwgImEiXSwgeyJidWNrZXQiOiAiYmt0In0sIFsic3RhcnRzLXdpdGgiLCAiJGtleSIsICJ1c2VyL1x1MDBmYy8iXSwgeyJ4LWFtei1hbGdvcml0aG0iOiAiQVdTNC1ITUFDLVNIQTI1NiJ9LCB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAyMzExMTQvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LCB7IngtYW16LWRhdGUiOiAiMjAyMzExMTRUMjIxMzIwWiJ9LCB7IngtYW16LXNlY3VyaXR5LXRva2VuIjogInRvay9lbis9JiJ9XX0=",
        ),
        (
            "x-amz-signature",
            "f431ae5ba316d86a0ad1615696ae8baa0f702eeaab67f83cb4c839312e56c7a3",
        ),
    ])
}

const BOTO_NOW: UnixSeconds = UnixSeconds(1_700_000_000);

#[test]
fn what_boto3_makes_verifies_until_it_expires() {
    let (proof, limits) = verified_at(&from_boto3(), "bkt", BOTO_NOW).unwrap();
    assert_eq!(proof.session_token(), Some("tok/en+=&"));
    assert_eq!((limits.length_min, limits.length_max), (1, 1_048_576));
    assert_eq!(limits.check(0).unwrap_err().s3_code(), ("EntityTooSmall", 400));
    assert_eq!(limits.check(1), Ok(()));
    assert_eq!(limits.check(1_048_576), Ok(()));
    assert_eq!(
        limits.check(1_048_577).unwrap_err().s3_code(),
        ("EntityTooLarge", 400)
    );
    verified_at(&from_boto3(), "bkt", BOTO_NOW.plus(599)).unwrap();
    let late = verified_at(&from_boto3(), "bkt", BOTO_NOW.plus(600)).unwrap_err();
    assert_eq!(late, VerifyError::PolicyExpired);
    assert_eq!(late.to_string(), "Invalid according to Policy: Policy expired.");
    let early = verified_at(&from_boto3(), "bkt", BOTO_NOW.plus(-901)).unwrap_err();
    assert!(matches!(early, VerifyError::NotYetValid { .. }));
}

#[test]
fn every_condition_is_met_and_every_field_has_one() {
    let failed = |fields: &Fields, bucket: &str, expected: &str| {
        let error = verified(fields, bucket).unwrap_err();
        assert_eq!(error.s3_code(), ("AccessDenied", 403));
        assert_eq!(
            error.to_string(),
            format!("Invalid according to Policy: {expected}")
        );
    };
    let form = example();
    let own = "sigv4examplebucket";
    failed(
        &form,
        "other",
        r#"Policy Condition failed: ["eq", "$bucket", "sigv4examplebucket"]"#,
    );
    failed(
        &set(&form, "bucket", own),
        "other",
        r#"Policy Condition failed: ["eq", "$bucket", "other"]"#,
    );
    failed(
        &set(&form, "key", "user/user2/x"),
        own,
        r#"Policy Condition failed: ["starts-with", "$key", "user/user1/"]"#,
    );
    failed(
        &set(&form, "acl", "Public-read"),
        own,
        r#"Policy Condition failed: ["eq", "$acl", "public-read"]"#,
    );
    let types = r#"Policy Condition failed: ["starts-with", "$content-type", "image/"]"#;
    failed(&set(&form, "content-type", "image/png,text/html"), own, types);
    verified(&set(&form, "content-type", "image/png,image/gif"), own).unwrap();
    let mut without = form.clone();
    without.retain(|(name, _)| name != "x-amz-meta-tag");
    failed(
        &without,
        own,
        r#"Policy Condition failed: ["starts-with", "$x-amz-meta-tag", ""]"#,
    );
    failed(
        &set(&form, "x-amz-tagging", "1"),
        own,
        "Extra input fields: x-amz-tagging",
    );
    verified(&set(&form, "X-Ignore-Extra", "1"), own).unwrap();
    verified(&set(&form, "bucket", own), own).unwrap();
}

#[test]
fn signature_scope_and_date_are_proven_first() {
    let form = example();
    let own = "sigv4examplebucket";
    let other = set(&form, "policy", &STANDARD.encode("{}"));
    assert_eq!(verified(&other, own).unwrap_err(), VerifyError::SignatureMismatch);
    let region = "AKIAIOSFODNN7EXAMPLE/20151229/eu-west-1/s3/aws4_request";
    let error = verified(&set(&form, "x-amz-credential", region), own).unwrap_err();
    assert!(matches!(error, VerifyError::WrongRegion { .. }));
    let service = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/sts/aws4_request";
    let error = verified(&set(&form, "x-amz-credential", service), own).unwrap_err();
    assert!(matches!(error, VerifyError::WrongService { .. }));
    let error = verified(&set(&form, "x-amz-date", "20151228T000000Z"), own).unwrap_err();
    assert_eq!(error, VerifyError::ScopeDate { place: Place::Form });
    // The same day, but not the date that the policy names.
    let error = verified(&set(&form, "x-amz-date", "20151229T000001Z"), own).unwrap_err();
    assert!(matches!(error, VerifyError::PolicyCondition { .. }));
    // Fields other than those presented.
    let presented = parse_post(&form).unwrap();
    let key = SigningKey::derive(&Secret::new(SECRET), &presented.scope);
    let swapped = set(&form, "policy", "e30=");
    let error = verify_post(presented, &key, &swapped, own, EXAMPLE_NOW, None).unwrap_err();
    assert_eq!(error, VerifyError::SignatureMismatch);
}

/// A form signed by hand over a policy of these conditions.
fn signed(conditions: &str) -> Fields {
    let policy = STANDARD.encode(format!(
        r#"{{"expiration":"2015-12-30T12:00:00Z","conditions":{conditions}}}"#
    ));
    let form = set(&example(), "policy", &policy);
    let scope = parse_post(&form).unwrap().scope;
    let mac = SigningKey::derive(&Secret::new(SECRET), &scope).mac(policy.as_bytes());
    set(&form, "x-amz-signature", &hex::encode(mac))
}

#[test]
fn a_policy_without_the_bucket_or_with_a_loose_credential_is_good_for_nothing() {
    let error = verified(&signed("[]"), "b").unwrap_err();
    assert_eq!(
        error,
        VerifyError::ExtraField {
            name: "acl".to_owned()
        }
    );
    let error = verified(&signed(r#"[["starts-with","$x-amz-credential",""]]"#), "b").unwrap_err();
    assert!(matches!(error, VerifyError::PolicyCondition { .. }));
}

#[test]
fn policies_of_other_forms_are_refused() {
    let parse = |json: &str| PostPolicy::parse(&STANDARD.encode(json)).unwrap_err();
    let with = |conditions: &str| {
        parse(&format!(
            r#"{{"expiration":"2030-01-01T00:00:00Z","conditions":{conditions}}}"#
        ))
    };
    assert_eq!(PostPolicy::parse("@").unwrap_err(), PolicyDocumentError::Json);
    assert_eq!(
        PostPolicy::parse(&"A".repeat(30_000)).unwrap_err(),
        PolicyDocumentError::Json
    );
    assert_eq!(parse(&"[".repeat(10_000)), PolicyDocumentError::Json);
    assert_eq!(parse("[]"), PolicyDocumentError::Shape);
    assert_eq!(
        parse(r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[],"more":1}"#),
        PolicyDocumentError::Shape
    );
    assert_eq!(
        parse(r#"{"expiration":"2030-01-01T00:00:00Z"}"#),
        PolicyDocumentError::Shape
    );
    assert_eq!(
        parse(r#"{"expiration":"soon","conditions":[]}"#),
        PolicyDocumentError::Expiration
    );
    assert_eq!(parse(r#"{"conditions":[]}"#), PolicyDocumentError::Expiration);
    for conditions in [
        "[1]",
        "[{}]",
        r#"[{"a":"1","b":"2"}]"#,
        r#"[{"a":1}]"#,
        r#"[["eq","a","b"]]"#,
        r#"[["ends-with","$a","b"]]"#,
        r#"[["eq","$a",1]]"#,
        r#"[["eq","$a"]]"#,
        r#"[["eq","$a","b","c"]]"#,
        r#"[["content-length-range",-1,5]]"#,
        r#"[["content-length-range",1]]"#,
        r#"[["content-length-range","",5]]"#,
    ] {
        assert_eq!(with(conditions), PolicyDocumentError::Condition, "{conditions}");
    }
    let error = verified(&signed(r#"[["ends-with","$a","b"]]"#), "b").unwrap_err();
    assert_eq!(error.s3_code(), ("InvalidPolicyDocument", 400));
}

#[test]
fn broken_authentication_is_told_apart() {
    let form = example();
    let without = |gone: &str| {
        let mut fields = form.clone();
        fields.retain(|(name, _)| !name.eq_ignore_ascii_case(gone));
        parse_post(&fields).unwrap_err()
    };
    for name in [
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
    ] {
        assert_eq!(without(name), ParseError::MissingField { name });
    }
    let parse = |name: &str, value: &str| parse_post(&set(&form, name, value)).unwrap_err();
    assert_eq!(parse("signature", "x"), ParseError::SignatureV2);
    assert_eq!(parse("AWSAccessKeyId", "x"), ParseError::SignatureV2);
    assert_eq!(parse("x-amz-algorithm", "x"), ParseError::UnsupportedAlgorithm);
    for part in ["x-amz-credential", "x-amz-date", "x-amz-signature"] {
        let place = Place::Form;
        assert_eq!(parse(part, "x"), ParseError::Malformed { place, part });
    }
    let mut twice = form.clone();
    twice.push(("KEY".to_owned(), "other".to_owned()));
    assert_eq!(parse_post(&twice).unwrap_err(), ParseError::RepeatedField);
    let shown = format!("{:?}", parse_post(&from_boto3()).unwrap());
    assert!(!shown.contains("tok/en") && !shown.contains("f431ae"), "{shown}");
}

#[test]
fn the_file_name_is_the_last_part_of_a_path() {
    for (filename, expected) in [
        (Some("cat.png"), "user/cat.png"),
        (Some("/home/me/cat.png"), "user/cat.png"),
        (Some("C:\\me\\cat.png"), "user/cat.png"),
        (Some("../.."), "user/.."),
        (None, "user/"),
    ] {
        assert_eq!(substitute_filename("user/${filename}", filename), expected);
    }
    assert_eq!(substitute_filename("plain", Some("a")), "plain");
}

/// Fields, file name and file of a form, pushed in pieces; nothing of the file may come before the fields are whole.
type Decoded = Result<(Fields, Option<String>, Vec<u8>), FormError>;

fn decode(pieces: &[&[u8]]) -> Decoded {
    let mut decoder = FormDecoder::new("XX")?;
    let mut file = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let before = decoder.is_at_file();
            let taken = decoder.push(rest, &mut |data| file.extend_from_slice(data))?;
            assert!(before || file.is_empty());
            assert!(taken == rest.len() || (!before && decoder.is_at_file()));
            rest = &rest[taken..];
        }
    }
    let (fields, filename) = (decoder.fields().to_vec(), decoder.filename().map(str::to_owned));
    assert_eq!(decoder.finish()?, file.len() as u64);
    Ok((fields, filename, file))
}

fn part(disposition: &str, content: &str) -> String {
    format!("--XX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

fn form(file: &str) -> String {
    let key = part("name=\"key\"", "a/${filename}");
    let empty = part("name=\"x-amz-meta-tag\"", "");
    let file = part("name=\"file\"; filename=\"c:\\up\\\"q\\\".txt\"", file);
    let after = part("name=\"submit\"", "Upload");
    format!("{key}{empty}{file}{after}--XX--\r\n")
}

#[test]
fn a_form_is_taken_apart() {
    for content in [
        "",
        "hello",
        "\r",
        "\r\n",
        "\r\n--",
        "\r\n--X",
        "\r\r\n--Y\r\n-",
        "--XX--",
    ] {
        let (fields, filename, file) = decode(&[form(content).as_bytes()]).unwrap();
        assert_eq!(fields, owned(&[("key", "a/${filename}"), ("x-amz-meta-tag", "")]));
        assert_eq!(filename.as_deref(), Some("c:\\up\"q\".txt"));
        assert_eq!(file, content.as_bytes(), "{content:?}");
    }
    let lenient = format!("\r\n{}--XX--", part("filename=f; NAME=FILE", "x"));
    let (_, filename, file) = decode(&[lenient.as_bytes()]).unwrap();
    assert_eq!(
        (filename.as_deref(), file.as_slice()),
        (Some("f"), b"x".as_slice())
    );
}

#[test]
fn hostile_forms_are_refused() {
    let decode = |text: &str| decode(&[text.as_bytes()]).unwrap_err();
    let file = part("name=\"file\"", "x");
    assert_eq!(decode(""), FormError::Incomplete);
    assert_eq!(decode("preamble\r\n--XX"), FormError::Framing);
    assert_eq!(decode("--XX--\r\n"), FormError::FileMissing);
    assert_eq!(decode(&file), FormError::Incomplete);
    assert_eq!(decode(&format!("{file}--XX")), FormError::Incomplete);
    assert_eq!(decode(&format!("{file}--XX-")), FormError::Incomplete);
    assert_eq!(decode(&format!("{file}--XX--\r")), FormError::Incomplete);
    assert_eq!(decode(&format!("{file}--XX--\r\nmore")), FormError::Framing);
    assert_eq!(decode(&format!("{file}--XXY\r\n")), FormError::Framing);
    assert_eq!(decode(&format!("{file}--XX\n")), FormError::Framing);
    for (headers, expected) in [
        ("\r\n\r\n", FormError::Disposition),
        (
            "\r\nContent-Disposition: form-data; name=file\r\n\r\n",
            FormError::Disposition,
        ),
        ("Content-Type: a/b\r\n\r\n", FormError::Disposition),
        (
            "Content-Disposition: attachment; name=file\r\n\r\n",
            FormError::Disposition,
        ),
        ("Content-Disposition: form-data\r\n\r\n", FormError::Disposition),
        (
            "Content-Disposition: form-data; name=\"\"\r\n\r\n",
            FormError::Disposition,
        ),
        (
            "Content-Disposition: form-data; name=\"a\r\n\r\n",
            FormError::Disposition,
        ),
        (
            "Content-Disposition: form-data; name=\"a\"b\r\n\r\n",
            FormError::Disposition,
        ),
        (
            "Content-Disposition: form-data; name=a; name=b\r\n\r\n",
            FormError::Disposition,
        ),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n",
            FormError::Disposition,
        ),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            FormError::Disposition,
        ),
        ("Content-Disposition form-data\r\n\r\n", FormError::Framing),
        (
            "Content-Disposition : form-data; name=a\r\n\r\n",
            FormError::Framing,
        ),
        (
            "A: b\nContent-Disposition: form-data; name=a\r\n\r\n",
            FormError::Framing,
        ),
        (
            " Content-Disposition: form-data; name=a\r\n\r\n",
            FormError::Framing,
        ),
    ] {
        assert_eq!(
            decode(&format!("--XX\r\n{headers}x\r\n--XX--")),
            expected,
            "{headers:?}"
        );
    }
    assert_eq!(
        self::decode(&[b"--XX\r\nA: \xff\r\n\r\n"]).unwrap_err(),
        FormError::NotText
    );
    let value = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--XX--";
    assert_eq!(self::decode(&[value]).unwrap_err(), FormError::NotText);
}

#[test]
fn limits_hold_before_and_after_the_file() {
    let fits = |before: &str, after: &str| {
        let file = part("name=file", "x");
        decode(&[format!("{before}{file}{after}--XX--").as_bytes()]).map(|_| ())
    };
    let large = |bytes: usize| part("name=a", &"v".repeat(bytes));
    let too_large = FormError::FieldsTooLarge {
        limit_count: 256,
        limit_bytes: 20_480,
    };
    assert_eq!(too_large.s3_code(), ("MaxPostPreDataLengthExceeded", 400));
    assert_eq!(fits(&large(20_479), ""), Ok(()));
    assert_eq!(fits(&large(20_480), ""), Err(too_large.clone()));
    assert_eq!(fits("", &large(20_480)), Ok(()));
    assert_eq!(fits("", &large(20_481)), Err(too_large.clone()));
    let many = |count: usize| part("name=a", "").repeat(count);
    assert_eq!(fits(&many(256), ""), Ok(()));
    assert_eq!(fits(&many(257), ""), Err(too_large.clone()));
    assert_eq!(fits("", &many(256)), Ok(()));
    assert_eq!(fits("", &many(257)), Err(too_large));
    let header = format!("--XX\r\nA: {}", "b".repeat(9_000));
    let error = decode(&[header.as_bytes()]).unwrap_err();
    assert_eq!(error, FormError::HeadersTooLarge { limit_bytes: 8192 });
}

#[test]
fn boundaries_are_those_of_the_standard() {
    for fine in [
        "multipart/form-data; boundary=XX",
        "Multipart/Form-Data;Boundary=\"X X\"",
        "multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundaryAbC",
    ] {
        FormDecoder::for_content_type(fine).unwrap();
    }
    let longest = format!("multipart/form-data; boundary={}", "b".repeat(70));
    FormDecoder::for_content_type(&longest).unwrap();
    for bad in [
        "multipart/form-data",
        "multipart/mixed; boundary=XX",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a\r\nb",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=ä",
        &format!("{longest}b"),
    ] {
        assert_eq!(
            FormDecoder::for_content_type(bad).unwrap_err(),
            FormError::Boundary,
            "{bad}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_split_gives_the_same_form(
        content in "(\r|\n|-|X|\r\n--X|\r\n--XY|[a-c]){0,30}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let body = form(&content);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        places.extend([0, body.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &body.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(&pieces), decode(&[body.as_bytes()]));
    }

    #[test]
    fn a_cut_form_is_never_whole(cut in any::<prop::sample::Index>()) {
        let body = form("hello");
        let body = body.strip_suffix("\r\n").unwrap();
        prop_assert!(decode(&[&body.as_bytes()[..cut.index(body.len())]]).is_err());
    }
}
