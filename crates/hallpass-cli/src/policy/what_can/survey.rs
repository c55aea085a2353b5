//! Which questions are worth asking, and what comes of them.
//!
//! Actions that the same statements name are answered alike, so one of them is asked for all. Of resources those are
//! asked about that some statement tells apart.

use super::witness;
use crate::policy::account::{Account, EntityKind, Held, ResourcePolicy};
use crate::policy::answer::{Answer, Can};
use crate::policy::asking::{ask, by_trust};
use crate::policy::glob::{acts_on, common, covers, overlap};
use hallpass_policy::{Context, PolicyGroup, PolicySet, PrincipalInfo, Request, Statement, StatementEffect};
use hallpass_reference::{Action, Service};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// More questions than this are not asked: an account's largest roles need some thousands.
const QUESTIONS_MAX: usize = 200_000;
/// What a signed caller may ask of STS about a role.
const OF_ROLES: [&str; 3] = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"];

/// Everything that bears on one principal.
pub(super) struct Survey<'a> {
    pub(super) account: &'a Account,
    pub(super) principal: &'a PrincipalInfo,
    pub(super) context: Context,
    pub(super) held: &'a Held,
    pub(super) policies: &'a [ResourcePolicy],
    /// Only this service's actions.
    pub(super) service: Option<&'static Service>,
}

/// What can be done to one pattern of resources.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) resource: String,
    pub(super) actions: BTreeSet<String>,
    pub(super) answer: Answer,
    /// Narrower patterns with another answer.
    pub(super) except: Vec<(String, Answer)>,
}

/// A statement, and whether it may grant something.
struct Source<'a> {
    statement: &'a Statement,
    grants: bool,
}

/// An action of the reference, or one that a statement names and the reference does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    full: String,
}

impl Name {
    fn known(&self) -> Option<&'static Action> {
        hallpass_reference::action(&self.full)
    }

    fn acts_on(&self, pattern: &str) -> bool {
        self.known().is_none_or(|action| acts_on(action, pattern))
    }
}

impl Survey<'_> {
    /// The rows by resource, and whether everything was asked.
    pub(super) fn rows(&self) -> (Vec<Row>, bool) {
        let left = Cell::new(QUESTIONS_MAX);
        let sources = self.sources();
        let mut rows = Vec::new();
        for (signature, names) in self.groups(&sources) {
            let group = signature
                .iter()
                .filter_map(|number| sources.get(*number))
                .collect::<Vec<_>>();
            self.group(&group, &names, &left, &mut rows);
        }
        if self.service.is_none_or(|service| service.prefix() == "sts") {
            rows.extend(self.roles());
        }
        let mut rows = merged(rows);
        rows.sort_by(|a, b| (&a.resource, a.answer.can).cmp(&(&b.resource, b.answer.can)));
        (rows, left.get() > 0)
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let mut sources = Vec::new();
        let groups = std::iter::once((&self.held.identity, true))
            .chain(self.held.boundary.iter().map(|boundary| (boundary, false)))
            .chain(self.policies.iter().map(|resource| (&resource.policy, true)));
        for (group, may_grant) in groups {
            for statement in group
                .policies()
                .iter()
                .flat_map(|named| named.policy.statements())
            {
                let grants = may_grant && statement.effect() == StatementEffect::Allow;
                sources.push(Source { statement, grants });
            }
        }
        sources
    }

    /// Actions by the statements that name them, for all that some statement allows.
    fn groups(&self, sources: &[Source<'_>]) -> BTreeMap<Vec<usize>, BTreeSet<Name>> {
        let mut signatures: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
        for (number, source) in sources.iter().enumerate() {
            for name in self.named(source.statement) {
                signatures.entry(name).or_default().push(number);
            }
        }
        let mut groups: BTreeMap<Vec<usize>, BTreeSet<Name>> = BTreeMap::new();
        for (name, signature) in signatures {
            let granted = signature
                .iter()
                .any(|number| sources.get(*number).is_some_and(|source| source.grants));
            if granted && !OF_ROLES.contains(&name.full.as_str()) {
                groups.entry(signature).or_default().insert(name);
            }
        }
        groups
    }

    /// The actions that a statement names.
    fn named(&self, statement: &Statement) -> BTreeSet<Name> {
        let of = |action: &Action| Name {
            full: format!("{}:{}", action.service_prefix(), action.name()),
        };
        let wanted = |name: &Name| {
            let prefix = name.full.split(':').next().unwrap_or_default();
            self.service
                .is_none_or(|service| service.prefix().eq_ignore_ascii_case(prefix))
        };
        let mut listed = BTreeSet::new();
        let mut any = false;
        for pattern in statement.actions() {
            any = true;
            let known = hallpass_reference::matching(pattern).map(of);
            listed.extend(known.filter(wanted));
            let plain = !pattern.contains(['*', '?']) && hallpass_reference::action(pattern).is_none();
            let unknown = Name {
                full: pattern.to_owned(),
            };
            if plain && !statement.is_not_action() && wanted(&unknown) {
                listed.insert(unknown);
            }
        }
        if !statement.is_not_action() {
            return listed;
        }
        let all = hallpass_reference::matching("*").map(of).filter(wanted);
        all.filter(|name| any && !listed.contains(name)).collect()
    }

    fn group(&self, group: &[&Source<'_>], names: &BTreeSet<Name>, left: &Cell<usize>, rows: &mut Vec<Row>) {
        let mut granted: BTreeSet<&str> = BTreeSet::new();
        let mut all: BTreeSet<&str> = BTreeSet::new();
        for source in group {
            all.extend(source.statement.resources());
            match (source.grants, source.statement.is_not_resource()) {
                (true, false) => granted.extend(source.statement.resources()),
                (true, true) => {
                    granted.insert("*");
                }
                (false, _) => {}
            }
        }
        let fill = |pattern: &str| witness::filled(pattern, &self.context);
        let wide = granted
            .iter()
            .map(|pattern| (*pattern, fill(pattern)))
            .collect::<Vec<_>>();
        let all = all
            .into_iter()
            .map(|pattern| (pattern, fill(pattern)))
            .collect::<Vec<_>>();
        for (pattern, text) in &wide {
            let actions = names.iter().filter(|name| name.acts_on(text)).collect::<Vec<_>>();
            let Some(answer) = self.ask(&actions, text, left) else {
                continue;
            };
            let mut except = Vec::new();
            for (other, narrow) in &all {
                if other == pattern || covers(narrow, text) || !overlap(text, narrow) {
                    continue;
                }
                let (label, place) = if covers(text, narrow) {
                    ((*other).to_owned(), narrow.clone())
                } else {
                    let Some(both) = common(text, narrow) else {
                        continue;
                    };
                    (format!("{pattern} and {other}"), both)
                };
                let concerned = actions
                    .iter()
                    .copied()
                    .filter(|name| name.acts_on(&place))
                    .collect::<Vec<_>>();
                let Some(inner) = self
                    .ask(&concerned, &place, left)
                    .filter(|inner| !alike(inner, &answer))
                else {
                    continue;
                };
                let own_row = granted.contains(other) && label == **other;
                if answer.can == Can::Never {
                    // Nothing can be done to the whole; what a boundary leaves of it stands by itself.
                    if !own_row {
                        rows.push(row(&label, &concerned, inner, Vec::new()));
                    }
                } else if !own_row || inner.can == Can::Never {
                    except.push((label, inner));
                }
            }
            if answer.can != Can::Never {
                rows.push(row(pattern, &actions, answer, except));
            }
        }
    }

    /// Asks about one of the actions on a resource that fits; `None` when there is nothing left to ask.
    fn ask(&self, actions: &[&Name], pattern: &str, left: &Cell<usize>) -> Option<Answer> {
        // An action with resources of its own stands for those without, which any `*` takes in.
        let typed = |name: &&&Name| name.known().is_none_or(|action| !action.is_wildcard_only());
        let name = actions.iter().find(typed).or(actions.first())?;
        left.set(left.get().checked_sub(1)?);
        let account = self.account.id.as_str();
        let resource = match name.known() {
            Some(action) if pattern == "*" && action.is_wildcard_only() => "*".to_owned(),
            Some(action) if pattern == "*" => witness::of(
                &format!("arn:aws:{}:*:{account}:*", action.service_prefix()),
                account,
            ),
            _ => witness::of(pattern, account),
        };
        Some(self.possibility(&name.full, &resource, None))
    }

    fn possibility(&self, action: &str, resource: &str, trust: Option<&PolicyGroup>) -> Answer {
        let policy = self.policies.iter().find(|policy| policy.governs(resource));
        let set: PolicySet<'_> = self.held.set(policy.map(|policy| &policy.policy));
        let request = Request {
            principal: self.principal,
            action,
            resource,
            resource_account: None,
            context: &self.context,
        };
        ask(&request, &set, trust)
    }

    /// The roles of the account that can be assumed, each by its trust policy.
    fn roles(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for role in self
            .account
            .entities
            .iter()
            .filter(|entity| entity.kind == EntityKind::Role)
        {
            for action in OF_ROLES {
                let answer = match Account::trust(role) {
                    Ok(trust) if by_trust(action, &role.arn) => {
                        self.possibility(action, &role.arn, Some(&trust))
                    }
                    Ok(_) => continue,
                    Err(error) => Answer::from(error),
                };
                let name = Name {
                    full: action.to_owned(),
                };
                if answer.can != Can::Never {
                    rows.push(row(&role.arn, &[&name], answer, Vec::new()));
                }
            }
        }
        rows
    }
}

fn row(resource: &str, actions: &[&Name], answer: Answer, except: Vec<(String, Answer)>) -> Row {
    Row {
        resource: resource.to_owned(),
        actions: actions.iter().map(|name| name.full.clone()).collect(),
        answer,
        except,
    }
}

/// Whether two answers say the same, by whichever statement.
fn alike(left: &Answer, right: &Answer) -> bool {
    left.can == right.can && left.needs == right.needs && left.unless == right.unless
}

/// Rows that differ in nothing but their actions are one.
fn merged(rows: Vec<Row>) -> Vec<Row> {
    let mut merged: Vec<Row> = Vec::new();
    let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in rows {
        let places = known.entry(row.resource.clone()).or_default();
        let same = places.iter().copied().find(|at| {
            merged.get(*at).is_some_and(|other: &Row| {
                let pairs = other.except.iter().zip(&row.except);
                alike(&other.answer, &row.answer)
                    && other.except.len() == row.except.len()
                    && pairs.into_iter().all(|(a, b)| a.0 == b.0 && alike(&a.1, &b.1))
            })
        });
        match same.and_then(|at| merged.get_mut(at)) {
            Some(other) => {
                other.actions.extend(row.actions);
                for statement in row.answer.by {
                    if !other.answer.by.contains(&statement) {
                        other.answer.by.push(statement);
                    }
                }
            }
            None => {
                places.push(merged.len());
                merged.push(row);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests;
