use super::*;

const EC_CERTIFICATE: &str = include_str!("../../tests/keys/ec.crt");
const EC_SEC1: &str = include_str!("../../tests/keys/ec.sec1");
const EC_PKCS8: &str = include_str!("../../tests/keys/ec.pk8");
const RSA_CERTIFICATE: &str = include_str!("../../tests/keys/rsa.crt");
const RSA_PKCS1: &str = include_str!("../../tests/keys/rsa.pk1");
const RSA_PKCS8: &str = include_str!("../../tests/keys/rsa.pk8");
const RSA_PUBLIC: &str = include_str!("../../tests/keys/rsa.pub");

#[test]
fn a_certificate_tells_its_dates_and_key() {
    let ec = certificate(EC_CERTIFICATE).unwrap();
    assert_eq!(ec.not_before.iso8601(), "2026-11-22T17:40:02Z");
    assert_eq!(ec.not_after.iso8601(), "2036-11-19T17:40:02Z");
    for key in [EC_SEC1, EC_PKCS8] {
        assert_eq!(public_key_of(key).as_ref(), Some(&ec.public_key));
        assert_ne!(
            public_key_of(key),
            certificate(RSA_CERTIFICATE).map(|rsa| rsa.public_key)
        );
    }
    for key in [RSA_PKCS1, RSA_PKCS8] {
        assert_eq!(
            public_key_of(key),
            certificate(RSA_CERTIFICATE).map(|rsa| rsa.public_key)
        );
    }
}

#[test]
fn what_is_no_certificate_is_none_and_nothing_cut_short_panics() {
    assert_eq!(certificate(""), None);
    assert_eq!(certificate(EC_SEC1), None);
    assert_eq!(certificate(&EC_CERTIFICATE.repeat(2)), None, "one, not two");
    assert_eq!(
        public_key_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
        None
    );
    let der = pem(EC_CERTIFICATE, "CERTIFICATE").remove(0);
    for length in 0..der.len() {
        let cut = STANDARD.encode(&der[..length]);
        let text = format!("-----BEGIN CERTIFICATE-----\n{cut}\n-----END CERTIFICATE-----");
        assert_eq!(certificate(&text), None);
    }
    for at in 0..der.len() {
        let mut bent = der.to_vec();
        bent[at] ^= 0xff;
        let text = STANDARD.encode(bent);
        let _ = certificate(&format!(
            "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"
        ));
    }
}

#[test]
fn years_have_two_digits_or_four() {
    let read = |tag, text: &str| time((tag, text.as_bytes())).map(UnixSeconds::iso8601);
    assert_eq!(
        read(UTC_TIME, "491231235959Z").as_deref(),
        Some("2049-12-31T23:59:59Z")
    );
    assert_eq!(
        read(UTC_TIME, "500101000000Z").as_deref(),
        Some("1950-01-01T00:00:00Z")
    );
    assert_eq!(
        read(GENERALIZED_TIME, "20500101000000Z").as_deref(),
        Some("2050-01-01T00:00:00Z")
    );
    assert_eq!(read(GENERALIZED_TIME, "20501301000000Z"), None);
    assert_eq!(read(INTEGER, "20500101000000Z"), None);
}

#[test]
fn an_rsa_key_comes_back_as_it_went_in() {
    let (modulus, exponent) = rsa_public_key(RSA_PUBLIC).unwrap();
    assert_eq!(exponent, [1, 0, 1]);
    assert_eq!(rsa_public_key_pem(&modulus, &exponent), RSA_PUBLIC);
    assert_eq!(rsa_public_key(RSA_CERTIFICATE), None);
}
