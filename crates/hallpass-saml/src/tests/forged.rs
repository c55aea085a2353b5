//! Every way to forge a response.

use super::idp::{HERE, Idp, assertion, now, response};
use super::{is_signature, signed};
use crate::names::DSIG;
use crate::verify;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[test]
fn nothing_is_proved_by_anothers_key_or_none() {
    let (idp, stranger) = (Idp::new(), Idp::new());
    // The stranger's certificate is in the signature.
    assert!(is_signature(idp.verify(&signed(&stranger))));
    assert!(is_signature(
        idp.verify(&response(&assertion("_a").replace(HERE, "")))
    ));
    let good = signed(&idp);
    for (from, to) in [
        ("ann@example.org", "root@example.org"),
        (":role/a", ":role/b"),
        ("persistent", "transient"),
        ("2026-01-02T03:09:00Z", "2027-01-02T03:09:00Z"),
        (
            "</saml:AttributeStatement>",
            "<saml:Attribute Name=\"x\"/></saml:AttributeStatement>",
        ),
        ("_a", "_b"),
        ("#ecdsa-sha256", "#ecdsa-sha384"),
        ("#ecdsa-sha256", "#rsa-sha256"),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good);
        assert!(is_signature(idp.verify(&changed)), "{from}");
    }
}

#[test]
fn ways_to_sign_that_are_not_taken() {
    let idp = Idp::new();
    let document = response(&assertion("_a"));
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    for (from, to) in [
        (
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        ),
        (
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        ),
        (
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        ),
        (
            "http://www.w3.org/2001/04/xmlenc#sha256",
            "http://www.w3.org/2000/09/xmldsig#sha1",
        ),
        (exclusive, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        (exclusive, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
        ("#enveloped-signature", "#base64"),
        (
            "<ds:Transforms>",
            "<ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"/>",
        ),
        ("#_a", ""),
        ("#_a", "#_r"),
        ("#_a", "_a"),
        ("#_a", "#xpointer(id('_a'))"),
        ("URI=\"#_a\"", ""),
        ("</ds:SignedInfo>", "<ds:Reference URI=\"#_a\"/></ds:SignedInfo>"),
    ] {
        let forged = idp.sign_as(&document, "_a", |info| {
            assert!(info.contains(from));
            info.replace(from, to)
        });
        assert!(is_signature(idp.verify(&forged)), "{to}");
    }
}

/// A signed element that is good, hidden somewhere, and one of the forger's where it belongs.
#[test]
fn wrapped_signatures_prove_nothing_of_what_is_around_them() {
    let idp = Idp::new();
    let good = idp.sign(&assertion("_a"), "_a");
    let evil = |id: &str, inside: &str| {
        let evil = assertion(id).replace("ann@example.org", "root@example.org");
        evil.replace(HERE, inside)
    };
    let start = good.find("<ds:Signature").unwrap();
    let end = good.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let signature = &good[start..end];
    let bare = good.replace(signature, "");
    let object = format!("<ds:Object>{bare}</ds:Object></ds:Signature>");
    let around = signature.replace("</ds:Signature>", &object);
    let whole_object =
        format!("<ds:Signature xmlns:ds=\"{DSIG}\"><ds:Object>{good}</ds:Object></ds:Signature>");
    let extensions = format!("<samlp:Extensions>{good}</samlp:Extensions>");
    let advice = format!("<saml:Advice>{good}</saml:Advice>");
    for (what, document) in [
        ("beside, before", response(&(evil("_e", "") + &good))),
        ("beside, after", response(&(good.clone() + &evil("_e", "")))),
        (
            "beside, with the signature",
            response(&(evil("_e", signature) + &bare)),
        ),
        ("beside, with its ID", response(&(evil("_a", signature) + &bare))),
        ("around", response(&evil("_e", &good))),
        ("around, in the advice", response(&evil("_e", &advice))),
        (
            "around, with the signature",
            response(&evil("_e", &(signature.to_owned() + &bare))),
        ),
        ("in the signature's object", response(&evil("_e", &around))),
        (
            "in the signature's object, with its ID",
            response(&evil("_a", &around)),
        ),
        ("all in an object", response(&evil("_e", &whole_object))),
        ("in extensions", response(&(extensions + &evil("_e", "")))),
        (
            "a response in it",
            response(&evil("_e", &response(&good).replace("\"_r\"", "\"_s\""))),
        ),
        ("the signature alone", response(&evil("_e", signature))),
        (
            "the signature alone, with its ID",
            response(&evil("_a", signature)),
        ),
        (
            "the signature at the response",
            response(&(signature.to_owned() + &bare)),
        ),
        (
            "two of them",
            response(&good.replace(signature, &format!("{signature}{signature}"))),
        ),
        ("twice", response(&(good.clone() + &good))),
    ] {
        assert!(idp.verify(&document).is_err(), "{what}");
    }
    idp.verify(&response(&good)).unwrap();
}

/// Whatever letter is put in the place of another: nothing panics, and either it is refused or it says the same.
#[test]
fn no_single_change_says_something_else() {
    let idp = Idp::new();
    let good = signed(&idp);
    let (metadata, said) = (idp.metadata(), idp.verify(&good).unwrap());
    for place in 0..good.len() {
        for letter in *b"x< " {
            let mut changed = good.clone().into_bytes();
            changed[place] = letter;
            if let Ok(found) = verify(&STANDARD.encode(changed), &metadata, now()) {
                assert_eq!(found, said, "{place}");
            }
        }
        let cut = [&good[..place], &good[place + 1..]].concat();
        if let Ok(found) = verify(&STANDARD.encode(cut), &metadata, now()) {
            assert_eq!(found, said, "{place}");
        }
    }
}
