//! The decision: which statements apply, and how the kinds of policy combine.
//!
//! The combination is AWS's published logic ("Policy evaluation logic", "Cross-account policy evaluation logic",
//! "AWS JSON policy elements: Principal").

use crate::context::Context;
use crate::decision::{
    Considered, Decision, Effect, FailedCondition, MatchedStatements, Outcome, StatementRef,
};
use crate::document::{PolicyKind, Statement, StatementEffect};
use crate::group::PolicyGroup;
use crate::index::Lookup;
use crate::principal::{Grant, PrincipalInfo, PrincipalKind};

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

/// All policies that bear on one request. `None` means that this kind of limit is not in force; an empty list means
/// that it is, and allows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySet<'a> {
    /// Of the user and its groups, or of the role, or of the federated user's parent. `None` is as good as empty.
    pub identity: Option<&'a PolicyGroup>,
    /// Of the resource. `None` is as good as empty, except for a KMS key: its policy must allow once it is known.
    pub resource: Option<&'a PolicyGroup>,
    /// Passed when the session was made.
    pub session: Option<&'a PolicyGroup>,
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a PolicyGroup>,
    /// Service control policies of the principal's account, one group per level (root, each unit, account): each
    /// level must allow. `None` for a management account.
    pub service_control: Option<&'a [PolicyGroup]>,
    /// Resource control policies of the resource's account. They only deny: the policy that allows everything is
    /// attached by AWS and cannot be removed.
    pub resource_control: Option<&'a PolicyGroup>,
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

/// Decides an action on a resource that cannot be told from the request, which `request.resource` then does not name.
///
/// Only `Resource: "*"` allows, since everything narrower may leave out the resource that is meant; every denial of the
/// action denies, since it may be about that resource.
#[must_use]
pub fn evaluate_on_unknown_resource(request: &Request<'_>, policies: &PolicySet<'_>) -> Decision {
    let mut evaluation = Evaluation::new(request, policies, None);
    evaluation.is_resource_known = false;
    evaluation.decide()
}

/// [`evaluate_on_unknown_resource`], telling of every statement why it applied or did not.
#[must_use]
pub fn evaluate_on_unknown_resource_explained(
    request: &Request<'_>,
    policies: &PolicySet<'_>,
) -> (Decision, Vec<Considered>) {
    let mut evaluation = Evaluation::new(request, policies, None);
    evaluation.is_resource_known = false;
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
pub fn evaluate_trust(request: &Request<'_>, trust: &PolicyGroup, caller: &PolicySet<'_>) -> Decision {
    Evaluation::new(request, caller, Some(trust)).decide()
}

/// [`evaluate_trust`], telling of every statement why it applied or did not.
#[must_use]
pub fn evaluate_trust_explained(
    request: &Request<'_>,
    trust: &PolicyGroup,
    caller: &PolicySet<'_>,
) -> (Decision, Vec<Considered>) {
    let mut evaluation = Evaluation::new(request, caller, Some(trust));
    evaluation.trace = Some(Vec::new());
    let decision = evaluation.decide();
    (decision, evaluation.trace.unwrap_or_default())
}

/// The decision if all that is unknown turned out in the request's favour, and why.
pub(crate) fn evaluate_hopefully(
    request: &Request<'_>,
    trust: Option<&PolicyGroup>,
    policies: &PolicySet<'_>,
) -> (Decision, Vec<Considered>) {
    let mut evaluation = Evaluation::new(request, policies, trust);
    evaluation.trace = Some(Vec::new());
    evaluation.hopeful = true;
    let decision = evaluation.decide();
    (decision, evaluation.trace.unwrap_or_default())
}

#[derive(Clone, Copy)]
struct Hit<'a> {
    group: &'a PolicyGroup,
    number: u32,
    kind: PolicyKind,
}

impl Hit<'_> {
    fn reference(&self) -> StatementRef {
        StatementRef::new(self.group, self.number, self.kind)
    }
}

/// What one kind of policy says.
#[derive(Clone, Copy, Default)]
struct Verdict<'a> {
    /// A statement that denies.
    deny: Option<Hit<'a>>,
    /// The strongest grant, and a statement that gives it.
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

    /// Whether a statement, if it applied, could change anything: nothing can after a denial, and no further grant
    /// after one to the caller itself.
    fn awaits(&self, effect: StatementEffect) -> bool {
        let granted = effect == StatementEffect::Allow && self.grant() == Some(Grant::Direct);
        self.deny.is_none() && !granted
    }

    /// Takes a statement that applies into account.
    fn take(&mut self, effect: StatementEffect, grant: Grant, hit: Hit<'a>) {
        match effect {
            StatementEffect::Deny => self.deny = Some(hit),
            StatementEffect::Allow if self.grant() < Some(grant) => self.allow = Some((grant, hit)),
            StatementEffect::Allow => {}
        }
    }
}

/// What all levels of service control policies say together.
#[derive(Default)]
struct Levels<'a> {
    deny: Option<Hit<'a>>,
    silent: bool,
}

struct Evaluation<'a> {
    request: Request<'a>,
    policies: PolicySet<'a>,
    trust: Option<&'a PolicyGroup>,
    action: Lookup<'a>,
    resource: Lookup<'a>,
    is_resource_known: bool,
    trace: Option<Vec<Considered>>,
    /// Counts what is unknown in the request's favour.
    hopeful: bool,
}

impl<'a> Evaluation<'a> {
    fn new(request: &Request<'a>, policies: &PolicySet<'a>, trust: Option<&'a PolicyGroup>) -> Self {
        Self {
            request: *request,
            policies: *policies,
            trust,
            action: Lookup::folded(request.action),
            resource: Lookup::new(request.resource),
            is_resource_known: true,
            trace: None,
            hopeful: false,
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
                matched: MatchedStatements::default(),
                denied_by: None,
            };
        }

        let levels = self.levels(service_control.unwrap_or_default());
        let control = self.scan(PolicyKind::ResourceControl, resource_control);
        let must_allow = self.trust.is_some() || (resource.is_some() && self.is_key());
        let resource = match self.trust {
            Some(trust) => self.scan(PolicyKind::Trust, Some(trust)),
            None => self.scan(PolicyKind::Resource, resource),
        };
        let identity = self.scan(PolicyKind::Identity, identity);
        let bounded = boundary.is_some();
        let boundary = self.scan(PolicyKind::Boundary, boundary);
        let limited = session.is_some();
        let session = self.scan(PolicyKind::Session, session);

        let verdicts = [&control, &resource, &identity, &boundary, &session];
        let denial = levels
            .deny
            .or_else(|| verdicts.iter().find_map(|verdict| verdict.deny));
        if let Some(hit) = denial {
            return Decision {
                effect: Effect::ExplicitDeny,
                matched: [hit.reference()].into_iter().collect(),
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
        } else if levels.silent {
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
                None if must_allow => Err(resource_kind),
                None => own,
            }
        };
        match result {
            Err(kind) => Decision {
                effect: Effect::ImplicitDeny,
                matched: MatchedStatements::default(),
                denied_by: Some(kind),
            },
            Ok(()) => {
                let hits = [&resource, &identity, &boundary, &session];
                let hits = hits.into_iter().filter_map(Verdict::hit);
                // Only an allow asks the levels again, for the names of their statements.
                let levels = service_control.unwrap_or_default().iter();
                let levels =
                    levels.filter_map(|level| self.look(PolicyKind::ServiceControl, level, None).hit());
                Decision {
                    effect: Effect::Allow,
                    matched: hits.chain(levels).map(|hit| hit.reference()).collect(),
                    denied_by: None,
                }
            }
        }
    }

    /// Whether the resource is the principal's own account's, or AWS's, which every account shares (managed policies:
    /// `arn:aws:iam::aws:policy/…`).
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
                .filter(|account| !matches!(*account, "" | "aws"))
        };
        stated
            .or_else(in_arn)
            .is_none_or(|account| account == own.as_str())
    }

    /// Whether the resource is a KMS key, whose policy must allow whatever identity policies say ("Key policies in AWS
    /// KMS").
    fn is_key(&self) -> bool {
        let mut parts = self.request.resource.splitn(6, ':').skip(2);
        parts.next() == Some("kms") && parts.nth(2).is_some_and(|name| name.starts_with("key/"))
    }

    /// Asks each level of service control policies.
    fn levels(&mut self, levels: &'a [PolicyGroup]) -> Levels<'a> {
        let mut all = Levels::default();
        for level in levels {
            let verdict = self.scan(PolicyKind::ServiceControl, Some(level));
            all.deny = all.deny.or(verdict.deny);
            all.silent |= !verdict.allows();
        }
        all
    }

    /// Asks the policies of one kind, noting every statement when an explanation is wanted.
    fn scan(&mut self, kind: PolicyKind, group: Option<&'a PolicyGroup>) -> Verdict<'a> {
        let Some(group) = group else {
            return Verdict::default();
        };
        let mut trace = self.trace.take();
        let verdict = self.look(kind, group, trace.as_mut());
        self.trace = trace;
        verdict
    }

    fn look(
        &self,
        kind: PolicyKind,
        group: &'a PolicyGroup,
        trace: Option<&mut Vec<Considered>>,
    ) -> Verdict<'a> {
        if let Some(trace) = trace {
            trace.extend((0..group.len()).filter_map(|number| self.consider(kind, group, number)));
        }
        let mut verdict = Verdict::default();
        let weigh = |verdict: &mut Verdict<'a>, number: u32| {
            if let Some((_, _, statement)) = group.statement(number)
                && verdict.awaits(statement.effect)
                && let Ok(grant) = self.apply(kind, statement)
            {
                verdict.take(statement.effect, grant, Hit { group, number, kind });
            }
        };
        // The index finds by resource, too.
        if group.is_indexed() && self.is_resource_known {
            group.candidates(&self.action, &self.resource, |candidate| {
                if verdict.awaits(candidate.effect()) {
                    weigh(&mut verdict, candidate.number());
                }
            });
        } else {
            (0..group.len()).for_each(|number| weigh(&mut verdict, number));
        }
        verdict
    }

    /// One statement, and what comes of it.
    fn consider(&self, kind: PolicyKind, group: &'a PolicyGroup, number: u32) -> Option<Considered> {
        let (_, _, statement) = group.statement(number)?;
        let applied = self.apply(kind, statement);
        Some(Considered {
            statement: StatementRef::new(group, number, kind),
            effect: statement.effect,
            outcome: applied.map_or_else(|miss| self.outcome(miss, statement), |_| Outcome::Applied),
        })
    }

    /// Whether a statement applies, and how far a grant of it reaches.
    fn apply(&self, kind: PolicyKind, statement: &Statement) -> Result<Grant, Miss> {
        let Request {
            principal,
            action,
            resource,
            context,
            ..
        } = self.request;
        let denies = statement.effect == StatementEffect::Deny;
        if !statement.actions.covers_action(action, &self.action) {
            return Err(Miss::Action);
        }
        if let Some(clause) = &statement.resources {
            let covers = if self.is_resource_known {
                let covers = clause.covers_resource(resource, &self.resource, context, denies);
                covers.binds(denies, self.hopeful)
            } else {
                denies || (!clause.negated && statement.resources().any(|pattern| pattern == "*"))
            };
            if !covers {
                return Err(Miss::Resource);
            }
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
            if !condition.evaluate(context).binds(denies, self.hopeful) {
                return Err(Miss::Condition);
            }
        }
        Ok(grant)
    }

    fn outcome(&self, miss: Miss, statement: &Statement) -> Outcome {
        let context = self.request.context;
        let denies = statement.effect == StatementEffect::Deny;
        match miss {
            Miss::Action => Outcome::ActionMismatch,
            Miss::Resource => Outcome::ResourceMismatch,
            Miss::Principal => Outcome::PrincipalMismatch,
            Miss::Condition => Outcome::ConditionsFailed(
                statement
                    .conditions
                    .iter()
                    .filter(|condition| !condition.evaluate(context).binds(denies, self.hopeful))
                    .map(|condition| FailedCondition {
                        operator: condition.operator_text.to_string(),
                        key: condition.key_text.to_string(),
                        wanted: condition
                            .value_texts
                            .iter()
                            .map(|value| value.to_string())
                            .collect(),
                        found: condition.found(context).map(<[String]>::to_vec),
                    })
                    .collect(),
            ),
        }
    }
}

/// Why a statement does not apply.
#[derive(Clone, Copy)]
enum Miss {
    Action,
    Resource,
    Principal,
    Condition,
}
