//! Virtual MFA devices: made, given to a user, kept in step.

mod verify;

pub(crate) use verify::{authenticate, is_given};

use super::{arn_of, put, tagging, user};
use crate::account::{iam_arn, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end, with_resource_tags};
use crate::entity::{MfaDevice, User};
use crate::state::key;
use crate::{ApiError, names, qr, totp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_access::ActionOn;
use hallpass_secret::Secret;
use hallpass_session::random_base32;
use hallpass_store::Op;
use hallpass_types::AccountId;
use hallpass_wire::{XmlWriter, percent_encode};
use std::sync::Arc;

/// Devices of one user (IAM quotas).
const DEVICES_MAX: usize = 8;
/// Steps a device's clock may be off when it is given to a user, and when it is brought into step again.
const ENABLE_WINDOW_STEPS: i64 = 20;
const RESYNC_WINDOW_STEPS: i64 = 120;

/// The ARN, which is also the serial number.
pub(crate) fn serial_number(account: AccountId, device: &MfaDevice) -> String {
    iam_arn(account, &format!("mfa{}", device.name))
}

/// `iam:<action>` on the device named.
pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let serial = ctx.required("SerialNumber")?;
    let action = ActionOn::new(ctx.call.iam_action(), serial);
    let action = match ctx.account.mfa_device(serial) {
        Some(device) => with_resource_tags(action, &device.tags),
        None => action,
    };
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, action)?]))
}

/// On the user who has the device ("Actions defined by IAM": `GetMFADevice` is about a user).
pub(crate) fn get_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let owner = ctx.account.mfa_device(ctx.required("SerialNumber")?);
    let owner = owner.and_then(|device| device.owner.as_deref());
    let user = owner.and_then(|id| ctx.account.user_of_id(id));
    let arn = match user {
        Some(user) => user_arn(ctx.account.id(), &user.user),
        None => arn_of(ctx, "user/"),
    };
    Ok(Requirement::Actions(vec![ActionOn::new(
        ctx.call.iam_action(),
        arn,
    )]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let action = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, &format!("mfa{}", name(ctx)?)));
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, action)?]))
}

pub(crate) fn list_virtual_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let action = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, "mfa/"));
    Ok(Requirement::Actions(vec![action]))
}

fn name(ctx: &Ctx<'_>) -> Result<String, ApiError> {
    let path = names::path(&ctx.call.params)?;
    Ok(format!("{path}{}", ctx.required("VirtualMFADeviceName")?))
}

fn put_device(ctx: &Ctx<'_>, device: &MfaDevice) -> Op {
    put(key(ctx.account.id(), "mfa", &device.name), device)
}

/// What a device's seed is sealed for.
pub(crate) fn seal_purpose(account: AccountId, name: &str) -> String {
    format!("mfa/{account}{}", name.to_ascii_lowercase())
}

fn seed(ctx: &Ctx<'_>, device: &MfaDevice) -> Result<Secret, ApiError> {
    let purpose = seal_purpose(ctx.account.id(), &device.name);
    let opened = ctx.env.keyring().open_secret(&purpose, &device.sealed_seed);
    opened.map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))
}

fn device<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<MfaDevice>, ApiError> {
    let serial = ctx.required("SerialNumber")?;
    ctx.account.mfa_device(serial).ok_or_else(|| {
        ApiError::no_such_entity(format!(
            "VirtualMFADevice with serial number {serial} doesn't exist."
        ))
    })
}

/// The device named, which must be that user's.
fn device_of<'a>(ctx: &'a Ctx<'_>, user: &User) -> Result<&'a Arc<MfaDevice>, ApiError> {
    let found = device(ctx)?;
    if found.owner.as_deref() == Some(&user.id) {
        return Ok(found);
    }
    Err(ApiError::no_such_entity(format!(
        "MFA Device invalid for user {}.",
        user.name
    )))
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = name(ctx)?;
    let account = ctx.account.id();
    if ctx.account.mfa_devices.contains_key(&name.to_ascii_lowercase()) {
        return Err(ApiError::exists(
            "MFADevice entity at the same path and name already exists.",
        ));
    }
    let seed = Secret::new(random_base32(&*ctx.env.entropy, totp::SEED_LETTERS));
    let root = ctx.env.keyring();
    let sealed_seed = root
        .seal(&seal_purpose(account, &name), seed.expose(), &*ctx.env.entropy)
        .map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))?;
    let device = MfaDevice {
        name: name.clone(),
        created: ctx.call.now,
        sealed_seed,
        owner: None,
        enabled: None,
        last_step: 0,
        drift_steps: 0,
        tags: names::tags(&ctx.call.params)?,
    };
    let label = name.rsplit('/').next().unwrap_or_default();
    let uri = format!(
        "otpauth://totp/Hallpass:{}@{account}?secret={}&issuer=Hallpass",
        percent_encode(label),
        seed.expose()
    );
    let picture = qr::png(&uri).unwrap_or_default();
    let serial = serial_number(account, &device);
    let mut xml = XmlWriter::new();
    xml.element("VirtualMFADevice", |xml| {
        // Both travel as bytes, in base 64, the seed on top of its base 32.
        xml.text("SerialNumber", &serial)
            .text("Base32StringSeed", STANDARD.encode(seed.expose()))
            .text("QRCodePNG", STANDARD.encode(picture));
        if !device.tags.is_empty() {
            super::tags_xml(xml, &device.tags);
        }
    });
    Ok(Outcome::made(xml, vec![put_device(ctx, &device)])?.noting("serialNumber", serial))
}

fn codes<'a>(ctx: &'a Ctx<'_>) -> Result<[&'a str; 2], ApiError> {
    Ok([
        ctx.required("AuthenticationCode1")?,
        ctx.required("AuthenticationCode2")?,
    ])
}

/// The device after two consecutive codes have told where its clock stands.
fn in_step(ctx: &Ctx<'_>, device: &MfaDevice, window: i64) -> Result<MfaDevice, ApiError> {
    let seed = seed(ctx, device)?;
    let may_try = ctx.env.guesses.may_try(&device.name, ctx.call.now);
    let found = match may_try {
        true => totp::find_pair(seed.expose(), codes(ctx)?, ctx.call.now, window),
        false => None,
    };
    // A pair that was seen once says nothing new about who holds the device.
    let Some(step) = found.filter(|step| *step > device.last_step) else {
        ctx.env.guesses.note_wrong(&device.name, ctx.call.now);
        return Err(ApiError::new(
            "InvalidAuthenticationCode",
            403,
            "Authentication code for device is not valid.",
        ));
    };
    Ok(MfaDevice {
        last_step: step,
        drift_steps: step - totp::step(ctx.call.now),
        ..device.clone()
    })
}

pub(crate) fn enable(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    let device = device(ctx)?;
    if device.owner.is_some() {
        return Err(ApiError::exists(format!(
            "MFA Device {} is already in use.",
            ctx.required("SerialNumber")?
        )));
    }
    if ctx.account.mfa_devices_of(&user.id).count() >= DEVICES_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for MFADevicesPerUser: {DEVICES_MAX}"
        )));
    }
    let changed = MfaDevice {
        owner: Some(user.id.clone()),
        enabled: Some(ctx.call.now),
        ..in_step(ctx, device, ENABLE_WINDOW_STEPS)?
    };
    Outcome::wrote(vec![put_device(ctx, &changed)])
}

pub(crate) fn resync(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let device = device_of(ctx, &user(ctx)?.user)?;
    let changed = in_step(ctx, device, RESYNC_WINDOW_STEPS)?;
    Outcome::wrote(vec![put_device(ctx, &changed)])
}

pub(crate) fn deactivate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let device = device_of(ctx, &user(ctx)?.user)?;
    let changed = MfaDevice {
        owner: None,
        enabled: None,
        ..MfaDevice::clone(device)
    };
    Outcome::wrote(vec![put_device(ctx, &changed)])
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let device = device(ctx)?;
    if device.owner.is_some() {
        return Err(ApiError::delete_conflict(
            "MFA VirtualDevice is in use. Must deactivate first.",
        ));
    }
    Outcome::wrote(vec![Op::Delete(key(ctx.account.id(), "mfa", &device.name))])
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let device = device(ctx)?;
    let owner = device.owner.as_deref().and_then(|id| ctx.account.user_of_id(id));
    if ctx.param("UserName").is_some() {
        device_of(ctx, &user(ctx)?.user)?;
    }
    let mut xml = XmlWriter::new();
    xml.optional("UserName", owner.map(|owner| &owner.user.name))
        .text("SerialNumber", serial_number(ctx.account.id(), device))
        .optional("EnableDate", device.enabled.map(|enabled| enabled.iso8601()));
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    let devices = ctx.account.mfa_devices_of(&user.id).collect();
    let (devices, marker) = ctx.page(devices, |device| device.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list("MFADevices", "member", devices, |xml, device| {
        xml.text("UserName", &user.name)
            .text("SerialNumber", serial_number(ctx.account.id(), device))
            .optional("EnableDate", device.enabled.map(|enabled| enabled.iso8601()));
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn list_virtual(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let devices = ctx
        .account
        .mfa_devices
        .values()
        .filter(|device| match ctx.param("AssignmentStatus") {
            Some("Assigned") => device.owner.is_some(),
            Some("Unassigned") => device.owner.is_none(),
            _ => true,
        });
    let (devices, marker) = ctx.page(devices.collect(), |device| device.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list("VirtualMFADevices", "member", devices, |xml, device| {
        xml.text("SerialNumber", serial_number(ctx.account.id(), device));
        if let Some(owner) = device.owner.as_deref().and_then(|id| ctx.account.user_of_id(id)) {
            xml.element("User", |xml| super::user::user_xml(ctx, xml, &owner.user));
        }
        xml.optional("EnableDate", device.enabled.map(|enabled| enabled.iso8601()));
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::tag(
        ctx,
        MfaDevice::clone(device(ctx)?),
        |device| &mut device.tags,
        put_device,
    )
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::untag(
        ctx,
        MfaDevice::clone(device(ctx)?),
        |device| &mut device.tags,
        put_device,
    )
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::list(ctx, &device(ctx)?.tags)
}
