use bytes::Bytes;
use hallpass_upstream::{Body, full};
use hallpass_wire::percent_encode;
use http::{HeaderValue, Response, StatusCode};

/// How the sender of a form wants to be answered.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) bucket: String,
    pub(super) key: String,
    /// Of the object's URL.
    pub(super) path: String,
    /// Ours, with the scheme the form came by.
    pub(super) host: String,
    pub(super) redirect: Option<String>,
    pub(super) status: Option<String>,
}

impl Wish {
    pub(super) fn answer(&self, stored: Response<Body>) -> Response<Body> {
        if !stored.status().is_success() {
            return stored;
        }
        let etag = stored.headers().get(http::header::ETAG).cloned();
        let etag_text = etag
            .as_ref()
            .and_then(|etag| etag.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let location = format!("{}{}", self.host, self.path);
        let mut response = stored.map(|_| full(Bytes::new()));
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        let redirect = self
            .redirect
            .as_deref()
            .and_then(|to| self.redirect_to(to, &etag_text));
        *response.status_mut() = match (&redirect, self.status.as_deref()) {
            (Some(_), _) => StatusCode::SEE_OTHER,
            (None, Some("200")) => StatusCode::OK,
            (None, Some("201")) => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        if response.status() == StatusCode::CREATED {
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket>\
                 <Key>{}</Key><ETag>{}</ETag></PostResponse>",
                escaped(&location),
                escaped(&self.bucket),
                escaped(&self.key),
                escaped(&etag_text)
            );
            *response.body_mut() = full(text);
            response.headers_mut().insert(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/xml"),
            );
        }
        let location = redirect.or_else(|| HeaderValue::from_str(&location).ok());
        if let Some(location) = location {
            response.headers_mut().insert(http::header::LOCATION, location);
        }
        response
    }

    /// Where the form sends the browser afterwards; what is no web address is ignored, as S3 does.
    fn redirect_to(&self, to: &str, etag: &str) -> Option<HeaderValue> {
        let uri: http::Uri = to.parse().ok()?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return None;
        }
        let joint = if uri.query().is_some() { '&' } else { '?' };
        let target = format!(
            "{to}{joint}bucket={}&key={}&etag={}",
            percent_encode(&self.bucket),
            percent_encode(&self.key),
            percent_encode(etag)
        );
        HeaderValue::from_str(&target).ok()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
