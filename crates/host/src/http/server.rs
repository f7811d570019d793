//! The listening socket: accept, limit, drain.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmtime_wasi_http::io::TokioIo;

use crate::app::App;
use crate::http::awake::Awake;
use crate::http::connection::{Activity, Serving, Watched};
use crate::http::handler::{handle, turn_away};
use crate::http::timer::TokioTimer;
use crate::observe::Limit;
use crate::response::Body;
use crate::worker::{Thread, Workers};

/// Pause after a failed `accept`, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections over the limit that get a 503 at the same time. Further ones are closed without a response.
const MAX_TURNED_AWAY: usize = 64;

/// Time for a connection over the limit to send its request.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(2);

/// hyper's minimum buffer size.
const MIN_BUFFER_BYTES: usize = 8 * 1024;

/// A bound address and the app that it serves.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    /// One permit per connection that gets a 503.
    turning_away: Arc<Semaphore>,
    /// Present with a native backend. The threads end when this is dropped, after the connections.
    workers: Option<Workers>,
}

/// The open connections, and the signal that tells them to finish.
struct Connections {
    tasks: JoinSet<()>,
    draining: watch::Sender<bool>,
}

impl Server {
    /// Bind the address; port 0 picks a free one.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(address: SocketAddr, app: Arc<App>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let workers = (app.served().graphs.as_ref())
            .map(|graphs| Workers::start(graphs.concurrency()))
            .transpose()?;
        Ok(Self {
            listener,
            app,
            workers,
            turning_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
        })
    }

    /// The bound address.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serve until `stop` resolves, then shut down gracefully:
    ///
    /// 1. During the drain delay, serve as before but report the server as not ready.
    /// 2. Stop accepting. Running requests finish, within the drain timeout, and open connections may still send
    ///    requests.
    /// 3. Close the remaining connections and return.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut connections = Connections {
            tasks: JoinSet::new(),
            draining: watch::Sender::new(false),
        };
        self.accept_until(stop, &mut connections).await;
        self.app.drain.begin();
        let delay = self.app.limits.drain_delay;
        if !delay.is_zero() {
            self.accept_until(tokio::time::sleep(delay), &mut connections)
                .await;
        }
        let Self { listener, app, .. } = self;
        drop(listener);
        app.drain.close();
        let deadline = Instant::now() + app.limits.drain_timeout;
        let drained = tokio::time::timeout_at(deadline, async {
            app.drain.idle().await;
            connections.draining.send_replace(true);
            while connections.tasks.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!(
                "stopping with {} connections still open",
                connections.tasks.len()
            );
        }
    }

    async fn accept_until(&self, end: impl Future<Output = ()>, connections: &mut Connections) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.begin(stream, connections),
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.tasks.join_next() => {}
            }
        }
    }

    /// Serve a connection, or answer 503 if there are too many.
    fn begin(&self, stream: TcpStream, connections: &mut Connections) {
        let app = Arc::clone(&self.app);
        let draining = connections.draining.subscribe();
        if let Ok(permit) = Arc::clone(&app.connections).try_acquire_owned() {
            let serve = move |stream, thread| async move {
                let connection = connection(app, stream, thread, draining, true, handle);
                Awake::new(pin!(connection)).await;
                drop(permit);
            };
            let tasks = &mut connections.tasks;
            match &self.workers {
                None => _ = tasks.spawn(serve(stream, Thread::default())),
                Some(workers) => {
                    if let Err(error) = workers.spawn(tasks, stream, serve) {
                        tracing::warn!("cannot hand a connection to a worker thread: {error}");
                    }
                }
            }
            return;
        }
        app.observer.metrics.limit(Limit::Connections);
        let Ok(permit) = Arc::clone(&self.turning_away).try_acquire_owned() else {
            return;
        };
        connections.tasks.spawn(async move {
            let thread = Thread::default();
            let served = connection(app, stream, thread, draining, false, turn_away);
            _ = tokio::time::timeout(TURN_AWAY_TIMEOUT, served).await;
            drop(permit);
        });
    }
}

async fn connection<F>(
    app: Arc<App>,
    stream: TcpStream,
    thread: Thread,
    mut draining: watch::Receiver<bool>,
    keep_alive: bool,
    respond: fn(Arc<App>, Request<Incoming>, Serving) -> F,
) where
    F: Future<Output = Response<Body>>,
{
    // The host writes whole responses; Nagle's algorithm would only delay them.
    _ = stream.set_nodelay(true);
    let activity = Activity::on(thread);
    let limits = &app.limits;
    let stream = Watched::new(stream, activity.clone(), limits, Arc::clone(&app.observer));
    // The buffer is larger than the limit, so that most oversized requests still get an explanation.
    let buffer_bytes = (limits.max_header_bytes.saturating_mul(2)).max(MIN_BUFFER_BYTES);
    // `Watched` applies both timeouts. This sum only wakes hyper after a response has ended.
    let longest_wait = limits
        .keep_alive_timeout
        .saturating_add(limits.header_timeout);
    let service = service_fn(move |request| {
        let served = respond(Arc::clone(&app), request, activity.serve());
        async move { Ok::<_, Infallible>(served.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer)
        .keep_alive(keep_alive)
        .header_read_timeout(longest_wait)
        .max_buf_size(buffer_bytes)
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
        // Clients that disconnect and malformed requests: an operator can do nothing about either.
        tracing::debug!("a connection ended: {error}");
    }
}

/// Wait until draining begins. A dropped sender means the same.
async fn begun(draining: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not be held across an await.
    drop(draining.wait_for(|draining| *draining).await);
}
