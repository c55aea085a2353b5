//! The models as a whole.

use crate::model::{self, Service};
use crate::operation_actions;
use std::collections::{BTreeMap, BTreeSet};

/// `data/unlisted.txt`: `SERVICE: OPERATION…`, below the reason.
fn unlisted() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let lines = include_str!("../../data/unlisted.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (service, names) in lines.filter_map(|line| line.split_once(": ")) {
        found.entry(service).or_default().extend(names.split(' '));
    }
    found
}

#[test]
fn every_operation_has_an_action_or_is_listed() {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for service in model::services() {
        for operation in &service.operations().list {
            let method = if operation.method.is_empty() {
                "POST"
            } else {
                operation.method
            };
            let actions = operation_actions::of(service, operation, method);
            assert!(!actions.is_empty());
            if actions
                .iter()
                .any(|action| hallpass_reference::action(action).is_none())
            {
                found.entry(service.name).or_default().insert(operation.name);
            }
        }
    }
    assert_eq!(found, unlisted());
}

#[test]
fn the_table_of_names_is_about_operations_and_actions_that_exist() {
    for ((service, operation), actions) in operation_actions::table() {
        let found = model::services().find(|found| found.name == *service);
        let found = found.unwrap_or_else(|| panic!("{service}"));
        assert!(found.operation(operation).is_some(), "{service} {operation}");
        for action in actions {
            assert!(hallpass_reference::action(action).is_some(), "{action}");
        }
    }
}

#[test]
fn every_line_of_the_data_is_understood() {
    let text = include_str!("../../data/apis.txt");
    let services = text.lines().filter(|line| line.starts_with("service ")).count();
    assert_eq!(model::services().count(), services);
    let operations: usize = model::services()
        .map(|service| service.operations().list.len())
        .sum();
    assert_eq!(operations, text.lines().count() - services - 1);
    assert!(services > 400 && operations > 19_000);
    for service in model::services() {
        let head = text
            .lines()
            .find(|line| line.starts_with(&format!("service {} ", service.name)))
            .unwrap();
        let protocols = head.split(' ').nth(5).unwrap();
        assert_eq!(
            service.protocols.len(),
            protocols.split(',').count(),
            "{}",
            service.name
        );
        assert!(
            service.operations().list.is_sorted_by(|a, b| a.name < b.name),
            "{}",
            service.name
        );
        for operation in &service.operations().list {
            let path = operation.uri.split('?').next().unwrap();
            // The tree of routes relies on both.
            assert!(path.matches("+}").count() <= 1, "{path}");
            for segment in path.split('/').filter(|segment| segment.contains(['{', '}'])) {
                assert!(segment.starts_with('{') && segment.ends_with('}'), "{path}");
            }
        }
    }
}

/// An example of a path: every label filled.
fn example(uri: &str) -> String {
    let parts = uri.split('/').map(|part| match part.split_once('}') {
        Some((_, query)) => format!("abc{query}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_rest_operation_is_found_by_its_own_uri() {
    let meaning = |service: &Service, name| (service.endpoint, service.prefix, name);
    for service in model::services() {
        let host = format!("{}.us-east-1.amazonaws.com", service.endpoint);
        for operation in service
            .operations()
            .list
            .iter()
            .filter(|operation| !operation.uri.is_empty())
        {
            let target = example(operation.uri);
            let (path, query) = target
                .split_once('?')
                .map_or((target.as_str(), None), |(p, q)| (p, Some(q)));
            let found = crate::route(&crate::ApiHead {
                service: service.signing,
                method: operation.method,
                path,
                query,
                headers: &[("host", host.as_bytes())],
            });
            // Two models of one service have some operations in common.
            let found = found.map(|found| meaning(found.service, found.operation().unwrap_or_default()));
            assert_eq!(
                found,
                Ok(meaning(service, operation.name)),
                "{} {target}",
                service.name
            );
        }
    }
}

#[test]
fn every_operation_survives_an_empty_and_a_strange_body() {
    for service in model::services() {
        for operation in &service.operations().list {
            for protocol in &service.protocols {
                for body in [
                    "",
                    "{}",
                    r#"{"Name":[{"a":null}],"tags":{"a":"b"},"roleArn":"x"}"#,
                ] {
                    let mut request = crate::ApiRequest::known((service, operation, *protocol), "POST");
                    if !protocol.is_query() {
                        let _ = request.read_body(body.as_bytes());
                    }
                    assert!(!request.actions("us-east-1", "123456789012").is_empty());
                    let _ = (request.is_write(), request.is_data_event());
                }
            }
        }
    }
}
