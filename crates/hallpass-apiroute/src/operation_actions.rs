//! Which IAM actions an operation is.

use crate::model::{Operation, Service};
use std::collections::BTreeMap;
use std::sync::LazyLock;

type Key = (&'static str, &'static str);

/// `data/actions.txt`: service and operation → actions.
static NAMED_OTHERWISE: LazyLock<BTreeMap<Key, Vec<&'static str>>> = LazyLock::new(|| {
    let lines = include_str!("../data/actions.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(((words.next()?, words.next()?), words.collect()))
        })
        .collect()
});

/// The actions' full names; never none.
pub(crate) fn of(service: &Service, operation: &Operation, method: &str) -> Vec<String> {
    if let Some(actions) = NAMED_OTHERWISE.get(&(service.name, operation.name)) {
        return actions.iter().map(|action| (*action).to_owned()).collect();
    }
    let own = format!("{}:{}", service.prefix, operation.name);
    match hallpass_reference::action(&own) {
        // The reference's spelling; models and pages differ in a few capitals.
        Some(action) => vec![format!("{}:{}", action.service_prefix(), action.name())],
        // API Gateway's management: the method is the action. Source: API Gateway, "Actions, resources, and condition
        // keys".
        None if service.prefix == "apigateway" => vec![format!("apigateway:{method}")],
        None => vec![own],
    }
}

/// Everything the table says.
#[cfg(test)]
pub(crate) fn table() -> impl Iterator<Item = (&'static Key, &'static Vec<&'static str>)> {
    NAMED_OTHERWISE.iter()
}
