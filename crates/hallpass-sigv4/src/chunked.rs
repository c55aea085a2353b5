//! Bodies framed in chunks (`Content-Encoding: aws-chunked`): the chain of signatures, a push decoder, an encoder.

mod chain;
mod decoder;
mod signer;
mod trailer;

pub(crate) use chain::Chain;
pub use chain::ChunkVerifier;
pub use decoder::ChunkedDecoder;
pub(crate) use decoder::HeldByte;
pub use signer::ChunkSigner;
pub use trailer::Trailers;

pub(crate) const SIGNATURE_EXTENSION: &str = ";chunk-signature=";
pub(crate) const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Bounds on the framing, so that a stranger's body costs constant memory. Reaching one is an error, never a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Longest line before a chunk, without its CR LF. Default 192: sixteen digits and a signature are 97, or 177 in
    /// version 4a.
    pub size_line_bytes: usize,
    /// Largest chunk. Default 5 GiB, S3's largest single upload: the Go SDK sends a whole body as one chunk.
    pub chunk_bytes: u64,
    /// Most trailers, the trailer signature not counted. Default 8.
    pub trailer_count: usize,
    /// Most bytes of all trailer lines together, line ends included. Default 4096.
    pub trailer_bytes: usize,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            size_line_bytes: 192,
            chunk_bytes: 5 << 30,
            trailer_count: 8,
            trailer_bytes: 4096,
        }
    }
}
