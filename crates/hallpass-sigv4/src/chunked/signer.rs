use super::chain::Chain;
use super::{SIGNATURE_EXTENSION, TRAILER_SIGNATURE};
use crate::payload::PayloadMode;
use sha2::{Digest, Sha256};
use std::fmt;

/// Frames a body in chunks, signing them when its mode says so. The counterpart of
/// [`ChunkedDecoder`](crate::ChunkedDecoder).
///
/// AWS wants every chunk but the last to be of at least 8 KiB; that is the caller's to keep.
pub struct ChunkSigner {
    /// `None` for unsigned chunks.
    chain: Option<Chain>,
    trailers: bool,
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkSigner(redacted)")
    }
}

impl ChunkSigner {
    pub(crate) fn new(mode: PayloadMode, chain: Chain) -> Option<Self> {
        let (signed, trailers) = match mode {
            PayloadMode::StreamingSigned | PayloadMode::StreamingEcdsa => (true, false),
            PayloadMode::StreamingSignedTrailer | PayloadMode::StreamingEcdsaTrailer => (true, true),
            PayloadMode::StreamingUnsignedTrailer => (false, true),
            PayloadMode::Sha256(_) | PayloadMode::Unsigned | PayloadMode::StreamingEvents => return None,
        };
        Some(Self {
            chain: signed.then_some(chain),
            trailers,
        })
    }

    /// Appends one framed chunk. Empty data is nothing, since an empty chunk would end the body.
    pub fn chunk(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if data.is_empty() {
            return;
        }
        self.head(data, out);
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends only the line before the chunk of `data`, for callers that send the data itself and the CR LF after it
    /// without copying. `data` must not be empty.
    pub fn head(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{:x}", data.len()).as_bytes());
        if let Some(chain) = &mut self.chain {
            out.extend_from_slice(SIGNATURE_EXTENSION.as_bytes());
            chain.chunk(&Sha256::digest(data).into());
            chain.write_padded(out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the zero chunk and the trailers, and ends the body. Trailers are dropped in the form without them;
    /// names must be lower-case.
    pub fn finish(mut self, trailers: &[(&str, &str)], out: &mut Vec<u8>) {
        self.head(&[], out);
        if self.trailers {
            let mut hash = Sha256::new();
            for (name, value) in trailers {
                hash.update(format!("{name}:{value}\n").as_bytes());
                out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            }
            if let Some(chain) = &mut self.chain {
                chain.trailers(&hash.finalize().into());
                out.extend_from_slice(TRAILER_SIGNATURE.as_bytes());
                out.push(b':');
                chain.write_padded(out);
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The framed length of a body of `decoded` bytes cut in chunks of `chunk` bytes (at least 1), for
    /// `Content-Length`. `trailers` as for [`finish`](Self::finish).
    #[must_use]
    pub fn encoded_length(&self, decoded: u64, chunk: u64, trailers: &[(&str, &str)]) -> u64 {
        let digits_of_signature = self.chain.as_ref().map_or(0, Chain::padded_length);
        let signature = if self.chain.is_some() {
            SIGNATURE_EXTENSION.len() as u64 + digits_of_signature
        } else {
            0
        };
        let digits = |size: u64| u64::from(size.checked_ilog(16).unwrap_or(0)) + 1;
        let head = |size: u64| digits(size) + signature + 2;
        let framed = |size: u64| head(size) + size + 2;
        let chunk = chunk.max(1);
        let (full, last) = (decoded / chunk, decoded % chunk);
        let mut length = full * framed(chunk) + head(0) + 2;
        if last > 0 {
            length += framed(last);
        }
        if self.trailers {
            let lines = trailers
                .iter()
                .map(|(name, value)| name.len() as u64 + 1 + value.len() as u64 + 2);
            length += lines.sum::<u64>();
            if self.chain.is_some() {
                length += TRAILER_SIGNATURE.len() as u64 + 1 + digits_of_signature + 2;
            }
        }
        length
    }
}
