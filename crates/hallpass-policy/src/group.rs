//! Policies that apply together, indexed by action and resource.

use crate::document::{Policy, Statement, StatementEffect};
use crate::index::{Head, Lookup, Table};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Below this many statements trying them all is as quick as looking them up.
const INDEX_FROM: usize = 4;
/// Statements about one action are looked up by resource from this many on.
const RESOURCES_FROM: usize = 8;
/// A statement with more pairs of action and resource than this is found by its actions alone, so that the index
/// stays in proportion to the document.
const PAIRS_MAX: usize = 4096;

/// A policy and the name under which explanations mention it.
#[derive(Debug, Clone)]
pub struct NamedPolicy {
    /// A policy ARN, or words such as `role/demo inline s3_access`.
    pub name: Arc<str>,
    /// The policy.
    pub policy: Arc<Policy>,
}

impl NamedPolicy {
    /// Names a policy.
    #[must_use]
    pub fn new(name: &str, policy: Policy) -> Self {
        Self {
            name: name.into(),
            policy: Arc::new(policy),
        }
    }
}

/// Policies of one kind that apply together: a role's own and attached ones, the session policies of one request,
/// one level of service control policies.
///
/// Built once and shared (a clone is one reference); a decision then looks only at statements whose actions and
/// resources can match. Building costs in proportion to the statements and parses nothing, so when one policy
/// changes only that one is compiled again: see [`Self::replacing`].
#[derive(Debug, Clone, Default)]
pub struct PolicyGroup(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    policies: Vec<NamedPolicy>,
    /// All statements in order: the policy's index and the statement's within it.
    statements: Vec<(u32, u32)>,
    index: Option<Index>,
    /// All condition keys the statements read, in lower case and in order; gathered when first asked for.
    keys: OnceLock<Box<[Box<str>]>>,
}

#[derive(Debug)]
struct Index {
    /// From the request's action to buckets.
    actions: Table,
    buckets: Vec<Bucket>,
}

/// A statement's number in the group and what it does, so that one which can change nothing any more is not even
/// looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate(u32);

impl Candidate {
    const DENY: u32 = 1 << 31;

    fn new(number: u32, statement: &Statement) -> Self {
        let denies = statement.effect == StatementEffect::Deny;
        Self(number | if denies { Self::DENY } else { 0 })
    }

    pub(crate) fn number(self) -> u32 {
        self.0 & !Self::DENY
    }

    pub(crate) fn effect(self) -> StatementEffect {
        if self.0 & Self::DENY == 0 {
            StatementEffect::Allow
        } else {
            StatementEffect::Deny
        }
    }
}

/// The statements of one action head.
#[derive(Debug)]
struct Bucket {
    /// As [`Candidate`]s.
    statements: Box<[u32]>,
    /// From the request's resource to statements, when there are many.
    resources: Option<Table>,
}

impl PolicyGroup {
    /// The policies of this group in their order.
    #[must_use]
    pub fn policies(&self) -> &[NamedPolicy] {
        &self.0.policies
    }

    /// True when there is no policy in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.policies.is_empty()
    }

    /// The group with `policy` in the place of the one of that name, or at the end when there is none.
    #[must_use]
    pub fn replacing(&self, policy: NamedPolicy) -> Self {
        let mut policies = self.0.policies.clone();
        match policies.iter_mut().find(|known| known.name == policy.name) {
            Some(known) => *known = policy,
            None => policies.push(policy),
        }
        policies.into_iter().collect()
    }

    /// Whether some statement reads a condition key that begins with `prefix`, such as `s3:ExistingObjectTag/`: what
    /// is costly to find out is found out only then.
    #[must_use]
    pub fn reads_keys_under(&self, prefix: &str) -> bool {
        let keys = self.0.keys.get_or_init(|| {
            let statements = self
                .0
                .policies
                .iter()
                .flat_map(|policy| &policy.policy.statements);
            let mut keys: Vec<Box<str>> = statements
                .flat_map(Statement::context_keys)
                .map(|key| key.to_ascii_lowercase().into())
                .collect();
            keys.sort_unstable();
            keys.dedup();
            keys.into()
        });
        let prefix = prefix.to_ascii_lowercase();
        let from = keys.partition_point(|key| **key < *prefix);
        keys.get(from).is_some_and(|key| key.starts_with(&prefix))
    }

    /// Statement number `number` of the whole group, with the policy's index and the statement's within it.
    pub(crate) fn statement(&self, number: u32) -> Option<(&NamedPolicy, usize, &Statement)> {
        let (policy, index) = *self.0.statements.get(number as usize)?;
        let policy = self.0.policies.get(policy as usize)?;
        let statement = policy.policy.statements.get(index as usize)?;
        Some((policy, index as usize, statement))
    }

    /// How many statements there are.
    pub(crate) fn len(&self) -> u32 {
        self.0.statements.len() as u32
    }

    /// True when [`Self::candidates`] saves looking at every statement.
    pub(crate) fn is_indexed(&self) -> bool {
        self.0.index.is_some()
    }

    /// Calls `found` with every statement that can match, those with the longest heads first; one may come more than
    /// once.
    #[inline]
    pub(crate) fn candidates(
        &self,
        action: &Lookup<'_>,
        resource: &Lookup<'_>,
        mut found: impl FnMut(Candidate),
    ) {
        let Some(index) = &self.0.index else {
            return;
        };
        index.actions.candidates(action.probe(), |buckets| {
            for bucket in buckets
                .iter()
                .filter_map(|bucket| index.buckets.get(*bucket as usize))
            {
                match &bucket.resources {
                    None => bucket
                        .statements
                        .iter()
                        .copied()
                        .map(Candidate)
                        .for_each(&mut found),
                    Some(table) => table.candidates(resource.probe(), |list| {
                        list.iter().copied().map(Candidate).for_each(&mut found);
                    }),
                }
            }
        });
    }
}

impl FromIterator<NamedPolicy> for PolicyGroup {
    fn from_iter<I: IntoIterator<Item = NamedPolicy>>(policies: I) -> Self {
        let policies = policies.into_iter().collect::<Vec<_>>();
        let mut statements = Vec::new();
        for (number, policy) in (0u32..).zip(&policies) {
            let count = policy.policy.statements.len() as u32;
            statements.extend((0..count).map(|index| (number, index)));
        }
        let index = (statements.len() >= INDEX_FROM).then(|| Index::new(&policies));
        Self(Arc::new(Inner {
            policies,
            statements,
            index,
            keys: OnceLock::new(),
        }))
    }
}

impl From<NamedPolicy> for PolicyGroup {
    fn from(policy: NamedPolicy) -> Self {
        [policy].into_iter().collect()
    }
}

impl Index {
    fn new(policies: &[NamedPolicy]) -> Self {
        let statements = policies.iter().flat_map(|policy| &policy.policy.statements);
        let mut by_head: BTreeMap<Head<'_>, Vec<(u32, &Statement)>> = BTreeMap::new();
        for (number, statement) in (0u32..).zip(statements) {
            let mut add = |head| by_head.entry(head).or_default().push((number, statement));
            if statement.actions.negated {
                add(Head::Start(""));
            } else {
                statement
                    .actions
                    .patterns
                    .iter()
                    .for_each(|pattern| add(pattern.head()));
            }
        }
        let buckets = by_head.values().map(|members| Bucket::new(members)).collect();
        let actions = Table::new(by_head.keys().copied().zip(0..));
        Self { actions, buckets }
    }
}

impl Bucket {
    fn new(members: &[(u32, &Statement)]) -> Self {
        let candidate = |(number, statement): &(u32, &Statement)| Candidate::new(*number, statement).0;
        let mut statements = members.iter().map(candidate).collect::<Vec<_>>();
        statements.dedup();
        let resources = (statements.len() >= RESOURCES_FROM).then(|| {
            Table::new(
                members
                    .iter()
                    .flat_map(|(number, statement)| heads(*number, statement)),
            )
        });
        Self {
            statements: statements.into(),
            resources,
        }
    }
}

/// Under which resource heads a statement is to be found.
fn heads(number: u32, statement: &Statement) -> impl Iterator<Item = (Head<'_>, u32)> {
    let number = Candidate::new(number, statement).0;
    let listed = statement.resources.as_ref().filter(|clause| {
        let pairs = clause
            .patterns
            .len()
            .saturating_mul(statement.actions.patterns.len());
        !clause.negated && pairs <= PAIRS_MAX
    });
    let unlisted = listed.is_none().then_some((Head::Start(""), number));
    let listed = listed.into_iter().flat_map(|clause| &clause.patterns);
    listed
        .map(move |pattern| (pattern.head(), number))
        .chain(unlisted)
}
