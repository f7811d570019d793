//! One request: a place in the queue, an instance, a response.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode};
use infer_routes::cors;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};

use crate::app::{App, Served};
use crate::control::{self, Call};
use crate::http::body::{Failed, RequestBody, ResponseBody, Stalled};
use crate::http::connection::Serving;
use crate::http::expect::Wanted;
use crate::http::pace::Pace;
use crate::instance::guest::{Ended, Guest, drop_later};
use crate::instance::guest_log::GuestLog;
use crate::instance::state::State;
use crate::observe::{Instantiated, Limit, ObservedBody, REQUEST_ID, Record};
use crate::response::{self, Asked, Body};
use crate::worker::Thread;

/// The readiness route, which the host answers itself while the server drains.
const READY: &str = "/v2/health/ready";

/// Prefix of the health routes, which keep their connection open while the server drains.
const HEALTH: &str = "/v2/health/";

type Handed = Result<Response<Body>, ErrorCode>;

/// Serve one request. Every failure becomes an error response.
pub(crate) async fn handle(
    app: Arc<App>,
    request: Request<Incoming>,
    serving: Serving,
) -> Response<Body> {
    let in_flight = app.drain.serve();
    let mut record = app.observer.begin(&request);
    let is_about_health = request.uri().path().starts_with(HEALTH);
    let asked = Asked::of(&request);
    let response = respond(&app, request, &mut record, serving.thread()).await;
    let mut response = for_request(&app, response, &asked);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, record.id().clone());
    if app.drain.is_closing() && !is_about_health {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    record.answered(&response);
    response.map(|body| ObservedBody::new(body, record, (serving, in_flight)).boxed_unsync())
}

/// Answer 503 on a connection over the limit.
pub(crate) async fn turn_away(
    app: Arc<App>,
    request: Request<Incoming>,
    serving: Serving,
) -> Response<Body> {
    let mut record = app.observer.begin(&request);
    let sentence = format!(
        "overloaded: {} connections are open",
        app.limits.max_connections
    );
    let asked = Asked::of(&request);
    let response = response::error(StatusCode::SERVICE_UNAVAILABLE, &sentence);
    let mut response = refuse(request, for_request(&app, response, &asked));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, record.id().clone());
    record.answered(&response);
    response.map(|body| ObservedBody::new(body, record, serving).boxed_unsync())
}

fn for_request(app: &App, response: Response<Body>, asked: &Asked) -> Response<Body> {
    let served = app.served();
    response::for_request(response, asked, served.environment.get(cors::VARIABLE))
}

async fn respond(
    app: &Arc<App>,
    request: Request<Incoming>,
    record: &mut Record,
    thread: &Thread,
) -> Response<Body> {
    let deadline = Instant::now() + app.limits.request_timeout;
    let header_bytes = header_bytes(&request);
    if header_bytes > app.limits.max_header_bytes {
        app.observer.metrics.limit(Limit::HeaderBytes);
        let sentence = format!(
            "the request line and headers have {header_bytes} bytes, expected at most {}",
            app.limits.max_header_bytes
        );
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return refuse(request, response::error(status, &sentence));
    }
    let path = request.uri().path();
    if path == READY && app.drain.is_draining() {
        let response = response::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is shutting down",
        );
        return refuse(request, response);
    }
    if app
        .control
        .as_ref()
        .is_some_and(|control| control.is_public)
        && let Some(call) = Call::of(request.method(), path)
    {
        let call = call.map(|call| (call, Arc::clone(app)));
        return control::answer(call, request).await;
    }
    let served = app.served();
    if !served.manifest.has_route(path) {
        let sentence = format!("no route for `{path}`");
        return refuse(request, response::error(StatusCode::NOT_FOUND, &sentence));
    }
    let Ok(place) = Arc::clone(&app.places).try_acquire_owned() else {
        app.observer.metrics.limit(Limit::Queue);
        let sentence = format!(
            "overloaded: {} requests are running or queued",
            app.limits.max_instances + app.limits.max_waiting
        );
        return refuse(
            request,
            response::error(StatusCode::SERVICE_UNAVAILABLE, &sentence),
        );
    };
    let Ok(Ok(permit)) = timeout_at(deadline, Arc::clone(&app.instances).acquire_owned()).await
    else {
        app.observer.metrics.limit(Limit::RequestTime);
        return refuse(request, timed_out(app));
    };
    record.queued();

    let id = record.id_text().to_owned();
    let (sender, mut receiver) = oneshot::channel::<Handed>();
    let failed = Failed::default();
    let stalled = Stalled::default();
    let wanted = Wanted::of(&request);
    let request = prepare(app, request, record, &stalled, wanted.clone());
    let mut guest = Guest::new({
        let app = Arc::clone(app);
        let id = id.clone();
        let instantiated = record.instantiated();
        let thread = thread.clone();
        let failed = failed.clone();
        async move {
            let log = GuestLog::new(&id);
            let running = run(
                &app,
                &served,
                log,
                request,
                sender,
                &failed,
                instantiated,
                thread,
            );
            let ended = tokio::select! {
                biased;
                () = stalled.notified() => Ended::Stalled,
                ended = timeout_at(deadline, running) => match ended {
                    Ok(Ok(store)) => {
                        drop_later((store, permit, place));
                        return Ended::Done;
                    }
                    Ok(Err(error)) => Ended::Trapped(error),
                    Err(_) => Ended::TimedOut,
                },
            };
            match &ended {
                Ended::Trapped(error) => {
                    tracing::error!(request = id, "the component failed: {error:?}")
                }
                Ended::TimedOut => {
                    app.observer.metrics.limit(Limit::RequestTime);
                    tracing::error!(request = id, "the component ran out of time")
                }
                Ended::Stalled => app.observer.metrics.limit(Limit::BodyTime),
                Ended::Done | Ended::Panicked => {}
            }
            // Release both before an error response is sent, so that the next request can start.
            drop((permit, place));
            ended
        }
    });
    // A client that disconnects stops the guest, because hyper drops this future or the response body.
    let handed = tokio::select! {
        biased;
        () = guest.end() => receiver.try_recv().ok(),
        handed = &mut receiver => handed.ok(),
    };
    match handed {
        Some(Ok(mut response)) => {
            if let Some(wanted) = wanted {
                let body = std::mem::take(response.body_mut());
                *response.body_mut() = wanted.before(&mut guest, body).await;
            }
            stream(app, response, &id, failed, guest)
        }
        Some(Err(code)) => {
            tracing::error!(
                request = id,
                "the component returned an error instead of a response: {code:?}"
            );
            response::internal_error(&id)
        }
        None => {
            guest.end().await;
            match guest.ended() {
                Some(Ended::TimedOut) => timed_out(app),
                Some(Ended::Stalled) => stalled_body(app),
                Some(Ended::Trapped(error)) if error.is::<MemoryExceeded>() => response::error(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "the request needs more memory than an instance may have; send a smaller input or batch",
                ),
                Some(Ended::Trapped(_)) => response::internal_error(&id),
                Some(Ended::Panicked) => {
                    tracing::error!(request = id, "the host panicked while it ran the component");
                    response::internal_error(&id)
                }
                Some(Ended::Done) | None => {
                    tracing::error!(request = id, "the component returned without a response");
                    response::internal_error(&id)
                }
            }
        }
    }
}

/// The request as the guest sees it.
fn prepare(
    app: &App,
    mut request: Request<Incoming>,
    record: &Record,
    stalled: &Stalled,
    wanted: Option<Wanted>,
) -> Request<RequestBody> {
    let headers = request.headers_mut();
    headers.insert(REQUEST_ID, record.id().clone());
    // HTTP/1.0 has no `Host` header, but wasi:http requires an authority.
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("localhost"));
    }
    let pace = Pace::new(app.limits.body_timeout, app.limits.min_bytes_per_second);
    request.map(|incoming| {
        RequestBody::new(incoming, wanted).watched(
            pace,
            record.request_bytes(),
            Arc::clone(stalled),
        )
    })
}

/// An instance that reached its memory limit, which is in bytes.
#[derive(Debug, thiserror::Error)]
#[error("it exceeded its memory limit of {0} bytes (raise it with --instance-memory-mib)")]
struct MemoryExceeded(usize);

/// Run the request in an instance of its own. Returns the store of a guest that returned.
#[expect(
    clippy::too_many_arguments,
    reason = "all of them belong to one request"
)]
async fn run(
    app: &App,
    served: &Served,
    log: GuestLog,
    request: Request<RequestBody>,
    sender: oneshot::Sender<Handed>,
    failed: &Failed,
    instantiated: Instantiated,
    thread: Thread,
) -> wasmtime::Result<Store<State>> {
    let begun = std::time::Instant::now();
    let state = State::new(
        log,
        &served.environment,
        &served.manifest.mounts,
        app.limits.instance_memory_bytes,
        app.observer.metrics.memory(),
        served.graphs.clone(),
        thread,
    )?;
    let mut store = Store::new(app.engine(), state);
    let mut ending = failed.unless_done();
    store.limiter(|state| &mut state.memory);
    // A guest yields once per epoch, so that other requests get their turn and the timeout around this future
    // can drop it.
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let request = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    let proxy = served.proxy.instantiate_async(&mut store).await?;
    instantiated.since(begun);
    let called = proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut store, request, out)
        .await;
    ending.is_done = called.is_ok();
    match called {
        Ok(()) => Ok(store),
        Err(error) if store.data().memory.is_reached => {
            app.observer.metrics.limit(Limit::Memory);
            Err(error.context(MemoryExceeded(app.limits.instance_memory_bytes)))
        }
        Err(error) => Err(error),
    }
}

/// Stream the guest's response, up to the size limit.
fn stream(
    app: &Arc<App>,
    response: Response<Body>,
    id: &str,
    failed: Failed,
    guest: Guest,
) -> Response<Body> {
    let limit = app.limits.max_answer_bytes;
    let on_too_long = {
        let (app, id) = (Arc::clone(app), id.to_owned());
        move || {
            app.observer.metrics.limit(Limit::AnswerBytes);
            tracing::error!(
                request = id,
                "response truncated at {limit} bytes (raise the limit with --max-answer-bytes)"
            );
        }
    };
    response.map(|body| {
        ResponseBody {
            body,
            failed,
            left_bytes: limit,
            on_too_long: Box::new(on_too_long),
            _guest: guest.go_on(),
        }
        .boxed_unsync()
    })
}

fn timed_out(app: &App) -> Response<Body> {
    let sentence = format!(
        "the request took longer than its time limit of {} ms",
        app.limits.request_timeout.as_millis()
    );
    response::error(StatusCode::GATEWAY_TIMEOUT, &sentence)
}

fn stalled_body(app: &App) -> Response<Body> {
    let sentence = format!(
        "the body arrived too slowly: expected no pause of {} ms, and at least {} bytes per second",
        app.limits.body_timeout.as_millis(),
        app.limits.min_bytes_per_second
    );
    let mut response = response::error(StatusCode::REQUEST_TIMEOUT, &sentence);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// Respond without a guest. The request body is drained as if a guest had not read it.
fn refuse(request: Request<Incoming>, response: Response<Body>) -> Response<Body> {
    let wanted = Wanted::of(&request);
    drop(RequestBody::new(request.into_body(), wanted));
    response
}

/// The size of the request line and headers as sent, without optional white space.
fn header_bytes<B>(request: &Request<B>) -> usize {
    const VERSION_AND_SPACES: usize = " HTTP/1.1\r\n".len() + 1;
    const COLON_SPACE_AND_END: usize = ": \r\n".len();
    let target = request
        .uri()
        .path_and_query()
        .map_or(1, |path| path.as_str().len());
    let line = request.method().as_str().len() + target + VERSION_AND_SPACES;
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| name.as_str().len() + value.len() + COLON_SPACE_AND_END);
    line + headers.sum::<usize>() + "\r\n".len()
}
