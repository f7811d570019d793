//! An HTTP client that can also misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any operation on loopback, so that a test fails instead of hanging.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// 0 if the connection was closed without a response.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body is complete.
    pub is_whole: bool,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The text of an error; panics if the response is not an error in the documented form.
    pub fn error(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{self:?}"
        );
        let json = self.json();
        let object = json.as_object().unwrap();
        assert_eq!(object.len(), 1, "{json}");
        // OpenAI's routes have OpenAI's form.
        let error = &object["error"];
        let sentence = error.as_str().or_else(|| error["message"].as_str());
        sentence.unwrap().to_owned()
    }
}

/// Send a request with a `Content-Length` and read the response.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    exchange(address, &[head.as_bytes(), body])
}

/// POST with a `Content-Type`.
pub fn post(address: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Response {
    send(
        address,
        "POST",
        path,
        &[("content-type", content_type)],
        body,
    )
}

pub fn get(address: SocketAddr, path: &str) -> Response {
    send(address, "GET", path, &[], b"")
}

/// POST in chunks, without a `Content-Length`.
pub fn post_chunked(address: SocketAddr, path: &str, body: &[u8]) -> Response {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut chunks = Vec::new();
    for chunk in body.chunks(60_000) {
        chunks.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    exchange(address, &[head.as_bytes(), &chunks])
}

/// Write all parts before reading the response, as simple clients do.
pub fn exchange(address: SocketAddr, parts: &[&[u8]]) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    for part in parts {
        stream.write_all(part).unwrap();
    }
    read_response(stream)
}

/// Read one response from a connection that closes after it.
pub fn read_response(mut stream: TcpStream) -> Response {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    parse(&bytes, ended.is_ok())
}

fn parse(bytes: &[u8], ended: bool) -> Response {
    if bytes.is_empty() {
        return Response {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            is_whole: false,
        };
    }
    let split = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(bytes)));
    let rest = &bytes[split + 4..];
    let mut response = parse_head(&bytes[..split]).expect("a status line");
    if response.status == 100 {
        return parse(rest, ended);
    }
    response.body = rest.to_vec();
    response.is_whole = ended;
    if response.header("transfer-encoding") == Some("chunked") {
        (response.body, response.is_whole) = unchunk(rest);
    } else if let Some(length) = response.header("content-length") {
        response.is_whole = length.parse() == Ok(rest.len());
    }
    response
}

/// Parse the status and the headers; `None` if there is no status.
fn parse_head(bytes: &[u8]) -> Option<Response> {
    let head = String::from_utf8_lossy(bytes).into_owned();
    let mut lines = head.split("\r\n");
    Some(Response {
        status: lines.next()?.get(9..12)?.parse().ok()?,
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
        is_whole: false,
    })
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let size = String::from_utf8_lossy(&rest[..line]).into_owned();
        let size = usize::from_str_radix(&size, 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(..size) else {
            body.extend(rest);
            return (body, false);
        };
        body.extend(chunk);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}

/// A persistent connection: each response is read to its end.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Connect.
    ///
    /// # Errors
    /// The system's error, usually because nothing listens at the address.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Write raw bytes.
    ///
    /// # Errors
    /// The system's error, usually because the server closed the connection.
    pub fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_ref().write_all(bytes)
    }

    /// Close the sending half of the connection.
    ///
    /// # Errors
    /// The system's error, usually because the server closed the connection.
    pub fn end_writing(&self) -> std::io::Result<()> {
        self.reader.get_ref().shutdown(Shutdown::Write)
    }

    /// Read one response. `None` if the connection ended before its first byte. A response to `HEAD` has no body,
    /// whatever its headers say.
    ///
    /// # Errors
    /// When the response is not HTTP or does not arrive in time. A truncated body is not an error: see
    /// [`Response::is_whole`].
    pub fn read(&mut self, is_head: bool) -> std::io::Result<Option<Response>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.reader.read_until(b'\n', &mut head) {
                Ok(0) if head.is_empty() => return Ok(None),
                Ok(0) => return Err(invalid(&head)),
                Ok(_) => {}
                Err(error) if head.is_empty() && is_gone(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut response = parse_head(&head).ok_or_else(|| invalid(&head))?;
        if response.status == 100 {
            return self.read(is_head);
        }
        if is_head {
            response.is_whole = true;
        } else if response.header("transfer-encoding") == Some("chunked") {
            response.is_whole = self.read_chunks(&mut response.body)?;
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(|_| invalid(&head))?;
            response.is_whole = self.read_exactly(length, &mut response.body)?;
        } else {
            response.is_whole = self.reader.read_to_end(&mut response.body).is_ok();
        }
        Ok(Some(response))
    }

    /// Read an interim response, and return whether it is `100 Continue`.
    ///
    /// # Errors
    /// As [`Connection::read`].
    pub fn reads_continue(&mut self) -> std::io::Result<bool> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let mut end = String::new();
        self.reader.read_line(&mut end)?;
        Ok(line.starts_with("HTTP/1.1 100 ") && end == "\r\n")
    }

    /// Wait for the first bytes of a response or the end of the connection, and return the number of bytes, which stay
    /// unread.
    ///
    /// # Errors
    /// The system's error.
    pub fn wait(&mut self) -> std::io::Result<usize> {
        self.reader.fill_buf().map(<[u8]>::len)
    }

    /// Read a chunked body, and return whether it is complete.
    fn read_chunks(&mut self, body: &mut Vec<u8>) -> std::io::Result<bool> {
        loop {
            let mut line = Vec::new();
            match self.reader.read_until(b'\n', &mut line) {
                Ok(0) => return Ok(false),
                Err(error) if is_gone(&error) => return Ok(false),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
            let size = std::str::from_utf8(&line)
                .ok()
                .and_then(|line| usize::from_str_radix(line.trim_end(), 16).ok())
                .ok_or_else(|| invalid(&line))?;
            let mut end = Vec::new();
            if !self.read_exactly(size, body)? || !self.read_exactly(2, &mut end)? {
                return Ok(false);
            }
            if size == 0 {
                return Ok(true);
            }
        }
    }

    /// Read `count` bytes, and return whether all of them arrived.
    fn read_exactly(&mut self, count: usize, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
        let mut part = self.reader.by_ref().take(count as u64);
        match part.read_to_end(bytes) {
            Ok(length) => Ok(length == count),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether the error means that the peer closed the connection.
pub fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

fn invalid(bytes: &[u8]) -> std::io::Error {
    let text = format!("not HTTP: {:?}", String::from_utf8_lossy(bytes));
    std::io::Error::new(std::io::ErrorKind::InvalidData, text)
}
