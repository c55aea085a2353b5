//! The attributes of queues and topics, in the two protocols that carry them: what a request sets, and what is left of it
//! without its policy.

use bytes::Bytes;
use hallpass_apiroute::Protocol;
use hallpass_wire::{QueryParams, percent_encode};
use serde_json::Value;

/// A body that was read, to be looked at and written anew.
pub(super) enum Document {
    Json(Value),
    Form(Vec<(String, String)>),
}

impl Document {
    /// Reads the body of a request; what is no such document has been refused before.
    pub(super) fn read(protocol: Protocol, body: &[u8]) -> Option<Self> {
        match protocol {
            Protocol::Json10 | Protocol::Json11 => serde_json::from_slice(body).ok().map(Self::Json),
            Protocol::Query => {
                let params = QueryParams::parse(std::str::from_utf8(body).ok()?).ok()?;
                let pairs = params
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
                Some(Self::Form(pairs.collect()))
            }
            _ => None,
        }
    }

    pub(super) fn write(&self) -> Bytes {
        match self {
            Self::Json(value) => value.to_string().into(),
            Self::Form(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)));
                pairs.collect::<Vec<_>>().join("&").into()
            }
        }
    }

    /// One plain member.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self {
            Self::Json(value) => value.get(name)?.as_str(),
            Self::Form(pairs) => pairs
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.as_str()),
        }
    }

    /// A list of texts: `json` is its name in JSON, `form` that of its elements in a form (`ActionName`, which may go on
    /// with `.member`).
    pub(super) fn list(&self, json: &str, form: &str) -> Vec<String> {
        match self {
            Self::Json(value) => {
                let list = value.get(json).and_then(Value::as_array);
                let texts = list.into_iter().flatten().filter_map(Value::as_str);
                texts.map(str::to_owned).collect()
            }
            Self::Form(pairs) => pairs
                .iter()
                .filter(|(name, _)| {
                    let rest = name.strip_prefix(form).and_then(|rest| rest.strip_prefix('.'));
                    rest.is_some_and(|rest| is_number(rest.strip_prefix("member.").unwrap_or(rest)))
                })
                .map(|(_, value)| value.clone())
                .collect(),
        }
    }

    /// Takes the attribute `Policy` out of a map of attributes, and tells whether others are left.
    pub(super) fn take_policy(&mut self) -> Option<(String, bool)> {
        match self {
            Self::Json(value) => {
                let attributes = value.get_mut("Attributes")?.as_object_mut()?;
                let policy = attributes.remove("Policy")?.as_str()?.to_owned();
                Some((policy, !attributes.is_empty()))
            }
            Self::Form(pairs) => {
                // SNS's one attribute a call.
                if pairs
                    .iter()
                    .any(|(name, value)| name == "AttributeName" && value == "Policy")
                {
                    let value = pairs.iter().find(|(name, _)| name == "AttributeValue");
                    return Some((value.map_or_else(String::new, |(_, value)| value.clone()), false));
                }
                // Maps: `Attribute.1.Name` and `.Value`, or `Attributes.entry.1.key` and `.value`.
                let key = pairs.iter().find(|(name, value)| {
                    value == "Policy"
                        && name.starts_with("Attribute")
                        && (name.ends_with(".Name") || name.ends_with(".key"))
                })?;
                let stem = key.0.rsplit_once('.')?.0.to_owned() + ".";
                let policy = pairs
                    .iter()
                    .find(|(name, _)| {
                        name.strip_prefix(&stem)
                            .is_some_and(|rest| rest.eq_ignore_ascii_case("value"))
                    })
                    .map(|(_, value)| value.clone())?;
                pairs.retain(|(name, _)| !name.starts_with(&stem));
                let others = pairs.iter().any(|(name, _)| name.starts_with("Attribute"));
                Some((policy, others))
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Document {
        Document::read(Protocol::Query, text.as_bytes()).unwrap()
    }

    #[test]
    fn a_policy_is_taken_out_of_every_kind_of_attributes() {
        let json = br#"{"QueueUrl":"u","Attributes":{"Policy":"{}","DelaySeconds":"5"}}"#;
        let mut document = Document::read(Protocol::Json10, json).unwrap();
        assert_eq!(document.take_policy(), Some(("{}".to_owned(), true)));
        assert_eq!(
            document.write(),
            r#"{"Attributes":{"DelaySeconds":"5"},"QueueUrl":"u"}"#
        );
        let mut document = form(
            "Action=SetQueueAttributes&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5\
            &Attribute.2.Name=Policy&Attribute.2.Value=%7B%7D",
        );
        assert_eq!(document.take_policy(), Some(("{}".to_owned(), true)));
        assert_eq!(
            document.write(),
            "Action=SetQueueAttributes&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5"
        );
        let mut document =
            form("Action=CreateTopic&Attributes.entry.1.key=Policy&Attributes.entry.1.value=p");
        assert_eq!(document.take_policy(), Some(("p".to_owned(), false)));
        let mut document = form("Action=SetTopicAttributes&AttributeName=Policy&AttributeValue=p");
        assert_eq!(document.take_policy(), Some(("p".to_owned(), false)));
        let mut document = form("Action=SetTopicAttributes&AttributeName=DisplayName&AttributeValue=Policy");
        assert_eq!(document.take_policy(), None);
    }

    #[test]
    fn lists_are_read_in_both_forms() {
        let document =
            form("AWSAccountId.member.1=a&AWSAccountId.member.2=b&AWSAccountIdX.1=c&AWSAccountId.x=d");
        assert_eq!(document.list("AWSAccountIds", "AWSAccountId"), ["a", "b"]);
        assert_eq!(
            form("AttributeName.1=All").list("AttributeNames", "AttributeName"),
            ["All"]
        );
    }
}
