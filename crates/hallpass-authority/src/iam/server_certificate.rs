//! Server certificates: kept for whoever deploys them. The private key is sealed and never told.

use super::{arn_of, put, tagging, tags_xml, under_path};
use crate::account::iam_arn;
use crate::call::{Ctx, Outcome, Requirement, page_end, with_resource_tags};
use crate::entity::ServerCertificate;
use crate::state::key;
use crate::{ApiError, names, x509};
use hallpass_access::ActionOn;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_types::AccountId;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

fn arn(account: AccountId, certificate: &ServerCertificate) -> String {
    let (path, name) = (&certificate.path, &certificate.name);
    iam_arn(account, &format!("server-certificate{path}{name}"))
}

fn named(ctx: &Ctx<'_>) -> Result<ActionOn, ApiError> {
    let name = ctx.required("ServerCertificateName")?;
    let action = ctx.call.iam_action();
    let on = match ctx.account.server_certificate(name) {
        Some(found) => with_resource_tags(ActionOn::new(action, arn(ctx.account.id(), found)), &found.tags),
        None => ActionOn::new(action, arn_of(ctx, &format!("server-certificate/{name}"))),
    };
    tagging::on_request(ctx, on)
}

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![named(ctx)?]))
}

pub(crate) fn upload_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let (path, name) = (
        names::path(&ctx.call.params)?,
        ctx.required("ServerCertificateName")?,
    );
    let arn = arn_of(ctx, &format!("server-certificate{path}{name}"));
    let on = ActionOn::new(ctx.call.iam_action(), arn);
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, on)?]))
}

/// Under its old name and under its new one ("UpdateServerCertificate").
pub(crate) fn update_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let mut actions = vec![named(ctx)?];
    if let Ok(changed) = renamed(ctx) {
        actions.push(ActionOn::new(
            ctx.call.iam_action(),
            arn(ctx.account.id(), &changed),
        ));
    }
    Ok(Requirement::Actions(actions))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let action = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, "server-certificate/"));
    Ok(Requirement::Actions(vec![action]))
}

fn find<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<ServerCertificate>, ApiError> {
    let name = ctx.required("ServerCertificateName")?;
    ctx.account.server_certificate(name).ok_or_else(|| {
        ApiError::no_such_entity(format!(
            "The Server Certificate with name {name} cannot be found."
        ))
    })
}

fn put_certificate(ctx: &Ctx<'_>, certificate: &ServerCertificate) -> Op {
    put(
        key(ctx.account.id(), "certificate", &certificate.name),
        certificate,
    )
}

pub(crate) fn upload(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = ctx.required("ServerCertificateName")?;
    if ctx.account.server_certificate(name).is_some() {
        return Err(ApiError::exists(format!(
            "The Server Certificate with name {name} already exists."
        )));
    }
    let malformed = |message| ApiError::new("MalformedCertificate", 400, message);
    let (body, private_key) = (ctx.required("CertificateBody")?, ctx.required("PrivateKey")?);
    let parsed = x509::certificate(body).ok_or_else(|| {
        malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.")
    })?;
    let chain = ctx.param("CertificateChain");
    if chain.is_some_and(|chain| x509::pem(chain, "CERTIFICATE").is_empty()) {
        return Err(malformed(
            "Unable to parse certificate chain. Please ensure the certificates are in PEM format.",
        ));
    }
    let public_key = x509::public_key_of(private_key).ok_or_else(|| {
        malformed("Unable to parse key. Please ensure the private key is in PEM format and not encrypted.")
    })?;
    if public_key != parsed.public_key {
        return Err(ApiError::new(
            "KeyPairMismatch",
            400,
            "The public key certificate and the private key do not match.",
        ));
    }
    let id = unique_id(IdKind::ServerCertificate, &*ctx.env.entropy);
    let root = ctx.env.keyring();
    let sealed_private_key = root
        .seal(&seal_purpose(&id), private_key, &*ctx.env.entropy)
        .map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))?;
    let certificate = ServerCertificate {
        name: name.to_owned(),
        path: names::path(&ctx.call.params)?,
        id,
        body: body.to_owned(),
        chain: chain.map(str::to_owned),
        sealed_private_key,
        uploaded: ctx.call.now,
        expires: parsed.not_after,
        tags: names::tags(&ctx.call.params)?,
    };
    let mut xml = XmlWriter::new();
    xml.element("ServerCertificateMetadata", |xml| {
        metadata_xml(ctx, xml, &certificate)
    });
    if !certificate.tags.is_empty() {
        tags_xml(&mut xml, &certificate.tags);
    }
    let made = Outcome::made(xml, vec![put_certificate(ctx, &certificate)])?;
    Ok(made.noting("serverCertificateId", &certificate.id))
}

fn metadata_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, certificate: &ServerCertificate) {
    xml.text("Path", &certificate.path)
        .text("ServerCertificateName", &certificate.name)
        .text("ServerCertificateId", &certificate.id)
        .text("Arn", arn(ctx.account.id(), certificate))
        .text("UploadDate", certificate.uploaded.iso8601())
        .text("Expiration", certificate.expires.iso8601());
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let certificate = find(ctx)?;
    let mut xml = XmlWriter::new();
    xml.element("ServerCertificate", |xml| {
        xml.element("ServerCertificateMetadata", |xml| {
            metadata_xml(ctx, xml, certificate)
        });
        xml.text("CertificateBody", &certificate.body)
            .optional("CertificateChain", certificate.chain.as_deref());
        if !certificate.tags.is_empty() {
            tags_xml(xml, &certificate.tags);
        }
    });
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let all = ctx.account.server_certificates.values();
    let all = all
        .filter(|certificate| under_path(ctx, &certificate.path))
        .collect();
    let (page, marker) = ctx.page(all, |certificate| certificate.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list(
        "ServerCertificateMetadataList",
        "member",
        page,
        |xml, certificate| {
            metadata_xml(ctx, xml, certificate);
        },
    );
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

fn renamed(ctx: &Ctx<'_>) -> Result<ServerCertificate, ApiError> {
    let mut changed = ServerCertificate::clone(find(ctx)?);
    if let Some(path) = ctx.param("NewPath") {
        path.clone_into(&mut changed.path);
    }
    if let Some(name) = ctx.param("NewServerCertificateName") {
        name.clone_into(&mut changed.name);
    }
    Ok(changed)
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (old, changed) = (find(ctx)?, renamed(ctx)?);
    let mut ops = vec![put_certificate(ctx, &changed)];
    if !changed.name.eq_ignore_ascii_case(&old.name) {
        if ctx.account.server_certificate(&changed.name).is_some() {
            return Err(ApiError::exists(format!(
                "The Server Certificate with name {} already exists.",
                changed.name
            )));
        }
        ops.push(Op::Delete(key(ctx.account.id(), "certificate", &old.name)));
    }
    Outcome::wrote(ops)
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = &find(ctx)?.name;
    Outcome::wrote(vec![Op::Delete(key(ctx.account.id(), "certificate", name))])
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::tag(
        ctx,
        ServerCertificate::clone(find(ctx)?),
        |it| &mut it.tags,
        put_certificate,
    )
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::untag(
        ctx,
        ServerCertificate::clone(find(ctx)?),
        |it| &mut it.tags,
        put_certificate,
    )
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::list(ctx, &find(ctx)?.tags)
}

/// What a certificate's private key is sealed for.
pub(crate) fn seal_purpose(id: &str) -> String {
    format!("certificate/{id}")
}
