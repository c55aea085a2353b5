use super::{ChunkLimits, ChunkVerifier, TRAILER_SIGNATURE};
use crate::error::ChunkError;
use sha2::{Digest, Sha256};

/// The trailers of a body, in the order they came; empty when there were none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailers(Vec<(String, String)>);

impl Trailers {
    /// The value of the trailer `name` (lower-case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Names (lower-case) and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Reads the trailer section, byte by byte.
///
/// Real writers disagree on its line ends: the AWS documentation writes `name:value CR LF`, minio-go ends trailers in
/// `LF CR LF`, others put an empty line between the zero chunk and the trailers. HTTP itself delimits the body here,
/// so lenience about line ends cannot move a request's end; names, values and signature are held to the letter.
#[derive(Debug)]
pub(super) struct TrailerReader {
    announced: Vec<String>,
    signed: bool,
    line: Vec<u8>,
    bytes: usize,
    found: Trailers,
    hash: Sha256,
    signature: Option<Vec<u8>>,
    /// An empty line before any trailer: the section's end, or the one some writers put before it.
    blank_before: bool,
    /// An empty line after a trailer: the section's end, or what minio-go puts before the signature.
    blank_after: bool,
}

impl TrailerReader {
    pub(super) fn new(announced: &[&str], signed: bool) -> Self {
        Self {
            announced: announced.iter().map(|name| name.to_ascii_lowercase()).collect(),
            signed,
            line: Vec::new(),
            bytes: 0,
            found: Trailers::default(),
            hash: Sha256::new(),
            signature: None,
            blank_before: false,
            blank_after: false,
        }
    }

    pub(super) fn push(&mut self, input: &[u8], limits: &ChunkLimits) -> Result<(), ChunkError> {
        for byte in input {
            self.bytes = self.bytes.saturating_add(1);
            if self.bytes > limits.trailer_bytes {
                return Err(self.too_large(limits));
            }
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if !line.is_empty() {
                self.read_line(line, limits)?;
            } else if self.found.0.is_empty() && self.signature.is_none() {
                self.blank_before = true;
            } else {
                self.blank_after = true;
            }
        }
        Ok(())
    }

    fn too_large(&self, limits: &ChunkLimits) -> ChunkError {
        ChunkError::TrailersTooLarge {
            limit_count: limits.trailer_count,
            limit_bytes: limits.trailer_bytes,
        }
    }

    fn read_line(&mut self, line: &[u8], limits: &ChunkLimits) -> Result<(), ChunkError> {
        // After the signature nothing is covered by it; unsigned, an empty line after a trailer is the end.
        if self.signature.is_some() || (self.blank_after && !self.signed) {
            return Err(ChunkError::TrailingBytes);
        }
        let line = std::str::from_utf8(line).map_err(|_| ChunkError::Trailer)?;
        let (name, value) = line.split_once(':').ok_or(ChunkError::Trailer)?;
        let name = name.to_ascii_lowercase();
        let value = value.trim_matches([' ', '\t']);
        // A control byte could make one signed text read as two.
        if value.is_empty() || !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(ChunkError::Trailer);
        }
        if self.signed && name == TRAILER_SIGNATURE {
            self.signature = Some(value.as_bytes().to_vec());
            return Ok(());
        }
        if !self.announced.contains(&name) || self.found.get(&name).is_some() {
            return Err(ChunkError::Trailer);
        }
        if self.found.0.len() >= limits.trailer_count {
            return Err(self.too_large(limits));
        }
        for part in [name.as_str(), ":", value, "\n"] {
            self.hash.update(part.as_bytes());
        }
        self.found.0.push((name, value.to_owned()));
        Ok(())
    }

    /// Everything announced came, the section ended, and its signature matches.
    pub(super) fn finish(
        self,
        declared: u64,
        verifier: Option<&mut ChunkVerifier>,
    ) -> Result<Trailers, ChunkError> {
        if !self.line.is_empty() || !(self.blank_before || self.blank_after) {
            return Err(ChunkError::Length { declared });
        }
        if self.signed {
            let hash: [u8; 32] = self.hash.finalize().into();
            let (verifier, signature) = verifier.zip(self.signature).ok_or(ChunkError::TrailerSignature)?;
            let signature = verifier.read(&signature).ok_or(ChunkError::TrailerSignature)?;
            if !verifier.trailers(&hash, &signature) {
                return Err(ChunkError::TrailerSignature);
            }
        }
        match self.announced.iter().find(|name| self.found.get(name).is_none()) {
            Some(name) => Err(ChunkError::TrailerMissing { name: name.clone() }),
            None => Ok(self.found),
        }
    }
}
