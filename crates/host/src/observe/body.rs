//! A response body whose bytes are counted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::Error;

use super::record::Record;
use crate::response;

/// Counts the bytes that are sent, and finishes the record at the end of the body. `T` is held until then.
pub(crate) struct ObservedBody<T> {
    body: response::Body,
    record: Record,
    _held: T,
}

impl<T> ObservedBody<T> {
    pub(crate) fn new(body: response::Body, record: Record, held: T) -> Self {
        Self {
            body,
            record,
            _held: held,
        }
    }
}

impl<T: Unpin> Body for ObservedBody<T> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => this.record.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => {}
            None => this.record.ends(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<T> Drop for ObservedBody<T> {
    fn drop(&mut self) {
        // hyper does not poll a body that reports its end.
        if self.body.is_end_stream() {
            self.record.ends();
        }
    }
}
