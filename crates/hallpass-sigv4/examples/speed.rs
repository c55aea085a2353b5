//! What signing and verifying a small request costs, beside the hashing it cannot do without:
//! `cargo run --release -p hallpass-sigv4 --example speed`. Times are the best of many rounds; read the ratios.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops when it cannot go on, and prints"
)]

use hallpass_secret::Secret;
use hallpass_sigv4::{
    PathStyle, Payload, PayloadMode, RequestView, Scope, SigningKey, VerifyOptions, parse, sign_with_key,
    verify,
};
use hallpass_types::UnixSeconds;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 200;
const CALLS: u32 = 2_000;

/// Nanoseconds a call, in the quickest round.
fn best(mut call: impl FnMut()) -> f64 {
    let round = |call: &mut dyn FnMut()| {
        let began = Instant::now();
        (0..CALLS).for_each(|_| call());
        began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..ROUNDS)
        .map(|_| round(&mut call))
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let now = UnixSeconds(1_800_000_000);
    let scope = Scope::new(now, "eu-central-1", "s3").unwrap();
    let key = SigningKey::derive(&Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), &scope);
    let id = "AKIAIOSFODNN7EXAMPLE".parse().unwrap();
    let host: (&str, &[u8]) = ("host", b"127.0.0.1:7400");
    let fields = [
        host,
        ("user-agent", b"aws-cli/1.46".as_slice()),
        ("accept-encoding", b"identity".as_slice()),
    ];
    let view = RequestView {
        method: "GET",
        path: "/demo/letter.txt",
        query: None,
        headers: &fields,
    };
    let signed = sign_with_key(&view, &id, None, &key, &scope, now, PayloadMode::EMPTY).unwrap();
    let mut sent = fields.to_vec();
    sent.extend(
        signed
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes())),
    );
    let sent_view = RequestView {
        headers: &sent,
        ..view
    };
    let options = VerifyOptions::new(now, PathStyle::S3);

    // One hash of a canonical request of this size, one of its string to sign, under a prepared key.
    let (canonical, to_sign) = ([7u8; 280], [7u8; 140]);
    let prepared = Hmac::<Sha256>::new_from_slice(&[1; 32]).unwrap();
    let bare = best(|| {
        let mut mac = prepared.clone();
        black_box(Sha256::digest(black_box(&canonical)));
        mac.update(black_box(&to_sign));
        black_box(mac.finalize());
    });
    let signing = best(|| {
        black_box(sign_with_key(black_box(&view), &id, None, &key, &scope, now, PayloadMode::EMPTY).unwrap());
    });
    let verifying = best(|| {
        let presented = parse(black_box(&sent_view)).unwrap().unwrap();
        black_box(verify(&sent_view, presented, &key, Payload::Declared, &options).unwrap());
    });
    println!("bare hashing      {bare:>6.0} ns   1.0x");
    println!("sign              {signing:>6.0} ns   {:.1}x", signing / bare);
    println!("parse and verify  {verifying:>6.0} ns   {:.1}x", verifying / bare);
}
