//! Which services an entity may use, and when it last did ("access advisor").

use super::policy_use::{documents_of, holders, named_services};
use super::{arn_of, job};
use crate::account::{group_arn, role_arn, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::{Job, LastUse, Permissions, Use};
use crate::{ApiError, managed};
use hallpass_access::ActionOn;
use hallpass_wire::XmlWriter;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("Arn")?;
    Ok(Requirement::Actions(vec![ActionOn::new(
        ctx.call.iam_action(),
        arn,
    )]))
}

pub(crate) fn generate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = ctx.required("Arn")?;
    subject(ctx, arn)?;
    let granularity = ctx.param("Granularity").unwrap_or("SERVICE_LEVEL");
    let (job, ops) = job::begin(ctx, arn, Some(granularity))?;
    let mut xml = XmlWriter::new();
    xml.text("JobId", &job.id);
    Outcome::made(xml, ops)
}

/// A user or role that acted, by itself.
struct Entity {
    arn: String,
    kind: &'static str,
    name: String,
    id: String,
    path: String,
    used: LastUse,
}

/// Whom a job is about: those whose uses count, and the services their policies name.
struct Subject {
    entities: Vec<Entity>,
    services: BTreeSet<String>,
}

fn entity(ctx: &Ctx<'_>, kind: &'static str, name: &str, id: &str, path: &str) -> Entity {
    let resource = format!("{}{path}{name}", kind.to_ascii_lowercase());
    Entity {
        arn: arn_of(ctx, &resource),
        kind,
        name: name.to_owned(),
        id: id.to_owned(),
        path: path.to_owned(),
        used: ctx.last_use(id),
    }
}

fn subject(ctx: &Ctx<'_>, arn: &str) -> Result<Subject, ApiError> {
    let id = ctx.account.id();
    let name = arn.rsplit('/').next().unwrap_or_default();
    let of_user = |user: &crate::entity::User| entity(ctx, "USER", &user.name, &user.id, &user.path);
    let mut permissions: Vec<&Permissions> = vec![];
    let mut entities = vec![];
    if let Some(user) = ctx
        .account
        .user(name)
        .filter(|user| user_arn(id, &user.user) == arn)
    {
        permissions.push(&user.user.permissions);
        permissions.extend(
            ctx.account
                .groups_of(&user.user)
                .map(|group| &group.group.permissions),
        );
        entities.push(of_user(&user.user));
    } else if let Some(role) = ctx
        .account
        .role(name)
        .filter(|role| role_arn(id, &role.role) == arn)
    {
        let role = &role.role;
        permissions.push(&role.permissions);
        entities.push(entity(ctx, "ROLE", &role.name, &role.id, &role.path));
    } else if let Some(group) = ctx
        .account
        .group(name)
        .filter(|group| group_arn(id, &group.group) == arn)
    {
        permissions.push(&group.group.permissions);
        entities.extend(ctx.account.members_of(group).map(|user| of_user(&user.user)));
    } else if ctx.account.managed_policy(arn).is_some() {
        let policy = Permissions {
            attached: vec![arn.to_owned()],
            ..Permissions::default()
        };
        let attached = |permissions: &Permissions| permissions.attached.iter().any(|other| other == arn);
        let users = ctx.account.users.values().map(|user| &user.user);
        let users = users.filter(|user| {
            let mut groups = ctx.account.groups_of(user);
            attached(&user.permissions) || groups.any(|group| attached(&group.group.permissions))
        });
        entities.extend(users.map(of_user));
        let roles = holders(ctx).filter(|holder| holder.kind == "ROLE" && attached(holder.permissions));
        entities.extend(roles.map(|role| entity(ctx, role.kind, role.name, role.id, role.path)));
        let services = named_services(documents_of(ctx, &policy));
        return Ok(Subject { entities, services });
    } else {
        let is_aws = managed::is_aws(arn);
        let message = match is_aws {
            true => format!("Policy {arn} is not known here."),
            false => format!("ARN {arn} cannot be found."),
        };
        return Err(ApiError::no_such_entity(message));
    }
    let documents = permissions
        .into_iter()
        .flat_map(|permissions| documents_of(ctx, permissions));
    let mut services = named_services(documents);
    for entity in &entities {
        services.extend(entity.used.services.keys().cloned());
    }
    Ok(Subject { entities, services })
}

fn job<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<Job>, ApiError> {
    let id = ctx.required("JobId")?;
    job::find(ctx, id)
        .filter(|job| job.granularity.is_some())
        .ok_or_else(|| ApiError::no_such_entity(format!("Job {id} cannot be found.")))
}

fn head_xml(xml: &mut XmlWriter, job: &Job) {
    xml.text("JobStatus", "COMPLETED")
        .text("JobCreationDate", job.created.iso8601())
        .text("JobCompletionDate", job.created.iso8601());
}

/// The answer shows what is known when it is asked, which may be more than when the job began.
pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let job = job(ctx)?;
    let subject = subject(ctx, &job.arn)?;
    let (services, marker) = ctx.page(subject.services.into_iter().collect(), Clone::clone)?;
    let mut xml = XmlWriter::new();
    head_xml(&mut xml, job);
    xml.optional("JobType", job.granularity.as_deref());
    xml.list("ServicesLastAccessed", "member", services, |xml, service| {
        let uses = uses(&subject.entities, &service);
        xml.text("ServiceName", &service)
            .text("ServiceNamespace", &service);
        if let Some((entity, used)) = uses.iter().max_by_key(|(_, used)| used.at) {
            xml.text("LastAuthenticated", used.at.iso8601())
                .text("LastAuthenticatedEntity", &entity.arn)
                .text("LastAuthenticatedRegion", &used.region);
        }
        xml.text("TotalAuthenticatedEntities", uses.len().to_string());
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

fn uses<'a>(entities: &'a [Entity], service: &str) -> Vec<(&'a Entity, &'a Use)> {
    let used = |entity: &'a Entity| Some((entity, entity.used.services.get(service)?));
    entities.iter().filter_map(used).collect()
}

pub(crate) fn with_entities(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let job = job(ctx)?;
    let subject = subject(ctx, &job.arn)?;
    let mut used = uses(&subject.entities, ctx.required("ServiceNamespace")?);
    used.sort_by(|(left, _), (right, _)| left.arn.cmp(&right.arn));
    let (page, marker) = ctx.page(used, |(entity, _)| entity.arn.clone())?;
    let mut xml = XmlWriter::new();
    head_xml(&mut xml, job);
    xml.list("EntityDetailsList", "member", page, |xml, (entity, used)| {
        xml.element("EntityInfo", |xml| {
            xml.text("Arn", &entity.arn)
                .text("Name", &entity.name)
                .text("Type", entity.kind)
                .text("Id", &entity.id)
                .text("Path", &entity.path);
        });
        xml.text("LastAuthenticated", used.at.iso8601());
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}
