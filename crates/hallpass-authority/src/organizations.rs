//! AWS Organizations: accounts, units, service control policies. One organization for a store.
//!
//! Source: AWS Organizations API Reference. JSON in and out; what is asked for is authorized before it comes here.

mod accounts;
mod policies;
mod units;

use crate::ApiError;
use crate::authority::{Authority, Environment};
use crate::state::State;
use hallpass_access::Permit;
use hallpass_store::Op;
use hallpass_types::{AccountId, UnixSeconds};
use serde_json::{Value, json};

/// One question, as it is planned on a state.
pub(crate) struct Asked<'a> {
    pub(crate) state: &'a State,
    pub(crate) env: &'a Environment,
    pub(crate) caller: AccountId,
    pub(crate) input: &'a Value,
    pub(crate) now: UnixSeconds,
}

/// The answer, and the writes it stands for.
pub(crate) type Planned = Result<(Value, Vec<Op>), ApiError>;

pub(crate) fn error(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, 400, message)
}

impl Asked<'_> {
    pub(crate) fn text(&self, name: &str) -> Result<&str, ApiError> {
        let found = self.input[name].as_str().filter(|text| !text.is_empty());
        found.ok_or_else(|| error("InvalidInputException", format!("You must specify {name}.")))
    }

    pub(crate) fn organization(&self) -> Result<&crate::entity::Organization, ApiError> {
        let found = self.state.tree.organization.as_ref();
        found
            .filter(|_| self.state.tree.members.contains_key(&self.caller))
            .ok_or_else(|| {
                error(
                    "AWSOrganizationsNotInUseException",
                    "Your account is not a member of an organization.",
                )
            })
    }

    /// Only the management account may.
    pub(crate) fn managed(&self) -> Result<&crate::entity::Organization, ApiError> {
        self.organization()
            .and_then(|one| match one.management == self.caller {
                true => Ok(one),
                false => Err(error(
                    "AccessDeniedException",
                    "You don't have permissions to access this resource.",
                )),
            })
    }

    pub(crate) fn arn(&self, kind: &str, name: &str) -> String {
        let tree = &self.state.tree;
        let (management, id) = tree.organization.as_ref().map_or_else(Default::default, |one| {
            (one.management.to_string(), one.id.clone())
        });
        format!("arn:aws:organizations::{management}:{kind}/{id}{name}")
    }

    /// The root's or a unit's id.
    pub(crate) fn parent(&self, name: &str) -> Result<&str, ApiError> {
        let id = self.text(name)?;
        let tree = &self.state.tree;
        let is_root = tree.organization.as_ref().is_some_and(|one| one.root == id);
        if is_root || tree.units.contains_key(id) {
            return Ok(id);
        }
        Err(error(
            "ParentNotFoundException",
            "We can't find a root or OU with that id.",
        ))
    }
}

/// The store keys of the organization's parts.
pub(crate) fn key(kind: &str, name: &str) -> String {
    format!("v1/system/{kind}/{name}")
}

impl Authority {
    /// Answers an operation of Organizations that `permit` allows.
    ///
    /// # Errors
    /// [`ApiError`]; nothing was changed then.
    pub async fn organizations(
        &self,
        permit: &Permit,
        operation: &str,
        input: &Value,
        now: UnixSeconds,
    ) -> Result<Value, ApiError> {
        let wanted = format!("organizations:{operation}");
        if permit
            .actions()
            .first()
            .is_none_or(|first| first.action != wanted)
        {
            return Err(ApiError::new(
                "ServiceException",
                500,
                "The permit is for another call.",
            ));
        }
        let caller = permit.caller().account;
        self.change(|state| {
            plan(
                operation,
                &Asked {
                    state,
                    env: &self.env,
                    caller,
                    input,
                    now,
                },
            )
        })
        .await
    }
}

fn plan(operation: &str, asked: &Asked<'_>) -> Planned {
    match operation {
        "CreateOrganization" => accounts::create_organization(asked),
        "DescribeOrganization" => accounts::describe_organization(asked),
        "CreateAccount" => accounts::create(asked),
        "DescribeCreateAccountStatus" => accounts::creation(asked),
        "ListCreateAccountStatus" => accounts::creations(asked),
        "DescribeAccount" => accounts::describe(asked),
        "ListAccounts" => accounts::list(asked),
        "ListAccountsForParent" => accounts::list_for_parent(asked),
        "MoveAccount" => accounts::move_account(asked),
        "ListRoots" => units::roots(asked),
        "CreateOrganizationalUnit" => units::create(asked),
        "UpdateOrganizationalUnit" => units::update(asked),
        "DescribeOrganizationalUnit" => units::describe(asked),
        "DeleteOrganizationalUnit" => units::delete(asked),
        "ListOrganizationalUnitsForParent" => units::list(asked),
        "ListParents" => units::parents(asked),
        "ListChildren" => units::children(asked),
        "EnablePolicyType" => units::enable(asked),
        "CreatePolicy" => policies::create(asked),
        "UpdatePolicy" => policies::update(asked),
        "DescribePolicy" => policies::describe(asked),
        "DeletePolicy" => policies::delete(asked),
        "ListPolicies" => policies::list(asked),
        "ListPoliciesForTarget" => policies::list_for_target(asked),
        "ListTargetsForPolicy" => policies::targets(asked),
        "AttachPolicy" => policies::attach(asked),
        "DetachPolicy" => policies::detach(asked),
        _ => Err(error(
            "UnsupportedAPIEndpointException",
            "This operation is not built: see docs/divergences.md, D-121.",
        )),
    }
}

fn read(answer: Value) -> Planned {
    Ok((answer, vec![]))
}

/// Nothing but that it was done.
fn done(ops: Vec<Op>) -> Planned {
    Ok((json!({}), ops))
}
