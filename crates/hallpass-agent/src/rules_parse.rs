mod conditions;
mod shape;

use crate::file_rule::FileRule;
use crate::rules::{Key, Rule, Rules};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

mod file;

/// Everything that is wrong with a rules file. None of it is in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RulesError {
    /// In the order of the file, never empty.
    pub problems: Vec<RulesProblem>,
}

/// One problem in a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(
                f,
                "{separator}{}:{}: {}",
                problem.line, problem.column, problem.message
            )?;
        }
        Ok(())
    }
}

const KEYS: &str = "name, user, uid, group, gid, unit, slice, cgroup, container, exe, exe_sha256, ancestor, image, label, \
                    container_name, pod, namespace, not, everyone, roles, session_name, source_identity, tags, policy, \
                    duration";
/// IAM's limit for a role name.
const ROLE_NAME_CHARACTERS_MAX: usize = 64;

struct Reader<'t> {
    text: &'t str,
    problems: Vec<RulesProblem>,
    files: Vec<FileRule>,
}

pub(crate) fn parse(text: &str) -> Result<Rules, RulesError> {
    let mut reader = Reader {
        text,
        problems: Vec::new(),
        files: Vec::new(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.problem(error.span().unwrap_or_default(), error.message().trim_end());
    }
    let mut rules = Vec::new();
    // What the parser made up to go on after a syntax error is not worth judging.
    if reader.problems.is_empty() {
        rules = reader.file(table.get_ref());
    }
    reader
        .problems
        .sort_by_key(|problem| (problem.line, problem.column));
    if reader.problems.is_empty() {
        Ok(Rules {
            rules,
            files: reader.files,
        })
    } else {
        Err(RulesError {
            problems: reader.problems,
        })
    }
}

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, message: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        self.problems.push(RulesProblem {
            line,
            column,
            message: message.into(),
        });
    }

    fn file(&mut self, table: &DeTable<'_>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (key, value) in table {
            if self.files(key, value) {
                continue;
            }
            if key.get_ref() != "rule" {
                self.problem(
                    key.span(),
                    format!(
                        "unknown key `{}`: only [[rule]] and [[file]] are known",
                        key.get_ref()
                    ),
                );
                continue;
            }
            let Some(entries) = value.get_ref().as_array() else {
                self.problem(
                    value.span(),
                    "write [[rule]], with two brackets: rules are a list",
                );
                continue;
            };
            for entry in entries.iter() {
                match entry.get_ref().as_table() {
                    Some(table) => rules.push(self.rule(entry.span(), table)),
                    None => self.problem(entry.span(), "a rule is a table"),
                }
            }
        }
        rules
    }

    fn rule(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Rule {
        let mut rule = Rule::default();
        let mut everyone = false;
        let mut has_roles = false;
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some(known) = Key::named(name) {
                rule.conditions.extend(self.condition(known, key, value));
                continue;
            }
            match name {
                "name" => rule.name = self.texts(key, value).into_iter().next(),
                "not" => rule.not = self.exclusion(value),
                "session_name" => rule.shape.session_name = self.session_name(key, value),
                "source_identity" => rule.shape.source_identity = self.session_name(key, value),
                "tags" => rule.shape.tags = self.tags(value),
                "policy" => rule.shape.policy = self.policy(value),
                "duration" => rule.shape.duration_seconds = self.duration(value),
                "everyone" => match value.get_ref().as_bool() {
                    Some(true) => everyone = true,
                    _ => self.problem(
                        value.span(),
                        "`everyone` can only be true; leave it out otherwise",
                    ),
                },
                "roles" => {
                    has_roles = true;
                    rule.roles = self.roles(key, value);
                }
                other => self.problem(key.span(), format!("unknown key `{other}`: a rule knows {KEYS}")),
            }
        }
        rule.conditions.sort_by_key(|condition| condition.key);
        self.judge_conditions(&span, table, everyone);
        if !has_roles {
            self.problem(span, "the rule gives no `roles`");
        }
        rule
    }

    /// A rule must say whom it means: what a process is made of says that only together with whose it is.
    fn judge_conditions(&mut self, span: &Range<usize>, table: &DeTable<'_>, everyone: bool) {
        let named: Vec<_> = table
            .keys()
            .filter_map(|key| Some((Key::named(key.get_ref())?, key.span())))
            .collect();
        if named.is_empty() && !everyone {
            self.problem(
                span.clone(),
                "the rule has no condition: name a user, uid, group, gid or unit, or say everyone = true",
            );
        }
        if !named.is_empty() && everyone {
            self.problem(span.clone(), "`everyone` contradicts the rule's other conditions");
        }
        if named.iter().all(|(key, _)| !key.identifies())
            && let Some((key, at)) = named.first()
        {
            let message = format!(
                "`{}` alone does not say whose process it is, and any user may start one: name a user, uid, group, gid, \
                 unit, slice or cgroup too",
                key.name()
            );
            self.problem(at.clone(), message);
        }
    }

    fn roles(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let roles = self.texts(key, value);
        for role in &roles {
            let fine = role.len() <= ROLE_NAME_CHARACTERS_MAX
                && role
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
                && role != "."
                && role != "..";
            if !fine {
                self.problem(
                    value.span(),
                    format!("`{role}` is not a role name: 1 to 64 of A-Z a-z 0-9 + = , . @ _ -"),
                );
            }
        }
        roles
    }

    /// One text or a list of texts, none empty.
    fn texts(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let mut texts = Vec::new();
        for item in items(value) {
            match item.get_ref().as_str() {
                Some(text) if !text.is_empty() => texts.push(text.to_owned()),
                _ => self.problem(item.span(), format!("`{}` takes names in quotes", key.get_ref())),
            }
        }
        self.not_empty(texts.is_empty() && items(value).is_empty(), key, value);
        texts
    }

    /// One number or a list of numbers, each a user or group id.
    fn ids(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Vec<u32> {
        let mut ids = Vec::new();
        for item in items(value) {
            let number = item.get_ref().as_integer();
            match number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok()) {
                // 4294967295 is "no id" to the kernel.
                Some(id) if id != u32::MAX => ids.push(id),
                _ => self.problem(
                    item.span(),
                    format!("`{}` takes numbers from 0 to 4294967294", key.get_ref()),
                ),
            }
        }
        self.not_empty(ids.is_empty() && items(value).is_empty(), key, value);
        ids
    }

    fn not_empty(&mut self, empty: bool, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        if empty {
            self.problem(value.span(), format!("`{}` must not be empty", key.get_ref()));
        }
    }
}

fn items<'v, 'i>(value: &'v Spanned<DeValue<'i>>) -> Vec<&'v Spanned<DeValue<'i>>> {
    match value.get_ref().as_array() {
        Some(list) => list.iter().collect(),
        None => vec![value],
    }
}
