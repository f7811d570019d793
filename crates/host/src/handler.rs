//! One request: a place in the queue, an instance, an answer.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{EXPECT, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};

use crate::answer::{self, Body};
use crate::app::App;
use crate::body::{Failed, RequestBody, ResponseBody, StopOnDrop};
use crate::state::State;

/// How a guest ended that was not stopped.
enum Ended {
    /// It returned.
    Done,
    /// It trapped, or could not be made.
    Trapped(wasmtime::Error),
    /// Its time was up.
    TimedOut,
}

type Handed = Result<Response<Body>, ErrorCode>;

/// Serve one request. Never fails: what goes wrong becomes an answer.
pub(crate) async fn handle(app: Arc<App>, request: Request<Incoming>) -> Response<Body> {
    let deadline = Instant::now() + app.limits.request_timeout;
    let id = format!("{:x}-{:x}", std::process::id(), app.next_request());
    let path = request.uri().path();
    if !app.manifest.has_route(path) {
        let sentence = format!("no route for `{path}`");
        return refuse(request, answer::error(StatusCode::NOT_FOUND, &sentence));
    }
    let Ok(place) = Arc::clone(&app.places).try_acquire_owned() else {
        let sentence = format!(
            "overloaded: {} requests are being served or waiting",
            app.limits.max_instances + app.limits.max_waiting
        );
        return refuse(
            request,
            answer::error(StatusCode::SERVICE_UNAVAILABLE, &sentence),
        );
    };
    let Ok(Ok(permit)) = timeout_at(deadline, Arc::clone(&app.instances).acquire_owned()).await
    else {
        return refuse(request, timed_out(&app));
    };

    let (sender, receiver) = oneshot::channel::<Handed>();
    let failed = Failed::default();
    let task = tokio::spawn({
        let app = Arc::clone(&app);
        let failed = failed.clone();
        let id = id.clone();
        async move {
            let ended = match timeout_at(deadline, run(&app, request, sender, &failed)).await {
                Ok(Ok(())) => Ended::Done,
                Ok(Err(error)) => Ended::Trapped(error),
                Err(_) => Ended::TimedOut,
            };
            match &ended {
                Ended::Done => {}
                Ended::Trapped(error) => {
                    tracing::error!(request = id, "the component failed: {error:?}")
                }
                Ended::TimedOut => tracing::error!(request = id, "the component's time was up"),
            }
            // Given back before the answer to a failure: the next request may have them.
            drop((permit, place));
            ended
        }
    });
    // From here on a client that goes away stops the guest, since this future is dropped then.
    let guest = StopOnDrop(task.abort_handle());
    match receiver.await {
        Ok(Ok(response)) => response.map(|body| {
            ResponseBody {
                body,
                failed,
                _guest: guest,
            }
            .boxed_unsync()
        }),
        Ok(Err(code)) => {
            tracing::error!(
                request = id,
                "the component gave an error instead of an answer: {code:?}"
            );
            answer::internal_error(&id)
        }
        Err(_) => match task.await {
            Ok(Ended::TimedOut) => timed_out(&app),
            Ok(Ended::Done) => {
                tracing::error!(request = id, "the component ended without an answer");
                answer::internal_error(&id)
            }
            Ok(Ended::Trapped(_)) => answer::internal_error(&id),
            Err(error) => {
                tracing::error!(request = id, "the host failed: {error}");
                answer::internal_error(&id)
            }
        },
    }
}

/// A fresh instance for the request; it is gone when this returns.
async fn run(
    app: &App,
    mut request: Request<Incoming>,
    sender: oneshot::Sender<Handed>,
    failed: &Failed,
) -> wasmtime::Result<()> {
    // HTTP/1.0 has no `Host`, and wasi:http wants an authority.
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("localhost"));
    }
    let waits_for_continue = request.headers().contains_key(EXPECT);
    let request = request.map(|incoming| RequestBody::new(incoming, waits_for_continue));
    let state = State::new(
        &app.environment,
        &app.manifest.mounts,
        app.limits.instance_memory_bytes,
        app.graphs.clone(),
    )?;
    let mut store = Store::new(app.engine(), state);
    let mut ending = failed.unless_done();
    store.limiter(|state| &mut state.memory);
    // A guest that computes gives way once an epoch: other requests get their turn, and the timeout
    // around this future gets its chance to drop it.
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let request = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    let proxy = app.proxy.instantiate_async(&mut store).await?;
    let called = proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut store, request, out)
        .await;
    ending.is_done = called.is_ok();
    if called.is_err() && store.data().memory.is_reached {
        return called.map_err(|error| {
            error.context(format!(
                "it was refused memory beyond {} bytes",
                app.limits.instance_memory_bytes
            ))
        });
    }
    called
}

fn timed_out(app: &App) -> Response<Body> {
    let sentence = format!(
        "the time limit of {} ms passed",
        app.limits.request_timeout.as_millis()
    );
    answer::error(StatusCode::GATEWAY_TIMEOUT, &sentence)
}

/// Answer without a guest; the body is read as a guest's would be that was not wanted.
fn refuse(request: Request<Incoming>, response: Response<Body>) -> Response<Body> {
    let waits_for_continue = request.headers().contains_key(EXPECT);
    drop(RequestBody::new(request.into_body(), waits_for_continue));
    response
}
