//! Why a member did not answer, in words that tell what to mend.

use crate::error::Failure;
use hyper_util::client::legacy::Error as ClientError;
use std::error::Error;
use std::io::{Error as IoError, ErrorKind};

/// What the layers below say, one after the other, and what may be wrong where they do not say it themselves.
/// `has_certificate`: whether we have one to show.
pub(crate) fn failure(endpoint: &str, has_certificate: bool, error: &ClientError) -> Failure {
    let layers = layers(error);
    let mut said: Vec<String> = layers.iter().map(ToString::to_string).collect();
    // An I/O error says what the error says that it carries.
    said.dedup();
    let of_tls = layers
        .iter()
        .find_map(|layer| layer.downcast_ref::<rustls::Error>());
    let hint = match of_tls {
        Some(rustls::Error::AlertReceived(_)) if !has_certificate => {
            " (the member may want a certificate: certificate_file and key_file)"
        }
        None if endpoint.starts_with("http:") && layers.iter().any(|layer| is_cut_off(*layer)) => {
            " (a member that speaks TLS wants https)"
        }
        None if error.is_connect() && layers.iter().any(|layer| is_cut_off(*layer)) => {
            " (a member that does not speak TLS wants http)"
        }
        _ => "",
    };
    let why = format!("{}{hint}", said.join(": "));
    match of_tls {
        Some(_) => Failure::Untrusted(why),
        None => Failure::Member(why),
    }
}

/// The error and what is below it. What an I/O error carries is not its source.
fn layers(error: &ClientError) -> Vec<&(dyn Error + 'static)> {
    let mut layers = vec![];
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(layer) = next {
        layers.push(layer);
        let carried = layer.downcast_ref::<IoError>().and_then(IoError::get_ref);
        next = carried
            .map(|carried| carried as &(dyn Error + 'static))
            .or_else(|| layer.source());
    }
    layers
}

/// The other side ended it without a word.
fn is_cut_off(layer: &(dyn Error + 'static)) -> bool {
    let http = layer.downcast_ref::<hyper::Error>();
    let io = layer.downcast_ref::<IoError>();
    http.is_some_and(hyper::Error::is_incomplete_message)
        || io.is_some_and(|error| error.kind() == ErrorKind::UnexpectedEof)
}
