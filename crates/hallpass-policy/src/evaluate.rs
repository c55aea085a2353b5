//! The decision: which statements apply, and how the kinds of policy combine.
//!
//! The combination is AWS's published logic ("Policy evaluation logic", "Cross-account policy evaluation logic",
//! "AWS JSON policy elements: Principal").

use crate::condition::Truth;
use crate::context::Context;
use crate::decision::{Considered, Decision, Effect, Outcome, StatementRef};
use crate::document::{Clause, Policy, PolicyKind, Statement, StatementEffect};
use crate::pattern::Matched;
use crate::principal::{Grant, PrincipalInfo, PrincipalKind};
use std::sync::Arc;

/// The one action nobody can be denied ("No permissions are required", STS API reference).
const ALWAYS_ALLOWED: &str = "sts:GetCallerIdentity";

/// What is asked: may `principal` do `action` to `resource`?
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a PrincipalInfo,
    /// `service:Action`, in any case.
    pub action: &'a str,
    /// The resource's ARN; `*` for actions that know no resources.
    pub resource: &'a str,
    /// The account that owns the resource. When it is `None` the ARN's account is taken, and where that is empty
    /// too (S3) the principal's own: say it whenever it may be another.
    pub resource_account: Option<&'a str>,
    /// The condition keys. [`PrincipalInfo::fill`] sets those about the principal.
    pub context: &'a Context,
}

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

/// All policies that bear on one request. `None` means that this kind of limit is not in force; an empty list means
/// that it is, and allows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySet<'a> {
    /// Of the user and its groups, or of the role, or of the federated user's parent.
    pub identity: &'a [NamedPolicy],
    /// Of the resource.
    pub resource: &'a [NamedPolicy],
    /// Passed when the session was made.
    pub session: Option<&'a [NamedPolicy]>,
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a NamedPolicy>,
    /// Service control policies of the principal's account, one list per level (root, each unit, account): each
    /// level must allow. `None` for a management account.
    pub service_control: Option<&'a [Vec<NamedPolicy>]>,
    /// Resource control policies of the resource's account. They only deny: the policy that allows everything is
    /// attached by AWS and cannot be removed.
    pub resource_control: Option<&'a [NamedPolicy]>,
}

/// Decides a request. Total: it never fails, and what cannot be decided is denied.
#[must_use]
pub fn evaluate(request: &Request<'_>, policies: &PolicySet<'_>) -> Decision {
    Evaluation::new(request, policies, None).decide()
}

/// Decides a request and tells of every statement why it applied or did not.
#[must_use]
pub fn evaluate_explained(request: &Request<'_>, policies: &PolicySet<'_>) -> (Decision, Vec<Considered>) {
    let mut evaluation = Evaluation::new(request, policies, None);
    evaluation.trace = Some(Vec::new());
    let decision = evaluation.decide();
    (decision, evaluation.trace.unwrap_or_default())
}

/// Decides whether a role may be assumed (or its session tagged, or its source identity set).
///
/// The action is one of STS, the resource the role's ARN. The trust policy must allow. In the caller's own account
/// that is enough if it names the user, role or session; where it names the account, and across accounts, the
/// caller's policies must allow as well. Services and federated bearers need nothing but the trust policy.
#[must_use]
pub fn evaluate_trust(request: &Request<'_>, trust: &NamedPolicy, caller: &PolicySet<'_>) -> Decision {
    Evaluation::new(request, caller, Some(trust)).decide()
}

/// [`evaluate_trust`], telling of every statement why it applied or did not.
#[must_use]
pub fn evaluate_trust_explained(
    request: &Request<'_>,
    trust: &NamedPolicy,
    caller: &PolicySet<'_>,
) -> (Decision, Vec<Considered>) {
    let mut evaluation = Evaluation::new(request, caller, Some(trust));
    evaluation.trace = Some(Vec::new());
    let decision = evaluation.decide();
    (decision, evaluation.trace.unwrap_or_default())
}

#[derive(Clone, Copy)]
struct Hit<'a> {
    policy: &'a NamedPolicy,
    kind: PolicyKind,
    index: usize,
    statement: &'a Statement,
}

impl Hit<'_> {
    fn reference(&self) -> StatementRef {
        StatementRef {
            policy: Arc::clone(&self.policy.name),
            kind: self.kind,
            sid: self.statement.sid.clone(),
            index: self.index,
            position: self.statement.position,
            end: self.statement.end,
        }
    }
}

/// What one kind of policy says.
#[derive(Default)]
struct Verdict<'a> {
    deny: Option<Hit<'a>>,
    /// The strongest grant.
    allow: Option<(Grant, Hit<'a>)>,
}

impl<'a> Verdict<'a> {
    fn grant(&self) -> Option<Grant> {
        self.allow.map(|(grant, _)| grant)
    }

    fn allows(&self) -> bool {
        self.allow.is_some()
    }

    fn hit(&self) -> Option<Hit<'a>> {
        self.allow.map(|(_, hit)| hit)
    }
}

struct Evaluation<'a> {
    request: Request<'a>,
    policies: PolicySet<'a>,
    trust: Option<&'a NamedPolicy>,
    trace: Option<Vec<Considered>>,
}

impl<'a> Evaluation<'a> {
    fn new(request: &Request<'a>, policies: &PolicySet<'a>, trust: Option<&'a NamedPolicy>) -> Self {
        Self {
            request: *request,
            policies: *policies,
            trust,
            trace: None,
        }
    }

    fn decide(&mut self) -> Decision {
        let PolicySet {
            identity,
            resource,
            session,
            boundary,
            service_control,
            resource_control,
        } = self.policies;
        let principal = self.request.principal;
        let unsigned = matches!(
            principal.kind,
            PrincipalKind::Anonymous
                | PrincipalKind::WebIdentity(_)
                | PrincipalKind::Saml(_)
                | PrincipalKind::Service(_)
        );
        if !unsigned && self.request.action.eq_ignore_ascii_case(ALWAYS_ALLOWED) {
            return Decision {
                effect: Effect::Allow,
                matched: Vec::new(),
                denied_by: None,
            };
        }

        let levels = service_control.unwrap_or_default();
        let levels = levels
            .iter()
            .map(|level| self.scan(PolicyKind::ServiceControl, level))
            .collect::<Vec<_>>();
        let control = self.scan(PolicyKind::ResourceControl, resource_control.unwrap_or_default());
        let resource = match self.trust {
            Some(trust) => self.scan(PolicyKind::Trust, std::slice::from_ref(trust)),
            None => self.scan(PolicyKind::Resource, resource),
        };
        let identity = self.scan(PolicyKind::Identity, identity);
        let bounded = boundary.is_some();
        let boundary = self.scan(
            PolicyKind::Boundary,
            boundary.map(std::slice::from_ref).unwrap_or_default(),
        );
        let limited = session.is_some();
        let session = self.scan(PolicyKind::Session, session.unwrap_or_default());

        let verdicts = [&control, &resource, &identity, &boundary, &session];
        let denial = levels.iter().chain(verdicts).find_map(|verdict| verdict.deny);
        if let Some(hit) = denial {
            return Decision {
                effect: Effect::ExplicitDeny,
                matched: vec![hit.reference()],
                denied_by: Some(hit.kind),
            };
        }

        // Root has no identity policies and needs none.
        let identity_allows = identity.allows() || principal.kind == PrincipalKind::Root;
        let boundary_allows = !bounded || boundary.allows();
        // A federated user's session without a policy holds none of its parent's permissions.
        let needs_session = limited || principal.kind == PrincipalKind::FederatedUser;
        let session_allows = !needs_session || session.allows();
        let own = if !identity_allows {
            Err(PolicyKind::Identity)
        } else if !boundary_allows {
            Err(PolicyKind::Boundary)
        } else if !session_allows {
            Err(PolicyKind::Session)
        } else {
            Ok(())
        };
        let resource_kind = if self.trust.is_some() {
            PolicyKind::Trust
        } else {
            PolicyKind::Resource
        };
        let both = if resource.allows() {
            own
        } else {
            own.and(Err(resource_kind))
        };

        let result = if unsigned {
            resource.grant().map(|_| ()).ok_or(resource_kind)
        } else if levels.iter().any(|level| !level.allows()) {
            Err(PolicyKind::ServiceControl)
        } else if !self.same_account() {
            both
        } else {
            match resource.grant() {
                Some(Grant::Direct) => Ok(()),
                Some(Grant::Role) if !boundary_allows => Err(PolicyKind::Boundary),
                Some(Grant::Role) if !session_allows => Err(PolicyKind::Session),
                Some(Grant::Role) => Ok(()),
                Some(Grant::Account) => own,
                None if self.trust.is_some() => Err(PolicyKind::Trust),
                None => own,
            }
        };
        match result {
            Err(kind) => Decision {
                effect: Effect::ImplicitDeny,
                matched: Vec::new(),
                denied_by: Some(kind),
            },
            Ok(()) => {
                let hits = [&resource, &identity, &boundary, &session];
                let hits = hits.into_iter().chain(&levels).filter_map(Verdict::hit);
                Decision {
                    effect: Effect::Allow,
                    matched: hits.map(|hit| hit.reference()).collect(),
                    denied_by: None,
                }
            }
        }
    }

    /// Whether the resource is the principal's own account's.
    fn same_account(&self) -> bool {
        let Some(own) = &self.request.principal.account else {
            return false;
        };
        let stated = self.request.resource_account;
        let in_arn = || {
            self.request
                .resource
                .split(':')
                .nth(4)
                .filter(|account| !account.is_empty())
        };
        stated
            .or_else(in_arn)
            .is_none_or(|account| account == own.as_str())
    }

    /// Goes through the statements of one kind of policy.
    fn scan(&mut self, kind: PolicyKind, policies: &'a [NamedPolicy]) -> Verdict<'a> {
        let mut verdict = Verdict::default();
        for policy in policies {
            for (index, statement) in policy.policy.statements.iter().enumerate() {
                let hit = Hit {
                    policy,
                    kind,
                    index,
                    statement,
                };
                let applied = self.apply(kind, statement);
                if let Some(trace) = &mut self.trace {
                    trace.push(Considered {
                        statement: hit.reference(),
                        effect: statement.effect,
                        outcome: applied.as_ref().err().map_or(Outcome::Applied, Miss::outcome),
                    });
                }
                match (applied, statement.effect) {
                    (Err(_), _) => {}
                    (Ok(_), StatementEffect::Deny) if self.trace.is_none() => {
                        return Verdict {
                            deny: Some(hit),
                            allow: None,
                        };
                    }
                    (Ok(_), StatementEffect::Deny) => {
                        verdict.deny.get_or_insert(hit);
                    }
                    (Ok(grant), StatementEffect::Allow) => {
                        if verdict.grant() < Some(grant) {
                            verdict.allow = Some((grant, hit));
                        }
                    }
                }
            }
        }
        verdict
    }

    /// Whether a statement applies, and how far a grant of it reaches.
    fn apply(&self, kind: PolicyKind, statement: &'a Statement) -> Result<Grant, Miss<'a>> {
        let Request {
            principal,
            action,
            resource,
            context,
            ..
        } = self.request;
        let denies = statement.effect == StatementEffect::Deny;
        let names_action = statement
            .actions
            .patterns
            .iter()
            .any(|pattern| pattern.matches_action(action));
        // An empty list excludes nothing by name, and must not become everything.
        if names_action == statement.actions.negated || statement.actions.patterns.is_empty() {
            return Err(Miss::Action);
        }
        if let Some(clause) = &statement.resources
            && !covers(clause, resource, context, denies)
        {
            return Err(Miss::Resource);
        }
        let grant = match (kind, &statement.principals) {
            (PolicyKind::Resource | PolicyKind::Trust | PolicyKind::ResourceControl, Some(clause)) => {
                let trust = kind == PolicyKind::Trust;
                let bounded = self.policies.boundary.is_some();
                clause.reach(principal, trust, bounded).ok_or(Miss::Principal)?
            }
            (PolicyKind::Resource | PolicyKind::Trust | PolicyKind::ResourceControl, None) => {
                return Err(Miss::Principal);
            }
            // Parsed for a place where principals mean something and used where they do not: the grant is void.
            (_, Some(_)) if !denies => return Err(Miss::Principal),
            (_, _) => Grant::Direct,
        };
        for condition in &statement.conditions {
            match condition.evaluate(context) {
                Truth::True => {}
                Truth::Unknown if denies => {}
                Truth::Unknown | Truth::False => {
                    return Err(Miss::Condition {
                        operator: &condition.operator_text,
                        key: &condition.key_text,
                    });
                }
            }
        }
        Ok(grant)
    }
}

/// Why a statement does not apply, without copies.
enum Miss<'a> {
    Action,
    Resource,
    Principal,
    Condition { operator: &'a str, key: &'a str },
}

impl Miss<'_> {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Action => Outcome::ActionMismatch,
            Self::Resource => Outcome::ResourceMismatch,
            Self::Principal => Outcome::PrincipalMismatch,
            Self::Condition { operator, key } => Outcome::ConditionFailed {
                operator: (*operator).to_owned(),
                key: (*key).to_owned(),
            },
        }
    }
}

/// Whether `Resource` or `NotResource` covers the resource.
///
/// A pattern whose variable has no value matches nothing. In `NotResource` it therefore spares nothing from a
/// `Deny`; for an `Allow` the whole statement is void, or a missing tag would grant everything.
fn covers(clause: &Clause, resource: &str, context: &Context, denies: bool) -> bool {
    let mut unresolved = false;
    for pattern in &clause.patterns {
        match pattern.matches(resource, context) {
            Matched::Yes => return !clause.negated,
            Matched::No => {}
            Matched::Unresolved => unresolved = true,
        }
    }
    clause.negated && !clause.patterns.is_empty() && (denies || !unresolved)
}
