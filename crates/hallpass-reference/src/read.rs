//! Reads `data/reference.txt`.
//!
//! ```text
//! service PREFIX
//! k TYPE KEY            a condition key; keys are numbered from 0 within the service
//! c N,N,…               a list of keys; lists are numbered too
//! t LIST ARN NAME       a resource type and its list of keys
//! r NAME!,NAME,…        a list of resource types; `!` marks the required ones
//! LEVEL NAME TYPES LIST an action: its list of resource types, its list of keys
//! ```
//!
//! A line that is none of these is left out: the file is ours, and a test counts what it yields.

use crate::{AccessLevel, Action, ActionResource, KeyType, ResourceType, Service};

/// What is being collected for the service at hand.
#[derive(Default)]
struct Lists {
    keys: Vec<&'static [&'static str]>,
    types: Vec<&'static [ActionResource]>,
}

pub(crate) fn read(text: &'static str) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    let mut lists = Lists::default();
    for line in text.lines() {
        let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
        if head == "service" {
            lists = Lists::default();
            services.push(Service {
                prefix: rest,
                actions: Vec::new(),
                resource_types: Vec::new(),
                condition_keys: Vec::new(),
            });
        } else if let Some(service) = services.last_mut() {
            let _ = item(service, &mut lists, head, rest);
        }
    }
    services
}

fn item(service: &mut Service, lists: &mut Lists, head: &str, rest: &'static str) -> Option<()> {
    match head {
        "k" => {
            let (kind, key) = rest.split_once(' ')?;
            service.condition_keys.push((key, key_type(kind)?));
        }
        "c" => {
            let numbers = rest.split(',').filter_map(|number| number.parse::<usize>().ok());
            let keys: Vec<_> = numbers
                .filter_map(|number| service.condition_keys.get(number))
                .map(|(key, _)| *key)
                .collect();
            // Actions share their lists. They live as long as the reference, which is as long as the process.
            lists.keys.push(keys.leak());
        }
        "t" => {
            let mut parts = rest.splitn(3, ' ');
            let condition_keys = list(&lists.keys, parts.next()?)?;
            let (arn, name) = (parts.next()?, parts.next()?);
            service.resource_types.push(ResourceType {
                name,
                arn,
                condition_keys,
            });
        }
        "r" => {
            let names = rest.split(',').filter(|name| !name.is_empty());
            let types: Vec<_> = names
                .map(|name| match name.strip_suffix('!') {
                    Some(name) => ActionResource { name, required: true },
                    None => ActionResource {
                        name,
                        required: false,
                    },
                })
                .collect();
            lists.types.push(types.leak());
        }
        _ => {
            let level = level(head)?;
            let mut parts = rest.split(' ');
            service.actions.push(Action {
                service: service.prefix,
                name: parts.next()?,
                level,
                resources: list(&lists.types, parts.next()?)?,
                condition_keys: list(&lists.keys, parts.next()?)?,
            });
        }
    }
    Some(())
}

fn list<T: Copy>(lists: &[T], number: &str) -> Option<T> {
    lists.get(number.parse::<usize>().ok()?).copied()
}

fn level(letter: &str) -> Option<AccessLevel> {
    Some(match letter {
        "L" => AccessLevel::List,
        "R" => AccessLevel::Read,
        "W" => AccessLevel::Write,
        "T" => AccessLevel::Tagging,
        "P" => AccessLevel::PermissionsManagement,
        _ => return None,
    })
}

fn key_type(letter: &str) -> Option<KeyType> {
    Some(match letter {
        "s" => KeyType::String,
        "S" => KeyType::ArrayOfString,
        "a" => KeyType::Arn,
        "A" => KeyType::ArrayOfArn,
        "b" => KeyType::Bool,
        "B" => KeyType::ArrayOfBool,
        "n" => KeyType::Numeric,
        "d" => KeyType::Date,
        "i" => KeyType::Ip,
        "x" => KeyType::Binary,
        _ => return None,
    })
}
