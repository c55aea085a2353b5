//! Does a new policy allow any request that an old one does not? Answered by proof, not by trying requests.
//!
//! A request that shows the difference needs one statement of the new policy that allows it (or, beside it, one of
//! the old policy that denies it) to apply, and a list of others not to apply: the new policy's denials and the old
//! one's grants. Every statement is a conjunction over places that are independent of each other: action, resource,
//! principal, and each condition key. For each place the texts that matter are few ([`classes`]), and whether some
//! combination of them will do is a search over those few ([`cover`]). Where the search finds a request, the
//! evaluator has to confirm it; where it finds none, there is none.
//!
//! Variables are the one thing that ties places together. Their values are left open in the proof: a match is
//! assumed wherever it would help a counterexample, and not assumed where it would prevent one.

mod automaton;
mod bits;
mod classes;
mod confirm;
mod cover;
mod explore;
mod keys;
mod place;
mod principals;
mod sets;
mod typed;
mod universe;
mod witness;

use crate::context::Context;
use crate::decision::StatementRef;
use crate::document::{PolicyKind, Statement, StatementEffect};
use crate::group::PolicyGroup;
use crate::pattern::Pattern;
use crate::principal::{Grant, PrincipalInfo, PrincipalName};
use classes::OverBudget;
use explore::Explorer;
use std::collections::HashSet;
use std::fmt;

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// Proven: whatever the new policy allows, the old one allows too, and grants as strongly.
    NoMore,
    /// The new policy allows this request, and the old one does not.
    More(Box<Counterexample>),
    /// Neither a proof nor a request was found.
    Undecided(Undecided),
}

/// A request that shows that the new policy allows more. The evaluator has confirmed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterexample {
    /// Who asks. Of kinds of policy that name no principals, somebody.
    pub principal: PrincipalInfo,
    /// `service:Name`.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// The account that owns the resource: the principal's own, so that only the policies compared matter.
    pub resource_account: Option<String>,
    /// The condition keys. They are chosen freely: those that follow from the principal may not fit it.
    pub context: Context,
    /// The new policy's statements that allow it; none for a resource control policy, which allows by not denying.
    pub allowed_by: Vec<StatementRef>,
}

/// Why a comparison could not be decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Undecided {
    /// The construct: an operator and its key, a variable, or a pattern.
    pub construct: String,
    /// What about it.
    pub because: &'static str,
    /// The statement in which it stands.
    pub statement: Option<StatementRef>,
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.construct, self.because)?;
        match &self.statement {
            Some(statement) => write!(f, ", in {statement}"),
            None => Ok(()),
        }
    }
}

/// Whether `new` allows any request that `old` does not. Each is a group of policies of `kind`;
/// an empty one allows nothing, or denies nothing where the kind only denies.
///
/// All requests are considered that have an action of the form `service:Name` (other than `sts:GetCallerIdentity`,
/// which nobody can be denied), a resource that is an ARN or `*`, and any values for condition keys, of the type that
/// the operators on the key read. A key has several values only if some operator with a quantifier is used on it, or
/// AWS documents it as multivalued. For resource and trust policies every caller is considered in its own account; a
/// stronger grant (to the caller itself rather than to its account) counts as more.
///
/// Work is limited; what exceeds the limit is undecided.
#[must_use]
pub fn compare(old: &PolicyGroup, new: &PolicyGroup, kind: PolicyKind) -> Comparison {
    Comparing::new(old, new, kind).run()
}

/// A statement, and where it comes from.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    statement: &'a Statement,
    group: &'a PolicyGroup,
    number: u32,
}

impl Entry<'_> {
    fn reference(&self, kind: PolicyKind) -> StatementRef {
        StatementRef::new(self.group, self.number, kind)
    }
}

/// Who asks, as far as a statement can tell, and how strong a grant it must be that counts.
#[derive(Debug, Clone)]
struct Subject {
    principal: PrincipalInfo,
    /// Whether it has a permissions boundary, which allows everything.
    bounded: bool,
    /// `None` where policies name no principals.
    grant: Option<Grant>,
}

/// Work that may still be done, in places of patterns looked at.
#[derive(Debug)]
struct Budget {
    left: u64,
}

/// What one comparison may cost: some seconds.
const BUDGET: u64 = 150_000_000;
/// What one search of one may cost.
const SEARCH_BUDGET: u64 = 15_000_000;

impl Budget {
    fn spend(&mut self, amount: u64) -> Result<(), OverBudget> {
        self.left = self.left.checked_sub(amount).ok_or(OverBudget)?;
        Ok(())
    }
}

struct Comparing<'a> {
    old: &'a PolicyGroup,
    new: &'a PolicyGroup,
    kind: PolicyKind,
}

fn statements<'a>(group: &'a PolicyGroup, effect: StatementEffect) -> Vec<Entry<'a>> {
    (0..group.len())
        .filter_map(|number| {
            let (_, _, statement) = group.statement(number)?;
            Some(Entry {
                statement,
                group,
                number,
            })
        })
        .filter(|entry| entry.statement.effect() == effect && !is_void(entry.statement))
        .collect()
}

/// An `Allow` on all but a pattern that can never have a value, whatever the request: it grants nothing.
fn is_void(statement: &Statement) -> bool {
    let clause = statement.resources.as_ref().filter(|clause| clause.negated);
    let never = clause.is_some_and(|clause| clause.patterns.iter().any(Pattern::is_never));
    never && statement.effect() == StatementEffect::Allow
}

impl<'a> Comparing<'a> {
    fn new(old: &'a PolicyGroup, new: &'a PolicyGroup, kind: PolicyKind) -> Self {
        Self { old, new, kind }
    }

    fn run(&self) -> Comparison {
        let old_allow = statements(self.old, StatementEffect::Allow);
        let old_deny = statements(self.old, StatementEffect::Deny);
        let new_allow = statements(self.new, StatementEffect::Allow);
        let new_deny = statements(self.new, StatementEffect::Deny);
        let all = [&old_allow, &old_deny, &new_allow, &new_deny];
        let all = all.into_iter().flatten().copied().collect::<Vec<_>>();
        let mut explorer = Explorer::new(self.old, self.new, self.kind, &all);
        for (principal, bounded) in self.callers(&all) {
            let reach = |entry: &Entry<'_>| self.reach(entry, &principal, bounded);
            let reached = |entries: &[Entry<'a>]| {
                entries
                    .iter()
                    .filter(|entry| reach(entry).is_some())
                    .copied()
                    .collect::<Vec<_>>()
            };
            let (denied, undenied) = (reached(&new_deny), reached(&old_deny));
            let seeds = match self.kind {
                // Everything is allowed that is not denied.
                PolicyKind::ResourceControl => vec![None],
                _ => reached(&new_allow).into_iter().map(Some).collect(),
            };
            for seed in seeds {
                let grant = seed.as_ref().and_then(reach);
                let subject = Subject {
                    principal: principal.clone(),
                    bounded,
                    grant: grant.filter(|_| self.names_principals()),
                };
                if self.kind != PolicyKind::ResourceControl {
                    let granted = old_allow.iter().filter(|entry| reach(entry) >= grant).copied();
                    let unwanted = granted.chain(denied.iter().copied()).collect::<Vec<_>>();
                    let required = seed.into_iter().collect::<Vec<_>>();
                    if let Some(found) = explorer.explore(&required, &unwanted, &subject) {
                        return Comparison::More(Box::new(found));
                    }
                }
                for denial in &undenied {
                    let required = seed.into_iter().chain([*denial]).collect::<Vec<_>>();
                    if let Some(found) = explorer.explore(&required, &denied, &subject) {
                        return Comparison::More(Box::new(found));
                    }
                }
            }
        }
        explorer
            .into_doubt()
            .map_or(Comparison::NoMore, Comparison::Undecided)
    }

    fn names_principals(&self) -> bool {
        matches!(self.kind, PolicyKind::Resource | PolicyKind::Trust)
    }

    fn reach(&self, entry: &Entry<'_>, principal: &PrincipalInfo, bounded: bool) -> Option<Grant> {
        if !self.names_principals() {
            return Some(Grant::Direct);
        }
        let clause = entry.statement.principals.as_ref()?;
        clause.reach(principal, self.kind == PolicyKind::Trust, bounded)
    }

    /// One caller of every sort that the statements tell apart.
    fn callers(&self, all: &[Entry<'_>]) -> Vec<(PrincipalInfo, bool)> {
        if !self.names_principals() {
            return principals::somebody()
                .map(|somebody| (somebody, false))
                .into_iter()
                .collect();
        }
        let clauses = || all.iter().filter_map(|entry| entry.statement.principals.as_ref());
        let names = clauses()
            .flat_map(|clause| &clause.entries)
            .map(|entry| &entry.name);
        let mut distinct: Vec<&PrincipalName> = Vec::new();
        let mut known = HashSet::new();
        for name in names {
            if known.insert(format!("{name:?}")) {
                distinct.push(name);
            }
        }
        let negated = clauses().any(|clause| clause.negated);
        let mut seen = HashSet::new();
        let mut callers = Vec::new();
        for principal in principals::representatives(&distinct) {
            for bounded in [false, true].into_iter().take(1 + usize::from(negated)) {
                let signed = principal.account.is_some();
                let reached = all.iter().map(|entry| self.reach(entry, &principal, bounded));
                if (signed || !bounded)
                    && seen.insert(
                        reached
                            .map(|grant| grant.map(|grant| grant as u8))
                            .collect::<Vec<_>>(),
                    )
                {
                    callers.push((principal.clone(), bounded));
                }
            }
        }
        callers
    }
}
