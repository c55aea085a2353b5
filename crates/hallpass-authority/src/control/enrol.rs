//! How a machine becomes an instance: a secret that is good once, a key of its own, certificates that renew themselves.

use crate::ApiError;
use crate::authority::Authority;
use crate::call::{Ctx, Outcome, Requirement};
use crate::certificates::{NodeName, fingerprint, hex};
use crate::entity::{Enrolment, Instance, InstanceState, Node};
use crate::identity_document::IdentityDocumentError;
use crate::state::{key, put};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_access::ActionOn;
use hallpass_store::Op;
use hallpass_types::{Arn, UnixSeconds};
use hallpass_wire::XmlWriter;

/// How long an enrolment secret is good if nothing is said.
const ENROLMENT_SECONDS: i64 = 3_600;
/// A machine that is racked today and switched on next week.
const ENROLMENT_SECONDS_MAX: i64 = 30 * 86_400;
/// Unused secrets of one instance; the oldest goes.
const ENROLMENTS_MAX: usize = 5;

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let id = ctx.required("InstanceId")?;
    let arn = Arn::aws(
        "ec2",
        &ctx.env.region,
        ctx.account.id().as_str(),
        &format!("instance/{id}"),
    );
    Ok(Requirement::Actions(vec![ActionOn::new(
        "hallpass:CreateEnrolment",
        arn.to_string(),
    )]))
}

/// `HPE1-SECRET-FINGERPRINT`: what a machine needs to enrol, and to know whom it enrols with. The store has the secret's
/// digest only.
pub(super) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let id = ctx.required("InstanceId")?;
    let instance = ctx
        .account
        .instances
        .get(id)
        .filter(|instance| instance.state == InstanceState::Running)
        .ok_or_else(|| ApiError::no_such_entity(format!("There is no running instance {id}.")))?;
    let seconds = ctx.integer("DurationSeconds")?.unwrap_or(ENROLMENT_SECONDS);
    if !(60..=ENROLMENT_SECONDS_MAX).contains(&seconds) {
        return Err(ApiError::validation(format!(
            "DurationSeconds lies between 60 and {ENROLMENT_SECONDS_MAX}"
        )));
    }
    let authority = ctx.state.authorities.values().find(|one| one.is_current);
    let authority = authority.ok_or_else(|| {
        ApiError::new(
            "ServiceFailure",
            500,
            "This system enrols no machines: it has no control listener.",
        )
    })?;
    let certificate = STANDARD.decode(&authority.certificate).unwrap_or_default();
    let mut secret = [0u8; 32];
    ctx.env.entropy.fill(&mut secret);
    let secret = hex(&secret);
    let until = ctx.call.now.plus(seconds);
    let enrolment = Enrolment {
        instance: id.to_owned(),
        until,
    };
    let mut ops = vec![put(
        key(ctx.account.id(), "enrolment", &secret_digest(&secret)),
        &enrolment,
    )];
    let mut others: Vec<_> = ctx
        .account
        .enrolments
        .iter()
        .filter(|(_, other)| other.instance == id || other.until < ctx.call.now)
        .collect();
    others.sort_by_key(|(_, other)| other.until);
    let kept = ENROLMENTS_MAX.saturating_sub(1);
    let surplus = others.len().saturating_sub(kept);
    let old = others
        .iter()
        .enumerate()
        .filter(|(position, (_, other))| *position < surplus || other.until < ctx.call.now)
        .take(50);
    ops.extend(old.map(|(_, (name, _))| Op::Delete(key(ctx.account.id(), "enrolment", name))));
    let mut xml = XmlWriter::new();
    xml.text("InstanceId", &instance.id)
        .text("Secret", format!("HPE1-{secret}-{}", fingerprint(&certificate)))
        .text("Expiration", until.iso8601());
    Outcome::made(xml, ops)
}

/// SHA-256 of a secret, in hex: what the store knows of it.
fn secret_digest(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// A machine's certificate, and what it needs beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The instance it is.
    pub instance: String,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// What the servers' certificates are of, DER.
    pub authorities: Vec<Vec<u8>>,
    /// When the certificate ends.
    pub not_after: UnixSeconds,
}

/// Why a machine is not known, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// The secret is not one, was used, is over, or its instance is gone: nobody is told which.
    #[error("the enrolment secret is not good: it was used, is over, or never was one")]
    Secret,
    /// The identity document is not one that is taken here.
    #[error("the identity document is not good here: {0}")]
    Document(#[from] IdentityDocumentError),
    /// The identity document was good, and was used.
    #[error(
        "this machine enrolled by its identity document already, as {0}: a document is good once; to enrol it again, \
         an operator runs `hallpass enrol`, with `--instance {0}` while that instance is running"
    )]
    DocumentUsed(String),
    /// The settings name what is not there.
    #[error("this server is not ready for machines of EC2; its log says why")]
    NotReady,
    /// The certificate's instance has another key by now, was revoked or terminated.
    #[error("the machine is not enrolled as {0}: enrol it again")]
    NotEnrolled(String),
    /// The signing request or the authority.
    #[error("{0}")]
    Certificate(String),
    /// The store.
    #[error("{0}")]
    Store(String),
}

impl Authority {
    pub(super) fn arn_of(&self, instance: &Instance) -> String {
        let id = &instance.id;
        Arn::aws(
            "ec2",
            &self.env.region,
            instance.account.as_str(),
            &format!("instance/{id}"),
        )
        .to_string()
    }

    /// Uses an enrolment secret: the machine with the request's key is the instance from now on, whatever machine was it
    /// before.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn enrol(
        &self,
        secret: &str,
        request: &[u8],
        now: UnixSeconds,
    ) -> Result<Enrolled, EnrolError> {
        let digest = secret_digest(secret);
        let found = {
            let state = self.read();
            state.accounts.values().find_map(|account| {
                let enrolment = account.enrolments.get(&digest)?;
                account.instances.get(&enrolment.instance).cloned()
            })
        };
        let instance = found.ok_or(EnrolError::Secret)?;
        let signed = self
            .sign_node(request, &self.arn_of(&instance), &instance.id, now)
            .map_err(|error| EnrolError::Certificate(error.to_string()))?;
        let is_done = self
            .change(|state| {
                // Judged on the state that is written: of two that come with the same secret, one finds it.
                let account = state.account(instance.account);
                let good = account.and_then(|account| {
                    let enrolment = account.enrolments.get(&digest)?;
                    let instance = account.instances.get(&enrolment.instance)?;
                    let is_good = now < enrolment.until && instance.state == InstanceState::Running;
                    is_good.then(|| Instance::clone(instance))
                });
                let Some(mut next) = good else {
                    return Ok((false, vec![]));
                };
                next.node = Some(Node {
                    key: signed.key.clone(),
                    enrolled: now,
                    not_after: signed.not_after,
                });
                let ops = vec![
                    put(key(next.account, "instance", &next.id), &next),
                    Op::Delete(key(next.account, "enrolment", &digest)),
                ];
                Ok((true, ops))
            })
            .await
            .map_err(|error| EnrolError::Store(error.to_string()))?;
        if !is_done {
            return Err(EnrolError::Secret);
        }
        Ok(Enrolled {
            instance: instance.id.clone(),
            certificate: signed.certificate,
            authorities: self.certificate_authorities(),
            not_after: signed.not_after,
        })
    }

    /// The running instance whose machine has this key, as its certificate says.
    ///
    /// # Errors
    /// [`EnrolError::NotEnrolled`].
    pub fn enrolled_instance(&self, name: &NodeName, machine_key: &str) -> Result<Instance, EnrolError> {
        let NodeName::Instance(arn) = name else {
            return Err(EnrolError::NotEnrolled("a server".to_owned()));
        };
        let id = arn.rsplit('/').next().unwrap_or_default();
        self.instance(id)
            .filter(|instance| instance.state == InstanceState::Running && self.arn_of(instance) == *arn)
            .filter(|instance| instance.node.as_ref().is_some_and(|node| node.key == machine_key))
            .ok_or_else(|| EnrolError::NotEnrolled(id.to_owned()))
    }

    /// A new certificate for a machine that shows a good one, for the same key.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub fn renew(
        &self,
        instance: &Instance,
        request: &[u8],
        now: UnixSeconds,
    ) -> Result<Enrolled, EnrolError> {
        let signed = self
            .sign_node(request, &self.arn_of(instance), &instance.id, now)
            .map_err(|error| EnrolError::Certificate(error.to_string()))?;
        if instance.node.as_ref().is_none_or(|node| node.key != signed.key) {
            return Err(EnrolError::NotEnrolled(instance.id.clone()));
        }
        Ok(Enrolled {
            instance: instance.id.clone(),
            certificate: signed.certificate,
            authorities: self.certificate_authorities(),
            not_after: signed.not_after,
        })
    }
}
