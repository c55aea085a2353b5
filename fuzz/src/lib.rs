//! Policies and requests out of a fuzzer's bytes.

#[path = "../../crates/hallpass-policy/tests/reference/mod.rs"]
pub mod reference;
pub mod sigv4;

use arbitrary::{Result, Unstructured};
use hallpass_policy::{Context, NamedPolicy, Policy, PolicyGroup, PolicyKind, PrincipalInfo};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "123456789012";
pub const OTHER: &str = "999999999999";
pub const USER: &str = "arn:aws:iam::123456789012:user/alice";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/path/app";
pub const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/app/s1";

/// Texts over a few characters that mean something to patterns.
pub fn text(bytes: &mut Unstructured<'_>, pieces: &[&str], pieces_max: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..bytes.int_in_range(0..=pieces_max)? {
        text.push_str(bytes.choose(pieces)?);
    }
    Ok(text)
}

pub fn action(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(format!("s3:{}", text(bytes, &["a", "b", "A", "ab"], 4)? + "x"))
}

/// `*` or an ARN; its resource part is never empty.
pub fn resource(bytes: &mut Unstructured<'_>) -> Result<String> {
    let first = *bytes.choose(&["a", "b", "ü"])?;
    Ok(match bytes.int_in_range(0..=5)? {
        0 => "*".to_owned(),
        1 => format!("arn:aws:kms:r:{ACCOUNT}:key/{}", text(bytes, &["a", "b"], 2)?),
        2 => format!(
            "arn:aws:sqs:{}:{}:{first}{}",
            text(bytes, &["a", "b", "-"], 3)?,
            bytes.choose(&[ACCOUNT, OTHER])?,
            text(bytes, &["a", "b", ":"], 3)?
        ),
        _ => format!(
            "arn:aws:s3:::{first}{}",
            text(
                bytes,
                &[
                    "a",
                    "b",
                    "/",
                    ":",
                    "ü",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                ],
                6
            )?
        ),
    })
}

const PATTERN: &[&str] = &[
    "a",
    "b",
    "/",
    ":",
    "*",
    "*",
    "?",
    "${k}",
    "${K}",
    "${l, 'b'}",
    "${*}",
    "${?}",
    "${$}",
    "$",
    "{",
    "}",
    "ü",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn list(
    bytes: &mut Unstructured<'_>,
    max: usize,
    mut item: impl FnMut(&mut Unstructured<'_>) -> Result<String>,
) -> Result<Value> {
    let count = bytes.int_in_range(1..=max)?;
    let items = (0..count).map(|_| item(bytes)).collect::<Result<Vec<_>>>()?;
    Ok(json!(items))
}

fn actions(bytes: &mut Unstructured<'_>) -> Result<Value> {
    list(bytes, 10, |bytes| {
        Ok(match bytes.int_in_range(0..=4)? {
            0 => "*".to_owned(),
            1 => "s3:*".to_owned(),
            _ => format!(
                "s3:{}",
                text(bytes, &["a", "b", "A", "x", "*", "?", "ab"], 4)? + bytes.choose(&["x", "*", "X"])?
            ),
        })
    })
}

fn resources(bytes: &mut Unstructured<'_>) -> Result<Value> {
    list(bytes, 10, |bytes| {
        Ok(match bytes.int_in_range(0..=6)? {
            0 | 1 => "*".to_owned(),
            2 => format!(
                "arn:aws:sqs:{}:{}",
                text(bytes, &["a", "b", "*", "?"], 3)?,
                text(bytes, PATTERN, 4)?
            ),
            3 => format!("arn:aws:kms:*:*:{}", text(bytes, PATTERN, 3)?),
            _ => format!("arn:aws:s3:::{}", text(bytes, PATTERN, 6)?),
        })
    })
}

fn principals(bytes: &mut Unstructured<'_>) -> Result<Value> {
    const NAMES: &[&str] = &[
        "*",
        ACCOUNT,
        OTHER,
        "arn:aws:iam::123456789012:root",
        USER,
        ROLE,
        SESSION,
        "AIDAEXAMPLEEXAMPLE01",
        "AROAEXAMPLEEXAMPLE01",
        "arn:aws:sts::123456789012:federated-user/fed",
    ];
    Ok(match bytes.int_in_range(0..=5)? {
        0 => json!("*"),
        1 => json!({ "Service": "ec2.amazonaws.com" }),
        2 => json!({ "Federated": "accounts.example.com" }),
        _ => json!({ "AWS": list(bytes, 3, |bytes| Ok(bytes.choose(NAMES)?.to_string()))? }),
    })
}

fn conditions(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let mut blocks = json!({});
    for _ in 0..bytes.int_in_range(1..=2)? {
        let key = *bytes.choose(&["k", "K", "l", "m"])?;
        if bytes.ratio(1, 8)? {
            blocks["Null"] = json!({ key: bytes.choose(&["true", "false"])? });
            continue;
        }
        let (name, values): (&str, &[&str]) = match bytes.int_in_range(0..=6)? {
            0 | 1 => (
                bytes.choose(&[
                    "StringEquals",
                    "StringNotEquals",
                    "StringLike",
                    "StringNotLike",
                    "StringEqualsIgnoreCase",
                    "StringNotEqualsIgnoreCase",
                ])?,
                &[
                    "a",
                    "A",
                    "ab",
                    "a*",
                    "*",
                    "?b",
                    "${k}",
                    "${l, 'd'}",
                    "${*}",
                    "5",
                    "",
                    "ü",
                    "Ü",
                ],
            ),
            2 => (
                bytes.choose(&[
                    "NumericEquals",
                    "NumericNotEquals",
                    "NumericLessThan",
                    "NumericLessThanEquals",
                    "NumericGreaterThan",
                    "NumericGreaterThanEquals",
                ])?,
                &["5", "5.0", "-1", "100", "05.50", "-0"],
            ),
            3 => (
                bytes.choose(&[
                    "DateEquals",
                    "DateNotEquals",
                    "DateLessThan",
                    "DateLessThanEquals",
                    "DateGreaterThan",
                    "DateGreaterThanEquals",
                ])?,
                &[
                    "2030-01-01",
                    "2030-01-01T00:00:00Z",
                    "1893456000",
                    "5",
                    "-7",
                    "2029-12-31T23:00:00-01:00",
                ],
            ),
            4 => (bytes.choose(&["Bool", "BinaryEquals"])?, &["true", "False"]),
            5 => (
                bytes.choose(&["IpAddress", "NotIpAddress"])?,
                &[
                    "10.0.0.0/8",
                    "10.1.2.3",
                    "::/0",
                    "2001:db8::/32",
                    "::ffff:10.0.0.0/104",
                    "0.0.0.0/0",
                    "10.1.2.3/31",
                    "::1/127",
                ],
            ),
            _ => (
                bytes.choose(&["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"])?,
                &[
                    "arn:aws:s3:::*",
                    "arn:aws:s3:*",
                    "*",
                    "arn:*:s3:::a?",
                    "arn:aws:s3:::${k}",
                    "arn:aws:s3:*:*:*",
                ],
            ),
        };
        // Its values are base 64, not booleans.
        let values = if name == "BinaryEquals" {
            &["AA==", "aa==", "AAA="] as &[&str]
        } else {
            values
        };
        let name = format!(
            "{}{name}{}",
            bytes.choose(&["", "", "ForAllValues:", "ForAnyValue:"])?,
            bytes.choose(&["", "", "IfExists"])?
        );
        blocks[name] = json!({ key: list(bytes, 3, |bytes| Ok(bytes.choose(values)?.to_string()))? });
    }
    Ok(blocks)
}

/// A document with `Principal` or without.
pub fn document(bytes: &mut Unstructured<'_>, with_principal: bool, trust: bool) -> Result<Value> {
    let mut statements = Vec::new();
    for _ in 0..bytes.int_in_range(1..=5)? {
        let effect = *bytes.choose(&["Allow", "Allow", "Deny"])?;
        let mut statement = json!({ "Effect": effect });
        if trust {
            statement["Action"] = json!(bytes.choose(&["sts:AssumeRole", "sts:*"])?);
        } else {
            statement[*bytes.choose(&["Action", "Action", "Action", "NotAction"])?] = actions(bytes)?;
            statement[*bytes.choose(&["Resource", "Resource", "Resource", "NotResource"])?] =
                resources(bytes)?;
        }
        if with_principal {
            let negated = effect == "Deny" && !trust && bytes.ratio(1, 4)?;
            statement[if negated { "NotPrincipal" } else { "Principal" }] = principals(bytes)?;
        }
        if bytes.ratio(2, 5)? {
            statement["Condition"] = conditions(bytes)?;
        }
        statements.push(statement);
    }
    Ok(
        json!({ "Version": bytes.choose(&["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"])?, "Statement": statements }),
    )
}

pub fn principal(bytes: &mut Unstructured<'_>) -> Result<PrincipalInfo> {
    let account = || ACCOUNT.parse().expect("a constant");
    Ok(match bytes.int_in_range(0..=6)? {
        0 => PrincipalInfo::role_session(account(), SESSION, ROLE, "AROAEXAMPLEEXAMPLE01"),
        1 => PrincipalInfo::federated_user(account(), "arn:aws:sts::123456789012:federated-user/fed"),
        2 => PrincipalInfo::root(account()),
        3 => PrincipalInfo::anonymous(),
        4 => PrincipalInfo::service("ec2.amazonaws.com"),
        5 => PrincipalInfo::web_identity("accounts.example.com", "subject"),
        _ => PrincipalInfo::user(account(), USER, "AIDAEXAMPLEEXAMPLE01"),
    })
}

/// The operators that read a key, as written.
fn operators(documents: &[&Value], key: &str) -> Vec<String> {
    let statements = documents
        .iter()
        .flat_map(|document| document["Statement"].as_array().into_iter().flatten());
    let blocks = statements.flat_map(|statement| statement["Condition"].as_object().into_iter().flatten());
    let reads = |keys: &Value| {
        keys.as_object()
            .is_some_and(|keys| keys.keys().any(|own| own.eq_ignore_ascii_case(key)))
    };
    blocks
        .filter(|(_, keys)| reads(keys))
        .map(|(operator, _)| operator.clone())
        .collect()
}

/// Condition keys as the comparison supposes them: of the type that the operators on them read, with several values only
/// where an operator has a quantifier.
pub fn typed_context(
    bytes: &mut Unstructured<'_>,
    who: &PrincipalInfo,
    documents: &[&Value],
) -> Result<Context> {
    const TYPES: [(&str, &[&str]); 5] = [
        ("Numeric", &["5", "5.00", "-3", "100"]),
        ("Date", &["2030-01-01T00:00:00Z", "1893456000", "5"]),
        ("Bool", &["true", "FALSE"]),
        ("BinaryEquals", &["AA==", "AAA="]),
        (
            "IpAddress",
            &["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "::1"],
        ),
    ];
    let mut context = Context::new();
    who.fill(&mut context);
    for key in ["k", "l", "m"] {
        let operators = operators(documents, key);
        let typed = TYPES
            .iter()
            .filter(|(name, _)| operators.iter().any(|operator| operator.contains(name)));
        let typed = typed.collect::<Vec<_>>();
        let values: &[&str] = match typed.as_slice() {
            [] => &[
                "a",
                "A",
                "ab",
                "b/c",
                "5",
                "arn:aws:s3:::b",
                "arn:aws:s3:x:y:ab",
                "*",
                "",
                "ü",
            ],
            [(_, values)] => values,
            // No value is of two types.
            _ => continue,
        };
        let many = operators.iter().any(|operator| operator.starts_with("For"));
        match bytes.int_in_range(0..=3)? {
            0 => {}
            1 if many => {
                let count = bytes.int_in_range(0..=3)?;
                let values = (0..count)
                    .map(|_| Ok(bytes.choose(values)?.to_string()))
                    .collect::<Result<Vec<_>>>()?;
                context.set_many(key, values);
            }
            _ => {
                context.set(key, *bytes.choose(values)?);
            }
        }
    }
    Ok(context)
}

/// Condition keys of any type, with one value or several.
pub fn context(bytes: &mut Unstructured<'_>, who: &PrincipalInfo) -> Result<Context> {
    const VALUES: &[&str] = &[
        "a",
        "A",
        "ab",
        "b/c",
        "5",
        "5.00",
        "true",
        "FALSE",
        "AA==",
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "2001:db8::1",
        "2030-01-01T00:00:00Z",
        "1893456000",
        "arn:aws:s3:::b",
        "arn:aws:s3:x:y:ab",
        "*",
        "",
        "ü",
    ];
    let mut context = Context::new();
    who.fill(&mut context);
    for key in ["k", "l", "m"] {
        match bytes.int_in_range(0..=3)? {
            0 => {}
            1 => {
                let count = bytes.int_in_range(0..=3)?;
                let values = (0..count)
                    .map(|_| Ok(bytes.choose(VALUES)?.to_string()))
                    .collect::<Result<Vec<_>>>()?;
                context.set_many(key, values);
            }
            _ => {
                context.set(key, *bytes.choose(VALUES)?);
            }
        }
    }
    Ok(context)
}

/// The documents as the engine takes them; `None` when one is refused.
pub fn group(kind: PolicyKind, documents: &[Value]) -> Option<PolicyGroup> {
    let parse = |document: &Value| {
        Policy::parse(&document.to_string(), kind).map(|policy| NamedPolicy::new("p", policy))
    };
    documents
        .iter()
        .map(parse)
        .collect::<std::result::Result<PolicyGroup, _>>()
        .ok()
}
