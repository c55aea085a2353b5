//! X.509 signing certificates of users. No service here takes what they sign.

use super::{put_user, user};
use crate::call::{Ctx, Outcome, page_end};
use crate::entity::{SigningCertificate, User};
use crate::{ApiError, x509};
use hallpass_session::random_base32;
use hallpass_wire::XmlWriter;

const CERTIFICATES_MAX: usize = 2;
const ID_LETTERS: usize = 32;

fn certificate_xml(xml: &mut XmlWriter, user: &User, certificate: &SigningCertificate) {
    xml.text("UserName", &user.name)
        .text("CertificateId", &certificate.id)
        .text("CertificateBody", &certificate.body)
        .text("Status", super::status(certificate.is_active))
        .text("UploadDate", certificate.uploaded.iso8601());
}

pub(crate) fn upload(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    let body = ctx.required("CertificateBody")?;
    if x509::certificate(body).is_none() {
        return Err(ApiError::new(
            "MalformedCertificate",
            400,
            "Unable to parse certificate. Please ensure the certificate is in PEM format.",
        ));
    }
    let kept = &mut changed.credentials.signing_certificates;
    if kept.iter().any(|other| other.body.trim() == body.trim()) {
        return Err(ApiError::new(
            "DuplicateCertificate",
            409,
            "The same certificate is already associated with the user.",
        ));
    }
    if kept.len() >= CERTIFICATES_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for CertificatesPerUser: {CERTIFICATES_MAX}"
        )));
    }
    let certificate = SigningCertificate {
        id: random_base32(&*ctx.env.entropy, ID_LETTERS),
        body: body.to_owned(),
        is_active: true,
        uploaded: ctx.call.now,
    };
    kept.push(certificate.clone());
    let mut xml = XmlWriter::new();
    xml.element("Certificate", |xml| certificate_xml(xml, &changed, &certificate));
    Ok(Outcome::made(xml, vec![put_user(ctx, &changed)])?.noting("certificateId", &certificate.id))
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    let mut xml = XmlWriter::new();
    let certificates = &user.credentials.signing_certificates;
    xml.list("Certificates", "member", certificates, |xml, certificate| {
        certificate_xml(xml, user, certificate);
    });
    page_end(&mut xml, None);
    Outcome::read(xml)
}

/// The user with the place of the certificate named.
fn find(ctx: &Ctx<'_>) -> Result<(User, usize), ApiError> {
    let id = ctx.required("CertificateId")?;
    let user = user(ctx)?.user.clone();
    let mut kept = user.credentials.signing_certificates.iter();
    let place = kept
        .position(|certificate| certificate.id == id)
        .ok_or_else(|| ApiError::no_such_entity(format!("The Certificate with id {id} cannot be found.")))?;
    Ok((user, place))
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    let is_active = super::is_active(ctx)?;
    if let Some(certificate) = user.credentials.signing_certificates.get_mut(place) {
        certificate.is_active = is_active;
    }
    Outcome::wrote(vec![put_user(ctx, &user)])
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (mut user, place) = find(ctx)?;
    user.credentials.signing_certificates.remove(place);
    Outcome::wrote(vec![put_user(ctx, &user)])
}
