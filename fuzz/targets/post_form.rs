//! Any form is taken apart the same however it is split; any policy and any fields are read or refused.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_fuzz::sigv4::{NOW, key, split};
use hallpass_sigv4::*;
use libfuzzer_sys::fuzz_target;

type Fields = Vec<(String, String)>;

fn decode(pieces: &[&[u8]]) -> Result<(Fields, Option<String>, Vec<u8>), FormError> {
    let mut decoder = FormDecoder::new("X")?;
    let mut file = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let before = decoder.is_at_file();
            let taken = decoder.push(rest, &mut |data| file.extend_from_slice(data))?;
            assert!(before || file.is_empty());
            assert!(taken == rest.len() || (!before && decoder.is_at_file()));
            rest = &rest[taken..];
        }
    }
    let (fields, filename) = (decoder.fields().to_vec(), decoder.filename().map(str::to_owned));
    assert_eq!(decoder.finish()?, file.len() as u64);
    Ok((fields, filename, file))
}

fuzz_target!(|bytes: &[u8]| {
    let mut source = Unstructured::new(bytes);
    let Ok(cuts) = <[u16; 4]>::arbitrary(&mut source) else {
        return;
    };
    let body = source.take_rest();
    let whole = decode(&[body]);
    assert_eq!(whole, decode(&split(body, cuts)));
    if let Ok((mut fields, filename, _)) = whole {
        for (_, value) in &mut fields {
            *value = substitute_filename(value, filename.as_deref());
        }
        if let Ok(presented) = parse_post(&fields) {
            assert!(verify_post(presented, &key(), &fields, "bucket", NOW, None).is_err());
        }
    }
    let _ = PostPolicy::parse(&STANDARD.encode(body));
    if let Ok(text) = std::str::from_utf8(body) {
        let _ = FormDecoder::for_content_type(text);
    }
});
