//! What is left of a body when its request was refused. A client that still sends when the connection is closed sees a
//! broken pipe and never the answer (RFC 9112 section 9.6), so a bounded part of the rest is read and thrown away.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use bytes::Bytes;
use futures::StreamExt;
use futures::channel::oneshot;
use hyper::body::{Frame, SizeHint};

/// Most bytes that are thrown away; more ends in a broken pipe after all.
const BYTES_MAX: usize = 32 << 20;

/// For so long at most.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A body that goes back to its owner when whoever reads it stops half-way.
struct Lent {
    inner: Body,
    back: Option<oneshot::Sender<Body>>,
}

/// Where a lent body comes back.
pub(super) struct Leftover(Option<oneshot::Receiver<Body>>);

/// Lends the request's body to its handler.
pub(super) fn lend(request: Request) -> (Request, Leftover) {
    // A client that asks first sends nothing to a refusal.
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return (request, Leftover(None));
    }
    let (back, leftover) = oneshot::channel();
    let lent = request.map(|inner| Body::new(Lent { inner, back: Some(back) }));
    (lent, Leftover(Some(leftover)))
}

impl Leftover {
    /// Reads and throws away what the handler has left, within bounds.
    pub(super) async fn discard(self) {
        let Some(Ok(Some(body))) = self.0.map(|mut leftover| leftover.try_recv()) else { return };
        let mut chunks = body.into_data_stream();
        let everything = async {
            let mut read = 0_usize;
            while let Some(Ok(chunk)) = chunks.next().await {
                read = read.saturating_add(chunk.len());
                if read > BYTES_MAX {
                    return;
                }
            }
        };
        // Too slow is as good as too much.
        let _ = tokio::time::timeout(TIME_MAX, everything).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            // The owner may not want it any more.
            let _ = back.send(std::mem::take(&mut self.inner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A request of many chunks, and how many of them were read.
    fn request(chunks: usize) -> (Request, Arc<AtomicUsize>) {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let chunks = futures::stream::iter(0..chunks).map(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1 << 20]))
        });
        (Request::new(Body::from_stream(chunks)), read)
    }

    #[tokio::test]
    async fn the_rest_is_thrown_away_up_to_a_bound() {
        for (chunks, expected) in [(3, 3), (32, 32), (100, 33)] {
            let (request, read) = request(chunks);
            let (request, leftover) = lend(request);
            drop(request);
            leftover.discard().await;
            assert_eq!(read.load(Ordering::SeqCst), expected);
        }
    }

    #[tokio::test]
    async fn nothing_is_read_for_a_client_that_asks_first() {
        let (mut request, read) = request(3);
        request.headers_mut().insert(EXPECT, "100-continue".parse().unwrap());
        let (request, leftover) = lend(request);
        drop(request);
        leftover.discard().await;
        assert_eq!(read.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_is_not_waited_for() {
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let (request, leftover) = lend(Request::new(Body::from_stream(never)));
        drop(request);
        leftover.discard().await;
    }
}
