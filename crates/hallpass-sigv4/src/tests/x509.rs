//! Requests signed with a certificate's key: what passes, and that nothing of it can be changed.

use super::{Request, example_date};
use crate::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

const BODY: &[u8] = br#"{"durationSeconds":900}"#;
const SERIAL: &str = "1361129467683753853853498429727072857657";

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

/// Signed by the documented steps, written down here once more.
fn signed(key: &EcdsaKeyPair, body: &[u8]) -> Request {
    let certificate = STANDARD.encode("a certificate");
    let chain = format!("{},{}", STANDARD.encode("one"), STANDARD.encode("two"));
    let headers = [
        ("content-type", "application/json"),
        ("host", "h:7400"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-x509", &certificate),
        ("x-amz-x509-chain", &chain),
    ];
    let names = headers.map(|(name, _)| name).join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let canonical = format!("POST\n/sessions\nprofileArn=p\n{lines}\n{names}\n{}", hash(body));
    let scope = "20130524/eu-central-1/rolesanywhere/aws4_request";
    let text = format!(
        "AWS4-X509-ECDSA-SHA256\n20130524T000000Z\n{scope}\n{}",
        hash(canonical.as_bytes())
    );
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    let authorization = format!(
        "AWS4-X509-ECDSA-SHA256 Credential={SERIAL}/{scope}, SignedHeaders={names}, Signature={}",
        hex::encode(signature.as_ref())
    );
    let mut all = headers.to_vec();
    all.push(("authorization", &authorization));
    Request::new("POST", "/sessions?profileArn=p", &all)
}

fn change(request: &Request, name: &str, from: &str, to: &str) -> Request {
    let mut changed = request.clone();
    let field = changed.headers.iter_mut().find(|(own, _)| own == name).unwrap();
    let text = String::from_utf8(field.1.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    field.1 = text.replacen(from, to, 1).into_bytes();
    changed
}

fn options() -> VerifyOptions<'static> {
    VerifyOptions {
        expected_region: Some("eu-central-1"),
        expected_service: Some("rolesanywhere"),
        ..VerifyOptions::new(example_date(), PathStyle::Normalized)
    }
}

fn verified(
    request: &Request,
    key: &EcdsaKeyPair,
    body: &[u8],
    options: &VerifyOptions<'_>,
) -> Result<VerifiedX509, VerifyError> {
    let presented = request.with(parse_x509).unwrap().unwrap();
    let payload = Payload::Body(Sha256::digest(body).into());
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref().to_vec());
    let is_signed = |text: &[u8], signature: &[u8]| public.verify(text, signature).is_ok();
    request.with(|view| verify_x509(view, presented, payload, options, is_signed))
}

fn refused(request: &Request) -> ParseError {
    request.with(parse_x509).unwrap_err()
}

#[test]
fn what_the_certificate_s_key_signed_is_proved() {
    let key = key();
    let proof = verified(&signed(&key, BODY), &key, BODY, &options()).unwrap();
    assert_eq!(proof.certificate(), b"a certificate");
    assert_eq!(proof.chain(), [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(proof.serial(), SERIAL);
}

#[test]
fn nothing_of_it_can_be_changed() {
    let (key, other) = (key(), key());
    let request = signed(&key, BODY);
    let mut target = request.clone();
    target.query = Some("profileArn=q".to_owned());
    let other_certificate = change(
        &request,
        "x-amz-x509",
        &STANDARD.encode("a certificate"),
        &STANDARD.encode("another"),
    );
    for spoilt in [
        target,
        other_certificate,
        change(&request, "x-amz-x509-chain", ",", ",AAAA,"),
        change(&request, "content-type", "json", "xml"),
        change(&request, "x-amz-date", "000000Z", "000001Z"),
        change(&request, "host", "h:7400", "h:7401"),
    ] {
        let error = verified(&spoilt, &key, BODY, &options()).unwrap_err();
        assert!(matches!(error, VerifyError::SignatureMismatch), "{error}");
    }
    assert!(verified(&request, &other, BODY, &options()).is_err());
    assert!(verified(&request, &key, b"{}", &options()).is_err());
}

#[test]
fn it_is_good_for_its_day_region_and_service_only() {
    let key = key();
    let request = signed(&key, BODY);
    let at = |seconds| VerifyOptions {
        now: example_date().plus(seconds),
        ..options()
    };
    assert!(verified(&request, &key, BODY, &at(900)).is_ok());
    for seconds in [901, -901, 86_400] {
        let error = verified(&request, &key, BODY, &at(seconds)).unwrap_err();
        assert!(matches!(error, VerifyError::SkewTooLarge { .. }), "{error}");
    }
    let elsewhere = VerifyOptions {
        expected_region: Some("us-east-1"),
        ..options()
    };
    let error = verified(&request, &key, BODY, &elsewhere).unwrap_err();
    assert!(matches!(error, VerifyError::WrongRegion { .. }), "{error}");
    let service = change(&request, "authorization", "/rolesanywhere/", "/sts/");
    let error = verified(&service, &key, BODY, &options()).unwrap_err();
    assert!(matches!(error, VerifyError::WrongService { .. }), "{error}");
    let day = change(&request, "authorization", "/20130524/", "/20130525/");
    let error = verified(&day, &key, BODY, &options()).unwrap_err();
    assert!(matches!(error, VerifyError::ScopeDate { .. }), "{error}");
}

#[test]
fn the_certificate_must_be_signed_along() {
    let key = key();
    let request = change(&signed(&key, BODY), "authorization", ";x-amz-x509-chain", "");
    let error = verified(&request, &key, BODY, &options()).unwrap_err();
    assert!(
        matches!(&error, VerifyError::HeaderNotSigned { name } if name == "x-amz-x509-chain"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused() {
    let request = signed(&key(), BODY);
    let malformed = |part| ParseError::Malformed {
        place: Place::Header,
        part,
    };
    let long = format!("{SERIAL}0123456789");
    for (name, from, to, part) in [
        ("authorization", SERIAL, "AKIAIOSFODNN7EXAMPLE", "Credential"),
        ("authorization", SERIAL, "", "Credential"),
        ("authorization", SERIAL, "007", "Credential"),
        ("authorization", SERIAL, &long, "Credential"),
        ("authorization", "Signature=", "Signature=zz", "Signature"),
        ("authorization", "Signature=", "Signature=a", "Signature"),
        (
            "authorization",
            "Credential=",
            "Other=1, Credential=",
            "Authorization",
        ),
        ("x-amz-x509-chain", ",", ",,", "X-Amz-X509-Chain"),
        (
            "x-amz-x509-chain",
            ",",
            ",AAAA,AAAA,AAAA,AAAA,",
            "X-Amz-X509-Chain",
        ),
    ] {
        assert_eq!(
            refused(&change(&request, name, from, to)),
            malformed(part),
            "{from} {to}"
        );
    }
    let post_quantum = change(
        &request,
        "authorization",
        "AWS4-X509-ECDSA-SHA256",
        "AWS4-X509-MLDSA",
    );
    assert_eq!(refused(&post_quantum), ParseError::UnsupportedAlgorithm);
    let mut twice = request.clone();
    twice.headers.push(("x-amz-x509".to_owned(), b"AAAA".to_vec()));
    assert_eq!(refused(&twice), ParseError::RepeatedHeader { name: "x-amz-x509" });
    let mut twice = request.clone();
    twice
        .headers
        .push(("authorization".to_owned(), b"Basic x".to_vec()));
    assert_eq!(refused(&twice), ParseError::RepeatedAuthorization);
    let mut both = request.clone();
    both.query = Some("x-amz-signature=00".to_owned());
    assert_eq!(refused(&both), ParseError::HeaderAndQuery);
    let mut none = request;
    none.headers.retain(|(name, _)| name != "x-amz-x509");
    assert_eq!(refused(&none), malformed("X-Amz-X509"));
}

#[test]
fn other_schemes_are_not_looked_at() {
    for value in ["AWS4-HMAC-SHA256 Credential=x", "Basic x", ""] {
        let request = Request::new("POST", "/sessions", &[("authorization", value)]);
        assert!(request.with(parse_x509).unwrap().is_none());
    }
}
