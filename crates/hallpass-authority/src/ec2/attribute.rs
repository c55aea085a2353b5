//! What tools that keep an instance ask about it besides: attributes, disks, credits. Only user data is something that
//! we hold; the rest says what is so of an instance that is an identity and nothing else.

use super::{instance, named_ids, on_instance};
use crate::ApiError;
use crate::call::{Ctx, Outcome, Requirement};
use crate::entity::Instance;
use hallpass_wire::XmlWriter;

/// Types whose processors save up credits begin so (EC2 User Guide, "Burstable performance instances").
const BURSTABLE: &[&str] = &["t2.", "t3.", "t3a.", "t4g."];

pub(super) fn attribute_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let id = ctx.required("InstanceId")?;
    Ok(Requirement::Actions(vec![on_instance(ctx, id)]))
}

pub(super) fn describe_attribute(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let instance = instance(ctx, ctx.required("InstanceId")?)?;
    let attribute = ctx.required("Attribute")?;
    let mut xml = XmlWriter::new();
    xml.text("instanceId", &instance.id);
    if matches!(attribute, "blockDeviceMapping" | "groupSet" | "productCodes") {
        xml.element(attribute, |_| {});
        return Outcome::read(xml);
    }
    let value = match attribute {
        "disableApiStop" | "disableApiTermination" | "ebsOptimized" | "enaSupport" => Some("false"),
        "instanceInitiatedShutdownBehavior" => Some("stop"),
        "instanceType" => Some(instance.instance_type.as_str()),
        "rootDeviceName" => Some("/dev/xvda"),
        "sourceDestCheck" => Some("true"),
        "userData" => instance.user_data.as_deref(),
        "kernel" | "ramdisk" | "sriovNetSupport" => None,
        _ => return Err(unknown_attribute(attribute)),
    };
    xml.element(attribute, |xml| {
        xml.optional("value", value);
    });
    Outcome::read(xml)
}

fn unknown_attribute(attribute: &str) -> ApiError {
    ApiError::new(
        "InvalidParameterValue",
        400,
        format!("Value ({attribute}) for parameter attribute is invalid. Unknown attribute."),
    )
}

/// Nothing has a disk: whichever is named is not there, and no filter finds one.
pub(super) fn describe_volumes(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    if let Some(id) = ctx.call.params.list("VolumeId").first() {
        return Err(ApiError::new(
            "InvalidVolume.NotFound",
            400,
            format!("The volume '{id}' does not exist."),
        ));
    }
    let mut xml = XmlWriter::new();
    xml.element("volumeSet", |_| {});
    Outcome::read(xml)
}

pub(super) fn describe_credits(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let ids = named_ids(ctx);
    for id in &ids {
        instance(ctx, id)?;
    }
    let burstable = |instance: &Instance| {
        let of_type = |start: &&str| instance.instance_type.starts_with(*start);
        BURSTABLE.iter().any(of_type)
    };
    let found = ctx.account.instances.values().filter(|instance| {
        (ids.is_empty() || ids.contains(&instance.id.as_str())) && burstable(instance.as_ref())
    });
    let mut xml = XmlWriter::new();
    xml.list(
        "instanceCreditSpecificationSet",
        "item",
        found,
        |xml, instance| {
            // What they begin with: the first of the families is the only one that is not unlimited.
            let first = instance.instance_type.starts_with("t2.");
            xml.text("instanceId", &instance.id)
                .text("cpuCredits", if first { "standard" } else { "unlimited" });
        },
    );
    Outcome::read(xml)
}
