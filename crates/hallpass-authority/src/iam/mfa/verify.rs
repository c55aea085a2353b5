//! The one-time code of an STS call.

use super::{put_device, seed, serial_number};
use crate::call::Ctx;
use crate::entity::MfaDevice;
use crate::{ApiError, totp};
use hallpass_access::CallerKind;
use hallpass_store::Op;

fn failed(why: &str) -> ApiError {
    ApiError::new(
        "AccessDenied",
        403,
        format!("MultiFactorAuthentication failed, {why}"),
    )
}

/// Whether a call brings a device or a code.
pub(crate) fn is_given(ctx: &Ctx<'_>) -> bool {
    ctx.param("SerialNumber").is_some() || ctx.param("TokenCode").is_some()
}

/// Checks the code a call brings: of a device that the calling user has, right now, and not taken before. The write
/// remembers it; being conditional, it makes the code good once among all servers.
///
/// # Errors
/// `AccessDenied` for whatever is wrong with it.
pub(crate) fn authenticate(ctx: &Ctx<'_>) -> Result<Op, ApiError> {
    let (Some(serial), Some(code)) = (ctx.param("SerialNumber"), ctx.param("TokenCode")) else {
        return Err(failed(
            "must provide both MFA serial number and one time pass code.",
        ));
    };
    let CallerKind::User { name } = &ctx.call.caller.kind else {
        return Err(failed("only users have MFA devices."));
    };
    let owner = ctx.account.user(name).map(|user| user.user.id.as_str());
    let device = ctx
        .account
        .mfa_device(serial)
        .filter(|device| device.owner.is_some() && device.owner.as_deref() == owner)
        .filter(|device| serial_number(ctx.account.id(), device) == serial)
        .ok_or_else(|| {
            failed(
                "unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this \
                 user.",
            )
        })?;
    let invalid = || {
        ctx.env.guesses.note_wrong(&device.name, ctx.call.now);
        ApiError::new(
            "AccessDenied",
            403,
            "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
        )
    };
    if !ctx.env.guesses.may_try(&device.name, ctx.call.now) {
        return Err(invalid());
    }
    let seed = seed(ctx, device)?;
    let step = totp::find(
        seed.expose(),
        code,
        ctx.call.now,
        device.drift_steps,
        device.last_step,
    );
    let step = step.ok_or_else(invalid)?;
    let used = MfaDevice {
        last_step: step,
        drift_steps: step - totp::step(ctx.call.now),
        ..MfaDevice::clone(device)
    };
    Ok(put_device(ctx, &used))
}
