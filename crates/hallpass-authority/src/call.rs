//! A call, what it requires, and what it answers.

use crate::account::AccountState;
use crate::authority::Environment;
use crate::password::GivenPasswords;
use crate::state::State;
use crate::{ApiError, control, ec2, iam, sts};
use hallpass_access::{ActionOn, Caller};
use hallpass_policy::PolicyGroup;
use hallpass_session::Tag;
use hallpass_store::Op;
use hallpass_types::UnixSeconds;
use hallpass_wire::{Protocol, QueryParams};
use std::sync::Arc;

/// A service the authority answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Identity and Access Management.
    Iam,
    /// Security Token Service.
    Sts,
    /// The part of EC2 that brings a role to a machine.
    Ec2,
    /// What only we have: revocation, enrolment, rotation of keys.
    Hallpass,
}

impl Service {
    /// The service of a credential scope.
    #[must_use]
    pub fn from_scope(name: &str) -> Option<Self> {
        match name {
            "iam" => Some(Self::Iam),
            "sts" => Some(Self::Sts),
            "ec2" => Some(Self::Ec2),
            "hallpass" => Some(Self::Hallpass),
            _ => None,
        }
    }

    /// `iam`, `sts`, `ec2`, `hallpass`: the prefix of its actions.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Ec2 => "ec2",
            Self::Hallpass => "hallpass",
        }
    }

    /// Its XML dialect.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Iam => Protocol::Query {
                namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
            },
            Self::Sts => Protocol::Query {
                namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
            },
            Self::Hallpass => Protocol::Query {
                namespace: "urn:hallpass:2026-11-01",
            },
            Self::Ec2 => Protocol::Ec2 {
                namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
            },
        }
    }
}

/// One call of one action.
#[derive(Debug, Clone)]
pub struct Call {
    /// Of which service.
    pub service: Service,
    /// The action's name, `CreateRole`.
    pub action: String,
    /// Its parameters.
    pub params: QueryParams,
    /// Who calls.
    pub caller: Arc<Caller>,
    /// When.
    pub now: UnixSeconds,
}

impl Call {
    /// The action as policies name it: `iam:CreateRole`. The first action of a call's permit is this one.
    #[must_use]
    pub fn iam_action(&self) -> String {
        format!("{}:{}", self.service.prefix(), self.action)
    }
}

/// What must be proved before a call is executed.
#[derive(Debug)]
pub enum Requirement {
    /// Policy must allow each of these.
    Actions(Vec<ActionOn>),
    /// The role's trust policy must allow these; `None` when there is no such role.
    Trust(Vec<ActionOn>, Option<PolicyGroup>),
    /// Nothing: AWS answers whatever policies say. Holds the page that says so.
    Nothing(&'static str),
}

/// A successful answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The result's fields, as XML.
    pub xml: String,
    /// What was made, for the audit record: names and ids, never a secret.
    pub made: Vec<(String, String)>,
}

/// What is known of an action before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionInfo {
    /// Whether it changes nothing.
    pub read_only: bool,
}

/// An action: what it requires and what it does. Both are pure; writes are returned, not made.
pub(crate) struct Action {
    pub(crate) service: Service,
    pub(crate) name: &'static str,
    pub(crate) requirement: fn(&Ctx<'_>) -> Result<Requirement, ApiError>,
    pub(crate) run: fn(&Ctx<'_>) -> Result<Outcome, ApiError>,
}

/// An answer and the writes that must be durable before it is given.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) ops: Vec<Op>,
    /// Whether the answer waits until every server shows it, and says so.
    pub(crate) confirmed: bool,
}

impl Outcome {
    pub(crate) fn read(xml: hallpass_wire::XmlWriter) -> Result<Self, ApiError> {
        Ok(Self {
            answer: Answer {
                xml: xml.finish(),
                made: vec![],
            },
            ops: vec![],
            confirmed: false,
        })
    }

    pub(crate) fn wrote(ops: Vec<Op>) -> Result<Self, ApiError> {
        Ok(Self {
            answer: Answer::default(),
            ops,
            confirmed: false,
        })
    }

    pub(crate) fn made(xml: hallpass_wire::XmlWriter, ops: Vec<Op>) -> Result<Self, ApiError> {
        Ok(Self {
            answer: Answer {
                xml: xml.finish(),
                made: vec![],
            },
            ops,
            confirmed: false,
        })
    }

    /// Every server has to show it before the answer is given.
    pub(crate) fn confirmed(mut self) -> Self {
        self.confirmed = true;
        self
    }

    pub(crate) fn noting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.answer.made.push((name.to_owned(), value.into()));
        self
    }
}

/// What an action sees.
pub(crate) struct Ctx<'a> {
    pub(crate) state: &'a State,
    pub(crate) account: &'a AccountState,
    pub(crate) call: &'a Call,
    pub(crate) env: &'a Environment,
    pub(crate) passwords: &'a GivenPasswords,
}

impl Ctx<'_> {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.call.params.get(name)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.param(name).ok_or_else(|| match self.call.service {
            Service::Ec2 => ApiError::new(
                "MissingParameter",
                400,
                format!("The request must contain the parameter {name}"),
            ),
            _ => ApiError::missing(name),
        })
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.param(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::new(
                        "MalformedInput",
                        400,
                        format!("The value of {name} must be an integer"),
                    )
                })
            })
            .transpose()
    }

    /// One page of `items`, by `Marker` and `MaxItems`; the second part is the marker of the next page.
    pub(crate) fn page<T>(
        &self,
        items: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), ApiError> {
        let size = self.integer("MaxItems")?.unwrap_or(100);
        if !(1..=1_000).contains(&size) {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{size}' at 'maxItems' failed to satisfy constraint: \
                 Member must have value between 1 and 1000"
            )));
        }
        let size = usize::try_from(size).unwrap_or(100);
        let after = self.param("Marker").unwrap_or_default();
        let mut rest: Vec<T> = items
            .into_iter()
            .filter(|item| name(item).as_str() > after)
            .collect();
        let is_truncated = rest.len() > size;
        rest.truncate(size);
        let marker = if is_truncated {
            rest.last().map(&name)
        } else {
            None
        };
        Ok((rest, marker))
    }
}

/// `IsTruncated` and `Marker`, which end every list.
pub(crate) fn page_end(xml: &mut hallpass_wire::XmlWriter, marker: Option<String>) {
    xml.text("IsTruncated", if marker.is_some() { "true" } else { "false" });
    xml.optional("Marker", marker);
}

/// `aws:RequestTag/K` and `aws:TagKeys` for the tags a request sets.
pub(crate) fn with_request_tags(mut action: ActionOn, tags: &[Tag]) -> ActionOn {
    for tag in tags {
        action = action.with(format!("aws:RequestTag/{}", tag.key), &tag.value);
    }
    if !tags.is_empty() {
        action = action.with_many("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()).collect());
    }
    action
}

/// `aws:ResourceTag/K` (and `iam:ResourceTag/K`) for the tags a resource has.
pub(crate) fn with_resource_tags(mut action: ActionOn, tags: &[Tag]) -> ActionOn {
    let service = action.action.split(':').next().unwrap_or_default().to_owned();
    for tag in tags {
        action = action.with(format!("aws:ResourceTag/{}", tag.key), &tag.value);
        action = action.with(format!("{service}:ResourceTag/{}", tag.key), &tag.value);
    }
    action
}

/// Every action known, in one list.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Action> {
    [iam::ACTIONS, sts::ACTIONS, ec2::ACTIONS, control::ACTIONS]
        .into_iter()
        .flatten()
        .find(|action| action.service == service && action.name == name)
}
