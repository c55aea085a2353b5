//! What only Hallpass has: revocation, enrolment, rotation of keys. Called like IAM, with `hallpass` in the credential
//! scope, and authorized as `hallpass:ACTION` by the same policies.

mod enrol;
mod enrol_ec2;
mod export;
mod forget;
mod keys;
mod revoke;

pub(crate) use export::Exports;

pub use enrol::{EnrolError, Enrolled};

use crate::ApiError;
use crate::call::{Action, Ctx, Outcome, Requirement, Service};
use hallpass_access::ActionOn;
use hallpass_wire::XmlWriter;

macro_rules! actions {
    ($($name:literal => $requirement:expr, $run:expr;)*) => {
        &[$(Action { service: Service::Hallpass, name: $name, requirement: $requirement, run: $run },)*]
    };
}

pub(crate) const ACTIONS: &[Action] = actions! {
    "RevokeSession" => revoke::session_requirement, revoke::session;
    "RevokeAccessKey" => revoke::key_requirement, revoke::key;
    "RevokeRole" => revoke::role_requirement, revoke::role;
    "RevokeUser" => revoke::user_requirement, revoke::user;
    "RevokeInstance" => revoke::instance_requirement, revoke::instance;
    "CreateEnrolment" => enrol::requirement, enrol::create;
    "ForgetServer" => everywhere, forget::server;
    "DescribeKeys" => everywhere, keys::describe;
    "AddKey" => everywhere, keys::add;
    "UseKey" => everywhere, keys::use_it;
    "RetireKeys" => everywhere, keys::retire;
    "ResealSecrets" => everywhere, keys::reseal;
    "ResealKeyring" => everywhere, keys::reseal_keyring;
    // Answered by `Exports`: it reads the store, not the snapshot.
    "ExportState" => everywhere, |_| Outcome::read(XmlWriter::new());
};

/// For what concerns the whole system: only the first account may, whatever the policies of others say.
fn everywhere(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    if ctx.state.first_account() != Some(ctx.account.id()) {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "Only the account that was there first may do this.",
        ));
    }
    on(ctx, "*")
}

fn on(ctx: &Ctx<'_>, resource: &str) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(
        format!("hallpass:{}", ctx.call.action),
        resource,
    )]))
}
