//! From JSON to a policy, refusing what AWS refuses, in the order in which AWS looks.
//!
//! The order matters, since a document may break several rules and clients compare messages: shape of everything,
//! language version, values ("legacy parsing"), principals, `Sid`s, presence of actions, form of resources, form of
//! actions, presence of resources. It is inferred from the refusals recorded in moto's corpus (`vectors/policy`).

use crate::condition::{Condition, Operator};
use crate::document::{Clause, Policy, PolicyKind, Statement, StatementEffect, Version};
use crate::error::{PolicyError, PolicyErrorCode, Position};
use crate::json::{self, Json, Key, Node};
use crate::pattern::Pattern;
use crate::principal::{PrincipalClause, PrincipalEntry, PrincipalName};
use crate::resource::{self, ResourceFault};
use std::cell::Cell;
use std::collections::HashSet;

/// Longer documents are refused: IAM's own limit on any policy parameter (`policyDocumentType`). The smaller limits
/// per kind depend on quotas, and are the authority's.
pub const DOCUMENT_BYTES_MAX: usize = 131_072;
/// Documents with more strings in all their lists are refused.
pub const VALUES_MAX: usize = 16_384;
/// What a trust policy can be about; an action that matches none of them is refused, a misspelt one too.
const TRUST_ACTIONS: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Both,
    Current,
}

/// A string with its place.
#[derive(Debug, Clone)]
struct Text<'a> {
    text: &'a str,
    offset: usize,
}

/// `Action`/`NotAction`, `Resource`/`NotResource`: which of the two, and its strings.
struct List<'a> {
    negated: bool,
    texts: Vec<Text<'a>>,
}

struct RawCondition<'a> {
    operator: Operator,
    operator_text: &'a str,
    key: &'a Key,
    values: Vec<Box<str>>,
}

/// A statement whose shape is right and whose contents have not been judged.
struct Raw<'a> {
    offset: usize,
    sid: Option<Text<'a>>,
    effect: Text<'a>,
    principal: Option<(&'a Key, &'a Node)>,
    actions: Option<List<'a>>,
    resources: Option<List<'a>>,
    resource_key: Option<&'a Key>,
    conditions: Vec<RawCondition<'a>>,
}

pub(crate) fn parse(text: &str, kind: PolicyKind, versions: Versions) -> Result<Policy, PolicyError> {
    let parser = Parser {
        text,
        kind,
        reached: Cell::new(Position::of(text, 0)),
    };
    parser.limits()?;
    let root = json::parse(text).map_err(|error| {
        parser.error(
            PolicyErrorCode::InvalidJson,
            "This policy contains invalid Json",
            error.offset,
        )
    })?;
    let Json::Object(members) = &root.value else {
        return Err(parser.syntax(root.offset));
    };
    let mut version = None;
    let mut id = None;
    let mut statements = None;
    let mut is_single = false;
    for (key, node) in members {
        match (key.text.as_str(), &node.value) {
            ("Version", Json::String(text)) => {
                version = Some(match text.as_str() {
                    "2012-10-17" => Version::V2012,
                    "2008-10-17" => Version::V2008,
                    _ => return Err(parser.syntax(node.offset)),
                });
            }
            ("Id", Json::String(text)) => id = Some(Box::from(text.as_str())),
            ("Statement", Json::Object(_)) => {
                is_single = true;
                statements = Some(std::slice::from_ref(node));
            }
            ("Statement", Json::Array(items)) if !items.is_empty() => statements = Some(items.as_slice()),
            _ => return Err(parser.syntax(key.offset)),
        }
    }
    let statements = statements.ok_or_else(|| parser.syntax(root.offset))?;
    let raw = statements
        .iter()
        .map(|node| parser.shape(node))
        .collect::<Result<Vec<_>, _>>()?;
    if versions == Versions::Current && version != Some(Version::V2012) {
        let message = "Policy document must be version 2012-10-17 or greater.";
        return Err(parser.error(PolicyErrorCode::Version, message, root.offset));
    }
    let version = version.unwrap_or(Version::V2008);
    let statements = parser.judge(&raw, version)?;
    Ok(Policy {
        kind,
        version,
        id,
        is_single,
        statements,
    })
}

struct Parser<'a> {
    text: &'a str,
    kind: PolicyKind,
    /// The last position asked for: counting goes on from there, or positions would cost the square of the length.
    reached: Cell<Position>,
}

impl Parser<'_> {
    fn place(&self, offset: usize) -> Position {
        let from = self.reached.get();
        let position = match self.text.get(from.offset..offset) {
            Some(between) => from.after(between),
            None => Position::of(self.text, offset),
        };
        self.reached.set(position);
        position
    }

    fn error(&self, code: PolicyErrorCode, message: &str, offset: usize) -> PolicyError {
        PolicyError {
            code,
            message: message.to_owned(),
            position: self.place(offset),
        }
    }

    fn syntax(&self, offset: usize) -> PolicyError {
        self.error(PolicyErrorCode::Syntax, "Syntax errors in policy.", offset)
    }

    fn legacy(&self, offset: usize) -> PolicyError {
        self.error(
            PolicyErrorCode::LegacyParsing,
            "The policy failed legacy parsing",
            offset,
        )
    }

    fn limits(&self) -> Result<(), PolicyError> {
        if self.text.len() > DOCUMENT_BYTES_MAX {
            let message = format!("Cannot exceed quota for PolicySize: {DOCUMENT_BYTES_MAX}");
            return Err(self.error(PolicyErrorCode::TooLarge, &message, DOCUMENT_BYTES_MAX));
        }
        // Resource policies belong to other services, whose names (object keys) may be in any script.
        if matches!(self.kind, PolicyKind::Resource | PolicyKind::ResourceControl) {
            return Ok(());
        }
        let foreign = |char: &char| !matches!(char, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        match self.text.char_indices().find(|(_, char)| foreign(char)) {
            None => Ok(()),
            Some((offset, _)) => {
                let message = "The specified value for policyDocument is invalid. It must contain only printable \
                               ASCII characters.";
                Err(self.error(PolicyErrorCode::Characters, message, offset))
            }
        }
    }

    /// Checks the shape of one statement, and nothing that AWS looks at later.
    fn shape<'n>(&self, node: &'n Node) -> Result<Raw<'n>, PolicyError> {
        let Json::Object(members) = &node.value else {
            return Err(self.syntax(node.offset));
        };
        let mut sid = None;
        let mut effect = None;
        let mut principal = None;
        let mut actions = None;
        let mut resources = None;
        let mut resource_key = None;
        let mut conditions = Vec::new();
        for (key, value) in members {
            let twice = match key.text.as_str() {
                "Sid" => sid.replace(self.string(value)?).is_some(),
                "Effect" => effect.replace(self.string(value)?).is_some(),
                "Principal" | "NotPrincipal" => principal.replace((key, value)).is_some(),
                "Action" => actions.replace(self.list(value, false)?).is_some(),
                "NotAction" => actions.replace(self.list(value, true)?).is_some(),
                "Resource" | "NotResource" => {
                    resource_key = Some(key);
                    resources
                        .replace(self.list(value, key.text == "NotResource")?)
                        .is_some()
                }
                "Condition" => {
                    conditions = self.conditions(value)?;
                    false
                }
                _ => true,
            };
            // An element and its negation exclude each other, whatever they hold.
            if twice {
                return Err(self.syntax(key.offset));
            }
        }
        let effect = effect.ok_or_else(|| self.syntax(node.offset))?;
        if !effect.text.eq_ignore_ascii_case("Allow") && !effect.text.eq_ignore_ascii_case("Deny") {
            return Err(self.syntax(effect.offset));
        }
        Ok(Raw {
            offset: node.offset,
            sid,
            effect,
            principal,
            actions,
            resources,
            resource_key,
            conditions,
        })
    }

    fn string<'n>(&self, node: &'n Node) -> Result<Text<'n>, PolicyError> {
        match &node.value {
            Json::String(text) => Ok(Text {
                text,
                offset: node.offset,
            }),
            _ => Err(self.syntax(node.offset)),
        }
    }

    /// A string or a list of strings. AWS stores a `null` in a list and makes nothing of it.
    fn list<'n>(&self, node: &'n Node, negated: bool) -> Result<List<'n>, PolicyError> {
        let texts = match &node.value {
            Json::Array(items) => {
                let items = items.iter().filter(|item| item.value != Json::Null);
                items
                    .map(|item| self.string(item))
                    .collect::<Result<Vec<_>, _>>()?
            }
            _ => vec![self.string(node)?],
        };
        Ok(List { negated, texts })
    }

    fn conditions<'n>(&self, node: &'n Node) -> Result<Vec<RawCondition<'n>>, PolicyError> {
        let Json::Object(blocks) = &node.value else {
            return Err(self.syntax(node.offset));
        };
        let mut conditions = Vec::new();
        for (operator_key, block) in blocks {
            let Json::Object(keys) = &block.value else {
                return Err(self.syntax(block.offset));
            };
            for (key, value) in keys {
                // AWS stores an unknown operator over an empty block; over a key nobody could evaluate it.
                let operator =
                    Operator::parse(&operator_key.text).ok_or_else(|| self.syntax(operator_key.offset))?;
                let values = match &value.value {
                    Json::Array(items) => items.as_slice(),
                    _ => std::slice::from_ref(value),
                };
                let values = values
                    .iter()
                    .map(|value| self.scalar(value))
                    .collect::<Result<_, _>>()?;
                conditions.push(RawCondition {
                    operator,
                    operator_text: &operator_key.text,
                    key,
                    values,
                });
            }
        }
        Ok(conditions)
    }

    /// A condition's value: numbers and booleans may go without quotes.
    fn scalar(&self, node: &Node) -> Result<Box<str>, PolicyError> {
        match &node.value {
            Json::String(text) | Json::Number(text) => Ok(text.as_str().into()),
            Json::Bool(true) => Ok("true".into()),
            Json::Bool(false) => Ok("false".into()),
            Json::Null | Json::Array(_) | Json::Object(_) => Err(self.syntax(node.offset)),
        }
    }

    /// Judges the contents of all statements, one rule after the other, and compiles them.
    fn judge(&self, raw: &[Raw<'_>], version: Version) -> Result<Vec<Statement>, PolicyError> {
        let variables = version == Version::V2012;
        self.count(raw)?;
        let mut resource_fault = None;
        let mut statements = Vec::with_capacity(raw.len());
        for statement in raw {
            let effect = match statement.effect.text {
                "Allow" => StatementEffect::Allow,
                "Deny" => StatementEffect::Deny,
                _ => return Err(self.legacy(statement.effect.offset)),
            };
            let mut conditions = Vec::with_capacity(statement.conditions.len());
            for entry in &statement.conditions {
                let RawCondition {
                    operator,
                    operator_text,
                    key,
                    values,
                } = entry;
                let condition =
                    Condition::new(operator_text, *operator, &key.text, values.clone(), variables);
                conditions.push(condition.ok_or_else(|| self.legacy(key.offset))?);
            }
            for text in statement.resources.iter().flat_map(|list| &list.texts) {
                match resource::check(text.text) {
                    Ok(()) => {}
                    Err(ResourceFault::Legacy) => return Err(self.legacy(text.offset)),
                    Err(ResourceFault::Message(message)) => {
                        resource_fault.get_or_insert((message, text.offset));
                    }
                }
            }
            let end = self.end(statement.offset);
            statements.push(Statement {
                sid: statement.sid.as_ref().map(|sid| sid.text.into()),
                effect,
                position: self.place(statement.offset),
                end: self.place(end),
                principals: None,
                actions: clause(statement.actions.as_ref(), Pattern::action),
                resources: statement
                    .resources
                    .as_ref()
                    .map(|list| clause(Some(list), |text| Pattern::resource(text, variables))),
                conditions,
            });
        }
        for (statement, compiled) in raw.iter().zip(&mut statements) {
            compiled.principals = self.principals(statement, compiled.effect)?;
        }
        self.unique_sids(raw)?;
        for statement in raw {
            if statement
                .actions
                .as_ref()
                .is_none_or(|list| list.texts.is_empty())
            {
                let message = "Policy statement must contain actions.";
                return Err(self.error(PolicyErrorCode::Action, message, statement.offset));
            }
        }
        if let Some((message, offset)) = resource_fault {
            return Err(self.error(PolicyErrorCode::Resource, &message, offset));
        }
        for text in raw
            .iter()
            .flat_map(|statement| &statement.actions)
            .flat_map(|list| &list.texts)
        {
            self.action(text)?;
        }
        for statement in raw {
            self.resources(statement)?;
        }
        Ok(statements)
    }

    /// The byte after the statement that starts at `offset`. It has been read once already, so it reads again.
    fn end(&self, offset: usize) -> usize {
        let mut depth = 0usize;
        let mut quoted = false;
        let mut escaped = false;
        for (index, byte) in self.text.bytes().enumerate().skip(offset) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' if !quoted => depth += 1,
                b'}' if !quoted => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return index + 1;
                    }
                }
                _ => {}
            }
        }
        self.text.len()
    }

    fn count(&self, raw: &[Raw<'_>]) -> Result<(), PolicyError> {
        let mut values = 0;
        for statement in raw {
            let lists = statement.actions.iter().chain(&statement.resources);
            values += lists.map(|list| list.texts.len()).sum::<usize>();
            values += statement
                .conditions
                .iter()
                .map(|condition| condition.values.len())
                .sum::<usize>();
            if values > VALUES_MAX {
                let message = format!("Cannot exceed quota for PolicyValues: {VALUES_MAX}");
                return Err(self.error(PolicyErrorCode::TooLarge, &message, statement.offset));
            }
        }
        Ok(())
    }

    fn unique_sids(&self, raw: &[Raw<'_>]) -> Result<(), PolicyError> {
        let mut seen = HashSet::new();
        for sid in raw.iter().filter_map(|statement| statement.sid.as_ref()) {
            // An empty Sid is none.
            if !sid.text.is_empty() && !seen.insert(sid.text) {
                let message = "Statement IDs (SID) in a single policy must be unique.";
                return Err(self.error(PolicyErrorCode::Sid, message, sid.offset));
            }
        }
        Ok(())
    }

    fn action(&self, action: &Text<'_>) -> Result<(), PolicyError> {
        let refuse = |message: &str| Err(self.error(PolicyErrorCode::Action, message, action.offset));
        let text = action.text;
        let trust = self.kind == PolicyKind::Trust;
        if matches!(text, "*" | "*:*") && !trust {
            return Ok(());
        }
        let Some((vendor, name)) = text.split_once(':') else {
            return refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
        };
        if name.contains(':') {
            return refuse("Actions/Condition can contain only one colon.");
        }
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if vendor.is_empty() || !vendor.bytes().all(letters) {
            return refuse(&format!("Vendor {vendor} is not valid"));
        }
        let pattern = Pattern::action(text);
        if trust && !TRUST_ACTIONS.iter().any(|known| pattern.matches_action(known)) {
            return refuse("AssumeRole policy may only specify STS AssumeRole actions.");
        }
        Ok(())
    }

    fn resources(&self, statement: &Raw<'_>) -> Result<(), PolicyError> {
        let refuse = |message: &str, offset| Err(self.error(PolicyErrorCode::Resource, message, offset));
        match (self.kind, &statement.resources, statement.resource_key) {
            (PolicyKind::Trust, _, Some(key)) => {
                refuse(&format!("Has prohibited field {}", key.text), key.offset)
            }
            (PolicyKind::Trust, _, None) => Ok(()),
            (_, Some(list), _) if !list.texts.is_empty() => Ok(()),
            _ => refuse("Policy statement must contain resources.", statement.offset),
        }
    }

    fn principals(
        &self,
        statement: &Raw<'_>,
        effect: StatementEffect,
    ) -> Result<Option<PrincipalClause>, PolicyError> {
        let refuse = |message: &str, offset| Err(self.error(PolicyErrorCode::Principal, message, offset));
        let (key, node) = match (self.kind, statement.principal) {
            (PolicyKind::Resource, None) => return Ok(None),
            (PolicyKind::Trust | PolicyKind::ResourceControl, None) => {
                return refuse("Missing required field Principal", statement.offset);
            }
            (PolicyKind::Resource | PolicyKind::Trust | PolicyKind::ResourceControl, Some(found)) => found,
            (_, None) => return Ok(None),
            (_, Some((key, _))) => {
                return refuse("Policy document should not specify a principal.", key.offset);
            }
        };
        let negated = key.text == "NotPrincipal";
        // With Allow it grants to everybody else in the world; AWS no longer supports it.
        if negated && (self.kind != PolicyKind::Resource || effect == StatementEffect::Allow) {
            return refuse("Has prohibited field NotPrincipal", key.offset);
        }
        let entries = self.principal_entries(node)?;
        let everyone = |entry: &PrincipalEntry| entry.name == PrincipalName::Everyone;
        if self.kind == PolicyKind::ResourceControl && !entries.iter().all(everyone) {
            return refuse(
                "The Principal of a resource control policy must be \"*\".",
                node.offset,
            );
        }
        if entries.is_empty() {
            return refuse("Missing required field Principal cannot be empty!", node.offset);
        }
        Ok(Some(PrincipalClause { negated, entries }))
    }

    fn principal_entries(&self, node: &Node) -> Result<Vec<PrincipalEntry>, PolicyError> {
        let mut entries = Vec::new();
        match &node.value {
            Json::String(text) if text == "*" => entries.push(PrincipalEntry {
                name: PrincipalName::Everyone,
                text: text.clone(),
                position: self.place(node.offset),
            }),
            Json::Object(members) => {
                for (member, value) in members {
                    for text in self.list(value, false)?.texts {
                        let name = PrincipalName::parse(&member.text, text.text).ok_or_else(|| {
                            let message = format!(
                                "Invalid principal in policy: \"{}\":\"{}\"",
                                member.text, text.text
                            );
                            self.error(PolicyErrorCode::Principal, &message, text.offset)
                        })?;
                        entries.push(PrincipalEntry {
                            name,
                            text: text.text.to_owned(),
                            position: self.place(text.offset),
                        });
                    }
                }
            }
            _ => return Err(self.syntax(node.offset)),
        }
        Ok(entries)
    }
}

fn clause(list: Option<&List<'_>>, compile: impl Fn(&str) -> Pattern) -> Clause {
    let texts = list.iter().flat_map(|list| &list.texts);
    let patterns = texts.map(|text| compile(text.text)).collect();
    Clause::new(list.is_some_and(|list| list.negated), patterns)
}
