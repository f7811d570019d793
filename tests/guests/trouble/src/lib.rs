//! Does what the request's path says, most of it bad.

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
            "/early" => answer(out, 413, |stream| write(stream, b"too much")),
            "/late-trap" => answer(out, 200, |stream| {
                write(stream, b"half of");
                panic!("after the headers");
            }),
            "/late-spin" => answer(out, 200, |stream| {
                write(stream, b"half of");
                loop {
                    std::hint::spin_loop();
                }
            }),
            "/big" => answer(out, 200, |stream| {
                for part in 0..80_u8 {
                    write(stream, &vec![part; 1 << 16]);
                }
            }),
            "/echo" => {
                let body = request.consume().expect("the body is there");
                let input = body.stream().expect("its stream is there");
                answer(out, 200, |stream| {
                    loop {
                        match input.blocking_read(1 << 16) {
                            Ok(bytes) => write(stream, &bytes),
                            Err(StreamError::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
            // All of the body first, the answer then.
            "/read" => {
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
                answer(out, 200, |stream| write(stream, read.to_string().as_bytes()));
            }
            "/endless" => answer(out, 200, |stream| {
                loop {
                    write(stream, &[b'x'; 1 << 16]);
                }
            }),
            "/environment" => {
                let mut names: Vec<_> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
                names.sort();
                answer(out, 200, |stream| write(stream, names.join("\n").as_bytes()));
            }
            "/files" => {
                let report = [
                    format!("read: {:?}", std::fs::read_to_string("/data/file")),
                    format!("write: {}", std::fs::write("/data/file", "x").is_ok()),
                    format!("create: {}", std::fs::write("/data/new", "x").is_ok()),
                    format!("remove: {}", std::fs::remove_file("/data/file").is_ok()),
                    format!("leave: {}", std::fs::read("/data/../secret").is_ok()),
                    format!("root: {}", std::fs::read_dir("/").is_ok()),
                    format!("socket: {}", std::net::TcpStream::connect("127.0.0.1:9").is_ok()),
                ];
                answer(out, 200, |stream| write(stream, report.join("\n").as_bytes()));
            }
            // One more each time, unless every request has an instance of its own.
            "/count" => {
                use std::sync::atomic::{AtomicU32, Ordering};
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let count = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
                answer(out, 200, |stream| write(stream, count.as_bytes()));
            }
            _ => answer(out, 200, |stream| write(stream, b"well")),
        }
    }
}

fn answer(out: ResponseOutparam, status: u16, body: impl FnOnce(&OutputStream)) {
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
