//! Service-linked roles: made for a service, changed by nobody else.

use super::{arn_of, job, put_role, role};
use crate::account::role_arn;
use crate::call::{Ctx, Outcome, Requirement};
use crate::entity::{Permissions, Role};
use crate::principals::PrincipalIds;
use crate::state::key;
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_wire::XmlWriter;
use serde_json::json;

/// Roles under it are service-linked, and no others.
const PATH: &str = "/aws-service-role/";
const MAX_SESSION_SECONDS: i64 = 3_600;
/// What may be done to such a role: it may be read, tagged, described and deleted in its own way.
const ALLOWED: [&str; 4] = [
    "TagRole",
    "UntagRole",
    "UpdateRoleDescription",
    "DeleteServiceLinkedRole",
];
/// Services whose role is not called after the first word of their name.
const NAMES: [(&str, &str); 30] = [
    ("autoscaling", "AutoScaling"),
    ("batch", "Batch"),
    ("ecs", "ECS"),
    ("eks", "AmazonEKS"),
    ("eks-nodegroup", "AmazonEKSNodegroup"),
    ("elasticache", "ElastiCache"),
    ("elasticbeanstalk", "ElasticBeanstalk"),
    ("elasticfilesystem", "AmazonElasticFileSystem"),
    ("elasticloadbalancing", "ElasticLoadBalancing"),
    ("elasticmapreduce", "EMRCleanup"),
    ("es", "AmazonElasticsearchService"),
    ("guardduty", "AmazonGuardDuty"),
    ("lex", "LexBots"),
    ("rds", "RDS"),
    ("spot", "EC2Spot"),
    ("spotfleet", "EC2SpotFleet"),
    // The last word is what is scaled (Application Auto Scaling, "Service-linked roles").
    (
        "appstream.application-autoscaling",
        "ApplicationAutoScaling_AppStreamFleet",
    ),
    (
        "cassandra.application-autoscaling",
        "ApplicationAutoScaling_CassandraTable",
    ),
    (
        "comprehend.application-autoscaling",
        "ApplicationAutoScaling_ComprehendEndpoint",
    ),
    (
        "custom-resource.application-autoscaling",
        "ApplicationAutoScaling_CustomResource",
    ),
    (
        "dynamodb.application-autoscaling",
        "ApplicationAutoScaling_DynamoDBTable",
    ),
    (
        "ec2.application-autoscaling",
        "ApplicationAutoScaling_EC2SpotFleetRequest",
    ),
    ("ecs.application-autoscaling", "ApplicationAutoScaling_ECSService"),
    (
        "elasticache.application-autoscaling",
        "ApplicationAutoScaling_ElastiCacheRG",
    ),
    (
        "kafka.application-autoscaling",
        "ApplicationAutoScaling_KafkaCluster",
    ),
    (
        "lambda.application-autoscaling",
        "ApplicationAutoScaling_LambdaConcurrency",
    ),
    (
        "neptune.application-autoscaling",
        "ApplicationAutoScaling_NeptuneCluster",
    ),
    ("rds.application-autoscaling", "ApplicationAutoScaling_RDSCluster"),
    (
        "sagemaker.application-autoscaling",
        "ApplicationAutoScaling_SageMakerEndpoint",
    ),
    (
        "workspaces.application-autoscaling",
        "ApplicationAutoScaling_WorkSpacesPool",
    ),
];

/// Refuses what nobody but the service may do to its role.
pub(super) fn protect(ctx: &Ctx<'_>, role: &Role) -> Result<(), ApiError> {
    let reads = ["Get", "List", "Simulate"]
        .iter()
        .any(|verb| ctx.call.action.starts_with(verb));
    // Its description may be changed, and nothing else (IAM User Guide, "Edit a service-linked role").
    let only_description = ctx.param("Description").is_some() && ctx.param("MaxSessionDuration").is_none();
    let describes = ctx.call.action == "UpdateRole" && only_description;
    let allowed = reads || describes || ALLOWED.contains(&ctx.call.action.as_str());
    if !role.path.starts_with(PATH) || allowed {
        return Ok(());
    }
    Err(ApiError::new(
        "UnmodifiableEntity",
        400,
        format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        ),
    ))
}

/// Nobody makes a role by hand that looks like a service's.
pub(super) fn refuse_path(path: &str) -> Result<(), ApiError> {
    if path.starts_with(PATH) {
        return Err(ApiError::validation(
            "Roles under /aws-service-role/ are made with CreateServiceLinkedRole alone.",
        ));
    }
    Ok(())
}

struct Named<'a> {
    service: &'a str,
    path: String,
    name: String,
}

/// Path and name of the role a call is about.
fn named<'a>(ctx: &'a Ctx<'_>) -> Result<Named<'a>, ApiError> {
    let service = ctx.required("AWSServiceName")?;
    let invalid = || {
        let message = format!("Service role for {service} cannot be created: it names no service");
        ApiError::new("InvalidInput", 400, message)
    };
    let prefix = service.strip_suffix(".amazonaws.com").ok_or_else(invalid)?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if prefix.is_empty() || !prefix.bytes().all(letters) {
        return Err(invalid());
    }
    let known = NAMES
        .iter()
        .find(|(known, _)| *known == prefix)
        .map(|(_, name)| (*name).to_owned());
    let spelled = || {
        let words = prefix.split(['-', '.']).map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        });
        words.collect::<String>()
    };
    let suffix = ctx
        .param("CustomSuffix")
        .map(|suffix| format!("_{suffix}"))
        .unwrap_or_default();
    let name = format!("AWSServiceRoleFor{}{suffix}", known.unwrap_or_else(spelled));
    names::name("RoleName", &name, names::NAME_CHARS_MAX)?;
    Ok(Named {
        service,
        path: format!("{PATH}{service}/"),
        name,
    })
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let Named { service, path, name } = named(ctx)?;
    let on = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, &format!("role{path}{name}")));
    Ok(Requirement::Actions(vec![on.with("iam:AWSServiceName", service)]))
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let Named { service, path, name } = named(ctx)?;
    if ctx.account.role(&name).is_some() {
        let message = format!(
            "Service role name {name} has been taken in this account, please try a different suffix."
        );
        return Err(ApiError::new("InvalidInput", 400, message));
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [service]}}]});
    let role = Role {
        name,
        path,
        id: unique_id(IdKind::Role, &*ctx.env.entropy),
        trust: trust.to_string(),
        description: ctx.param("Description").map(str::to_owned),
        max_session_seconds: MAX_SESSION_SECONDS,
        created: ctx.call.now,
        permissions: Permissions::default(),
        trusted_ids: PrincipalIds::new(),
        revoked_before: None,
    };
    let mut xml = XmlWriter::new();
    xml.element("Role", |xml| super::role::role_xml(ctx, xml, &role));
    let made = Outcome::made(xml, vec![put_role(ctx, &role)])?;
    Ok(made.noting("roleArn", role_arn(ctx.account.id(), &role)))
}

/// Nothing here uses such roles, so that they go at once.
pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let role = &role(ctx)?.role;
    if !role.path.starts_with(PATH) {
        let message = format!("The role {} is not a service-linked role.", role.name);
        return Err(ApiError::new("InvalidInput", 400, message));
    }
    let account = ctx.account.id();
    let (job, mut ops) = job::begin(ctx, &role_arn(account, role), None)?;
    ops.push(Op::Delete(key(account, "role", &role.name)));
    ops.extend(ctx.forget_last_use(&role.id));
    let mut xml = XmlWriter::new();
    xml.text(
        "DeletionTaskId",
        format!("task{}{}/{}", role.path, role.name, job.id),
    );
    Outcome::made(xml, ops)
}

pub(crate) fn status_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let task = ctx.required("DeletionTaskId")?;
    let role = task.strip_prefix("task").and_then(|rest| rest.rsplit_once('/'));
    let role = role.map_or("role/*".to_owned(), |(role, _)| format!("role{role}"));
    let on = ActionOn::new(ctx.call.iam_action(), arn_of(ctx, &role));
    Ok(Requirement::Actions(vec![on]))
}

pub(crate) fn deletion_status(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let task = ctx.required("DeletionTaskId")?;
    let parts = task.strip_prefix("task").and_then(|rest| rest.rsplit_once('/'));
    let known = parts.and_then(|(role, id)| {
        let job = job::find(ctx, id)?;
        (job.arn == arn_of(ctx, &format!("role{role}"))).then_some(())
    });
    known.ok_or_else(|| ApiError::no_such_entity(format!("Deletion task {task} cannot be found.")))?;
    let mut xml = XmlWriter::new();
    xml.text("Status", "SUCCEEDED");
    Outcome::read(xml)
}
