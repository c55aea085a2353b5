//! What a principal could do, before there is a request.

use crate::decision::{Considered, Decision, FailedCondition, Outcome, StatementRef};
use crate::document::StatementEffect;
use crate::evaluate::{PolicySet, Request, evaluate_hopefully};
use crate::group::PolicyGroup;
use crate::simulate::simulate;

/// Whether a request would be allowed when only its principal is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Possibility {
    /// Whatever else the request carries.
    Always(Decision),
    /// If the request is right.
    Sometimes(Dependence),
    /// Never; the decision says which kind of policy is in the way.
    Never(Decision),
}

/// A statement and the conditions it hangs on.
pub type Conditional = (StatementRef, Vec<FailedCondition>);

/// On what it depends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependence {
    /// Statements that would allow it, each with the conditions that must hold; no condition means that a variable in
    /// its resource must have the right value.
    pub needs: Vec<Conditional>,
    /// Statements that would deny it, each with the conditions one of which must fail.
    pub unless: Vec<Conditional>,
}

/// Decides with a context made by [`crate::Context::of_principal`], counting what is unknown first against and then
/// for the request.
#[must_use]
pub fn possibility(
    request: &Request<'_>,
    policies: &PolicySet<'_>,
    trust: Option<&PolicyGroup>,
) -> Possibility {
    let worst = simulate(request, policies, trust);
    if worst.decision.is_allow() {
        return Possibility::Always(worst.decision);
    }
    let (best, hopeful) = evaluate_hopefully(request, trust, policies);
    if !best.is_allow() {
        return Possibility::Never(best);
    }
    let mut dependence = Dependence::default();
    let conditions = |one: &Considered| match &one.outcome {
        Outcome::ConditionsFailed(conditions) => conditions.clone(),
        _ => vec![],
    };
    for (feared, hoped) in worst.considered.iter().zip(&hopeful) {
        let applies = |one: &Considered| one.outcome == Outcome::Applied;
        match feared.effect {
            StatementEffect::Allow if applies(hoped) && !applies(feared) => {
                let needed = (feared.statement.clone(), conditions(feared));
                dependence.needs.push(needed);
            }
            StatementEffect::Deny if applies(feared) && !applies(hoped) => {
                let feared = (feared.statement.clone(), conditions(hoped));
                dependence.unless.push(feared);
            }
            _ => {}
        }
    }
    Possibility::Sometimes(dependence)
}
