//! What a proved assertion must say.

use super::idp::{ISSUER, Idp, assertion, attribute, response};
use crate::SamlError;

#[test]
fn times_recipients_and_audiences() {
    let idp = Idp::new();
    let text = assertion("_a");
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        idp.verify(&idp.sign(&response(&text.replace(from, to)), "_a"))
    };
    let end = "NotOnOrAfter=\"2026-01-02T03:09:00Z\"";
    let expired = "NotOnOrAfter=\"2026-01-02T03:03:05Z\"";
    for (from, to) in [
        (end, expired),
        (&*format!("{end}><saml:Aud"), &*format!("{expired}><saml:Aud")),
        (&*format!("{end} Recipient"), &*format!("{expired} Recipient")),
        (
            "IssueInstant=\"2026-01-02T03:04:00Z\"",
            "IssueInstant=\"2026-01-02T02:58:05Z\"",
        ),
        (
            "AuthnInstant",
            "SessionNotOnOrAfter=\"2026-01-02T03:04:05Z\" AuthnInstant",
        ),
    ] {
        assert!(matches!(changed(from, to), Err(SamlError::Expired(_))), "{to}");
    }
    let sign_in = "https://signin.aws.amazon.com/saml";
    for (from, to) in [
        (
            "IssueInstant=\"2026-01-02T03:04:00Z\"",
            "IssueInstant=\"2026-01-02T03:05:06Z\"",
        ),
        ("IssueInstant=\"2026-01-02T03:04:00Z\"", ""),
        ("IssueInstant=\"2026-01-02T03:04:00Z\"", "IssueInstant=\"soon\""),
        (
            "NotBefore=\"2026-01-02T03:03:00Z\"",
            "NotBefore=\"2026-01-02T03:05:06Z\"",
        ),
        (&*format!("{end} Recipient"), "Recipient"),
        (sign_in, "https://sp.example.org/saml"),
        (sign_in, "https://evil.signin.aws.amazon.com.example.org/saml"),
        (sign_in, "https://example.org/.signin.aws.amazon.com/saml"),
        (sign_in, "http://signin.aws.amazon.com/saml"),
        ("urn:amazon:webservices", "urn:somebody:else"),
        ("<saml:Audience>urn:amazon:webservices</saml:Audience>", ""),
        (
            "</saml:Conditions>",
            "<saml:AudienceRestriction/></saml:Conditions>",
        ),
        ("</saml:Conditions>", "<saml:Unheard/></saml:Conditions>"),
        ("cm:bearer", "cm:holder-of-key"),
        (ISSUER, "https://idp.example.org/other"),
        ("Version=\"2.0\"", "Version=\"1.1\""),
        ("ann@example.org", ""),
        ("ann@example.org", " ann@example.org"),
        ("ann@example.org", "<saml:x/>"),
        ("</saml:Subject>", "<saml:SubjectConfirmation/></saml:Subject>"),
        (
            "</saml:Subject>",
            "<saml:NameID>root</saml:NameID></saml:Subject>",
        ),
    ] {
        assert!(matches!(changed(from, to), Err(SamlError::Unfit(_))), "{to}");
    }
    for (from, to) in [
        (sign_in, "https://eu-central-1.signin.aws.amazon.com/saml"),
        ("urn:amazon:webservices", sign_in),
        (
            "NotBefore=\"2026-01-02T03:03:00Z\"",
            "NotBefore=\"2026-01-02T03:05:05Z\"",
        ),
        (end, "NotOnOrAfter=\"2026-01-02T03:03:06Z\""),
        (
            "IssueInstant=\"2026-01-02T03:04:00Z\"",
            "IssueInstant=\"2026-01-02T02:58:06Z\"",
        ),
    ] {
        changed(from, to).unwrap();
    }
    let ends = changed(
        "AuthnInstant",
        "SessionNotOnOrAfter=\"2026-01-02T04:00:00Z\" AuthnInstant",
    );
    assert_eq!(
        ends.unwrap().session_ends.unwrap().iso8601(),
        "2026-01-02T04:00:00Z"
    );
}

#[test]
fn attributes_of_aws() {
    let idp = Idp::new();
    let with = |name: &str, values: &[&str]| {
        let more = attribute(&format!("https://aws.amazon.com/SAML/Attributes/{name}"), values);
        let text = assertion("_a").replace("</saml:AttributeS", &format!("{more}</saml:AttributeS"));
        idp.verify(&idp.sign(&response(&text), "_a"))
    };
    for (name, values) in [
        ("RoleSessionName", &["bob"][..]),
        ("SourceIdentity", &["a"]),
        ("SourceIdentity", &["aws:ann"]),
        ("SourceIdentity", &["an n"]),
        ("SourceIdentity", &["ann", "bob"]),
        ("SessionDuration", &["899"]),
        ("SessionDuration", &["43201"]),
        ("SessionDuration", &["an hour"]),
        ("PrincipalTag:a", &["1", "2"]),
        ("PrincipalTag:a", &[]),
        ("PrincipalTag:a", &["<saml:b/>"]),
    ] {
        assert!(
            matches!(with(name, values), Err(SamlError::Unfit(_))),
            "{name} {values:?}"
        );
    }
    assert_eq!(
        with("SourceIdentity", &[" ann "])
            .unwrap()
            .source_identity
            .as_deref(),
        Some("ann")
    );
    assert_eq!(
        with("SessionDuration", &["900"]).unwrap().session_seconds,
        Some(900)
    );
    assert_eq!(
        with("PrincipalTag:a", &["1"]).unwrap().tags,
        [("a".to_owned(), "1".to_owned())]
    );
    assert_eq!(with("PrincipalTag:a", &["1 "]).unwrap().tags[0].1, "1 ");
    assert_eq!(
        with("TransitiveTagKeys", &["a", "b"])
            .unwrap()
            .transitive_tag_keys,
        ["a", "b"]
    );
    let (role, provider) = ("arn:aws:iam::1:role/b", "arn:aws:iam::1:saml-provider/q");
    let either = [
        &*format!("{role},{provider}"),
        &format!("{provider},{role}"),
        "words",
        &format!("{role},{role}"),
    ];
    let found = with("Role", &either).unwrap().roles;
    assert_eq!(found.len(), 3);
    assert!(found[1] == found[2] && found[1].role_arn == role && found[1].provider_arn == provider);
    for (from, to) in [
        ("Attributes/Role\"", "Attributes/Rolle\""),
        ("RoleSessionName", "Name"),
        (">ann<", ">a n<"),
    ] {
        let changed = assertion("_a").replace(from, to);
        let refused = idp.verify(&idp.sign(&response(&changed), "_a"));
        assert!(matches!(refused, Err(SamlError::Unfit(_))), "{from}");
    }
}
