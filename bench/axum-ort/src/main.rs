//! A bare server of one network: axum over ONNX Runtime, without anything that a service has beside.
//!
//! It is the ceiling in `cargo xtask bench servers`, so everything in it is the fastest that is known:
//! sessions that are there before the first request, no copy of a raw body, SIMD for JSON and for
//! resizing, a build for this very processor. It answers what that benchmark asks, and no more:
//! `POST /infer/{model}` with a raw tensor or a JPEG, `POST /v2/models/{model}/infer` with JSON.
//!
//! `ort`'s sessions run one inference at a time (`&mut self`), so that there are two ways to use a
//! machine with several cores: one session whose threads share an inference, and a session a core. The
//! threads of a session may spin between inferences, which is the default, or sleep. The benchmark measures
//! all of these.

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
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The ONNX file
    #[arg(long)]
    model: PathBuf,
    /// The model's name in requests
    #[arg(long)]
    name: String,
    /// Sessions, each of which runs one inference at a time
    #[arg(long)]
    sessions: usize,
    /// Threads of each session
    #[arg(long)]
    threads: usize,
    /// Let a session's threads sleep between inferences instead of spinning until the next
    #[arg(long)]
    stop_spinning: bool,
}

/// What requests share.
struct Service {
    name: String,
    sessions: Sessions,
    /// Requests that are worked on: more than there are cores would only wait for each other.
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
            // An answer is one write; nothing is gained by waiting for more.
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
