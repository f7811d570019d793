//! A server that responds as a test says, and otherwise like a registry that has one component.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use infer_oci::Digest;

use crate::components::{anonymous, pull_fails, small};

/// A request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The head in lowercase.
    pub head: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    pub body: Vec<u8>,
}

/// What the server does with a request.
pub enum Reply {
    /// Send these bytes and close the connection.
    Bytes(Vec<u8>),
    /// Send these bytes, and the second ones until the client closes the connection.
    Endless(Vec<u8>, &'static [u8]),
    /// Send nothing until the client closes the connection.
    Silent,
}

/// A response with a length.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut text = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (text + "\r\n").into_bytes();
    bytes.extend(body);
    Reply::Bytes(bytes)
}

/// A response to HEAD.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Reply {
    reply(status, headers, b"")
}

/// The manifest and the config of [`small`], which the server has.
pub fn documents() -> (Vec<u8>, Vec<u8>) {
    let component = small();
    let digest = Digest::of(&component);
    let config = format!(r#"{{"architecture":"wasm","os":"wasip2","layerDigests":["{digest}"]}}"#);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/wasm","digest":"{digest}","size":{}}}]}}"#,
        Digest::of(config.as_bytes()),
        config.len(),
        component.len()
    );
    (manifest.into_bytes(), config.into_bytes())
}

/// The response of a registry that has one component, and accepts uploads.
pub fn good(seen: &Seen) -> Reply {
    let (manifest, config) = documents();
    let component = small();
    let path = seen.path.as_str();
    match seen.method.as_str() {
        "GET" if path.contains("/manifests/") => reply(200, &[], &manifest),
        "GET" if path.ends_with(Digest::of(&config).as_str()) => reply(200, &[], &config),
        "GET" if path.ends_with(Digest::of(&component).as_str()) => reply(200, &[], &component),
        "POST" => head(202, &[("Location", "/upload/1?state=a%3Db")]),
        "PUT" => head(201, &[]),
        _ => head(404, &[]),
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A server on a free port of 127.0.0.1, which ends with this value.
pub struct Faulty {
    /// `HOST:PORT`.
    pub address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Faulty {
    /// Start a server. `None` of the handler is [`good`].
    pub fn start(handler: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let handler: Arc<Handler> =
            Arc::new(move |seen: &Seen| handler(seen).unwrap_or_else(|| good(seen)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (seen, ended) = (Arc::clone(&seen), Arc::clone(&ended));
            move || {
                for stream in listener.incoming().flatten() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                    // A client that goes away ends its thread.
                    thread::spawn(move || serve(stream, &*handler, &seen));
                }
            }
        });
        Self {
            address,
            seen,
            ended,
            thread: Some(thread),
        }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// A reference to an artifact of this server.
    pub fn target(&self) -> String {
        format!("{}/digits:1", self.address)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Serve one request.
fn serve(mut stream: TcpStream, handler: &Handler, all: &Mutex<Vec<Seen>>) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end;
        }
        read(&mut stream, &mut bytes)?;
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut words = head.split(' ');
    let header = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut seen = Seen {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        authorization: header("authorization"),
        head: head.to_ascii_lowercase(),
        body: Vec::new(),
    };
    if header("expect").is_some() {
        let early = handler(&seen);
        // A rejection comes before the body, which the client then keeps.
        if matches!(&early, Reply::Bytes(bytes) if bytes.starts_with(b"HTTP/1.1 4")) {
            all.lock().unwrap().push(seen);
            return send(stream, early);
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        read(&mut stream, &mut body)?;
    }
    seen.body = body;
    all.lock().unwrap().push(seen.clone());
    send(stream, handler(&seen))
}

fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 << 10];
    let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
    bytes.extend(&piece[..count]);
    Some(())
}

fn send(mut stream: TcpStream, reply: Reply) -> Option<()> {
    match reply {
        Reply::Bytes(bytes) => stream.write_all(&bytes).ok()?,
        Reply::Endless(bytes, more) => {
            stream.write_all(&bytes).ok()?;
            while stream.write_all(more).is_ok() {}
        }
        Reply::Silent => {
            // Ends once the client closes the connection.
            _ = stream.read(&mut [0; 1]);
        }
    }
    Some(())
}

/// The error of a pull from a server whose response to the paths with `part` is `fault`.
pub fn fails(
    part: &'static str,
    fault: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> Result<String, String> {
    let server = Faulty::start(move |seen| seen.path.contains(part).then(|| fault(seen)));
    pull_fails(&server.target(), &anonymous())
}
