use crate::model::Operation;
use crate::request::{ApiRequest, Body};
use crate::value::Value;
use hallpass_access::ActionOn;
use hallpass_types::Arn;

/// A routed request with its operation, and where its names are: what the services' rules look at.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a ApiRequest,
    pub(crate) operation: &'static Operation,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
}

/// What an action is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// These; the action is needed on each.
    Arns(Vec<String>),
    /// There is something, and the request does not tell what.
    Unknown,
    /// No rule of the service's own.
    Generic,
}

impl Found {
    pub(crate) fn one(arn: Option<String>) -> Self {
        arn.map_or(Self::Unknown, |arn| Self::Arns(vec![arn]))
    }

    /// All, or unknown when one is or there is none.
    pub(crate) fn all(arns: Vec<Option<String>>) -> Self {
        match arns.into_iter().collect::<Option<Vec<_>>>() {
            Some(arns) if !arns.is_empty() => Self::Arns(arns),
            _ => Self::Unknown,
        }
    }
}

impl<'a> Asked<'a> {
    pub(crate) fn service(&self) -> &'static str {
        self.request.service.name
    }

    /// A member of the body.
    pub(crate) fn body(&self, name: &str) -> Option<&'a Value> {
        match &self.request.body {
            Body::Read(value) => value.get(name),
            _ => None,
        }
    }

    /// The whole body, once read.
    pub(crate) fn whole_body(&self) -> Option<&'a Value> {
        match &self.request.body {
            Body::Read(value) => Some(value),
            _ => None,
        }
    }

    /// A member of the body that is a text and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.body(name)?.text()
    }

    /// The label of the path.
    pub(crate) fn label(&self, name: &str) -> Option<&'a str> {
        let found = self.request.labels.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Vec<&'a str> {
        let found = self.request.query.iter().filter(move |(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The items of a list in the body.
    pub(crate) fn items(&self, name: &str) -> Vec<&'a Value> {
        self.body(name).map(Value::items).unwrap_or_default()
    }

    /// An ARN in the place of the request; an empty `region` or `account` stays empty.
    pub(crate) fn arn_in(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        let arn = Arn {
            partition: partition(self.region).to_owned(),
            ..Arn::aws(service, region, account, resource)
        };
        arn.to_string()
    }

    /// An ARN of the request's region and account.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        self.arn_in(service, self.region, self.account, resource)
    }

    /// The ARN that a text is, or the one made of it when it is a plain name.
    pub(crate) fn arn_or(&self, text: &str, service: &str, start: &str) -> Option<String> {
        if text.starts_with("arn:") {
            return whole_arn(text, service);
        }
        is_resource_name(text).then(|| self.arn(service, &format!("{start}{text}")))
    }

    pub(crate) fn on_unknown(action: &str) -> Vec<ActionOn> {
        vec![ActionOn::on_unknown_resource(action)]
    }
}

/// The partition that a region is in. Source: botocore's `partitions.json`.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ if region.starts_with("eu-isoe-") => "aws-iso-e",
        _ if region.starts_with("us-isof-") => "aws-iso-f",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// The text when it is an ARN of this service without wildcards.
pub(crate) fn whole_arn(text: &str, service: &str) -> Option<String> {
    let arn: Arn = text.parse().ok()?;
    let is_plain = !text.contains(|char: char| matches!(char, '*' | '?') || char.is_control());
    (arn.service == service && is_plain).then(|| text.to_owned())
}

/// A name that may stand in an ARN: nothing that a policy's patterns or the ARN's own form take for something else.
pub(crate) fn is_resource_name(text: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || "._-@=+,/#$ ".contains(char);
    !text.is_empty()
        && text.len() <= 2_048
        && text.chars().all(fits)
        && !text.split('/').any(|part| part == "..")
}
