//! From what was used to documents: equal resources together, many objects as a prefix, as many documents as it takes.

use super::trail::Trail;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a managed policy may have, white space not counted (IAM User Guide, "IAM and AWS STS quotas").
pub(super) const CHARACTERS_MAX: usize = 6_144;
/// More objects than this below one prefix are named by the prefix.
const OBJECTS_MAX: usize = 20;

/// An action on resources, under the conditions under which it is allowed now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grant {
    /// `s3:GetObject`
    pub(super) action: String,
    /// The resource as a pattern.
    pub(super) resource: String,
    /// The value of `Condition`; `None` without.
    pub(super) condition: Option<Value>,
}

/// Grants of everything used, when nothing is known of what is allowed now.
pub(super) fn plain(trail: &Trail) -> Vec<Grant> {
    let grant = |(action, resource): (&str, Option<&str>)| Grant {
        action: action.to_owned(),
        resource: resource.map_or_else(|| "*".to_owned(), literal),
        condition: None,
    };
    trail.pairs().map(grant).collect()
}

/// A resource's name as a pattern that matches it alone.
pub(super) fn literal(resource: &str) -> String {
    if resource == "*" {
        return resource.to_owned();
    }
    let mut pattern = String::new();
    let mut rest = resource.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '*' | '?' => pattern += &format!("${{{char}}}"),
            '$' if rest.peek() == Some(&'{') => pattern += "${$}",
            char => pattern.push(char),
        }
    }
    pattern
}

/// Statements in the order of their resources, and the prefixes that stand for several objects.
pub(super) fn statements(grants: &[Grant], exact: bool) -> (Vec<Value>, Vec<(String, usize)>) {
    // By condition and action, then by condition and resources.
    let mut by_action: BTreeMap<(String, &str), BTreeSet<String>> = BTreeMap::new();
    for grant in grants {
        let condition = grant.condition.as_ref().map(Value::to_string).unwrap_or_default();
        let resources = by_action.entry((condition, &grant.action)).or_default();
        resources.insert(grant.resource.clone());
    }
    let mut generalised = BTreeMap::new();
    let mut by_resources: BTreeMap<(BTreeSet<String>, String), BTreeSet<&str>> = BTreeMap::new();
    for ((condition, action), mut resources) in by_action {
        if !exact {
            for (prefix, keys) in generalise(&mut resources) {
                let known = generalised.entry(prefix).or_insert(keys);
                *known = keys.max(*known);
            }
        }
        by_resources
            .entry((resources, condition))
            .or_default()
            .insert(action);
    }
    let statements = by_resources.into_iter().map(|((resources, condition), actions)| {
        let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
        if let (Some(statement), Ok(condition)) = (
            statement.as_object_mut(),
            serde_json::from_str::<Value>(&condition),
        ) {
            statement.insert("Condition".to_owned(), condition);
        }
        statement
    });
    (statements.collect(), generalised.into_iter().collect())
}

/// Replaces many objects of one bucket by the prefix that they share; the deepest folder that holds many comes first.
fn generalise(resources: &mut BTreeSet<String>) -> Vec<(String, usize)> {
    let mut done = Vec::new();
    loop {
        let mut folders: BTreeMap<String, usize> = BTreeMap::new();
        for resource in resources.iter().filter(|resource| is_object(resource)) {
            // Of a folder that is taken whole already there is nothing to count.
            if !resource.ends_with("/*") {
                for (at, _) in resource.match_indices('/') {
                    let folder = resource.get(..=at).unwrap_or_default();
                    *folders.entry(folder.to_owned()).or_default() += 1;
                }
            }
        }
        let many = folders.into_iter().filter(|(_, count)| *count > OBJECTS_MAX);
        let Some((folder, count)) = many.max_by_key(|(folder, _)| folder.len()) else {
            return done;
        };
        resources.retain(|resource| !resource.starts_with(&folder));
        resources.insert(format!("{folder}*"));
        done.push((format!("{folder}*"), count));
    }
}

fn is_object(resource: &str) -> bool {
    resource.starts_with("arn:") && resource.split(':').nth(2) == Some("s3") && resource.contains('/')
}

/// A document's length as IAM counts it.
pub(super) fn size(document: &Value) -> usize {
    let text = document.to_string();
    text.chars().filter(|char| !char.is_whitespace()).count()
}

fn document(statements: &[Value]) -> Value {
    let mut document = Map::new();
    document.insert("Version".to_owned(), json!("2012-10-17"));
    document.insert("Statement".to_owned(), json!(statements));
    Value::Object(document)
}

/// As few documents as the statements fill in their order, each within the quota. A statement too long for one is cut
/// by its resources; one that cannot be cut stands alone.
pub(super) fn documents(statements: Vec<Value>, denies: &[Value]) -> Vec<Value> {
    let mut pending = statements
        .into_iter()
        .chain(denies.iter().cloned())
        .collect::<Vec<_>>();
    pending.reverse();
    let mut documents = Vec::new();
    let mut current: Vec<Value> = Vec::new();
    let frame = size(&document(&[]));
    let mut length = frame;
    while let Some(statement) = pending.pop() {
        let own = size(&statement) + 1;
        if length + own <= CHARACTERS_MAX {
            length += own;
            current.push(statement);
            continue;
        }
        if frame + own > CHARACTERS_MAX
            && let Some((first, second)) = halves(&statement)
        {
            pending.extend([second, first]);
            continue;
        }
        if !current.is_empty() {
            documents.push(document(&std::mem::take(&mut current)));
        }
        length = frame + own;
        current.push(statement);
    }
    if !current.is_empty() {
        documents.push(document(&current));
    }
    documents
}

/// A statement with one half of the resources each, or of the actions.
fn halves(statement: &Value) -> Option<(Value, Value)> {
    let list = |name: &str| {
        statement
            .get(name)
            .and_then(Value::as_array)
            .filter(|list| list.len() > 1)
    };
    let name = ["Resource", "Action"]
        .into_iter()
        .find(|name| list(name).is_some())?;
    let list = list(name)?;
    let (first, second) = list.split_at(list.len() / 2);
    let with = |half: &[Value]| {
        let mut statement = statement.clone();
        if let Some(statement) = statement.as_object_mut() {
            statement.insert(name.to_owned(), json!(half));
        }
        statement
    };
    Some((with(first), with(second)))
}

#[cfg(test)]
mod tests;
