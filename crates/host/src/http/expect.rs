//! `Expect: 100-continue`: the client sends its body after an interim response asks for it.
//!
//! hyper writes that interim response when it first reads the body, but not after the response. A guest may begin its
//! response and then read, so the response waits here until the guest has shown which of the two it does first.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::header::EXPECT;
use tokio::sync::Notify;
use tokio::task::yield_now;
use wasmtime_wasi_http::Error;

use crate::instance::guest::Guest;
use crate::response::Body;

/// Notified when the guest first reads the request's body, or drops it unread.
#[derive(Clone, Debug)]
pub(crate) struct Wanted(Arc<Notify>);

impl Wanted {
    /// For a request whose client waits; `None` for any other.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        let waits = request.headers().contains_key(EXPECT);
        waits.then(|| Self(Arc::new(Notify::new())))
    }

    /// Notify.
    pub(crate) fn decide(&self) {
        self.0.notify_one();
    }

    /// Hold a response back until the guest wants the request's body, writes the response's body, or ends.
    pub(crate) async fn before(&self, guest: &mut Guest, response: Body) -> Body {
        let hint = response.size_hint();
        let mut rest = response;
        let first = tokio::select! {
            biased;
            // Polled first, since nothing else happens until the guest goes on.
            () = guest.end() => None,
            () = self.0.notified() => None,
            frame = rest.frame() => Some(frame),
        };
        // The connection's task reads the request before it takes the response.
        yield_now().await;
        match first {
            None => rest,
            Some(first) => Begun {
                first: Some(first),
                hint,
                rest: Some(rest),
            }
            .boxed_unsync(),
        }
    }
}

/// A response's body whose first frame has been taken already.
struct Begun {
    /// The frame, or the end.
    first: Option<Option<Result<Frame<Bytes>, Error>>>,
    /// Of the whole body.
    hint: SizeHint,
    /// `None` after the end.
    rest: Option<Body>,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match (self.first.take(), &mut self.rest) {
            (Some(first), _) => first,
            (None, Some(rest)) => ready!(Pin::new(rest).poll_frame(context)),
            (None, None) => None,
        };
        if frame.is_none() {
            self.rest = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.first {
            Some(first) => first.is_none(),
            None => self.rest.as_ref().is_none_or(|rest| rest.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.first, &self.rest) {
            (Some(_), _) => self.hint,
            (None, Some(rest)) => rest.size_hint(),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::sync::mpsc;

    use super::*;
    use crate::instance::guest::Ended;

    fn wanted() -> Wanted {
        let request = Request::builder().header(EXPECT, "100-continue").body(());
        Wanted::of(&request.unwrap()).expect("the client waits")
    }

    /// A body of the frames that a channel brings.
    struct Channel(mpsc::UnboundedReceiver<&'static str>);

    impl http_body::Body for Channel {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            let text = ready!(self.0.poll_recv(context));
            Poll::Ready(text.map(|text| Ok(Frame::data(Bytes::from(text)))))
        }
    }

    fn channel() -> (mpsc::UnboundedSender<&'static str>, Body) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Channel(receiver).boxed_unsync())
    }

    #[tokio::test]
    async fn a_guest_that_reads_after_a_pause_is_waited_for() {
        let wanted = wanted();
        let decided = wanted.clone();
        let (sender, body) = channel();
        let (has_read, is_read) = std::sync::mpsc::channel();
        let mut guest = Guest::new(async move {
            // As where its epoch ends.
            yield_now().await;
            decided.decide();
            has_read.send(()).unwrap();
            let _sender = sender;
            std::future::pending().await
        });
        wanted.before(&mut guest, body).await;
        assert!(is_read.try_recv().is_ok());
    }

    #[tokio::test]
    async fn a_response_that_begins_is_passed_on_whole() {
        let (sender, body) = channel();
        let mut guest = Guest::new(async move {
            yield_now().await;
            sender.send("first").unwrap();
            let _sender = sender;
            std::future::pending().await
        });
        let mut body = wanted().before(&mut guest, body).await;
        assert!(!body.is_end_stream());
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.data_ref().unwrap(), "first");
    }

    #[tokio::test]
    async fn a_guest_that_ends_needs_nothing() {
        let body = Full::new(Bytes::from("all")).map_err(|never| match never {});
        let mut guest = Guest::new(async { Ended::Done });
        let body = wanted().before(&mut guest, body.boxed_unsync()).await;
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    }

    #[tokio::test]
    async fn a_taken_frame_counts() {
        let body = Full::new(Bytes::from("all")).map_err(|never| match never {});
        let mut guest = Guest::new(std::future::pending());
        let body = wanted().before(&mut guest, body.boxed_unsync()).await;
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    }

    #[tokio::test]
    async fn an_end_stays_an_end() {
        let (sender, body) = channel();
        drop(sender);
        let mut guest = Guest::new(std::future::pending());
        let mut body = wanted().before(&mut guest, body).await;
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert!(body.frame().await.is_none());
    }
}
