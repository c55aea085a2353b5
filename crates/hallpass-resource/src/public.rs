use hallpass_policy::{Policy, PrincipalName, Statement, StatementEffect};

/// Condition keys that hold a grant to everyone down to some, when compared with fixed values.
///
/// # Source
/// S3 User Guide, "Blocking public access", "The meaning of 'public'".
const NARROWING: &[&str] = &[
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Operators by which a condition can say who is meant; negated ones and `…IfExists` say who is not, or nothing.
const POSITIVE: &[&str] = &[
    "stringequals",
    "stringequalsignorecase",
    "stringlike",
    "arnequals",
    "arnlike",
    "ipaddress",
];

/// Whether a policy lets the public in, by S3's rules: it allows everyone something, and no condition with fixed
/// values says who is meant. Address ranges wider than /8 (IPv6: /32) are everyone.
#[must_use]
pub fn is_public(policy: &Policy) -> bool {
    policy.statements().iter().any(grants_public)
}

fn grants_public(statement: &Statement) -> bool {
    let everyone = statement.principals().is_some_and(|clause| {
        clause.negated
            || clause
                .entries
                .iter()
                .any(|entry| entry.name == PrincipalName::Everyone)
    });
    statement.effect() == StatementEffect::Allow && everyone && !statement.conditions().any(narrows)
}

fn narrows((operator, key, values): (&str, &str, &[Box<str>])) -> bool {
    let operator = operator.to_ascii_lowercase();
    let operator = operator.strip_prefix("foranyvalue:").unwrap_or(&operator);
    let key = key.to_ascii_lowercase();
    let fixed = |value: &str| match operator {
        "ipaddress" => is_narrow_range(value),
        _ => !value.contains(['*', '?']) && !value.contains("${"),
    };
    POSITIVE.contains(&operator)
        && NARROWING.contains(&key.as_str())
        && !values.is_empty()
        && values.iter().all(|value| fixed(value))
}

fn is_narrow_range(range: &str) -> bool {
    let (address, bits) = range.split_once('/').unwrap_or((range, ""));
    let least = if address.contains(':') { 32 } else { 8 };
    bits.is_empty() || bits.parse::<u8>().is_ok_and(|bits| bits >= least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_policy::PolicyKind;

    fn public(principal: &str, condition: &str) -> bool {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},
            "Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"{condition}}}]}}"#
        );
        is_public(&Policy::parse(&text, PolicyKind::Resource).unwrap())
    }

    #[test]
    fn everyone_is_the_public_and_a_named_principal_is_not() {
        assert!(public(r#""*""#, ""));
        assert!(public(r#"{"AWS":"*"}"#, ""));
        assert!(!public(r#"{"AWS":"arn:aws:iam::123456789012:root"}"#, ""));
        assert!(!public(r#"{"Service":"logging.s3.amazonaws.com"}"#, ""));
    }

    #[test]
    fn only_a_condition_with_fixed_values_on_who_asks_takes_the_public_out() {
        for (condition, expect) in [
            (r#""StringEquals":{"aws:SourceVpc":"vpc-91237329"}"#, false),
            (r#""StringLike":{"aws:SourceVpc":"vpc-*"}"#, true),
            (r#""StringEquals":{"aws:PrincipalOrgID":["o-a","o-b"]}"#, false),
            (
                r#""StringEquals":{"aws:SourceAccount":"${aws:PrincipalAccount}"}"#,
                true,
            ),
            (r#""StringNotEquals":{"aws:SourceVpc":"vpc-91237329"}"#, true),
            (r#""StringEqualsIfExists":{"aws:SourceVpc":"vpc-91237329"}"#, true),
            (r#""StringEquals":{"aws:UserAgent":"mine"}"#, true),
            (r#""Bool":{"aws:SecureTransport":"true"}"#, true),
            (r#""IpAddress":{"aws:SourceIp":"54.240.143.0/24"}"#, false),
            (r#""IpAddress":{"aws:SourceIp":"8.0.0.0/8"}"#, false),
            (r#""IpAddress":{"aws:SourceIp":"0.0.0.0/1"}"#, true),
            (r#""IpAddress":{"aws:SourceIp":"::/0"}"#, true),
        ] {
            assert_eq!(
                public(r#""*""#, &format!(r#","Condition":{{{condition}}}"#)),
                expect,
                "{condition}"
            );
        }
    }

    #[test]
    fn one_public_statement_among_others_is_enough_and_a_denial_is_none() {
        let text = |effect: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"123456789012"}},"Action":"s3:*","Resource":"*"}},
                {{"Effect":"{effect}","Principal":"*","Action":"s3:GetObject","Resource":"*"}}]}}"#
            )
        };
        let of = |effect: &str| is_public(&Policy::parse(&text(effect), PolicyKind::Resource).unwrap());
        assert!(of("Allow"));
        assert!(!of("Deny"));
    }
}
