//! Any head is anonymous, refused, or read; what is read verifies only when nobody could have made it without the key,
//! which a fuzzer cannot.
#![no_main]

use hallpass_fuzz::sigv4::{NOW, SCOPE_REGION, ecdsa_key, key, secret};
use hallpass_sigv4::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.split('\n');
    let (method, target) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let view = RequestView {
        method,
        path,
        query,
        headers: &headers,
    };
    let options = VerifyOptions::new(NOW, PathStyle::S3);
    match parse(&view) {
        Ok(Some(presented)) => {
            let _ = format!("{presented:?}");
            for style in [PathStyle::S3, PathStyle::Normalized] {
                let options = VerifyOptions {
                    path_style: style,
                    ..options
                };
                let verdict = verify(&view, presented.clone(), &key(), Payload::Declared, &options);
                assert!(verdict.is_err());
            }
        }
        Ok(None) => {}
        Err(error) => assert!(error.s3_code().1 >= 400),
    }
    if let Ok(Some(presented)) = parse_v4a(&view) {
        assert_eq!(parse(&view).err(), Some(ParseError::SignatureV4a));
        let _ = presented.region_set.contains(SCOPE_REGION);
        let key = ecdsa_key();
        let verdict = verify_v4a(&view, presented, key.verifying_key(), Payload::Declared, &options);
        assert!(verdict.is_err());
    }
    if let Ok(Some(presented)) = parse_v2_query(&view) {
        assert!(parse(&view).is_err());
        assert!(verify_v2(&view, presented, &secret(), None, SCOPE_REGION, NOW).is_err());
    }
    if let Ok(mut check) = BodyCheck::for_request(&view, None, &BodyOptions::default()) {
        let _ = check.push(bytes, &mut |_| {});
        let _ = check.finish(&mut |_| {});
    }
});
