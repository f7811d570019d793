//! The timeouts of a connection: headers, idle, write.
//!
//! hyper has a single header timer, which also runs while a connection is idle. Here the idle timeout is longer
//! than the header timeout, and a client that does not read its response is disconnected.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::http::pace::{Pace, TooSlow};
use crate::limits::Limits;
use crate::observe::{Limit, Observer};
use crate::worker::{Counted, Thread};

/// How many requests of a connection have begun, and how many of them have ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    thread: Thread,
}

impl Activity {
    /// The activity of a connection on that thread.
    pub(crate) fn on(thread: Thread) -> Self {
        Self(Arc::new(Counts {
            thread,
            ..Counts::default()
        }))
    }

    /// Count a request as being served until the guard is dropped.
    pub(crate) fn serve(&self) -> Serving {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
        Serving {
            activity: self.clone(),
            _served: self.0.thread.serve(),
        }
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Acquire)
    }

    fn is_serving(&self) -> bool {
        self.begun() != self.0.ended.load(Ordering::Acquire)
    }
}

/// A request that is being served on this connection.
#[derive(Debug)]
pub(crate) struct Serving {
    activity: Activity,
    _served: Counted,
}

impl Serving {
    /// The thread that serves the request.
    pub(crate) fn thread(&self) -> &Thread {
        &self.activity.0.thread
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.activity.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// The client's next expected step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A new request, within the idle timeout.
    Request,
    /// The rest of the headers, within the header timeout.
    Headers,
}

/// A stream that fails with `TimedOut` when its client is too slow.
pub(crate) struct Watched<S> {
    stream: S,
    activity: Activity,
    /// The number of requests when `expected` was last updated.
    begun: u64,
    /// The next step of the client, and its deadline.
    expected: Option<(Expected, Instant)>,
    timer: Option<Pin<Box<Sleep>>>,
    header_timeout: Duration,
    keep_alive_timeout: Duration,
    write_timeout: Duration,
    min_bytes_per_second: u64,
    writing: Pace,
    observer: Arc<Observer>,
}

impl<S> Watched<S> {
    pub(crate) fn new(
        stream: S,
        activity: Activity,
        limits: &Limits,
        observer: Arc<Observer>,
    ) -> Self {
        Self {
            stream,
            begun: activity.begun(),
            activity,
            // A new connection must send its first request within the header timeout.
            expected: Some((Expected::Headers, Instant::now() + limits.header_timeout)),
            timer: None,
            header_timeout: limits.header_timeout,
            keep_alive_timeout: limits.keep_alive_timeout,
            write_timeout: limits.write_timeout,
            min_bytes_per_second: limits.min_bytes_per_second,
            writing: Pace::new(limits.write_timeout, limits.min_bytes_per_second),
            observer,
        }
    }

    /// Reset the timeouts if a request has been served meanwhile.
    fn catch_up(&mut self) {
        let begun = self.activity.begun();
        if begun != self.begun {
            self.begun = begun;
            self.expected = None;
            self.writing = Pace::new(self.write_timeout, self.min_bytes_per_second);
        }
    }

    /// The client sent bytes.
    fn received(&mut self) {
        self.catch_up();
        let is_begun = matches!(self.expected, Some((Expected::Headers, _)));
        if !is_begun && !self.activity.is_serving() {
            self.expected = Some((Expected::Headers, Instant::now() + self.header_timeout));
        }
    }

    /// The client sent nothing; resolves when a deadline has passed.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Expected> {
        self.catch_up();
        if self.activity.is_serving() {
            // The body has its own timeout, and after the body it is the client who waits.
            return Poll::Pending;
        }
        let idle = || (Expected::Request, Instant::now() + self.keep_alive_timeout);
        let (expected, deadline) = *self.expected.get_or_insert_with(idle);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).map(|()| expected)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.received();
            }
            return Poll::Ready(read);
        }
        let overdue = ready!(this.poll_overdue(context));
        let message = match overdue {
            Expected::Request => "the connection was idle for longer than the keep-alive timeout",
            Expected::Headers => {
                this.observer.metrics.limit(Limit::HeaderTime);
                "the headers did not arrive within the header timeout"
            }
        };
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            if let Ok(written) = written {
                this.writing.moved(written);
            }
            return Poll::Ready(written);
        }
        let TooSlow = ready!(this.writing.poll_silent(context));
        this.observer.metrics.limit(Limit::WriteTime);
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client read its response too slowly",
        )))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
