//! The attributes of an assertion: AWS's own, and the rest.

use crate::SamlError;
use crate::names::{ASSERTION, ATTRIBUTES};
use crate::tree::{Element, is_space};
use std::collections::BTreeMap;

const SESSION_SECONDS: std::ops::RangeInclusive<i64> = 900..=43_200;
const TAG: &str = "PrincipalTag:";

/// A value of the `Role` attribute: a role, and the provider whose users may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePair {
    /// The role's ARN.
    pub role_arn: String,
    /// The SAML provider's ARN.
    pub provider_arn: String,
}

/// Values by the attribute's name; an attribute that is there several times has them all.
pub(crate) struct Attributes(BTreeMap<String, Vec<String>>);

impl Attributes {
    pub(crate) fn read(assertion: &Element) -> Result<Self, SamlError> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let statements = assertion.all(ASSERTION, "AttributeStatement");
        for attribute in statements.flat_map(|statement| statement.all(ASSERTION, "Attribute")) {
            let name = attribute.attribute("Name").unwrap_or_default();
            let values = found.entry(name.to_owned()).or_default();
            for value in attribute.all(ASSERTION, "AttributeValue") {
                match value.exact_text() {
                    Some(text) => values.push(text.to_owned()),
                    None if name.starts_with(ATTRIBUTES) => {
                        return Err(SamlError::unfit(format!("{name} is not a text")));
                    }
                    // A value with elements in it is none that a policy could name.
                    None => {}
                }
            }
        }
        Ok(Self(found))
    }

    fn take(&mut self, name: &str) -> Vec<String> {
        self.0.remove(&format!("{ATTRIBUTES}{name}")).unwrap_or_default()
    }

    /// The only value, as it came.
    fn single(&mut self, name: &str) -> Result<Option<String>, SamlError> {
        let mut values = self.take(name);
        match values.len() {
            0 => Ok(None),
            1 => Ok(values.pop()),
            _ => Err(SamlError::unfit(format!(
                "{name} in AuthnResponse has several values"
            ))),
        }
    }

    /// The only value, without the white space around.
    fn word(&mut self, name: &str) -> Result<Option<String>, SamlError> {
        let value = self.single(name)?;
        Ok(value.map(|text| text.trim_matches(is_space).to_owned()))
    }

    /// `ROLE,PROVIDER` or the other way round; the rest is passed over, as roles of other services are listed too.
    pub(crate) fn roles(&mut self) -> Result<Vec<RolePair>, SamlError> {
        let pairs = self.take("Role").into_iter().filter_map(|value| {
            let (one, other) = value.split_once(',')?;
            let (one, other) = (one.trim().to_owned(), other.trim().to_owned());
            let is_provider = |arn: &str| arn.contains(":saml-provider/");
            let (role_arn, provider_arn) = match (is_provider(&one), is_provider(&other)) {
                (false, true) => (one, other),
                (true, false) => (other, one),
                _ => return None,
            };
            Some(RolePair {
                role_arn,
                provider_arn,
            })
        });
        let pairs: Vec<_> = pairs.collect();
        if pairs.is_empty() {
            return Err(SamlError::unfit("Role is required in AuthnResponse"));
        }
        Ok(pairs)
    }

    pub(crate) fn session_name(&mut self) -> Result<String, SamlError> {
        let name = self.word("RoleSessionName")?;
        let name = name.ok_or_else(|| SamlError::unfit("RoleSessionName is required in AuthnResponse"))?;
        if !is_name(&name) {
            return Err(SamlError::unfit(
                "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}",
            ));
        }
        Ok(name)
    }

    pub(crate) fn session_seconds(&mut self) -> Result<Option<i64>, SamlError> {
        let Some(text) = self.word("SessionDuration")? else {
            return Ok(None);
        };
        let seconds = text.parse().ok().filter(|it| SESSION_SECONDS.contains(it));
        let seconds = seconds
            .ok_or_else(|| SamlError::unfit("SessionDuration in AuthnResponse must be 900 to 43200"))?;
        Ok(Some(seconds))
    }

    pub(crate) fn source_identity(&mut self) -> Result<Option<String>, SamlError> {
        let identity = self.word("SourceIdentity")?;
        if identity
            .as_deref()
            .is_some_and(|it| !is_name(it) || it.to_ascii_lowercase().starts_with("aws:"))
        {
            return Err(SamlError::unfit(
                "Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with \"aws:\"",
            ));
        }
        Ok(identity)
    }

    pub(crate) fn tags(&mut self) -> Result<Vec<(String, String)>, SamlError> {
        let prefix = format!("{ATTRIBUTES}{TAG}");
        let keys: Vec<String> = self
            .0
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect();
        let mut tags = vec![];
        for key in keys {
            let value = self.single(&format!("{TAG}{key}"))?;
            let value = value.ok_or_else(|| SamlError::unfit(format!("{TAG}{key} has no value")))?;
            tags.push((key, value));
        }
        Ok(tags)
    }

    pub(crate) fn transitive_tag_keys(&mut self) -> Vec<String> {
        self.take("TransitiveTagKeys")
    }

    /// What is not AWS's.
    pub(crate) fn others(self) -> Vec<(String, Vec<String>)> {
        let others = self.0.into_iter();
        others
            .filter(|(name, values)| !name.starts_with(ATTRIBUTES) && !values.is_empty())
            .collect()
    }
}

/// Session names and source identities.
fn is_name(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}
