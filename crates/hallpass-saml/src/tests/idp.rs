//! An identity provider with one key, and the documents it writes.

use crate::canonical::canonical;
use crate::names::{DSIG, ENVELOPED, EXCLUSIVE};
use crate::parse::{RESPONSE, parse};
use crate::tree::Element;
use crate::{Assertion, Metadata, SamlError, verify};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

pub(super) const ISSUER: &str = "https://idp.example.org/saml";
/// Where a signature goes.
pub(super) const HERE: &str = "@signature@";

pub(super) fn now() -> UnixSeconds {
    UnixSeconds::from_rfc3339("2026-01-02T03:04:05Z").unwrap()
}

pub(super) struct Idp {
    key: EcdsaKeyPair,
    pub(super) certificate: String,
}

impl Idp {
    pub(super) fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = CertificateParams::new(vec![])
            .unwrap()
            .self_signed(&pair)
            .unwrap();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der()).unwrap(),
            certificate: STANDARD.encode(certificate.der()),
        }
    }

    pub(super) fn metadata(&self) -> Metadata {
        Metadata::parse(&metadata(ISSUER, &[("signing", &self.certificate)])).unwrap()
    }

    /// Puts a signature over the element with that ID in the place that is kept for it.
    pub(super) fn sign(&self, document: &str, id: &str) -> String {
        self.sign_as(document, id, |info| info)
    }

    /// The same, with a `SignedInfo` that is changed before it is signed.
    pub(super) fn sign_as(&self, document: &str, id: &str, change: impl Fn(String) -> String) -> String {
        let digest = digest(&SHA256, canonical_of(&document.replace(HERE, ""), id).as_bytes());
        let digest = STANDARD.encode(digest);
        let more = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
        let info = change(format!(
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>\
             <ds:SignatureMethod Algorithm=\"{more}\"/><ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{ENVELOPED}\"/><ds:Transform Algorithm=\"{EXCLUSIVE}\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
             <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        ));
        let bare = info.replacen(
            "<ds:SignedInfo",
            &format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\""),
            1,
        );
        let message = canonical(&parse(&bare, RESPONSE).unwrap(), &[], &[], None);
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        let signature = STANDARD.encode(signature.as_ref());
        let certificate = &self.certificate;
        let whole = format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{signature}</ds:SignatureValue><ds:KeyInfo>\
             <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </ds:Signature>"
        );
        document.replacen(HERE, &whole, 1)
    }

    pub(super) fn verify(&self, document: &str) -> Result<Assertion, SamlError> {
        verify(&STANDARD.encode(document), &self.metadata(), now())
    }
}

fn canonical_of(document: &str, id: &str) -> String {
    fn find<'a>(element: &'a Element, id: &str, around: &mut Vec<&'a Element>) -> Option<&'a Element> {
        if element.attribute("ID") == Some(id) {
            return Some(element);
        }
        around.push(element);
        let found = element.elements().find_map(|child| find(child, id, around));
        if found.is_none() {
            around.pop();
        }
        found
    }
    let root = parse(document, RESPONSE).unwrap();
    let mut around = vec![];
    let element = find(&root, id, &mut around).unwrap();
    canonical(element, &around, &[], None)
}

pub(super) fn metadata(entity_id: &str, certificates: &[(&str, &str)]) -> String {
    let keys: String = certificates
        .iter()
        .map(|(purpose, certificate)| {
            format!(
                "<md:KeyDescriptor use=\"{purpose}\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data>\
                 <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?><!-- of the IdP --><md:EntityDescriptor \
         xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity_id}\">\
         <md:IDPSSODescriptor>{keys}</md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

pub(super) fn attribute(name: &str, values: &[&str]) -> String {
    let values: String = values
        .iter()
        .map(|value| format!("<saml:AttributeValue>{value}</saml:AttributeValue>"))
        .collect();
    format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>")
}

pub(super) fn assertion(id: &str) -> String {
    let attributes = [
        attribute(
            "https://aws.amazon.com/SAML/Attributes/Role",
            &["arn:aws:iam::123456789012:role/a, arn:aws:iam::123456789012:saml-provider/idp"],
        ),
        attribute("https://aws.amazon.com/SAML/Attributes/RoleSessionName", &["ann"]),
        attribute("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", &["staff", "member"]),
    ]
    .concat();
    format!(
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" \
         IssueInstant=\"2026-01-02T03:04:00Z\"><saml:Issuer>{ISSUER}</saml:Issuer>{HERE}<saml:Subject>\
         <saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">ann@example.org</saml:NameID>\
         <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
         NotOnOrAfter=\"2026-01-02T03:09:00Z\" Recipient=\"https://signin.aws.amazon.com/saml\"/>\
         </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"2026-01-02T03:03:00Z\" \
         NotOnOrAfter=\"2026-01-02T03:09:00Z\"><saml:AudienceRestriction>\
         <saml:Audience>urn:amazon:webservices</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
         <saml:AuthnStatement AuthnInstant=\"2026-01-02T03:03:00Z\"/>\
         <saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>"
    )
}

pub(super) fn response(inside: &str) -> String {
    format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_r\" Version=\"2.0\"><samlp:Status>\
         <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>{inside}\
         </samlp:Response>"
    )
}
