//! Bearers of SAML assertions. Every way to forge one is in `hallpass-saml`, whole calls are in `interop/test_saml.py`.

use crate::house::House;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_access::CallerKind;
use hallpass_types::UnixSeconds;
use hallpass_wire::{QueryParams, percent_encode};
use serde_json::json;

const METADATA: &str = include_str!("../../../hallpass-saml/src/tests/xmlsec/metadata.xml");
const RESPONSE: &str = include_str!("../../../hallpass-saml/src/tests/xmlsec/response.xml");

fn params(provider: &str, role: &str, response: &str) -> QueryParams {
    let assertion = STANDARD.encode(response);
    let all = [
        ("PrincipalArn", provider),
        ("RoleArn", role),
        ("SAMLAssertion", &assertion),
    ];
    let form = all.map(|(name, value)| format!("{name}={}", percent_encode(value)));
    QueryParams::parse(&form.join("&")).unwrap()
}

#[tokio::test]
async fn the_bearer_is_who_the_assertion_says_and_has_the_roles_it_lists() {
    let mut house = House::new().await;
    let good_at = UnixSeconds::from_rfc3339("2026-01-02T03:04:05Z").unwrap();
    let name = [("Name", "idp"), ("SAMLMetadataDocument", METADATA)];
    house.done("CreateSAMLProvider", &name).await;
    let account = house.account.clone();
    let provider = format!("arn:aws:iam::{account}:saml-provider/idp");
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRoleWithSAML", "Principal": { "Federated": provider } }] });
    let role = [
        ("RoleName", "by-assertion"),
        ("AssumeRolePolicyDocument", &*trust.to_string()),
    ];
    house.done("CreateRole", &role).await;
    let arn = format!("arn:aws:iam::{account}:role/by-assertion");

    let bearer = |params: &QueryParams, now: UnixSeconds| house.authority.saml_identity(params, now);
    let caller = bearer(&params(&provider, &arn, RESPONSE), good_at).unwrap();
    let CallerKind::Saml(identity) = &caller.kind else {
        panic!("{:?}", caller.kind)
    };
    assert_eq!((&*identity.subject, &*identity.session_name), ("ann", "ann"));
    assert_eq!(caller.user_id, format!("{}:ann", identity.name_qualifier));
    // It lists a role of another account, for that account's provider of the same name.
    assert!(identity.role_arns.is_empty());
    let refused = |params: &QueryParams, now: UnixSeconds| bearer(params, now).unwrap_err().code;
    for (provider, response, now, code) in [
        (&*provider, RESPONSE, good_at.plus(360), "ExpiredTokenException"),
        (&provider, RESPONSE, good_at.plus(-120), "InvalidIdentityToken"),
        (
            &provider,
            &RESPONSE.replace("Ann", "Bob"),
            good_at,
            "InvalidIdentityToken",
        ),
        (
            &provider,
            &RESPONSE.replace(":Success", ":Responder"),
            good_at,
            "IDPRejectedClaim",
        ),
        (
            &provider.to_uppercase(),
            RESPONSE,
            good_at,
            "InvalidIdentityToken",
        ),
        (
            &provider.replace("/idp", "/Idp"),
            RESPONSE,
            good_at,
            "InvalidIdentityToken",
        ),
        (&arn, RESPONSE, good_at, "InvalidIdentityToken"),
        ("", RESPONSE, good_at, "ValidationError"),
        (&provider, &"x".repeat(75_001), good_at, "ValidationError"),
    ] {
        assert_eq!(
            refused(&params(provider, &arn, response), now),
            code,
            "{provider}"
        );
    }
    assert_eq!(refused(&QueryParams::default(), good_at), "ValidationError");
    // Metadata that is no longer good proves nothing.
    let hundred_years = 100 * 366 * 86_400;
    let late = bearer(&params(&provider, &arn, RESPONSE), house.now.plus(hundred_years)).unwrap_err();
    assert!(late.message.contains("metadata"), "{late}");

    house.now = good_at;
    let assume = [
        ("RoleArn", &*arn),
        ("PrincipalArn", &*provider),
        ("SAMLAssertion", "xxxx"),
    ];
    for caller in [&caller, &house.admin] {
        let refused = house.call_as(caller, "AssumeRoleWithSAML", &assume).await;
        assert_eq!(refused.unwrap_err().code, "AccessDenied");
    }
}
