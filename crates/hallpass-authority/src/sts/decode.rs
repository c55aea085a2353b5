//! `DecodeAuthorizationMessage`: why EC2 refused somebody, for those who may know. The message travels sealed with the
//! refusal; nothing of it is kept here.

use crate::call::{Ctx, Outcome};
use crate::{ApiError, Authority};
use hallpass_types::{AccountId, UnixSeconds};
use hallpass_wire::XmlWriter;
use serde::{Deserialize, Serialize};

/// A message is worth something for this long.
const GOOD_FOR_SECONDS: i64 = 6 * 3_600;
/// Characters of a message (STS API reference, DecodeAuthorizationMessage).
const CHARS_MAX: usize = 10_240;

#[derive(Serialize, Deserialize)]
struct Sealed {
    at: i64,
    text: String,
}

fn purpose(account: AccountId) -> String {
    format!("authorization-message/{account}")
}

impl Authority {
    /// `decision`, the document that says why a principal of `account` was refused, sealed for those of the account who
    /// may call `sts:DecodeAuthorizationMessage`. `None` when it is too long to be a message, or cannot be sealed.
    #[must_use]
    pub fn encoded_denial(&self, account: AccountId, decision: &str, now: UnixSeconds) -> Option<String> {
        let sealed = Sealed {
            at: now.0,
            text: decision.to_owned(),
        };
        let text = serde_json::to_string(&sealed).ok()?;
        let keyring = self.env.keyring();
        let message = keyring.seal(&purpose(account), &text, &*self.env.entropy).ok()?;
        (message.len() <= CHARS_MAX).then_some(message)
    }
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let invalid = || {
        ApiError::new(
            "InvalidAuthorizationMessageException",
            400,
            "The message is not one of this account, or it is too old.",
        )
    };
    let message = ctx.required("EncodedMessage")?;
    if !(1..=CHARS_MAX).contains(&message.chars().count()) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at 'encodedMessage' failed to satisfy constraint: \
             Member must have length between 1 and {CHARS_MAX}"
        )));
    }
    let opened = ctx
        .env
        .keyring()
        .open_secret(&purpose(ctx.account.id()), message)
        .map_err(|_| invalid())?;
    let sealed: Sealed = serde_json::from_str(opened.expose()).map_err(|_| invalid())?;
    if !(0..GOOD_FOR_SECONDS).contains(&ctx.call.now.since(UnixSeconds(sealed.at))) {
        return Err(invalid());
    }
    let mut xml = XmlWriter::new();
    xml.text("DecodedMessage", &sealed.text);
    Outcome::read(xml)
}
