//! A client connection that sends prepared requests and reads whole responses.
//!
//! It is written by hand over `httparse` because the load generator must cost next to nothing: a client library would
//! assemble the head of every request again and copy its body through a buffer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// No response takes this long, so a benchmark that would hang fails instead.
const TIMEOUT: Duration = Duration::from_secs(120);

/// More headers than any contestant sends.
const MAX_HEADERS: usize = 64;

/// Bytes to read at a time.
const CHUNK: usize = 64 << 10;

/// The bytes of a request.
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

/// A persistent connection.
pub(super) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
}

/// How the end of a response body is found.
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

    /// Send a request and read the status and the body of the response.
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
                    "{} bytes follow a response body of {length} bytes",
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
                    Err(_) => bail!("a chunk of the response has no valid size"),
                }
            };
            let end = start + size;
            // A line end follows the chunk; no server sends trailers that the client did not request.
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

    /// Read what has arrived, at least a byte.
    fn fill(&mut self) -> Result<()> {
        let filled = self.received.len();
        self.received.resize(filled + CHUNK, 0);
        let count = self.stream.read(&mut self.received[filled..]);
        self.received
            .truncate(filled + *count.as_ref().unwrap_or(&0));
        match count.context("reading a response")? {
            0 => bail!("the connection was closed before the end of the response"),
            _ => Ok(()),
        }
    }
}

/// The status, the body's framing and the length of a response head; `None` until the head is complete.
fn parse_head(received: &[u8]) -> Result<Option<(u16, Framing, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = response
        .parse(received)
        .context("the response is not HTTP/1.1")?
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
        (Some(length), _) => Framing::Length(
            length
                .parse()
                .context("the content length of the response")?,
        ),
        (None, Some("chunked")) => Framing::Chunked,
        _ => bail!("the response has neither a content length nor chunks"),
    };
    Ok(Some((
        response.code.context("the response has no status")?,
        framing,
        end,
    )))
}
