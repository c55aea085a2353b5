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

const OPERATORS: [&str; 29] = [
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
    "BoolIfExists",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
    "StringEqualsIfExists",
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

/// The rule that a refusal belongs to; `element` is the one at fault, where it is known.
fn rule(error: &PolicyError, element: &str, value: Option<&Node>) -> &'static Rule {
    let message = error.message.as_str();
    match error.code {
        PolicyErrorCode::InvalidJson => JSON_SYNTAX_ERROR,
        PolicyErrorCode::TooLarge => POLICY_SIZE_EXCEEDED,
        PolicyErrorCode::Characters => UNSUPPORTED_CHARACTER,
        PolicyErrorCode::Version => INVALID_VERSION,
        PolicyErrorCode::Sid => UNIQUE_SIDS_REQUIRED,
        PolicyErrorCode::Syntax | PolicyErrorCode::LegacyParsing => match element {
            "Effect" if value.is_none_or(|value| string(value).is_some()) => INVALID_EFFECT,
            "Resource" | "NotResource" if error.code == PolicyErrorCode::LegacyParsing => {
                INVALID_RESOURCE_FORMAT
            }
            "Principal" | "NotPrincipal" => INVALID_PRINCIPAL_FORMAT,
            "" => REFUSED,
            _ => DATA_TYPE_MISMATCH,
        },
        PolicyErrorCode::Principal if message.starts_with("Missing") => MISSING_PRINCIPAL,
        PolicyErrorCode::Principal if message.starts_with("Policy document should not") => {
            UNSUPPORTED_PRINCIPAL
        }
        PolicyErrorCode::Principal if message.starts_with("Has prohibited") => UNSUPPORTED_ELEMENT,
        PolicyErrorCode::Principal => INVALID_PRINCIPAL_FORMAT,
        PolicyErrorCode::Action if message.starts_with("Policy statement must") => MISSING_ACTION,
        PolicyErrorCode::Action if message.starts_with("AssumeRole policy") => UNSUPPORTED_ACTION_IN_POLICY,
        PolicyErrorCode::Action => INVALID_ACTION_FORMAT,
        PolicyErrorCode::Resource if message.starts_with("Policy statement must") => MISSING_RESOURCE,
        PolicyErrorCode::Resource if message.starts_with("Has prohibited") => UNSUPPORTED_ELEMENT,
        PolicyErrorCode::Resource if message.contains("region information") => ARN_REGION_NOT_ALLOWED,
        PolicyErrorCode::Resource if message.starts_with("Partition") => INVALID_PARTITION,
        PolicyErrorCode::Resource => INVALID_RESOURCE_FORMAT,
    }
}

fn help(rule: &Rule) -> &'static str {
    match rule.name {
        "INVALID_POLICY_ELEMENT" => {
            "remove it, or correct its spelling; names of elements are case-sensitive"
        }
        "DATA_TYPE_MISMATCH" => "write a string, or a list of strings, as this element takes it",
        "INVALID_VERSION" => "the versions are `2012-10-17` and, long superseded, `2008-10-17`",
        "MISSING_STATEMENT" => "add a `Statement` with at least one statement",
        "MISSING_EFFECT" | "INVALID_EFFECT" => "write `\"Effect\": \"Allow\"` or `\"Effect\": \"Deny\"`",
        "MISSING_ACTION" => "add an `Action`, such as `s3:GetObject`",
        "INVALID_ACTION_FORMAT" => "write the service's prefix, one colon and the action: `s3:GetObject`",
        "MISSING_RESOURCE" => "add a `Resource`: an ARN or `*`",
        "INVALID_RESOURCE_FORMAT" => "write `*` or an ARN: `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`",
        "ARN_REGION_NOT_ALLOWED" => "leave the region empty: `arn:aws:s3:::bucket`",
        "INVALID_PARTITION" => "the fixed start is `arn:`, then the partition, which mostly is `aws`",
        "MISSING_PRINCIPAL" => {
            "say who is meant: `\"Principal\": {\"AWS\": \"arn:aws:iam::ACCOUNT:role/NAME\"}`"
        }
        "UNSUPPORTED_PRINCIPAL" => "remove it: whom the policy is attached to is its principal",
        "INVALID_PRINCIPAL_FORMAT" => {
            "write `*`, or an object of `AWS`, `Service`, `Federated`, `CanonicalUser`; no partial wildcards"
        }
        "UNIQUE_SIDS_REQUIRED" => "give each statement a name of its own",
        "UNSUPPORTED_ELEMENT_COMBINATION" => {
            "keep one of the two, in statements of their own if both are meant"
        }
        "INVALID_CONDITION_OPERATOR" => "use an operator of the language; their names are case-sensitive",
        "INVALID_CONDITION_DATA_TYPE" => {
            "write values that the operator can read: a date, a number, a range, base64"
        }
        "UNSUPPORTED_ELEMENT" => "remove it: a policy of this kind does not take it",
        "UNSUPPORTED_ACTION_IN_POLICY" => {
            "a trust policy allows `sts:AssumeRole` and its relatives, nothing else"
        }
        "UNSUPPORTED_CHARACTER" => "replace it: IAM takes characters up to U+00FF",
        "POLICY_SIZE_EXCEEDED" => "split the document, or shorten its lists with wildcards",
        _ => "see the grammar of the policy language in the IAM User Guide",
    }
}

/// The place of the value or key that starts at this byte.
fn node_at(root: &Node, offset: usize) -> Option<Span> {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.offset == offset {
            let whole = matches!(node.value, Json::Object(_) | Json::Array(_));
            return Some(if whole { offset..offset + 1 } else { node.span() });
        }
        match &node.value {
            Json::Array(items) => open.extend(
                items
                    .iter()
                    .filter(|item| item.offset <= offset && offset < item.end),
            ),
            Json::Object(members) => {
                for (key, value) in members {
                    if key.offset == offset {
                        return Some(key.span());
                    }
                    if value.offset <= offset && offset < value.end {
                        open.push(value);
                    }
                }
            }
            _ => {}
        }
    }
    None
}
