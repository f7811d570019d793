//! An address of its own for whom the operator trusts: metrics, and whether the process lives and takes requests.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::io::TokioIo;

use crate::app::App;
use crate::observe::METRICS_CONTENT_TYPE;
use crate::timer::TokioTimer;

/// Scrapers and probes; others wait.
const MAX_CONNECTIONS: usize = 32;

/// Between two requests, or between a request's first byte and the end of its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);

/// How long to wait after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The admin address of an app's.
pub struct Admin {
    listener: TcpListener,
    app: Arc<App>,
}

impl Admin {
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

    /// Serve until this is dropped: while the server drains too, which is when it is asked most.
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
                    tracing::warn!("a connection to the admin address was refused: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection(app: Arc<App>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let response = answer(&app, &request);
        async move { Ok::<_, Infallible>(response) }
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

fn answer(app: &App, request: &Request<Incoming>) -> Response<Full<Bytes>> {
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
                tracing::error!("metrics cannot be written: {error}");
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
            let sentence = "there are /metrics, /healthz and /readyz\n";
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
