//! One XML signature: an element that holds the signature of itself.

use crate::SamlError;
use crate::canonical::canonical;
use crate::keys::{Key, Method};
use crate::names::{DSIG, ENVELOPED, EXCLUSIVE};
use crate::parse::{RESPONSE, parse};
use crate::tree::{Element, is_space};
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Base64 with white space in it, as XML is full of.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|letter| !is_space(*letter)).collect();
    STANDARD.decode(text).ok()
}

fn invalid<T>(why: &'static str) -> Result<T, SamlError> {
    Err(SamlError::Signature(why))
}

/// The bytes that are proved: `signed` in canonical form, without the signature in it, once that signature is one of
/// `keys` over exactly these. `around` are the elements `signed` is in, the outermost first.
pub(crate) fn proved(signed: &Element, around: &[&Element], keys: &[Key]) -> Result<String, SamlError> {
    let signature = signed.only(DSIG, "Signature")?;
    let [info, value, rest @ ..] = &*signature.elements().collect::<Vec<_>>() else {
        return invalid("it is not complete");
    };
    // Keys that a signature brings along prove nothing; objects in it are nothing that SAML signs.
    let is_plain = match rest {
        [] => true,
        [key_info] => key_info.is(DSIG, "KeyInfo"),
        _ => false,
    };
    if !info.is(DSIG, "SignedInfo") || !value.is(DSIG, "SignatureValue") || !is_plain {
        return invalid("it is not made as SAML has it");
    }
    let seen = SignedInfo::read(info)?;
    let around_info: Vec<&Element> = around.iter().copied().chain([signed, signature]).collect();
    let message = canonical(info, &around_info, &seen.inclusive, None);
    let Some(value) = value.text().and_then(decoded) else {
        return invalid("its value is not base64");
    };
    if !keys
        .iter()
        .any(|key| key.verifies(seen.method, message.as_bytes(), &value))
    {
        return invalid("it is not by a key of the provider's metadata");
    }
    // From here on what the signed bytes say, not what was read before they were proved.
    let info = SignedInfo::read(&parse(&message, RESPONSE)?)?;
    let id = signed.attribute("ID").unwrap_or_default();
    if id.is_empty() || info.uri.strip_prefix('#') != Some(id) {
        return invalid("it is over another element");
    }
    let bytes = canonical(signed, around, &info.reference_inclusive, Some(signature));
    if digest(info.digest_algorithm, bytes.as_bytes()).as_ref() != info.digest {
        return invalid("what it is over was changed");
    }
    Ok(bytes)
}

/// What a signature is over, and how it is made.
struct SignedInfo {
    method: Method,
    /// Prefixes declared in the canonical form of this element.
    inclusive: Vec<String>,
    uri: String,
    /// Prefixes declared in the canonical form of what is signed.
    reference_inclusive: Vec<String>,
    digest_algorithm: &'static Algorithm,
    digest: Vec<u8>,
}

impl SignedInfo {
    /// Exactly one reference, and of transforms exactly the two that SAML has (SAML 2.0 Core §5.4.4).
    fn read(info: &Element) -> Result<Self, SamlError> {
        let [method, signature, reference] = &*info.elements().collect::<Vec<_>>() else {
            return invalid("it is not over exactly one element");
        };
        let is_named = method.is(DSIG, "CanonicalizationMethod")
            && signature.is(DSIG, "SignatureMethod")
            && reference.is(DSIG, "Reference");
        if !is_named || signature.elements().next().is_some() {
            return invalid("it is not made as SAML has it");
        }
        let [transforms, digest_method, digest] = &*reference.elements().collect::<Vec<_>>() else {
            return invalid("it is not made as SAML has it");
        };
        let is_named = transforms.is(DSIG, "Transforms")
            && digest_method.is(DSIG, "DigestMethod")
            && digest.is(DSIG, "DigestValue");
        let transforms: Vec<_> = transforms.elements().collect();
        let ([enveloped, exclusive], true) = (transforms.as_slice(), is_named) else {
            return invalid("its transforms are not those of SAML");
        };
        let is_enveloped = enveloped.is(DSIG, "Transform")
            && enveloped.attribute("Algorithm") == Some(ENVELOPED)
            && enveloped.children.is_empty();
        if !is_enveloped || !exclusive.is(DSIG, "Transform") {
            return invalid("its transforms are not those of SAML");
        }
        let algorithm = |element: &Element| element.attribute("Algorithm").unwrap_or_default().to_owned();
        let Some(signature) = Method::of(&algorithm(signature)) else {
            return invalid("its method is not taken");
        };
        let digest_algorithm = match algorithm(digest_method).as_str() {
            "http://www.w3.org/2001/04/xmlenc#sha256" => &SHA256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => &SHA384,
            "http://www.w3.org/2001/04/xmlenc#sha512" => &SHA512,
            _ => return invalid("its digest is not taken"),
        };
        let Some(digest) = digest.text().and_then(decoded) else {
            return invalid("its digest is not base64");
        };
        Ok(Self {
            method: signature,
            inclusive: inclusive_prefixes(method)?,
            uri: reference.attribute("URI").unwrap_or_default().to_owned(),
            reference_inclusive: inclusive_prefixes(exclusive)?,
            digest_algorithm,
            digest,
        })
    }
}

/// The `PrefixList` of an exclusive canonicalization; any other is refused.
fn inclusive_prefixes(method: &Element) -> Result<Vec<String>, SamlError> {
    if method.attribute("Algorithm") != Some(EXCLUSIVE) {
        return invalid("its canonicalization is not taken");
    }
    let list = match &*method.elements().collect::<Vec<_>>() {
        [] => "",
        [list] if list.is(EXCLUSIVE, "InclusiveNamespaces") => {
            list.attribute("PrefixList").unwrap_or_default()
        }
        _ => return invalid("its canonicalization is not taken"),
    };
    let prefixes = list.split(is_space).filter(|prefix| !prefix.is_empty());
    Ok(prefixes
        .map(|prefix| if prefix == "#default" { "" } else { prefix }.to_owned())
        .collect())
}
