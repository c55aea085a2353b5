//! IAM Roles Anywhere: whoever puts roles into a profile passes them to the service.
//!
//! Source: IAM Roles Anywhere User Guide, "Trust model" and IAM User Guide, "Grant permissions to pass a role".

use crate::actions::texts;
use crate::asked::{Asked, whole_arn};
use hallpass_access::ActionOn;

/// `iam:PassRole` for each of `roleArns`.
pub(super) fn passed_roles(asked: &Asked<'_>) -> Vec<ActionOn> {
    if !matches!(asked.operation.name, "CreateProfile" | "UpdateProfile") {
        return vec![];
    }
    let pass = |arn: String| {
        let pass = match whole_arn(&arn, "iam") {
            Some(arn) => ActionOn::new("iam:PassRole", arn),
            None => ActionOn::on_unknown_resource("iam:PassRole"),
        };
        pass.with("iam:PassedToService", "rolesanywhere.amazonaws.com")
    };
    texts(asked.items("roleArns")).map(pass).collect()
}
