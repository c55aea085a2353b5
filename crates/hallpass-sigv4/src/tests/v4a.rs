//! Version 4a: the published suite, round trips in every form, and what must not pass. Origin and licence of the suite:
//! `vectors/sigv4a/SOURCE`.

use super::vectors::{all_names, canonical, read, request};
use super::{Request, credentials, example_date};
use crate::v4a::der;
use crate::*;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Obsolete folding, which is refused on the wire.
const FOLDED: &str = "get-header-value-multiline";
/// The token goes along unsigned.
const TOKEN_UNSIGNED: &str = "post-sts-header-after";

struct Case {
    name: String,
    path: PathBuf,
    key: EcdsaKey,
    date: UnixSeconds,
    style: PathStyle,
}

fn cases() -> Vec<Case> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sigv4a");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(suite).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let json: serde_json::Value = serde_json::from_str(&read(&path, "context.json")).unwrap();
        let secret = json["credentials"]["secret_access_key"].as_str().unwrap();
        let id = json["credentials"]["access_key_id"].as_str().unwrap();
        cases.push(Case {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            key: EcdsaKey::derive_for(&Secret::new(secret), id).unwrap(),
            date: UnixSeconds::from_rfc3339(json["timestamp"].as_str().unwrap()).unwrap(),
            style: if json["normalize"].as_bool().unwrap() {
                PathStyle::Normalized
            } else {
                PathStyle::S3
            },
            path,
        });
    }
    assert_eq!(cases.len(), 38);
    cases
}

#[test]
fn the_derived_keys_are_the_published_ones() {
    for case in cases() {
        let json: serde_json::Value = serde_json::from_str(&read(&case.path, "public-key.json")).unwrap();
        let (x, y) = (json["X"].as_str().unwrap(), json["Y"].as_str().unwrap());
        let point = hex::encode(case.key.verifying_key().as_bytes());
        assert_eq!(point, format!("04{x}{y}"), "{}", case.name);
    }
}

#[test]
fn the_published_signatures_verify_over_the_published_texts() {
    for case in cases() {
        for form in ["header", "query"] {
            let text = read(&case.path, &format!("{form}-string-to-sign.txt"));
            let hash = hex::encode(Sha256::digest(read(
                &case.path,
                &format!("{form}-canonical-request.txt"),
            )));
            assert!(text.ends_with(&hash), "{} {form}", case.name);
            let signature = read(&case.path, &format!("{form}-signature.txt"));
            let key = case.key.verifying_key();
            assert!(
                key.is_signed(text.as_bytes(), signature.trim().as_bytes()),
                "{} {form}",
                case.name
            );
            assert!(!key.is_signed(b"other", signature.trim().as_bytes()));
        }
    }
}

#[test]
fn the_signed_requests_verify_the_whole_way() {
    for case in cases().into_iter().filter(|case| case.name != FOLDED) {
        let text = read(&case.path, "header-signed-request.txt").replace("AKIDEXAMPLE", "AKIDEXAMPLE00000");
        let (request, body) = request(&text);
        assert_eq!(request.parsed().unwrap_err(), ParseError::SignatureV4a);
        let presented = request.with(parse_v4a).unwrap().unwrap();
        assert_eq!(presented.scope.to_string(), "20150830/service/aws4_request");
        assert_eq!(presented.scope.service(), "service");
        let options = VerifyOptions {
            expected_region: Some("us-east-1"),
            expected_service: Some("service"),
            ..VerifyOptions::new(case.date, case.style)
        };
        let payload = Payload::Body(Sha256::digest(&body).into());
        let key = case.key.verifying_key();
        let result = request.with(|view| verify_v4a(view, presented, key, payload, &options));
        if case.name == TOKEN_UNSIGNED {
            let name = "x-amz-security-token".to_owned();
            assert_eq!(result.unwrap_err(), VerifyError::HeaderNotSigned { name });
        } else {
            assert_eq!(result.unwrap().form(), AuthForm::Header, "{}", case.name);
        }
    }
}

#[test]
fn the_query_form_has_the_published_canonical_text() {
    for case in cases() {
        // Published with the token in the query although the canonical form lacks it.
        if case.name == TOKEN_UNSIGNED || case.name == FOLDED {
            continue;
        }
        let (request, body) = request(&read(&case.path, "query-signed-request.txt"));
        let payload = PayloadMode::Sha256(Sha256::digest(body.trim_end()).into());
        let text = canonical(&request, case.style, &all_names(&request), payload).unwrap();
        assert_eq!(
            text,
            read(&case.path, "query-canonical-request.txt"),
            "{}",
            case.name
        );
    }
}

fn key() -> EcdsaKey {
    EcdsaKey::derive(&credentials().secret, &credentials().access_key_id).unwrap()
}

fn regions() -> RegionSet {
    RegionSet::parse("us-*,eu-west-1").unwrap()
}

fn scope() -> Scope {
    Scope::without_region(example_date(), "s3").unwrap()
}

fn put() -> Request {
    Request::new("PUT", "/b/k?x=1", &[("host", "h"), ("x-amz-meta-a", "b")])
}

fn signed(mut request: Request, payload: PayloadMode) -> (Request, SignedHeaders) {
    let mut credentials = credentials();
    credentials.session_token = Some(Secret::new("token/+="));
    let added = request
        .with(|view| sign_v4a(view, &credentials, &regions(), &scope(), example_date(), payload).unwrap());
    for (name, value) in &added.headers {
        request.add(name, value);
    }
    (request, added)
}

fn verified_in(request: &Request, region: &str) -> Result<Verified, VerifyError> {
    let presented = request.with(parse_v4a).unwrap().unwrap();
    let options = VerifyOptions {
        expected_region: Some(region),
        ..VerifyOptions::new(example_date(), PathStyle::S3)
    };
    request.with(|view| {
        verify_v4a(
            view,
            presented,
            key().verifying_key(),
            Payload::Declared,
            &options,
        )
    })
}

fn verified(request: &Request) -> Result<Verified, VerifyError> {
    verified_in(request, "us-east-1")
}

#[test]
fn what_is_signed_verifies_and_what_is_changed_does_not() {
    let (request, _) = signed(put(), PayloadMode::EMPTY);
    let proof = verified(&request).unwrap();
    assert_eq!(proof.session_token(), Some("token/+="));
    assert!(proof.signed_header("x-amz-region-set"));
    verified_in(&request, "eu-west-1").unwrap();
    let error = verified_in(&request, "eu-west-2").unwrap_err();
    assert!(matches!(error, VerifyError::WrongRegion { .. }));
    let mut wider = request.clone();
    wider.set("x-amz-region-set", "*");
    assert_eq!(
        verified_in(&wider, "eu-west-2").unwrap_err(),
        VerifyError::SignatureMismatch
    );
    let mut other = request.clone();
    other.path.push('x');
    assert_eq!(verified(&other).unwrap_err(), VerifyError::SignatureMismatch);
    let other_key = EcdsaKey::derive(&Secret::new("other"), &credentials().access_key_id).unwrap();
    let presented = request.with(parse_v4a).unwrap().unwrap();
    let options = VerifyOptions::new(example_date(), PathStyle::S3);
    let verdict = request.with(|view| {
        verify_v4a(
            view,
            presented,
            other_key.verifying_key(),
            Payload::Declared,
            &options,
        )
    });
    assert_eq!(verdict.unwrap_err(), VerifyError::SignatureMismatch);
    let shown = format!("{:?} {:?}", key(), request.with(parse_v4a).unwrap());
    assert!(!shown.contains("token/"), "{shown}");
}

#[test]
fn what_is_presigned_verifies_in_its_regions_until_it_expires() {
    let mut request = Request::new("GET", "/b/k?x=1", &[("host", "h")]);
    let query = request.with(|view| {
        let payload = PayloadMode::Unsigned;
        presign_v4a(
            view,
            &credentials(),
            &regions(),
            &scope(),
            example_date(),
            600,
            payload,
        )
        .unwrap()
    });
    request.query = Some(query);
    let proof = verified(&request).unwrap();
    assert_eq!(proof.form(), AuthForm::Presigned { expires_seconds: 600 });
    assert!(matches!(
        verified_in(&request, "ap-south-1"),
        Err(VerifyError::WrongRegion { .. })
    ));
    let mut wider = request.clone();
    wider.query = wider.query.map(|query| query.replace("us-%2A", "%2A"));
    assert_eq!(verified(&wider).unwrap_err(), VerifyError::SignatureMismatch);
    let mut late = request.clone();
    late.query = late.query.map(|query| query.replace("T000000Z", "T000001Z"));
    assert_eq!(verified(&late).unwrap_err(), VerifyError::SignatureMismatch);
}

#[test]
fn signed_chunks_and_trailers_are_proven() {
    for mode in [PayloadMode::StreamingEcdsa, PayloadMode::StreamingEcdsaTrailer] {
        let trailers: &[(&str, &str)] = match mode {
            PayloadMode::StreamingEcdsa => &[],
            _ => &[("x-amz-checksum-crc32", "y/U6HA==")],
        };
        let mut request = put();
        request.add("x-amz-decoded-content-length", "10");
        if !trailers.is_empty() {
            request.add("x-amz-trailer", "x-amz-checksum-crc32");
        }
        let (request, added) = signed(request, mode);
        let mut signer = added.chunk_signer().unwrap();
        let told = signer.encoded_length(10, 5, trailers);
        let mut body = Vec::new();
        signer.chunk(b"01234", &mut body);
        signer.chunk(b"56789", &mut body);
        let mut checksum = Checksum::new(ChecksumAlgorithm::Crc32);
        checksum.update(b"0123456789");
        let value = checksum.finalize_base64();
        let sent: Vec<(&str, &str)> = trailers.iter().map(|(name, _)| (*name, value.as_str())).collect();
        signer.finish(&sent, &mut body);
        assert_eq!(told, body.len() as u64);
        let run = |body: &[u8]| {
            let proof = verified(&request).unwrap();
            let check =
                request.with(|view| BodyCheck::for_request(view, Some(&proof), &BodyOptions::default()));
            let (mut check, mut out) = (check.unwrap(), Vec::new());
            check.push(body, &mut |data| out.extend_from_slice(data))?;
            check.finish(&mut |data| out.extend_from_slice(data))?;
            Ok::<_, BodyError>(out)
        };
        assert_eq!(run(&body).unwrap(), b"0123456789");
        let text = String::from_utf8(body).unwrap();
        // Without the filling, as a client that knows no length beforehand may send it.
        assert_eq!(run(text.replace('*', "").as_bytes()).unwrap(), b"0123456789");
        for (from, to) in [("01234", "01235"), ("56789", "56780")] {
            let error = run(text.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error, BodyError::Chunk(ChunkError::ChunkSignature));
        }
        // The second chunk's signature in the first one's place.
        let lines: Vec<&str> = text.split("\r\n").collect();
        let swapped = text.replacen(lines[0], lines[2], 1);
        let error = run(swapped.as_bytes()).unwrap_err();
        assert_eq!(error, BodyError::Chunk(ChunkError::ChunkSignature));
        if !trailers.is_empty() {
            let place = text.find("trailer-signature:").unwrap() + 30;
            let mut spoilt = text.clone().into_bytes();
            spoilt[place] = if spoilt[place] == b'0' { b'1' } else { b'0' };
            let error = run(&spoilt).unwrap_err();
            assert_eq!(error, BodyError::Chunk(ChunkError::TrailerSignature));
        }
    }
}

#[test]
fn versions_are_never_mixed() {
    let scope_4 = super::s3_scope();
    // A version 4 request that says its chunks are of version 4a, and the other way round.
    let mut request = put().signed(&scope_4, PayloadMode::StreamingEcdsa);
    assert_eq!(request.verified().unwrap_err(), VerifyError::EcdsaPayload);
    request = put();
    let refused = request.with(|view| {
        let payload = PayloadMode::StreamingSigned;
        sign_v4a(
            view,
            &credentials(),
            &regions(),
            &scope(),
            example_date(),
            payload,
        )
        .unwrap_err()
    });
    assert_eq!(refused, SignError::Unsignable);
    let (mut request, _) = signed(put(), PayloadMode::Unsigned);
    request.set("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    assert_eq!(verified(&request).unwrap_err(), VerifyError::EcdsaPayload);
    assert!(
        put()
            .signed(&scope_4, PayloadMode::EMPTY)
            .with(parse_v4a)
            .unwrap()
            .is_none()
    );
    assert!(put().with(parse_v4a).unwrap().is_none());
}

#[test]
fn broken_authentication_is_told_apart() {
    let (request, _) = signed(put(), PayloadMode::EMPTY);
    let malformed = |part| ParseError::Malformed {
        place: Place::Header,
        part,
    };
    let parse = |request: &Request| request.with(parse_v4a).unwrap_err();
    for bad in ["", "us east", "us-east-1,", "a/b", &"a".repeat(1025)] {
        let mut request = request.clone();
        request.set("x-amz-region-set", bad);
        assert_eq!(parse(&request), malformed("X-Amz-Region-Set"), "{bad}");
    }
    let mut both = request.clone();
    both.query = Some("X-Amz-Region-Set=*".to_owned());
    assert_eq!(parse(&both), ParseError::HeaderAndQuery);
    for (signature, part) in [("zz", "Signature"), ("abc", "Signature"), ("", "Signature")] {
        let mut request = request.clone();
        let text = "AWS4-ECDSA-P256-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/s3/aws4_request, \
                    SignedHeaders=host, Signature=";
        request.set("authorization", &format!("{text}{signature}"));
        assert_eq!(parse(&request), malformed(part));
    }
    for credential in [
        "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
        "AKIAIOSFODNN7EXAMPLE/s3/aws4_request",
    ] {
        let mut request = request.clone();
        let text =
            format!("AWS4-ECDSA-P256-SHA256 Credential={credential}, SignedHeaders=host, Signature=ab");
        request.set("authorization", &text);
        assert_eq!(parse(&request), malformed("Credential"));
    }
    assert!(der(&[b'a'; 144]).is_some() && der(&[b'a'; 146]).is_none() && der(b"AB").is_none());
}

#[test]
fn region_sets_match_with_stars() {
    for (set, inside, outside) in [
        (
            "us-east-1",
            &["us-east-1"][..],
            &["us-east-10", "us-east", ""][..],
        ),
        ("us-*", &["us-east-1", "us-"], &["eu-us-1", "us"]),
        ("*", &["us-east-1", ""], &[]),
        (
            "eu-west-1, us-*-2",
            &["eu-west-1", "us-west-2", "us-gov-west-2"],
            &["us-west-1", "us-2"],
        ),
        ("*-*-1", &["us-east-1", "us-gov-west-1"], &["us-east-2", "us-1"]),
    ] {
        let set = RegionSet::parse(set).unwrap();
        inside
            .iter()
            .for_each(|region| assert!(set.contains(region), "{set:?} {region}"));
        outside
            .iter()
            .for_each(|region| assert!(!set.contains(region), "{set:?} {region}"));
    }
}
