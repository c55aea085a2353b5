//! Certificates as authorities make them: who they are of, whom they lead to, and bytes that are none.

use super::chain::{CertificateKey, check_anchor, check_crl, judge, signed_by};
use super::leaf::Leaf;
use hallpass_types::UnixSeconds;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, RevokedCertParams, SanType,
    SerialNumber, SigningKey as _,
};
use std::time::{Duration, SystemTime};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const DAY: i64 = 86_400;

fn at(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW.0 + seconds).unwrap())
}

struct Root {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Root {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (at(-DAY).into(), at(DAY).into());
    change(&mut params);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Root {
        issuer: Issuer::new(params, key),
        certificate,
    }
}

fn leaf(root: &Root, change: impl FnOnce(&mut CertificateParams)) -> (Vec<u8>, KeyPair) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "web-1");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(SerialNumber::from(291));
    (params.not_before, params.not_after) = (at(-DAY).into(), at(DAY).into());
    change(&mut params);
    (params.signed_by(&key, &root.issuer).unwrap().der().to_vec(), key)
}

fn crl(root: &Root, serial: u64) -> Vec<u8> {
    let params = CertificateRevocationListParams {
        this_update: at(-DAY).into(),
        next_update: at(-DAY / 2).into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: at(-DAY).into(),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&root.issuer).unwrap().der().to_vec()
}

fn tag(leaf: &Leaf, key: &str) -> Option<String> {
    let found = leaf.tags.iter().find(|tag| tag.key == key);
    found.map(|tag| tag.value.clone())
}

#[test]
fn a_certificate_says_who_it_is_of() {
    let root = root("root", |_| {});
    let (der, _) = leaf(&root, |params| {
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Acme, Inc.");
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.subject_alt_names = vec![
            SanType::DnsName("one.example.com".try_into().unwrap()),
            SanType::DnsName("two.example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/web".try_into().unwrap()),
        ];
    });
    let read = Leaf::read(&der).unwrap();
    assert_eq!((read.serial.as_str(), read.serial_hex.as_str()), ("291", "0123"));
    assert_eq!(read.source_identity, "CN=web-1");
    for (key, value) in [
        ("x509Subject/CN", Some("web-1")),
        ("x509Subject/C", Some("DE")),
        // A comma is nothing that a session tag may have.
        ("x509Subject/O", None),
        ("x509Issuer/CN", Some("root")),
        ("x509SAN/DNS", Some("one.example.com")),
        ("x509SAN/URI", Some("spiffe://example.com/web")),
    ] {
        assert_eq!(tag(&read, key).as_deref(), value, "{key}");
    }
}

#[test]
fn what_must_not_prove_anything_does_not() {
    let root = root("root", |_| {});
    let refused = |change: fn(&mut CertificateParams)| Leaf::read(&leaf(&root, change).0).unwrap_err();
    assert!(refused(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)).contains("authority"));
    assert!(refused(|params| params.key_usages.clear()).contains("key usage"));
    assert!(
        refused(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]).contains("key usage")
    );
    assert!(
        refused(|params| params.distinguished_name = rcgen::DistinguishedName::new()).contains("subject")
    );
    for name in ["two words", "a/b", "ü"] {
        let (der, _) = leaf(&root, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
        });
        assert!(Leaf::read(&der).unwrap_err().contains("common name"), "{name}");
    }
}

#[test]
fn a_certificate_leads_to_its_anchor_in_its_time() {
    let (own, other) = (root("own", |_| {}), root("other", |_| {}));
    let (der, _) = leaf(&own, |_| {});
    let judged = |anchor: &Root, now| judge(&der, &[], &anchor.certificate.pem(), &[], now);
    judged(&own, NOW).unwrap();
    assert!(judged(&other, NOW).unwrap_err().contains("no way leads"));
    assert!(judged(&own, NOW.plus(2 * DAY)).is_err());
    assert!(judged(&own, NOW.plus(-2 * DAY)).is_err());
    // Several authorities make one anchor.
    let both = other.certificate.pem() + &own.certificate.pem();
    judge(&der, &[], &both, &[], NOW).unwrap();
    // The leaf may outlive its authority; it is then nobody's.
    let short = root("short", |params| params.not_after = at(-1).into());
    let (der, _) = leaf(&short, |_| {});
    let error = judge(&der, &[], &short.certificate.pem(), &[], NOW).unwrap_err();
    assert!(error.contains("no way leads"), "{error}");
}

#[test]
fn an_intermediate_must_be_an_authority_that_may_sign() {
    let top = root("top", |_| {});
    let below = |usages: Vec<KeyUsagePurpose>| {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "below");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = usages;
        (params.not_before, params.not_after) = (at(-DAY).into(), at(DAY).into());
        let certificate = params.signed_by(&key, &top.issuer).unwrap();
        let issuer = Issuer::new(params, key);
        let der = certificate.der().to_vec();
        (leaf(&Root { issuer, certificate }, |_| {}).0, der)
    };
    let anchor = top.certificate.pem();
    let (der, along) = below(vec![KeyUsagePurpose::KeyCertSign]);
    judge(&der, &[along], &anchor, &[], NOW).unwrap();
    assert!(judge(&der, &[], &anchor, &[], NOW).is_err());
    let (der, along) = below(vec![KeyUsagePurpose::DigitalSignature]);
    assert!(judge(&der, &[along], &anchor, &[], NOW).is_err());
}

#[test]
fn every_revocation_list_is_asked() {
    let (own, namesake) = (root("own", |_| {}), root("own", |_| {}));
    let (der, _) = leaf(&own, |_| {});
    let anchor = own.certificate.pem();
    let judged = |lists: &[Vec<u8>]| judge(&der, &[], &anchor, lists, NOW);
    judged(&[crl(&own, 7)]).unwrap();
    judged(&[crl(&root("another", |_| {}), 291)]).unwrap();
    for lists in [vec![crl(&own, 291)], vec![crl(&own, 7), crl(&own, 291)]] {
        assert!(judged(&lists).unwrap_err().contains("revoked"));
    }
    // One that its authority did not sign stops everything, as does one that cannot be read.
    assert!(judged(&[crl(&namesake, 7)]).is_err());
    assert!(judged(&[vec![]]).is_err());
    check_crl(&crl(&own, 7)).unwrap();
    for bad in [&b""[..], b"-----BEGIN X509 CRL-----", b"\x30\x00", &der] {
        assert!(check_crl(bad).is_err());
    }
}

#[test]
fn anchors_are_authorities() {
    check_anchor(&root("root", |_| {}).certificate.pem()).unwrap();
    for unfit in [
        root("root", |params| params.is_ca = IsCa::NoCa),
        root("root", |params| params.key_usages.clear()),
        root("root", |params| {
            params.key_usages = vec![KeyUsagePurpose::CrlSign]
        }),
    ] {
        assert!(check_anchor(&unfit.certificate.pem()).is_err());
    }
    let many = root("root", |_| {}).certificate.pem().repeat(11);
    for bad in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &many,
    ] {
        assert!(check_anchor(bad).is_err());
    }
}

#[test]
fn only_the_key_of_the_certificate_signs() {
    let root = root("root", |_| {});
    let ((der, key), (other, _)) = (leaf(&root, |_| {}), leaf(&root, |_| {}));
    let signature = key.sign(b"text").unwrap();
    assert!(signed_by(&der, CertificateKey::Ecdsa, b"text", &signature));
    assert!(!signed_by(&der, CertificateKey::Ecdsa, b"texts", &signature));
    assert!(!signed_by(&der, CertificateKey::Rsa, b"text", &signature));
    assert!(!signed_by(&other, CertificateKey::Ecdsa, b"text", &signature));
    assert!(!signed_by(b"", CertificateKey::Ecdsa, b"text", &signature));
    let odd = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let der = CertificateParams::default()
        .signed_by(&odd, &root.issuer)
        .unwrap();
    let signature = odd.sign(b"text").unwrap();
    assert!(!signed_by(der.der(), CertificateKey::Ecdsa, b"text", &signature));
}

#[test]
fn spoilt_bytes_are_refused_and_nothing_worse() {
    let root = root("root", |_| {});
    let (der, _) = leaf(&root, |_| {});
    let anchor = root.certificate.pem();
    for length in 0..der.len() {
        assert!(Leaf::read(&der[..length]).is_err());
        assert!(judge(&der[..length], &[], &anchor, &[], NOW).is_err());
    }
    let list = crl(&root, 7);
    for place in 0..der.len().max(list.len()) {
        for bit in [1, 0x40, 0x80] {
            if let Some(byte) = der.get(place) {
                let mut spoilt = der.clone();
                spoilt[place] = byte ^ bit;
                let _ = Leaf::read(&spoilt);
                assert!(judge(&spoilt, &[], &anchor, &[], NOW).is_err(), "{place} {bit}");
            }
            if let Some(byte) = list.get(place) {
                let mut spoilt = list.clone();
                spoilt[place] = byte ^ bit;
                let _ = check_crl(&spoilt);
            }
        }
    }
}
