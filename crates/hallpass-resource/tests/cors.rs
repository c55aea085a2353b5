//! Whom a bucket's rules let in, by S3's documented examples and its recorded answers.
#![allow(clippy::unwrap_used, reason = "tests")]

use hallpass_resource::{CORS_RULES_MAX, CorsConfiguration, CorsError, CorsRequest, CorsRule};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn rule(origins: &str, methods: &str, headers: &str) -> CorsRule {
    CorsRule {
        allowed_origins: words(origins),
        allowed_methods: words(methods),
        allowed_headers: words(headers),
        ..CorsRule::default()
    }
}

fn answer(rules: &[CorsRule], origin: &str, method: &str, headers: &str) -> Option<Vec<String>> {
    let configuration = CorsConfiguration::new(rules.to_vec()).unwrap();
    let headers = words(headers);
    let asked = CorsRequest {
        origin,
        method,
        headers,
    };
    let told = configuration.headers_for(&asked)?;
    Some(
        told.into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect(),
    )
}

fn is_let(origins: &str, origin: &str) -> bool {
    answer(&[rule(origins, "GET", "")], origin, "GET", "").is_some()
}

/// S3 User Guide, "Elements of a CORS configuration", example 1, and "Testing CORS".
#[test]
fn the_answers_of_the_user_guide() {
    let mut first = rule("http://www.example1.com", "PUT POST DELETE", "*");
    first.max_age_seconds = Some(3000);
    first.expose_headers = words("x-amz-server-side-encryption x-amz-request-id x-amz-id-2");
    let rules = [
        first,
        rule("http://www.example2.com", "PUT POST DELETE", "*"),
        rule("*", "GET", ""),
    ];
    assert_eq!(
        answer(
            &rules,
            "http://www.example1.com",
            "PUT",
            "content-type x-amz-date"
        )
        .unwrap(),
        [
            "access-control-allow-origin: http://www.example1.com",
            "access-control-allow-methods: PUT, POST, DELETE",
            "access-control-allow-headers: content-type, x-amz-date",
            "access-control-expose-headers: x-amz-server-side-encryption, x-amz-request-id, x-amz-id-2",
            "access-control-max-age: 3000",
            "access-control-allow-credentials: true",
            "vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        ]
    );
    assert_eq!(
        answer(&rules, "http://www.example1.com", "GET", "").unwrap(),
        [
            "access-control-allow-origin: *",
            "access-control-allow-methods: GET",
            "vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        ]
    );
    assert_eq!(answer(&rules, "http://www.example3.com", "PUT", ""), None);
    assert_eq!(answer(&rules, "http://www.example1.com", "HEAD", ""), None);
}

/// What ceph's s3-tests expect of S3, and AWS's "How do I configure CORS in Amazon S3".
#[test]
fn an_origin_is_matched_as_a_whole_and_a_wildcard_may_stand_for_nothing() {
    for (pattern, origin, expect) in [
        ("*suffix", "foo.suffix", true),
        ("*suffix", "suffix", true),
        ("*suffix", "foo.suffix.get", false),
        ("start*end", "startend", true),
        ("start*end", "start1end", true),
        ("start*end", "0start12end", false),
        ("start*tend", "startend", false),
        ("prefix*", "prefix", true),
        ("prefix*", "bla.prefix", false),
        ("http://*.example.com", "http://a.b.example.com", true),
        ("http://*.example.com", "http://example.com", false),
        ("http://www.example.com", "https://www.example.com", false),
        ("http://www.example.com", "http://www.example.com:80", false),
        ("http://www.example.com", "http://www.example.com/", false),
        ("http://www.example.com", "http://WWW.example.com", false),
        ("*", "null", true),
        ("null", "null", true),
        ("http://a.example http://b.example", "http://b.example", true),
    ] {
        assert_eq!(is_let(pattern, origin), expect, "{pattern} {origin}");
    }
}

#[test]
fn each_header_must_be_allowed_and_without_a_rule_none_is() {
    let allowed = |headers: &str, asked: &str| {
        answer(&[rule("*", "PUT", headers)], "http://a.example", "PUT", asked).is_some()
    };
    assert!(allowed("", ""));
    assert!(!allowed("", "content-type"));
    assert!(allowed("*", "content-type x-amz-acl"));
    assert!(allowed("X-AMZ-* Content-Type", "content-type x-amz-acl x-amz-"));
    assert!(!allowed("x-amz-*", "x-amz-acl content-type"));
    assert!(!allowed("authorization", "authorization2"));
    assert!(allowed("*", &"a ".repeat(128)));
    assert!(
        !allowed("*", &"a ".repeat(129)),
        "a request of nobody's has bounds"
    );
}

#[test]
fn a_rule_that_names_everyone_lets_no_cookie_in() {
    let told = answer(
        &[rule("http://a.example *", "GET", "")],
        "http://a.example",
        "GET",
        "",
    );
    let told = told.unwrap().join("\n");
    assert!(told.contains("allow-origin: *\n") && !told.contains("credentials"));
}

#[test]
fn rules_that_are_none_are_refused_in_the_words_of_s3() {
    let good = || rule("*", "GET", "");
    let refused = |rules: Vec<CorsRule>| CorsConfiguration::new(rules).unwrap_err().to_string();
    let one = |change: &dyn Fn(&mut CorsRule)| {
        let mut changed = good();
        change(&mut changed);
        refused(vec![good(), changed])
    };
    assert_eq!(
        CorsConfiguration::new(vec![good(); CORS_RULES_MAX]).map(|all| all.rules().len()),
        Ok(100)
    );
    assert_eq!(
        CorsConfiguration::new(vec![good(); CORS_RULES_MAX + 1]),
        Err(CorsError::Schema)
    );
    assert_eq!(CorsConfiguration::new(vec![]), Err(CorsError::Schema));
    for bad in [rule("", "GET", ""), rule("*", "", "")] {
        assert_eq!(CorsConfiguration::new(vec![bad]), Err(CorsError::Schema));
    }
    for method in ["OPTIONS", "PATCH", "get", "*", ""] {
        assert_eq!(
            one(&|rule| rule.allowed_methods.push(method.to_owned())),
            format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}")
        );
    }
    assert_eq!(
        one(&|rule| rule.allowed_origins.push("*example*.com".to_owned())),
        "AllowedOrigin \"*example*.com\" can not have more than one wildcard."
    );
    assert_eq!(
        one(&|rule| rule.allowed_headers.push("**".to_owned())),
        "AllowedHeader \"**\" can not have more than one wildcard."
    );
    assert_eq!(
        one(&|rule| rule.expose_headers.push("x-amz-*".to_owned())),
        "ExposeHeader \"x-amz-*\" contains wildcard. We currently do not support wildcard for ExposeHeader."
    );
    for name in ["a\r\nset-cookie:b", "a b", "é", ""] {
        let said = one(&|rule| rule.expose_headers.push(name.to_owned()));
        assert!(said.ends_with("is not the name of a header."), "{said}");
    }
    assert_eq!(
        one(&|rule| rule.id = Some("é".repeat(256))),
        CorsError::Id.to_string()
    );
    let mut named = good();
    named.id = Some("é".repeat(255));
    assert!(CorsConfiguration::new(vec![named]).is_ok());
}
