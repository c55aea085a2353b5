//! What AWS's models demand of the parameters of each IAM and STS action, checked before anything else is.
//!
//! The tables are made from AWS's own models (`cargo xtask generate iam-model`, `sts-model`). Answers are theirs:
//! `ValidationError` with every violation of the call named in one sentence each ("Common errors", IAM API Reference).

mod pattern;

use crate::ApiError;
use crate::call::Service;
use crate::names::lower_first;
use hallpass_wire::QueryParams;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Violations named in one answer; the rest would only make it long.
const VIOLATIONS_MAX: usize = 20;
/// Shapes nest this deep at most: the model's deepest is three.
const DEPTH_MAX: usize = 8;
/// A longer value is not said back.
const SHOWN_CHARS_MAX: usize = 2_048;

struct Member {
    name: &'static str,
    shape: &'static str,
    is_required: bool,
}

#[derive(Clone, Copy, Default)]
struct Bounds {
    min: Option<i64>,
    max: Option<i64>,
}

enum Shape {
    Text {
        length: Bounds,
        pattern: &'static str,
        is_secret: bool,
    },
    Enumeration(Vec<&'static str>),
    Integer(Bounds),
    Boolean,
    List(Bounds, &'static str),
    Map(&'static str, &'static str),
    Structure(Vec<Member>),
}

#[derive(Default)]
struct Table {
    shapes: HashMap<&'static str, Shape>,
    operations: HashMap<&'static str, Vec<Member>>,
}

static IAM: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("../data/iam.txt")));
static STS: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("../data/sts.txt")));

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            match (words.next(), words.next(), words.next().unwrap_or_default()) {
                (Some("O"), Some(name), rest) => {
                    table.operations.insert(name, members(rest));
                }
                (Some("S"), Some(name), rest) => {
                    if let Some(shape) = shape(rest) {
                        table.shapes.insert(name, shape);
                    }
                }
                _ => {}
            }
        }
        table
    }
}

fn members(text: &'static str) -> Vec<Member> {
    let member = |word: &'static str| {
        let at = word.find(['!', '?'])?;
        let (name, rest) = word.split_at(at);
        Some(Member {
            name,
            shape: rest.get(1..)?,
            is_required: rest.starts_with('!'),
        })
    };
    text.split_whitespace().filter_map(member).collect()
}

fn shape(text: &'static str) -> Option<Shape> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    if kind == "structure" {
        return Some(Shape::Structure(members(rest)));
    }
    if kind == "enum" {
        return Some(Shape::Enumeration(rest.split('|').collect()));
    }
    let mut words = rest.splitn(3, ' ');
    let bounds = Bounds {
        min: words.next()?.parse().ok(),
        max: words.next()?.parse().ok(),
    };
    let rest = words.next().unwrap_or_default();
    Some(match kind {
        "string" | "secret" => Shape::Text {
            length: bounds,
            pattern: rest,
            is_secret: kind == "secret",
        },
        "integer" => Shape::Integer(bounds),
        "boolean" => Shape::Boolean,
        "list" => Shape::List(bounds, rest),
        "map" => {
            let (key, value) = rest.split_once(' ')?;
            Shape::Map(key, value)
        }
        _ => return None,
    })
}

/// Checks the parameters of one action. What the model does not know passes: the action decides about it.
///
/// # Errors
/// `ValidationError` for what is missing, too long, too short, out of range or of the wrong form; `MalformedInput` for a
/// number or truth value that is none.
pub(crate) fn check(service: Service, action: &str, params: &QueryParams) -> Result<(), ApiError> {
    let table: &Table = match service {
        Service::Iam => &IAM,
        Service::Sts => &STS,
        Service::Ec2 | Service::Hallpass => return Ok(()),
    };
    let Some(members) = table.operations.get(action) else {
        return Ok(());
    };
    let mut found = Found {
        table,
        params,
        violations: vec![],
        bad_name: None,
    };
    found.structure(members, "", "", 0)?;
    let Found {
        mut violations,
        bad_name,
        ..
    } = found;
    if violations.is_empty() {
        return Ok(());
    }
    if let (1, Some(message), Service::Iam) = (violations.len(), bad_name, service) {
        return Err(ApiError::validation(message));
    }
    violations.truncate(VIOLATIONS_MAX);
    let plural = if violations.len() == 1 { "" } else { "s" };
    Err(ApiError::validation(format!(
        "{} validation error{plural} detected: {}",
        violations.len(),
        violations.join("; ")
    )))
}

/// `Value 'TEXT'`, as a violation begins.
pub(crate) fn shown(value: &str) -> String {
    if value.chars().count() <= SHOWN_CHARS_MAX {
        format!("Value '{value}'")
    } else {
        "Value".to_owned()
    }
}

struct Found<'a> {
    table: &'static Table,
    params: &'a QueryParams,
    violations: Vec<String>,
    /// IAM has sentences of its own for names and paths of the wrong characters.
    bad_name: Option<String>,
}

impl Found<'_> {
    fn add(&mut self, value: Option<&str>, label: &str, constraint: &str) {
        let value = value.map_or_else(|| "Value null".to_owned(), shown);
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(format!(
                "{value} at '{label}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    /// `prefix` is what parameters of this structure begin with, `label` what the answer calls it.
    fn structure(
        &mut self,
        members: &[Member],
        prefix: &str,
        label: &str,
        depth: usize,
    ) -> Result<(), ApiError> {
        for member in members {
            let name = format!("{prefix}{}", member.name);
            let shown = format!("{label}{}", lower_first(member.name));
            self.member(member, &name, &shown, depth)?;
        }
        Ok(())
    }

    fn member(&mut self, member: &Member, name: &str, label: &str, depth: usize) -> Result<(), ApiError> {
        let Some(shape) = self.table.shapes.get(member.shape).filter(|_| depth < DEPTH_MAX) else {
            return Ok(());
        };
        match shape {
            Shape::List(bounds, inner) => {
                let prefixes = self.params.numbered(name);
                if prefixes.is_empty() && self.params.get(name).is_none() {
                    if member.is_required {
                        self.add(None, label, "Member must not be null");
                    }
                    return Ok(());
                }
                self.length(prefixes.len(), *bounds, Some(""), label);
                for (index, prefix) in prefixes.iter().enumerate() {
                    let shown = format!("{label}.{}.member", index + 1);
                    let inner = Member {
                        name: "",
                        shape: inner,
                        is_required: false,
                    };
                    self.member(&inner, prefix, &shown, depth + 1)?;
                }
                Ok(())
            }
            Shape::Map(key, value) => {
                let prefixes = self.params.numbered(&format!("{name}.entry"));
                if prefixes.is_empty() && member.is_required && self.params.get(name).is_none() {
                    self.add(None, label, "Member must not be null");
                }
                for prefix in &prefixes {
                    for (part, shape) in [("key", *key), ("value", *value)] {
                        let inner = Member {
                            name: "",
                            shape,
                            is_required: true,
                        };
                        self.member(
                            &inner,
                            &format!("{prefix}.{part}"),
                            &format!("{label}.{part}"),
                            depth + 1,
                        )?;
                    }
                }
                Ok(())
            }
            Shape::Structure(_) if member.is_required && !self.params.has_member(name) => {
                self.add(None, label, "Member must not be null");
                Ok(())
            }
            Shape::Structure(members) => {
                self.structure(members, &format!("{name}."), &format!("{label}."), depth + 1)
            }
            plain => match self.params.get(name) {
                Some(value) => self.plain(plain, value, label),
                None if member.is_required => {
                    self.add(None, label, "Member must not be null");
                    Ok(())
                }
                None => Ok(()),
            },
        }
    }

    fn plain(&mut self, shape: &Shape, value: &str, label: &str) -> Result<(), ApiError> {
        let malformed = |what: &str| {
            Err(ApiError::new(
                "MalformedInput",
                400,
                format!("The value of {label} must be {what}"),
            ))
        };
        match shape {
            Shape::Text {
                length,
                pattern,
                is_secret,
            } => {
                let shown = if *is_secret { "***" } else { value };
                self.length(value.chars().count(), *length, Some(shown), label);
                if !pattern::matches(pattern, value) {
                    let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
                    self.add(Some(shown), label, &constraint);
                    self.bad_name = pattern::own_sentence(pattern, label);
                }
            }
            Shape::Enumeration(values) if !values.contains(&value) => {
                let constraint = format!("Member must satisfy enum value set: [{}]", values.join(", "));
                self.add(Some(value), label, &constraint);
            }
            Shape::Integer(bounds) => {
                let Ok(number) = value.parse::<i64>() else {
                    return malformed("an integer");
                };
                if let Some(min) = bounds.min.filter(|min| number < *min) {
                    let constraint = format!("Member must have value greater than or equal to {min}");
                    self.add(Some(value), label, &constraint);
                }
                if let Some(max) = bounds.max.filter(|max| number > *max) {
                    let constraint = format!("Member must have value less than or equal to {max}");
                    self.add(Some(value), label, &constraint);
                }
            }
            Shape::Boolean if !["true", "false"].contains(&value) => return malformed("true or false"),
            _ => {}
        }
        Ok(())
    }

    fn length(&mut self, length: usize, bounds: Bounds, shown: Option<&str>, label: &str) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if let Some(min) = bounds.min.filter(|min| length < *min) {
            let constraint = format!("Member must have length greater than or equal to {min}");
            self.add(shown, label, &constraint);
        }
        if let Some(max) = bounds.max.filter(|max| length > *max) {
            let constraint = format!("Member must have length less than or equal to {max}");
            self.add(shown, label, &constraint);
        }
    }
}

#[cfg(test)]
mod tests;
