//! Any head and body of an S3 request route or are refused; what routes has actions, each on a resource of its bucket.
#![no_main]

use hallpass_s3route::{S3Head, route};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Lines: method, target, headers as `name:value`; a blank line, then the body.
    let end = bytes
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let body = body.get(2..).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let mut lines = head.split('\n');
    let (Some(method), Some(target)) = (lines.next(), lines.next()) else {
        return;
    };
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let head = S3Head {
        method,
        path,
        query,
        headers: &headers,
        host_bucket: None,
    };
    let Ok(mut request) = route(&head) else { return };
    if request.buffers_body() && request.read_body(body).is_err() {
        return;
    }
    let actions = request.actions(&head);
    assert!(!actions.is_empty());
    if let Some(bucket) = &request.bucket {
        let arn = format!("arn:aws:s3:::{bucket}");
        let about_it = |resource: &str| resource == arn || resource.starts_with(&format!("{arn}/"));
        assert!(
            actions.iter().any(|action| about_it(&action.resource)),
            "{actions:?}"
        );
    }
});
