//! What we sign verifies; what is changed afterwards does not; nothing panics.

use super::{Request, example_date, key_of};
use crate::*;
use proptest::prelude::*;

fn request() -> impl Strategy<Value = Request> {
    (
        "GET|PUT|POST",
        "/[ -~äß]{0,12}",
        prop::option::of("[ -~ä]{0,20}"),
        prop::collection::vec(("[a-z]{1,6}|x-amz-meta-[ab]", "[ -~]{0,10}"), 0..4),
    )
        .prop_filter_map("not signed already", |(method, path, query, headers)| {
            let mut request = Request::new(&method, "/", &[("host", "h")]);
            request.path = path;
            request.query = query;
            for (name, value) in headers {
                if !matches!(name.as_str(), "host" | "date") {
                    request.add(&name, &value);
                }
            }
            Some(request)
        })
}

fn signed(request: Request, service: &str) -> Request {
    let scope = Scope::new(example_date(), "eu-west-1", service).unwrap();
    request.signed(&scope, PayloadMode::EMPTY)
}

fn verdict(request: &Request, service: &str) -> bool {
    let Ok(Some(presented)) = request.parsed() else {
        return false;
    };
    let style = PathStyle::for_service(service);
    let options = VerifyOptions::new(example_date(), style);
    let PayloadMode::Sha256(nothing) = PayloadMode::EMPTY else {
        return false;
    };
    let payload = match style {
        PathStyle::S3 => Payload::Declared,
        PathStyle::Normalized => Payload::Body(nothing),
    };
    let key = key_of(&Scope::new(example_date(), "eu-west-1", service).unwrap());
    request
        .with(|view| verify(view, presented, &key, payload, &options))
        .is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_signed_verifies_and_what_is_changed_does_not(
        request in request(), service in "s3|iam", place in any::<prop::sample::Index>(),
    ) {
        let request = signed(request, &service);
        prop_assert!(verdict(&request, &service));

        let mut method = request.clone();
        method.method.push('X');
        prop_assert!(!verdict(&method, &service));

        let mut path = request.clone();
        path.path.push_str("/z");
        prop_assert!(!verdict(&path, &service));

        let mut query = request.clone();
        query.query = Some(format!("{}&zz=1", query.query.unwrap_or_default()));
        prop_assert!(!verdict(&query, &service));

        let index = place.index(request.headers.len());
        let mut header = request.clone();
        header.headers[index].1.push(b'0');
        prop_assert!(!verdict(&header, &service));

        let mut header = request.clone();
        header.headers.remove(index);
        prop_assert!(!verdict(&header, &service));
    }

    #[test]
    fn every_digit_of_the_signature_counts(place in 0usize..64) {
        let mut request = signed(Request::new("GET", "/", &[("host", "h")]), "s3");
        let (_, value) = request.headers.last_mut().unwrap();
        let index = value.len() - 64 + place;
        value[index] = if value[index] == b'0' { b'1' } else { b'0' };
        prop_assert!(!verdict(&request, "s3"));
    }

    #[test]
    fn arbitrary_authentication_never_panics(
        method in "\\PC{0,4}", path in "\\PC{0,20}", query in "(\\PC|X-Amz-[A-Z][a-z]{0,8}=|&|%){0,20}",
        headers in prop::collection::vec((
            prop::sample::select(vec!["authorization", "x-amz-date", "date", "host", "x-amz-content-sha256"]),
            prop::collection::vec(any::<u8>(), 0..30),
        ), 0..4),
        credential in "\\PC{0,30}",
    ) {
        let mut request = Request { method, path, query: Some(query), headers: Vec::new() };
        for (name, value) in headers {
            request.headers.push((name.to_owned(), value));
        }
        prop_assert!(!verdict(&request, "s3"));
        request.set("authorization", &format!("AWS4-HMAC-SHA256 Credential={credential}"));
        prop_assert!(!verdict(&request, "s3"));
    }
}
