//! Closing a connection so that its last answer arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What is taken off the wire after the last answer, and for how long.
const BYTES_MAX: usize = 64 * 1_024 * 1_024;
const TIME_MAX: Duration = Duration::from_secs(20);

/// A connection that can be told to read on after its last answer.
///
/// A client that announces its body with `Expect: 100-continue` is refused at once. Some (boto 2) send the body all the
/// same before they read: closed with bytes unread, the connection is reset, and the refusal with it. So the sending
/// half is closed first, and what comes is read and forgotten until the client closes too.
pub(crate) struct Lingering<S> {
    stream: S,
    wanted: Arc<AtomicBool>,
    since_shutdown: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lingering<S> {
    /// And the switch that makes it linger.
    pub(crate) fn new(stream: S) -> (Self, Arc<AtomicBool>) {
        let wanted = Arc::new(AtomicBool::new(false));
        let own = Self {
            stream,
            wanted: Arc::clone(&wanted),
            since_shutdown: None,
        };
        (own, wanted)
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((deadline, left)) = &mut self.since_shutdown else {
            return Poll::Ready(Ok(()));
        };
        let mut scratch = [0; 16 * 1_024];
        // A fast sender must not keep this thread to itself.
        for _ in 0..64 {
            if deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() && buffer.filled().len() <= *left => {
                    *left -= buffer.filled().len();
                }
                // The end, too much, or the client went away: nobody is left to read the answer.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.since_shutdown.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            if !self.wanted.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            let deadline = Box::pin(tokio::time::sleep_until(Instant::now() + TIME_MAX));
            self.since_shutdown = Some((deadline, BYTES_MAX));
        }
        self.poll_rest(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// What a client reads that sends `length` bytes before it reads anything, from a server that answers unread.
    async fn read_by_a_client_that_sends_first(length: usize, linger: bool) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            let (mut stream, wanted) = Lingering::new(stream);
            wanted.store(linger, Ordering::Relaxed);
            // Not before the client's bytes are there, unread.
            let mut one = [0];
            stream.read_exact(&mut one).await?;
            stream.write_all(b"refused").await?;
            stream.shutdown().await
        });
        let mut client = tokio::net::TcpStream::connect(address).await?;
        let sent = client.write_all(&vec![7; length]).await;
        let mut answer = vec![];
        let read = client.read_to_end(&mut answer).await;
        drop(client);
        let _ = server.await;
        sent.and(read.map(|_| answer))
    }

    #[tokio::test]
    async fn the_answer_reaches_a_client_that_sends_all_before_it_reads() {
        let answer = read_by_a_client_that_sends_first(8 * 1_024 * 1_024, true).await;
        assert_eq!(answer.map_err(|error| error.kind()), Ok(b"refused".to_vec()));
        let lost = read_by_a_client_that_sends_first(8 * 1_024 * 1_024, false).await;
        assert!(lost.is_err(), "or there is nothing to linger for");
    }

    #[tokio::test]
    async fn too_much_is_cut_off() {
        assert!(
            read_by_a_client_that_sends_first(2 * BYTES_MAX, true)
                .await
                .is_err()
        );
    }
}
