//! Connections.

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

use crate::answer::Body;
use crate::app::App;
use crate::awake::Awake;
use crate::connection::{Activity, Serving, Watched};
use crate::handler::{handle, turn_away};
use crate::observe::Limit;
use crate::timer::TokioTimer;
use crate::worker::{Thread, Workers};

/// How long to wait after the system refused a connection (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections beyond the limit that are told so at the same time; more are just closed.
const MAX_TURNED_AWAY: usize = 64;

/// How long a connection that is turned away may take to ask.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(2);

/// hyper's smallest buffer.
const LEAST_BUFFER_BYTES: usize = 8 * 1024;

/// A bound address and what is served at it.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    /// One permit a connection that is turned away.
    turning_away: Arc<Semaphore>,
    /// Where a library computes. They end when this is dropped, after the connections.
    workers: Option<Workers>,
}

/// What is done for every connection of a server's.
struct Connections {
    tasks: JoinSet<()>,
    draining: watch::Sender<bool>,
}

impl Server {
    /// Bind the address; port 0 takes a free one.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(address: SocketAddr, app: Arc<App>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let workers = (app.graphs.as_ref())
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
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serve until `stop` is ready, and drain: for the drain delay serve on, but say that the server is not
    /// ready; then take no more connections and let running requests end, for no longer than the drain
    /// timeout, while connections that are open may still ask; then close them, and return.
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
                        tracing::warn!("a connection was refused: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.tasks.join_next() => {}
            }
        }
    }

    /// Serve a connection, if there is a place for it.
    fn begin(&self, stream: TcpStream, connections: &mut Connections) {
        let app = Arc::clone(&self.app);
        let draining = connections.draining.subscribe();
        if let Ok(place) = Arc::clone(&app.connections).try_acquire_owned() {
            let serve = move |stream, thread| async move {
                let connection = connection(app, stream, thread, draining, true, handle);
                Awake::new(pin!(connection)).await;
                drop(place);
            };
            let tasks = &mut connections.tasks;
            match &self.workers {
                None => _ = tasks.spawn(serve(stream, Thread::default())),
                Some(workers) => {
                    if let Err(error) = workers.spawn(tasks, stream, serve) {
                        tracing::warn!("a connection was lost: {error}");
                    }
                }
            }
            return;
        }
        app.observer.metrics.limit(Limit::Connections);
        let Ok(place) = Arc::clone(&self.turning_away).try_acquire_owned() else {
            return;
        };
        connections.tasks.spawn(async move {
            let thread = Thread::default();
            let asked = connection(app, stream, thread, draining, false, turn_away);
            _ = tokio::time::timeout(TURN_AWAY_TIMEOUT, asked).await;
            drop(place);
        });
    }
}

async fn connection<F>(
    app: Arc<App>,
    stream: TcpStream,
    thread: Thread,
    mut draining: watch::Receiver<bool>,
    keep_alive: bool,
    answer: fn(Arc<App>, Request<Incoming>, Serving) -> F,
) where
    F: Future<Output = Response<Body>>,
{
    // Answers are written whole; waiting to fill a segment only delays them.
    _ = stream.set_nodelay(true);
    let activity = Activity::on(thread);
    let limits = &app.limits;
    let stream = Watched::new(stream, activity.clone(), limits, Arc::clone(&app.observer));
    // The buffer takes more than the limit, so that most of who passes that can be told in words.
    let buffer_bytes = (limits.max_header_bytes.saturating_mul(2)).max(LEAST_BUFFER_BYTES);
    // Only to have hyper look again when an answer has ended: the stream has these limits, each of its own.
    let longest_wait = limits
        .keep_alive_timeout
        .saturating_add(limits.header_timeout);
    let service = service_fn(move |request| {
        let served = answer(Arc::clone(&app), request, activity.serve());
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
        // Clients that go away and malformed requests: nothing that the operator could mend.
        tracing::debug!("a connection ended: {error}");
    }
}

/// Wait until draining begins (or the server is gone, which is the same).
async fn begun(draining: &mut watch::Receiver<bool>) {
    // The guard of the value that is returned must not live on across an await.
    drop(draining.wait_for(|draining| *draining).await);
}
