//! A request and its expected response.

use crate::support::client::Response;

/// Headers that differ between two responses to the same request.
const CHANGING: [&str; 4] = ["connection", "date", "server-timing", "x-request-id"];

/// The text before the request ID in the error of an internal failure.
const BEFORE_ID: &str = "the server's log has the details under request id ";

/// The bytes of a request, and its expected response.
#[derive(Clone, Debug)]
pub struct Case {
    /// The row of the results table that counts it.
    pub kind: &'static str,
    pub name: String,
    pub method: &'static str,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    /// The expected status.
    pub status: u16,
    /// A part of the expected body.
    pub holds: Vec<u8>,
    /// The response is truncated after it has begun, which the client must see.
    pub is_truncated: bool,
    /// How many times a round sends it.
    pub times: usize,
    /// The request holds an instance until its timeout, so only few clients send it.
    pub is_endless: bool,
    /// The server closes the connection after it.
    pub closes: bool,
}

impl Case {
    /// A request whose response must have this status and a body that contains `holds`. A request body gets a
    /// `content-length`.
    pub fn new(
        kind: &'static str,
        (method, path): (&'static str, &str),
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
        status: u16,
        holds: impl Into<Vec<u8>>,
    ) -> Self {
        let body = body.into();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let is_chunked = headers.iter().any(|(name, _)| *name == "transfer-encoding");
        if (!body.is_empty() || method == "POST") && !is_chunked {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let length = body.len();
        Self {
            kind,
            name: format!("{method} {path} {headers:?} and {length} bytes"),
            method,
            head: head.into_bytes(),
            body,
            status,
            holds: holds.into(),
            is_truncated: false,
            times: 1,
            is_endless: false,
            closes: false,
        }
    }

    /// Raw bytes, after which the server closes the connection.
    pub fn bytes(kind: &'static str, bytes: &[u8], status: u16) -> Self {
        Self {
            name: format!("{:?}", String::from_utf8_lossy(bytes)),
            head: bytes.to_vec(),
            closes: true,
            ..Self::new(kind, ("GET", "/"), &[], "", status, "")
        }
    }

    /// Send the request this many times per round.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Add a name that distinguishes it from other requests with the same path.
    pub fn named(mut self, name: &str) -> Self {
        self.name = format!("{name}, {}", self.name);
        self
    }

    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The head and the body.
    pub fn request(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }

    /// The problem with the first response, which the idle service sent; `None` if it is as expected.
    pub fn wrong_at_first(&self, response: &Response) -> Option<String> {
        if self.is_truncated {
            return self.wrong(response, response);
        }
        let holds = self.holds.as_slice();
        let is_found = holds.is_empty() || response.body.windows(holds.len()).any(|w| w == holds);
        (response.status != self.status || !response.is_whole || !is_found).then(|| {
            let holds = shortened(holds);
            format!(
                "expected {} with {holds}, got {}",
                self.status,
                shown(response)
            )
        })
    }

    /// The difference of a response from the baseline, which is the idle service's response; `None` if there is none.
    pub fn wrong(&self, baseline: &Response, response: &Response) -> Option<String> {
        if self.is_truncated {
            // How much was sent depends on timing, but something must be missing.
            let is_part = response.status == self.status && self.holds.starts_with(&response.body);
            return (response.is_whole || !is_part)
                .then(|| format!("not truncated: {}", shown(response)));
        }
        (comparable(baseline) != comparable(response))
            .then(|| format!("expected {}, found {}", shown(baseline), shown(response)))
    }
}

type Comparable = (u16, bool, Vec<(String, String)>, Vec<u8>);

/// The parts of a response that are the same each time.
fn comparable(response: &Response) -> Comparable {
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| !CHANGING.contains(&name.as_str()));
    headers.sort();
    let mut body = response.body.clone();
    if response.status == 500
        && let Some(at) = response.text().find(BEFORE_ID)
    {
        body.truncate(at);
        // Later request IDs have more digits.
        headers.retain(|(name, _)| name != "content-length");
    }
    (response.status, response.is_whole, headers, body)
}

fn shown(response: &Response) -> String {
    let whole = if response.is_whole {
        ""
    } else {
        " (truncated)"
    };
    let body = shortened(&response.body);
    format!("{}{whole} {:?} {body}", response.status, response.headers)
}

fn shortened(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    format!("{text:?} of {} bytes", bytes.len())
}
