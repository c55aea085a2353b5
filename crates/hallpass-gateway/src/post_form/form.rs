use super::malformed;
use crate::Refusal;
use bytes::{Bytes, BytesMut};
use hallpass_sigv4::{FormDecoder, FormError, PostLimits};
use hallpass_upstream::{Body, BodyFailure, full};
use http_body::Frame;
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Forms whose length is this much at most are read whole; of longer ones the end is computed.
const SMALL_BYTES: u64 = 1_024 * 1_024;

/// The largest object one request may make, in bytes. Source: S3, "Uploading objects".
const FILE_BYTES_MAX: u64 = 5 * 1_024 * 1_024 * 1_024;

/// What follows the last byte of a file that is the form's last part: delimiter, two dashes, the end of the line.
pub(super) fn closing_bytes(kind: &str) -> u64 {
    let boundary = kind
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map_or("", |(_, value)| value.trim().trim_matches('"'));
    boundary.len() as u64 + 8
}

/// The form's body on its way through the decoder.
pub(super) struct Form {
    pub(super) body: Body,
    pub(super) decoder: Option<FormDecoder>,
    /// Read, and not yet decoded.
    pub(super) ready: Bytes,
    pub(super) read: u64,
    pub(super) sent: u64,
    pub(super) limits: Option<PostLimits>,
}

impl Form {
    pub(super) async fn read_fields(&mut self) -> Result<(), Refusal> {
        while let Some(decoder) = &mut self.decoder {
            let taken = decoder
                .push(&self.ready, &mut |_: &[u8]| {})
                .map_err(|error| malformed(&error))?;
            let _ = self.ready.split_to(taken.min(self.ready.len()));
            if decoder.is_at_file() {
                return Ok(());
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read += data.len() as u64;
                        self.ready = data;
                    }
                }
                Some(Err(failure)) => {
                    return Err(Refusal::caller(failure.code, failure.status, failure.message));
                }
                None => return Err(malformed(&FormError::FileMissing)),
            }
        }
        Err(malformed(&FormError::FileMissing))
    }

    /// The file as a body of known length.
    ///
    /// An upstream must be told the length before the end of the form is seen. Small files are read whole; of longer
    /// ones the length follows from the form's, as browsers, curl and SDKs end it. One that ends otherwise fails at its
    /// last byte, which is held back until then.
    pub(super) async fn into_file(
        mut self,
        length: Option<u64>,
        closing: u64,
    ) -> Result<(Body, u64), Refusal> {
        let before = self.read - self.ready.len() as u64;
        let rest = length.map(|length| length.saturating_sub(before));
        if rest.is_none_or(|rest| rest <= SMALL_BYTES) {
            let mut whole = BytesMut::new();
            while let Some(frame) = self.frame().await {
                let frame = frame
                    .map_err(|failure| Refusal::caller(failure.code, failure.status, failure.message))?;
                if let Ok(data) = frame.into_data() {
                    whole.extend_from_slice(&data);
                    if whole.len() as u64 > SMALL_BYTES {
                        return Err(Refusal::caller(
                            "MissingContentLength",
                            411,
                            "You must provide the Content-Length HTTP header.",
                        ));
                    }
                }
            }
            let length = whole.len() as u64;
            return Ok((full(whole.freeze()), length));
        }
        let file = rest.unwrap_or_default().saturating_sub(closing);
        if file > FILE_BYTES_MAX {
            return Err(Refusal::caller(
                "EntityTooLarge",
                400,
                "Your proposed upload exceeds the maximum allowed size",
            ));
        }
        if let Some(limits) = &self.limits {
            limits.check(file).map_err(|error| {
                let (code, status) = error.s3_code();
                Refusal::caller(code, status, error.to_string())
            })?;
        }
        Ok((self.boxed_unsync(), file))
    }

    fn end(&mut self) -> Option<Result<Frame<Bytes>, BodyFailure>> {
        let decoder = self.decoder.take()?;
        let failure = |(code, status): (&'static str, u16), message: String| {
            Some(Err(BodyFailure::new(code, status, message)))
        };
        match decoder.finish() {
            Err(error) => failure(error.s3_code(), error.to_string()),
            Ok(length) => match self.limits.as_ref().map(|limits| limits.check(length)) {
                Some(Err(error)) => failure(error.s3_code(), error.to_string()),
                _ => None,
            },
        }
    }
}

impl http_body::Body for Form {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        loop {
            let this = &mut *self;
            let Some(decoder) = &mut this.decoder else {
                return Poll::Ready(None);
            };
            if !this.ready.is_empty() {
                let mut file = BytesMut::new();
                let pushed = decoder.push(&this.ready, &mut |bytes: &[u8]| file.extend_from_slice(bytes));
                match pushed {
                    Ok(taken) => drop(this.ready.split_to(taken.min(this.ready.len()))),
                    Err(error) => {
                        this.decoder = None;
                        let (code, status) = error.s3_code();
                        return Poll::Ready(Some(Err(BodyFailure::new(code, status, error.to_string()))));
                    }
                }
                if !file.is_empty() {
                    this.sent += file.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(file.freeze()))));
                }
                continue;
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.ready = data;
                    }
                }
                Some(Err(failure)) => {
                    this.decoder = None;
                    return Poll::Ready(Some(Err(failure)));
                }
                None => return Poll::Ready(this.end()),
            }
        }
    }
}
