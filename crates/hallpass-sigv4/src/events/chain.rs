use crate::date;
use crate::key::SigningKey;
use crate::payload::to_hex;
use crate::scope::Scope;
use crate::string_to_sign::{CHUNK_ALGORITHM, text};
use hallpass_secret::{Secret, constant_time_eq};
use hallpass_types::UnixSeconds;
use sha2::{Digest, Sha256};

/// Where a chain of events begins: the request's own signature, and what it is good for.
#[derive(Clone)]
pub(crate) struct EventSeed {
    pub(crate) scope: Scope,
    pub(crate) signature: [u8; 32],
}

/// The chain of signatures through a stream: each covers the one before, the first the request's own.
///
/// An event is signed for its own day, not for the request's: a stream that passes midnight goes on with another key.
pub(super) struct Chain {
    secret: Secret,
    scope: Scope,
    key: SigningKey,
    previous: [u8; 64],
}

impl Chain {
    pub(super) fn new(seed: &EventSeed, secret: &Secret) -> Self {
        Self {
            secret: secret.clone(),
            key: SigningKey::derive(secret, &seed.scope),
            scope: seed.scope.clone(),
            previous: to_hex(&seed.signature),
        }
    }

    /// The next signature. `date_header` is the header `:date` as it is framed.
    pub(super) fn sign(&mut self, date: UnixSeconds, date_header: &[u8], payload: &[u8]) -> [u8; 32] {
        let signature = self.expected(date, date_header, payload);
        self.previous = to_hex(&signature);
        signature
    }

    /// Whether `presented` is the next signature, which it becomes.
    pub(super) fn check(
        &mut self,
        date: UnixSeconds,
        date_header: &[u8],
        payload: &[u8],
        presented: &[u8; 32],
    ) -> bool {
        let expected = self.expected(date, date_header, payload);
        self.previous = to_hex(presented);
        constant_time_eq(&expected, presented)
    }

    fn expected(&mut self, date: UnixSeconds, date_header: &[u8], payload: &[u8]) -> [u8; 32] {
        let date_text = date::text(date);
        if !date_text.starts_with(self.scope.date().as_bytes())
            && let Ok(scope) = Scope::new(date, self.scope.region(), self.scope.service())
        {
            self.key = SigningKey::derive(&self.secret, &scope);
            self.scope = scope;
        }
        let date_hash = to_hex(&Sha256::digest(date_header).into());
        let payload_hash = to_hex(&Sha256::digest(payload).into());
        let lines: [&[u8]; 3] = [&self.previous, &date_hash, &payload_hash];
        self.key
            .mac(&text(CHUNK_ALGORITHM, &date_text, &self.scope, &lines))
    }
}
