use crate::canonical::{is_unreserved, next_decoded, write_encoded};

/// The one parameter that is not part of what it signs.
pub(crate) const SIGNATURE: &str = "X-Amz-Signature";

/// The raw pairs of a query string: split at `&`, then at the first `=`. Empty pieces are nothing.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// The bytes of a raw name or value.
///
/// A bare `+` is a space, as in `aws-sigv4`, the Go SDK and Ceph: on AWS's side it is decoded as one, and clients that
/// mean a plus send `%2B`.
pub(crate) fn decode(raw: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    each_decoded(raw, |byte| out.push(byte));
    out
}

fn each_decoded(raw: &str, mut each: impl FnMut(u8)) {
    let mut rest = raw.as_bytes();
    while let [first, ..] = rest {
        let plus = *first == b'+';
        let Some((byte, after)) = next_decoded(rest) else {
            return;
        };
        each(if plus { b' ' } else { byte });
        rest = after;
    }
}

fn write_component(out: &mut Vec<u8>, raw: &str) {
    if raw.bytes().all(is_unreserved) {
        out.extend_from_slice(raw.as_bytes());
    } else {
        each_decoded(raw, |byte| write_encoded(out, byte));
    }
}

/// Writes the canonical query: decoded, encoded, sorted by encoded name, then value; `acl` becomes `acl=`.
///
/// `X-Amz-Signature` alone is left out. Repeated names all stay.
pub(crate) fn write_canonical(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut text = Vec::with_capacity(query.len() + query.len() / 2);
    let mut spans = Vec::new();
    for (name, value) in pairs(query) {
        let start = text.len();
        write_component(&mut text, name);
        let middle = text.len();
        if text.get(start..middle) == Some(SIGNATURE.as_bytes()) {
            text.truncate(start);
            continue;
        }
        write_component(&mut text, value);
        spans.push((start, middle, text.len()));
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    spans.sort_unstable_by(|left, right| {
        let names = part(left.0, left.1).cmp(part(right.0, right.1));
        names.then_with(|| part(left.1, left.2).cmp(part(right.1, right.2)))
    });
    for (index, (start, middle, end)) in spans.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(part(*start, *middle));
        out.push(b'=');
        out.extend_from_slice(part(*middle, *end));
    }
}

/// Appends `name=value` to a raw query string, the value encoded.
pub(crate) fn append(query: &mut Vec<u8>, name: &str, value: &str) {
    if !query.is_empty() {
        query.push(b'&');
    }
    query.extend_from_slice(name.as_bytes());
    query.push(b'=');
    for byte in value.bytes() {
        write_encoded(query, byte);
    }
}
