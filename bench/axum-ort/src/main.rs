//! A bare server of one network: axum over ONNX Runtime, without the other features of a service.
//!
//! It is the ceiling in `cargo xtask bench servers`, so it uses the fastest known way everywhere: sessions that exist
//! before the first request, no copy of a raw body, SIMD for JSON and for resizing, and a build for this machine's CPU.
//! It serves only the benchmark's requests: `POST /infer/{model}` with a raw tensor or a JPEG, and
//! `POST /v2/models/{model}/infer` with JSON.
//!
//! A session of `ort` runs one inference at a time (`&mut self`), so there are two ways to use several cores: one
//! session whose threads share an inference, or one session per core. The threads of a session spin between inferences
//! by default, or sleep. The benchmark measures all of these.

mod forms;
mod sessions;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use forms::Form;
use sessions::Sessions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serve one network with axum and ONNX Runtime, whose library ORT_DYLIB_PATH names.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on
    #[arg(long)]
    listen: SocketAddr,
    /// ONNX file
    #[arg(long)]
    model: PathBuf,
    /// Name of the model in requests
    #[arg(long)]
    name: String,
    /// Sessions, each of which runs one inference at a time
    #[arg(long)]
    sessions: usize,
    /// Threads of each session
    #[arg(long)]
    threads: usize,
    /// Let the threads of a session sleep between inferences instead of spinning
    #[arg(long)]
    stop_spinning: bool,
}

/// The state that requests share.
struct Service {
    name: String,
    sessions: Sessions,
    /// Limits the requests in progress to the number of cores, since more would only wait for each other.
    permits: Arc<Semaphore>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cores = std::thread::available_parallelism()?.get();
    let service = Arc::new(Service {
        sessions: Sessions::load(&arguments)?,
        permits: Arc::new(Semaphore::new(arguments.sessions.max(cores))),
        name: arguments.name,
    });
    let paths = [
        format!("/infer/{}", service.name),
        format!("/v2/models/{}/infer", service.name),
    ];
    let mut router = Router::new();
    for path in &paths {
        router = router.route(path, post(infer));
    }
    let router = router
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(service);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("cannot listen on {}", arguments.listen))?
            // A response is one write, so delaying it gains nothing.
            .tap_io(|stream| _ = stream.set_nodelay(true));
        println!("serving http://{}", arguments.listen);
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn infer(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(form) = Form::of(&headers) else {
        return refuse("a content-type that is a tensor, JSON or a JPEG is expected");
    };
    let Ok(permit) = Arc::clone(&service.permits).acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let computed = tokio::task::spawn_blocking(move || {
        let answer = form.tensor(&body).and_then(|tensor| {
            let logits = service.sessions.run(&tensor)?;
            form.answer(&service.name, &logits)
        });
        drop(permit);
        answer
    });
    match computed.await {
        Ok(Ok(answer)) => ([(header::CONTENT_TYPE, form.answer_type())], answer).into_response(),
        Ok(Err(error)) => refuse(&format!("{error:#}")),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refuse(reason: &str) -> Response {
    (StatusCode::BAD_REQUEST, reason.to_owned()).into_response()
}
