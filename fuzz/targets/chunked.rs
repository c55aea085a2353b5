//! Any framed body ends the same however it is split, and a body that fails never delivers all its bytes.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use hallpass_fuzz::sigv4::{chunk_verifier, split};
use hallpass_sigv4::*;
use libfuzzer_sys::fuzz_target;

const CRC: &str = "x-amz-checksum-crc32";

/// Everything handed on, and how it ended.
fn decode(mode: PayloadMode, length: u64, pieces: &[&[u8]]) -> (Vec<u8>, Result<Trailers, ChunkError>) {
    let verifier = (mode != PayloadMode::StreamingUnsignedTrailer).then(|| chunk_verifier(mode));
    let names: &[&str] = if mode == PayloadMode::StreamingSigned {
        &[]
    } else {
        &[CRC]
    };
    let mut decoder = ChunkedDecoder::new(mode, verifier, length, names, ChunkLimits::default())
        .expect("mode, verifier and names fit");
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut |data| out.extend_from_slice(data)) {
            return (out, Err(error));
        }
    }
    let result = decoder.finish(&mut |data| out.extend_from_slice(data));
    (out, result)
}

fuzz_target!(|bytes: &[u8]| {
    let mut source = Unstructured::new(bytes);
    let Ok((which, length, cuts)) = <(u8, u8, [u16; 4])>::arbitrary(&mut source) else {
        return;
    };
    let mode = match which % 3 {
        0 => PayloadMode::StreamingUnsignedTrailer,
        1 => PayloadMode::StreamingSigned,
        _ => PayloadMode::StreamingSignedTrailer,
    };
    let length = u64::from(length);
    let body = source.take_rest();
    let (out, whole) = decode(mode, length, &[body]);
    let (split_out, split_result) = decode(mode, length, &split(body, cuts));
    assert_eq!(whole, split_result);
    match whole {
        Ok(_) => {
            assert_eq!(out.len() as u64, length);
            assert_eq!(out, split_out);
        }
        Err(_) => assert!(length == 0 || (out.len() as u64) < length && (split_out.len() as u64) < length),
    }
});
