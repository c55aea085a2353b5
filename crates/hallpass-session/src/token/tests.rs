use super::*;
use crate::{SessionPrincipal, secret_access_key, session_access_key};
use hallpass_types::AccountId;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeded randomness: the same bytes in each run, different ones in each call.
struct Seeded(AtomicU64);
impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            *byte = ((state ^ (state >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8;
        }
    }
}

struct Fixture {
    entropy: Seeded,
    mint: MintKey,
    epochs: EpochKeys,
}

fn fixture() -> Fixture {
    let mut epochs = EpochKeys::default();
    epochs.insert(7, [7; 32]).unwrap();
    Fixture {
        entropy: Seeded(AtomicU64::new(1)),
        mint: MintKey::from_seed(&[9; 32]).unwrap(),
        epochs,
    }
}

fn claims(entropy: &Seeded) -> SessionClaims {
    let account = AccountId::from_number(123_456_789_012).unwrap();
    SessionClaims {
        access_key_id: session_access_key(account, entropy),
        secret: secret_access_key(entropy),
        account,
        principal: SessionPrincipal::AssumedRole {
            role_name: "demo".into(),
            role_path: "/".into(),
            role_id: "AROAABCDEFGHIJKLMNOPQ".into(),
            session_name: "i-0123".into(),
        },
        issued_at: UnixSeconds(1_000),
        expires_at: UnixSeconds(4_600),
        mfa_at: None,
        chain_depth: 0,
        parent_access_key_id: None,
        ancestors: vec![],
        source_identity: None,
        session_policies: vec![],
        session_policy_arns: vec![],
        tags: vec![],
        transitive_tag_keys: vec![],
        instance: None,
        web_identity: None,
        saml: None,
        binding: None,
    }
}

#[test]
fn what_was_sealed_is_opened_by_its_own_access_key_until_it_expires() {
    let f = fixture();
    let claims = claims(&f.entropy);
    let token = seal(&claims, &f.mint, &f.epochs, &f.entropy).unwrap();
    let opened = open(&token, &[f.mint.verify_key()], &f.epochs).unwrap();
    assert_eq!(
        opened.current(&claims.access_key_id, UnixSeconds(4_599)),
        Ok(&claims)
    );
    assert_eq!(
        opened.current(&claims.access_key_id, UnixSeconds(4_600)),
        Err(OpenError::Expired(UnixSeconds(4_600)))
    );
    let other = session_access_key(claims.account, &f.entropy);
    assert_eq!(
        opened.current(&other, UnixSeconds(2_000)),
        Err(OpenError::WrongAccessKey)
    );
}

#[test]
fn a_token_with_any_bit_changed_does_not_open() {
    let f = fixture();
    let token = seal(&claims(&f.entropy), &f.mint, &f.epochs, &f.entropy).unwrap();
    let bytes = STANDARD.decode(&token).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert!(
            open(&STANDARD.encode(changed), &[f.mint.verify_key()], &f.epochs).is_err(),
            "byte {index}"
        );
    }
    for length in 0..bytes.len() {
        assert!(
            open(
                &STANDARD.encode(&bytes[..length]),
                &[f.mint.verify_key()],
                &f.epochs
            )
            .is_err()
        );
    }
}

#[test]
fn a_gateway_that_holds_the_epoch_key_cannot_mint() {
    // Everything a gateway knows: the epoch keys and the public half. It signs with a key of its own.
    let f = fixture();
    let own = MintKey::from_seed(&[1; 32]).unwrap();
    let forged = seal(&claims(&f.entropy), &own, &f.epochs, &f.entropy).unwrap();
    assert_eq!(
        open(&forged, &[f.mint.verify_key()], &f.epochs).unwrap_err(),
        OpenError::NotGenuine
    );
}

#[test]
fn old_epochs_open_until_dropped_and_the_newest_seals() {
    let mut f = fixture();
    let old = seal(&claims(&f.entropy), &f.mint, &f.epochs, &f.entropy).unwrap();
    f.epochs.insert(8, [8; 32]).unwrap();
    let new = seal(&claims(&f.entropy), &f.mint, &f.epochs, &f.entropy).unwrap();
    assert!(open(&old, &[f.mint.verify_key()], &f.epochs).is_ok());
    f.epochs.remove(7);
    assert_eq!(
        open(&old, &[f.mint.verify_key()], &f.epochs).unwrap_err(),
        OpenError::UnknownEpoch
    );
    assert!(open(&new, &[f.mint.verify_key()], &f.epochs).is_ok());
}

#[test]
fn policies_that_do_not_fit_are_told_in_percent() {
    let f = fixture();
    let mut claims = claims(&f.entropy);
    claims.session_policies = vec!["x".repeat(8_000)];
    let error = seal(&claims, &f.mint, &f.epochs, &f.entropy).unwrap_err();
    assert!(
        matches!(error, SealError::TooLarge { percent } if percent > 100),
        "{error}"
    );
}

#[test]
fn neither_claims_nor_opened_sessions_show_the_secret() {
    let f = fixture();
    let claims = claims(&f.entropy);
    let token = seal(&claims, &f.mint, &f.epochs, &f.entropy).unwrap();
    let opened = open(&token, &[f.mint.verify_key()], &f.epochs).unwrap();
    let shown = format!("{claims:?} {opened:?} {:?} {:?}", f.mint, f.epochs);
    assert!(!shown.contains(claims.secret.expose()), "{shown}");
}

#[test]
fn foreign_texts_never_open() {
    let f = fixture();
    for text in [
        "",
        "TOKEN",
        "AQoDYXdzEJr",
        "é",
        &"A".repeat(SESSION_TOKEN_BYTES_MAX + 4),
    ] {
        assert!(open(text, &[f.mint.verify_key()], &f.epochs).is_err());
    }
}
