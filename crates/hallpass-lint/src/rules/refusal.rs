//! Errors: why IAM refuses the document.
//!
//! The parser stops at the first reason. To find the others with the very same judgement, each element is put into a
//! document that is right otherwise, and parsed again: nothing is written twice, and no error is reported that the
//! parser would not give.

use crate::catalogue::*;
use crate::document::{Document, members, nodes, string};
use crate::fix::{distance, quoted};
use crate::report::{At, Report, Span};
use hallpass_policy::json::{Json, Key, Node};
use hallpass_policy::{Policy, PolicyError, PolicyErrorCode, PolicyKind};
use std::collections::HashSet;
use words::{help, node_at, rule};

mod words;

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];

/// Reports `first`, and whatever else the parser would have refused after it.
pub(super) fn check(document: &Document<'_>, first: &PolicyError, report: &mut Report) {
    let mut prober = Prober {
        document,
        found: HashSet::new(),
        report,
    };
    prober.top();
    if !prober
        .found
        .contains(&(first.position.offset, first.message.clone()))
    {
        let at = node_at(document.root, first.position.offset);
        let end = document
            .text
            .get(first.position.offset..)
            .and_then(|rest| rest.chars().next());
        let end = first.position.offset + end.map_or(0, char::len_utf8);
        let span = at.unwrap_or(first.position.offset..end);
        prober.add(rule(first, "", None), &span, &first.message);
    }
}

struct Prober<'d, 'a, 'r> {
    document: &'d Document<'a>,
    /// Where and in which words something has been reported.
    found: HashSet<(usize, String)>,
    report: &'r mut Report,
}

impl Prober<'_, '_, '_> {
    fn add(&mut self, rule: &'static Rule, at: &impl At, message: &str) {
        if self.found.insert((at.span().start, message.to_owned())) {
            self.report.add(rule, at, message, help(rule));
        }
    }

    fn syntax(&mut self, rule: &'static Rule, at: &impl At) {
        self.add(rule, at, "Syntax errors in policy.");
    }

    fn top(&mut self) {
        let root = self.document.root;
        if !matches!(root.value, Json::Object(_)) {
            return self.syntax(DATA_TYPE_MISMATCH, root);
        }
        let mut statements = None;
        for (key, value) in members(root) {
            match (key.text.as_str(), &value.value) {
                ("Version", Json::String(version)) => {
                    if !matches!(version.as_str(), "2012-10-17" | "2008-10-17") {
                        self.syntax(INVALID_VERSION, value);
                        self.report.fix(
                            "set the version to `2012-10-17`",
                            vec![(value.span(), quoted("2012-10-17"))],
                        );
                    }
                }
                ("Id", Json::String(_)) => {}
                ("Version" | "Id", _) => self.syntax(DATA_TYPE_MISMATCH, key),
                ("Statement", Json::Object(_)) => statements = Some(value),
                ("Statement", Json::Array(items)) if !items.is_empty() => statements = Some(value),
                ("Statement", Json::Array(_)) => {
                    self.syntax(MISSING_STATEMENT, key);
                    statements = Some(value);
                }
                ("Statement", _) => {
                    self.syntax(DATA_TYPE_MISMATCH, key);
                    statements = Some(value);
                }
                _ => self.unknown(key, &["Version", "Id", "Statement"], root),
            }
        }
        match statements {
            None => self.syntax(MISSING_STATEMENT, &(root.offset..root.offset + 1)),
            Some(statements) => self.statements(statements),
        }
    }

    fn unknown(&mut self, key: &Key, known: &[&str], object: &Node) {
        self.syntax(INVALID_POLICY_ELEMENT, key);
        let taken = |name: &str| members(object).iter().any(|(other, _)| other.text == name);
        let meant = known.iter().find(|name| distance(name, &key.text).is_some());
        if let Some(meant) = meant.filter(|name| !taken(name)) {
            let title = format!("rename `{}` to `{meant}`", key.text);
            self.report.fix(title, vec![(key.span(), quoted(meant))]);
        }
    }

    fn statements(&mut self, statements: &Node) {
        let mut sids = HashSet::new();
        for node in nodes(statements) {
            if !matches!(node.value, Json::Object(_)) {
                self.syntax(DATA_TYPE_MISMATCH, node);
                continue;
            }
            for (key, value) in members(node) {
                match (key.text.as_str(), string(value)) {
                    ("Sid", Some(sid)) if !sid.is_empty() && !sids.insert(sid) => {
                        let message = "Statement IDs (SID) in a single policy must be unique.";
                        self.add(UNIQUE_SIDS_REQUIRED, value, message);
                    }
                    ("Action" | "NotAction" | "Resource" | "NotResource", _) => self.list(key, value),
                    ("Principal" | "NotPrincipal", _) => self.principal(node, key, value),
                    ("Condition", _) => self.condition(key, value),
                    ("Sid" | "Effect", _) => self.probe(key, value, &[self.raw(key, value)]),
                    _ => self.unknown(key, &ELEMENTS, node),
                }
            }
            self.missing(node);
        }
    }

    /// What a statement must have, and what excludes each other.
    fn missing(&mut self, node: &Node) {
        let find = |name: &str| members(node).iter().find(|(key, _)| key.text == name);
        let start = node.offset..node.offset + 1;
        for element in ["Action", "Resource", "Principal"] {
            let negation = format!("Not{element}");
            match (find(element), find(&negation)) {
                (Some((one, _)), Some((other, _))) => {
                    let later = if one.offset > other.offset { one } else { other };
                    self.syntax(UNSUPPORTED_ELEMENT_COMBINATION, later);
                }
                (None, None) => {
                    if let Some(error) = self.parse(&[], &[element]) {
                        self.add(rule(&error, element, None), &start, &error.message);
                    }
                }
                _ => {}
            }
        }
        if find("Effect").is_none() {
            self.syntax(MISSING_EFFECT, &start);
        }
    }

    fn source(&self, span: Span) -> &str {
        self.document.text.get(span).unwrap_or_default()
    }

    fn raw(&self, key: &Key, value: &Node) -> String {
        format!("{}: {}", self.source(key.span()), self.source(value.span()))
    }

    fn list(&mut self, key: &Key, value: &Node) {
        let items = nodes(value);
        if items.is_empty() || !matches!(value.value, Json::Array(_)) {
            return self.probe(key, value, &[self.raw(key, value)]);
        }
        // Beside a good one: a `null` is refused only by itself.
        let good = match (key.text.as_str(), self.document.kind) {
            ("Resource" | "NotResource", _) => "*",
            (_, PolicyKind::Trust) => "sts:AssumeRole",
            _ => "s3:GetObject",
        };
        for item in items {
            let text = format!(
                "{}: [\"{good}\", {}]",
                quoted(&key.text),
                self.source(item.span())
            );
            self.probe(key, item, &[text]);
        }
    }

    fn principal(&mut self, statement: &Node, key: &Key, value: &Node) {
        let effect = members(statement).iter().find(|(key, _)| key.text == "Effect");
        let effect = effect
            .and_then(|(_, value)| string(value))
            .filter(|effect| *effect == "Deny");
        let effect = format!("\"Effect\": \"{}\"", effect.unwrap_or("Allow"));
        let kinds = members(value);
        if kinds.is_empty() {
            return self.probe(key, value, &[effect, self.raw(key, value)]);
        }
        for (kind, names) in kinds {
            let items = nodes(names);
            let items = if items.is_empty() {
                std::slice::from_ref(names)
            } else {
                items
            };
            for item in items {
                let entry = format!("{{{}: {}}}", self.source(kind.span()), self.source(item.span()));
                let text = format!("{}: {entry}", quoted(&key.text));
                self.probe(key, item, &[effect.clone(), text]);
            }
        }
    }

    fn condition(&mut self, key: &Key, value: &Node) {
        if members(value).is_empty() {
            return self.probe(key, value, &[self.raw(key, value)]);
        }
        for (operator, block) in members(value) {
            if members(block).is_empty() {
                let text = format!("\"Condition\": {{{}}}", self.raw(operator, block));
                self.probe(operator, block, &[text]);
            }
            for (name, values) in members(block) {
                let inner = self.raw(name, values);
                let text = format!("\"Condition\": {{{}: {{{inner}}}}}", self.source(operator.span()));
                let Some(error) = self.parse(&[text], &[]) else {
                    continue;
                };
                let nearest = OPERATORS
                    .iter()
                    .find(|known| distance(known, &operator.text).is_some());
                // The parser points at the operator when it does not know it, and at the key or value otherwise.
                let known = format!(
                    "\"Condition\": {{{}: {{\"a\": []}}}}",
                    self.source(operator.span())
                );
                if self.parse(&[known], &[]).is_some() {
                    self.syntax(INVALID_CONDITION_OPERATOR, operator);
                    if let Some(nearest) = nearest {
                        let title = format!("replace `{}` by `{nearest}`", operator.text);
                        self.report.fix(title, vec![(operator.span(), quoted(nearest))]);
                    }
                } else if error.code == PolicyErrorCode::Syntax {
                    let wrong = nodes(values)
                        .iter()
                        .find(|node| matches!(node.value, Json::Null | Json::Array(_) | Json::Object(_)));
                    self.syntax(DATA_TYPE_MISMATCH, wrong.unwrap_or(values));
                } else if !matches!(
                    error.code,
                    PolicyErrorCode::Characters | PolicyErrorCode::TooLarge
                ) {
                    self.add(INVALID_CONDITION_DATA_TYPE, name, &error.message);
                }
            }
        }
    }

    /// Parses a statement that has `elements` and is right otherwise, without the elements named in `without`.
    fn parse(&self, elements: &[String], without: &[&str]) -> Option<PolicyError> {
        let has = |name: &str| {
            without.contains(&name)
                || elements.iter().any(|text| {
                    text.starts_with(&format!("\"{name}\"")) || text.starts_with(&format!("\"Not{name}\""))
                })
        };
        let kind = self.document.kind;
        let mut all = elements.to_vec();
        let mut default = |name: &str, value: &str| {
            if !has(name) {
                all.push(format!("\"{name}\": \"{value}\""));
            }
        };
        default("Effect", "Allow");
        if kind == PolicyKind::Trust {
            default("Action", "sts:AssumeRole");
        } else {
            default("Action", "s3:GetObject");
            default("Resource", "*");
        }
        if matches!(
            kind,
            PolicyKind::Trust | PolicyKind::Resource | PolicyKind::ResourceControl
        ) {
            default("Principal", "*");
        }
        let version = if self.document.current {
            "2012-10-17"
        } else {
            "2008-10-17"
        };
        let text = format!(
            "{{\"Version\": \"{version}\", \"Statement\": {{{}}}}}",
            all.join(", ")
        );
        let error = Policy::parse(&text, kind).err()?;
        // These are about the whole text.
        let whole = matches!(
            error.code,
            PolicyErrorCode::Characters | PolicyErrorCode::TooLarge
        );
        (!whole).then_some(error)
    }

    fn probe(&mut self, key: &Key, value: &Node, elements: &[String]) {
        let Some(error) = self.parse(elements, &[]) else {
            return;
        };
        let rule = rule(&error, &key.text, Some(value));
        let at_key = matches!(rule.name, "UNSUPPORTED_PRINCIPAL" | "UNSUPPORTED_ELEMENT");
        if at_key {
            self.add(rule, key, &error.message);
        } else {
            self.add(rule, value, &error.message);
        }
        let spelled = ["Allow", "Deny"].iter().find(|effect| {
            string(value).is_some_and(|text| distance(effect, text).is_some_and(|distance| distance < 2))
        });
        if let Some(effect) = spelled.filter(|_| rule == INVALID_EFFECT) {
            let title = format!("replace `{}` by `{effect}`", string(value).unwrap_or_default());
            self.report.fix(title, vec![(value.span(), quoted(effect))]);
        }
    }
}
