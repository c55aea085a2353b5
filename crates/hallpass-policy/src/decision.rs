//! The answer, why it is so, and AWS's sentence for it.

use crate::document::{PolicyKind, Statement, StatementEffect};
use crate::error::Position;
use crate::evaluate::Request;
use crate::group::{NamedPolicy, PolicyGroup};
use std::fmt;

/// The outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Allowed by everything that must allow, denied by nothing.
    Allow,
    /// A `Deny` statement applies.
    ExplicitDeny,
    /// Something that must allow does not.
    ImplicitDeny,
}

/// Points at one statement of one policy, and keeps the policy.
#[derive(Clone)]
pub struct StatementRef {
    group: PolicyGroup,
    number: u32,
    kind: PolicyKind,
}

impl StatementRef {
    pub(crate) fn new(group: &PolicyGroup, number: u32, kind: PolicyKind) -> Self {
        Self {
            group: group.clone(),
            number,
            kind,
        }
    }

    fn parts(&self) -> Option<(&NamedPolicy, usize, &Statement)> {
        self.group.statement(self.number)
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> Option<&Statement> {
        self.parts().map(|(_, _, statement)| statement)
    }

    /// The name the policy was given in [`NamedPolicy`].
    #[must_use]
    pub fn policy(&self) -> &str {
        self.parts().map_or("", |(policy, _, _)| &policy.name)
    }

    /// The part the policy played.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The statement's `Sid`.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.statement()?.sid()
    }

    /// Its index in the document, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.parts().map_or(0, |(_, index, _)| index)
    }

    /// True when its document has it as one object rather than in a list.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.parts()
            .is_some_and(|(policy, _, _)| policy.policy.is_single_statement())
    }

    /// Where it starts.
    #[must_use]
    pub fn position(&self) -> Position {
        self.statement().map_or(Position::START, Statement::position)
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> Position {
        self.statement().map_or(Position::START, Statement::end)
    }
}

impl PartialEq for StatementRef {
    fn eq(&self, other: &Self) -> bool {
        (self.policy(), self.kind, self.index()) == (other.policy(), other.kind, other.index())
    }
}

impl Eq for StatementRef {}

impl fmt::Debug for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.kind)
    }
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statement {}", self.policy(), self.index() + 1)?;
        match self.sid() {
            Some(sid) if !sid.is_empty() => write!(f, " \"{sid}\" ({})", self.position()),
            _ => write!(f, " ({})", self.position()),
        }
    }
}

/// How many statements are kept in place. More are needed only under an organization of several levels.
const IN_PLACE: usize = 4;

/// The statements that decided. A decision without an organization's policies keeps them in place, so that deciding
/// allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchedStatements {
    in_place: [Option<StatementRef>; IN_PLACE],
    more: Vec<StatementRef>,
}

impl MatchedStatements {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &StatementRef> {
        self.in_place.iter().flatten().chain(&self.more)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True for an implicit deny, and for what is allowed without a policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_place.iter().all(Option::is_none)
    }
}

impl FromIterator<StatementRef> for MatchedStatements {
    fn from_iter<I: IntoIterator<Item = StatementRef>>(statements: I) -> Self {
        let mut statements = statements.into_iter();
        Self {
            in_place: std::array::from_fn(|_| statements.next()),
            more: statements.collect(),
        }
    }
}

/// Why a statement applies or does not: the first of action, resource and principal that does not fit, or all
/// conditions that do not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It applies.
    Applied,
    /// It names other actions.
    ActionMismatch,
    /// It names other resources, or a variable in them has no value.
    ResourceMismatch,
    /// It names other principals, or none.
    PrincipalMismatch,
    /// These conditions do not hold, or cannot be decided in the request's favour.
    ConditionsFailed(Vec<FailedCondition>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => write!(f, "applies"),
            Self::ActionMismatch => write!(f, "it names other actions"),
            Self::ResourceMismatch => write!(f, "it names other resources"),
            Self::PrincipalMismatch => write!(f, "it names other principals"),
            Self::ConditionsFailed(conditions) => {
                for (index, condition) in conditions.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " and " };
                    write!(f, "{separator}{condition}")?;
                }
                Ok(())
            }
        }
    }
}

/// A condition that kept a statement from applying, with both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCondition {
    /// The operator, as written.
    pub operator: String,
    /// The condition key, as written.
    pub key: String,
    /// What the policy wants, as written.
    pub wanted: Vec<String>,
    /// What the request has; `None` when it has no such key.
    pub found: Option<Vec<String>>,
}

/// How many values of a condition its sentence shows; the rest are counted.
const VALUES_SHOWN: usize = 5;

fn show(values: &[String]) -> String {
    let shown = values
        .iter()
        .take(VALUES_SHOWN)
        .map(|value| format!("\"{value}\""));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if let Some(rest) = values.len().checked_sub(VALUES_SHOWN).filter(|rest| *rest > 0) {
        text += &format!(" and {rest} more");
    }
    if values.is_empty() {
        "nothing".to_owned()
    } else {
        text
    }
}

impl fmt::Display for FailedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operator,
            key,
            wanted,
            found,
        } = self;
        let wanted = show(wanted);
        match found {
            None => write!(f, "{operator} {key} wants {wanted}, and the request has no {key}"),
            Some(found) => write!(
                f,
                "{operator} {key} wants {wanted}, the request has {}",
                show(found)
            ),
        }
    }
}

/// A statement that was looked at, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The statement.
    pub statement: StatementRef,
    /// What it would do.
    pub effect: StatementEffect,
    /// Whether it applied, and if not, why.
    pub outcome: Outcome,
}

/// What was decided, and by which statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub effect: Effect,
    /// The statements that decided: for an allow one of each policy kind that allowed, for an explicit deny a
    /// denying one, for an implicit deny none.
    pub matched: MatchedStatements,
    /// The kind of policy that denies, or that fails to allow; none for an allow.
    pub denied_by: Option<PolicyKind>,
}

impl Decision {
    /// True for an allow, and for nothing else.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        self.effect == Effect::Allow
    }

    /// AWS's sentence for a refusal, naming one kind of policy; for an allow, what was allowed.
    ///
    /// S3 puts the resource in quotes, the other services do not.
    #[must_use]
    pub fn message(&self, request: &Request<'_>) -> String {
        let Request {
            principal,
            action,
            resource,
            ..
        } = request;
        let quote = if action
            .get(..3)
            .is_some_and(|vendor| vendor.eq_ignore_ascii_case("s3:"))
        {
            "\""
        } else {
            ""
        };
        let what = format!("to perform: {action} on resource: {quote}{resource}{quote}");
        let user = &principal.arn;
        let kind = self.denied_by.unwrap_or(PolicyKind::Identity);
        match self.effect {
            Effect::Allow => format!("User: {user} is authorized {what}"),
            Effect::ExplicitDeny => {
                format!(
                    "User: {user} is not authorized {what} with an explicit deny in {}",
                    with_article(kind)
                )
            }
            Effect::ImplicitDeny => {
                format!(
                    "User: {user} is not authorized {what} because no {} allows the {action} action",
                    kind.name()
                )
            }
        }
    }
}

fn with_article(kind: PolicyKind) -> String {
    match kind {
        PolicyKind::Identity => format!("an {}", kind.name()),
        PolicyKind::Trust => format!("the {}", kind.name()),
        _ => format!("a {}", kind.name()),
    }
}
