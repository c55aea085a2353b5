use crate::error::VerifyError;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// The value of `x-amz-content-sha256` on a request whose body is a stream of signed events.
pub const STREAM_OF_EVENTS: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";
const STREAMING_ECDSA: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
const STREAMING_ECDSA_TRAILER: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER";

/// How a body is bound to the signature: the last line of the canonical request and the value of
/// `x-amz-content-sha256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadMode {
    /// The SHA-256 of the whole body.
    Sha256([u8; 32]),
    /// `UNSIGNED-PAYLOAD`: the body is not covered.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: each chunk carries a signature.
    StreamingSigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: signed chunks, then signed trailers.
    StreamingSignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: unsigned chunks, then trailers.
    StreamingUnsignedTrailer,
    /// `STREAMING-AWS4-HMAC-SHA256-EVENTS`: a stream of events, each signed. Not S3's.
    StreamingEvents,
    /// `STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD`: chunks signed with version 4a.
    StreamingEcdsa,
    /// `STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER`: the same, then signed trailers.
    StreamingEcdsaTrailer,
}

/// Where [`verify`](crate::verify()) takes the payload line from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// S3: `x-amz-content-sha256` literally, the body being checked while it passes ([`BodyCheck`](crate::BodyCheck)).
    /// Mandatory with header authentication; a presigned request without it is `UNSIGNED-PAYLOAD`.
    Declared,
    /// A request whose operation takes a stream of signed events: `x-amz-content-sha256` must say so, and the events are
    /// checked while they pass ([`EventDecoder`](crate::EventDecoder)). With header authentication of version 4 only.
    Events,
    /// Every other service: the SHA-256 of the body, which the caller has in hand. When the request declares a hash
    /// as well, it must be this one.
    Body([u8; 32]),
}

impl PayloadMode {
    /// The mode of a request without a body: the SHA-256 of nothing.
    pub const EMPTY: Self = Self::Sha256(crate::string_to_sign::SHA256_OF_NOTHING);

    /// Reads a value of `x-amz-content-sha256`. Hex digits must be lower-case, as the value is hashed literally.
    ///
    /// # Errors
    /// [`VerifyError::ContentHashInvalid`] for anything unknown.
    pub fn parse(text: &str) -> Result<Self, VerifyError> {
        match text {
            UNSIGNED => Ok(Self::Unsigned),
            STREAMING_SIGNED => Ok(Self::StreamingSigned),
            STREAMING_SIGNED_TRAILER => Ok(Self::StreamingSignedTrailer),
            STREAMING_UNSIGNED_TRAILER => Ok(Self::StreamingUnsignedTrailer),
            STREAM_OF_EVENTS => Ok(Self::StreamingEvents),
            STREAMING_ECDSA => Ok(Self::StreamingEcdsa),
            STREAMING_ECDSA_TRAILER => Ok(Self::StreamingEcdsaTrailer),
            other => parse_hex(other.as_bytes())
                .map(Self::Sha256)
                .ok_or(VerifyError::ContentHashInvalid),
        }
    }

    /// Whether the body is framed in chunks (`Content-Encoding: aws-chunked`).
    #[must_use]
    pub fn is_streaming(self) -> bool {
        match self {
            Self::Sha256(_) | Self::Unsigned | Self::StreamingEvents => false,
            Self::StreamingSigned
            | Self::StreamingSignedTrailer
            | Self::StreamingUnsignedTrailer
            | Self::StreamingEcdsa
            | Self::StreamingEcdsaTrailer => true,
        }
    }

    /// Whether each chunk of the body carries a signature of version 4.
    pub(crate) fn has_hmac_chunks(self) -> bool {
        matches!(self, Self::StreamingSigned | Self::StreamingSignedTrailer)
    }

    /// Whether each chunk of the body carries a signature of version 4a.
    pub(crate) fn has_ecdsa_chunks(self) -> bool {
        matches!(self, Self::StreamingEcdsa | Self::StreamingEcdsaTrailer)
    }

    /// Hands the value to `use_text`, without allocating for a hash.
    pub(crate) fn with_text<T>(self, use_text: impl FnOnce(&str) -> T) -> T {
        match self {
            Self::Sha256(digest) => use_text(hex_text(&to_hex(&digest))),
            Self::Unsigned => use_text(UNSIGNED),
            Self::StreamingSigned => use_text(STREAMING_SIGNED),
            Self::StreamingSignedTrailer => use_text(STREAMING_SIGNED_TRAILER),
            Self::StreamingUnsignedTrailer => use_text(STREAMING_UNSIGNED_TRAILER),
            Self::StreamingEvents => use_text(STREAM_OF_EVENTS),
            Self::StreamingEcdsa => use_text(STREAMING_ECDSA),
            Self::StreamingEcdsaTrailer => use_text(STREAMING_ECDSA_TRAILER),
        }
    }

    /// The value of `x-amz-content-sha256`.
    #[must_use]
    pub fn header_value(self) -> String {
        self.with_text(str::to_owned)
    }
}

/// Thirty-two bytes from exactly sixty-four lower-case hex digits.
pub(crate) fn parse_hex(text: &[u8]) -> Option<[u8; 32]> {
    /// No digit.
    const BAD: u8 = 0xff;
    // Arithmetic rather than branches, so that the compiler takes many digits at a time.
    let digit = |byte: u8| {
        let (decimal, letter) = (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a'));
        let letter = if letter < 6 { letter + 10 } else { BAD };
        if decimal < 10 { decimal } else { letter }
    };
    let text: &[u8; 64] = text.try_into().ok()?;
    let mut bytes = [0u8; 32];
    let mut valid = true;
    for (byte, [high, low]) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        let (high, low) = (digit(*high), digit(*low));
        valid &= high != BAD && low != BAD;
        *byte = (high << 4) | (low & 15);
    }
    valid.then_some(bytes)
}

/// The digits as text. They are ASCII, so the fallback cannot be reached.
pub(crate) fn hex_text(digits: &[u8; 64]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// Sixty-four lower-case hex digits, on the stack.
pub(crate) fn to_hex(bytes: &[u8; 32]) -> [u8; 64] {
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
    let mut text = [0u8; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}
