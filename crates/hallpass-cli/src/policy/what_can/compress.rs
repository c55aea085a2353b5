//! Many actions as few patterns, none of which covers a known action that is not meant.

use hallpass_reference::{AccessLevel, Service, action, service, services};
use std::collections::{BTreeMap, BTreeSet};

/// Of more services than this a line tells only the number.
const SERVICES_SHOWN: usize = 20;

/// The patterns, by service; `*` for all that is known.
pub(super) fn patterns(actions: &BTreeSet<String>) -> Vec<String> {
    let known = actions.iter().filter(|name| action(name).is_some()).count();
    if known == all() {
        let unknown = actions.iter().filter(|name| action(name).is_none()).cloned();
        return std::iter::once("*".to_owned()).chain(unknown).collect();
    }
    let mut by_service: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for full in actions {
        let (prefix, name) = full.split_once(':').unwrap_or((full, ""));
        by_service.entry(prefix).or_default().insert(name);
    }
    let mut patterns = Vec::new();
    for (prefix, names) in by_service {
        patterns.extend(of_service(service(prefix), prefix, &names));
    }
    patterns
}

fn all() -> usize {
    services().map(|service| service.actions().len()).sum()
}

fn of_service(service: Option<&Service>, prefix: &str, names: &BTreeSet<&str>) -> Vec<String> {
    let known = service.map_or(&[][..], Service::actions);
    let covered = |start: &str| {
        let mut matching = known
            .iter()
            .filter(|action| action.name().starts_with(start))
            .peekable();
        matching.peek().is_some() && matching.all(|action| names.contains(action.name()))
    };
    if covered("") && names.len() == known.len() {
        return vec![format!("{prefix}:*")];
    }
    let mut patterns = BTreeSet::new();
    for name in names {
        let verb = verb(name);
        let several = names.iter().filter(|other| other.starts_with(verb)).count() > 1;
        if several && covered(verb) {
            patterns.insert(format!("{prefix}:{verb}*"));
        } else {
            patterns.insert(format!("{prefix}:{name}"));
        }
    }
    patterns.into_iter().collect()
}

/// `Get` of `GetObject`.
fn verb(name: &str) -> &str {
    let end = name
        .char_indices()
        .skip(1)
        .find(|(_, char)| char.is_ascii_uppercase());
    end.and_then(|(at, _)| name.get(..at)).unwrap_or(name)
}

/// How many there are of each access level; those not known to the reference are not counted.
pub(super) fn levels(actions: &BTreeSet<String>) -> BTreeMap<&'static str, usize> {
    let mut levels = BTreeMap::new();
    for known in actions.iter().filter_map(|name| action(name)) {
        *levels
            .entry(AccessLevel::as_str(known.access_level()))
            .or_default() += 1;
    }
    levels
}

/// One line for people.
pub(super) fn line(actions: &BTreeSet<String>) -> String {
    let patterns = patterns(actions);
    let prefixes = patterns
        .iter()
        .map(|pattern| pattern.split(':').next().unwrap_or_default());
    let count = prefixes.collect::<BTreeSet<_>>().len();
    let whole = patterns
        .iter()
        .any(|pattern| pattern.ends_with(":*") || pattern == "*");
    let levels = levels(actions);
    let levels = levels
        .iter()
        .map(|(level, count)| format!("{level} {count}"))
        .collect::<Vec<_>>();
    if count > SERVICES_SHOWN {
        let (known, all) = (actions.len(), all());
        return format!(
            "{known} of {all} known actions, of {count} services: {}",
            levels.join(", ")
        );
    }
    let text = patterns.join(", ");
    if whole {
        format!("{text} ({} known actions: {})", actions.len(), levels.join(", "))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pattern: &str) -> BTreeSet<String> {
        let names = hallpass_reference::matching(pattern);
        names
            .map(|action| format!("{}:{}", action.service_prefix(), action.name()))
            .collect()
    }

    #[test]
    fn patterns_cover_what_is_meant_and_nothing_else() {
        let mut some = set("s3:Get*");
        some.insert("s3:PutObject".to_owned());
        some.insert("none:None".to_owned());
        assert_eq!(patterns(&some), ["none:None", "s3:Get*", "s3:PutObject"]);
        some.remove("s3:GetObject");
        assert!(!patterns(&some).contains(&"s3:Get*".to_owned()));
        assert_eq!(patterns(&set("sqs:*")), ["sqs:*"]);
        assert_eq!(patterns(&set("*")), ["*"]);
        for pattern in ["s3:*Object*", "iam:*Role*", "ec2:*"] {
            let wanted = set(pattern);
            let found = patterns(&wanted)
                .iter()
                .flat_map(|pattern| set(pattern))
                .collect::<BTreeSet<_>>();
            assert_eq!(found, wanted, "{pattern}");
        }
    }
}
