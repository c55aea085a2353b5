//! The worked examples of the S3 documentation ("Authenticating Requests (AWS Signature Version 4)"): header,
//! presigned, chunked upload, chunked upload with trailer. Credentials, dates and signatures are Amazon's.

use super::{Request, credentials, example_date, s3_scope};
use crate::*;

fn signature_of(request: &Request, payload: PayloadMode) -> String {
    let signed =
        request.with(|view| sign(view, &credentials(), &s3_scope(), example_date(), payload).unwrap());
    let authorization = signed.get("authorization").unwrap();
    authorization.rsplit_once("Signature=").unwrap().1.to_owned()
}

#[test]
fn the_four_header_examples() {
    let host = ("host", "examplebucket.s3.amazonaws.com");
    let put_hash =
        PayloadMode::parse("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072").unwrap();
    let cases = [
        (
            Request::new("GET", "/test.txt", &[host, ("range", "bytes=0-9")]),
            PayloadMode::EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            Request::new(
                "PUT",
                "/test$file.text",
                &[
                    host,
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
            ),
            put_hash,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            Request::new("GET", "/?lifecycle", &[host]),
            PayloadMode::EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            Request::new("GET", "/?max-keys=2&prefix=J", &[host]),
            PayloadMode::EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for (request, payload, expected) in cases {
        assert_eq!(signature_of(&request, payload), expected, "{request:?}");
        request.signed(&s3_scope(), payload).verified().unwrap();
    }
}

#[test]
fn the_presigned_example() {
    let request = Request::new("GET", "/test.txt", &[("host", "examplebucket.s3.amazonaws.com")]);
    let query = request.with(|view| {
        presign(
            view,
            &credentials(),
            &s3_scope(),
            example_date(),
            86_400,
            PayloadMode::Unsigned,
        )
        .unwrap()
    });
    assert_eq!(
        query,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
    let mut presigned = request;
    presigned.query = Some(query);
    let verified = presigned.verified().unwrap();
    assert_eq!(verified.payload(), PayloadMode::Unsigned);
    assert_eq!(
        verified.form(),
        AuthForm::Presigned {
            expires_seconds: 86_400
        }
    );
}

/// The chunked example's request, head and seed; `trailer` makes it the one with a trailer.
pub(super) fn chunked_example(trailer: bool) -> (Request, PayloadMode) {
    let mut headers = vec![
        ("host", "s3.amazonaws.com"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ];
    let mode = if trailer {
        headers.push(("x-amz-trailer", "x-amz-checksum-crc32c"));
        PayloadMode::StreamingSignedTrailer
    } else {
        headers.push(("content-length", "66824"));
        PayloadMode::StreamingSigned
    };
    (
        Request::new("PUT", "/examplebucket/chunkObject.txt", &headers),
        mode,
    )
}

pub(super) fn example_body(request: &Request, mode: PayloadMode, trailers: &[(&str, &str)]) -> Vec<u8> {
    let signed = request.with(|view| sign(view, &credentials(), &s3_scope(), example_date(), mode).unwrap());
    let mut signer = signed.chunk_signer().unwrap();
    let mut body = Vec::new();
    signer.chunk(&[b'a'; 65_536], &mut body);
    signer.chunk(&[b'a'; 1024], &mut body);
    signer.finish(trailers, &mut body);
    body
}

fn chunk(signature: &str, size: &str, data: usize) -> Vec<u8> {
    let mut text = format!("{size};chunk-signature={signature}\r\n").into_bytes();
    text.resize(text.len() + data, b'a');
    if data > 0 {
        text.extend_from_slice(b"\r\n");
    }
    text
}

fn decode(request: &Request, mode: PayloadMode, body: &[u8]) {
    let signed = request.clone().signed(&s3_scope(), mode);
    let verified = signed.verified().unwrap();
    let mut check =
        signed.with(|view| BodyCheck::for_request(view, Some(&verified), &BodyOptions::default()).unwrap());
    let mut out = Vec::new();
    check.push(body, &mut |data| out.extend_from_slice(data)).unwrap();
    assert_eq!(out.len(), 66_559);
    check.finish(&mut |data| out.extend_from_slice(data)).unwrap();
    assert_eq!(out, vec![b'a'; 66_560]);
}

#[test]
fn the_chunked_example_byte_for_byte() {
    let (request, mode) = chunked_example(false);
    assert_eq!(
        signature_of(&request, mode),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    );
    let mut expected = chunk(
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "10000",
        65_536,
    );
    expected.extend(chunk(
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "400",
        1024,
    ));
    expected.extend(chunk(
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        "0",
        0,
    ));
    expected.extend_from_slice(b"\r\n");
    let body = example_body(&request, mode, &[]);
    assert!(body == expected);
    assert_eq!(body.len(), 66_824);
    decode(&request, mode, &body);
}

#[test]
fn the_chunked_example_with_a_trailer_byte_for_byte() {
    let (request, mode) = chunked_example(true);
    assert_eq!(
        signature_of(&request, mode),
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    );
    let mut expected = chunk(
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "10000",
        65_536,
    );
    expected.extend(chunk(
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "400",
        1024,
    ));
    expected.extend(chunk(
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        "0",
        0,
    ));
    expected.extend_from_slice(
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n\
          x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    );
    let body = example_body(&request, mode, &[("x-amz-checksum-crc32c", "sOO8/Q==")]);
    assert!(body == expected);
    decode(&request, mode, &body);
}

#[test]
fn the_signing_key_of_the_documentation() {
    // "Derive a signing key", IAM example of 2015-08-30: the string to sign there has this signature.
    let date = hallpass_types::UnixSeconds::from_amz_date("20150830T123600Z").unwrap();
    let scope = Scope::new(date, "us-east-1", "iam").unwrap();
    assert_eq!(scope.to_string(), "20150830/us-east-1/iam/aws4_request");
    let hash = hex::decode("f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59").unwrap();
    let key = SigningKey::derive(
        &hallpass_secret::Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        &scope,
    );
    let signature = crate::string_to_sign::request_signature(
        &key,
        b"20150830T123600Z",
        &scope,
        &hash.try_into().unwrap(),
    );
    assert_eq!(
        hex::encode(signature),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}
