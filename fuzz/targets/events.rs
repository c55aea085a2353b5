//! A stream of events changed in any way is never handed on past the change, however it is split; unchanged it ends well.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use hallpass_fuzz::sigv4::{NOW, event_ends, split};
use hallpass_sigv4::*;
use libfuzzer_sys::fuzz_target;

const LIMITS: EventLimits = EventLimits { message_bytes: 4_096 };

/// Everything handed on, and how it ended.
fn decode(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), EventError>) {
    let (_, mut decoder) = event_ends(LIMITS);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.push(piece, NOW, &mut |event| out.push(event.to_vec())) {
            return (out, Err(error));
        }
    }
    let result = decoder.finish();
    (out, result)
}

/// Sets the checksums of what is framed as a message, so that changes get past them.
fn repair(bytes: &mut [u8]) {
    let sum = |bytes: &[u8]| {
        let mut sum = u32::MAX;
        for byte in bytes {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
            }
        }
        (!sum).to_be_bytes()
    };
    let mut rest = bytes;
    while let Some(total) = rest.first_chunk::<4>() {
        let total = u32::from_be_bytes(*total) as usize;
        if total < 16 || total > rest.len() {
            return;
        }
        let (frame, after) = rest.split_at_mut(total);
        let prelude = sum(&frame[..8]);
        frame[8..12].copy_from_slice(&prelude);
        let whole = sum(&frame[..total - 4]);
        frame[total - 4..].copy_from_slice(&whole);
        rest = after;
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut source = Unstructured::new(bytes);
    type Plan = (Vec<Vec<u8>>, Vec<(u16, u8)>, bool, [u16; 4]);
    let Ok((mut events, changes, repairs, cuts)) = Plan::arbitrary(&mut source) else {
        return;
    };
    events.retain(|event| !event.is_empty() && event.len() < 3_000);
    let (mut signer, _) = event_ends(LIMITS);
    let mut signed = Vec::new();
    for event in &events {
        signer.event(event, NOW, &mut signed).expect("it is small");
    }
    signer.finish(NOW, &mut signed).expect("it is small");
    assert_eq!(decode(&split(&signed, cuts)), (events.clone(), Ok(())));

    let mut changed = signed.clone();
    for (at, by) in changes {
        let at = usize::from(at) % changed.len();
        changed[at] ^= by;
    }
    if repairs {
        repair(&mut changed);
    }
    changed.extend_from_slice(source.take_rest());
    let (out, end) = decode(&[&changed]);
    assert_eq!(
        (&out, &end),
        (
            &decode(&split(&changed, cuts)).0,
            &decode(&split(&changed, cuts)).1
        )
    );
    assert!(events.starts_with(&out));
    assert_eq!(end.is_ok(), changed == signed);
});
