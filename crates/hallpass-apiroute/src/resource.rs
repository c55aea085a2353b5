//! The rule for every service without one of its own: an action's resource types, filled with the request's members.

use crate::asked::{Asked, Found, is_resource_name, whole_arn};
use crate::value::Value;
use hallpass_reference::{Action, ResourceType, glob};

/// A member of the request that may name a resource.
struct Candidate<'a> {
    /// Its name, letters and digits in lower case.
    name: String,
    values: Vec<&'a str>,
    used: bool,
}

/// The resources of an action. Every required type must be found, and every member that names one must be understood.
pub(crate) fn find(asked: &Asked<'_>, action: &Action) -> Found {
    let Some(service) = hallpass_reference::service(action.service_prefix()) else {
        return Found::Unknown;
    };
    let Some(mut candidates) = candidates(asked) else {
        return Found::Unknown;
    };
    let mut arns: Vec<String> = vec![];
    let mut placeholders: Vec<String> = vec![];
    for wanted in action.resources() {
        let mut is_found = false;
        let kinds = service.resource_types().iter();
        for kind in kinds.filter(|kind| kind.name() == wanted.name) {
            placeholders.extend(parts(kind.arn()).into_iter().map(plain));
            let Some(found) = of_type(asked, kind, &mut candidates) else {
                return Found::Unknown;
            };
            is_found |= !found.is_empty();
            arns.extend(found);
        }
        if wanted.required && !is_found {
            return Found::Unknown;
        }
    }
    // One that names a resource of this kind and was not understood.
    let is_left = |candidate: &Candidate<'_>| {
        !candidate.used && (candidate.values.len() != 1 || placeholders.contains(&candidate.name))
    };
    if arns.is_empty() || candidates.iter().any(is_left) {
        return Found::Unknown;
    }
    Found::Arns(arns)
}

/// The request's members; `None` when one is not a text, or stands for several things at once.
fn candidates<'a>(asked: &Asked<'a>) -> Option<Vec<Candidate<'a>>> {
    let mut found = vec![];
    let mut add = |name: &str, values: Vec<&'a str>| {
        found.push(Candidate {
            name: plain(name),
            values,
            used: false,
        });
    };
    for (name, value) in &asked.request.labels {
        add(name, vec![value]);
    }
    for name in &asked.operation.query_names {
        match asked.query(name).as_slice() {
            [] => {}
            [one] => add(name, vec![one]),
            _ => return None,
        }
    }
    for name in &asked.operation.query_several {
        let values = asked.query(name);
        if !values.is_empty() {
            add(name.trim_end_matches('s'), values);
        }
    }
    for name in &asked.operation.body_names {
        if let Some(value) = asked.body(name) {
            add(name, vec![value.text()?]);
        }
    }
    for name in &asked.operation.body_several {
        if let Some(value) = asked.body(name) {
            let items = value.items();
            let texts: Option<Vec<_>> = items.into_iter().map(Value::text).collect();
            let texts = texts.filter(|texts| !texts.is_empty() && texts.len() <= crate::ACTIONS_MAX)?;
            add(name.trim_end_matches('s'), texts);
        }
    }
    Some(found)
}

/// The resources of one type; `None` when a member gives an ARN that cannot be taken as it is.
fn of_type(asked: &Asked<'_>, kind: &ResourceType, candidates: &mut [Candidate<'_>]) -> Option<Vec<String>> {
    let mut arns = vec![];
    let placeholders = parts(kind.arn());
    let own = plain(kind.name());
    let wanted: Vec<String> = placeholders.iter().map(plain).collect();
    let is_only =
        |name: &str| wanted.len() == 1 && (name == own || wanted.iter().any(|wanted| wanted == name));
    for candidate in candidates.iter_mut() {
        let stem = candidate.name.strip_suffix("arn");
        // `resourceArn`, `streamArn`, `arn`: of this type by name, so that no other member can pose as it.
        let is_related =
            stem.is_some_and(|stem| stem == "resource" || own.contains(stem) || stem.contains(&own));
        for value in &candidate.values {
            if value.starts_with("arn:") {
                if (is_related || is_only(&candidate.name)) && is_of(kind.arn(), value) {
                    arns.push(arn_as_is(value)?);
                    candidate.used = true;
                }
            } else if stem.is_some() && is_related {
                return None;
            }
        }
    }
    if wanted.is_empty() {
        return Some(arns);
    }
    let mut chosen = vec![];
    for wanted in &wanted {
        let fits = |candidate: &Candidate<'_>| {
            candidate.name == *wanted || (is_only(wanted) && candidate.name == own)
        };
        let found = candidates.iter().position(fits);
        let usable = |index: &usize| {
            let values = candidates
                .get(*index)
                .map(|candidate| candidate.values.as_slice());
            values.is_some_and(|values| values.iter().all(|value| is_resource_name(value)))
        };
        match found.filter(usable) {
            Some(index) => chosen.push(index),
            None => return Some(arns),
        }
    }
    let values: Vec<&[&str]> = chosen
        .iter()
        .filter_map(|index| Some(candidates.get(*index)?.values.as_slice()))
        .collect();
    let made: Vec<String> = match values.as_slice() {
        [one] => one
            .iter()
            .map(|value| fill(asked, kind.arn(), &[value]))
            .collect(),
        several => {
            let single = several.iter().map(|values| match values {
                // A slash could be the border between two placeholders.
                [one] if is_plain_name(one) => Some(*one),
                _ => None,
            });
            let Some(single) = single.collect::<Option<Vec<_>>>() else {
                return Some(arns);
            };
            vec![fill(asked, kind.arn(), &single)]
        }
    };
    arns.extend(made);
    for index in chosen {
        if let Some(candidate) = candidates.get_mut(index) {
            candidate.used = true;
        }
    }
    Some(arns)
}

/// A name without slashes.
pub(crate) fn is_plain_name(text: &str) -> bool {
    is_resource_name(text) && !text.contains(['/', ' '])
}

/// A form of an ARN with values for its placeholders, in their order.
fn fill(asked: &Asked<'_>, form: &str, values: &[&str]) -> String {
    let mut values = values.iter();
    let mut arn = String::new();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        arn.push_str(before);
        arn.push_str(match name {
            "Partition" => crate::asked::partition(asked.region),
            "Region" => asked.region,
            "Account" => asked.account,
            _ => values.next().copied().unwrap_or_default(),
        });
        rest = after;
    }
    arn.push_str(rest);
    arn
}

/// The placeholders of a form, without those of the place.
fn parts(form: &str) -> Vec<&str> {
    let names = form.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    names
        .filter(|name| !matches!(*name, "Partition" | "Region" | "Account"))
        .collect()
}

/// Whether an ARN has this form.
fn is_of(form: &str, arn: &str) -> bool {
    let mut pattern = String::new();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once("${") {
        pattern.push_str(before);
        pattern.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    pattern.push_str(rest);
    glob::covers(&pattern, arn)
}

fn arn_as_is(text: &str) -> Option<String> {
    let service = text.split(':').nth(2)?;
    whole_arn(text, service)
}

/// Letters and digits in lower case: `functionName`, `FunctionName` and `function-name` are one.
fn plain(name: impl AsRef<str>) -> String {
    let chars = name.as_ref().chars().filter(char::is_ascii_alphanumeric);
    chars.map(|char| char.to_ascii_lowercase()).collect()
}
