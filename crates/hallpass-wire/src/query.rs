use std::collections::BTreeMap;
use std::ops::Bound;

/// The most parameters in one query request. AWS's largest (batch tagging) need a few hundred.
pub const QUERY_PARAMS_MAX: usize = 2_048;

/// The parameters of a query-protocol request (`Action=…&Version=…&Foo.member.1=…`), decoded.
///
/// IAM and STS number list members `Foo.member.1`, EC2 `Foo.1`; [`QueryParams::list`] reads both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryParams(BTreeMap<String, String>);

/// The body is not a sound form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// More than [`QUERY_PARAMS_MAX`].
    #[error("more than {QUERY_PARAMS_MAX} parameters")]
    TooMany,
    /// `%` not followed by two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the parameters are not valid UTF-8 in percent-encoding")]
    Encoding,
    /// A name given twice: no telling which one a check looked at.
    #[error("the parameter {0} is given more than once")]
    Duplicate(String),
}

impl QueryParams {
    /// Reads `application/x-www-form-urlencoded` text: `+` is a space, empty pairs are skipped.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn parse(form: &str) -> Result<Self, QueryError> {
        let mut params = BTreeMap::new();
        for pair in form.split('&').filter(|pair| !pair.is_empty()) {
            if params.len() >= QUERY_PARAMS_MAX {
                return Err(QueryError::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode(&name.replace('+', " ")).ok_or(QueryError::Encoding)?;
            let value = percent_decode(&value.replace('+', " ")).ok_or(QueryError::Encoding)?;
            if params.contains_key(&name) {
                return Err(QueryError::Duplicate(name));
            }
            params.insert(name, value);
        }
        Ok(Self(params))
    }

    /// One parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether any member of the structure `name` is given: a parameter that begins with `NAME.`.
    #[must_use]
    pub fn has_member(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        let mut after = self
            .0
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        after.next().is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    /// All parameters, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The members of a list of plain values, in the order of their numbers.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.numbered(name)
            .into_iter()
            .filter_map(|prefix| self.get(&prefix))
            .collect()
    }

    /// The members of a list of structures, each as its fields.
    #[must_use]
    pub fn structures(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        self.numbered(name)
            .into_iter()
            .map(|prefix| {
                let dotted = format!("{prefix}.");
                self.0
                    .range(dotted.clone()..)
                    .take_while(|(key, _)| key.starts_with(&dotted))
                    .filter_map(|(key, value)| Some((key.strip_prefix(&dotted)?.to_owned(), value.clone())))
                    .collect()
            })
            .collect()
    }

    /// The prefixes `name.member.N` or `name.N` that occur, by rising N.
    #[must_use]
    pub fn numbered(&self, name: &str) -> Vec<String> {
        for stem in [format!("{name}.member."), format!("{name}.")] {
            let mut numbers: Vec<u32> = self
                .0
                .range(stem.clone()..)
                .take_while(|(key, _)| key.starts_with(&stem))
                .filter_map(|(key, _)| key.strip_prefix(&stem)?.split('.').next()?.parse().ok())
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            if !numbers.is_empty() {
                return numbers
                    .into_iter()
                    .map(|number| format!("{stem}{number}"))
                    .collect();
            }
        }
        vec![]
    }
}

/// Decodes `%XX` once; `None` when an escape is broken or the result is not UTF-8. `+` stays a plus.
#[must_use]
pub fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Encodes everything but `A-Z a-z 0-9 - . _ ~`, in upper-case hexadecimal (RFC 3986): the form in which IAM
/// returns policy documents.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len() + text.len() / 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_list_forms_read_in_the_order_of_their_numbers() {
        let iam = QueryParams::parse("TagKeys.member.2=b&TagKeys.member.10=c&TagKeys.member.1=a").unwrap();
        assert_eq!(iam.list("TagKeys"), ["a", "b", "c"]);
        let ec2 = QueryParams::parse("InstanceId.1=i-1&InstanceId.2=i-2").unwrap();
        assert_eq!(ec2.list("InstanceId"), ["i-1", "i-2"]);
        assert!(ec2.list("Instance").is_empty());
    }

    #[test]
    fn structures_keep_their_fields_together() {
        let params =
            QueryParams::parse("Tags.member.1.Key=k&Tags.member.1.Value=v+1&Tags.member.2.Key=l").unwrap();
        let tags = params.structures("Tags");
        assert_eq!(
            (tags.len(), tags[0]["Key"].as_str(), tags[0]["Value"].as_str()),
            (2, "k", "v 1")
        );
        assert_eq!(tags[1].get("Value"), None);
    }

    #[test]
    fn broken_or_ambiguous_forms_are_refused() {
        assert_eq!(QueryParams::parse("a=%zz"), Err(QueryError::Encoding));
        assert_eq!(QueryParams::parse("a=%ff"), Err(QueryError::Encoding));
        assert_eq!(QueryParams::parse("a=%4"), Err(QueryError::Encoding));
        assert_eq!(
            QueryParams::parse("Action=x&Action=y"),
            Err(QueryError::Duplicate("Action".into()))
        );
        let many = (0..=QUERY_PARAMS_MAX)
            .map(|n| format!("p{n}=1"))
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(QueryParams::parse(&many), Err(QueryError::TooMany));
    }

    #[test]
    fn percent_encoding_is_rfc_3986_and_reverses() {
        let text = "{\"a\": [\"s3:*\"]} ü~";
        assert_eq!(percent_decode(&percent_encode(text)).as_deref(), Some(text));
        assert_eq!(percent_encode("a b+c"), "a%20b%2Bc");
    }
}
