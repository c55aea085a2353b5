//! Instances in EC2's XML.

use crate::account::profile_arn;
use crate::call::Ctx;
use crate::entity::{Instance, InstanceState, MetadataOptions};
use hallpass_session::Tag;
use hallpass_wire::XmlWriter;

pub(super) fn reservation_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instances: &[&Instance]) {
    let reservation = instances
        .first()
        .map(|instance| instance.reservation_id.as_str())
        .unwrap_or_default();
    xml.text("reservationId", reservation)
        .text("ownerId", ctx.account.id().as_str());
    xml.element("groupSet", |_| {});
    xml.list("instancesSet", "item", instances, |xml, instance| {
        instance_xml(ctx, xml, instance)
    });
}

pub(super) fn state_xml(xml: &mut XmlWriter, name: &str, state: InstanceState) {
    let (code, text) = match state {
        InstanceState::Running => ("16", "running"),
        InstanceState::Terminated => ("48", "terminated"),
    };
    xml.element(name, |xml| {
        xml.text("code", code).text("name", text);
    });
}

pub(super) fn profile_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instance: &Instance) {
    if let Some(profile) = instance
        .profile
        .as_deref()
        .and_then(|name| ctx.account.profile(name))
    {
        xml.element("iamInstanceProfile", |xml| {
            xml.text("arn", profile_arn(ctx.account.id(), profile))
                .text("id", &profile.id);
        });
    }
}

pub(super) fn instance_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instance: &Instance) {
    xml.text("instanceId", &instance.id)
        .text("imageId", &instance.image_id);
    state_xml(xml, "instanceState", instance.state);
    xml.text("privateDnsName", "")
        .text("dnsName", "")
        .text("reason", "")
        .text("amiLaunchIndex", "0");
    xml.element("productCodes", |_| {});
    xml.text("instanceType", &instance.instance_type)
        .text("launchTime", instance.launched.iso8601());
    xml.element("placement", |xml| {
        xml.text("availabilityZone", format!("{}a", ctx.env.region))
            .text("groupName", "")
            .text("tenancy", "default");
    });
    xml.element("monitoring", |xml| {
        xml.text("state", "disabled");
    });
    if instance.state == InstanceState::Running {
        xml.text("privateIpAddress", &instance.private_ip);
    }
    xml.element("groupSet", |_| {});
    xml.text("architecture", "x86_64")
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", "/dev/xvda");
    xml.element("blockDeviceMapping", |_| {});
    xml.text("virtualizationType", "hvm")
        .optional("clientToken", instance.client_token.as_deref());
    tag_set_xml(xml, &instance.tags);
    profile_xml(ctx, xml, instance);
    xml.element("metadataOptions", |xml| {
        metadata_options_xml(xml, &instance.metadata_options);
    });
}

pub(super) fn tag_set_xml(xml: &mut XmlWriter, tags: &[Tag]) {
    xml.list("tagSet", "item", tags, |xml, tag| {
        xml.text("key", &tag.key).text("value", &tag.value);
    });
}

pub(super) fn metadata_options_xml(xml: &mut XmlWriter, options: &MetadataOptions) {
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    xml.text("state", "applied")
        .text(
            "httpTokens",
            if options.http_tokens_required {
                "required"
            } else {
                "optional"
            },
        )
        .text("httpPutResponseHopLimit", options.hop_limit.to_string())
        .text("httpEndpoint", switch(options.http_endpoint_enabled))
        .text("instanceMetadataTags", switch(options.instance_tags));
}
