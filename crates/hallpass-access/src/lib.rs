//! Who is calling, what a request needs, and the [`Permit`] that proves it may be done.
//!
//! `Caller` (from authentication) + [`ActionOn`]s (from the request) + [`PolicyBundle`] (from the authority) →
//! [`authorize`] → [`Permit`] or [`Denied`]. Whatever acts on a request demands the permit.

mod caller;
mod candidate;
mod explanation;
mod saml;
mod web_identity;

pub use caller::{Caller, CallerKind};
pub use candidate::{AuthenticationError, Candidate};
pub use explanation::{decision_name, explanation};
pub use saml::SamlIdentity;
pub use web_identity::WebIdentity;

use hallpass_policy::{
    Considered, Context, Decision, Effect, MatchedStatements, PolicyGroup, PolicySet, Request,
};
use hallpass_types::AccountId;
use std::borrow::Cow;
use std::sync::Arc;

/// One action on one resource that a request amounts to, with the condition keys the request itself carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionOn {
    /// `s3:GetObject`, `iam:CreateRole`, …
    pub action: String,
    /// The resource's ARN, or `*` when the action has none or it is unknown.
    pub resource: String,
    /// False when the action is on a resource that cannot be told: only `Resource: "*"` allows then, and any denial of
    /// the action denies.
    pub is_resource_known: bool,
    /// False when the resource is told but for a part (a secret by its name): what allows must match what is told, and
    /// any denial of the action denies, since it may be about this one.
    pub is_resource_exact: bool,
    /// The account that owns the resource; the caller's when absent.
    pub resource_account: Option<AccountId>,
    /// Condition keys of this action: name and values.
    pub context: Vec<(String, Vec<String>)>,
}

impl ActionOn {
    /// An action on a resource, without condition keys of its own.
    #[must_use]
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            is_resource_known: true,
            is_resource_exact: true,
            resource_account: None,
            context: vec![],
        }
    }

    /// An action on a resource that cannot be told from the request.
    #[must_use]
    pub fn on_unknown_resource(action: impl Into<String>) -> Self {
        Self {
            is_resource_known: false,
            ..Self::new(action, "*")
        }
    }

    /// The same with one more single-valued condition key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), vec![value.into()]));
        self
    }

    /// The same with one more multivalued condition key.
    #[must_use]
    pub fn with_many(mut self, key: impl Into<String>, values: Vec<String>) -> Self {
        self.context.push((key.into(), values));
        self
    }
}

/// The policies that bear on one caller, as they stand at this moment.
#[derive(Debug, Clone, Default)]
pub struct PolicyBundle {
    /// The role's or user's own.
    pub identity: PolicyGroup,
    /// Those the session was narrowed by; `None` when it was not.
    pub session: Option<PolicyGroup>,
    /// The permissions boundary.
    pub boundary: Option<PolicyGroup>,
    /// Service control policies of the account, a group for each level of its organization, the root's first; `None`
    /// where nothing limits the account.
    pub service_control: Option<Arc<Vec<PolicyGroup>>>,
    /// Where the caller's account is in its organization; `None`: in none.
    pub organization: Option<Arc<OrganizationPlace>>,
}

/// An account's place in an organization, as condition keys tell it (IAM User Guide, "AWS global condition context keys").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationPlace {
    /// `o-…`: `aws:PrincipalOrgID`.
    pub id: String,
    /// `o-…/r-…/ou-…/`, through every unit above the account: `aws:PrincipalOrgPaths`.
    pub path: String,
}

impl OrganizationPlace {
    /// Sets what it tells of a caller.
    pub fn fill(&self, context: &mut Context) {
        context.set("aws:PrincipalOrgID", &self.id);
        context.set_many("aws:PrincipalOrgPaths", [self.path.as_str()]);
    }
}

impl PolicyBundle {
    /// The bundle as the evaluator takes it.
    #[must_use]
    pub fn as_set(&self) -> PolicySet<'_> {
        PolicySet {
            identity: Some(&self.identity),
            session: self.session.as_ref(),
            boundary: self.boundary.as_ref(),
            service_control: self.service_control.as_deref().map(Vec::as_slice),
            ..PolicySet::default()
        }
    }
}

/// Proof that policy allowed every action a request amounts to. Only this crate makes one.
///
/// ```compile_fail,E0451
/// # fn forge(caller: std::sync::Arc<hallpass_access::Caller>) {
/// let forged = hallpass_access::Permit { caller, actions: vec![], decisions: vec![] };
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Permit {
    caller: Arc<Caller>,
    actions: Vec<ActionOn>,
    decisions: Vec<Decision>,
}

impl Permit {
    /// Who may.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// What may be done.
    #[must_use]
    pub fn actions(&self) -> &[ActionOn] {
        &self.actions
    }

    /// Why, action by action.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// A permit for what needs none: `GetCallerIdentity` and its like, which AWS allows whatever policies say.
    ///
    /// `reason_source` names the documentation that says so; it is for the reader of the call.
    #[must_use]
    pub fn unconditional(caller: Arc<Caller>, action: &str, reason_source: &'static str) -> Self {
        let _ = reason_source;
        Self {
            caller,
            actions: vec![ActionOn::new(action, "*")],
            decisions: vec![],
        }
    }
}

/// Policy did not allow it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// The action that was not allowed.
    pub action: ActionOn,
    /// How it was decided.
    pub decision: Decision,
    /// Which statements were looked at and why each did not apply; for the log, not for the caller.
    pub considered: Vec<Considered>,
    /// AWS's sentence.
    pub message: String,
}

/// [`authorize_on`] where resources have no policies of their own.
///
/// # Errors
/// [`Denied`] for the first action that is not allowed.
pub fn authorize(
    caller: &Arc<Caller>,
    actions: Vec<ActionOn>,
    base: &Context,
    bundle: &PolicyBundle,
) -> Result<Permit, Box<Denied>> {
    authorize_on(caller, actions, base, bundle, |_| None)
}

/// Asks policy about each action; all must be allowed.
///
/// `base` holds the condition keys that the connection and the caller carry; each action adds its own. `on_resource`
/// gives the policies kept for an action's resource: one request may touch several, such as both ends of a copy.
///
/// # Errors
/// [`Denied`] for the first action that is not allowed.
pub fn authorize_on(
    caller: &Arc<Caller>,
    actions: Vec<ActionOn>,
    base: &Context,
    bundle: &PolicyBundle,
    on_resource: impl Fn(&ActionOn) -> Option<PolicyGroup>,
) -> Result<Permit, Box<Denied>> {
    let mut decisions = Vec::with_capacity(actions.len());
    for action in &actions {
        let context = context_for(action, base, bundle);
        let request = request_for(caller, action, &context);
        let resource = on_resource(action);
        let policies = PolicySet {
            resource: resource.as_ref(),
            ..bundle.as_set()
        };
        let mut is_known = action.is_resource_known;
        let mut decision = if is_known {
            hallpass_policy::evaluate(&request, &policies)
        } else {
            hallpass_policy::evaluate_on_unknown_resource(&request, &policies)
        };
        if decision.is_allow() && !action.is_resource_exact {
            let at_worst = hallpass_policy::evaluate_on_unknown_resource(&request, &policies);
            if at_worst.effect == Effect::ExplicitDeny {
                (decision, is_known) = (at_worst, false);
            }
        }
        if !decision.is_allow() {
            // Only a refusal pays for the explanation.
            let (decision, considered) = if is_known {
                hallpass_policy::evaluate_explained(&request, &policies)
            } else {
                hallpass_policy::evaluate_on_unknown_resource_explained(&request, &policies)
            };
            let message = decision.message(&request);
            return Err(Box::new(Denied {
                action: action.clone(),
                decision,
                considered,
                message,
            }));
        }
        decisions.push(decision);
    }
    Ok(Permit {
        caller: Arc::clone(caller),
        actions,
        decisions,
    })
}

/// Asks a role's trust policy (and, where it delegates, the caller's own) whether the caller may assume it.
///
/// # Errors
/// [`Denied`]; the message is the same whether the role exists or not, as AWS's.
pub fn authorize_assume(
    caller: &Arc<Caller>,
    actions: Vec<ActionOn>,
    base: &Context,
    trust: Option<&PolicyGroup>,
    bundle: &PolicyBundle,
) -> Result<Permit, Box<Denied>> {
    let mut decisions = Vec::with_capacity(actions.len());
    for action in &actions {
        let context = context_for(action, base, bundle);
        let request = request_for(caller, action, &context);
        let decision = match trust {
            Some(trust) => hallpass_policy::evaluate_trust(&request, trust, &bundle.as_set()),
            // An unknown role must look exactly like one that does not trust the caller.
            None => Decision {
                effect: Effect::ImplicitDeny,
                matched: MatchedStatements::default(),
                denied_by: None,
            },
        };
        if !decision.is_allow() {
            let arn = &caller.principal.arn;
            let message = format!(
                "User: {arn} is not authorized to perform: {} on resource: {}",
                action.action, action.resource
            );
            return Err(Box::new(Denied {
                action: action.clone(),
                decision,
                considered: vec![],
                message,
            }));
        }
        decisions.push(decision);
    }
    Ok(Permit {
        caller: Arc::clone(caller),
        actions,
        decisions,
    })
}

/// Most actions bring no keys of their own, and are then judged by the request's as they are.
fn context_for<'a>(action: &ActionOn, base: &'a Context, bundle: &PolicyBundle) -> Cow<'a, Context> {
    if action.context.is_empty() && bundle.organization.is_none() {
        return Cow::Borrowed(base);
    }
    let mut context = base.clone();
    if let Some(place) = &bundle.organization {
        place.fill(&mut context);
    }
    for (key, values) in &action.context {
        match values.as_slice() {
            [single] => context.set(key.clone(), single),
            many => context.set_many(key.clone(), many.iter().map(String::as_str)),
        };
    }
    Cow::Owned(context)
}

fn request_for<'a>(caller: &'a Caller, action: &'a ActionOn, context: &'a Context) -> Request<'a> {
    Request {
        principal: &caller.principal,
        action: &action.action,
        resource: &action.resource,
        resource_account: action.resource_account.as_ref().map(AccountId::as_str),
        context,
    }
}
