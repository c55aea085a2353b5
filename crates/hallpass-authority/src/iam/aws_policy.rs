//! AWS's own managed policies, as IAM tells of them: to be read, listed and attached, never changed.

use crate::account::PolicyCounts;
use crate::call::{Ctx, Outcome, page_end};
use crate::{ApiError, managed};
use aws_lc_rs::digest::{SHA256, digest};
use hallpass_reference::managed::ManagedPolicy;
use hallpass_wire::{XmlWriter, percent_encode};

const ID_CHARS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// AWS's ids of these policies are published nowhere together: one that stays the same, made of the ARN.
fn id(arn: &str) -> String {
    let digest = digest(&SHA256, arn.as_bytes());
    let letters = digest.as_ref().iter().take(16);
    let letters = letters.filter_map(|byte| ID_CHARS.get(usize::from(byte % 32)));
    format!(
        "ANPAI{}",
        letters.map(|letter| char::from(*letter)).collect::<String>()
    )
}

pub(super) fn policy_xml(xml: &mut XmlWriter, policy: &ManagedPolicy, counts: PolicyCounts) {
    let arn = policy.arn();
    xml.text("PolicyName", policy.name())
        .text("PolicyId", id(&arn))
        .text("Arn", &arn)
        .text("Path", policy.path())
        .text("DefaultVersionId", policy.version());
    counts_xml(xml, counts);
    xml.text("IsAttachable", "true")
        .text("CreateDate", policy.created())
        .text("UpdateDate", policy.updated());
}

pub(super) fn counts_xml(xml: &mut XmlWriter, counts: PolicyCounts) {
    xml.text("AttachmentCount", counts.attached.to_string())
        .text("PermissionsBoundaryUsageCount", counts.boundary.to_string());
}

pub(super) fn version_xml(xml: &mut XmlWriter, policy: &ManagedPolicy, with_document: bool) {
    if with_document {
        xml.text("Document", percent_encode(&policy.document()));
    }
    xml.text("VersionId", policy.version())
        .text("IsDefaultVersion", "true")
        .text("CreateDate", policy.updated());
}

/// The version asked for; of AWS's policies the default one is known.
pub(super) fn get_version(ctx: &Ctx<'_>, policy: &ManagedPolicy) -> Result<Outcome, ApiError> {
    let asked = ctx.required("VersionId")?;
    if asked != policy.version() {
        return Err(ApiError::no_such_entity(format!(
            "Policy {} version {asked} does not exist or is not attachable.",
            policy.arn()
        )));
    }
    let mut xml = XmlWriter::new();
    xml.element("PolicyVersion", |xml| version_xml(xml, policy, true));
    Outcome::read(xml)
}

pub(super) fn list_versions(policy: &ManagedPolicy) -> Result<Outcome, ApiError> {
    let mut xml = XmlWriter::new();
    xml.list("Versions", "member", [policy], |xml, policy| {
        version_xml(xml, policy, false);
    });
    page_end(&mut xml, None);
    Outcome::read(xml)
}

/// Those of services' own roles are attached to nothing else.
pub(super) fn attachable(arn: &str) -> Result<(), ApiError> {
    match managed::aws_managed_policy(arn) {
        Some(policy) if policy.path() == "/aws-service-role/" => Err(ApiError::new(
            "PolicyNotAttachable",
            400,
            "Cannot attach a Service Role Policy to a Customer Role.",
        )),
        _ => Ok(()),
    }
}
