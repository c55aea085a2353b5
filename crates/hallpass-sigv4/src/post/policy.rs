use super::Fields;
use crate::error::{PolicyDocumentError, PostLengthError, VerifyError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use serde_json::Value;

/// Longest policy in base64: no form that S3 takes holds a longer one.
const POLICY_BYTES_MAX: usize = 20 * 1024;
/// S3's largest single upload, 5 GiB.
const LENGTH_MAX: u64 = 5 << 30;
/// Fields whose conditions are exact only. Source: S3, "POST policy", table of condition elements.
const EXACT: [&str; 3] = ["x-amz-algorithm", "x-amz-credential", "x-amz-date"];

/// The conditions under which a form may be used, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPolicy {
    /// The first instant at which the form is no longer good.
    pub expiration: UnixSeconds,
    conditions: Vec<Condition>,
    limits: PostLimits,
}

/// How long a form's file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostLimits {
    /// The fewest bytes.
    pub length_min: u64,
    /// The most bytes; 5 GiB when the policy says nothing.
    pub length_max: u64,
}

impl PostLimits {
    /// Checks the length of a whole file. While one passes, its bytes so far are held against
    /// [`length_max`](Self::length_max).
    ///
    /// # Errors
    /// [`PostLengthError`] outside the range.
    pub fn check(&self, length: u64) -> Result<(), PostLengthError> {
        if length > self.length_max {
            return Err(PostLengthError::TooLarge {
                length_max: self.length_max,
            });
        }
        if length < self.length_min {
            return Err(PostLengthError::TooSmall {
                length_min: self.length_min,
            });
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// Lower-case, without the `$`.
    name: String,
    value: String,
    prefix: bool,
}

impl Condition {
    fn named(name: &str, value: &Value, prefix: bool) -> Option<Self> {
        Some(Self {
            name: name.to_ascii_lowercase(),
            value: value.as_str()?.to_owned(),
            prefix,
        })
    }

    fn is_met(&self, value: &str) -> bool {
        if !self.prefix {
            return value == self.value;
        }
        if EXACT.contains(&self.name.as_str()) {
            return false;
        }
        // A list of types meets a prefix with each of its members (S3, "Condition matching").
        if self.name == "content-type" {
            return value
                .split(',')
                .all(|member| member.trim().starts_with(&self.value));
        }
        value.starts_with(&self.value)
    }

    fn text(&self) -> String {
        let kind = if self.prefix { "starts-with" } else { "eq" };
        format!("[{:?}, {:?}, {:?}]", kind, format!("${}", self.name), self.value)
    }
}

impl PostPolicy {
    /// Reads a policy from the base64 of its JSON.
    ///
    /// # Errors
    /// [`PolicyDocumentError`] for anything but `expiration` and `conditions` of the known forms: an object of one
    /// pair, `["eq", "$name", "value"]`, `["starts-with", "$name", "prefix"]` and `["content-length-range", min, max]`.
    pub fn parse(base64: &str) -> Result<Self, PolicyDocumentError> {
        if base64.len() > POLICY_BYTES_MAX {
            return Err(PolicyDocumentError::Json);
        }
        let json = STANDARD.decode(base64).map_err(|_| PolicyDocumentError::Json)?;
        // serde_json bounds the depth.
        let document: Value = serde_json::from_slice(&json).map_err(|_| PolicyDocumentError::Json)?;
        let document = document.as_object().ok_or(PolicyDocumentError::Shape)?;
        if document
            .keys()
            .any(|key| !matches!(key.as_str(), "expiration" | "conditions"))
        {
            return Err(PolicyDocumentError::Shape);
        }
        let expiration = document.get("expiration").and_then(Value::as_str);
        let expiration = expiration
            .and_then(|text| UnixSeconds::from_rfc3339(text).ok())
            .ok_or(PolicyDocumentError::Expiration)?;
        let list = document.get("conditions").and_then(Value::as_array);
        let mut policy = Self {
            expiration,
            conditions: Vec::new(),
            limits: PostLimits {
                length_min: 0,
                length_max: LENGTH_MAX,
            },
        };
        for condition in list.ok_or(PolicyDocumentError::Shape)? {
            policy.add(condition).ok_or(PolicyDocumentError::Condition)?;
        }
        Ok(policy)
    }

    fn add(&mut self, condition: &Value) -> Option<()> {
        match condition {
            Value::Object(pair) if pair.len() == 1 => {
                let (name, value) = pair.iter().next()?;
                self.conditions.push(Condition::named(name, value, false)?);
            }
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(kind), least, most] if kind.eq_ignore_ascii_case("content-length-range") => {
                    // Several ranges all hold.
                    self.limits.length_min = self.limits.length_min.max(number(least)?);
                    self.limits.length_max = self.limits.length_max.min(number(most)?);
                }
                [Value::String(kind), Value::String(name), value] => {
                    let prefix = match kind.to_ascii_lowercase().as_str() {
                        "eq" => false,
                        "starts-with" => true,
                        _ => return None,
                    };
                    let name = name.strip_prefix('$')?;
                    self.conditions.push(Condition::named(name, value, prefix)?);
                }
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    /// Every condition is met, every field has a condition, and the policy has not expired.
    pub(super) fn check<'a>(
        &self,
        mut fields: Fields<'a>,
        bucket: &'a str,
        now: UnixSeconds,
    ) -> Result<PostLimits, VerifyError> {
        if now.since(self.expiration) >= 0 {
            return Err(VerifyError::PolicyExpired);
        }
        // A field of this name cannot make the request one for another bucket.
        if fields
            .insert("bucket".to_owned(), bucket)
            .is_some_and(|field| field != bucket)
        {
            return Err(VerifyError::PolicyCondition {
                condition: format!("[\"eq\", \"$bucket\", {bucket:?}]"),
            });
        }
        for condition in &self.conditions {
            let value = fields.get(&condition.name);
            if !value.is_some_and(|value| condition.is_met(value)) {
                return Err(VerifyError::PolicyCondition {
                    condition: condition.text(),
                });
            }
        }
        let named: std::collections::BTreeSet<&str> = self
            .conditions
            .iter()
            .map(|condition| condition.name.as_str())
            .collect();
        let free = |name: &str| {
            matches!(
                name,
                "x-amz-signature" | "policy" | "file" | "awsaccesskeyid" | "signature"
            ) || name.starts_with("x-ignore-")
        };
        match fields
            .keys()
            .find(|name| !named.contains(name.as_str()) && !free(name))
        {
            Some(name) => Err(VerifyError::ExtraField { name: name.clone() }),
            None => Ok(self.limits),
        }
    }
}

/// A length: some writers put it in quotes.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        other => other.as_u64(),
    }
}
