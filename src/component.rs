//! The entry on Wasm: `wasi:http/incoming-handler`, through the Spin SDK, for every host of wasi:http 0.2; and the setup
//! that a build calls before the snapshot.

use std::cell::RefCell;

use infer_routes::ErrorForm;
use infer_snapshot_alloc::ClearingAllocator;
use spin_sdk::http::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use spin_sdk::http_component;
use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::bindings;
use crate::bindings::exports::infer::component::setup;
use crate::catalog::{Files, Models};
use crate::http::cors;
use crate::http::error::ApiError;
use crate::http::limits::{self, MAX_BODY_BYTES};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;
use crate::run::nn_wasi::WasiNn;

#[global_allocator]
static ALLOCATOR: ClearingAllocator<std::alloc::System> =
    ClearingAllocator::new(std::alloc::System);

thread_local! {
    static MODELS: RefCell<Models> = const { RefCell::new(Models::new()) };
}

struct Component;
bindings::export!(Component with_types_in bindings);

impl setup::Guest for Component {
    fn add_model(name: String, card: String, files: setup::Files) -> Result<(), String> {
        let files = Files {
            labels: files.labels.as_deref(),
            tokenizer: files.tokenizer.as_deref(),
            example: files.example.as_deref(),
        };
        MODELS
            .with_borrow_mut(|models| models.add(&name, &card, files))
            .map_err(|error| error.to_string())
    }

    fn seal() -> u64 {
        ALLOCATOR.seal(SPARE_BYTES) as u64
    }
}

/// The free memory of a new instance: enough for an image, or for its tensor as JSON and as floats.
const SPARE_BYTES: usize = 4 * 1024 * 1024;

/// The most bytes of a stream that one call reads. A host returns what it has, so a larger limit means fewer calls.
const READ_BYTES: u64 = 1024 * 1024;

/// The most bytes that one call writes to a stream.
const WRITE_BYTES: u64 = 64 * 1024;

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let head = read_head(&request);
    let mut timing = Timing::default();
    let settings =
        Settings::read(environment_variable).map_err(|error| ApiError::internal(error.to_string()));
    let origins = settings.as_ref().ok();
    let origins = origins.and_then(|settings| settings.cors_origins.clone());
    let result = settings.and_then(|settings| {
        MODELS.with_borrow(|models| serve(&head, request, models, &settings, &mut timing))
    });
    let mut response = result.unwrap_or_else(|error| {
        let id = head
            .request_id()
            .map_or_else(random_request_id, str::to_owned);
        if error.kind().status() == 500 {
            eprintln!("request {id}: {error}");
        }
        error.into_response(&id, ErrorForm::of(&head.path))
    });
    if let Some(header) = timing.header() {
        response = response.with("Server-Timing", header);
    }
    send(cors::allow(response, &head, origins.as_ref()), out);
}

fn serve(
    head: &Head,
    request: IncomingRequest,
    models: &Models,
    settings: &Settings,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let plan = Plan::new(head, models, settings)?;
    let body = if plan.takes_body() {
        read_body(request, head, settings)?
    } else {
        Vec::new()
    };
    let backend = WasiNn {
        datatypes: settings.nn_datatypes.clone(),
    };
    plan.respond(body, &backend, timing)
}

/// Read an environment variable of the host. `std` would remember the environment of the snapshot's build.
fn environment_variable(name: &str) -> Option<String> {
    wasi::cli::environment::get_environment()
        .into_iter()
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn random_request_id() -> String {
    format!("{:016x}", wasi::random::random::get_random_u64())
}

fn read_head(request: &IncomingRequest) -> Head {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    };
    let target = request.path_with_query().unwrap_or_default();
    let headers = request
        .headers()
        .entries()
        .into_iter()
        // No header that the service reads has bytes beyond ASCII.
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    Head::new(&method, &target, headers)
}

/// Read the body, up to the first byte over the limit.
fn read_body(
    request: IncomingRequest,
    head: &Head,
    settings: &Settings,
) -> Result<Vec<u8>, ApiError> {
    let incomplete = |reason: &str| ApiError::invalid(format!("the body is incomplete: {reason}"));
    let incoming = request
        .consume()
        .map_err(|()| ApiError::internal("the host has already handed out the body"))?;
    let stream: InputStream = incoming
        .stream()
        .map_err(|()| ApiError::internal("the host has already handed out the body's stream"))?;
    let limit = usize::try_from(settings.limits.max_body_bytes).unwrap_or(usize::MAX);
    // The declared length is a hint, and allocates no more than the limit.
    let hint = head
        .content_length()?
        .and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(hint.unwrap_or_default().min(limit));
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(incomplete(&error.to_debug_string()));
            }
        }
        if body.len() > limit {
            return Err(limits::exceeded(
                format_args!("the body has more than {limit} bytes, and was not read to its end"),
                MAX_BODY_BYTES,
            ));
        }
    }
    match hint {
        Some(declared) if declared != body.len() => Err(incomplete(&format!(
            "`Content-Length` is {declared}, got {} bytes",
            body.len()
        ))),
        _ => Ok(body),
    }
}

/// Send the head of the response, then stream its body: a host buffers little, and reads no body before the head.
fn send(response: Response, out: ResponseOutparam) {
    let mut headers: Vec<(String, Vec<u8>)> = response
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into_bytes()))
        .collect();
    // The length of a 304 would be that of the response which it replaces, and a 204 has none (RFC 9110, section 8.6).
    if !matches!(response.status, 204 | 304) {
        let length = response.body.len().to_string();
        headers.push(("Content-Length".to_owned(), length.into_bytes()));
    }
    let fields = Fields::from_list(&headers).unwrap_or_else(|error| {
        eprintln!("the host refuses the headers {headers:?}: {error:?}");
        Fields::new()
    });
    let outgoing = OutgoingResponse::new(fields);
    if outgoing.set_status_code(response.status).is_err() {
        eprintln!("the host refuses the status {}", response.status);
    }
    let body = outgoing.body();
    out.set(outgoing);
    let Ok(body) = body else {
        eprintln!("the host has already handed out the response's body");
        return;
    };
    // A client that disconnects is not an error, and the host knows of it.
    let written = body
        .write()
        .is_ok_and(|stream| write(&stream, &response.body).is_ok());
    if written && OutgoingBody::finish(body, None).is_err() {
        eprintln!("the response was not sent completely");
    }
}

fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let allowed = stream.check_write()?.min(WRITE_BYTES);
        if allowed == 0 {
            stream.subscribe().block();
            continue;
        }
        let length = usize::try_from(allowed)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (chunk, rest) = bytes.split_at(length);
        stream.write(chunk)?;
        bytes = rest;
    }
    stream.blocking_flush()
}
