use crate::conditions::Span;
use crate::staging::PIECE_BYTES;
use bytes::Bytes;
use hallpass_upstream::BodyFailure;
use http_body::{Frame, SizeHint};
use std::fs::File;
use std::future::Future as _;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// A span of a file, read piece by piece as the client takes it.
pub(crate) struct FileBody {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<std::io::Result<Bytes>>>,
}

impl FileBody {
    pub(crate) fn new(file: File, span: Span) -> Self {
        Self {
            file: Arc::new(file),
            at: span.start,
            left: span.length,
            reading: None,
        }
    }
}

fn read(file: &File, at: u64, length: usize) -> std::io::Result<Bytes> {
    let mut piece = vec![0; length];
    let read = file.read_at(&mut piece, at)?;
    piece.truncate(read);
    Ok(piece.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let (file, at) = (Arc::clone(&self.file), self.at);
                let length = usize::try_from(self.left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
                tokio::task::spawn_blocking(move || read(&file, at, length))
            }
        };
        let polled = Pin::new(&mut reading).poll(context);
        match polled {
            Poll::Pending => {
                self.reading = Some(reading);
                Poll::Pending
            }
            // Shorter than when it was opened: somebody cut it. The answer must not look complete.
            Poll::Ready(Ok(Ok(piece))) if !piece.is_empty() => {
                let length = piece.len() as u64;
                self.at += length;
                self.left = self.left.saturating_sub(length);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(_) => {
                self.left = 0;
                Poll::Ready(Some(Err(BodyFailure::new(
                    "InternalError",
                    500,
                    "The object could not be read.",
                ))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
