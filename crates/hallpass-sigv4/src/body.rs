use crate::canonical::RequestView;
use crate::checksum::{Checksum, ChecksumAlgorithm};
use crate::chunked::HeldByte;
use crate::chunked::{ChunkLimits, ChunkedDecoder, Trailers};
use crate::error::BodyError;
use crate::payload::PayloadMode;
use crate::verify::Verified;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::constant_time_eq;
use md5::Md5;
use sha2::{Digest, Sha256};

/// How a body is to be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BodyOptions {
    /// Bounds on the chunk framing.
    pub limits: ChunkLimits,
    /// The `x-amz-checksum-*` headers describe something other than this body, as in CompleteMultipartUpload, where
    /// they are the whole object's. They are not looked at then; trailers still are.
    pub ignore_checksum_headers: bool,
}

/// Proves one body while it passes: length, chunk framing and signatures, `x-amz-content-sha256`, `Content-MD5` and
/// `x-amz-checksum-*`, whichever the request declares.
///
/// The same hold-back contract as [`ChunkedDecoder`]: the payload's last byte is handed on by
/// [`finish`](Self::finish) only, so a consumer that forwards what it gets under the [`length`](Self::length) never
/// completes a body that was not proven. With a length of 0, forward nothing before `finish` succeeded.
#[derive(Debug)]
pub struct BodyCheck {
    length: u64,
    framing: Framing,
    sha256: Option<(Sha256, [u8; 32])>,
    md5: Option<(Md5, Vec<u8>)>,
    checksum: Option<Checksum>,
    /// The checksum's value from the header; `None` while it is to come as a trailer.
    expected: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Framing {
    Plain { seen: u64, held: HeldByte },
    Chunked(Box<ChunkedDecoder>),
}

impl BodyCheck {
    /// The check of a request's body. `verified` is `None` for an anonymous request, whose declared hash is still
    /// honoured.
    ///
    /// # Errors
    /// [`BodyError`] when the declarations are missing, malformed or contradict each other.
    pub fn for_request(
        view: &RequestView<'_>,
        verified: Option<&Verified>,
        options: &BodyOptions,
    ) -> Result<Self, BodyError> {
        let mode = match verified {
            Some(verified) => verified.payload(),
            None => anonymous_mode(view)?,
        };
        let trailer = trailer_algorithm(view, mode)?;
        let header = if options.ignore_checksum_headers {
            None
        } else {
            header_checksum(view)?
        };
        let (checksum, expected) = match (header, trailer) {
            (Some(_), Some(_)) => return Err(BodyError::ChecksumRepeated),
            (Some((algorithm, value)), None) => (Some(Checksum::new(algorithm)), Some(value)),
            (None, trailer) => (trailer.map(Checksum::new), None),
        };
        let length = declared_length(view, mode)?;
        let framing = if mode.is_streaming() {
            let names: Vec<&str> = trailer.map(ChecksumAlgorithm::header_name).into_iter().collect();
            let verifier = verified.and_then(Verified::chunk_verifier);
            let decoder = ChunkedDecoder::new(mode, verifier, length, &names, options.limits)?;
            Framing::Chunked(Box::new(decoder))
        } else {
            Framing::Plain {
                seen: 0,
                held: HeldByte::new(length),
            }
        };
        let sha256 = match mode {
            PayloadMode::Sha256(digest) => Some((Sha256::new(), digest)),
            // Events have a check of their own.
            PayloadMode::StreamingEvents => return Err(BodyError::ContentHashInvalid),
            PayloadMode::Unsigned
            | PayloadMode::StreamingSigned
            | PayloadMode::StreamingSignedTrailer
            | PayloadMode::StreamingUnsignedTrailer
            | PayloadMode::StreamingEcdsa
            | PayloadMode::StreamingEcdsaTrailer => None,
        };
        Ok(Self {
            length,
            framing,
            sha256,
            md5: content_md5(view)?.map(|expected| (Md5::new(), expected)),
            checksum,
            expected,
        })
    }

    /// The length of the payload in bytes, framing taken off: the `Content-Length` to forward it under.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes of the body as received and hands the payload bytes among them to `out`, all but the last.
    /// Every slice handed on is a part of `input`.
    ///
    /// # Errors
    /// [`BodyError`]; the body is lost then, and the forwarded request must be aborted.
    pub fn push(&mut self, input: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), BodyError> {
        let Self {
            length,
            framing,
            sha256,
            md5,
            checksum,
            ..
        } = self;
        match framing {
            Framing::Plain { seen, held } => {
                *seen = seen.saturating_add(input.len() as u64);
                if *seen > *length {
                    return Err(BodyError::Length { declared: *length });
                }
                digest(sha256, md5, checksum, input);
                held.pass(input, out);
                Ok(())
            }
            Framing::Chunked(decoder) => {
                decoder.push(input, &mut |data: &[u8]| {
                    digest(sha256, md5, checksum, data);
                    out(data);
                })?;
                Ok(())
            }
        }
    }

    /// Ends the body. When everything declared matches, the last byte goes to `out` and the trailers are returned.
    ///
    /// # Errors
    /// [`BodyError`]; nothing is handed on then.
    pub fn finish(mut self, out: &mut impl FnMut(&[u8])) -> Result<Trailers, BodyError> {
        // The last byte leaves its framing into `last`, and `last` goes out when the digests match too.
        let mut last = [0u8; 1];
        let mut has_last = false;
        let mut keep = |data: &[u8]| {
            if let Some(byte) = data.first() {
                last = [*byte];
                has_last = true;
            }
        };
        let trailers = match self.framing {
            Framing::Plain { seen, mut held } => {
                // `seen` counts what a refused push brought as well: after an error there is no good end.
                if seen != self.length {
                    return Err(BodyError::Length {
                        declared: self.length,
                    });
                }
                held.release(&mut keep);
                Trailers::default()
            }
            Framing::Chunked(decoder) => {
                let trailers = decoder.finish(&mut keep)?;
                if has_last {
                    digest(&mut self.sha256, &mut self.md5, &mut self.checksum, &last);
                }
                trailers
            }
        };
        if let Some((hash, expected)) = self.sha256
            && !constant_time_eq(&hash.finalize(), &expected)
        {
            return Err(BodyError::ContentHash);
        }
        if let Some((hash, expected)) = self.md5
            && !constant_time_eq(&hash.finalize(), &expected)
        {
            return Err(BodyError::Md5);
        }
        if let Some(checksum) = self.checksum {
            let algorithm = checksum.algorithm();
            let name = algorithm.header_name();
            let expected = match (self.expected, trailers.get(name)) {
                (Some(expected), _) => expected,
                (None, Some(value)) => algorithm.decode(value)?,
                (None, None) => return Err(BodyError::Checksum { name }),
            };
            if !constant_time_eq(&checksum.finalize(), &expected) {
                return Err(BodyError::Checksum { name });
            }
        }
        if has_last {
            out(&last);
        }
        Ok(trailers)
    }
}

fn digest(
    sha256: &mut Option<(Sha256, [u8; 32])>,
    md5: &mut Option<(Md5, Vec<u8>)>,
    checksum: &mut Option<Checksum>,
    data: &[u8],
) {
    if let Some((hash, _)) = sha256 {
        hash.update(data);
    }
    if let Some((hash, _)) = md5 {
        hash.update(data);
    }
    if let Some(checksum) = checksum {
        checksum.update(data);
    }
}

fn text<'a>(view: &RequestView<'a>, name: &str, invalid: BodyError) -> Result<Option<&'a str>, BodyError> {
    let value = view.single(name).map_err(|()| invalid.clone())?;
    let value = value.map(std::str::from_utf8).transpose().map_err(|_| invalid)?;
    Ok(value.map(str::trim))
}

fn anonymous_mode(view: &RequestView<'_>) -> Result<PayloadMode, BodyError> {
    let Some(value) = text(view, "x-amz-content-sha256", BodyError::ContentHashInvalid)? else {
        return Ok(PayloadMode::Unsigned);
    };
    match PayloadMode::parse(value) {
        Ok(mode) if !mode.has_hmac_chunks() && !mode.has_ecdsa_chunks() => Ok(mode),
        Ok(_) | Err(_) => Err(BodyError::ContentHashInvalid),
    }
}

fn declared_length(view: &RequestView<'_>, mode: PayloadMode) -> Result<u64, BodyError> {
    let name = if mode.is_streaming() {
        "x-amz-decoded-content-length"
    } else {
        "content-length"
    };
    match text(view, name, BodyError::LengthInvalid)? {
        Some(value) if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            value.parse().map_err(|_| BodyError::LengthInvalid)
        }
        Some(_) => Err(BodyError::LengthInvalid),
        // HTTP: neither length nor transfer coding means no body.
        None if !mode.is_streaming() && view.values("transfer-encoding").next().is_none() => Ok(0),
        None => Err(BodyError::LengthMissing),
    }
}

fn content_md5(view: &RequestView<'_>) -> Result<Option<Vec<u8>>, BodyError> {
    let Some(value) = text(view, "content-md5", BodyError::Md5Invalid)? else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(value).map_err(|_| BodyError::Md5Invalid)?;
    if bytes.len() == 16 {
        Ok(Some(bytes))
    } else {
        Err(BodyError::Md5Invalid)
    }
}

/// The one `x-amz-checksum-*` value among the headers. `-algorithm`, `-mode` and `-type` are settings, not values.
fn header_checksum(view: &RequestView<'_>) -> Result<Option<(ChecksumAlgorithm, Vec<u8>)>, BodyError> {
    let mut found = None;
    for (name, value) in view.headers {
        let Some(kind) = name.strip_prefix("x-amz-checksum-") else {
            continue;
        };
        if matches!(kind, "algorithm" | "mode" | "type") {
            continue;
        }
        let algorithm = supported(name)?;
        let invalid = BodyError::ChecksumInvalid {
            name: algorithm.header_name(),
        };
        let value = std::str::from_utf8(value).map_err(|_| invalid)?;
        if found.replace((algorithm, algorithm.decode(value)?)).is_some() {
            return Err(BodyError::ChecksumRepeated);
        }
    }
    Ok(found)
}

/// The checksum announced in `x-amz-trailer`; nothing else may be announced there.
fn trailer_algorithm(
    view: &RequestView<'_>,
    mode: PayloadMode,
) -> Result<Option<ChecksumAlgorithm>, BodyError> {
    let Some(value) = text(view, "x-amz-trailer", BodyError::TrailerHeader)? else {
        return Ok(None);
    };
    match mode {
        PayloadMode::StreamingSignedTrailer
        | PayloadMode::StreamingUnsignedTrailer
        | PayloadMode::StreamingEcdsaTrailer => {}
        PayloadMode::Sha256(_)
        | PayloadMode::Unsigned
        | PayloadMode::StreamingSigned
        | PayloadMode::StreamingEvents
        | PayloadMode::StreamingEcdsa => {
            return Err(BodyError::TrailerHeader);
        }
    }
    let mut names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let Some(name) = names.next() else {
        return Ok(None);
    };
    if names.next().is_some() {
        return Err(BodyError::ChecksumRepeated);
    }
    supported(&name.to_ascii_lowercase()).map(Some)
}

fn supported(name: &str) -> Result<ChecksumAlgorithm, BodyError> {
    ChecksumAlgorithm::from_header_name(name).ok_or_else(|| {
        if name.starts_with("x-amz-checksum-") {
            BodyError::ChecksumUnsupported {
                name: name.to_owned(),
            }
        } else {
            BodyError::TrailerHeader
        }
    })
}
