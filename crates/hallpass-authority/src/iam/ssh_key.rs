//! SSH public keys of users (AWS's CodeCommit takes them; nothing here does).

use super::{put_user, user};
use crate::call::{Ctx, Outcome, page_end};
use crate::entity::{SshPublicKey, User};
use crate::{ApiError, password, x509};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_session::random_base32;
use hallpass_wire::XmlWriter;
use md5::{Digest as _, Md5};

const KEYS_MAX: usize = 5;
/// After `APKA`. An id has twenty characters, as an access key's, not an entity's twenty-one.
const ID_LETTERS: usize = 16;
const KIND: &str = "ssh-rsa";
/// IAM takes 2,048 bits at least; the modulus begins with a zero byte.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=2_049;

fn invalid() -> ApiError {
    ApiError::new(
        "InvalidPublicKey",
        400,
        "The public key is malformed or otherwise invalid.",
    )
}

/// Exponent and modulus out of the key's bytes (RFC 4253 §6.6).
fn parts(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (field, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        *rest = after;
        Some(field)
    }
    let mut rest = blob;
    let kind = field(&mut rest)?;
    let (exponent, modulus) = (field(&mut rest)?, field(&mut rest)?);
    let sound = kind == KIND.as_bytes() && rest.is_empty() && MODULUS_BYTES.contains(&modulus.len());
    (sound && !exponent.is_empty()).then_some((exponent, modulus))
}

fn blob(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for field in [KIND.as_bytes(), exponent, modulus] {
        out.extend(u32::try_from(field.len()).unwrap_or(0).to_be_bytes());
        out.extend(field);
    }
    out
}

/// The key's bytes, from the text of an SSH public key or a PEM block.
fn read(text: &str) -> Result<Vec<u8>, ApiError> {
    let text = text.trim();
    let bytes = if text.starts_with("-----BEGIN") {
        let (modulus, exponent) = x509::rsa_public_key(text).ok_or_else(invalid)?;
        blob(&modulus, &exponent)
    } else {
        let mut words = text.split_whitespace();
        if words.next() != Some(KIND) {
            return Err(ApiError::new(
                "UnrecognizedPublicKeyEncoding",
                400,
                "The public key encoding format is unsupported or unrecognized.",
            ));
        }
        let body = words.next().and_then(|body| STANDARD.decode(body).ok());
        body.ok_or_else(invalid)?
    };
    parts(&bytes).map(|_| ()).ok_or_else(invalid)?;
    Ok(bytes)
}

pub(crate) fn upload(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    let bytes = read(ctx.required("SSHPublicKeyBody")?)?;
    let body = format!("{KIND} {}", STANDARD.encode(&bytes));
    let kept = &mut changed.credentials.ssh_keys;
    if kept.iter().any(|other| other.body == body) {
        return Err(ApiError::new(
            "DuplicateSSHPublicKey",
            400,
            "The SSH public key is already associated with the specified IAM user.",
        ));
    }
    if kept.len() >= KEYS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for SSHPublicKeysPerUser: {KEYS_MAX}"
        )));
    }
    let digits = password::hex(&Md5::digest(&bytes));
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok());
    let key = SshPublicKey {
        id: format!("APKA{}", random_base32(&*ctx.env.entropy, ID_LETTERS)),
        body,
        fingerprint: pairs.collect::<Vec<_>>().join(":"),
        is_active: true,
        uploaded: ctx.call.now,
    };
    kept.push(key.clone());
    let xml = key_xml(&changed, &key, &key.body);
    Ok(Outcome::made(xml, vec![put_user(ctx, &changed)])?.noting("sshPublicKeyId", &key.id))
}

fn key_xml(user: &User, key: &SshPublicKey, body: &str) -> XmlWriter {
    let mut xml = XmlWriter::new();
    xml.element("SSHPublicKey", |xml| {
        xml.text("UserName", &user.name)
            .text("SSHPublicKeyId", &key.id)
            .text("Fingerprint", &key.fingerprint)
            .text("SSHPublicKeyBody", body)
            .text("Status", super::status(key.is_active))
            .text("UploadDate", key.uploaded.iso8601());
    });
    xml
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    let mut xml = XmlWriter::new();
    xml.list(
        "SSHPublicKeys",
        "member",
        &user.credentials.ssh_keys,
        |xml, key| {
            xml.text("UserName", &user.name)
                .text("SSHPublicKeyId", &key.id)
                .text("Status", super::status(key.is_active))
                .text("UploadDate", key.uploaded.iso8601());
        },
    );
    page_end(&mut xml, None);
    Outcome::read(xml)
}

/// The user with the place of the key named.
fn find(ctx: &Ctx<'_>) -> Result<(User, usize), ApiError> {
    let id = ctx.required("SSHPublicKeyId")?;
    let user = user(ctx)?.user.clone();
    let place = user.credentials.ssh_keys.iter().position(|key| key.id == id);
    let place = place.ok_or_else(|| {
        ApiError::no_such_entity(format!("The SSH public key with id {id} cannot be found."))
    })?;
    Ok((user, place))
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (user, place) = find(ctx)?;
    let key = user.credentials.ssh_keys.get(place).ok_or_else(invalid)?;
    let body = match ctx.required("Encoding")? {
        "PEM" => {
            let bytes = read(&key.body)?;
            let (exponent, modulus) = parts(&bytes).ok_or_else(invalid)?;
            x509::rsa_public_key_pem(modulus, exponent)
        }
        _ => key.body.clone(),
    };
    Outcome::read(key_xml(&user, key, &body))
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    let is_active = super::is_active(ctx)?;
    if let Some(key) = user.credentials.ssh_keys.get_mut(place) {
        key.is_active = is_active;
    }
    Outcome::wrote(vec![put_user(ctx, &user)])
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    user.credentials.ssh_keys.remove(place);
    Outcome::wrote(vec![put_user(ctx, &user)])
}
