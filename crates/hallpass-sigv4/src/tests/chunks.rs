//! The chunk decoder: every form, every split, every way to break it.

use super::examples::chunked_example;
use super::{Request, credentials, example_date, s3_scope};
use crate::*;
use proptest::prelude::*;

const CRC: &str = "x-amz-checksum-crc32";

/// A signed request of `mode` and its framed body.
fn upload(mode: PayloadMode, chunks: &[Vec<u8>]) -> (Request, Vec<u8>, Vec<u8>) {
    let payload: Vec<u8> = chunks.concat();
    let mut checksum = Checksum::new(ChecksumAlgorithm::Crc32);
    checksum.update(&payload);
    let value = checksum.finalize_base64();
    let trailer = mode != PayloadMode::StreamingSigned;
    let mut request = Request::new(
        "PUT",
        "/b/k",
        &[("host", "h"), ("content-encoding", "aws-chunked")],
    );
    request.add("x-amz-decoded-content-length", &payload.len().to_string());
    if trailer {
        request.add("x-amz-trailer", CRC);
    }
    let signed = request.with(|view| sign(view, &credentials(), &s3_scope(), example_date(), mode).unwrap());
    let mut signer = signed.chunk_signer().unwrap();
    let mut body = Vec::new();
    for chunk in chunks {
        signer.chunk(chunk, &mut body);
    }
    let trailers: &[(&str, &str)] = if trailer { &[(CRC, &value)] } else { &[] };
    signer.finish(trailers, &mut body);
    for (name, value) in &signed.headers {
        request.add(name, value);
    }
    (request, body, payload)
}

/// Everything handed on, and how it ended.
fn decode(request: &Request, pieces: &[&[u8]]) -> (Vec<u8>, Result<Trailers, BodyError>) {
    let verified = request.verified().unwrap();
    let mut check =
        request.with(|view| BodyCheck::for_request(view, Some(&verified), &BodyOptions::default()).unwrap());
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = check.push(piece, &mut |data| out.extend_from_slice(data)) {
            return (out, Err(error));
        }
    }
    let result = check.finish(&mut |data| out.extend_from_slice(data));
    (out, result)
}

const MODES: [PayloadMode; 3] = [
    PayloadMode::StreamingSigned,
    PayloadMode::StreamingSignedTrailer,
    PayloadMode::StreamingUnsignedTrailer,
];

fn mode() -> impl Strategy<Value = PayloadMode> {
    prop::sample::select(MODES.to_vec())
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_split_gives_the_payload(mode in mode(), chunks in chunks(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let (request, body, payload) = upload(mode, &chunks);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        places.extend([0, body.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        let (out, result) = decode(&request, &pieces);
        prop_assert!(result.is_ok(), "{:?}", result);
        prop_assert_eq!(out, payload);
    }

    #[test]
    fn a_cut_body_never_completes(mode in mode(), chunks in chunks(), cut in any::<prop::sample::Index>()) {
        let (request, body, payload) = upload(mode, &chunks);
        let (out, result) = decode(&request, &[&body[..cut.index(body.len())]]);
        prop_assert!(result.is_err());
        prop_assert!(payload.is_empty() || out.len() < payload.len());
    }

    #[test]
    fn a_changed_byte_never_completes_another_payload(
        mode in mode(), chunks in chunks(), place in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let (request, mut body, payload) = upload(mode, &chunks);
        let index = place.index(body.len());
        body[index] ^= flip;
        let (out, result) = decode(&request, &[&body]);
        match result {
            // Letter case of a size or a trailer's name carries no meaning.
            Ok(_) => prop_assert_eq!(out, payload),
            Err(_) => prop_assert!(payload.is_empty() || out.len() < payload.len()),
        }
    }

    #[test]
    fn noise_is_an_error_and_no_panic(mode in mode(), noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let (request, _, payload) = upload(mode, &[vec![1, 2, 3]]);
        let (out, result) = decode(&request, &[&noise]);
        prop_assert!(result.is_err());
        prop_assert!(out.len() < payload.len());
    }

    #[test]
    fn the_framed_length_is_foretold(mode in mode(), length in 0usize..100, chunk in 1usize..40) {
        let payload = vec![7u8; length];
        let parts: Vec<Vec<u8>> = payload.chunks(chunk).map(<[u8]>::to_vec).collect();
        let (_, body, _) = upload(mode, &parts);
        let signed = Request::new("PUT", "/", &[("host", "h")])
            .with(|view| sign(view, &credentials(), &s3_scope(), example_date(), mode).unwrap());
        let trailers: &[(&str, &str)] = if mode == PayloadMode::StreamingSigned { &[] } else { &[(CRC, "AAAAAA==")] };
        let told = signed.chunk_signer().unwrap().encoded_length(length as u64, chunk as u64, trailers);
        prop_assert_eq!(told, body.len() as u64);
    }
}

fn unsigned(decoded: u64, names: &[&str], limits: ChunkLimits) -> ChunkedDecoder {
    ChunkedDecoder::new(
        PayloadMode::StreamingUnsignedTrailer,
        None,
        decoded,
        names,
        limits,
    )
    .unwrap()
}

fn run(mut decoder: ChunkedDecoder, body: &str) -> Result<(String, Trailers), ChunkError> {
    let mut out = Vec::new();
    decoder.push(body.as_bytes(), &mut |data| out.extend_from_slice(data))?;
    let trailers = decoder.finish(&mut |data| out.extend_from_slice(data))?;
    Ok((String::from_utf8(out).unwrap(), trailers))
}

#[test]
fn sizes_are_hex_of_either_case_and_nothing_else() {
    let data = "x".repeat(0x1b);
    for size in ["1b", "1B", "001B"] {
        let (out, _) = run(
            unsigned(27, &[], ChunkLimits::default()),
            &format!("{size}\r\n{data}\r\n0\r\n\r\n"),
        )
        .unwrap();
        assert_eq!(out, data);
    }
    for size in [
        "",
        "+1b",
        "-1",
        "0x1b",
        " 1b",
        "1b ",
        "1b;a=b",
        "zz",
        "11111111111111111",
    ] {
        let result = run(
            unsigned(27, &[], ChunkLimits::default()),
            &format!("{size}\r\n{data}\r\n0\r\n\r\n"),
        );
        assert_eq!(result.unwrap_err(), ChunkError::Framing, "{size}");
    }
    let bare = run(
        unsigned(27, &[], ChunkLimits::default()),
        &format!("1b\n{data}\r\n0\r\n\r\n"),
    );
    assert_eq!(bare.unwrap_err(), ChunkError::Framing);
}

#[test]
fn the_declared_length_is_kept() {
    for (declared, body) in [
        (3, "4\r\nabcd\r\n0\r\n\r\n"),
        (5, "4\r\nabcd\r\n0\r\n\r\n"),
        (4, "4\r\nabcd\r\n"),
        (4, "4\r\nabc"),
        (4, "4\r\nabcd\r\n0\r\n"),
        (4, "4\r\nabcd\r\n4\r\n"),
        (u64::MAX, "ffffffff\r\n"),
    ] {
        let result = run(unsigned(declared, &[], ChunkLimits::default()), body);
        assert_eq!(result.unwrap_err(), ChunkError::Length { declared }, "{body:?}");
    }
}

#[test]
fn limits_are_named_when_reached() {
    let limits = ChunkLimits {
        size_line_bytes: 4,
        chunk_bytes: 4,
        trailer_count: 1,
        trailer_bytes: 20,
    };
    assert!(run(unsigned(4, &["a"], limits), "0004\r\nabcd\r\n0\r\na:1\r\n\r\n").is_ok());
    let line = run(unsigned(4, &[], limits), "00004\r\nabcd\r\n0\r\n\r\n").unwrap_err();
    assert_eq!(line, ChunkError::SizeLineTooLong { limit_bytes: 4 });
    let endless = run(unsigned(4, &[], limits), &"0".repeat(100)).unwrap_err();
    assert_eq!(endless, ChunkError::SizeLineTooLong { limit_bytes: 4 });
    let chunk = run(unsigned(5, &[], limits), "5\r\nabcde\r\n0\r\n\r\n").unwrap_err();
    assert_eq!(chunk, ChunkError::ChunkTooLarge { limit_bytes: 4 });
    let large = ChunkError::TrailersTooLarge {
        limit_count: 1,
        limit_bytes: 20,
    };
    let count = run(
        unsigned(4, &["a", "b"], limits),
        "4\r\nabcd\r\n0\r\na:1\r\nb:1\r\n\r\n",
    )
    .unwrap_err();
    assert_eq!(count, large);
    let bytes = run(
        unsigned(4, &["a"], limits),
        &format!("4\r\nabcd\r\n0\r\na:{}", "1".repeat(30)),
    )
    .unwrap_err();
    assert_eq!(bytes, large);
}

#[test]
fn trailers_are_announced_unique_and_complete() {
    let decode = |body: &str| run(unsigned(1, &["x-amz-a", "x-amz-b"], ChunkLimits::default()), body);
    let (_, trailers) = decode("1\r\n.\r\n0\r\nX-Amz-A: 1 \r\nx-amz-b:2\r\n\r\n").unwrap();
    let all: Vec<_> = trailers.iter().collect();
    assert_eq!(all, [("x-amz-a", "1"), ("x-amz-b", "2")]);
    // The line ends of other writers: an empty line first; bare line feeds.
    decode("1\r\n.\r\n0\r\n\r\nx-amz-a:1\r\nx-amz-b:2\r\n").unwrap();
    decode("1\r\n.\r\n0\r\nx-amz-a:1\nx-amz-b:2\n\r\n").unwrap();
    for (body, expected) in [
        ("x-amz-a:1\r\nx-amz-a:1\r\n\r\n", ChunkError::Trailer),
        ("x-amz-c:1\r\n\r\n", ChunkError::Trailer),
        ("x-amz-a\r\n\r\n", ChunkError::Trailer),
        ("x-amz-a:\r\n\r\n", ChunkError::Trailer),
        ("x-amz-a:1\u{1}\r\n\r\n", ChunkError::Trailer),
        ("x-amz-a:1\r\n\r\nx-amz-b:2\r\n\r\n", ChunkError::TrailingBytes),
        ("x-amz-a:1\r\nx-amz-b:2\r\n", ChunkError::Length { declared: 1 }),
    ] {
        assert_eq!(
            decode(&format!("1\r\n.\r\n0\r\n{body}")).unwrap_err(),
            expected,
            "{body:?}"
        );
    }
    let missing = decode("1\r\n.\r\n0\r\nx-amz-a:1\r\n\r\n").unwrap_err();
    assert_eq!(
        missing,
        ChunkError::TrailerMissing {
            name: "x-amz-b".to_owned()
        }
    );
    assert_eq!(missing.s3_code(), ("MalformedTrailerError", 400));
}

#[test]
fn minio_line_ends_around_the_trailer_signature_are_read() {
    let (request, body, payload) = upload(PayloadMode::StreamingSignedTrailer, &[b"abc".to_vec()]);
    let text = String::from_utf8(body).unwrap();
    let minio = text.replace("\r\nx-amz-trailer-signature", "\n\r\nx-amz-trailer-signature");
    assert_ne!(text, minio);
    let (out, result) = decode(&request, &[minio.as_bytes()]);
    result.unwrap();
    assert_eq!(out, payload);
}

#[test]
fn chunks_cannot_be_dropped_swapped_or_left_unsigned() {
    let parts = [b"first".to_vec(), b"other".to_vec()];
    let (request, body, _) = upload(PayloadMode::StreamingSigned, &parts);
    let one = body.len() - (1 + 17 + 64 + 2) - 2;
    let length = one / 2;
    let swapped = [&body[length..one], &body[..length], &body[one..]].concat();
    let (out, result) = decode(&request, &[&swapped]);
    assert_eq!(result.unwrap_err(), BodyError::Chunk(ChunkError::ChunkSignature));
    assert!(out.len() < 10);
    // The zero chunk's signature counts although every byte is there.
    let mut cut = body.clone();
    let end = cut.len() - 5;
    cut[end] = if cut[end] == b'0' { b'1' } else { b'0' };
    let (out, result) = decode(&request, &[&cut]);
    assert_eq!(result.unwrap_err(), BodyError::Chunk(ChunkError::ChunkSignature));
    assert_eq!(out, b"firstothe");
    let (out, result) = decode(&request, &[b"a\r\nfirstother\r\n0\r\n\r\n"]);
    assert_eq!(result.unwrap_err(), BodyError::Chunk(ChunkError::Framing));
    assert!(out.is_empty());
    let (_, result) = decode(&request, &[&body, b"x"]);
    assert_eq!(result.unwrap_err(), BodyError::Chunk(ChunkError::TrailingBytes));
}

#[test]
fn an_unsigned_trailer_in_a_signed_body_is_refused() {
    let (request, body, payload) = upload(PayloadMode::StreamingSignedTrailer, &[b"abc".to_vec()]);
    let text = String::from_utf8(body).unwrap();
    let start = text.find("x-amz-trailer-signature").unwrap();
    let (out, result) = decode(&request, &[&text.as_bytes()[..start], b"\r\n"]);
    assert_eq!(
        result.unwrap_err(),
        BodyError::Chunk(ChunkError::TrailerSignature)
    );
    assert!(out.len() < payload.len());
}

#[test]
fn modes_and_verifiers_must_fit() {
    let (request, mode) = chunked_example(false);
    let verifier = request
        .signed(&s3_scope(), mode)
        .verified()
        .unwrap()
        .chunk_verifier();
    let limits = ChunkLimits::default();
    let new = |mode, verifier: Option<&ChunkVerifier>, names: &[&str]| {
        ChunkedDecoder::new(mode, verifier.cloned(), 1, names, limits).map(|_| ())
    };
    let verifier = verifier.as_ref();
    assert_eq!(
        new(PayloadMode::StreamingSigned, None, &[]),
        Err(ChunkError::Mode)
    );
    assert_eq!(
        new(PayloadMode::StreamingUnsignedTrailer, verifier, &[]),
        Err(ChunkError::Mode)
    );
    assert_eq!(
        new(PayloadMode::StreamingSigned, verifier, &["a"]),
        Err(ChunkError::Mode)
    );
    assert_eq!(new(PayloadMode::Unsigned, None, &[]), Err(ChunkError::Mode));
    assert_eq!(new(PayloadMode::StreamingSignedTrailer, verifier, &["a"]), Ok(()));
}
