//! Connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wasmtime_wasi_http::io::TokioIo;

use crate::app::App;
use crate::handler::handle;

/// How long a client may take over its request line and headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Request line and headers together: what most servers and proxies take.
const HEADER_BYTES: usize = 64 * 1024;

/// How long to wait after the system refused a connection (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound address and what is served at it.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
}

impl Server {
    /// Bind the address; port 0 takes a free one.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(address: SocketAddr, app: Arc<App>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, app })
    }

    /// The bound address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serve until `stop` is ready; then take no more connections, let running requests end (for no
    /// longer than the drain timeout), and return.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let drain_timeout = self.app.limits.drain_timeout;
        let (draining, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(
                            Arc::clone(&self.app),
                            stream,
                            draining.subscribe(),
                        ));
                    }
                    Err(error) => {
                        tracing::warn!("a connection was refused: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        draining.send_replace(true);
        let drained = tokio::time::timeout(drain_timeout, async {
            while connections.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!("stopping with {} connections still open", connections.len());
        }
    }
}

async fn connection(app: Arc<App>, stream: TcpStream, mut draining: watch::Receiver<bool>) {
    // Answers are written whole; waiting to fill a segment only delays them.
    _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(handle(app, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(timer::TokioTimer)
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = begun(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients that go away and malformed requests: nothing that the operator could mend.
        tracing::debug!("a connection ended: {error}");
    }
}

/// Wait until draining begins (or the server is gone, which is the same).
async fn begun(draining: &mut watch::Receiver<bool>) {
    // The guard of the value that is returned must not live on across an await.
    drop(draining.wait_for(|draining| *draining).await);
}

/// hyper's timers on tokio's.
mod timer {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::{Duration, Instant};

    use hyper::rt::Sleep;

    #[derive(Clone, Debug)]
    pub(super) struct TokioTimer;

    struct TokioSleep(Pin<Box<tokio::time::Sleep>>);

    impl hyper::rt::Timer for TokioTimer {
        fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
            Box::pin(TokioSleep(Box::pin(tokio::time::sleep(duration))))
        }

        fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
            Box::pin(TokioSleep(Box::pin(tokio::time::sleep_until(
                deadline.into(),
            ))))
        }
    }

    impl Future for TokioSleep {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            self.0.as_mut().poll(context)
        }
    }

    impl Sleep for TokioSleep {}
}
