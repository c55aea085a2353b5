use super::*;
use crate::{BoxFuture, Machine, SystemEntropy};
use hallpass_secret::Secret;
use std::sync::atomic::{AtomicI64, Ordering};

struct Moving(AtomicI64);
impl Clock for Moving {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.load(Ordering::SeqCst))
    }
}

struct Source;
impl CredentialSource for Source {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(std::future::ready(Err(SourceError::Refused("not asked".into()))))
    }
    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        let name = session.session_name.clone().unwrap_or_default();
        Box::pin(std::future::ready(Ok(Issued {
            access_key_id: name,
            secret: Secret::new("s"),
            token: Secret::new("t"),
            issued_at: UnixSeconds(0),
            expires_at: UnixSeconds(1_000_000),
            account: String::new(),
            role_arn: String::new(),
        })))
    }
}

#[tokio::test]
async fn leases_are_bounded_and_the_one_longest_unasked_for_goes_first() {
    let clock = Arc::new(Moving(AtomicI64::new(0)));
    let leases = Arc::new(Leases::new(
        Arc::new(Source),
        clock.clone(),
        Arc::new(SystemEntropy),
    ));
    let session = |number: usize| SessionRequest {
        session_name: Some(format!("p{number}")),
        ..SessionRequest::of_role("app")
    };
    for number in 0..LEASES_MAX {
        clock.0.fetch_add(1, Ordering::SeqCst);
        leases.get(&session(number), 0).await.unwrap();
    }
    // Asked for again, the oldest is not the idlest any more.
    clock.0.fetch_add(1, Ordering::SeqCst);
    leases.get(&session(0), 0).await.unwrap();
    clock.0.fetch_add(1, Ordering::SeqCst);
    leases.get(&session(LEASES_MAX), 0).await.unwrap();
    let kept: Vec<String> = leases
        .status()
        .into_iter()
        .map(|lease| lease.access_key_id)
        .collect();
    assert_eq!(kept.len(), LEASES_MAX);
    assert!(kept.contains(&"p0".to_owned()) && kept.contains(&format!("p{LEASES_MAX}")));
    assert!(!kept.contains(&"p1".to_owned()));
}
