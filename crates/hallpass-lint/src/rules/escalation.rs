//! Known ways from the permissions that a policy grants to more of them.
//!
//! Source: the paths that security researchers have published since 2018 (Rhino Security Labs, "AWS IAM privilege
//! escalation methods"), as far as the policy alone decides them. Actions are looked for over all statements.

use super::grants::{Grants, every, narrowed, on};
use crate::catalogue::PRIVILEGE_ESCALATION;
use crate::document::Statement;
use crate::report::{Report, Span};
use std::collections::BTreeMap;

/// One way: the actions that it takes, all of them. The finding stands at the first.
struct Way {
    actions: &'static [&'static str],
    /// The kind of IAM resource that the first action must reach any of.
    kind: &'static str,
    /// For ways by `iam:PassRole`: the service that receives the role.
    service: &'static str,
}

const fn direct(actions: &'static [&'static str], kind: &'static str) -> Way {
    Way {
        actions,
        kind,
        service: "",
    }
}

const fn passing(actions: &'static [&'static str], service: &'static str) -> Way {
    Way {
        actions,
        kind: "role",
        service,
    }
}

const WAYS: &[Way] = &[
    direct(&["iam:CreatePolicyVersion"], "policy"),
    direct(&["iam:SetDefaultPolicyVersion"], "policy"),
    direct(&["iam:AttachUserPolicy"], "user"),
    direct(&["iam:AttachGroupPolicy"], "group"),
    direct(&["iam:AttachRolePolicy"], "role"),
    direct(&["iam:PutUserPolicy"], "user"),
    direct(&["iam:PutGroupPolicy"], "group"),
    direct(&["iam:PutRolePolicy"], "role"),
    direct(&["iam:AddUserToGroup"], "group"),
    direct(&["iam:UpdateAssumeRolePolicy"], "role"),
    direct(&["iam:CreateAccessKey"], "user"),
    direct(&["iam:CreateLoginProfile"], "user"),
    direct(&["iam:UpdateLoginProfile"], "user"),
    direct(&["iam:DeleteUserPermissionsBoundary"], "user"),
    direct(&["iam:DeleteRolePermissionsBoundary"], "role"),
    passing(&["iam:PassRole", "ec2:RunInstances"], "ec2.amazonaws.com"),
    passing(
        &["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"],
        "lambda.amazonaws.com",
    ),
    passing(
        &[
            "iam:PassRole",
            "lambda:CreateFunction",
            "lambda:CreateEventSourceMapping",
        ],
        "lambda.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "lambda:CreateFunction", "lambda:AddPermission"],
        "lambda.amazonaws.com",
    ),
    passing(&["iam:PassRole", "glue:CreateDevEndpoint"], "glue.amazonaws.com"),
    passing(
        &["iam:PassRole", "glue:CreateJob", "glue:StartJobRun"],
        "glue.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "cloudformation:CreateStack"],
        "cloudformation.amazonaws.com",
    ),
    passing(
        &[
            "iam:PassRole",
            "datapipeline:CreatePipeline",
            "datapipeline:PutPipelineDefinition",
        ],
        "datapipeline.amazonaws.com",
    ),
    passing(
        &[
            "iam:PassRole",
            "sagemaker:CreateNotebookInstance",
            "sagemaker:CreatePresignedNotebookInstanceUrl",
        ],
        "sagemaker.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "sagemaker:CreateTrainingJob"],
        "sagemaker.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "sagemaker:CreateProcessingJob"],
        "sagemaker.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"],
        "ecs-tasks.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"],
        "codebuild.amazonaws.com",
    ),
    passing(
        &["iam:PassRole", "ssm:StartAutomationExecution"],
        "ssm.amazonaws.com",
    ),
    passing(
        &[
            "iam:PassRole",
            "states:CreateStateMachine",
            "states:StartExecution",
        ],
        "states.amazonaws.com",
    ),
];

pub(super) fn check(grants: &Grants<'_, '_>, report: &mut Report) {
    if grants.allows.is_empty() {
        return;
    }
    // One wide pattern opens many ways; it gets one finding.
    let mut places: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    for way in WAYS {
        if let Some(span) = open(grants, way) {
            let ways = places.entry((span.start, span.end)).or_default();
            ways.push(way.actions.join(" + "));
        }
    }
    for ((start, end), ways) in places {
        let shown: Vec<&str> = ways.iter().map(String::as_str).take(3).collect();
        let rest = match ways.len().saturating_sub(shown.len()) {
            0 => String::new(),
            rest => format!(", and {rest} more ways"),
        };
        let message = format!(
            "the holder can give itself further permissions: {}{rest}",
            shown.join(", ")
        );
        let help =
            "name the users, roles or policies that are meant, or require an `iam:PermissionsBoundary`";
        report.add(PRIVILEGE_ESCALATION, &(start..end), message, help);
    }
}

fn open(grants: &Grants<'_, '_>, way: &Way) -> Option<Span> {
    let mut place = None;
    for (index, action) in way.actions.iter().enumerate() {
        let action = action.to_ascii_lowercase();
        let span = grants
            .of(&action)
            .find(|grant| index > 0 || reaches(grant.statement, way))
            .map(|grant| grant.span);
        place = place.or(Some(span?));
    }
    place
}

/// Whether the statement's part in the way is not narrowed to resources of somebody's choice.
fn reaches(statement: &Statement<'_>, way: &Way) -> bool {
    let mut others = statement
        .conditions
        .iter()
        .filter(|condition| condition.lower == "iam:passedtoservice")
        .peekable();
    let passed = others.peek().is_none()
        || others.any(|condition| {
            condition
                .values
                .iter()
                .any(|(value, _)| crate::glob::matches(value, way.service))
        });
    let only_passed = statement.has_key(&["iam:passedtoservice"]) && statement.conditions.len() == 1;
    let narrow = (!only_passed || way.service.is_empty()) && narrowed(statement);
    passed && !narrow && on(statement, |text| every(text, way.kind))
}
