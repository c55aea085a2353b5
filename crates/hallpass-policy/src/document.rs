//! The parsed policy: an immutable tree, compiled for evaluation, which remembers where everything stood.

use crate::condition::{Condition, Truth};
use crate::context::Context;
use crate::error::{PolicyError, Position};
use crate::index::{Lookup, Table};
use crate::parse;
use crate::pattern::{Matched, Pattern};
use crate::principal::PrincipalClause;
use std::sync::Arc;

/// Where a policy is attached, which decides its grammar and its part in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyKind {
    /// Attached to a user, group or role. Names no principal.
    Identity,
    /// Attached to a resource. A statement without a principal is kept and matches nobody.
    Resource,
    /// A role's trust policy. Must name principals, names no resources, speaks only of STS actions.
    Trust,
    /// Passed with a request for credentials; limits the session.
    Session,
    /// A permissions boundary.
    Boundary,
    /// An organization's limit on its principals.
    ServiceControl,
    /// An organization's limit on its resources. Its principal is always `*`.
    ResourceControl,
}

impl PolicyKind {
    /// What AWS's sentences call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
            Self::Session => "session policy",
            Self::Boundary => "permissions boundary",
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
        }
    }
}

/// The version of the policy language a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// Also what a document without a version is in. `${…}` is ordinary text.
    V2008,
    /// The current version, with variables.
    V2012,
}

impl Version {
    /// As it is written in a document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2008 => "2008-10-17",
            Self::V2012 => "2012-10-17",
        }
    }
}

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementEffect {
    /// Grants, unless something denies.
    Allow,
    /// Denies, whatever grants.
    Deny,
}

/// A parsed policy document.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(crate) kind: PolicyKind,
    pub(crate) version: Version,
    pub(crate) id: Option<Box<str>>,
    pub(crate) is_single: bool,
    pub(crate) statements: Vec<Statement>,
}

impl Policy {
    /// Parses a document that is or will be attached as `kind`. Both language versions are accepted.
    ///
    /// # Errors
    /// [`PolicyError`] with AWS's message. Also refused, though AWS stores some of it: values their operator cannot
    /// read, `NotPrincipal` with `Allow`, partial wildcards in principals, an object naming a key twice.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        parse::parse(text, kind, parse::Versions::Both)
    }

    /// Parses a document for a customer managed policy, as `CreatePolicy` does: the version must be 2012-10-17.
    ///
    /// # Errors
    /// As [`Self::parse`], and `Policy document must be version 2012-10-17 or greater.`
    pub fn parse_managed(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text, PolicyKind::Identity, parse::Versions::Current)
    }

    /// What the document was parsed as.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The language version; a document without one is in the older.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// True when `Statement` is one object rather than a list; the simulator counts positions differently then.
    #[must_use]
    pub fn is_single_statement(&self) -> bool {
        self.is_single
    }

    /// The document's `Id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The statements in the order written.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// Lists longer than this are looked up rather than gone through.
const LIST_LONG: usize = 8;

/// A list of patterns, or everything but that list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clause {
    pub(crate) negated: bool,
    pub(crate) patterns: Vec<Pattern>,
    /// From the text to the patterns that can match it.
    table: Option<Box<Table>>,
}

impl Clause {
    pub(crate) fn new(negated: bool, patterns: Vec<Pattern>) -> Self {
        let table = (patterns.len() > LIST_LONG)
            .then(|| Box::new(Table::new(patterns.iter().map(Pattern::head).zip(0..))));
        Self {
            negated,
            patterns,
            table,
        }
    }

    /// Whether `Action` or `NotAction` covers the action. An empty list excludes nothing by name, and must not become
    /// everything.
    pub(crate) fn covers_action(&self, action: &str, lookup: &Lookup<'_>) -> bool {
        let listed = match &self.table {
            None => self.patterns.iter().any(|pattern| pattern.matches_action(action)),
            Some(table) => self.any(table, lookup, |pattern| pattern.matches_action(action)),
        };
        listed != self.negated && !self.patterns.is_empty()
    }

    /// Whether `Resource` or `NotResource` covers the resource.
    ///
    /// A pattern whose variable has no value matches nothing. In `NotResource` it therefore spares nothing from a
    /// `Deny`; for an `Allow` the whole statement is void, or a missing tag would grant everything.
    pub(crate) fn covers_resource(
        &self,
        resource: &str,
        lookup: &Lookup<'_>,
        context: &Context,
        denies: bool,
    ) -> Truth {
        let matches = |pattern: &Pattern| pattern.matches(resource, context) == Matched::Yes;
        let listed = match &self.table {
            None => self.patterns.iter().any(matches),
            Some(table) => self.any(table, lookup, matches),
        };
        if listed {
            return (!self.negated).into();
        }
        if context.is_open() && self.patterns.iter().any(|pattern| pattern.is_unknown(context)) {
            return Truth::Unknown;
        }
        if !self.negated {
            return Truth::False;
        }
        let unresolved = |pattern: &Pattern| pattern.matches(resource, context) == Matched::Unresolved;
        (!self.patterns.is_empty() && (denies || !self.patterns.iter().any(unresolved))).into()
    }

    fn any(&self, table: &Table, lookup: &Lookup<'_>, matches: impl Fn(&Pattern) -> bool) -> bool {
        let mut listed = false;
        table.candidates(lookup.probe(), |numbers| {
            let patterns = numbers
                .iter()
                .filter_map(|number| self.patterns.get(*number as usize));
            listed = listed || patterns.into_iter().any(&matches);
        });
        listed
    }
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub(crate) sid: Option<Arc<str>>,
    pub(crate) effect: StatementEffect,
    pub(crate) position: Position,
    pub(crate) end: Position,
    pub(crate) principals: Option<PrincipalClause>,
    pub(crate) actions: Clause,
    pub(crate) resources: Option<Clause>,
    pub(crate) conditions: Vec<Condition>,
}

impl Statement {
    /// The statement's `Sid`, which may be empty.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Whether it allows or denies.
    #[must_use]
    pub fn effect(&self) -> StatementEffect {
        self.effect
    }

    /// Where its opening brace stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Where the text after its closing brace stands; the simulator reports both ends.
    #[must_use]
    pub fn end(&self) -> Position {
        self.end
    }

    /// `Principal` or `NotPrincipal`.
    #[must_use]
    pub fn principals(&self) -> Option<&PrincipalClause> {
        self.principals.as_ref()
    }

    /// True when the statement has `NotAction`.
    #[must_use]
    pub fn is_not_action(&self) -> bool {
        self.actions.negated
    }

    /// The texts of `Action` or `NotAction`, as written.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.patterns.iter().map(Pattern::source)
    }

    /// True when the statement has `NotResource`.
    #[must_use]
    pub fn is_not_resource(&self) -> bool {
        self.resources.as_ref().is_some_and(|clause| clause.negated)
    }

    /// The texts of `Resource` or `NotResource`, as written; none in a trust policy.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let clause = self.resources.iter();
        clause.flat_map(|clause| clause.patterns.iter().map(Pattern::source))
    }

    /// The condition keys the statement reads, as written: those of its conditions and of its variables. A key may
    /// come more than once.
    pub fn context_keys(&self) -> impl Iterator<Item = &str> {
        let resources = self.resources.iter().flat_map(|clause| &clause.patterns);
        let resources = resources.flat_map(Pattern::variables);
        let conditions = self.conditions.iter();
        resources.chain(
            conditions
                .flat_map(|condition| std::iter::once(&*condition.key_text).chain(condition.variables())),
        )
    }

    /// The conditions as (operator, key, values), one per key, as written.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &str, &[Box<str>])> {
        self.conditions.iter().map(|condition| {
            (
                &*condition.operator_text,
                &*condition.key_text,
                condition.value_texts.as_slice(),
            )
        })
    }
}
