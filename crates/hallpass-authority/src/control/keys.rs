//! Rotation: a new generation is made known everywhere, then used, then the old one is given up.

use crate::ApiError;
use crate::authority::KEYRING_KEY;
use crate::call::{Ctx, Outcome};
use crate::certificates::{authority_key, new_authority, purpose};
use crate::entity::StoredAuthority;
use crate::iam::{mfa, server_certificate};
use crate::keyring::{KeyKind, StoredKeyring};
use crate::outbound::{self, TokenKeys};
use crate::state::{access_key_key, key, put};
use hallpass_store::Op;
use hallpass_types::UnixSeconds;
use hallpass_wire::XmlWriter;
use serde::Serialize;

/// Secrets sealed anew by one call.
const RESEAL_MAX: usize = 100;
/// No session lives longer than 36 hours; after these a key that sealed some is no longer needed.
const SESSION_KEY_SECONDS: i64 = 48 * 3_600;
/// A machine's certificate lives a day, and its renewal shows it the new authority.
const AUTHORITY_SECONDS: i64 = 3 * 86_400;
/// A token lives an hour at most; whoever verifies it may keep the keys it fetched for a while.
const TOKEN_KEY_SECONDS: i64 = 86_400;

/// What can be rotated: the kinds of the keyring, and the certificate authority.
enum Kind {
    Ring(KeyKind),
    Authority,
    Tokens,
}

fn kind(ctx: &Ctx<'_>) -> Result<Kind, ApiError> {
    match ctx.required("Kind")? {
        "mint" => Ok(Kind::Ring(KeyKind::Mint)),
        "epoch" => Ok(Kind::Ring(KeyKind::Epoch)),
        "secrets" => Ok(Kind::Ring(KeyKind::Secrets)),
        "ca" => Ok(Kind::Authority),
        "tokens" => Ok(Kind::Tokens),
        other => Err(ApiError::validation(format!(
            "Kind is mint, epoch, secrets, ca or tokens, not {other}"
        ))),
    }
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    ApiError::new("ServiceFailure", 500, error.to_string())
}

fn generation(ctx: &Ctx<'_>) -> Result<u32, ApiError> {
    let text = ctx.required("Generation")?;
    text.parse()
        .map_err(|_| ApiError::validation("Generation is a number"))
}

fn put_ring(ring: &StoredKeyring) -> Op {
    put(KEYRING_KEY.to_owned(), ring)
}

/// Numbers and ages of all generations; never a key.
pub(super) fn describe(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut rows: Vec<(&str, u32, UnixSeconds, bool)> = vec![];
    let keyring = ctx.env.keyring();
    for (name, kind) in [
        ("mint", KeyKind::Mint),
        ("epoch", KeyKind::Epoch),
        ("secrets", KeyKind::Secrets),
    ] {
        let keys = keyring.stored.of(kind);
        let generations = keys.generations.iter();
        rows.extend(generations.map(|(number, key)| (name, *number, key.made, *number == keys.current)));
    }
    let authorities = ctx.state.authorities.iter();
    rows.extend(authorities.map(|(number, one)| ("ca", *number, one.made, one.is_current)));
    let tokens = ctx.state.token_keys.iter();
    rows.extend(tokens.map(|(number, one)| ("tokens", *number, one.made, one.is_current)));
    let mut xml = XmlWriter::new();
    xml.list("Keys", "member", rows, |xml, (kind, number, made, current)| {
        xml.text("Kind", kind)
            .text("Generation", number.to_string())
            .text("Current", current.to_string());
        // Keys made before there was a clock to ask have no date.
        if made.0 > 0 {
            xml.text("Made", made.iso8601());
        }
    });
    let left = unsealed(ctx).len();
    xml.text("SecretsToReseal", left.to_string());
    Outcome::read(xml)
}

/// A new generation, known and not used.
pub(super) fn add(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (number, op) = match kind(ctx)? {
        Kind::Ring(kind) => {
            let keyring = ctx.env.keyring();
            let mut ring = keyring.stored.clone();
            let number = ring
                .add(kind, &keyring.root, &*ctx.env.entropy, ctx.call.now)
                .map_err(failed)?;
            (number, put_ring(&ring))
        }
        Kind::Authority => {
            let number = ctx
                .state
                .authorities
                .last_key_value()
                .map_or(0, |(last, _)| *last)
                + 1;
            let made = new_authority(ctx.env, number, ctx.call.now).map_err(failed)?;
            let made = StoredAuthority {
                is_current: number == 1,
                ..made
            };
            (number, put(authority_key(number), &made))
        }
        Kind::Tokens => {
            let number = ctx.state.token_keys.last_key_value().map_or(0, |(last, _)| *last) + 1;
            let made = outbound::new_keys(ctx.env, number, ctx.call.now).map_err(failed)?;
            (number, outbound::put_keys(number, &made))
        }
    };
    let mut xml = XmlWriter::new();
    xml.text("Generation", number.to_string());
    Ok(Outcome::made(xml, vec![op])?.confirmed())
}

/// Uses a generation that every server knows.
pub(super) fn use_it(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let number = generation(ctx)?;
    let unknown = || ApiError::no_such_entity(format!("There is no generation {number}."));
    let ops = match kind(ctx)? {
        Kind::Ring(kind) => {
            let mut ring = ctx.env.keyring().stored.clone();
            let keys = ring.of_mut(kind);
            if !keys.generations.contains_key(&number) {
                return Err(unknown());
            }
            if keys.current != number {
                keys.current = number;
                keys.since = ctx.call.now;
            }
            vec![put_ring(&ring)]
        }
        Kind::Authority => {
            if !ctx.state.authorities.contains_key(&number) {
                return Err(unknown());
            }
            let marked = |(other, one): (&u32, &std::sync::Arc<StoredAuthority>)| {
                let is_current = *other == number;
                let changed = StoredAuthority {
                    is_current,
                    ..StoredAuthority::clone(one)
                };
                (one.is_current != is_current).then(|| put(authority_key(*other), &changed))
            };
            ctx.state.authorities.iter().filter_map(marked).collect()
        }
        Kind::Tokens => {
            if !ctx.state.token_keys.contains_key(&number) {
                return Err(unknown());
            }
            let marked = |(other, one): (&u32, &std::sync::Arc<TokenKeys>)| {
                let is_current = *other == number;
                let changed = one.in_use(is_current, ctx.call.now);
                (one.is_current != is_current).then(|| outbound::put_keys(*other, &changed))
            };
            ctx.state.token_keys.iter().filter_map(marked).collect()
        }
    };
    let mut xml = XmlWriter::new();
    xml.text("Generation", number.to_string());
    Ok(Outcome::made(xml, ops)?.confirmed())
}

/// Gives up generations that nothing living was made with.
pub(super) fn retire(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let now = ctx.call.now;
    let mut ring = ctx.env.keyring().stored.clone();
    let mut given_up = vec![];
    let has_unsealed = !unsealed(ctx).is_empty();
    for (name, kind) in [
        ("mint", KeyKind::Mint),
        ("epoch", KeyKind::Epoch),
        ("secrets", KeyKind::Secrets),
    ] {
        let keys = ring.of_mut(kind);
        let is_over = match kind {
            KeyKind::Secrets => !has_unsealed,
            _ => keys.since.plus(SESSION_KEY_SECONDS) <= now,
        };
        let current = keys.current;
        if is_over {
            let old: Vec<u32> = keys
                .generations
                .range(..current)
                .map(|(number, _)| *number)
                .collect();
            for number in old {
                keys.generations.remove(&number);
                given_up.push(format!("{name} {number}"));
            }
        }
    }
    let mut ops = vec![];
    if !given_up.is_empty() {
        ops.push(put_ring(&ring));
    }
    let current = ctx.state.authorities.iter().find(|(_, one)| one.is_current);
    if let Some((current, _)) = current.filter(|(_, one)| one.made.plus(AUTHORITY_SECONDS) <= now) {
        for (number, _) in ctx.state.authorities.range(..*current) {
            ops.push(Op::Delete(authority_key(*number)));
            given_up.push(format!("ca {number}"));
        }
    }
    let current = ctx.state.token_keys.iter().find(|(_, one)| one.is_current);
    let is_over = |one: &TokenKeys| {
        one.used_since
            .is_some_and(|since| since.plus(TOKEN_KEY_SECONDS) <= now)
    };
    if let Some((current, _)) = current.filter(|(_, one)| is_over(one)) {
        for (number, _) in ctx.state.token_keys.range(..*current) {
            ops.push(Op::Delete(outbound::store_key(*number)));
            given_up.push(format!("tokens {number}"));
        }
    }
    let mut xml = XmlWriter::new();
    xml.list("GivenUp", "member", given_up, |xml, name| {
        xml.text("Key", name);
    });
    Ok(Outcome::made(xml, ops)?.confirmed())
}

/// A secret in the store: under which key, sealed for what, and how the entity reads with it sealed anew.
struct Sealed<'a> {
    store_key: String,
    purpose: String,
    sealed: &'a str,
    with: Box<dyn Fn(String) -> Op + 'a>,
}

impl<'a> Sealed<'a> {
    fn new<T: Clone + Serialize>(
        store_key: String,
        purpose: String,
        entity: &'a T,
        sealed: &'a str,
        set: fn(&mut T, String),
    ) -> Self {
        let with_key = store_key.clone();
        let with = move |sealed: String| {
            let mut resealed = entity.clone();
            set(&mut resealed, sealed);
            put(with_key.clone(), &resealed)
        };
        Self {
            store_key,
            purpose,
            sealed,
            with: Box::new(with),
        }
    }
}

/// Every secret in the store that is not sealed under the current generation.
fn unsealed<'a>(ctx: &'a Ctx<'_>) -> Vec<Sealed<'a>> {
    let keyring = ctx.env.keyring();
    let keys = ctx.state.keys.values().map(|own| {
        let store_key = access_key_key(own.account, &own.id);
        Sealed::new(
            store_key,
            own.id.to_string(),
            &**own,
            &own.sealed_secret,
            |own, sealed| {
                own.sealed_secret = sealed;
            },
        )
    });
    let authorities = ctx.state.authorities.iter().map(|(number, one)| {
        let store_key = authority_key(*number);
        Sealed::new(
            store_key,
            purpose(*number),
            &**one,
            &one.sealed_key,
            |one, sealed| {
                one.sealed_key = sealed;
            },
        )
    });
    let tokens = ctx.state.token_keys.iter().map(|(number, one)| {
        let store_key = outbound::store_key(*number);
        Sealed::new(
            store_key,
            outbound::seal_purpose(*number),
            &**one,
            &one.sealed,
            |one, sealed| {
                one.sealed = sealed;
            },
        )
    });
    let accounts = || ctx.state.accounts.values();
    let devices =
        accounts().flat_map(|account| account.mfa_devices.values().map(move |it| (account.id(), it)));
    let devices = devices.map(|(account, device)| {
        let store_key = key(account, "mfa", &device.name);
        let purpose = mfa::seal_purpose(account, &device.name);
        Sealed::new(
            store_key,
            purpose,
            &**device,
            &device.sealed_seed,
            |device, sealed| {
                device.sealed_seed = sealed;
            },
        )
    });
    let certificates = accounts().flat_map(|account| {
        account
            .server_certificates
            .values()
            .map(move |it| (account.id(), it))
    });
    let certificates = certificates.map(|(account, one)| {
        let store_key = key(account, "certificate", &one.name);
        let purpose = server_certificate::seal_purpose(&one.id);
        Sealed::new(
            store_key,
            purpose,
            &**one,
            &one.sealed_private_key,
            |one, sealed| {
                one.sealed_private_key = sealed;
            },
        )
    });
    let all = keys
        .chain(authorities)
        .chain(tokens)
        .chain(devices)
        .chain(certificates);
    let mut all: Vec<_> = all.filter(|one| !keyring.is_current(one.sealed)).collect();
    all.sort_by(|left, right| left.store_key.cmp(&right.store_key));
    all
}

/// Seals some of the long-term secrets under the current generation; answers how many are left.
pub(super) fn reseal(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let keyring = ctx.env.keyring();
    let all = unsealed(ctx);
    let left = all.len().saturating_sub(RESEAL_MAX);
    let mut ops = vec![];
    for one in all.iter().take(RESEAL_MAX) {
        let secret = keyring.open_secret(&one.purpose, one.sealed).map_err(failed)?;
        let sealed = keyring
            .seal(&one.purpose, secret.expose(), &*ctx.env.entropy)
            .map_err(failed)?;
        ops.push((one.with)(sealed));
    }
    let mut xml = XmlWriter::new();
    xml.text("Left", left.to_string());
    Ok(Outcome::made(xml, ops)?.confirmed())
}

/// Seals the keyring under the newest root key that this server finds; the others find it too, or keep what they know.
pub(super) fn reseal_keyring(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let keyring = ctx.env.keyring();
    let newest = ctx.env.newest_root().map_err(failed)?;
    let ring = keyring
        .stored
        .resealed(&keyring.root, &newest, &*ctx.env.entropy)
        .map_err(failed)?;
    Ok(Outcome::made(XmlWriter::new(), vec![put_ring(&ring)])?.confirmed())
}
