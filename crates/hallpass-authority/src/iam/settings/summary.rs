use crate::ApiError;
use crate::call::{Ctx, Outcome};
use hallpass_wire::XmlWriter;

/// Counts and quotas. Those of numbers of entities are AWS's defaults and are not enforced; the others are.
pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let account = ctx.account;
    let in_use = account
        .mfa_devices
        .values()
        .filter(|device| device.owner.is_some());
    let versions = account
        .policies
        .values()
        .map(|policy| policy.policy.versions.len());
    let root_keys = ctx.state.keys_of(account.id(), None).len();
    let second = account.settings().global_token_version.as_deref() == Some("v2Token");
    let counts = [
        ("Users", account.users.len()),
        ("UsersQuota", 5_000),
        ("Groups", account.groups.len()),
        ("GroupsQuota", 300),
        ("ServerCertificates", account.server_certificates.len()),
        ("ServerCertificatesQuota", 20),
        ("UserPolicySizeQuota", 2_048),
        ("GroupPolicySizeQuota", 5_120),
        ("GroupsPerUserQuota", 10),
        ("SigningCertificatesPerUserQuota", 2),
        ("AccessKeysPerUserQuota", 2),
        ("MFADevices", account.mfa_devices.len()),
        ("MFADevicesInUse", in_use.count()),
        ("AccountMFAEnabled", 0),
        ("AccountAccessKeysPresent", usize::from(root_keys > 0)),
        ("AccountPasswordPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("AttachedPoliciesPerGroupQuota", 20),
        ("AttachedPoliciesPerRoleQuota", 20),
        ("AttachedPoliciesPerUserQuota", 20),
        ("Policies", account.policies.len()),
        ("PoliciesQuota", 1_500),
        ("PolicySizeQuota", 6_144),
        ("PolicyVersionsInUse", versions.sum()),
        ("PolicyVersionsInUseQuota", 10_000),
        ("VersionsPerPolicyQuota", 5),
        ("GlobalEndpointTokenVersion", if second { 2 } else { 1 }),
        ("AssumeRolePolicySizeQuota", 4_096),
        ("InstanceProfiles", account.profiles.len()),
        ("InstanceProfilesQuota", 1_000),
        (
            "Providers",
            account.oidc_providers.len() + account.saml_providers.len(),
        ),
        ("RolePolicySizeQuota", 10_240),
        ("Roles", account.roles.len()),
        ("RolesQuota", 1_000),
    ];
    let mut xml = XmlWriter::new();
    xml.list("SummaryMap", "entry", counts, |xml, (name, count)| {
        xml.text("key", name).text("value", count.to_string());
    });
    Outcome::read(xml)
}
