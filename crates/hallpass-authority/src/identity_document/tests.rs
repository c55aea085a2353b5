use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const DOCUMENT: &[u8] = include_bytes!("../../tests/identity/document.json");

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../tests/identity/", $name))
    };
}

fn decoded(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).unwrap()
}

fn trust() -> Ec2Trust {
    Ec2Trust {
        account: "444455556666".parse().unwrap(),
        regions: vec![],
        certificates: TrustedCertificate::read_pem(text!("signer.pem")).unwrap(),
        max_age_seconds: 900,
        owner: "111122223333".parse().unwrap(),
        profile: "web".to_owned(),
    }
}

fn shown_at(
    message: &[u8],
    trust: Ec2Trust,
    now: UnixSeconds,
) -> Result<IdentityDocument, IdentityDocumentError> {
    let document = None;
    verify(ShownDocument { message, document }, &[trust], now).map(|(_, document)| document)
}

fn shown(text: &str) -> Result<IdentityDocument, IdentityDocumentError> {
    shown_at(&decoded(text), trust(), NOW)
}

fn good() -> IdentityDocument {
    IdentityDocument {
        account: "444455556666".parse().unwrap(),
        region: "eu-central-1".to_owned(),
        instance: "i-0fedcba9876543210".to_owned(),
        pending: UnixSeconds(NOW.0 - 300),
        private_ip: Some("10.9.8.7".parse().unwrap()),
        image: Some("ami-0123456789abcdef0".to_owned()),
        instance_type: Some("m7i.large".to_owned()),
    }
}

#[test]
fn every_form_openssl_signs_in_is_read() {
    for (name, text) in [
        ("attributes", text!("attributes.p7")),
        ("certificates", text!("certificates.p7")),
        ("plain", text!("plain.p7")),
        ("lengths not told", text!("ber.p7")),
        ("key identifier", text!("keyid.p7")),
    ] {
        assert_eq!(shown(text), Ok(good()), "{name}");
    }
    assert_eq!(decoded(text!("ber.p7"))[..2], [0x30, 0x80]);
}

#[test]
fn a_detached_message_is_good_with_its_document_only() {
    let message = decoded(text!("detached.p7"));
    let with = |document| {
        let shown = ShownDocument {
            message: &message,
            document,
        };
        verify(shown, &[trust()], NOW).map(|(_, document)| document)
    };
    assert_eq!(with(Some(DOCUMENT)), Ok(good()));
    assert_eq!(with(None), Err(IdentityDocumentError::Form));
    let other = DOCUMENT.to_ascii_uppercase();
    assert_eq!(with(Some(&other)), Err(IdentityDocumentError::Digest));
}

#[test]
fn a_document_beside_a_message_with_content_is_not_looked_at() {
    let other = String::from_utf8_lossy(DOCUMENT).replace("444455556666", "777788889999");
    let shown = ShownDocument {
        message: &decoded(text!("attributes.p7")),
        document: Some(other.as_bytes()),
    };
    let trusts = [trust()];
    assert_eq!(verify(shown, &trusts, NOW), Ok((&trusts[0], good())));
}

#[test]
fn other_signers_and_other_ways_to_sign_are_refused() {
    use IdentityDocumentError::{Form, Signature};
    for (name, text, expect) in [
        (
            "another key, its certificate in the message",
            text!("stranger.p7"),
            Signature,
        ),
        ("SHA-1", text!("sha1.p7"), Form),
        ("PSS", text!("pss.p7"), Form),
        ("two signers", text!("two.p7"), Form),
        ("1,024 bits", text!("short.p7"), Signature),
    ] {
        assert_eq!(shown(text), Err(expect), "{name}");
    }
    // The names of both certificates are the same: it is the key that counts.
    let mut of_both = trust();
    of_both
        .certificates
        .extend(TrustedCertificate::read_pem(text!("other.pem")).unwrap());
    assert_eq!(shown_at(&decoded(text!("stranger.p7")), of_both, NOW), Ok(good()));
}

#[test]
fn a_certificate_counts_while_it_is_valid() {
    let message = decoded(text!("attributes.p7"));
    let mut over = trust();
    over.certificates[0].not_after = UnixSeconds(NOW.0 - 1);
    assert_eq!(
        shown_at(&message, over, NOW),
        Err(IdentityDocumentError::Signature)
    );
    let mut early = trust();
    early.certificates[0].not_before = UnixSeconds(NOW.0 + 1);
    assert_eq!(
        shown_at(&message, early, NOW),
        Err(IdentityDocumentError::Signature)
    );
}

#[test]
fn what_is_signed_must_be_an_identity_document() {
    for (name, text) in [
        ("a name twice", text!("twice.p7")),
        ("an id that is none", text!("id.p7")),
        ("a list", text!("list.p7")),
        ("no time", text!("timeless.p7")),
    ] {
        assert_eq!(shown(text), Err(IdentityDocumentError::Content), "{name}");
    }
}

#[test]
fn account_region_and_age_are_those_of_the_settings() {
    use IdentityDocumentError::{Account, Early, Old, Region};
    let message = decoded(text!("attributes.p7"));
    let with = |trust: Ec2Trust, seconds: i64| shown_at(&message, trust, good().pending.plus(seconds));
    let mut other = trust();
    other.account = "777788889999".parse().unwrap();
    assert_eq!(with(other, 0), Err(Account));
    let regions = |names: &[&str]| Ec2Trust {
        regions: names.iter().map(|name| (*name).to_owned()).collect(),
        ..trust()
    };
    assert_eq!(with(regions(&["eu-central-2", "us-east-1"]), 0), Err(Region));
    assert_eq!(with(regions(&["us-east-1", "eu-central-1"]), 0), Ok(good()));
    for (seconds, expect) in [
        (-61, Err(Early)),
        (-60, Ok(good())),
        (900, Ok(good())),
        (901, Err(Old)),
        (i64::MAX, Err(IdentityDocumentError::Signature)),
    ] {
        assert_eq!(with(trust(), seconds), expect, "{seconds}");
    }
}

#[test]
fn the_settings_that_fit_take_it_and_certificates_speak_for_their_own_only() {
    let message = decoded(text!("attributes.p7"));
    let document = None;
    let shown = ShownDocument {
        message: &message,
        document,
    };
    let mut stranger = trust();
    stranger.certificates = TrustedCertificate::read_pem(text!("other.pem")).unwrap();
    let mut elsewhere = trust();
    elsewhere.regions = vec!["us-east-1".to_owned()];
    let mut of_another = trust();
    of_another.account = "777788889999".parse().unwrap();
    let trusts = [stranger.clone(), elsewhere, of_another.clone(), trust()];
    assert_eq!(verify(shown, &trusts, NOW), Ok((&trusts[3], good())));
    // The account's own settings trust another key, and the key's settings name another account.
    let trusts = [stranger, of_another];
    assert_eq!(
        verify(shown, &trusts, NOW).map(|_| ()),
        Err(IdentityDocumentError::Account)
    );
}

#[test]
fn no_message_cut_short_or_made_longer_is_good() {
    for text in [text!("attributes.p7"), text!("ber.p7"), text!("plain.p7")] {
        let message = decoded(text);
        for length in 0..message.len() {
            let cut = shown_at(&message[..length], trust(), NOW);
            assert_eq!(cut, Err(IdentityDocumentError::Form), "{length}");
        }
        let longer = [message.as_slice(), &[0]].concat();
        assert_eq!(shown_at(&longer, trust(), NOW), Err(IdentityDocumentError::Form));
    }
}

#[test]
fn no_changed_byte_changes_what_is_believed() {
    for (name, text) in [
        ("attributes", text!("attributes.p7")),
        ("ber", text!("ber.p7")),
        ("plain", text!("plain.p7")),
        ("certificates", text!("certificates.p7")),
    ] {
        let message = decoded(text);
        let (mut refused, mut same) = (0, 0);
        for place in 0..message.len() {
            for bits in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = message.clone();
                changed[place] ^= bits;
                match shown_at(&changed, trust(), NOW) {
                    Ok(document) => {
                        assert_eq!(document, good(), "{name}: {place} ^ {bits:#x}");
                        same += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(same > 0, "{name}: the signer's name is not signed");
        assert!(
            refused > 4 * (DOCUMENT.len() + 256),
            "{name}: {refused} of {same}"
        );
    }
}

#[test]
fn what_is_changed_in_the_content_or_the_attributes_is_told_apart() {
    let change = |text: &str, what: &[u8]| {
        let mut message = decoded(text);
        let place = message
            .windows(what.len())
            .position(|window| window == what)
            .unwrap();
        message[place] ^= 1;
        shown_at(&message, trust(), NOW)
    };
    let signed = text!("attributes.p7");
    assert_eq!(
        change(signed, b"444455556666"),
        Err(IdentityDocumentError::Digest)
    );
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, DOCUMENT);
    assert_eq!(
        change(signed, digest.as_ref()),
        Err(IdentityDocumentError::Digest)
    );
    // The signing time, which nothing reads.
    let signing_time = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05];
    assert_eq!(
        change(signed, &signing_time),
        Err(IdentityDocumentError::Signature)
    );
    assert_eq!(
        change(text!("plain.p7"), b"444455556666"),
        Err(IdentityDocumentError::Signature)
    );
}

#[test]
fn certificates_of_other_kinds_are_refused_with_what_is_meant() {
    let ec = include_str!("../../tests/keys/ec.crt");
    let good = text!("signer.pem");
    for (name, text, expect) in [
        (
            "1,024 bits",
            text!("short.pem").to_owned(),
            CertificateFileError::Key,
        ),
        ("a curve", format!("{good}{ec}"), CertificateFileError::Key),
        ("nothing", String::new(), CertificateFileError::Form),
        ("half", good[..200].to_owned(), CertificateFileError::Form),
        (
            "no certificate",
            good.replace("MII", "MIA"),
            CertificateFileError::Form,
        ),
        (
            "many",
            good.repeat(CERTIFICATES_MAX + 1),
            CertificateFileError::Many,
        ),
    ] {
        assert_eq!(TrustedCertificate::read_pem(&text), Err(expect), "{name}");
    }
    let both = format!("{good}{}", text!("other.pem"));
    assert_eq!(TrustedCertificate::read_pem(&both).map(|all| all.len()), Ok(2));
}

#[test]
fn what_nests_too_deep_or_is_too_long_is_refused_early() {
    let deep = [0x30, 0x80].repeat(10_000);
    assert_eq!(shown_at(&deep, trust(), NOW), Err(IdentityDocumentError::Form));
    let long = vec![0x30; MESSAGE_BYTES_MAX + 1];
    assert_eq!(shown_at(&long, trust(), NOW), Err(IdentityDocumentError::Form));
}

/// A message with these signed attributes and a signature that is none.
fn with_attributes(attributes: &[&[u8]]) -> Vec<u8> {
    let tlv = x509::element;
    let object = |last: [u8; 2]| {
        let name = [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01], last.as_slice()].concat();
        tlv(0x06, &name)
    };
    let algorithm = |name: &[u8]| tlv(0x30, &tlv(0x06, name));
    let sha_256 = algorithm(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]);
    let rsa = algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
    let version = tlv(0x02, &[1]);
    let content = tlv(0xa0, &tlv(0x04, DOCUMENT));
    let content = tlv(0x30, &[object([0x07, 0x01]), content].concat());
    let attributes = tlv(0xa0, &attributes.concat());
    let signature = tlv(0x04, &[7; 256]);
    let name = tlv(0x30, &[]);
    let signer = [version.clone(), name, sha_256.clone(), attributes, rsa, signature].concat();
    let signers = tlv(0x31, &tlv(0x30, &signer));
    let data = [version, tlv(0x31, &sha_256), content, signers].concat();
    let data = tlv(0xa0, &tlv(0x30, &data));
    tlv(0x30, &[object([0x07, 0x02]), data].concat())
}

#[test]
fn the_attributes_tell_type_and_digest_once_each() {
    use IdentityDocumentError::{Digest, Form, Signature};
    let tlv = x509::element;
    let attribute = |last: u8, value: &[u8]| {
        let name = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, last];
        tlv(0x30, &[tlv(0x06, &name), tlv(0x31, value)].concat())
    };
    let object = |last: u8| tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, last]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, DOCUMENT);
    let digest = tlv(0x04, digest.as_ref());
    let (kind, told) = (attribute(3, &object(1)), attribute(4, &digest));
    let other = attribute(4, &tlv(0x04, &[0; 32]));
    let two = attribute(4, &[digest.clone(), digest].concat());
    let envelope = attribute(3, &object(3));
    let unknown = attribute(99, &[]);
    for (name, attributes, expect) in [
        ("both", vec![&kind, &told], Signature),
        ("one more, unknown", vec![&kind, &unknown, &told], Signature),
        ("the digest twice", vec![&kind, &told, &told], Form),
        ("two digests", vec![&kind, &other, &told], Form),
        ("two values", vec![&kind, &two], Form),
        ("the type twice", vec![&kind, &kind, &told], Form),
        ("another type", vec![&envelope, &told], Form),
        ("no type", vec![&told], Form),
        ("no digest", vec![&kind], Form),
        ("none", vec![], Form),
        ("another digest", vec![&kind, &other], Digest),
    ] {
        let attributes: Vec<&[u8]> = attributes.into_iter().map(Vec::as_slice).collect();
        let message = with_attributes(&attributes);
        assert_eq!(shown_at(&message, trust(), NOW), Err(expect), "{name}");
    }
}
