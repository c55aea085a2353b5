//! As much of protobuf's wire form as a container runtime's answer takes.
//!
//! Source: protobuf.dev, "Encoding".

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes that nothing here asks for.
    Fixed,
}

/// What is no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The fields of one message, in their order; a message within is read by its own `Fields`.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups are of before 2008, and would need a depth.
            _ => return None,
        };
        Some((key >> 3, value))
    }

    /// A number of at most ten bytes, seven bits each, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Broken);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A message with one text as its first field. The text is shorter than 128 bytes.
pub(super) fn with_text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX) & 0x7f;
    let mut message = vec![1 << 3 | 2, length];
    message.extend(text.bytes().take(usize::from(length)));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Broken> {
        Fields::of(message).collect()
    }

    #[test]
    fn fields_of_each_kind_are_read_in_their_order() {
        // 1: 150, 2: "testing", 3: eight bytes, 4: four, 2: ""
        let message = b"\x08\x96\x01\x12\x07testing\x19........\x25....\x12\x00";
        assert_eq!(
            all(message).unwrap(),
            [
                (1, Value::Number(150)),
                (2, Value::Bytes(b"testing")),
                (3, Value::Fixed),
                (4, Value::Fixed),
                (2, Value::Bytes(b"")),
            ]
        );
        let most = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(all(most).unwrap(), [(1, Value::Number(u64::MAX))]);
        assert_eq!(all(&with_text("abc")).unwrap(), [(1, Value::Bytes(b"abc"))]);
    }

    #[test]
    fn what_ends_early_or_is_no_field_is_nothing() {
        for message in [
            &b"\x08"[..],
            b"\x08\x96",
            b"\x12\x08testing",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\x19.......",
            b"\x25...",
            b"\x0b",
            b"\x0f",
            b"\x08\x01\x0c",
        ] {
            assert_eq!(all(message), Err(Broken), "{message:?}");
        }
    }
}
