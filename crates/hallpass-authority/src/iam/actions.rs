//! Every IAM action that is built: what it requires and what it does.

use super::{access_key, attach, details, group, inline, policy, profile, role, simulate, user};
use crate::call::{Action, Service};

macro_rules! actions {
    ($($name:literal => $requirement:expr, $run:expr;)*) => {
        &[$(Action { service: Service::Iam, name: $name, requirement: $requirement, run: $run },)*]
    };
}

pub(crate) const ACTIONS: &[Action] = actions! {
    "CreateRole" => role::create_requirement, role::create;
    "GetRole" => role::requirement, role::get;
    "ListRoles" => role::list_requirement, role::list;
    "DeleteRole" => role::requirement, role::delete;
    "UpdateRole" => role::requirement, role::update;
    "UpdateRoleDescription" => role::requirement, role::update_description;
    "UpdateAssumeRolePolicy" => role::requirement, role::update_trust;
    "TagRole" => role::requirement, role::tag;
    "UntagRole" => role::requirement, role::untag;
    "ListRoleTags" => role::requirement, role::list_tags;
    "PutRolePolicy" => role::requirement, inline::put_role;
    "GetRolePolicy" => role::requirement, inline::get_role;
    "ListRolePolicies" => role::requirement, inline::list_role;
    "DeleteRolePolicy" => role::requirement, inline::delete_role;
    "AttachRolePolicy" => role::attach_requirement, attach::role;
    "DetachRolePolicy" => role::attach_requirement, attach::detach_role;
    "ListAttachedRolePolicies" => role::requirement, attach::list_role;
    "PutRolePermissionsBoundary" => role::boundary_requirement, role::put_boundary;
    "DeleteRolePermissionsBoundary" => role::requirement, role::delete_boundary;
    "CreateUser" => user::create_requirement, user::create;
    "GetUser" => user::requirement, user::get;
    "ListUsers" => user::list_requirement, user::list;
    "DeleteUser" => user::requirement, user::delete;
    "TagUser" => user::requirement, user::tag;
    "UntagUser" => user::requirement, user::untag;
    "ListUserTags" => user::requirement, user::list_tags;
    "PutUserPolicy" => user::requirement, inline::put_user;
    "GetUserPolicy" => user::requirement, inline::get_user;
    "ListUserPolicies" => user::requirement, inline::list_user;
    "DeleteUserPolicy" => user::requirement, inline::delete_user;
    "AttachUserPolicy" => user::attach_requirement, attach::user;
    "DetachUserPolicy" => user::attach_requirement, attach::detach_user;
    "ListAttachedUserPolicies" => user::requirement, attach::list_user;
    "CreateGroup" => group::create_requirement, group::create;
    "GetGroup" => group::requirement, group::get;
    "ListGroups" => group::list_requirement, group::list;
    "UpdateGroup" => group::update_requirement, group::update;
    "DeleteGroup" => group::requirement, group::delete;
    "AddUserToGroup" => group::requirement, group::add_user;
    "RemoveUserFromGroup" => group::requirement, group::remove_user;
    "ListGroupsForUser" => user::requirement, group::list_for_user;
    "PutGroupPolicy" => group::requirement, inline::put_group;
    "GetGroupPolicy" => group::requirement, inline::get_group;
    "ListGroupPolicies" => group::requirement, inline::list_group;
    "DeleteGroupPolicy" => group::requirement, inline::delete_group;
    "AttachGroupPolicy" => group::attach_requirement, attach::group;
    "DetachGroupPolicy" => group::attach_requirement, attach::detach_group;
    "ListAttachedGroupPolicies" => group::requirement, attach::list_group;
    "CreateAccessKey" => user::requirement, access_key::create;
    "ListAccessKeys" => user::requirement, access_key::list;
    "UpdateAccessKey" => user::requirement, access_key::update;
    "DeleteAccessKey" => user::requirement, access_key::delete;
    "CreatePolicy" => policy::create_requirement, policy::create;
    "GetPolicy" => policy::requirement, policy::get;
    "ListPolicies" => policy::list_requirement, policy::list;
    "DeletePolicy" => policy::requirement, policy::delete;
    "CreatePolicyVersion" => policy::requirement, policy::create_version;
    "GetPolicyVersion" => policy::requirement, policy::get_version;
    "ListPolicyVersions" => policy::requirement, policy::list_versions;
    "DeletePolicyVersion" => policy::requirement, policy::delete_version;
    "SetDefaultPolicyVersion" => policy::requirement, policy::set_default_version;
    "SimulateCustomPolicy" => simulate::custom_requirement, simulate::custom;
    "SimulatePrincipalPolicy" => simulate::principal_requirement, simulate::principal;
    "GetContextKeysForCustomPolicy" => simulate::custom_requirement, simulate::custom_keys;
    "GetContextKeysForPrincipalPolicy" => simulate::principal_requirement, simulate::principal_keys;
    "GetAccountAuthorizationDetails" => details::requirement, details::get;
    "CreateInstanceProfile" => profile::create_requirement, profile::create;
    "GetInstanceProfile" => profile::requirement, profile::get;
    "ListInstanceProfiles" => profile::list_requirement, profile::list;
    "ListInstanceProfilesForRole" => role::requirement, profile::list_for_role;
    "DeleteInstanceProfile" => profile::requirement, profile::delete;
    "AddRoleToInstanceProfile" => profile::add_role_requirement, profile::add_role;
    "RemoveRoleFromInstanceProfile" => profile::requirement, profile::remove_role;
};
