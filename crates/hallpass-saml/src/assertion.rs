//! What a proved assertion says, held against who it is for and the time.

use crate::SamlError;
use crate::attributes::{Attributes, RolePair};
use crate::metadata::Metadata;
use crate::names::{ASSERTION, AUDIENCE, BEARER, FORMAT_PREFIX, UNSPECIFIED};
use crate::proof::proved_assertion;
use crate::signature::decoded;
use crate::tree::Element;
use hallpass_types::UnixSeconds;

/// Characters of `SAMLAssertion` (STS API reference, AssumeRoleWithSAML).
const CHARS_MIN: usize = 4;
const CHARS_MAX: usize = 100_000;
/// Clocks of providers differ from ours by this much at most.
const LEEWAY_SECONDS: i64 = 60;
/// How long after it was issued an assertion is taken, whatever it says itself.
const REDEEMED_WITHIN_SECONDS: i64 = 300;
/// Longer ones are no person.
const SUBJECT_CHARS_MAX: usize = 1_024;

/// What a provider says of somebody, all of it proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Its own `ID`.
    pub id: String,
    /// The provider's `entityID`.
    pub issuer: String,
    /// The `NameID`; 1 to 1,024 characters.
    pub subject: String,
    /// The `Format` of the `NameID`, without the prefix of SAML 2.0's own formats: `persistent`, `transient`.
    pub subject_type: String,
    /// The sign-in address it was made for, which AWS calls the audience.
    pub recipient: String,
    /// The roles that may be had with it.
    pub roles: Vec<RolePair>,
    /// `RoleSessionName`: 2 to 64 of the letters that session names have.
    pub session_name: String,
    /// `SessionDuration`, 900 to 43,200 seconds: what a console would ask for.
    pub session_seconds: Option<i64>,
    /// The first instant at which a session of it must be over (`SessionNotOnOrAfter`).
    pub session_ends: Option<UnixSeconds>,
    /// `SourceIdentity`: 2 to 64 letters, not beginning with `aws:`.
    pub source_identity: Option<String>,
    /// `PrincipalTag:KEY`: key and value, as they came; not yet held against what tags may be.
    pub tags: Vec<(String, String)>,
    /// `TransitiveTagKeys`, as they came.
    pub transitive_tag_keys: Vec<String>,
    /// Every other attribute: its `Name`, and its values as they came.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// What the base64 text of a SAML response proves, as a provider with this metadata made it, for AWS's sign-in, at `now`.
/// An assertion is taken for five minutes after it was issued, as often as it is shown.
///
/// # Errors
/// [`SamlError`] says what is wrong with it.
pub fn verify(response: &str, metadata: &Metadata, now: UnixSeconds) -> Result<Assertion, SamlError> {
    if !(CHARS_MIN..=CHARS_MAX).contains(&response.len()) {
        return Err(SamlError::Unreadable("it is too long or too short"));
    }
    let text = decoded(response).and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or(SamlError::Unreadable("it is not UTF-8 in base64"))?;
    let assertion = proved_assertion(&text, &metadata.keys)?;
    read(&assertion, metadata, now)
}

fn read(assertion: &Element, metadata: &Metadata, now: UnixSeconds) -> Result<Assertion, SamlError> {
    if !assertion.is(ASSERTION, "Assertion") || assertion.attribute("Version") != Some("2.0") {
        return Err(SamlError::unfit("It is no assertion of SAML 2.0"));
    }
    let issuer = text_of(assertion.only(ASSERTION, "Issuer")?)?;
    if issuer != metadata.entity_id {
        return Err(SamlError::unfit("Issuer not present in specified provider"));
    }
    let issued = required_instant(assertion, "IssueInstant")?;
    not_before(issued, now)?;
    if now.0 >= issued.0.saturating_add(REDEEMED_WITHIN_SECONDS + LEEWAY_SECONDS) {
        return Err(SamlError::Expired(
            "Token must be redeemed within 5 minutes of issuance",
        ));
    }
    conditions(assertion.only(ASSERTION, "Conditions")?, now)?;
    let subject = assertion.only(ASSERTION, "Subject")?;
    let recipient = recipient(subject, now)?;
    let name = subject.only(ASSERTION, "NameID")?;
    let format = name.attribute("Format").unwrap_or(UNSPECIFIED);
    let subject = text_of(name)?;
    // Cut to its letters it could be somebody else's.
    if subject.is_empty() || subject.chars().count() > SUBJECT_CHARS_MAX || name.exact_text() != Some(subject)
    {
        return Err(SamlError::unfit(
            "The NameID is empty, too long or has white space around",
        ));
    }
    let session_ends = session_ends(assertion)?;
    if session_ends.is_some_and(|ends| ends <= now) {
        return Err(SamlError::Expired("The session at the identity provider is over"));
    }
    let mut attributes = Attributes::read(assertion)?;
    Ok(Assertion {
        id: assertion.attribute("ID").unwrap_or_default().to_owned(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        subject_type: format.strip_prefix(FORMAT_PREFIX).unwrap_or(format).to_owned(),
        recipient,
        roles: attributes.roles()?,
        session_name: attributes.session_name()?,
        session_seconds: attributes.session_seconds()?,
        session_ends,
        source_identity: attributes.source_identity()?,
        tags: attributes.tags()?,
        transitive_tag_keys: attributes.transitive_tag_keys(),
        attributes: attributes.others(),
    })
}

fn text_of(element: &Element) -> Result<&str, SamlError> {
    let mixed = || SamlError::unfit(format!("The {} is not a text", element.local));
    element.text().ok_or_else(mixed)
}

fn instant(element: &Element, name: &str) -> Result<Option<UnixSeconds>, SamlError> {
    let read = |text: &str| UnixSeconds::from_rfc3339(text).ok();
    element
        .attribute(name)
        .map(|text| read(text).ok_or_else(|| SamlError::unfit(format!("{name} is not an instant"))))
        .transpose()
}

fn required_instant(element: &Element, name: &str) -> Result<UnixSeconds, SamlError> {
    instant(element, name)?.ok_or_else(|| SamlError::unfit(format!("There is no {name}")))
}

fn not_before(instant: UnixSeconds, now: UnixSeconds) -> Result<(), SamlError> {
    if now.plus(LEEWAY_SECONDS) < instant {
        return Err(SamlError::unfit("The assertion is not yet good"));
    }
    Ok(())
}

/// `NotBefore` and `NotOnOrAfter` of an element.
fn within(element: &Element, now: UnixSeconds) -> Result<(), SamlError> {
    if let Some(start) = instant(element, "NotBefore")? {
        not_before(start, now)?;
    }
    match instant(element, "NotOnOrAfter")? {
        Some(end) if now.0 >= end.0.saturating_add(LEEWAY_SECONDS) => {
            Err(SamlError::Expired("The assertion has expired"))
        }
        _ => Ok(()),
    }
}

/// Every restriction must hold; of the audiences of one, any may be us. What is not known is no permission (SAML 2.0 Core
/// §2.5.1.1).
fn conditions(conditions: &Element, now: UnixSeconds) -> Result<(), SamlError> {
    within(conditions, now)?;
    let mut is_restricted = false;
    for condition in conditions.elements() {
        match (&*condition.namespace, &*condition.local) {
            (ASSERTION, "AudienceRestriction") => {
                let mut audiences = condition.all(ASSERTION, "Audience").filter_map(Element::text);
                if !audiences.any(|audience| audience == AUDIENCE || is_sign_in(audience)) {
                    return Err(SamlError::unfit(
                        "Response does not contain the required audience",
                    ));
                }
                is_restricted = true;
            }
            // Neither is ours to keep: we hand nothing on, and AWS too takes one as often as it is shown.
            (ASSERTION, "OneTimeUse" | "ProxyRestriction") => {}
            _ => return Err(SamlError::unfit("A condition of the assertion is not known")),
        }
    }
    if is_restricted {
        Ok(())
    } else {
        Err(SamlError::unfit(
            "Response does not contain the required audience",
        ))
    }
}

/// AWS's sign-in addresses, the one for all regions and those of each.
fn is_sign_in(address: &str) -> bool {
    let host = address
        .strip_prefix("https://")
        .and_then(|rest| rest.strip_suffix("signin.aws.amazon.com/saml"));
    let is_region = |region: &str| {
        (1..=32).contains(&region.len())
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.is_some_and(|host| host.is_empty() || host.strip_suffix('.').is_some_and(is_region))
}

/// The only confirmation: that of a bearer, with an end, for AWS's sign-in.
fn recipient(subject: &Element, now: UnixSeconds) -> Result<String, SamlError> {
    let confirmation = subject.only(ASSERTION, "SubjectConfirmation")?;
    if confirmation.attribute("Method") != Some(BEARER) {
        return Err(SamlError::unfit("The assertion is not for its bearer"));
    }
    let data = confirmation.only(ASSERTION, "SubjectConfirmationData")?;
    required_instant(data, "NotOnOrAfter")?;
    within(data, now)?;
    let recipient = data.attribute("Recipient").unwrap_or_default();
    if !is_sign_in(recipient) {
        return Err(SamlError::unfit(
            "The recipient of the assertion is not AWS's sign-in",
        ));
    }
    Ok(recipient.to_owned())
}

fn session_ends(assertion: &Element) -> Result<Option<UnixSeconds>, SamlError> {
    let mut ends: Option<UnixSeconds> = None;
    for statement in assertion.all(ASSERTION, "AuthnStatement") {
        let next = instant(statement, "SessionNotOnOrAfter")?;
        ends = ends.into_iter().chain(next).min();
    }
    Ok(ends)
}
