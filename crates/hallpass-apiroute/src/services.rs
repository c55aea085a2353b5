//! What the models do not say: how a service's requests name its resources, and its condition keys.

mod bedrock;
mod dynamodb;
mod ec2;
mod events;
mod iam;
mod kms;
mod lambda;
mod logs;
mod messaging;
mod parameters;
mod rolesanywhere;

use crate::asked::{Asked, Found};
use crate::value::Value;
use hallpass_access::ActionOn;
use hallpass_reference::Action;

/// All actions of an operation whose body decides which they are; `None` for the others.
pub(crate) fn whole(asked: &Asked<'_>) -> Option<Vec<ActionOn>> {
    match asked.service() {
        "dynamodb" => dynamodb::whole(asked),
        "kms" => kms::whole(asked),
        "secretsmanager" => parameters::whole(asked),
        _ => None,
    }
}

/// The resources of one action that has some.
pub(crate) fn resources(asked: &Asked<'_>, action: &Action) -> Found {
    match asked.service() {
        "sqs" => messaging::queue(asked),
        "sns" => messaging::topic(asked),
        "kinesis" => messaging::stream(asked),
        "firehose" => messaging::delivery_stream(asked),
        "dynamodb" => dynamodb::resources(asked),
        "dynamodbstreams" => dynamodb::stream(asked),
        "sts" => iam::assumed(asked),
        "iam" => iam::resources(asked),
        "kms" => kms::resources(asked),
        "secretsmanager" => parameters::secret(asked),
        "ssm" => parameters::parameter(asked, action),
        "lambda" => lambda::resources(asked, action),
        "cloudwatch" => logs::alarms(asked),
        "logs" => logs::resources(asked, action),
        "bedrock-runtime" => bedrock::model(asked),
        "events" => events::resources(asked),
        "stepfunctions" => events::state_machine(asked),
        "ec2" => ec2::resources(asked),
        "apigateway" | "apigatewayv2" => path_of_api(asked),
        _ => Found::Generic,
    }
}

/// Condition keys of every action of the request.
pub(crate) fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    match asked.service() {
        "dynamodb" => dynamodb::keys(asked),
        "kms" => kms::keys(asked),
        "secretsmanager" | "ssm" => parameters::keys(asked),
        "sns" => from_members(
            asked,
            &[("Protocol", "sns:Protocol"), ("Endpoint", "sns:Endpoint")],
        ),
        "cloudwatch" => from_members(asked, &[("Namespace", "cloudwatch:namespace")]),
        "lambda" => lambda::keys(asked),
        "sts" => iam::keys(asked),
        "iam" => from_members(
            asked,
            &[
                ("PolicyArn", "iam:PolicyARN"),
                ("PermissionsBoundary", "iam:PermissionsBoundary"),
                ("AWSServiceName", "iam:AWSServiceName"),
            ],
        ),
        _ => vec![],
    }
}

/// Operations with something in their body that counts and that the models' names do not show.
pub(crate) fn needs_body(service: &str, operation: &str) -> bool {
    (service, operation) == ("rolesanywhere", "UpdateProfile")
}

/// Actions beside the operation's own.
pub(crate) fn extra(asked: &Asked<'_>) -> Vec<ActionOn> {
    match asked.service() {
        "ec2" => ec2::passed_profile(asked),
        "iam" => iam::passed_role(asked),
        "rolesanywhere" => rolesanywhere::passed_roles(asked),
        _ => vec![],
    }
}

/// The service that a role is passed to, where it is certain.
///
/// Source: IAM User Guide, "AWS services that work with IAM", and the services' pages on their roles.
pub(crate) fn passed_to(service: &str) -> Option<&'static str> {
    Some(match service {
        "lambda" => "lambda.amazonaws.com",
        "ec2" => "ec2.amazonaws.com",
        "stepfunctions" => "states.amazonaws.com",
        "cloudformation" => "cloudformation.amazonaws.com",
        "glue" => "glue.amazonaws.com",
        "sagemaker" => "sagemaker.amazonaws.com",
        "firehose" => "firehose.amazonaws.com",
        "ecs" => "ecs-tasks.amazonaws.com",
        "eks" => "eks.amazonaws.com",
        "codebuild" => "codebuild.amazonaws.com",
        "codepipeline" => "codepipeline.amazonaws.com",
        "events" => "events.amazonaws.com",
        "scheduler" => "scheduler.amazonaws.com",
        "bedrock" | "bedrock-agent" => "bedrock.amazonaws.com",
        _ => return None,
    })
}

/// Members of the body that are condition keys under another name.
fn from_members(asked: &Asked<'_>, names: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    let named = names.iter();
    named
        .filter_map(|(member, key)| Some(((*key).to_owned(), vec![asked.text(member)?.to_owned()])))
        .collect()
}

/// API Gateway: the path is the resource. Source: API Gateway, "How to identify resources in policies".
fn path_of_api(asked: &Asked<'_>) -> Found {
    let path = &asked.request.path;
    let is_plain = !path.contains(['%', '*', '?']);
    Found::one(is_plain.then(|| asked.arn_in("apigateway", asked.region, "", path)))
}

fn text_of<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.text()
}
