//! What it costs to find the caller behind a session token that was seen before, its expiry and revocation judged anew:
//! `cargo run --release -p hallpass-serve --example known_token`. The best of many rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops when it cannot go on, and prints"
)]

use hallpass_access::Permit;
use hallpass_agent::SystemEntropy;
use hallpass_authority::{Authority, Call, Machine, Service};
use hallpass_gateway::KeyLookup as _;
use hallpass_serve::Keys;
use hallpass_store::MemoryStore;
use hallpass_types::UnixSeconds;
use hallpass_wire::QueryParams;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const CALLS: u32 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let machine = Machine {
        private_ip: "127.0.0.1".to_owned(),
        networks: vec![],
    };
    let store = Arc::new(MemoryStore::default());
    let authority = Authority::open(
        store,
        Box::new(|| vec![[3; 32]]),
        "eu-central-1",
        machine,
        Arc::new(SystemEntropy),
    )
    .await;
    let authority = Arc::new(authority.unwrap());
    let made = authority.bootstrap(NOW).await.unwrap();
    let admin = authority
        .candidate(&made.access_key_id, None, NOW)
        .unwrap()
        .caller;
    let call = Call {
        service: Service::Sts,
        action: "GetSessionToken".to_owned(),
        params: QueryParams::parse("DurationSeconds=3600").unwrap(),
        caller: Arc::clone(&admin),
        now: NOW,
    };
    let permit = Permit::unconditional(admin, &call.iam_action(), "a measurement");
    let answer = authority.execute(&permit, &call).await.unwrap().xml;
    let text = |name: &str| {
        let rest = answer.split_once(&format!("<{name}>")).unwrap().1;
        rest.split_once('<').unwrap().0.to_owned()
    };
    let (id, token) = (text("AccessKeyId").parse().unwrap(), text("SessionToken"));
    let keys = Keys::new(authority, None);
    let first = Instant::now();
    keys.candidate(&id, Some(&token), NOW).unwrap();
    println!("first: {:.1} µs", first.elapsed().as_secs_f64() * 1e6);
    let best = (0..200)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..CALLS {
                black_box(keys.candidate(&id, Some(black_box(&token)), NOW)).unwrap();
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min);
    println!("known: {best:.0} ns ({} bytes of token)", token.len());
}
