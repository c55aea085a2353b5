//! Keys and cuts for the targets of signatures and bodies.

use hallpass_secret::Secret;
use hallpass_sigv4::*;
use hallpass_types::UnixSeconds;
use std::sync::OnceLock;

pub const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
pub const SCOPE_REGION: &str = "us-east-1";

pub fn secret() -> Secret {
    Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

pub fn scope() -> Scope {
    Scope::new(NOW, SCOPE_REGION, "s3").expect("a constant")
}

pub fn key() -> SigningKey {
    SigningKey::derive(&secret(), &scope())
}

/// The key pair of the same access key, derived once.
pub fn ecdsa_key() -> EcdsaKey {
    static KEY: OnceLock<EcdsaKey> = OnceLock::new();
    let derive = || {
        let id = "AKIAIOSFODNN7EXAMPLE".parse().expect("a constant");
        EcdsaKey::derive(&secret(), &id).expect("it can be derived")
    };
    KEY.get_or_init(derive).clone()
}

/// The verifier of a signed upload's chunks, through the whole way a request takes.
pub fn chunk_verifier(mode: PayloadMode) -> ChunkVerifier {
    let (_, proof) = proven(mode, Payload::Declared);
    proof.chunk_verifier().expect("its chunks are signed")
}

/// Both ends of a stream of events.
pub fn event_ends(limits: EventLimits) -> (EventSigner, EventDecoder) {
    let (signed, proof) = proven(PayloadMode::StreamingEvents, Payload::Events);
    let signer = signed.event_signer(&secret());
    let decoder = proof.event_decoder(&secret(), limits);
    (
        signer.expect("its events are signed"),
        decoder.expect("its events are signed"),
    )
}

fn proven(mode: PayloadMode, payload: Payload) -> (SignedHeaders, Verified) {
    let id = "AKIAIOSFODNN7EXAMPLE".parse().expect("a constant");
    let mut headers: Vec<(&str, &[u8])> = vec![("host", b"h")];
    let view = RequestView {
        method: "PUT",
        path: "/b/k",
        query: None,
        headers: &headers,
    };
    let signed = sign_with_key(&view, &id, None, &key(), &scope(), NOW, mode).expect("it can be signed");
    headers.extend(
        signed
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes())),
    );
    let view = RequestView {
        method: "PUT",
        path: "/b/k",
        query: None,
        headers: &headers,
    };
    let presented = parse(&view).expect("it is well formed").expect("it is signed");
    let options = VerifyOptions::new(NOW, PathStyle::S3);
    let proof = verify(&view, presented, &key(), payload, &options).expect("it is ours");
    (signed, proof)
}

/// `body` in five pieces.
pub fn split(body: &[u8], cuts: [u16; 4]) -> Vec<&[u8]> {
    let mut places: Vec<usize> = cuts
        .iter()
        .map(|cut| usize::from(*cut) % (body.len() + 1))
        .chain([0, body.len()])
        .collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}
