//! BER made definite. AWS signs with lengths that only an end mark tells, and with the content in pieces.

use crate::x509::element;

/// Far above what a signed message nests.
const DEPTH_MAX: usize = 24;
const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED_OCTET_STRING: u8 = OCTET_STRING | CONSTRUCTED;
/// The low bits of a tag whose number follows; nothing read here has one.
const LONG_TAG: u8 = 0x1f;
/// Closes an element whose length was not told.
const END: &[u8] = &[0, 0];

struct Element<'a> {
    tag: u8,
    body: Vec<u8>,
    rest: &'a [u8],
}

/// The one element that `bytes` is, with every length told and octet strings in one piece. `None` for anything else, for
/// lengths longer than they need to be, and for what nests too deep.
pub(super) fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let whole = read(bytes, 0)?;
    whole.rest.is_empty().then(|| element(whole.tag, &whole.body))
}

fn read(bytes: &[u8], depth: usize) -> Option<Element<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let is_constructed = tag & CONSTRUCTED != 0;
    if tag & LONG_TAG == LONG_TAG || *tag == 0 || depth > DEPTH_MAX {
        return None;
    }
    let (length, rest) = length(rest)?;
    let Some(length) = length else {
        return is_constructed.then(|| until_end(*tag, rest, depth))?;
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    let body = if is_constructed {
        parts(*tag, inside, depth)?
    } else {
        inside.to_vec()
    };
    Some(Element {
        tag: in_one_piece(*tag),
        body,
        rest,
    })
}

/// `None` inside: the length is not told.
fn length(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((Some(usize::from(*first)), rest)),
        0x80 => Some((None, rest)),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits
                .iter()
                .fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
            let is_shortest = digits.first() != Some(&0) && length > 0x7f;
            is_shortest.then_some((Some(length), rest))
        }
        _ => None,
    }
}

fn parts(tag: u8, mut inside: &[u8], depth: usize) -> Option<Vec<u8>> {
    let mut body = vec![];
    while !inside.is_empty() {
        inside = append(tag, inside, depth, &mut body)?;
    }
    Some(body)
}

fn until_end(tag: u8, mut rest: &[u8], depth: usize) -> Option<Element<'_>> {
    let mut body = vec![];
    loop {
        if let Some(rest) = rest.strip_prefix(END) {
            let tag = in_one_piece(tag);
            return Some(Element { tag, body, rest });
        }
        rest = append(tag, rest, depth, &mut body)?;
    }
}

/// Puts the first element of `bytes` behind `body`, of which `tag` is the outer one's.
fn append<'a>(tag: u8, bytes: &'a [u8], depth: usize, body: &mut Vec<u8>) -> Option<&'a [u8]> {
    let inner = read(bytes, depth + 1)?;
    match tag {
        CONSTRUCTED_OCTET_STRING if inner.tag == OCTET_STRING => body.extend(inner.body),
        CONSTRUCTED_OCTET_STRING => return None,
        _ => body.extend(element(inner.tag, &inner.body)),
    }
    Some(inner.rest)
}

fn in_one_piece(tag: u8) -> u8 {
    match tag {
        CONSTRUCTED_OCTET_STRING => OCTET_STRING,
        other => other,
    }
}
