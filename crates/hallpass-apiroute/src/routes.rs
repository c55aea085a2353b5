use crate::RouteError;
use crate::model::Operation;
use hallpass_wire::percent_decode;
use std::collections::BTreeMap;

/// Longer paths than any template's, greedy labels included.
const SEGMENTS_MAX: usize = 64;

/// The REST routes of a service, as a tree of path segments.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<&'static str, Node>,
    label: Option<Box<Node>>,
    /// Below a label that takes one segment or more.
    greedy: Option<Box<Node>>,
    ends: Vec<End>,
}

#[derive(Debug)]
struct End {
    method: &'static str,
    operation: &'static str,
    labels: Vec<&'static str>,
    /// Query parameters that are part of the route, with their value if they have one.
    literals: Vec<(&'static str, &'static str)>,
}

/// A route found: the operation's name and the decoded labels.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) operation: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
}

impl Routes {
    pub(crate) fn of(operations: &[Operation]) -> Self {
        let mut routes = Self::default();
        for operation in operations.iter().filter(|operation| !operation.uri.is_empty()) {
            routes.add(operation);
        }
        routes
    }

    fn add(&mut self, operation: &Operation) {
        let (path, query) = operation.uri.split_once('?').unwrap_or((operation.uri, ""));
        let mut end = End {
            method: operation.method,
            operation: operation.name,
            labels: vec![],
            literals: vec![],
        };
        for literal in query.split('&').filter(|literal| !literal.is_empty()) {
            end.literals
                .push(literal.split_once('=').unwrap_or((literal, "")));
        }
        let mut node = &mut self.root;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let label = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match label {
                Some(label) => {
                    let (next, label) = match label.strip_suffix('+') {
                        Some(label) => (&mut node.greedy, label),
                        None => (&mut node.label, label),
                    };
                    end.labels.push(label);
                    node = next.get_or_insert_default();
                }
                None => node = node.literals.entry(segment).or_default(),
            }
        }
        node.ends.push(end);
    }

    /// The operation of this method, path and query. `Ok(None)`: no such route.
    pub(crate) fn find(
        &self,
        method: &str,
        segments: &[&str],
        query: &[(String, String)],
    ) -> Result<Option<Match>, RouteError> {
        let mut labels = vec![];
        let Some((end, labels)) = find(&self.root, method, segments, query, &mut labels)? else {
            return Ok(None);
        };
        let labels = end
            .labels
            .iter()
            .zip(labels)
            .map(|(name, raw)| Ok((*name, decode_label(&raw)?)));
        Ok(Some(Match {
            operation: end.operation,
            labels: labels.collect::<Result<_, RouteError>>()?,
        }))
    }
}

/// Splits a raw path. One slash at its end means nothing to the services.
pub(crate) fn segments(path: &str) -> Result<Vec<&str>, RouteError> {
    let path = path.strip_prefix('/').ok_or(RouteError::Uri)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(vec![]);
    }
    let segments: Vec<_> = path.split('/').take(SEGMENTS_MAX + 1).collect();
    if segments.len() > SEGMENTS_MAX || segments.iter().any(|segment| is_dots(segment)) {
        return Err(RouteError::Uri);
    }
    Ok(segments)
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

/// An end and the raw labels on the way to it.
type Found<'a> = Option<(&'a End, Vec<String>)>;

/// A literal segment goes before a label, a label before a greedy one. Below a greedy
/// label, of which a template has one, a node is visited once for each of the path's segments at most.
fn find<'a>(
    node: &'a Node,
    method: &str,
    segments: &[&str],
    query: &[(String, String)],
    labels: &mut Vec<String>,
) -> Result<Found<'a>, RouteError> {
    let Some((segment, rest)) = segments.split_first() else {
        return Ok(end_of(&node.ends, method, query)?.map(|end| (end, labels.clone())));
    };
    if let Some(next) = node.literals.get(*segment)
        && let Some(found) = find(next, method, rest, query, labels)?
    {
        return Ok(Some(found));
    }
    if let Some(next) = &node.label {
        labels.push((*segment).to_owned());
        let found = find(next, method, rest, query, labels)?;
        labels.pop();
        if found.is_some() {
            return Ok(found);
        }
    }
    if let Some(next) = &node.greedy {
        // The fewest segments first: what is below in literals goes before the whole rest.
        for taken in 1..=segments.len() {
            let (label, rest) = segments.split_at_checked(taken).unwrap_or_default();
            labels.push(label.join("/"));
            let found = find(next, method, rest, query, labels)?;
            labels.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// The end whose query literals are all given; the one with the most.
fn end_of<'a>(
    ends: &'a [End],
    method: &str,
    query: &[(String, String)],
) -> Result<Option<&'a End>, RouteError> {
    let ends = || ends.iter().filter(|end| end.method == method);
    let given = |name: &str| query.iter().filter(|(other, _)| other == name).count();
    let satisfied = |end: &&End| {
        let mut literals = end.literals.iter();
        literals.all(|(name, value)| query.iter().any(|(other, given)| other == name && given == value))
    };
    let Some(best) = ends().filter(satisfied).max_by_key(|end| end.literals.len()) else {
        return Ok(None);
    };
    for (name, _) in ends().flat_map(|end| &end.literals) {
        let is_part = best.literals.iter().any(|(part, _)| part == name);
        // It tells operations apart: neither twice, nor with a value that no operation has.
        if given(name) > usize::from(is_part) {
            return Err(RouteError::Repeated((*name).to_owned()));
        }
    }
    Ok(Some(best))
}

/// Decodes once. A label that a peer could take for other path segments is refused.
fn decode_label(raw: &str) -> Result<String, RouteError> {
    let label = percent_decode(raw).ok_or(RouteError::Uri)?;
    let hides_segments = !label.starts_with("arn:") && label.trim_start_matches('/').split('/').any(is_dots);
    let climbs = label.split('/').any(|part| part == ".." || part == ".");
    if label.is_empty() || hides_segments || climbs || label.contains(|char: char| char.is_control()) {
        return Err(RouteError::Uri);
    }
    Ok(label)
}
