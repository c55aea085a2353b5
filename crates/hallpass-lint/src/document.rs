//! A policy document as the rules see it: every element with its place, and nothing refused.
//!
//! What has the wrong shape is left out here; the rules in `rules/refusal.rs` have reported it.

use hallpass_policy::PolicyKind;
use hallpass_policy::json::{Json, Key, Node};
use std::cell::Cell;

/// How many comparisons of names the rules that look things up in the reference may make for one document. A document
/// that needs more is so large that nobody reads findings about its every line.
const LOOKUPS_MAX: usize = 2_000_000;

pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: PolicyKind,
    pub(crate) root: &'a Node,
    pub(crate) version: Option<&'a Node>,
    /// Whether `${…}` is a variable.
    pub(crate) current: bool,
    pub(crate) statements: Vec<Statement<'a>>,
    lookups: Cell<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

pub(crate) struct Statement<'a> {
    pub(crate) index: usize,
    pub(crate) node: &'a Node,
    pub(crate) effect: Option<Effect>,
    pub(crate) sid: Option<(&'a str, &'a Node)>,
    pub(crate) principal: Option<(&'a Key, &'a Node)>,
    pub(crate) actions: Option<List<'a>>,
    pub(crate) resources: Option<List<'a>>,
    pub(crate) condition: Option<(&'a Key, &'a Node)>,
    pub(crate) conditions: Vec<Condition<'a>>,
}

/// `Action`/`NotAction` or `Resource`/`NotResource`.
pub(crate) struct List<'a> {
    pub(crate) key: &'a Key,
    pub(crate) negated: bool,
    /// All nodes of the list, those included that are no strings.
    pub(crate) nodes: &'a [Node],
    pub(crate) items: Vec<Item<'a>>,
}

/// A string of a list.
#[derive(Debug, Clone)]
pub(crate) struct Item<'a> {
    pub(crate) text: &'a str,
    /// In lower case, for actions.
    pub(crate) lower: String,
    pub(crate) node: &'a Node,
    pub(crate) index: usize,
}

/// One key of one operator's block.
pub(crate) struct Condition<'a> {
    pub(crate) operator_key: &'a Key,
    pub(crate) operator: Operator<'a>,
    /// How many keys the operator's block holds.
    pub(crate) siblings: usize,
    pub(crate) key: &'a Key,
    /// The key in lower case.
    pub(crate) lower: String,
    pub(crate) node: &'a Node,
    pub(crate) nodes: &'a [Node],
    pub(crate) values: Vec<(&'a str, &'a Node)>,
}

/// An operator's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator<'a> {
    pub(crate) quantifier: Option<&'a str>,
    /// `StringEquals`
    pub(crate) base: &'a str,
    pub(crate) if_exists: bool,
}

impl<'a> Operator<'a> {
    fn parse(name: &'a str) -> Self {
        let (quantifier, rest) = match name.split_once(':') {
            Some((quantifier, rest)) => (Some(quantifier), rest),
            None => (None, name),
        };
        let base = rest.strip_suffix("IfExists");
        Self {
            quantifier,
            base: base.unwrap_or(rest),
            if_exists: base.is_some(),
        }
    }

    /// True for operators that hold when the key's value is another, or absent.
    pub(crate) fn is_negated(self) -> bool {
        self.base.contains("Not")
    }
}

impl Condition<'_> {
    /// True when a request without the key meets the condition.
    pub(crate) fn holds_without_key(&self) -> bool {
        let null = self.operator.base == "Null"
            && self
                .values
                .iter()
                .any(|(value, _)| value.eq_ignore_ascii_case("true"));
        null || self.operator.if_exists
            || self.operator.quantifier == Some("ForAllValues")
            || self.operator.is_negated() && self.operator.quantifier != Some("ForAnyValue")
    }
}

/// The items of a list, or the one value that stands for a list.
pub(crate) fn nodes(node: &Node) -> &[Node] {
    match &node.value {
        Json::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

pub(crate) fn string(node: &Node) -> Option<&str> {
    match &node.value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Json::String(text) | Json::Number(text) => Some(text),
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

pub(crate) fn members(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Json::Object(members) => members,
        _ => &[],
    }
}

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str, root: &'a Node, kind: PolicyKind) -> Self {
        let element = |name: &str| {
            let found = members(root).iter().find(|(key, _)| key.text == name);
            found.map(|(_, node)| node)
        };
        let version = element("Version");
        let statements = element("Statement").map_or(&[][..], nodes);
        Self {
            text,
            kind,
            root,
            version,
            current: version.and_then(string) == Some("2012-10-17"),
            statements: statements
                .iter()
                .enumerate()
                .filter(|(_, node)| matches!(node.value, Json::Object(_)))
                .map(|(index, node)| Statement::new(index, node))
                .collect(),
            lookups: Cell::new(LOOKUPS_MAX),
        }
    }

    /// Takes `count` from what may still be looked up; false when it is used up.
    pub(crate) fn spend(&self, count: usize) -> bool {
        let left = self.lookups.get();
        self.lookups.set(left.saturating_sub(count));
        left > count
    }
}

impl<'a> Statement<'a> {
    fn new(index: usize, node: &'a Node) -> Self {
        let mut statement = Self {
            index,
            node,
            effect: None,
            sid: None,
            principal: None,
            actions: None,
            resources: None,
            condition: None,
            conditions: Vec::new(),
        };
        for (key, value) in members(node) {
            match key.text.as_str() {
                "Effect" => {
                    statement.effect = match string(value) {
                        Some("Allow") => Some(Effect::Allow),
                        Some("Deny") => Some(Effect::Deny),
                        _ => None,
                    }
                }
                "Sid" => statement.sid = string(value).map(|sid| (sid, value)),
                "Principal" | "NotPrincipal" => statement.principal = Some((key, value)),
                "Action" | "NotAction" => statement.actions = Some(List::new(key, value)),
                "Resource" | "NotResource" => statement.resources = Some(List::new(key, value)),
                "Condition" => {
                    statement.condition = Some((key, value));
                    statement.conditions = conditions(value);
                }
                _ => {}
            }
        }
        statement
    }

    pub(crate) fn allows(&self) -> bool {
        self.effect == Some(Effect::Allow)
    }

    /// The conditions on any of these keys; a name that ends in `/` stands for all that begin so. In lower case.
    pub(crate) fn has_key(&self, keys: &[&str]) -> bool {
        self.conditions.iter().any(|condition| {
            keys.iter().any(|key| match key.strip_suffix('/') {
                Some(_) => condition.lower.starts_with(key),
                None => condition.lower == *key,
            })
        })
    }
}

impl<'a> List<'a> {
    fn new(key: &'a Key, node: &'a Node) -> Self {
        let nodes = nodes(node);
        let items = nodes.iter().enumerate().filter_map(|(index, node)| {
            let text = string(node)?;
            Some(Item {
                text,
                lower: text.to_ascii_lowercase(),
                node,
                index,
            })
        });
        Self {
            key,
            negated: key.text.starts_with("Not"),
            nodes,
            items: items.collect(),
        }
    }
}

fn conditions(node: &Node) -> Vec<Condition<'_>> {
    let mut found = Vec::new();
    for (operator_key, block) in members(node) {
        let keys = members(block);
        for (key, value) in keys {
            let nodes = nodes(value);
            found.push(Condition {
                operator_key,
                operator: Operator::parse(&operator_key.text),
                siblings: keys.len(),
                key,
                lower: key.text.to_ascii_lowercase(),
                node: value,
                nodes,
                values: nodes
                    .iter()
                    .filter_map(|node| Some((scalar(node)?, node)))
                    .collect(),
            });
        }
    }
    found
}
