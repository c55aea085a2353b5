use super::{Algorithm, AuthForm, PARAMETERS, Parts, Place, SignedHeaderNames, header_text};
use crate::EXPIRES_SECONDS_MAX;
use crate::canonical::RequestView;
use crate::date;
use crate::error::ParseError;
use crate::query;

/// The decoded values of [`PARAMETERS`], where present.
#[derive(Default)]
pub(super) struct QueryAuth([Option<String>; PARAMETERS.len()]);

impl QueryAuth {
    pub(super) fn find(query: &str) -> Result<Option<Self>, ParseError> {
        if query.is_empty() {
            return Ok(None);
        }
        let mut found = Self::default();
        let mut any = false;
        for (raw_name, raw_value) in query::pairs(query) {
            let decoded;
            let name = if raw_name.contains(['%', '+']) {
                decoded = query::decode(raw_name);
                decoded.as_slice()
            } else {
                raw_name.as_bytes()
            };
            if name == b"AWSAccessKeyId" || name == b"Signature" {
                return Err(ParseError::SignatureV2);
            }
            let known = PARAMETERS.iter().zip(&mut found.0);
            for (parameter, slot) in known {
                if !name.eq_ignore_ascii_case(parameter.as_bytes()) {
                    continue;
                }
                let malformed = ParseError::Malformed {
                    place: Place::Query,
                    part: parameter,
                };
                // Another spelling would be authentication to one reader and decoration to the next.
                if name != parameter.as_bytes() {
                    return Err(malformed);
                }
                let value = String::from_utf8(query::decode(raw_value)).map_err(|_| malformed)?;
                if slot.replace(value).is_some() {
                    return Err(ParseError::RepeatedParameter { name: parameter });
                }
                any = true;
            }
        }
        Ok(any.then_some(found))
    }
}

pub(super) fn from_query(
    view: &RequestView<'_>,
    found: QueryAuth,
    algorithm_read: Algorithm,
) -> Result<Parts, ParseError> {
    let [
        algorithm,
        credential,
        date,
        expires,
        signed_headers,
        signature,
        token,
    ] = found.0;
    let [
        algorithm_name,
        credential_name,
        date_name,
        expires_name,
        headers_name,
        signature_name,
        _,
    ] = PARAMETERS;
    let need = |value: Option<String>, name| value.ok_or(ParseError::MissingParameter { name });
    let malformed = |part| ParseError::Malformed {
        place: Place::Query,
        part,
    };
    algorithm_read.accept(&need(algorithm, algorithm_name)?)?;
    let (access_key_id, scope) = algorithm_read
        .credential(&need(credential, credential_name)?)
        .ok_or(malformed("Credential"))?;
    let (date, date_text) = date::read(&need(date, date_name)?).ok_or(malformed("Date"))?;
    let expires = need(expires, expires_name)?;
    let expires_seconds = Some(expires)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<u32>().ok())
        .filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds))
        .ok_or(ParseError::Expires)?;
    let signed_headers =
        SignedHeaderNames::parse(&need(signed_headers, headers_name)?).ok_or(malformed("SignedHeaders"))?;
    let signature = need(signature, signature_name)?;
    let session_token = match (token, header_text(view, "x-amz-security-token")?) {
        (Some(_), Some(_)) => return Err(ParseError::HeaderAndQuery),
        (Some(token), None) => Some(token),
        (None, header) => header.map(str::to_owned),
    };
    Ok(Parts {
        access_key_id,
        scope,
        signed_headers,
        form: AuthForm::Presigned { expires_seconds },
        date,
        session_token,
        signature,
        date_text,
    })
}
