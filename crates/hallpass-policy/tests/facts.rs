//! "Facts most implementations get wrong", numbered as in the project's IAM reference. Where AWS's texts leave a
//! choice, the test records ours. Facts about other layers are tests here only as far as policy reaches.

mod common;

use common::*;
use hallpass_policy::*;

fn resource_says(who: &PrincipalInfo, policy: &PolicyGroup, rest: PolicySet<'_>) -> bool {
    let mut keys = Context::new();
    who.fill(&mut keys);
    evaluate(
        &get(who, &keys),
        &PolicySet {
            resource: one(policy),
            ..rest
        },
    )
    .is_allow()
}

fn aws(principal: &str) -> String {
    format!(r#"{{"AWS":"{principal}"}}"#)
}

#[test]
fn fact_01_actions_ignore_case_and_are_not_split() {
    let none = Context::new();
    let list = r#"{"Effect":"Allow","Action":"IAM:listaccesskeys","Resource":"*"}"#;
    assert!(identity(list, "iam:ListAccessKeys", "*", &none));
    for text in [
        "s3:GetObject,PutObject",
        "s3:GetObject PutObject",
        " s3:GetObject".trim_start(),
        "s3:GetObject ",
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":"{text}","Resource":"*"}}"#);
        assert_eq!(
            identity(&statement, "s3:GetObject", OBJECT, &none),
            text == "s3:GetObject",
            "{text}"
        );
    }
    let denied = policy(
        PolicyKind::Identity,
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:getobject","Resource":"*"}"#,
    );
    let user = user();
    let decision = evaluate(
        &get(&user, &none),
        &PolicySet {
            identity: one(&denied),
            ..PolicySet::default()
        },
    );
    assert_eq!(decision.effect, Effect::ExplicitDeny);
}

#[test]
fn fact_02_resource_wildcards_work_per_arn_segment() {
    let none = Context::new();
    let check = |pattern: &str, resource: &str, expect: bool| {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{pattern}"}}"#);
        assert_eq!(
            identity(&statement, "sqs:SendMessage", resource, &none),
            expect,
            "{pattern} {resource}"
        );
    };
    check("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b:c", true);
    check(
        "arn:aws:sqs:us-*-1:123456789012:q",
        "arn:aws:sqs:us-east-1:123456789012:q",
        true,
    );
    // Inside a segment a star stays there; at its end it may run over.
    check(
        "arn:aws:sqs:u*1:123456789012:q",
        "arn:aws:sqs:us:1:123456789012:q",
        false,
    );
    check("arn:aws:sqs:us-*:1:q", "arn:aws:sqs:us-east-1:2:1:q", true);
    // Never in the service.
    for bad in ["arn:aws:s*:us-east-1:1:q", "arn:aws:*", "arn:aws:sq?::1:q"] {
        let text = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"{bad}"}}}}"#);
        let message = "Resource vendor must be fully qualified and cannot contain regexes.";
        assert_eq!(refusal(PolicyKind::Identity, &text).message, message);
    }
    check("arn:aws:sqs", "arn:aws:sqs:us-east-1:1:q", true);
    check("arn:aws:sqs", "arn:aws:sns:us-east-1:1:q", false);
    check("arn:aws:sqs:us-east-1:1:Q", "arn:aws:sqs:us-east-1:1:q", false);
    let arn = context(&[("aws:SourceArn", "arn:aws:sns:us-east-1:123456789012:topic:sub")]);
    assert!(holds(
        r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:123456789012:topic*"}}"#,
        &arn
    ));
    assert!(!holds(
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:topic:sub"}}"#,
        &arn
    ));
    assert!(!holds(
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:123456789012:Topic*"}}"#,
        &arn
    ));
    assert!(holds(
        r#"{"StringLike":{"aws:SourceArn":"arn:aws:sns:*:sub"}}"#,
        &arn
    ));
}

#[test]
fn fact_03_principals_take_no_partial_wildcard_and_are_case_sensitive() {
    for bad in [
        "arn:aws:iam::123456789012:user/*",
        "arn:aws:iam::123456789012:role/a?p",
        "1234567890*",
    ] {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{},"Action":"sts:AssumeRole"}}}}"#,
            aws(bad)
        );
        let error = refusal(PolicyKind::Trust, &text);
        assert_eq!(
            error.message,
            format!(r#"Invalid principal in policy: "AWS":"{bad}""#)
        );
    }
    assert!(resource_says(&user(), &bucket(&aws(USER)), PolicySet::default()));
    let shouting = aws("arn:aws:iam::123456789012:user/Alice");
    assert!(!resource_says(&user(), &bucket(&shouting), PolicySet::default()));
    assert!(resource_says(&user(), &bucket("\"*\""), PolicySet::default()));
}

#[test]
fn a_trust_policy_is_about_assuming_the_role_and_nothing_else() {
    let trust = |action: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"{action}"}}}}"#)
    };
    for good in [
        "sts:AssumeRole",
        "STS:assumerolewithsaml",
        "sts:TagSession",
        "sts:SetContext",
        "sts:Assume*",
        "sts:*",
    ] {
        assert!(Policy::parse(&trust(good), PolicyKind::Trust).is_ok(), "{good}");
    }
    for bad in [
        "sts:TagSessions",
        "sts:GetCallerIdentity",
        "sts:Get*",
        "sts:",
        "iam:PassRole",
    ] {
        assert_eq!(
            refusal(PolicyKind::Trust, &trust(bad)).message,
            "AssumeRole policy may only specify STS AssumeRole actions.",
            "{bad}"
        );
    }
}

#[test]
fn fact_04_a_trust_policy_keeps_unique_ids_and_principal_arn_survives() {
    let none = Context::new();
    let recreated = PrincipalInfo::user(ACCOUNT.parse().unwrap(), USER, "AIDAEXAMPLEEXAMPLE02");
    let stored = trust(&aws(USER_ID));
    let set = PolicySet::default();
    assert!(evaluate_trust(&assume(&user(), &none), &stored, &set).is_allow());
    assert!(!evaluate_trust(&assume(&recreated, &none), &stored, &set).is_allow());
    assert!(evaluate_trust(&assume(&role(), &none), &trust(&aws(ROLE_ID)), &set).is_allow());
    let clause = stored.policies()[0].policy.statements()[0].principals().unwrap();
    assert_eq!(
        clause.entries[0].name,
        PrincipalName::UniqueId(USER_ID.to_owned())
    );

    let mut keys = Context::new();
    recreated.fill(&mut keys);
    let by_name = policy(
        PolicyKind::Trust,
        &format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole",
               "Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{USER}"}}}}}}"#
        ),
    );
    assert!(evaluate_trust(&assume(&recreated, &keys), &by_name, &set).is_allow());
}

#[test]
fn fact_04_an_arn_means_the_one_it_meant_and_shows_what_became_of_it() {
    let none = Context::new();
    let set = PolicySet::default();
    let recreated = PrincipalInfo::user(ACCOUNT.parse().unwrap(), USER, "AIDAEXAMPLEEXAMPLE02");
    let id_of = |arn: &str| (arn == USER).then_some(USER_ID);
    let parsed = trust(&aws(USER)).policies()[0].policy.as_ref().clone();
    let meant: PolicyGroup = NamedPolicy::new("trust", parsed.meaning_ids(id_of)).into();
    assert!(evaluate_trust(&assume(&user(), &none), &meant, &set).is_allow());
    assert!(!evaluate_trust(&assume(&recreated, &none), &meant, &set).is_allow());

    let escaped = USER.replace('/', "\\/");
    let document = format!(
        r#" {{"Statement": [
            {{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS": [ "{ROLE}" , "{escaped}"], "Service":"a.b"}}}},
            {{"Principal":{{"AWS":"{USER}"}},"Effect":"Deny","Action":"sts:TagSession","Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{USER}"}}}}}}]}}"#
    );
    document.parse::<serde_json::Value>().unwrap();
    let shown = Policy::with_principals(&document, PolicyKind::Trust, |arn| id_of(arn).map(str::to_owned));
    let expected = document.replace(&escaped, USER_ID).replacen(
        &format!(r#""AWS":"{USER}""#),
        &format!(r#""AWS":"{USER_ID}""#),
        1,
    );
    assert_eq!(shown.unwrap(), expected);
    let unchanged = Policy::with_principals(&document, PolicyKind::Trust, |_| None);
    assert_eq!(unchanged.unwrap(), document);
}

#[test]
fn fact_05_principal_arn_of_a_session_is_the_role() {
    let mut keys = Context::new();
    role().fill(&mut keys);
    assert!(holds(
        &format!(r#"{{"ArnEquals":{{"aws:PrincipalArn":"{ROLE}"}}}}"#),
        &keys
    ));
    assert!(!holds(
        &format!(r#"{{"ArnEquals":{{"aws:PrincipalArn":"{SESSION}"}}}}"#),
        &keys
    ));
    // The role's ARN has its path, the session's has not; a principal naming the role must have it.
    assert!(resource_says(&role(), &bucket(&aws(ROLE)), PolicySet::default()));
    let pathless = aws("arn:aws:iam::123456789012:role/app");
    assert!(!resource_says(&role(), &bucket(&pathless), PolicySet::default()));
}

#[test]
fn fact_06_a_resource_statement_without_principal_matches_nobody() {
    let both = policy(
        PolicyKind::Resource,
        &format!(
            r#"{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}},
               {{"Effect":"Allow","Principal":{},"Action":"s3:GetObject","Resource":"*"}}"#,
            aws(USER)
        ),
    );
    assert!(resource_says(&user(), &both, PolicySet::default()));
    let user = user();
    let none = Context::new();
    let put = Request {
        action: "s3:PutObject",
        ..get(&user, &none)
    };
    assert!(
        !evaluate(
            &put,
            &PolicySet {
                resource: one(&both),
                ..PolicySet::default()
            }
        )
        .is_allow()
    );

    let named = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    for kind in [
        PolicyKind::Identity,
        PolicyKind::Session,
        PolicyKind::Boundary,
        PolicyKind::ServiceControl,
    ] {
        assert_eq!(
            refusal(kind, named).message,
            "Policy document should not specify a principal."
        );
    }
    let bare = r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}"#;
    assert_eq!(
        refusal(PolicyKind::Trust, bare).message,
        "Missing required field Principal"
    );
    let object =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}"#;
    assert_eq!(
        refusal(PolicyKind::Trust, object).message,
        "Has prohibited field Resource"
    );
}

#[test]
fn fact_07_an_empty_not_action_is_not_everything() {
    for empty in ["[]", "[null]"] {
        let text = format!(r#"{{"Statement":{{"Effect":"Allow","NotAction":{empty},"Resource":"*"}}}}"#);
        assert_eq!(
            refusal(PolicyKind::Identity, &text).message,
            "Policy statement must contain actions."
        );
    }
}

#[test]
fn fact_08_a_missing_key_fails_positive_operators_and_satisfies_negated_ones() {
    let none = Context::new();
    let pairs = [
        ("StringEquals", "StringNotEquals", "a"),
        ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "a"),
        ("StringLike", "StringNotLike", "*"),
        ("NumericEquals", "NumericNotEquals", "1"),
        ("DateEquals", "DateNotEquals", "2030-01-01"),
        ("IpAddress", "NotIpAddress", "10.0.0.0/8"),
        ("ArnLike", "ArnNotLike", "*"),
        ("ArnEquals", "ArnNotEquals", "*"),
    ];
    for (positive, negated, value) in pairs {
        assert!(
            !holds(&format!(r#"{{"{positive}":{{"k":"{value}"}}}}"#), &none),
            "{positive}"
        );
        assert!(
            holds(&format!(r#"{{"{negated}":{{"k":"{value}"}}}}"#), &none),
            "{negated}"
        );
        assert!(
            holds(&format!(r#"{{"{negated}IfExists":{{"k":"{value}"}}}}"#), &none),
            "{negated}IfExists"
        );
    }
}

#[test]
fn fact_09_if_exists_goes_with_every_operator_but_null() {
    let none = Context::new();
    let present = context(&[("k", "b")]);
    for operator in [
        "StringEquals",
        "ForAnyValue:StringEquals",
        "ForAllValues:StringLike",
    ] {
        let block = format!(r#"{{"{operator}IfExists":{{"k":"a"}}}}"#);
        assert!(holds(&block, &none), "{operator}");
        assert!(!holds(&block, &present), "{operator}");
    }
    for (operator, value) in [
        ("Bool", "true"),
        ("NumericLessThan", "1"),
        ("BinaryEquals", "AA=="),
    ] {
        assert!(
            holds(&format!(r#"{{"{operator}IfExists":{{"k":"{value}"}}}}"#), &none),
            "{operator}"
        );
    }
    for bad in ["NullIfExists", "ForAnyValue:Null", "ForAllValues:Null"] {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"{bad}":{{"k":"true"}}}}}}}}"#
        );
        assert_eq!(
            refusal(PolicyKind::Identity, &text).message,
            "Syntax errors in policy."
        );
    }
}

#[test]
fn fact_10_values_are_ored_for_positive_and_anded_for_negated_operators() {
    let b = context(&[("k", "b"), ("l", "x")]);
    assert!(holds(r#"{"StringEquals":{"k":["a","b"]}}"#, &b));
    assert!(!holds(r#"{"StringNotEquals":{"k":["a","b"]}}"#, &b));
    assert!(holds(r#"{"StringNotEquals":{"k":["a","c"]}}"#, &b));
    // A plain negated operator on a multivalued key: no value may match.
    let mut many = Context::new();
    many.set_many("k", ["a", "b"]);
    assert!(!holds(r#"{"StringNotEquals":{"k":"a"}}"#, &many));
    assert!(
        holds(r#"{"StringNotEquals":{"k":"c"}}"#, &many) && holds(r#"{"StringEquals":{"k":"a"}}"#, &many)
    );
    assert!(!holds(r#"{"StringEquals":{"k":"b","l":"y"}}"#, &b));
    assert!(!holds(
        r#"{"StringEquals":{"k":"b"},"StringLike":{"l":"y*"}}"#,
        &b
    ));
    assert!(holds(r#"{"StringEquals":{"k":"b"},"StringLike":{"l":"x*"}}"#, &b));
}

#[test]
fn fact_11_set_operators_quantify_over_each_value() {
    let none = Context::new();
    let mut empty = Context::new();
    empty.set_many("k", Vec::<String>::new());
    let mut ab = Context::new();
    ab.set_many("k", ["a", "b"]);
    let single = context(&[("k", "a")]);
    let check = |operator: &str, values: &str, keys: &Context, expect: bool| {
        assert_eq!(
            holds(&format!(r#"{{"{operator}":{{"k":{values}}}}}"#), keys),
            expect,
            "{operator} {values} {keys:?}"
        );
    };
    for keys in [&none, &empty] {
        check("ForAllValues:StringEquals", r#"["a"]"#, keys, true);
        check("ForAllValues:StringNotEquals", r#"["a"]"#, keys, true);
        check("ForAnyValue:StringEquals", r#"["a"]"#, keys, false);
        check("ForAnyValue:StringNotEquals", r#"["a"]"#, keys, false);
    }
    check("ForAllValues:StringEquals", r#"["a"]"#, &ab, false);
    check("ForAllValues:StringEquals", r#"["a","b","c"]"#, &ab, true);
    check("ForAnyValue:StringEquals", r#"["a"]"#, &ab, true);
    check("ForAllValues:StringNotEquals", r#"["a"]"#, &ab, false);
    check("ForAllValues:StringNotEquals", r#"["c"]"#, &ab, true);
    check("ForAnyValue:StringNotEquals", r#"["a"]"#, &ab, true);
    check("ForAnyValue:StringNotEquals", r#"["a","b"]"#, &ab, false);
    check("ForAllValues:StringEquals", r#"["a"]"#, &single, true);
    check("ForAnyValue:StringEquals", r#"["a"]"#, &single, true);
    // The current page says "empty set" only: an empty string is a value like any other.
    check(
        "ForAllValues:StringEquals",
        r#"["a"]"#,
        &context(&[("k", "")]),
        false,
    );
}

#[test]
fn fact_12_key_names_ignore_case_tag_keys_included() {
    let tagged = context(&[("aws:ResourceTag/Team", "red")]);
    assert!(holds(
        r#"{"StringEquals":{"AWS:resourcetag/tEAM":"red"}}"#,
        &tagged
    ));
    assert!(!holds(
        r#"{"StringEquals":{"aws:ResourceTag/Team":"Red"}}"#,
        &tagged
    ));
    let mut two = tagged.clone();
    two.add("aws:ResourceTag/team", "blue");
    for colour in ["red", "blue"] {
        assert!(holds(
            &format!(r#"{{"StringEquals":{{"aws:ResourceTag/TEAM":"{colour}"}}}}"#),
            &two
        ));
    }
}

#[test]
fn fact_13_only_like_and_arn_operators_know_wildcards() {
    let keys = context(&[("k", "abc"), ("star", "a*")]);
    for operator in ["StringEquals", "StringEqualsIgnoreCase"] {
        assert!(!holds(&format!(r#"{{"{operator}":{{"k":"a*"}}}}"#), &keys));
        assert!(holds(&format!(r#"{{"{operator}":{{"star":"a*"}}}}"#), &keys));
    }
    assert!(holds(r#"{"StringLike":{"k":"a?c"}}"#, &keys));
    assert!(!holds(r#"{"StringLike":{"k":"A?c"}}"#, &keys));
    assert!(holds(r#"{"StringEqualsIgnoreCase":{"k":"ABC"}}"#, &keys));
}

#[test]
fn fact_14_null_asks_for_absence_and_an_empty_string_is_present() {
    let mut empty = Context::new();
    empty.set_many("k", Vec::<String>::new());
    for (keys, absent) in [
        (Context::new(), true),
        (context(&[("k", "")]), false),
        (context(&[("k", "a")]), false),
        // Without values: the guard `Null: false` beside ForAllValues exists for this case.
        (empty, true),
    ] {
        assert_eq!(holds(r#"{"Null":{"k":"true"}}"#, &keys), absent, "{keys:?}");
        assert_eq!(holds(r#"{"Null":{"k":false}}"#, &keys), !absent, "{keys:?}");
    }
    assert!(holds(r#"{"StringEquals":{"k":""}}"#, &context(&[("k", "")])));
}

#[test]
fn fact_15_values_may_go_without_quotes_and_keys_may_not_repeat() {
    let keys = context(&[("n", "5"), ("b", "true")]);
    for block in [
        r#"{"NumericEquals":{"n":5},"Bool":{"b":true}}"#,
        r#"{"NumericEquals":{"n":"5.0"},"Bool":{"b":"True"}}"#,
    ] {
        assert!(holds(block, &keys));
    }
    let twice = r#"{"Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let error = refusal(PolicyKind::Identity, twice);
    assert_eq!(
        (error.code, error.message.as_str()),
        (PolicyErrorCode::InvalidJson, "This policy contains invalid Json")
    );
    assert_eq!((error.position.line, error.position.column), (1, 32));
}

#[test]
fn fact_16_dates_are_iso_profiles_or_epoch() {
    let now = context(&[("t", "2030-06-15T12:00:00Z")]);
    for earlier in [
        "2030",
        "2030-06",
        "2030-06-15",
        "2030-06-15T11:59Z",
        "2030-06-15T13:59:59+02:00",
        "1907755199",
        "2030-06-15T11:59:59.999Z",
    ] {
        assert!(
            holds(&format!(r#"{{"DateGreaterThan":{{"t":"{earlier}"}}}}"#), &now),
            "{earlier}"
        );
    }
    for same in [
        "2030-06-15T12:00:00Z",
        "2030-06-15T14:00+02:00",
        "1907755200",
        "2030-06-15T12:00:00.000Z",
    ] {
        assert!(
            holds(&format!(r#"{{"DateEquals":{{"t":"{same}"}}}}"#), &now),
            "{same}"
        );
    }
    assert!(holds(r#"{"DateLessThan":{"t":1907755201}}"#, &now));
    let wild = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateEquals":{"t":"2030-*"}}}}"#;
    assert_eq!(
        refusal(PolicyKind::Identity, wild).code,
        PolicyErrorCode::LegacyParsing
    );
}

#[test]
fn fact_17_binary_compares_bytes() {
    let keys = context(&[("k", "QUJD")]);
    assert!(holds(r#"{"BinaryEquals":{"k":"QUJD"}}"#, &keys));
    assert!(!holds(r#"{"BinaryEquals":{"k":"qujd"}}"#, &keys));
}

#[test]
fn fact_18_addresses_of_both_families() {
    let from = |address: &str| context(&[("aws:SourceIp", address)]);
    let within = |network: &str, address: &str| {
        holds(
            &format!(r#"{{"IpAddress":{{"aws:SourceIp":"{network}"}}}}"#),
            &from(address),
        )
    };
    assert!(within("203.0.113.0/24", "203.0.113.255") && !within("203.0.113.0/24", "203.0.114.0"));
    assert!(within("0.0.0.0/0", "1.2.3.4") && within("::/0", "2001:db8::1"));
    assert!(within("203.0.113.7", "203.0.113.7") && !within("203.0.113.7", "203.0.113.8"));
    assert!(within("2001:db8::/32", "2001:db8:ffff::1") && !within("2001:db8::/32", "2001:db9::1"));
    // A bare IPv6 address is one host, not 2^96.
    assert!(within("2001:db8::1", "2001:db8::1") && !within("2001:db8::1", "2001:db8::2"));
    assert!(!within("203.0.113.0/24", "2001:db8::1"));
    // Mapped addresses are what they map.
    assert!(
        within("203.0.113.0/24", "::ffff:203.0.113.9") && within("::ffff:203.0.113.0/120", "203.0.113.9")
    );
    assert!(!holds(
        r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        &from("::ffff:203.0.113.9")
    ));
    assert!(holds(
        r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}"#,
        &from("2001:db8::1")
    ));
}

#[test]
fn fact_19_unknown_operators_are_refused_and_an_undecidable_deny_denies() {
    for bad in [
        "StringMatches",
        "stringequals",
        "ForAnyValue::StringEquals",
        "StringEqualsIfExistsIfExists",
        "ForSome:Bool",
    ] {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"{bad}":{{"k":"a"}}}}}}}}"#
        );
        assert_eq!(
            refusal(PolicyKind::Identity, &text).message,
            "Syntax errors in policy.",
            "{bad}"
        );
    }
    let keys = context(&[
        ("n", "many"),
        ("t", "soon"),
        ("ip", "here"),
        ("b", "yes"),
        ("bin", "?"),
    ]);
    for block in [
        r#"{"NumericGreaterThan":{"n":"10"}}"#,
        r#"{"NumericNotEquals":{"n":"10"}}"#,
        r#"{"DateLessThan":{"t":"2030-01-01"}}"#,
        r#"{"IpAddress":{"ip":"10.0.0.0/8"}}"#,
        r#"{"NotIpAddress":{"ip":"10.0.0.0/8"}}"#,
        r#"{"Bool":{"b":"false"}}"#,
        r#"{"BinaryEquals":{"bin":"AA=="}}"#,
        r#"{"StringEquals":{"n":[]}}"#,
        r#"{"StringNotEquals":{"n":[]}}"#,
    ] {
        assert!(!holds(block, &keys), "{block}");
        let deny = policy(
            PolicyKind::Identity,
            &format!(
                r#"{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{block}}}"#
            ),
        );
        let user = user();
        let decision = evaluate(
            &get(&user, &keys),
            &PolicySet {
                identity: one(&deny),
                ..PolicySet::default()
            },
        );
        assert_eq!(decision.effect, Effect::ExplicitDeny, "{block}");
    }
}

#[test]
fn fact_20_keys_follow_from_who_asks() {
    // That no header reaches the context is the gateway's part.
    let mut keys = Context::new();
    role().fill(&mut keys);
    assert_eq!(keys.get("aws:username"), None);
    assert_eq!(
        keys.get("AWS:UserId"),
        Some(&ContextValue::One(format!("{ROLE_ID}:s1")))
    );
    assert_eq!(keys.get("aws:MultiFactorAuthPresent"), None);
    let mut keys = Context::new();
    user().fill(&mut keys);
    assert_eq!(
        keys.get("aws:username"),
        Some(&ContextValue::One("alice".to_owned()))
    );
    assert!(holds(
        r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#,
        &keys
    ));
    assert!(!holds(
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#,
        &keys
    ));
}

#[test]
fn fact_21_variables_need_the_current_version_and_their_place() {
    let keys = context(&[
        ("aws:username", "alice"),
        ("k", "alice"),
        ("literal", "${aws:username}"),
        ("b", "true"),
        ("flag", "true"),
    ]);
    assert!(holds(r#"{"StringEquals":{"k":"${aws:username}"}}"#, &keys));
    {
        let old = "2008-10-17";
        assert_eq!(
            condition_in(old, r#"{"StringEquals":{"k":"${aws:username}"}}"#, &keys),
            Effect::ImplicitDeny
        );
        assert_eq!(
            condition_in(old, r#"{"StringEquals":{"literal":"${aws:username}"}}"#, &keys),
            Effect::Allow
        );
    }
    let missing = Policy::parse(
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        PolicyKind::Identity,
    );
    assert_eq!(missing.unwrap().version(), Version::V2008);
    // Bool: the two pages differ; the operator's own says yes.
    assert!(holds(r#"{"Bool":{"b":"${flag}"}}"#, &keys));
    for block in [
        r#"{"NumericEquals":{"k":"${n}"}}"#,
        r#"{"DateEquals":{"k":"${n}"}}"#,
        r#"{"IpAddress":{"k":"${n}"}}"#,
        r#"{"Null":{"k":"${n}"}}"#,
        r#"{"BinaryEquals":{"k":"${n}"}}"#,
    ] {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{block}}}}}"#
        );
        assert_eq!(
            refusal(PolicyKind::Identity, &text).code,
            PolicyErrorCode::LegacyParsing,
            "{block}"
        );
    }
    // Before the fifth colon a variable is none, and matches nothing.
    let account = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:us-east-1:${k}:q"}"#;
    assert!(!identity(
        account,
        "sqs:SendMessage",
        "arn:aws:sqs:us-east-1:alice:q",
        &keys
    ));
}

#[test]
fn fact_22_unresolved_variables_defaults_and_escapes() {
    let mut keys = context(&[
        ("aws:username", "alice"),
        ("k", "v"),
        ("star", "*"),
        ("lit", "a*?$"),
    ]);
    keys.set_many("tags", ["one"]);
    let object = |pattern: &str, resource: &str| {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/{pattern}"}}"#);
        identity(
            &statement,
            "s3:GetObject",
            &format!("arn:aws:s3:::b/{resource}"),
            &keys,
        )
    };
    assert!(object("${aws:username}/*", "alice/x") && !object("${aws:username}/*", "bob/x"));
    assert!(!object("${missing}*", "x") && !object("${missing}", "${missing}") && !object("${missing}", ""));
    assert!(object("${missing, 'team'}/*", "team/x") && object("${aws:username, 'team'}/*", "alice/x"));
    for malformed in [
        "${missing,'team'}",
        "${missing, team}",
        "${missing , 'team'}",
        "${}",
    ] {
        assert!(!object(malformed, "team"), "{malformed}");
    }
    assert!(!object("${tags}", "one"), "a multivalued key is no variable");
    assert!(
        object("${star}", "*") && !object("${star}", "x"),
        "a substituted star is a star"
    );
    assert!(object("a${*}", "a*") && !object("a${*}", "ab") && object("a${?}${$}", "a?$"));
    assert!(holds(r#"{"StringLike":{"lit":"a${*}${?}${$}"}}"#, &keys));
    assert!(!holds(r#"{"StringEquals":{"k":"${missing}"}}"#, &keys));
    assert!(holds(r#"{"StringNotEquals":{"k":"${missing}"}}"#, &keys));
    assert!(holds(r#"{"StringNotLike":{"k":"${missing}*"}}"#, &keys));
    assert!(holds(
        r#"{"StringNotEqualsIgnoreCase":{"k":"${missing}"}}"#,
        &keys
    ));
    // NotResource: a missing value grants nothing and spares nothing.
    let not = |effect: &str| {
        format!(r#"{{"Effect":"{effect}","Action":"*","NotResource":"arn:aws:s3:::b/${{missing}}"}}"#)
    };
    assert!(!identity(&not("Allow"), "s3:GetObject", OBJECT, &keys));
    let deny = policy(PolicyKind::Identity, &not("Deny"));
    let user = user();
    let decision = evaluate(
        &get(&user, &keys),
        &PolicySet {
            identity: one(&deny),
            ..PolicySet::default()
        },
    );
    assert_eq!(decision.effect, Effect::ExplicitDeny);
}

#[test]
fn fact_23_same_account_is_a_union_and_trust_must_allow() {
    let none = Context::new();
    let (user, role) = (user(), role());
    let all = allow_all(PolicyKind::Identity);
    let with = PolicySet {
        identity: one(&all),
        ..PolicySet::default()
    };
    let without = PolicySet::default();
    assert!(evaluate(&get(&user, &none), &with).is_allow());
    assert!(resource_says(&user, &bucket(&aws(USER)), without));
    let deny = policy(
        PolicyKind::Resource,
        r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#,
    );
    assert!(!resource_says(&user, &deny, with));

    for (principal, alone, together) in [
        (aws(USER), true, true),
        (aws(USER_ID), true, true),
        (aws("arn:aws:iam::123456789012:root"), false, true),
        (aws(ACCOUNT), false, true),
        (aws(ROLE), false, false),
        (r#"{"Service":"ec2.amazonaws.com"}"#.to_owned(), false, false),
    ] {
        let trust = trust(&principal);
        assert_eq!(
            evaluate_trust(&assume(&user, &none), &trust, &without).is_allow(),
            alone,
            "{principal}"
        );
        assert_eq!(
            evaluate_trust(&assume(&user, &none), &trust, &with).is_allow(),
            together,
            "{principal}"
        );
    }
    assert!(evaluate_trust(&assume(&role, &none), &trust(&aws(ROLE)), &without).is_allow());
    let ec2 = PrincipalInfo::service("ec2.amazonaws.com");
    assert!(
        evaluate_trust(
            &assume(&ec2, &none),
            &trust(r#"{"Service":"ec2.amazonaws.com"}"#),
            &without
        )
        .is_allow()
    );
    assert!(!evaluate_trust(&assume(&ec2, &none), &trust(&aws("*")), &without).is_allow());
    // In a resource policy, naming the account delegates to it as well; it is not only the root user.
    let account = bucket(&aws(ACCOUNT));
    assert!(!resource_says(&user, &account, without) && resource_says(&user, &account, with));
    let root = PrincipalInfo::root(ACCOUNT.parse().unwrap());
    assert!(resource_says(&root, &account, without));
}

#[test]
fn what_is_aws_s_own_needs_no_policy_of_its_own() {
    let (user, none) = (user(), Context::new());
    let everything = policy(
        PolicyKind::Identity,
        r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
    );
    let set = PolicySet {
        identity: one(&everything),
        ..PolicySet::default()
    };
    for (account, is_ours) in [("aws", true), (ACCOUNT, true), (OTHER, false)] {
        let request = Request {
            principal: &user,
            action: "iam:GetPolicyVersion",
            resource: &format!("arn:aws:iam::{account}:policy/ReadOnlyAccess"),
            resource_account: None,
            context: &none,
        };
        assert_eq!(evaluate(&request, &set).is_allow(), is_ours, "{account}");
    }
}

#[test]
fn fact_24_across_accounts_both_sides_must_allow() {
    let none = Context::new();
    let (user, role) = (user(), role());
    let all = allow_all(PolicyKind::Identity);
    let narrow = policy(
        PolicyKind::Boundary,
        r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
    );
    let with = PolicySet {
        identity: one(&all),
        ..PolicySet::default()
    };
    for (who, name) in [
        (&user, USER),
        (&role, ROLE),
        (&role, SESSION),
        (&user, ACCOUNT),
        (&user, "*"),
    ] {
        let grant = bucket(&aws(name));
        let request = Request {
            resource_account: Some(OTHER),
            ..get(who, &none)
        };
        let says = |set: PolicySet<'_>| evaluate(&request, &set).is_allow();
        assert!(
            says(PolicySet {
                resource: one(&grant),
                ..with
            }),
            "{name}"
        );
        assert!(
            !says(with)
                && !says(PolicySet {
                    resource: one(&grant),
                    ..PolicySet::default()
                }),
            "{name}"
        );
        assert!(
            !says(PolicySet {
                resource: one(&grant),
                boundary: Some(&narrow),
                ..with
            }),
            "{name}"
        );
    }
    let abroad = Request {
        resource: "arn:aws:iam::999999999999:role/target",
        ..assume(&user, &none)
    };
    assert!(!evaluate_trust(&abroad, &trust(&aws(USER)), &PolicySet::default()).is_allow());
    assert!(evaluate_trust(&abroad, &trust(&aws(USER)), &with).is_allow());
}

#[test]
fn fact_25_who_a_resource_policy_names_decides_what_limits_the_grant() {
    let narrow = policy(
        PolicyKind::Boundary,
        r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
    );
    let session = policy(
        PolicyKind::Session,
        r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
    );
    let bounded = PolicySet {
        boundary: Some(&narrow),
        ..PolicySet::default()
    };
    let limited = PolicySet {
        session: one(&session),
        ..PolicySet::default()
    };
    for (who, name, within_boundary, within_session) in [
        (user(), USER, true, true),
        (role(), ROLE, false, false),
        (role(), ROLE_ID, false, false),
        // SIM expects the session policy to limit this one; AWS's documentation says it does not.
        (role(), SESSION, true, true),
        (user(), "*", true, true),
        (role(), "*", true, true),
    ] {
        let grant = bucket(&aws(name));
        assert!(resource_says(&who, &grant, PolicySet::default()), "{name}");
        assert_eq!(resource_says(&who, &grant, bounded), within_boundary, "{name}");
        assert_eq!(resource_says(&who, &grant, limited), within_session, "{name}");
    }
}

#[test]
fn fact_26_not_principal_denies_all_whose_every_name_is_not_listed() {
    let all = allow_all(PolicyKind::Identity);
    let spared = |who: &PrincipalInfo, listed: &[&str], boundary: Option<&PolicyGroup>| {
        let names = listed
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(",");
        let deny = policy(
            PolicyKind::Resource,
            &format!(r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":[{names}]}},"Action":"*","Resource":"*"}}"#),
        );
        resource_says(
            who,
            &deny,
            PolicySet {
                identity: one(&all),
                boundary,
                ..PolicySet::default()
            },
        )
    };
    let root = "arn:aws:iam::123456789012:root";
    assert!(spared(&user(), &[USER, root], None));
    assert!(!spared(&user(), &[USER], None) && !spared(&user(), &[root], None));
    assert!(spared(&role(), &[root, ROLE, SESSION], None));
    for missing in [[root, ROLE], [root, SESSION], [ROLE, SESSION]] {
        assert!(!spared(&role(), &missing, None), "{missing:?}");
    }
    let wide = allow_all(PolicyKind::Boundary);
    assert!(!spared(&role(), &[root, ROLE, SESSION], Some(&wide)));
    let statement = |effect: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"{effect}","NotPrincipal":{{"AWS":"{USER}"}},"Action":"sts:AssumeRole","Resource":"*"}}}}"#
        )
    };
    for (kind, effect) in [
        (PolicyKind::Resource, "Allow"),
        (PolicyKind::Trust, "Deny"),
        (PolicyKind::Identity, "Deny"),
    ] {
        assert_eq!(refusal(kind, &statement(effect)).code, PolicyErrorCode::Principal);
    }
}

#[test]
fn fact_27_a_federated_user_without_session_policy_has_only_what_resources_grant() {
    let none = Context::new();
    let arn = "arn:aws:sts::123456789012:federated-user/bob";
    let bob = PrincipalInfo::federated_user(ACCOUNT.parse().unwrap(), arn);
    let all = allow_all(PolicyKind::Identity);
    let passed = allow_all(PolicyKind::Session);
    let parent = PolicySet {
        identity: one(&all),
        ..PolicySet::default()
    };
    let decision = evaluate(&get(&bob, &none), &parent);
    assert_eq!(
        (decision.effect, decision.denied_by),
        (Effect::ImplicitDeny, Some(PolicyKind::Session))
    );
    assert!(
        evaluate(
            &get(&bob, &none),
            &PolicySet {
                session: one(&passed),
                ..parent
            }
        )
        .is_allow()
    );
    assert!(resource_says(&bob, &bucket(&aws(arn)), PolicySet::default()));
    assert!(evaluate(&get(&role(), &none), &parent).is_allow());
}

#[test]
fn fact_28_a_role_does_not_trust_itself() {
    let none = Context::new();
    let role = role();
    let itself = Request {
        resource: ROLE,
        ..assume(&role, &none)
    };
    let all = allow_all(PolicyKind::Identity);
    let set = PolicySet {
        identity: one(&all),
        ..PolicySet::default()
    };
    assert!(!evaluate_trust(&itself, &trust(&aws(USER)), &set).is_allow());
    assert!(evaluate_trust(&itself, &trust(&aws(ROLE)), &set).is_allow());
}

#[test]
fn fact_29_get_caller_identity_always_succeeds_and_wildcard_actions_need_a_star() {
    let none = Context::new();
    let user = user();
    let deny = policy(
        PolicyKind::Identity,
        r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
    );
    let who = Request {
        action: "sts:GetCallerIdentity",
        resource: "*",
        ..get(&user, &none)
    };
    assert!(
        evaluate(
            &who,
            &PolicySet {
                identity: one(&deny),
                ..PolicySet::default()
            }
        )
        .is_allow()
    );
    let anonymous = PrincipalInfo::anonymous();
    assert!(
        !evaluate(
            &Request {
                principal: &anonymous,
                ..who
            },
            &PolicySet::default()
        )
        .is_allow()
    );
    let list = |resource: &str| {
        let statement =
            format!(r#"{{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"{resource}"}}"#);
        identity(&statement, "s3:ListAllMyBuckets", "*", &none)
    };
    assert!(list("*") && !list("arn:aws:s3:::*") && !list("arn:aws:s3"));
}

#[test]
fn fact_30_a_key_of_one_resource_type_fails_on_the_others() {
    // That every touched resource is asked about is the caller's part; this is why policies say IfExists.
    let instance = context(&[("ec2:InstanceType", "t3.micro")]);
    let subnet = Context::new();
    assert!(holds(
        r#"{"StringEquals":{"ec2:InstanceType":"t3.micro"}}"#,
        &instance
    ));
    assert!(!holds(
        r#"{"StringEquals":{"ec2:InstanceType":"t3.micro"}}"#,
        &subnet
    ));
    assert!(holds(
        r#"{"StringEqualsIfExists":{"ec2:InstanceType":"t3.micro"}}"#,
        &subnet
    ));
}

// Facts 31 to 34 (lifetimes, restrictions of credentials, session tags, packed size) are the authority's.

#[test]
fn fact_33_tagging_a_session_asks_the_trust_policy_too() {
    let none = Context::new();
    let user = user();
    let tag = Request {
        action: "sts:TagSession",
        ..assume(&user, &none)
    };
    assert!(!evaluate_trust(&tag, &trust(&aws(USER)), &PolicySet::default()).is_allow());
}

#[test]
fn fact_35_documents_are_limited_in_characters_and_size() {
    // The quotas per kind are the authority's.
    let text = |sid: &str| {
        format!(r#"{{"Statement":{{"Sid":"{sid}","Effect":"Allow","Action":"*","Resource":"*"}}}}"#)
    };
    assert!(Policy::parse(&text("é"), PolicyKind::Identity).is_ok());
    for bad in ["ł", "\u{7f}\u{100}", "日"] {
        assert_eq!(
            refusal(PolicyKind::Identity, &text(bad)).code,
            PolicyErrorCode::Characters,
            "{bad}"
        );
    }
    let padded = |bytes: usize| format!("{}{}", text(""), " ".repeat(bytes - text("").len()));
    assert!(Policy::parse(&padded(DOCUMENT_BYTES_MAX), PolicyKind::Identity).is_ok());
    assert_eq!(
        refusal(PolicyKind::Identity, &padded(DOCUMENT_BYTES_MAX + 1)).code,
        PolicyErrorCode::TooLarge
    );
    let actions = |count: usize| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":[{}],"Resource":"*"}}}}"#,
            vec!["\"*\""; count].join(",")
        )
    };
    assert!(Policy::parse(&actions(VALUES_MAX - 1), PolicyKind::Identity).is_ok());
    assert_eq!(
        refusal(PolicyKind::Identity, &actions(VALUES_MAX)).code,
        PolicyErrorCode::TooLarge
    );
}

#[test]
fn fact_36_revocation_is_a_policy() {
    let revoke = policy(
        PolicyKind::Identity,
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},
           {"Effect":"Deny","Action":["*"],"Resource":["*"],
            "Condition":{"DateLessThan":{"aws:TokenIssueTime":"2030-01-01T00:00:00.000Z"}}}"#,
    );
    let role = role();
    for (issued, effect) in [
        ("2029-12-31T23:59:59Z", Effect::ExplicitDeny),
        ("2030-01-01T00:00:00Z", Effect::Allow),
    ] {
        let keys = context(&[("aws:TokenIssueTime", issued)]);
        let set = PolicySet {
            identity: one(&revoke),
            ..PolicySet::default()
        };
        assert_eq!(evaluate(&get(&role, &keys), &set).effect, effect);
    }
}

// Facts 37 and 40 to 42 (wire forms, throttling, consistency) are other layers'.

#[test]
fn fact_38_codes_and_exact_texts() {
    let error = refusal(PolicyKind::Identity, "{");
    assert_eq!(
        (error.code.aws_code(), error.message.as_str()),
        ("MalformedPolicyDocument", "This policy contains invalid Json")
    );
}

#[test]
fn fact_39_a_denial_names_one_kind_of_policy() {
    let none = Context::new();
    let user = user();
    let request = get(&user, &none);
    let start = r#"User: arn:aws:iam::123456789012:user/alice is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::bucket/key""#;
    let message = |set: &PolicySet<'_>| evaluate(&request, set).message(&request);
    assert_eq!(
        message(&PolicySet::default()),
        format!("{start} because no identity-based policy allows the s3:GetObject action")
    );
    let all = allow_all(PolicyKind::Identity);
    let with = PolicySet {
        identity: one(&all),
        ..PolicySet::default()
    };
    let deny = |kind| policy(kind, r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#);
    let boundary = deny(PolicyKind::Boundary);
    assert_eq!(
        message(&PolicySet {
            boundary: Some(&boundary),
            ..with
        }),
        format!("{start} with an explicit deny in a permissions boundary")
    );
    let identity = deny(PolicyKind::Identity);
    assert_eq!(
        message(&PolicySet {
            identity: one(&identity),
            ..with
        }),
        format!("{start} with an explicit deny in an identity-based policy")
    );
    assert_eq!(
        message(&PolicySet {
            session: Some(&PolicyGroup::default()),
            ..with
        }),
        format!("{start} because no session policy allows the s3:GetObject action")
    );
    let levels = [allow_all(PolicyKind::ServiceControl), PolicyGroup::default()];
    assert_eq!(
        message(&PolicySet {
            service_control: Some(&levels),
            ..with
        }),
        format!("{start} because no service control policy allows the s3:GetObject action")
    );
    let control = policy(
        PolicyKind::ResourceControl,
        r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#,
    );
    assert_eq!(
        message(&PolicySet {
            resource_control: one(&control),
            ..with
        }),
        format!("{start} with an explicit deny in a resource control policy")
    );
    let refused = evaluate_trust(&assume(&user, &none), &trust(&aws(ROLE)), &with);
    assert_eq!(
        refused.message(&assume(&user, &none)),
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole on resource: \
         arn:aws:iam::123456789012:role/target because no role trust policy allows the sts:AssumeRole action"
    );
}

#[test]
fn fact_40_statements_know_where_they_start_and_end() {
    let text = "{\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": \"s3:*\",\n     \"Resource\": \"*\"}]}";
    let policy = Policy::parse(text, PolicyKind::Identity).unwrap();
    let statement = &policy.statements()[0];
    assert_eq!((statement.position().line, statement.position().column), (3, 5));
    assert_eq!((statement.end().line, statement.end().column), (4, 22));
    assert_eq!(
        &text[statement.position().offset..statement.end().offset]
            .lines()
            .count(),
        &2
    );
}
