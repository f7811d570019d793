//! Misbehaves as the request's path says.

mod mount;
mod secrets;

use std::time::{Duration, Instant};

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasi::io::streams::{OutputStream, StreamError};

struct Trouble;
wasi::http::proxy::export!(Trouble);

impl Guest for Trouble {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        match path.as_str() {
            "/trap" => panic!("on purpose"),
            "/spin" => loop {
                std::hint::spin_loop();
            },
            "/hog" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1_u8; 1 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            "/silent" => drop(out),
            "/early" => respond(out, 413, |stream| write(stream, b"too much")),
            "/late-trap" => respond(out, 200, |stream| {
                write(stream, b"half of");
                panic!("after the headers");
            }),
            "/late-spin" => respond(out, 200, |stream| {
                write(stream, b"half of");
                loop {
                    std::hint::spin_loop();
                }
            }),
            "/big" => respond(out, 200, |stream| {
                for part in 0..80_u8 {
                    write(stream, &vec![part; 1 << 16]);
                }
            }),
            // Begins its response before it reads. "/late-echo" gives the host time to send the headers.
            "/echo" | "/late-echo" => {
                let body = request.consume().expect("the body is there");
                let input = body.stream().expect("its stream is there");
                respond(out, 200, |stream| {
                    if path == "/late-echo" {
                        compute_for(Duration::from_millis(100));
                    }
                    loop {
                        match input.blocking_read(1 << 16) {
                            Ok(bytes) => write(stream, &bytes),
                            Err(StreamError::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
            // Like "/read", but with all of the memory in use.
            "/full" => {
                let hoard = hoard();
                read(request, out);
                drop(std::hint::black_box(hoard));
            }
            // Reads the body before it responds.
            "/read" => read(request, out),
            "/endless" => respond(out, 200, |stream| {
                loop {
                    write(stream, &[b'x'; 1 << 16]);
                }
            }),
            "/environment" => respond(out, 200, |stream| {
                let mut report: Vec<_> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
                report.sort();
                report.push(format!("arguments: {:?}", wasi::cli::environment::get_arguments()));
                report.push(format!("folder: {:?}", wasi::cli::environment::initial_cwd()));
                let input = wasi::cli::stdin::get_stdin().blocking_read(1);
                report.push(format!("input: {input:?}"));
                write(stream, report.join("\n").as_bytes());
            }),
            "/files" => respond(out, 200, |stream| write(stream, mount::report().as_bytes())),
            // Responds with more than 0 if an earlier request ran in the same instance.
            "/count" => {
                use std::sync::atomic::{AtomicU32, Ordering};
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let count = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
                respond(out, 200, |stream| write(stream, count.as_bytes()));
            }
            // The health routes.
            "/" | "/v2/health/ready" | "/v2/health/live" => respond(out, 200, |stream| write(stream, b"well")),
            // The query contains the secret to hide or to seek.
            path => match secrets::parse(path) {
                Some((action, secret)) => secret_action(action, secret, request, out),
                None => respond(out, 404, |stream| write(stream, b"what?")),
            },
        }
    }
}

/// Allocate all memory that the host grants, except for the amount that a response needs.
fn hoard() -> Vec<Vec<u8>> {
    const PART: usize = 1 << 20;
    let mut hoard = Vec::new();
    loop {
        let mut part = Vec::new();
        if part.try_reserve_exact(PART).is_err() {
            hoard.truncate(hoard.len().saturating_sub(2));
            return hoard;
        }
        part.resize(PART, 1);
        hoard.push(std::hint::black_box(part));
    }
}

/// Compute for longer than the epoch after which a guest yields.
fn compute_for(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn read(request: IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is there");
    let input = body.stream().expect("its stream is there");
    let mut read = 0;
    loop {
        match input.blocking_read(1 << 16) {
            Ok(bytes) => read += bytes.len(),
            Err(StreamError::Closed) => break,
            Err(error) => panic!("{error}"),
        }
    }
    respond(out, 200, |stream| write(stream, read.to_string().as_bytes()));
}

fn secret_action(
    action: &str,
    secret: secrets::Masked,
    request: IncomingRequest,
    out: ResponseOutparam,
) {
    if action != "seek" {
        secrets::hide(secret);
    }
    match action {
        "hide-and-trap" => panic!("on purpose"),
        "hide-and-spin" => loop {
            std::hint::spin_loop();
        },
        // Runs until the client has sent its body.
        "hide-and-wait" => {
            let body = request.consume().expect("the body is there");
            let input = body.stream().expect("its stream is there");
            respond(out, 200, |stream| {
                write(stream, b"hidden");
                while input.blocking_read(1).is_ok() {}
            });
        }
        "hide" => respond(out, 200, |stream| write(stream, b"hidden")),
        "seek" | "hide-and-seek" => {
            let found = secrets::seek(secret).to_string();
            respond(out, 200, |stream| write(stream, found.as_bytes()));
        }
        _ => respond(out, 404, |stream| write(stream, b"what?")),
    }
}

fn respond(out: ResponseOutparam, status: u16, body: impl FnOnce(&OutputStream)) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a valid status");
    let outgoing = response.body().expect("the body is there");
    ResponseOutparam::set(out, Ok(response));
    let stream = outgoing.write().expect("its stream is there");
    body(&stream);
    drop(stream);
    OutgoingBody::finish(outgoing, None).expect("nothing is missing");
}

fn write(stream: &OutputStream, bytes: &[u8]) {
    for chunk in bytes.chunks(4096) {
        stream.blocking_write_and_flush(chunk).expect("somebody reads");
    }
}
