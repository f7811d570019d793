//! One request: a place in the queue, an instance, an answer.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};

use crate::answer::{self, Body};
use crate::app::App;
use crate::body::{Failed, RequestBody, ResponseBody, Stalled};
use crate::connection::Serving;
use crate::guest::{Ended, Guest, drop_later};
use crate::guest_log::GuestLog;
use crate::observe::{Instantiated, Limit, ObservedBody, REQUEST_ID, Record};
use crate::pace::Pace;
use crate::state::State;
use crate::worker::Thread;

/// What a load balancer asks, and the host answers itself while the server stops.
const READY: &str = "/v2/health/ready";

/// Routes below this are about the server: they neither end a connection nor are worth a place's loss.
const HEALTH: &str = "/v2/health/";

type Handed = Result<Response<Body>, ErrorCode>;

/// Serve one request. Never fails: what goes wrong becomes an answer.
pub(crate) async fn handle(
    app: Arc<App>,
    request: Request<Incoming>,
    serving: Serving,
) -> Response<Body> {
    let in_flight = app.drain.serve();
    let mut record = app.observer.begin(&request);
    let is_about_health = request.uri().path().starts_with(HEALTH);
    let mut response = answer(&app, request, &mut record, serving.thread()).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, record.id().clone());
    if app.drain.is_closing() && !is_about_health {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    record.answered(&response);
    response.map(|body| ObservedBody::new(body, record, (serving, in_flight)).boxed_unsync())
}

/// Refuse a request that came by one connection too many.
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
    let mut response = refuse(
        request,
        answer::error(StatusCode::SERVICE_UNAVAILABLE, &sentence),
    );
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, record.id().clone());
    record.answered(&response);
    response.map(|body| ObservedBody::new(body, record, serving).boxed_unsync())
}

async fn answer(
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
            "the request line and headers have {header_bytes} bytes, expected no more than {}",
            app.limits.max_header_bytes
        );
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return refuse(request, answer::error(status, &sentence));
    }
    let path = request.uri().path();
    if path == READY && app.drain.is_draining() {
        let response = answer::error(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
        return refuse(request, response);
    }
    if !app.manifest.has_route(path) {
        let sentence = format!("no route for `{path}`");
        return refuse(request, answer::error(StatusCode::NOT_FOUND, &sentence));
    }
    let Ok(place) = Arc::clone(&app.places).try_acquire_owned() else {
        app.observer.metrics.limit(Limit::Queue);
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
        app.observer.metrics.limit(Limit::RequestTime);
        return refuse(request, timed_out(app));
    };
    record.queued();

    let id = record.id_text().to_owned();
    let (sender, mut receiver) = oneshot::channel::<Handed>();
    let failed = Failed::default();
    let stalled = Stalled::default();
    let waits_for_continue = waits_for_continue(&request);
    let request = prepare(app, request, record, &stalled);
    let mut guest = Guest::new({
        let app = Arc::clone(app);
        let id = id.clone();
        let instantiated = record.instantiated();
        let thread = thread.clone();
        let failed = failed.clone();
        async move {
            let log = GuestLog::new(&id);
            let running = run(&app, log, request, sender, &failed, instantiated, thread);
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
                    tracing::error!(request = id, "the component's time was up")
                }
                Ended::Stalled => app.observer.metrics.limit(Limit::BodyTime),
                Ended::Done | Ended::Panicked => {}
            }
            // Given back before the answer to a failure: the next request may have them.
            drop((permit, place));
            ended
        }
    });
    // A client that goes away stops the guest, since this future or the answer's body is dropped then.
    let handed = tokio::select! {
        biased;
        () = guest.end() => receiver.try_recv().ok(),
        handed = &mut receiver => handed.ok(),
    };
    if waits_for_continue {
        // hyper asks for the body when it next reads, but not when it has answered: a guest may want both, in
        // whichever order.
        tokio::task::yield_now().await;
    }
    match handed {
        Some(Ok(response)) => pass_on(app, response, &id, failed, guest),
        Some(Err(code)) => {
            tracing::error!(
                request = id,
                "the component gave an error instead of an answer: {code:?}"
            );
            answer::internal_error(&id)
        }
        None => {
            guest.end().await;
            match guest.ended() {
                Some(Ended::TimedOut) => timed_out(app),
                Some(Ended::Stalled) => stalled_body(app),
                Some(Ended::Trapped(_)) => answer::internal_error(&id),
                Some(Ended::Panicked) => {
                    tracing::error!(request = id, "the host failed");
                    answer::internal_error(&id)
                }
                Some(Ended::Done) | None => {
                    tracing::error!(request = id, "the component ended without an answer");
                    answer::internal_error(&id)
                }
            }
        }
    }
}

/// The request as the guest has it.
fn prepare(
    app: &App,
    mut request: Request<Incoming>,
    record: &Record,
    stalled: &Stalled,
) -> Request<RequestBody> {
    let waits_for_continue = waits_for_continue(&request);
    let headers = request.headers_mut();
    headers.insert(REQUEST_ID, record.id().clone());
    // HTTP/1.0 has no `Host`, and wasi:http wants an authority.
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("localhost"));
    }
    let pace = Pace::new(app.limits.body_timeout, app.limits.min_bytes_per_second);
    request.map(|incoming| {
        RequestBody::new(incoming, waits_for_continue).watched(
            pace,
            record.request_bytes(),
            Arc::clone(stalled),
        )
    })
}

/// A fresh instance for the request. Of one that has returned, the store is left.
async fn run(
    app: &App,
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
        &app.environment,
        &app.manifest.mounts,
        app.limits.instance_memory_bytes,
        app.observer.metrics.memory(),
        app.graphs.clone(),
        thread,
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
            Err(error.context(format!(
                "it was refused memory beyond {} bytes",
                app.limits.instance_memory_bytes
            )))
        }
        Err(error) => Err(error),
    }
}

/// The guest's answer, within its limit.
fn pass_on(
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
            tracing::error!(request = id, "the answer was longer than {limit} bytes");
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
        "the time limit of {} ms passed",
        app.limits.request_timeout.as_millis()
    );
    answer::error(StatusCode::GATEWAY_TIMEOUT, &sentence)
}

fn stalled_body(app: &App) -> Response<Body> {
    let sentence = format!(
        "the body came too slowly: expected no pause of {} ms, and {} bytes a second beyond that",
        app.limits.body_timeout.as_millis(),
        app.limits.min_bytes_per_second
    );
    let mut response = answer::error(StatusCode::REQUEST_TIMEOUT, &sentence);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// Answer without a guest; the body is read as a guest's would be that was not wanted.
fn refuse(request: Request<Incoming>, response: Response<Body>) -> Response<Body> {
    let waits_for_continue = waits_for_continue(&request);
    drop(RequestBody::new(request.into_body(), waits_for_continue));
    response
}

/// Whether the client sends its body only when it is asked for it.
fn waits_for_continue<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(EXPECT)
}

/// Request line and headers as they were sent, but for spaces that have no meaning.
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
