//! The condition keys that trust policies have of an assertion (IAM User Guide, "Available keys for SAML-based AWS STS
//! federation" and "Mapping SAML attributes to AWS trust policy context keys").

use hallpass_saml::Assertion;
use hallpass_types::AccountId;

/// Attributes of eduPerson, eduOrg and X.500 by their object identifier, those of Active Directory by their URI.
const KEYS: &[(&str, &str)] = &[
    ("1.3.6.1.4.1.5923.1.1.1.1", "edupersonaffiliation"),
    ("1.3.6.1.4.1.5923.1.1.1.2", "edupersonnickname"),
    ("1.3.6.1.4.1.5923.1.1.1.3", "edupersonorgdn"),
    ("1.3.6.1.4.1.5923.1.1.1.4", "edupersonorgunitdn"),
    ("1.3.6.1.4.1.5923.1.1.1.5", "edupersonprimaryaffiliation"),
    ("1.3.6.1.4.1.5923.1.1.1.6", "edupersonprincipalname"),
    ("1.3.6.1.4.1.5923.1.1.1.7", "edupersonentitlement"),
    ("1.3.6.1.4.1.5923.1.1.1.8", "edupersonprimaryorgunitdn"),
    ("1.3.6.1.4.1.5923.1.1.1.9", "edupersonscopedaffiliation"),
    ("1.3.6.1.4.1.5923.1.1.1.10", "edupersontargetedid"),
    ("1.3.6.1.4.1.5923.1.1.1.11", "edupersonassurance"),
    ("1.3.6.1.4.1.5923.1.2.1.2", "eduorghomepageuri"),
    ("1.3.6.1.4.1.5923.1.2.1.3", "eduorgidentityauthnpolicyuri"),
    ("1.3.6.1.4.1.5923.1.2.1.4", "eduorglegalname"),
    ("1.3.6.1.4.1.5923.1.2.1.5", "eduorgsuperioruri"),
    ("1.3.6.1.4.1.5923.1.2.1.6", "eduorgwhitepagesuri"),
    ("2.5.4.3", "cn"),
    ("2.5.4.3", "commonName"),
    ("2.5.4.4", "surname"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("0.9.2342.19200300.100.1.1", "uid"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("0.9.2342.19200300.100.1.45", "organizationStatus"),
    (
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
        "name",
    ),
    ("http://schemas.xmlsoap.org/claims/CommonName", "commonName"),
    (
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
        "givenName",
    ),
    (
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
        "surname",
    ),
    (
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "mail",
    ),
    (
        "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid",
        "primaryGroupSID",
    ),
];

/// `saml:KEY` for what is always there, and for the attributes that AWS knows; an attribute of another name is none.
pub(super) fn condition_keys(
    assertion: &Assertion,
    account: AccountId,
    provider_name: &str,
    name_qualifier: &str,
) -> Vec<(String, Vec<String>)> {
    let mut keys: Vec<(String, Vec<String>)> = [
        ("aud", assertion.recipient.clone()),
        ("iss", assertion.issuer.clone()),
        ("sub", assertion.subject.clone()),
        ("sub_type", assertion.subject_type.clone()),
        ("namequalifier", name_qualifier.to_owned()),
        ("doc", format!("{account}/{provider_name}")),
    ]
    .map(|(key, value)| (format!("saml:{key}"), vec![value]))
    .into();
    for (name, values) in &assertion.attributes {
        let known = name.strip_prefix("urn:oid:").unwrap_or(name);
        for (_, key) in KEYS.iter().filter(|(attribute, _)| *attribute == known) {
            let key = format!("saml:{key}");
            // Two attributes may mean the same key.
            match keys.iter_mut().find(|(other, _)| *other == key) {
                Some((_, all)) => all.extend(values.iter().cloned()),
                None => keys.push((key, values.clone())),
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn attributes_that_are_known_are_keys_and_others_are_not() {
        let attribute = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned());
            (name.to_owned(), values.collect())
        };
        let assertion = Assertion {
            id: "_a".to_owned(),
            issuer: "https://idp.example.org".to_owned(),
            subject: "ann".to_owned(),
            subject_type: "persistent".to_owned(),
            recipient: "https://signin.aws.amazon.com/saml".to_owned(),
            roles: vec![],
            session_name: "ann".to_owned(),
            session_seconds: None,
            session_ends: None,
            source_identity: None,
            tags: vec![],
            transitive_tag_keys: vec![],
            attributes: vec![
                attribute("http://schemas.xmlsoap.org/claims/CommonName", &["Ann"]),
                attribute("saml:sub", &["root"]),
                attribute("sub", &["root"]),
                attribute("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", &["staff", "member"]),
                attribute("urn:oid:2.5.4.3", &["ann"]),
            ],
        };
        let account = "123456789012".parse().unwrap();
        let keys = condition_keys(&assertion, account, "idp", "hash");
        let found: BTreeMap<&str, String> = keys.iter().map(|(key, all)| (&**key, all.join(" "))).collect();
        assert_eq!(found.len(), keys.len());
        let expected = [
            ("saml:aud", "https://signin.aws.amazon.com/saml"),
            ("saml:cn", "ann"),
            ("saml:commonName", "Ann ann"),
            ("saml:doc", "123456789012/idp"),
            ("saml:edupersonaffiliation", "staff member"),
            ("saml:iss", "https://idp.example.org"),
            ("saml:namequalifier", "hash"),
            ("saml:sub", "ann"),
            ("saml:sub_type", "persistent"),
        ];
        assert_eq!(found, expected.map(|(key, value)| (key, value.to_owned())).into());
    }
}
