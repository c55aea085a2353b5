//! Streams of signed events, against `aws-sigv4` and against whoever changes them on the way.

use super::{Request, SECRET, example_date};
use crate::*;
use aws_sigv4::event_stream::{sign_empty_message, sign_message};
use aws_sigv4::sign::v4;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use proptest::prelude::*;
use std::time::{Duration, UNIX_EPOCH};

const SERVICE: &str = "transcribe";

fn scope_at(date: UnixSeconds) -> Scope {
    Scope::new(date, "us-east-1", SERVICE).unwrap()
}

/// A request with a stream of events, signed at `date`, and its signature in hex.
fn opened(date: UnixSeconds) -> (Request, SignedHeaders, String) {
    let mut request = Request::new("POST", "/stream-transcription", &[("host", "h")]);
    let mode = PayloadMode::StreamingEvents;
    let added = request.with(|view| sign(view, &super::credentials(), &scope_at(date), date, mode).unwrap());
    for (name, value) in &added.headers {
        request.add(name, value);
    }
    let authorization = added.get("authorization").unwrap();
    let signature = authorization.rsplit_once('=').unwrap().1.to_owned();
    (request, added, signature)
}

fn decoder_of(request: &Request, date: UnixSeconds, limits: EventLimits) -> EventDecoder {
    let verified = request.verified_at(date, Payload::Events).unwrap();
    verified.event_decoder(&Secret::new(SECRET), limits).unwrap()
}

fn inner(text: &str) -> Message {
    let kind = Header::new(":message-type", HeaderValue::String("event".into()));
    Message::new(text.as_bytes().to_vec()).add_header(kind)
}

fn framed(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_message_to(message, &mut bytes).unwrap();
    bytes
}

/// The outer messages of a stream as `aws-sigv4` signs them, each at its own date; the last ends it.
fn theirs(seed: &str, events: &[(&str, UnixSeconds)], end: UnixSeconds) -> Vec<Vec<u8>> {
    let identity =
        aws_credential_types::Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, None, None, "test").into();
    let params = |date: UnixSeconds| {
        v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(SERVICE)
            .time(UNIX_EPOCH + Duration::from_secs(date.0.unsigned_abs()))
            .settings(())
            .build()
            .unwrap()
    };
    let mut last = seed.to_owned();
    let mut messages = Vec::new();
    for (text, date) in events {
        let (message, signature) = sign_message(&inner(text), &last, &params(*date))
            .unwrap()
            .into_parts();
        messages.push(framed(&message));
        last = signature;
    }
    let (message, _) = sign_empty_message(&last, &params(end)).unwrap().into_parts();
    messages.push(framed(&message));
    messages
}

/// What is handed on of `bytes`, in pieces of `size`, and how it ends.
fn decode(mut decoder: EventDecoder, bytes: &[u8], size: usize, now: UnixSeconds) -> Decoded {
    let mut events = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        if let Err(error) = decoder.push(piece, now, &mut |event| events.push(event.to_vec())) {
            assert_eq!(
                decoder.push(b"", now, &mut |_| panic!("after an error")),
                Err(error.clone())
            );
            assert_eq!(decoder.finish(), Err(error.clone()));
            return (events, Err(error));
        }
    }
    (events, decoder.finish())
}

type Decoded = (Vec<Vec<u8>>, Result<(), EventError>);

/// A stream of three events in outer messages, the last message included, and the request it belongs to.
fn stream() -> (Request, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let date = example_date();
    let (request, _, seed) = opened(date);
    let events = [("one", date), ("two", date.plus(1)), ("three", date.plus(2))];
    let plain = events.iter().map(|(text, _)| framed(&inner(text))).collect();
    (request, theirs(&seed, &events, date.plus(2)), plain)
}

fn decoded(request: &Request, messages: &[Vec<u8>]) -> Decoded {
    let decoder = decoder_of(request, example_date(), EventLimits::default());
    decode(decoder, &messages.concat(), 7, example_date())
}

#[test]
fn a_stream_that_another_implementation_signed_is_proven_however_it_is_cut() {
    let (request, messages, plain) = stream();
    let whole = messages.concat();
    for size in [1, 5, 12, 100, whole.len()] {
        let decoder = decoder_of(&request, example_date(), EventLimits::default());
        let (events, end) = decode(decoder, &whole, size, example_date());
        assert_eq!((events, end), (plain.clone(), Ok(())), "in pieces of {size}");
    }
}

#[test]
fn what_we_sign_is_what_another_implementation_signs() {
    let date = example_date();
    let (_, added, seed) = opened(date);
    let events = [("one", date), ("two", date.plus(60))];
    let expected = theirs(&seed, &events, date.plus(61));
    let mut signer = added.event_signer(&Secret::new(SECRET)).unwrap();
    let mut ours = vec![Vec::new(); 3];
    for (index, (text, date)) in events.iter().enumerate() {
        signer
            .event(&framed(&inner(text)), *date, &mut ours[index])
            .unwrap();
        signer.event(b"", *date, &mut ours[index]).unwrap();
    }
    signer.finish(date.plus(61), &mut ours[2]).unwrap();
    for (ours, expected) in ours.iter().zip(&expected) {
        assert_eq!(signed_parts(ours), signed_parts(expected));
    }
}

/// Signature, date and payload of an outer message, by another implementation's reading.
fn signed_parts(frame: &[u8]) -> (Vec<u8>, i64, Vec<u8>) {
    let mut bytes = frame;
    let DecodedFrame::Complete(message) = MessageFrameDecoder::new().decode_frame(&mut bytes).unwrap() else {
        panic!("the frame is not whole");
    };
    let header = |name: &str| {
        let found = message
            .headers()
            .iter()
            .find(|header| header.name().as_str() == name);
        found.unwrap().value().clone()
    };
    let signature = header(":chunk-signature").as_byte_array().unwrap().to_vec();
    (
        signature,
        header(":date").as_timestamp().unwrap().secs(),
        message.payload().to_vec(),
    )
}

#[test]
fn an_event_changed_in_any_byte_is_not_handed_on() {
    let (request, messages, plain) = stream();
    for at in 0..messages[1].len() {
        let mut spoilt = messages.clone();
        spoilt[1][at] ^= 1;
        let (events, end) = decoded(&request, &spoilt);
        assert_eq!(events, plain[..1], "byte {at}");
        assert!(end.is_err(), "byte {at}");
    }
}

/// The same frame with right checksums.
fn with_checksums(mut frame: Vec<u8>) -> Vec<u8> {
    let sum = |bytes: &[u8]| {
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
        u32::try_from(sum).unwrap().to_be_bytes()
    };
    let prelude = sum(&frame[..8]);
    frame[8..12].copy_from_slice(&prelude);
    let end = frame.len() - 4;
    let whole = sum(&frame[..end]);
    frame[end..].copy_from_slice(&whole);
    frame
}

#[test]
fn checksums_made_right_do_not_help() {
    let (request, messages, plain) = stream();
    for at in 12..messages[1].len() - 4 {
        let mut spoilt = messages.clone();
        spoilt[1][at] ^= 1;
        spoilt[1] = with_checksums(spoilt[1].clone());
        let (events, end) = decoded(&request, &spoilt);
        assert_eq!(events, plain[..1], "byte {at}");
        let expected = [EventError::Signature, EventError::Headers];
        let error = end.unwrap_err();
        assert!(
            expected.contains(&error) || matches!(error, EventError::SkewTooLarge { .. }),
            "{at}: {error}"
        );
    }
}

#[test]
fn events_left_out_repeated_or_moved_break_the_chain() {
    let (request, messages, plain) = stream();
    let [one, two, three, end] = messages.as_slice() else {
        panic!()
    };
    let of = |messages: &[&Vec<u8>]| -> Decoded {
        decoded(
            &request,
            &messages.iter().map(|one| (*one).clone()).collect::<Vec<_>>(),
        )
    };
    let broken = Err(EventError::Signature);
    assert_eq!(of(&[one, three, end]), (plain[..1].to_vec(), broken.clone()));
    assert_eq!(
        of(&[one, one, two, three, end]),
        (plain[..1].to_vec(), broken.clone())
    );
    assert_eq!(of(&[two, one, three, end]), (vec![], broken.clone()));
    assert_eq!(of(&[one, end]), (plain[..1].to_vec(), broken));
    assert_eq!(of(&[one, two, three, end, end]).1, Err(EventError::TrailingBytes));
}

#[test]
fn a_stream_cut_anywhere_has_no_good_end() {
    let (request, messages, plain) = stream();
    let whole = messages.concat();
    for length in 0..whole.len() {
        let decoder = decoder_of(&request, example_date(), EventLimits::default());
        let (events, end) = decode(decoder, &whole[..length], 1_000, example_date());
        assert_eq!(events, plain[..events.len()]);
        assert_eq!(end, Err(EventError::Incomplete), "{length} bytes");
    }
}

#[test]
fn a_stream_replayed_under_another_request_fails() {
    let (_, messages, _) = stream();
    let (other, _, _) = opened(example_date().plus(1));
    assert_eq!(decoded(&other, &messages), (vec![], Err(EventError::Signature)));
}

#[test]
fn a_stream_that_passes_midnight_goes_on_with_the_new_day_s_key() {
    // 2013-05-24T23:59:58Z.
    let date = example_date().plus(86_398);
    let (request, added, seed) = opened(date);
    let events = [("before", date), ("after", date.plus(4))];
    let expected = theirs(&seed, &events, date.plus(5));
    let decoder = decoder_of(&request, date, EventLimits::default());
    let (seen, end) = decode(decoder, &expected.concat(), 50, date.plus(3));
    assert_eq!((seen.len(), end), (2, Ok(())));
    let mut signer = added.event_signer(&Secret::new(SECRET)).unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    signer.event(&framed(&inner("before")), date, &mut first).unwrap();
    signer
        .event(&framed(&inner("after")), date.plus(4), &mut second)
        .unwrap();
    assert_eq!(signed_parts(&second), signed_parts(&expected[1]));
}

#[test]
fn an_event_s_date_is_near_our_clock() {
    let (request, messages, _) = stream();
    let ends = |now: i64| {
        let decoder = decoder_of(&request, example_date(), EventLimits::default());
        decode(decoder, &messages[0], 100, example_date().plus(now)).1
    };
    for now in [-900, 900] {
        assert_eq!(ends(now), Err(EventError::Incomplete), "the event itself is good");
    }
    for now in [-901, 901, i64::MAX / 2] {
        assert!(matches!(ends(now), Err(EventError::SkewTooLarge { .. })), "{now}");
    }
}

#[test]
fn lengths_are_bounded_before_anything_is_held() {
    let (request, messages, plain) = stream();
    let limit = |message_bytes| decoder_of(&request, example_date(), EventLimits { message_bytes });
    let size = messages[0].len();
    let first = |decoder| decode(decoder, &messages[0], 3, example_date());
    assert_eq!(
        first(limit(size)),
        (plain[..1].to_vec(), Err(EventError::Incomplete))
    );
    let too_large = Err(EventError::MessageTooLarge {
        limit_bytes: size - 1,
    });
    assert_eq!(first(limit(size - 1)), (vec![], too_large));
    let prelude = |total: u32, headers: u32| {
        let mut frame = [total.to_be_bytes(), headers.to_be_bytes(), [0; 4]].concat();
        frame.extend_from_slice(&[0; 4]);
        let mut frame = with_checksums(frame);
        frame.truncate(12);
        decoded(&request, &[frame]).1
    };
    let limit_bytes = EventLimits::default().message_bytes;
    for total in [u32::MAX, u32::try_from(limit_bytes).unwrap() + 1] {
        assert_eq!(
            prelude(total, 0),
            Err(EventError::MessageTooLarge { limit_bytes })
        );
    }
    for (total, headers) in [(0, 0), (12, 0), (15, 0), (16, 1), (100, 85), (100, u32::MAX)] {
        assert_eq!(
            prelude(total, headers),
            Err(EventError::Framing),
            "{total} {headers}"
        );
    }
}

#[test]
fn a_header_more_is_refused_since_no_signature_covers_it() {
    let (request, messages, _) = stream();
    let (signature, date, payload) = signed_parts(&messages[0]);
    let header = |name: &'static str, value| Header::new(name, value);
    let date = || {
        header(
            ":date",
            HeaderValue::Timestamp(aws_smithy_types::DateTime::from_secs(date)),
        )
    };
    let signed = || {
        header(
            ":chunk-signature",
            HeaderValue::ByteArray(signature.clone().into()),
        )
    };
    let of = |headers: Vec<Header>| {
        let message = headers
            .into_iter()
            .fold(Message::new(payload.clone()), Message::add_header);
        decoded(&request, &[framed(&message)]).1
    };
    assert_eq!(
        of(vec![date(), signed()]),
        Err(EventError::Incomplete),
        "either order"
    );
    assert_eq!(of(vec![signed(), date()]), Err(EventError::Incomplete));
    for headers in [
        vec![],
        vec![date()],
        vec![signed()],
        vec![date(), date(), signed()],
        vec![date(), signed(), signed()],
        vec![date(), signed(), header("x", HeaderValue::Bool(true))],
        vec![
            date(),
            header(":chunk-signature", HeaderValue::ByteArray(vec![1; 31].into())),
        ],
        vec![header(":date", HeaderValue::Int64(1)), signed()],
    ] {
        assert_eq!(of(headers.clone()), Err(EventError::Headers), "{headers:?}");
    }
}

#[test]
fn the_mode_is_for_operations_that_take_events_only() {
    let date = example_date();
    let (request, _, _) = opened(date);
    let refused = |request: &Request, payload| request.verified_at(date, payload).unwrap_err();
    assert_eq!(
        refused(&request, Payload::Declared),
        VerifyError::ContentHashInvalid
    );
    assert_eq!(
        refused(&request, Payload::Body([0; 32])),
        VerifyError::ContentHashMismatch
    );
    let verified = request.verified_at(date, Payload::Events).unwrap();
    assert_eq!(verified.payload(), PayloadMode::StreamingEvents);
    assert!(verified.chunk_verifier().is_none());
    request.with(|view| {
        let check = BodyCheck::for_request(view, Some(&verified), &BodyOptions::default());
        assert_eq!(check.unwrap_err(), BodyError::ContentHashInvalid);
        let anonymous = BodyCheck::for_request(view, None, &BodyOptions::default());
        assert_eq!(anonymous.unwrap_err(), BodyError::ContentHashInvalid);
    });
    for mode in [
        PayloadMode::Unsigned,
        PayloadMode::EMPTY,
        PayloadMode::StreamingSigned,
    ] {
        let other = Request::new("POST", "/", &[("host", "h")]).signed(&scope_at(date), mode);
        assert_eq!(refused(&other, Payload::Events), VerifyError::ContentHashMismatch);
        if let Ok(verified) = other.verified_at(date, Payload::Declared) {
            assert!(
                verified
                    .event_decoder(&Secret::new(SECRET), EventLimits::default())
                    .is_none()
            );
        }
    }
}

#[test]
fn nothing_about_a_chain_is_shown() {
    let (request, added, seed) = opened(example_date());
    let decoder = decoder_of(&request, example_date(), EventLimits::default());
    let signer = added.event_signer(&Secret::new(SECRET)).unwrap();
    let shown = format!("{decoder:?} {signer:?} {added:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(&seed), "{shown}");
}

proptest! {
    #[test]
    fn whatever_we_sign_we_prove(
        events in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6), size in 1usize..400,
    ) {
        let date = example_date();
        let (request, added, _) = opened(date);
        let mut signer = added.event_signer(&Secret::new(SECRET)).unwrap();
        let mut bytes = Vec::new();
        for event in &events {
            signer.event(event, date, &mut bytes).unwrap();
        }
        signer.finish(date, &mut bytes).unwrap();
        let decoder = decoder_of(&request, date, EventLimits::default());
        prop_assert_eq!(decode(decoder, &bytes, size, date), (events, Ok(())));
    }

    #[test]
    fn no_bytes_are_taken_for_events(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..50) {
        let (request, _, _) = opened(example_date());
        let decoder = decoder_of(&request, example_date(), EventLimits::default());
        let (events, end) = decode(decoder, &bytes, size, example_date());
        prop_assert!(events.is_empty() && end.is_err());
    }
}
