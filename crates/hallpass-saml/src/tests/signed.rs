//! What is taken, and by which key.

use super::idp::{HERE, ISSUER, Idp, assertion, metadata, now, response};
use super::{is_signature, signed};
use crate::{Metadata, SamlError, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[test]
fn a_signed_assertion_says_who_it_is() {
    let idp = Idp::new();
    let found = idp.verify(&signed(&idp)).unwrap();
    assert_eq!((&*found.id, &*found.issuer), ("_a", ISSUER));
    assert_eq!(
        (&*found.subject, &*found.subject_type),
        ("ann@example.org", "persistent")
    );
    assert_eq!(found.recipient, "https://signin.aws.amazon.com/saml");
    let [pair] = found.roles.as_slice() else {
        panic!("{:?}", found.roles)
    };
    assert_eq!(pair.role_arn, "arn:aws:iam::123456789012:role/a");
    assert_eq!(pair.provider_arn, "arn:aws:iam::123456789012:saml-provider/idp");
    assert_eq!(found.session_name, "ann");
    let [(name, values)] = found.attributes.as_slice() else {
        panic!("{:?}", found.attributes)
    };
    assert_eq!((&**name, values.len()), ("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", 2));
}

#[test]
fn a_signed_response_is_as_good_and_both_must_hold() {
    let (idp, stranger) = (Idp::new(), Idp::new());
    let place = |document: String| document.replace("<samlp:Status>", &format!("{HERE}<samlp:Status>"));
    let whole = idp.sign(&place(response(&assertion("_a").replace(HERE, ""))), "_r");
    idp.verify(&whole).unwrap();
    let inner = signed(&idp);
    idp.verify(&idp.sign(&place(inner.clone()), "_r")).unwrap();
    assert!(is_signature(idp.verify(&stranger.sign(&place(inner), "_r"))));
    let forged = stranger.sign(&response(&assertion("_a")), "_a");
    assert!(is_signature(idp.verify(&idp.sign(&place(forged), "_r"))));
    assert!(is_signature(idp.verify(&whole.replace("ann@", "root@"))));
}

#[test]
fn what_a_provider_says_besides() {
    let idp = Idp::new();
    let good = signed(&idp);
    let failed = good.replace("status:Success", "status:Requester");
    assert!(matches!(idp.verify(&failed), Err(SamlError::Rejected(_))));
    for (from, to) in [
        ("<samlp:Status>", "<samlp:Status2>"),
        (
            "</samlp:Response>",
            "<saml:EncryptedAssertion xmlns:saml=\"urn:x\"/></samlp:Response>",
        ),
        ("</samlp:Response>", "<x ID=\"_a\"/></samlp:Response>"),
        ("</samlp:Response>", "<x id=\"_a\"/></samlp:Response>"),
        ("ann@example", "ann<!-- -->@example"),
        ("protocol", "protocoll"),
        ("<samlp:Response", "<!DOCTYPE x><samlp:Response"),
    ] {
        idp.verify(&good.replace(from, to)).unwrap_err();
    }
    let metadata = idp.metadata();
    let text = STANDARD.encode(&good);
    verify(&text, &metadata, now()).unwrap();
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(76)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    verify(&lines.join("\r\n"), &metadata, now()).unwrap();
    for text in [
        &text[..text.len() - 5],
        "",
        "abc",
        "!!!!",
        &STANDARD.encode(b"\xff\xfe\0a"),
        &"A".repeat(100_001),
    ] {
        assert!(matches!(
            verify(text, &metadata, now()),
            Err(SamlError::Unreadable(_))
        ));
    }
}

#[test]
fn keys_of_metadata() {
    let (old, new) = (Idp::new(), Idp::new());
    let both = [("signing", &*old.certificate), ("signing", &*new.certificate)];
    let known = Metadata::parse(&metadata(ISSUER, &both)).unwrap();
    for idp in [&old, &new] {
        verify(&STANDARD.encode(signed(idp)), &known, now()).unwrap();
    }
    let without_use = metadata(ISSUER, &both).replace(" use=\"signing\"", "");
    assert_eq!(Metadata::parse(&without_use).unwrap().entity_id(), ISSUER);
    // One for encryption signs nothing.
    let other = metadata(
        ISSUER,
        &[("encryption", &*old.certificate), ("signing", &*new.certificate)],
    );
    let other = Metadata::parse(&other).unwrap();
    assert!(is_signature(verify(
        &STANDARD.encode(signed(&old)),
        &other,
        now()
    )));
    let cut = &old.certificate[..400];
    for document in [
        &*metadata(ISSUER, &[]),
        &metadata(ISSUER, &[("signing", cut)]),
        &metadata(ISSUER, &[("signing", "AAAA")]),
        &metadata(ISSUER, &[("encryption", &old.certificate)]),
        &metadata("", &both),
        "<EntityDescriptor/>",
    ] {
        assert!(matches!(Metadata::parse(document), Err(SamlError::Metadata(_))));
    }
}

/// RSA, SHA-384 and SHA-512, lists of prefixes, a signature in what is signed: as libxmlsec1 makes them.
#[test]
fn what_libxmlsec1_signed_is_taken() {
    let known = Metadata::parse(include_str!("xmlsec/metadata.xml")).unwrap();
    let document = include_str!("xmlsec/response.xml");
    let found = verify(&STANDARD.encode(document), &known, now()).unwrap();
    assert_eq!((&*found.subject, &*found.issuer), ("ann", ISSUER));
    let name = ("urn:oid:2.5.4.3".to_owned(), vec!["Ann & Än".to_owned()]);
    assert_eq!(found.attributes, [name]);
    for (from, to) in [
        ("Ann", "Bob"),
        ("Version=\"2.0\"><ds:", "Version=\"2.0\"> <ds:"),
        ("\"_r\"", "\"_s\""),
    ] {
        let changed = document.replace(from, to);
        assert_ne!(changed, document);
        assert!(
            is_signature(verify(&STANDARD.encode(changed), &known, now())),
            "{from}"
        );
    }
}
