use super::trailer::TrailerReader;
use super::{ChunkLimits, ChunkVerifier, SIGNATURE_EXTENSION, Trailers};
use crate::error::ChunkError;
use crate::payload::PayloadMode;
use sha2::{Digest, Sha256};

/// Takes the chunk framing off a body and verifies it on the way. Memory is constant.
///
/// **The hold-back contract.** Bytes of a chunk are handed on before its signature is known, because a chunk may be
/// gigabytes. What makes that safe: the last byte of the payload is never handed on by [`push`](Self::push), only by
/// [`finish`](Self::finish), and only after everything matched. A consumer that forwards what it is given, under a
/// `Content-Length` of the decoded length, therefore never completes a bad body; on an error it must abort the
/// forwarded request, not close it cleanly. A payload of no bytes has no last byte: with a decoded length of 0,
/// forward nothing before `finish` succeeded.
///
/// Every slice handed on during `push` is a part of that call's input, so that a caller holding reference-counted
/// buffers can forward without copying. After an error the decoder answers every call with the same error.
#[derive(Debug)]
pub struct ChunkedDecoder {
    verifier: Option<ChunkVerifier>,
    declared: u64,
    seen: u64,
    limits: ChunkLimits,
    state: State,
    line: Vec<u8>,
    hash: Sha256,
    /// As its hex digits.
    signature: Vec<u8>,
    trailers: TrailerReader,
    has_trailers: bool,
    held: HeldByte,
}

#[derive(Debug)]
enum State {
    SizeLine,
    Data {
        left: u64,
    },
    DataEnd {
        cr_seen: bool,
    },
    /// The CR LF after the zero chunk of a body without trailers.
    Closing {
        cr_seen: bool,
    },
    Trailers,
    Done,
    Failed(ChunkError),
}

impl ChunkedDecoder {
    /// A decoder for `mode`, which must be one of the streaming forms; the signed ones need their verifier.
    ///
    /// `decoded_length` is `x-amz-decoded-content-length` in bytes; `trailer_names` are those of `x-amz-trailer`, and
    /// may be empty: with `STREAMING-UNSIGNED-PAYLOAD-TRAILER` that is the form of unsigned chunks without trailers.
    ///
    /// # Errors
    /// [`ChunkError::Mode`] when mode, verifier and trailers do not fit together.
    pub fn new(
        mode: PayloadMode,
        verifier: Option<ChunkVerifier>,
        decoded_length: u64,
        trailer_names: &[&str],
        limits: ChunkLimits,
    ) -> Result<Self, ChunkError> {
        let (signed, has_trailers) = match mode {
            PayloadMode::StreamingSigned | PayloadMode::StreamingEcdsa => (true, false),
            PayloadMode::StreamingSignedTrailer | PayloadMode::StreamingEcdsaTrailer => (true, true),
            PayloadMode::StreamingUnsignedTrailer => (false, true),
            PayloadMode::Sha256(_) | PayloadMode::Unsigned | PayloadMode::StreamingEvents => {
                return Err(ChunkError::Mode);
            }
        };
        let fits = verifier
            .as_ref()
            .is_none_or(|verifier| verifier.is_ecdsa() == mode.has_ecdsa_chunks());
        if signed != verifier.is_some() || !fits || (!has_trailers && !trailer_names.is_empty()) {
            return Err(ChunkError::Mode);
        }
        Ok(Self {
            verifier,
            declared: decoded_length,
            seen: 0,
            limits,
            state: State::SizeLine,
            line: Vec::new(),
            hash: Sha256::new(),
            signature: Vec::new(),
            trailers: TrailerReader::new(trailer_names, signed),
            has_trailers,
            held: HeldByte::new(decoded_length),
        })
    }

    /// Takes the next bytes of the framed body and hands the payload bytes among them to `out`, all but the last.
    ///
    /// # Errors
    /// [`ChunkError`]; the body is lost then.
    pub fn push(&mut self, input: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), ChunkError> {
        let mut rest = input;
        while !rest.is_empty() {
            if let Err(error) = self.step(&mut rest, out) {
                self.state = State::Failed(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ends the body: everything declared was delivered and matches. Only now the last byte goes to `out`.
    ///
    /// # Errors
    /// [`ChunkError`], `Length` when the body stopped early; nothing is handed on then.
    pub fn finish(mut self, out: &mut impl FnMut(&[u8])) -> Result<Trailers, ChunkError> {
        match self.state {
            State::Failed(error) => return Err(error),
            State::Done if !self.has_trailers => {
                self.held.release(out);
                return Ok(Trailers::default());
            }
            State::Trailers => {}
            _ => {
                return Err(ChunkError::Length {
                    declared: self.declared,
                });
            }
        }
        let trailers = self.trailers.finish(self.declared, self.verifier.as_mut())?;
        self.held.release(out);
        Ok(trailers)
    }

    fn step(&mut self, rest: &mut &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), ChunkError> {
        match &mut self.state {
            State::SizeLine => self.size_line(rest),
            State::Data { left } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                let (data, after) = rest.split_at(take);
                *rest = after;
                *left = left.saturating_sub(data.len() as u64);
                if *left == 0 {
                    self.state = State::DataEnd { cr_seen: false };
                }
                if self.verifier.is_some() {
                    self.hash.update(data);
                }
                self.held.pass(data, out);
                Ok(())
            }
            State::DataEnd { cr_seen } => {
                if !line_end(rest, cr_seen)? {
                    return Ok(());
                }
                self.state = State::SizeLine;
                self.check_chunk()
            }
            State::Closing { cr_seen } => {
                if line_end(rest, cr_seen)? {
                    self.state = State::Done;
                }
                Ok(())
            }
            State::Trailers => {
                let input = std::mem::take(rest);
                self.trailers.push(input, &self.limits)
            }
            State::Done => Err(ChunkError::TrailingBytes),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn size_line(&mut self, rest: &mut &[u8]) -> Result<(), ChunkError> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (part, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        *rest = after;
        if self.line.len().saturating_add(part.len()) > self.limits.size_line_bytes.saturating_add(2) {
            return Err(ChunkError::SizeLineTooLong {
                limit_bytes: self.limits.size_line_bytes,
            });
        }
        self.line.extend_from_slice(part);
        if end.is_none() {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or(ChunkError::Framing)?;
        let line = std::str::from_utf8(line).map_err(|_| ChunkError::Framing)?;
        let size = match &self.verifier {
            None => line,
            Some(verifier) => {
                let (size, signature) = line.split_once(SIGNATURE_EXTENSION).ok_or(ChunkError::Framing)?;
                self.signature = verifier.read(signature.as_bytes()).ok_or(ChunkError::Framing)?;
                size
            }
        };
        // `from_str_radix` alone would take a sign.
        if !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ChunkError::Framing);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| ChunkError::Framing)?;
        if size > self.limits.chunk_bytes {
            return Err(ChunkError::ChunkTooLarge {
                limit_bytes: self.limits.chunk_bytes,
            });
        }
        self.begin_chunk(size)
    }

    fn begin_chunk(&mut self, size: u64) -> Result<(), ChunkError> {
        let wrong_length = ChunkError::Length {
            declared: self.declared,
        };
        self.seen = self.seen.checked_add(size).ok_or(wrong_length.clone())?;
        if self.seen > self.declared || (size == 0 && self.seen != self.declared) {
            return Err(wrong_length);
        }
        if size > 0 {
            self.state = State::Data { left: size };
            return Ok(());
        }
        // The zero chunk is signed too: without it a body could be cut at any chunk's end.
        self.check_chunk()?;
        self.state = if self.has_trailers {
            State::Trailers
        } else {
            State::Closing { cr_seen: false }
        };
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), ChunkError> {
        let Some(verifier) = &mut self.verifier else {
            return Ok(());
        };
        let hash: [u8; 32] = self.hash.finalize_reset().into();
        if verifier.chunk(&hash, &self.signature) {
            Ok(())
        } else {
            Err(ChunkError::ChunkSignature)
        }
    }
}

/// Consumes one byte of an expected CR LF; `Ok(true)` when it is complete.
fn line_end(rest: &mut &[u8], cr_seen: &mut bool) -> Result<bool, ChunkError> {
    let Some((byte, after)) = rest.split_first() else {
        return Ok(false);
    };
    *rest = after;
    match (*byte, *cr_seen) {
        (b'\r', false) => {
            *cr_seen = true;
            Ok(false)
        }
        (b'\n', true) => Ok(true),
        _ => Err(ChunkError::Framing),
    }
}

/// The last byte of a payload of known length, held back until its proof is complete.
#[derive(Debug)]
pub(crate) struct HeldByte {
    /// Bytes still to come, the last one included.
    left: u64,
    held: Option<u8>,
}

impl HeldByte {
    pub(crate) fn new(length: u64) -> Self {
        Self {
            left: length,
            held: None,
        }
    }

    /// Hands `data` on, all but the payload's last byte. The caller has checked that no more than the length comes.
    pub(crate) fn pass(&mut self, data: &[u8], out: &mut impl FnMut(&[u8])) {
        self.left = self.left.saturating_sub(data.len() as u64);
        let mut data = data;
        if self.left == 0
            && let Some((last, before)) = data.split_last()
        {
            self.held = Some(*last);
            data = before;
        }
        if !data.is_empty() {
            out(data);
        }
    }

    /// Hands the last byte on.
    pub(crate) fn release(&mut self, out: &mut impl FnMut(&[u8])) {
        if let Some(byte) = self.held.take() {
            out(&[byte]);
        }
    }
}
