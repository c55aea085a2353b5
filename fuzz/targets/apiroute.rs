//! Any head and body route or are refused; what routes has actions, and an action on a known resource names one.
#![no_main]

use hallpass_apiroute::{ApiHead, route};
use libfuzzer_sys::fuzz_target;

const SERVICES: &[&str] = &[
    "sqs",
    "sns",
    "sts",
    "iam",
    "ec2",
    "dynamodb",
    "kms",
    "secretsmanager",
    "ssm",
    "lambda",
    "monitoring",
    "logs",
    "bedrock",
    "kinesis",
    "events",
    "states",
    "ecs",
    "route53",
    "cloudfront",
    "apigateway",
    "chime",
    "elasticloadbalancing",
];

fuzz_target!(|bytes: &[u8]| {
    // Service, then lines: method, target, headers as `name:value`; a blank line, then the body.
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let service = SERVICES[usize::from(*first) % SERVICES.len()];
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .unwrap_or(rest.len());
    let (head, body) = rest.split_at(end);
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
    let head = ApiHead {
        service,
        method,
        path,
        query,
        headers: &headers,
    };
    let mut request = match route(&head) {
        Ok(request) => request,
        Err(error) => {
            assert!((400..500).contains(&error.code().1));
            return;
        }
    };
    assert_eq!(request.service(), service);
    if request.read_body(body).is_err() && request.operation().is_some() {
        return;
    }
    let actions = request.actions("us-east-1", "123456789012");
    assert!(!actions.is_empty() && actions.len() <= hallpass_apiroute::ACTIONS_MAX);
    for on in actions {
        assert!(on.is_resource_known || on.resource == "*", "{on:?}");
        assert!(on.action.contains(':'), "{on:?}");
        let is_pattern = on.resource.trim_end_matches("-??????").contains(['*', '?']);
        let has_types =
            hallpass_reference::action(&on.action).is_some_and(|action| !action.is_wildcard_only());
        assert!(!(on.is_resource_known && has_types && is_pattern), "{on:?}");
    }
});
