//! The policy language once more, as slowly and plainly as it can be written: straight from the JSON, every statement
//! every time, patterns by trying everything. Nothing here is shared with the engine but the types of a request.
//!
//! Sources, by page of the IAM User Guide: "Policy evaluation logic", "Cross-account policy evaluation logic", "JSON
//! policy elements" (Action, Resource, Principal, Condition operators, Variables), "Conditions with multiple context
//! keys or values". Where a page leaves a choice it is marked `choice` and recorded in docs/divergences.md.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers outside test functions; each test binary uses its own part"
)]

use base64::Engine as _;
use hallpass_policy::{Context, Effect, PrincipalInfo, PrincipalKind};
use serde_json::Value;
use std::net::IpAddr;

/// Documents by the part they play.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    pub identity: Vec<Value>,
    pub resource: Vec<Value>,
    pub trust: Option<Value>,
    pub session: Option<Vec<Value>>,
    pub boundary: Option<Value>,
    pub service_control: Option<Vec<Vec<Value>>>,
    pub resource_control: Vec<Value>,
}

pub struct Asked<'a> {
    pub principal: &'a PrincipalInfo,
    pub action: &'a str,
    pub resource: &'a str,
    pub resource_account: Option<&'a str>,
    pub context: &'a Context,
}

/// Yes, no, or impossible to say.
type Truth = Option<bool>;

fn all(parts: impl IntoIterator<Item = Truth>) -> Truth {
    let parts = parts.into_iter().collect::<Vec<_>>();
    if parts.contains(&Some(false)) {
        Some(false)
    } else if parts.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn any(parts: impl IntoIterator<Item = Truth>) -> Truth {
    not(all(parts.into_iter().map(not)))
}

fn not(truth: Truth) -> Truth {
    truth.map(|yes| !yes)
}

// Patterns.

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Char(char),
    /// Any run of characters.
    Any,
    /// Any run without a colon.
    AnyInField,
    One,
    OneInField,
}

/// Keeps every place in the text that the pattern read so far can have reached.
fn fits(pattern: &[Sign], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for sign in pattern {
        let consumes = |at: usize| {
            text.get(at).is_some_and(|char| match sign {
                Sign::Char(wanted) => char == wanted,
                Sign::One | Sign::Any => true,
                Sign::OneInField | Sign::AnyInField => *char != ':',
            })
        };
        let is_run = matches!(sign, Sign::Any | Sign::AnyInField);
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            // A run may end where it begins.
            let here = reached[at] || (is_run && next[at]);
            if is_run && here {
                next[at] = true;
            }
            if here && consumes(at) {
                next[at + 1] = true;
            }
        }
        reached = next;
    }
    reached[text.len()]
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Puts values in the place of variables: `Err` for one without a value. Stars and question marks come out as
/// wildcards when written, as characters when they are escaped or come from a value.
fn substitute(text: &str, variables: bool, context: &Context) -> Result<Vec<Sign>, ()> {
    let mut signs = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if variables && rest.starts_with("${") {
            let inner = &rest[2..];
            // The variable ends at its brace; a default in quotes may contain one.
            let end = match (inner.find('}'), inner.find('\'')) {
                (Some(brace), Some(quote)) if quote < brace => {
                    inner.find("'}").filter(|at| *at > quote).map(|at| at + 1)
                }
                (None, Some(quote)) => inner.find("'}").filter(|at| *at > quote).map(|at| at + 1),
                (brace, _) => brace,
            };
            if let Some(end) = end {
                let name = &inner[..end];
                rest = &inner[end + 1..];
                if ["*", "?", "$"].contains(&name) {
                    signs.extend(name.chars().map(Sign::Char));
                    continue;
                }
                let (key, default) = match name.split_once(',') {
                    None => (name, None),
                    Some((key, default)) => {
                        let quoted = default
                            .strip_prefix(" '")
                            .and_then(|text| text.strip_suffix('\''));
                        (key, Some(quoted.ok_or(())?))
                    }
                };
                if key.is_empty() || key.contains(char::is_whitespace) {
                    return Err(());
                }
                let value = match context.get(key) {
                    None => default.ok_or(())?.to_owned(),
                    // A multivalued key cannot be a variable.
                    Some(hallpass_policy::ContextValue::Many(_)) => return Err(()),
                    Some(hallpass_policy::ContextValue::One(value)) => value.clone(),
                };
                signs.extend(value.chars().map(Sign::Char));
                continue;
            }
        }
        let char = rest.chars().next().unwrap();
        rest = &rest[char.len_utf8()..];
        signs.push(match char {
            '*' => Sign::Any,
            '?' => Sign::One,
            other => Sign::Char(other),
        });
    }
    Ok(signs)
}

/// Makes the wildcards of the first five fields stop at colons. `over`: a star that ends the region or the account
/// may run over the colons after it ("Resource" page).
fn by_field(signs: &[Sign], over: bool) -> Vec<Sign> {
    let mut field = 0;
    let mut result = Vec::new();
    for (at, sign) in signs.iter().enumerate() {
        let ends = matches!(signs.get(at + 1), None | Some(Sign::Char(':')));
        result.push(match sign {
            Sign::Any if field < 5 && !(over && ends && field > 2) => Sign::AnyInField,
            Sign::One if field < 5 => Sign::OneInField,
            other => *other,
        });
        if *sign == Sign::Char(':') {
            field += 1;
        }
    }
    result
}

/// `Resource`: `Err` when a variable has no value.
fn resource_fits(pattern: &str, variables: bool, asked: &Asked<'_>) -> Result<bool, ()> {
    if pattern == "*" {
        return Ok(true);
    }
    let early = pattern.splitn(6, ':').take(5).any(|field| field.contains("${"));
    if variables && early {
        return Err(());
    }
    let mut signs = substitute(pattern, variables, asked.context)?;
    let mut colons = pattern_colons(pattern, variables);
    while colons < 5 {
        signs.extend([Sign::Char(':'), Sign::Any]);
        colons += 1;
    }
    Ok(fits(&by_field(&signs, true), &chars(asked.resource)))
}

/// Colons of the pattern itself; those inside a variable do not count.
fn pattern_colons(pattern: &str, variables: bool) -> usize {
    let end = pattern.find("${").filter(|_| variables).unwrap_or(pattern.len());
    // Before the fifth colon there is no variable, so what follows one does not matter.
    let before = pattern[..end].matches(':').count();
    if end < pattern.len() {
        before.max(5)
    } else {
        before
    }
}

fn action_fits(pattern: &str, action: &str) -> bool {
    let signs = substitute(&pattern.to_ascii_lowercase(), false, &Context::new()).unwrap();
    fits(&signs, &chars(&action.to_ascii_lowercase()))
}

// Statements.

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter(|item| !item.is_null()).map(text_of).collect(),
        Some(other) => vec![text_of(other)],
        None => vec![],
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Identity,
    Resource,
    Trust,
    ResourceControl,
}

/// How strongly a statement that applies speaks for the principal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Account,
    Role,
    Direct,
}

fn applies(
    statement: &Value,
    document: &Value,
    part: Part,
    asked: &Asked<'_>,
    bounded: bool,
) -> Option<Reach> {
    let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let denies = statement["Effect"] == "Deny";
    let actions = strings(statement.get("Action"));
    let not_actions = strings(statement.get("NotAction"));
    let named = |list: &[String]| list.iter().any(|pattern| action_fits(pattern, asked.action));
    let action = match (actions.is_empty(), not_actions.is_empty()) {
        (false, _) => named(&actions),
        (true, false) => !named(&not_actions),
        (true, true) => false,
    };
    if !action {
        return None;
    }
    if let Some(resources) = statement.get("Resource") {
        let patterns = strings(Some(resources));
        let listed = patterns
            .iter()
            .any(|pattern| resource_fits(pattern, variables, asked) == Ok(true));
        if !listed {
            return None;
        }
    }
    if let Some(resources) = statement.get("NotResource") {
        let patterns = strings(Some(resources));
        let results = patterns
            .iter()
            .map(|pattern| resource_fits(pattern, variables, asked))
            .collect::<Vec<_>>();
        // choice: a variable without a value spares nothing from a Deny and voids an Allow.
        let voided = !denies && results.contains(&Err(()));
        if patterns.is_empty() || results.contains(&Ok(true)) || voided {
            return None;
        }
    }
    let reach = match part {
        Part::Identity => {
            let names = statement
                .get("Principal")
                .or_else(|| statement.get("NotPrincipal"));
            if names.is_some() && !denies {
                return None;
            }
            Reach::Direct
        }
        _ => reach(statement, part == Part::Trust, asked.principal, bounded)?,
    };
    let mut conditions = Vec::new();
    if let Some(Value::Object(blocks)) = statement.get("Condition") {
        for (operator, block) in blocks {
            for (key, values) in block.as_object().unwrap() {
                conditions.push(condition(
                    operator,
                    key,
                    &strings(Some(values)),
                    variables,
                    asked.context,
                ));
            }
        }
    }
    match all(conditions) {
        Some(true) => Some(reach),
        // What cannot be decided counts against the request.
        None if denies => Some(reach),
        _ => None,
    }
}

fn principals(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::String(text) => vec![("AWS".to_owned(), text.clone())],
        Value::Object(members) => members
            .iter()
            .flat_map(|(member, values)| {
                strings(Some(values))
                    .into_iter()
                    .map(|value| (member.clone(), value))
            })
            .collect(),
        _ => vec![],
    }
}

fn account_of(name: &str) -> Option<&str> {
    if name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(name);
    }
    let rest = name.strip_prefix("arn:aws:iam::")?;
    rest.strip_suffix(":root")
}

fn is_ours(who: &PrincipalInfo) -> bool {
    matches!(
        who.kind,
        PrincipalKind::Root | PrincipalKind::User | PrincipalKind::AssumedRole | PrincipalKind::FederatedUser
    )
}

fn names(member: &str, name: &str, who: &PrincipalInfo, trust: bool) -> Option<Reach> {
    let own_account = who.account.map(|account| account.to_string());
    let yes = |yes: bool, reach: Reach| yes.then_some(reach);
    match (member, &who.kind) {
        ("AWS", _) if name == "*" => yes(is_ours(who) || !trust, Reach::Direct),
        ("AWS", _) if account_of(name).is_some() => yes(
            is_ours(who) && own_account.as_deref() == account_of(name),
            Reach::Account,
        ),
        ("AWS", PrincipalKind::User) => yes(name == who.arn || name == who.unique_id, Reach::Direct),
        ("AWS", PrincipalKind::FederatedUser) => yes(name == who.arn, Reach::Direct),
        ("AWS", PrincipalKind::AssumedRole) if name == who.arn => Some(Reach::Direct),
        ("AWS", PrincipalKind::AssumedRole) => yes(
            Some(name) == who.role_arn.as_deref() || name == who.unique_id,
            Reach::Role,
        ),
        ("Service", PrincipalKind::Service(own)) => yes(own == name, Reach::Direct),
        ("Federated", PrincipalKind::WebIdentity(own) | PrincipalKind::Saml(own)) => {
            yes(own == name, Reach::Direct)
        }
        _ => None,
    }
}

fn reach(statement: &Value, trust: bool, who: &PrincipalInfo, bounded: bool) -> Option<Reach> {
    if let Some(listed) = statement.get("Principal") {
        return principals(listed)
            .iter()
            .filter_map(|(member, name)| names(member, name, who, trust))
            .max();
    }
    let listed = principals(statement.get("NotPrincipal")?);
    let has = |wanted: &dyn Fn(&str, &str) -> bool| listed.iter().any(|(member, name)| wanted(member, name));
    let account = || {
        has(&|_, name| {
            account_of(name).is_some()
                && account_of(name) == who.account.map(|own| own.to_string()).as_deref()
        })
    };
    // Account, role and session must all be listed; a principal with a boundary is always denied.
    let spared = has(&|_, name| name == "*")
        || match &who.kind {
            PrincipalKind::Anonymous => false,
            PrincipalKind::Root => account(),
            PrincipalKind::User => account() && has(&|_, name| name == who.arn || name == who.unique_id),
            PrincipalKind::FederatedUser => account() && has(&|_, name| name == who.arn),
            PrincipalKind::AssumedRole => {
                account()
                    && has(&|_, name| name == who.arn)
                    && has(&|_, name| Some(name) == who.role_arn.as_deref() || name == who.unique_id)
            }
            _ => has(&|member, name| names(member, name, who, false).is_some()),
        };
    (bounded || !spared).then_some(Reach::Direct)
}

// Conditions.

fn condition(operator: &str, key: &str, wanted: &[String], variables: bool, context: &Context) -> Truth {
    if wanted.is_empty() {
        return None;
    }
    let found = context.get(key).map(|value| value.values().to_vec());
    if operator == "Null" {
        let absent = found.is_none_or(|values| values.is_empty());
        return Some(
            wanted
                .iter()
                .any(|value| value.eq_ignore_ascii_case("true") == absent),
        );
    }
    let (set, rest) = match operator.split_once(':') {
        Some((set, rest)) => (Some(set), rest),
        None => (None, operator),
    };
    let (if_exists, name) = match rest.strip_suffix("IfExists") {
        Some(name) => (true, name),
        None => (false, rest),
    };
    let negated = name.contains("Not");
    let Some(found) = found else {
        return Some(if_exists || set == Some("ForAllValues") || (set.is_none() && negated));
    };
    let one = |value: &String| {
        let matched = any(wanted
            .iter()
            .map(|wanted| compare(name, value, wanted, variables, context)));
        if negated { not(matched) } else { matched }
    };
    match set {
        Some("ForAllValues") => all(found.iter().map(one)),
        Some(_) => any(found.iter().map(one)),
        None if negated => all(found.iter().map(one)),
        None => any(found.iter().map(one)),
    }
}

/// One value of the request against one of the policy, negation aside.
fn compare(name: &str, value: &str, wanted: &str, variables: bool, context: &Context) -> Truth {
    let positive = name.replace("Not", "");
    let plain = |signs: Vec<Sign>| -> String {
        signs
            .iter()
            .map(|sign| match sign {
                Sign::Char(char) => *char,
                Sign::Any => '*',
                _ => '?',
            })
            .collect()
    };
    let ordered = |test: &str, ordering: std::cmp::Ordering| match test {
        "Equals" => ordering.is_eq(),
        "LessThan" => ordering.is_lt(),
        "LessThanEquals" => ordering.is_le(),
        "GreaterThan" => ordering.is_gt(),
        "GreaterThanEquals" => ordering.is_ge(),
        other => panic!("{other}"),
    };
    match positive.as_str() {
        "StringEquals" => {
            Some(substitute(wanted, variables, context).is_ok_and(|signs| plain(signs) == value))
        }
        "StringEqualsIgnoreCase" => Some(
            substitute(wanted, variables, context)
                .is_ok_and(|signs| plain(signs).to_lowercase() == value.to_lowercase()),
        ),
        "StringLike" => {
            Some(substitute(wanted, variables, context).is_ok_and(|signs| fits(&signs, &chars(value))))
        }
        "ArnLike" | "ArnEquals" if wanted == "*" => Some(true),
        "ArnLike" | "ArnEquals" => Some(
            substitute(wanted, variables, context)
                .is_ok_and(|signs| fits(&by_field(&signs, false), &chars(value))),
        ),
        "Bool" => {
            let read = |text: &str| text.to_ascii_lowercase().parse::<bool>().ok();
            let actual = read(value)?;
            if wanted.starts_with("${") && variables {
                return match substitute(wanted, true, context) {
                    Err(()) => Some(false),
                    Ok(signs) => read(&plain(signs)).map(|wanted| wanted == actual),
                };
            }
            Some(read(wanted)? == actual)
        }
        "BinaryEquals" => {
            let bytes = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
            Some(bytes(value)? == bytes(wanted)?)
        }
        "IpAddress" => {
            let address = value.parse::<IpAddr>().ok()?.to_canonical();
            let (network, length) = match wanted.split_once('/') {
                Some((network, length)) => (
                    network.parse::<IpAddr>().unwrap(),
                    length.parse::<usize>().unwrap(),
                ),
                None => (wanted.parse::<IpAddr>().unwrap(), 128),
            };
            Some(bits(address).starts_with(&prefix(network, length)))
        }
        _ if positive.starts_with("Numeric") => {
            let (value, wanted) = (number(value)?, number(wanted)?);
            Some(ordered(&positive["Numeric".len()..], value.total_cmp(&wanted)))
        }
        _ if positive.starts_with("Date") => {
            let (value, wanted) = (seconds(value)?, seconds(wanted)?);
            Some(ordered(&positive["Date".len()..], value.cmp(&wanted)))
        }
        other => panic!("{other}"),
    }
}

/// choice: an IPv4 address is the IPv6 address it is mapped to.
fn bits(address: IpAddr) -> String {
    let mapped = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    format!("{:0128b}", mapped.to_bits())
}

fn prefix(network: IpAddr, length: usize) -> String {
    let length = match network {
        IpAddr::V4(_) => 96 + length.min(32),
        IpAddr::V6(_) => length,
    };
    bits(network)[..length].to_owned()
}

fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let ends = |test: fn(&u8) -> bool| {
        digits.as_bytes().first().is_some_and(test) && digits.as_bytes().last().is_some_and(test)
    };
    if !plain || !ends(u8::is_ascii_digit) {
        return None;
    }
    // Zero has no sign.
    text.parse::<f64>().ok().map(|number| number + 0.0)
}

fn seconds(text: &str) -> Option<i64> {
    if let Ok(epoch) = text.parse::<i64>() {
        return (!text.starts_with('+')).then_some(epoch);
    }
    // The instant first: a date is also read from the front of an instant.
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
        let date = text.parse::<jiff::civil::Date>()?;
        Ok::<_, jiff::Error>(date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
    });
    instant.ok().map(|instant| instant.as_second())
}

// Combination.

#[derive(Default)]
struct Said {
    denies: bool,
    allows: Option<Reach>,
}

fn ask(documents: &[Value], part: Part, asked: &Asked<'_>, bounded: bool) -> Said {
    let mut said = Said::default();
    for document in documents {
        for statement in statements(document) {
            if let Some(reach) = applies(statement, document, part, asked, bounded) {
                if statement["Effect"] == "Deny" {
                    said.denies = true;
                } else {
                    said.allows = said.allows.max(Some(reach));
                }
            }
        }
    }
    said
}

/// The decision.
pub fn decide(documents: &Documents, asked: &Asked<'_>) -> Effect {
    let who = asked.principal;
    if is_ours(who) && asked.action.eq_ignore_ascii_case("sts:GetCallerIdentity") {
        return Effect::Allow;
    }
    let bounded = documents.boundary.is_some();
    let one = |part, documents: &[Value]| ask(documents, part, asked, bounded);
    let identity = one(Part::Identity, &documents.identity);
    let resource = match &documents.trust {
        Some(trust) => one(Part::Trust, std::slice::from_ref(trust)),
        None => one(Part::Resource, &documents.resource),
    };
    let session = documents
        .session
        .as_ref()
        .map(|session| one(Part::Identity, session));
    let boundary = documents
        .boundary
        .as_ref()
        .map(|boundary| one(Part::Identity, std::slice::from_ref(boundary)));
    let levels = documents.service_control.iter().flatten();
    let levels = levels.map(|level| one(Part::Identity, level)).collect::<Vec<_>>();
    let control = one(Part::ResourceControl, &documents.resource_control);

    // 1. An explicit deny anywhere.
    let mut everything = levels
        .iter()
        .chain([&identity, &resource, &control])
        .chain(&session)
        .chain(&boundary);
    if everything.any(|said| said.denies) {
        return Effect::ExplicitDeny;
    }
    let answer = |yes: bool| if yes { Effect::Allow } else { Effect::ImplicitDeny };
    // 2. Who has no identity in IAM has only what resources grant.
    if !is_ours(who) {
        return answer(resource.allows.is_some());
    }
    // 3. The organization.
    if levels.iter().any(|level| level.allows.is_none()) {
        return Effect::ImplicitDeny;
    }
    // 4. What the principal's own side says.
    let within_boundary = boundary.as_ref().is_none_or(|boundary| boundary.allows.is_some());
    let within_session = match &session {
        Some(session) => session.allows.is_some(),
        None => who.kind != PrincipalKind::FederatedUser,
    };
    let identity_allows = identity.allows.is_some() || who.kind == PrincipalKind::Root;
    let own = identity_allows && within_boundary && within_session;
    // 5. Across accounts both sides must allow.
    let mut fields = asked.resource.split(':');
    let in_arn = fields.nth(4).filter(|account| !account.is_empty());
    let own_account = who.account.map(|account| account.to_string());
    let owner = asked.resource_account.or(in_arn);
    if owner.is_some_and(|owner| Some(owner) != own_account.as_deref()) {
        return answer(own && resource.allows.is_some());
    }
    // 6. Within the account either is enough, as far as the grant reaches. A trust policy and a key policy must allow.
    let is_key = asked.resource.starts_with("arn:aws:kms:")
        && asked
            .resource
            .split(':')
            .nth(5)
            .is_some_and(|name| name.starts_with("key/"));
    let must = documents.trust.is_some() || (is_key && !documents.resource.is_empty());
    answer(match resource.allows {
        Some(Reach::Direct) => true,
        Some(Reach::Role) => within_boundary && within_session,
        Some(Reach::Account) => own,
        None => own && !must,
    })
}
