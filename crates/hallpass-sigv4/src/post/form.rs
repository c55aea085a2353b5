use super::disposition::{self, Disposition};
use crate::error::FormError;

/// Longest boundary. Source: RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Most bytes of headers of one part.
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// Most bytes of all fields before the file together, names included. Source: S3, "POST Object" (20 KB). What follows
/// the file is held to the same.
const FIELD_BYTES_MAX: usize = 20 * 1024;
/// Most fields before the file, and most parts after it.
const FIELD_COUNT_MAX: usize = 256;

/// Takes a `multipart/form-data` body apart: first every field before `file`, then the file's bytes. Memory is bounded
/// by the fields' 20 KiB and one part's headers.
///
/// [`push`](Self::push) stops once, at the file's first byte, so that signature and policy are checked before any of
/// it is taken. What follows the file is read over, as S3 does. **The file is whole only when
/// [`finish`](Self::finish) succeeded**: its length is told nowhere before, so a consumer must not complete what it
/// forwards until then.
///
/// After an error the decoder answers every call with the same error.
#[derive(Debug)]
pub struct FormDecoder {
    /// CR LF, two dashes, the boundary. A CR stands at its start only, which makes the search for it a simple one.
    delimiter: Vec<u8>,
    /// How much of the delimiter the last bytes were.
    matched: usize,
    state: State,
    /// A part's headers or a field's value so far.
    text: Vec<u8>,
    field_name: String,
    fields: Vec<(String, String)>,
    field_bytes: usize,
    part_count: usize,
    filename: Option<String>,
    file_seen: bool,
    file_bytes: u64,
}

#[derive(Debug)]
enum State {
    /// The first delimiter, whose CR LF may be missing.
    Start,
    /// The two bytes after a delimiter.
    Delimited {
        first: Option<u8>,
    },
    Headers,
    Field,
    File,
    /// A part after the file.
    Skipped,
    /// After the closing delimiter; this many bytes of a last CR LF were seen.
    Closed {
        line_end: usize,
    },
    Failed(FormError),
}

impl FormDecoder {
    /// A decoder for a body of this `Content-Type`.
    ///
    /// # Errors
    /// [`FormError::Boundary`] for another type, or a boundary missing, repeated, longer than 70 bytes or of bytes
    /// that RFC 2046 does not allow.
    pub fn for_content_type(value: &str) -> Result<Self, FormError> {
        let mut parts = value.split(';').map(str::trim);
        if !parts
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))
        {
            return Err(FormError::Boundary);
        }
        let mut boundary = None;
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(FormError::Boundary)?;
            if name.eq_ignore_ascii_case("boundary") && boundary.replace(value).is_some() {
                return Err(FormError::Boundary);
            }
        }
        let boundary = boundary.ok_or(FormError::Boundary)?;
        let unquoted = boundary.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        Self::new(unquoted.unwrap_or(boundary))
    }

    /// A decoder for a body with this boundary.
    ///
    /// # Errors
    /// [`FormError::Boundary`] as [`for_content_type`](Self::for_content_type).
    pub fn new(boundary: &str) -> Result<Self, FormError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        let sized = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len());
        if !sized || !boundary.bytes().all(allowed) || boundary.ends_with(' ') {
            return Err(FormError::Boundary);
        }
        Ok(Self {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            matched: 0,
            state: State::Start,
            text: Vec::new(),
            field_name: String::new(),
            fields: Vec::new(),
            field_bytes: 0,
            part_count: 0,
            filename: None,
            file_seen: false,
            file_bytes: 0,
        })
    }

    /// Takes the next bytes, hands the file's bytes among them to `out`, and tells how many bytes were taken: all of
    /// them, but for the one call in which the file begins, which takes none of the file.
    ///
    /// # Errors
    /// [`FormError`]; the form is lost then.
    pub fn push(&mut self, input: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, FormError> {
        let seen_before = self.file_seen;
        let mut rest = input;
        while !rest.is_empty() && self.file_seen == seen_before {
            if let Err(error) = self.step(&mut rest, out) {
                self.state = State::Failed(error.clone());
                return Err(error);
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Whether the fields are complete: the file has begun.
    #[must_use]
    pub fn is_at_file(&self) -> bool {
        self.file_seen
    }

    /// The fields before the file, in order, as sent; complete once [`is_at_file`](Self::is_at_file).
    #[must_use]
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The file's name, as its part tells it, for [`substitute_filename`](crate::substitute_filename()).
    #[must_use]
    pub fn filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// Ends the body and tells the file's length in bytes.
    ///
    /// # Errors
    /// [`FormError::Incomplete`] when the closing delimiter was not seen, and [`FormError::FileMissing`].
    pub fn finish(self) -> Result<u64, FormError> {
        match self.state {
            State::Failed(error) => Err(error),
            State::Closed { line_end: 0 | 2 } if self.file_seen => Ok(self.file_bytes),
            State::Closed { line_end: 0 | 2 } => Err(FormError::FileMissing),
            _ => Err(FormError::Incomplete),
        }
    }

    fn too_large() -> FormError {
        FormError::FieldsTooLarge {
            limit_count: FIELD_COUNT_MAX,
            limit_bytes: FIELD_BYTES_MAX,
        }
    }

    fn step(&mut self, rest: &mut &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), FormError> {
        match &mut self.state {
            State::Start => {
                let Some((byte, after)) = rest.split_first() else {
                    return Ok(());
                };
                if self.matched == 0 && *byte == b'-' {
                    self.matched = 2;
                }
                if self.delimiter.get(self.matched) != Some(byte) {
                    return Err(FormError::Framing);
                }
                *rest = after;
                self.matched += 1;
                if self.matched == self.delimiter.len() {
                    self.state = State::Delimited { first: None };
                }
                Ok(())
            }
            State::Delimited { first } => {
                let Some((byte, after)) = rest.split_first() else {
                    return Ok(());
                };
                *rest = after;
                match (first.replace(*byte), byte) {
                    (None, b'\r' | b'-') => {}
                    (Some(b'\r'), b'\n') => self.begin_part()?,
                    (Some(b'-'), b'-') => self.state = State::Closed { line_end: 0 },
                    _ => return Err(FormError::Framing),
                }
                Ok(())
            }
            State::Headers => self.headers(rest),
            State::Field | State::File | State::Skipped => self.body(rest, out),
            State::Closed { line_end } => {
                let Some((byte, after)) = rest.split_first() else {
                    return Ok(());
                };
                *rest = after;
                match (*line_end, byte) {
                    (0, b'\r') | (1, b'\n') => *line_end += 1,
                    _ => return Err(FormError::Framing),
                }
                Ok(())
            }
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn begin_part(&mut self) -> Result<(), FormError> {
        self.part_count += 1;
        // The file itself is one more.
        if self.part_count > FIELD_COUNT_MAX + 1 {
            return Err(Self::too_large());
        }
        self.text.clear();
        self.state = State::Headers;
        Ok(())
    }

    /// Collects header lines up to the empty one.
    fn headers(&mut self, rest: &mut &[u8]) -> Result<(), FormError> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (part, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        *rest = after;
        if self.text.len() + part.len() > HEADER_BYTES_MAX {
            return Err(FormError::HeadersTooLarge {
                limit_bytes: HEADER_BYTES_MAX,
            });
        }
        self.text.extend_from_slice(part);
        // Without this, a part without headers would take its content for them.
        if self.text == b"\r\n" {
            return Err(FormError::Disposition);
        }
        if !self.text.ends_with(b"\r\n\r\n") {
            return Ok(());
        }
        let Disposition { name, filename } = disposition::read(&self.text)?;
        self.text.clear();
        self.matched = 0;
        if self.file_seen {
            self.state = State::Skipped;
        } else if name.eq_ignore_ascii_case("file") {
            self.state = State::File;
            self.file_seen = true;
            self.filename = filename;
            // What follows has the same bounds anew.
            self.field_bytes = 0;
            self.part_count = 1;
        } else {
            self.count(name.len())?;
            self.field_name = name;
            self.state = State::Field;
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), FormError> {
        self.field_bytes = self.field_bytes.saturating_add(bytes);
        if self.field_bytes > FIELD_BYTES_MAX {
            return Err(Self::too_large());
        }
        Ok(())
    }

    /// A part's content, up to the delimiter.
    fn body(&mut self, rest: &mut &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), FormError> {
        if self.matched == 0 {
            let end = rest.iter().position(|byte| *byte == b'\r');
            let (data, after) = rest.split_at(end.unwrap_or(rest.len()));
            *rest = after;
            if let Some(after) = after.strip_prefix(b"\r") {
                *rest = after;
                self.matched = 1;
            }
            return self.content(data, out);
        }
        let Some((byte, after)) = rest.split_first() else {
            return Ok(());
        };
        if self.delimiter.get(self.matched) == Some(byte) {
            *rest = after;
            self.matched += 1;
            if self.matched == self.delimiter.len() {
                self.end_part()?;
            }
            return Ok(());
        }
        // It was content after all; the byte at hand is looked at again.
        let delimiter = std::mem::take(&mut self.delimiter);
        let passed = self.content(delimiter.get(..self.matched).unwrap_or_default(), out);
        self.delimiter = delimiter;
        self.matched = 0;
        passed
    }

    fn content(&mut self, data: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), FormError> {
        match self.state {
            State::File => {
                self.file_bytes = self.file_bytes.saturating_add(data.len() as u64);
                if !data.is_empty() {
                    out(data);
                }
                Ok(())
            }
            State::Field => {
                self.count(data.len())?;
                self.text.extend_from_slice(data);
                Ok(())
            }
            _ => self.count(data.len()),
        }
    }

    fn end_part(&mut self) -> Result<(), FormError> {
        if matches!(self.state, State::Field) {
            let value = String::from_utf8(std::mem::take(&mut self.text)).map_err(|_| FormError::NotText)?;
            self.fields.push((std::mem::take(&mut self.field_name), value));
        }
        self.state = State::Delimited { first: None };
        Ok(())
    }
}
