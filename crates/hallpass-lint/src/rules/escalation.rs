//! Known ways from the permissions that a policy grants to more of them.
//!
//! Source: the paths that security researchers have published since 2018 (Rhino Security Labs, "AWS IAM privilege
//! escalation methods"), as far as the policy alone decides them. Actions are looked for over all statements.
//!
//! What a user may do to itself opens a way where it changes permissions. A key or a password of its own gives it
//! nothing that it lacks: AWS's policies for self-service allow those.

use super::grants::{Grants, arn, every, narrowed, on};
use crate::catalogue::PRIVILEGE_ESCALATION;
use crate::document::Statement;
use crate::glob;
use crate::report::{Report, Span};
use std::collections::BTreeMap;

/// One way: the actions that it takes, all of them. The finding stands at the first.
struct Way {
    actions: &'static [&'static str],
    /// The kind of IAM resource that the first action must reach any of.
    kind: &'static str,
    /// For ways by `iam:PassRole`: the service that receives the role.
    service: &'static str,
    /// The way is open to a user that reaches no other user than itself.
    alone: bool,
}

const fn direct(actions: &'static [&'static str], kind: &'static str) -> Way {
    Way {
        actions,
        kind,
        service: "",
        alone: false,
    }
}

const fn alone(actions: &'static [&'static str]) -> Way {
    Way {
        alone: true,
        ..direct(actions, "user")
    }
}

const fn passing(actions: &'static [&'static str], service: &'static str) -> Way {
    Way {
        service,
        ..direct(actions, "role")
    }
}

const WAYS: &[Way] = &[
    direct(&["iam:CreatePolicyVersion"], "policy"),
    direct(&["iam:SetDefaultPolicyVersion"], "policy"),
    alone(&["iam:AttachUserPolicy"]),
    direct(&["iam:AttachGroupPolicy"], "group"),
    direct(&["iam:AttachRolePolicy"], "role"),
    alone(&["iam:PutUserPolicy"]),
    direct(&["iam:PutGroupPolicy"], "group"),
    direct(&["iam:PutRolePolicy"], "role"),
    direct(&["iam:AddUserToGroup"], "group"),
    direct(&["iam:UpdateAssumeRolePolicy"], "role"),
    direct(&["iam:CreateAccessKey"], "user"),
    direct(&["iam:CreateLoginProfile"], "user"),
    direct(&["iam:UpdateLoginProfile"], "user"),
    alone(&["iam:DeleteUserPermissionsBoundary"]),
    direct(&["iam:DeleteRolePermissionsBoundary"], "role"),
    alone(&["iam:PutUserPermissionsBoundary"]),
    direct(&["iam:PutRolePermissionsBoundary"], "role"),
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
    let mut places: BTreeMap<(usize, usize), Vec<(String, bool)>> = BTreeMap::new();
    for way in WAYS {
        if let Some((span, alone)) = open(grants, way) {
            let ways = places.entry((span.start, span.end)).or_default();
            ways.push((way.actions.join(" + "), alone));
        }
    }
    for ((start, end), ways) in places {
        let shown: Vec<&str> = ways.iter().map(|(way, _)| way.as_str()).take(3).collect();
        let rest = match ways.len().saturating_sub(shown.len()) {
            0 => String::new(),
            rest => format!(", and {rest} more ways"),
        };
        let message = format!(
            "the holder can give itself further permissions: {}{rest}",
            shown.join(", ")
        );
        let help = if ways.iter().all(|(_, alone)| *alone) {
            "leave these to others: who may change its own permissions has all of them"
        } else {
            "name the users, roles or policies that are meant, or require an `iam:PermissionsBoundary`"
        };
        report.add(PRIVILEGE_ESCALATION, &(start..end), message, help);
    }
}

/// The words that open the way, and whether only for the user that they are held by.
fn open(grants: &Grants<'_, '_>, way: &Way) -> Option<(Span, bool)> {
    let mut place = None;
    for (index, action) in way.actions.iter().enumerate() {
        let action = action.to_ascii_lowercase();
        let wide = |statement: &Statement<'_>| reaches(statement, way, |text| every(text, way.kind));
        let own = |statement: &Statement<'_>| {
            way.alone && grants.document.current && reaches(statement, way, own_user)
        };
        let found = grants
            .of(&action)
            .find(|grant| index > 0 || wide(grant.statement))
            .map(|grant| (grant.span, false))
            .or_else(|| {
                let grant = grants.of(&action).find(|grant| own(grant.statement))?;
                Some((grant.span, true))
            });
        place = place.or(Some(found?));
    }
    place
}

/// Whether the statement has a resource that passes the test, and no condition narrows its part in the way.
fn reaches(statement: &Statement<'_>, way: &Way, test: impl Fn(&str) -> bool) -> bool {
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
                .any(|(value, _)| glob::matches(value, way.service))
        });
    let only_passed = statement.has_key(&["iam:passedtoservice"]) && statement.conditions.len() == 1;
    let narrow = (!only_passed || way.service.is_empty()) && narrowed(statement);
    passed && !narrow && on(statement, test)
}

/// Whether the statement, which allows `iam:PassRole`, lets every role be passed to the service.
pub(super) fn passes(statement: &Statement<'_>, service: &'static str) -> bool {
    reaches(statement, &passing(&[], service), |text| every(text, "role"))
}

/// Whether a resource names the user that asks: `user/${aws:username}`, under whatever path.
fn own_user(text: &str) -> bool {
    let Some((kind, name)) = arn(text)
        .filter(|(service, _)| *service == "iam")
        .and_then(|(_, path)| path.split_once('/'))
    else {
        return false;
    };
    let name = name.rsplit('/').next().unwrap_or_default().trim_matches('*');
    let variable = name.strip_prefix("${").and_then(|name| name.strip_suffix('}'));
    // Behind a comma stands what is put where the variable has no value.
    let key = variable.and_then(|variable| variable.split(',').next());
    glob::matches(kind, "user") && key.is_some_and(|key| key.trim().eq_ignore_ascii_case("aws:username"))
}
