//! The admin address: metrics, liveness and readiness, for the operator's own network.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::io::TokioIo;

use crate::app::App;
use crate::control::{self, Call};
use crate::http::timer::TokioTimer;
use crate::observe::METRICS_CONTENT_TYPE;

/// Concurrent connections of scrapers and probes; further ones wait.
const MAX_CONNECTIONS: usize = 32;

/// Time between two requests, and from a request's first byte to the end of its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);

/// Pause after a failed `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The admin address of an app.
pub struct Admin {
    listener: TcpListener,
    app: Arc<App>,
}

impl Admin {
    /// Bind the address; port 0 picks a free one.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(address: SocketAddr, app: Arc<App>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, app })
    }

    /// The bound address.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serve until the future is dropped, and also while the server drains, when probes matter most.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let app = Arc::clone(&self.app);
                    tokio::spawn(async move {
                        connection(app, stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection to the admin address: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection(app: Arc<App>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let app = Arc::clone(&app);
        async move {
            Ok::<_, Infallible>(match Call::of(request.method(), request.uri().path()) {
                Some(call) => control::answer(call.map(|call| (call, app)), request).await,
                None => respond(&app, &request).map(|body| {
                    let body = body.map_err(|never| match never {});
                    body.boxed_unsync()
                }),
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer)
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection to the admin address ended: {error}");
    }
}

fn respond(app: &App, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text = "text/plain; charset=utf-8";
    let (status, content_type, body) = match request.uri().path() {
        "/metrics" | "/healthz" | "/readyz"
            if !matches!(*request.method(), Method::GET | Method::HEAD) =>
        {
            (
                StatusCode::METHOD_NOT_ALLOWED,
                text,
                "expected GET or HEAD\n".to_owned(),
            )
        }
        "/metrics" => match app.observer.metrics.encode(app.now()) {
            Ok(metrics) => (StatusCode::OK, METRICS_CONTENT_TYPE, metrics),
            Err(error) => {
                tracing::error!("cannot encode the metrics: {error}");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    text,
                    "internal error\n".to_owned(),
                )
            }
        },
        "/healthz" => (StatusCode::OK, text, "live\n".to_owned()),
        "/readyz" if app.drain.is_draining() => (
            StatusCode::SERVICE_UNAVAILABLE,
            text,
            "stopping\n".to_owned(),
        ),
        "/readyz" => (StatusCode::OK, text, "ready\n".to_owned()),
        _ => {
            let sentence = "unknown path, expected /metrics, /healthz or /readyz\n";
            (StatusCode::NOT_FOUND, text, sentence.to_owned())
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
