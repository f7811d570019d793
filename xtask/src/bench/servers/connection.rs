//! One connection: requests go out as they were prepared, answers are read whole.
//!
//! By hand over `httparse`, for what measures must cost next to nothing: a client of its own would put each
//! request's head together anew and pass its body through a buffer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// No answer takes this long; a benchmark that would hang fails instead.
const TIMEOUT: Duration = Duration::from_secs(120);

/// More headers than any of the servers sends.
const MAX_HEADERS: usize = 64;

/// What is read at a time.
const CHUNK: usize = 64 << 10;

/// A request as it goes over the wire.
#[derive(Debug)]
pub(super) struct Request(Vec<u8>);

impl Request {
    /// A POST on a connection that stays open.
    pub(super) fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str("\r\n");
        Self([bytes.as_bytes(), body].concat())
    }
}

/// A connection that is kept.
pub(super) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
}

/// How long an answer's body is.
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connect.
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream,
            received: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Send a request and read its answer: the status and the body.
    pub(super) fn exchange(&mut self, request: &Request) -> Result<(u16, &[u8])> {
        self.received.clear();
        self.body.clear();
        self.stream
            .write_all(&request.0)
            .context("sending a request")?;
        let (status, framing, head) = loop {
            self.fill()?;
            if let Some(head) = parse_head(&self.received)? {
                break head;
            }
        };
        self.received.drain(..head);
        match framing {
            Framing::Length(length) => {
                while self.received.len() < length {
                    self.fill()?;
                }
                ensure!(
                    self.received.len() == length,
                    "an answer of {length} bytes is followed by {} that nobody asked for",
                    self.received.len() - length
                );
                std::mem::swap(&mut self.body, &mut self.received);
            }
            Framing::Chunked => self.read_chunks()?,
        }
        Ok((status, &self.body))
    }

    fn read_chunks(&mut self) -> Result<()> {
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.received) {
                    Ok(httparse::Status::Complete((start, size))) => {
                        break (start, usize::try_from(size)?);
                    }
                    Ok(httparse::Status::Partial) => self.fill()?,
                    Err(_) => bail!("a chunk of the answer has no proper size"),
                }
            };
            let end = start + size;
            // With the line's end behind it; no server sends trailers without being asked for them.
            while self.received.len() < end + 2 {
                self.fill()?;
            }
            self.body.extend_from_slice(&self.received[start..end]);
            self.received.drain(..end + 2);
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Read what there is, at least a byte.
    fn fill(&mut self) -> Result<()> {
        let filled = self.received.len();
        self.received.resize(filled + CHUNK, 0);
        let count = self.stream.read(&mut self.received[filled..]);
        self.received
            .truncate(filled + *count.as_ref().unwrap_or(&0));
        match count.context("reading an answer")? {
            0 => bail!("the connection was closed before the answer's end"),
            _ => Ok(()),
        }
    }
}

/// Status, framing and length of an answer's head, once it is there.
fn parse_head(received: &[u8]) -> Result<Option<(u16, Framing, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = response
        .parse(received)
        .context("the answer is not HTTP/1.1")?
    else {
        return Ok(None);
    };
    let header = |name: &str| {
        let header = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let framing = match (header("content-length"), header("transfer-encoding")) {
        (Some(length), _) => Framing::Length(length.parse().context("the answer's length")?),
        (None, Some("chunked")) => Framing::Chunked,
        _ => bail!("the answer says neither its length nor that it comes in chunks"),
    };
    Ok(Some((
        response.code.context("the answer has no status")?,
        framing,
        end,
    )))
}
