//! Whole bodies: digests, checksums, lengths, and the byte held back.

use super::{Request, example_date, s3_scope};
use crate::*;
use sha2::{Digest, Sha256};

const BODY: &[u8] = b"123456789";

fn put(headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new("PUT", "/b/k", &[("host", "h"), ("content-length", "9")]);
    for (name, value) in headers {
        request.set(name, value);
    }
    request
}

/// Signs, pushes in two pieces; what was handed on, and how it ended.
fn check(request: Request, mode: PayloadMode, body: &[u8]) -> (Vec<u8>, Result<(), BodyError>) {
    let request = request.signed(&s3_scope(), mode);
    let verified = request.verified_at(example_date(), Payload::Declared).unwrap();
    let made = request.with(|view| BodyCheck::for_request(view, Some(&verified), &BodyOptions::default()));
    drive(made, body)
}

fn drive(made: Result<BodyCheck, BodyError>, body: &[u8]) -> (Vec<u8>, Result<(), BodyError>) {
    let mut out = Vec::new();
    let result = made.and_then(|mut check| {
        let (left, right) = body.split_at(body.len() / 2);
        check.push(left, &mut |data| out.extend_from_slice(data))?;
        check.push(right, &mut |data| out.extend_from_slice(data))?;
        check.finish(&mut |data| out.extend_from_slice(data)).map(|_| ())
    });
    (out, result)
}

#[test]
fn checksums_have_their_published_check_values() {
    // The "check" values of the CRC catalogue (over "123456789"), and FIPS 180 for the hashes.
    for (algorithm, expected) in [
        (ChecksumAlgorithm::Crc32, "cbf43926"),
        (ChecksumAlgorithm::Crc32c, "e3069283"),
        (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
        (
            ChecksumAlgorithm::Sha1,
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
        ),
        (
            ChecksumAlgorithm::Sha256,
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        ),
    ] {
        let mut checksum = Checksum::new(algorithm);
        checksum.update(b"1234");
        checksum.update(b"56789");
        let value = checksum.finalize();
        assert_eq!(hex::encode(&value), expected);
        assert_eq!(value.len(), algorithm.length_bytes());
        assert_eq!(
            ChecksumAlgorithm::from_header_name(algorithm.header_name()),
            Some(algorithm)
        );
    }
}

#[test]
fn every_declared_digest_is_checked_before_the_last_byte() {
    let sha256 = PayloadMode::Sha256(Sha256::digest(BODY).into());
    let other = PayloadMode::Sha256(Sha256::digest(b"123456780").into());
    let md5 = ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
    let crc = ("x-amz-checksum-crc32", "y/Q5Jg==");
    for (request, mode) in [
        (put(&[]), sha256),
        (put(&[md5]), PayloadMode::Unsigned),
        (put(&[crc, md5]), sha256),
        (
            put(&[
                crc,
                ("x-amz-checksum-mode", "ENABLED"),
                ("x-amz-checksum-algorithm", "CRC32"),
            ]),
            sha256,
        ),
    ] {
        let (out, result) = check(request, mode, BODY);
        assert_eq!(result, Ok(()));
        assert_eq!(out, BODY);
    }
    let (bad_md5, bad_crc) = (
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-crc32", "AAAAAA=="),
    );
    let crc_name = "x-amz-checksum-crc32";
    for (request, mode, expected, code) in [
        (
            put(&[]),
            other,
            BodyError::ContentHash,
            "XAmzContentSHA256Mismatch",
        ),
        (put(&[bad_md5]), sha256, BodyError::Md5, "BadDigest"),
        (
            put(&[bad_crc]),
            sha256,
            BodyError::Checksum { name: crc_name },
            "BadDigest",
        ),
    ] {
        let (out, result) = check(request, mode, BODY);
        assert_eq!(result.as_ref().unwrap_err(), &expected);
        assert_eq!(result.unwrap_err().s3_code(), (code, 400));
        assert_eq!(out, b"12345678", "all but the last byte, and not that one");
    }
}

#[test]
fn declarations_that_cannot_be_kept_are_refused_at_once() {
    let crc = ("x-amz-checksum-crc32", "y/Q5Jg==");
    for (headers, expected) in [
        (
            vec![("content-md5", "JfnnlDI7RTiF9RgfG2JN")],
            BodyError::Md5Invalid,
        ),
        (vec![("content-md5", "not base64")], BodyError::Md5Invalid),
        (
            vec![("x-amz-checksum-crc32", "cbf43926")],
            BodyError::ChecksumInvalid { name: crc.0 },
        ),
        (
            vec![crc, ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")],
            BodyError::ChecksumRepeated,
        ),
        (
            vec![("x-amz-checksum-xxhash64", "AAAA")],
            BodyError::ChecksumUnsupported {
                name: "x-amz-checksum-xxhash64".to_owned(),
            },
        ),
        (
            vec![("x-amz-trailer", "x-amz-checksum-crc32")],
            BodyError::TrailerHeader,
        ),
        (vec![("content-length", "+9")], BodyError::LengthInvalid),
        (vec![("content-length", "")], BodyError::LengthInvalid),
    ] {
        let (out, result) = check(put(&headers), PayloadMode::Unsigned, BODY);
        assert_eq!(result.unwrap_err(), expected);
        assert!(out.is_empty());
    }
}

#[test]
fn lengths_are_kept_and_required() {
    let (out, result) = check(put(&[("content-length", "10")]), PayloadMode::Unsigned, BODY);
    assert_eq!(result.unwrap_err(), BodyError::Length { declared: 10 });
    assert_eq!(out, BODY);
    let (out, result) = check(put(&[("content-length", "8")]), PayloadMode::Unsigned, BODY);
    assert_eq!(result.unwrap_err(), BodyError::Length { declared: 8 });
    assert!(out.len() < 8);
    let mut unknown = put(&[("transfer-encoding", "chunked")]);
    unknown.headers.retain(|(name, _)| name != "content-length");
    let error = check(unknown, PayloadMode::Unsigned, BODY).1.unwrap_err();
    assert_eq!(error.s3_code(), ("MissingContentLength", 411));
    let framed = check(put(&[]), PayloadMode::StreamingSigned, b"").1.unwrap_err();
    assert_eq!(framed, BodyError::LengthMissing);
    let (_, result) = check(put(&[("content-length", "0")]), PayloadMode::EMPTY, b"");
    assert_eq!(result, Ok(()));
}

#[test]
fn a_trailer_checksum_is_the_body_s() {
    let request = |trailer: &str| put(&[("x-amz-decoded-content-length", "9"), ("x-amz-trailer", trailer)]);
    let mode = PayloadMode::StreamingUnsignedTrailer;
    let framed = |value: &str| format!("9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n");
    let name = "x-amz-checksum-crc32";
    let (out, result) = check(request(name), mode, framed("y/Q5Jg==").as_bytes());
    assert_eq!(result, Ok(()));
    assert_eq!(out, BODY);
    for (value, expected) in [
        ("AAAAAA==", BodyError::Checksum { name }),
        ("cbf43926", BodyError::ChecksumInvalid { name }),
    ] {
        let (out, result) = check(request(name), mode, framed(value).as_bytes());
        assert_eq!(result.unwrap_err(), expected);
        assert_eq!(out, b"12345678");
    }
    let (out, result) = check(request(name), mode, b"9\r\n123456789\r\n0\r\n\r\n");
    assert_eq!(result.unwrap_err().s3_code(), ("MalformedTrailerError", 400));
    assert_eq!(out, b"12345678");
    let (_, result) = check(request("x-amz-meta-a"), mode, framed("y/Q5Jg==").as_bytes());
    assert_eq!(result.unwrap_err(), BodyError::TrailerHeader);
    let mut both = request(name);
    both.add("x-amz-checksum-crc32c", "4waSgw==");
    assert_eq!(check(both, mode, b"").1.unwrap_err(), BodyError::ChecksumRepeated);
}

#[test]
fn anonymous_bodies_keep_what_they_declare() {
    let options = BodyOptions::default();
    let run = |headers: &[(&str, &str)]| {
        let made = put(headers).with(|view| BodyCheck::for_request(view, None, &options));
        drive(made, BODY).1
    };
    assert_eq!(run(&[]), Ok(()));
    let right = hex::encode(Sha256::digest(BODY));
    assert_eq!(run(&[("x-amz-content-sha256", &right)]), Ok(()));
    let wrong = hex::encode(Sha256::digest(b""));
    assert_eq!(
        run(&[("x-amz-content-sha256", &wrong)]),
        Err(BodyError::ContentHash)
    );
    let signed = run(&[("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]);
    assert_eq!(signed, Err(BodyError::ContentHashInvalid));
}

#[test]
fn the_object_s_checksum_is_not_held_against_a_manifest() {
    let request = put(&[("x-amz-checksum-crc32", "AAAAAA==-2")]);
    let options = BodyOptions {
        ignore_checksum_headers: true,
        ..BodyOptions::default()
    };
    let made = request.with(|view| BodyCheck::for_request(view, None, &options));
    assert_eq!(drive(made, BODY).1, Ok(()));
    let made = request.with(|view| BodyCheck::for_request(view, None, &BodyOptions::default()));
    assert!(drive(made, BODY).1.is_err());
}

#[test]
fn pushed_slices_are_parts_of_the_input() {
    let mut check = put(&[])
        .with(|view| BodyCheck::for_request(view, None, &BodyOptions::default()))
        .unwrap();
    assert_eq!(check.length(), 9);
    let input = BODY.to_vec();
    let range = input.as_ptr_range();
    check
        .push(&input, &mut |data| assert!(range.contains(&data.as_ptr())))
        .unwrap();
}

#[test]
fn after_an_error_there_is_no_good_end() {
    let options = BodyOptions::default();
    let mut check = put(&[])
        .with(|view| BodyCheck::for_request(view, None, &options))
        .unwrap();
    let mut out = Vec::new();
    check.push(BODY, &mut |data| out.extend_from_slice(data)).unwrap();
    let length = BodyError::Length { declared: 9 };
    assert_eq!(
        check.push(b"x", &mut |data| out.extend_from_slice(data)),
        Err(length.clone())
    );
    assert_eq!(check.finish(&mut |data| out.extend_from_slice(data)), Err(length));
    assert_eq!(out, b"12345678");
}
