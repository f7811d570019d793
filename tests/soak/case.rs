//! One request, and what its answer must be.

use crate::support::client::Answer;

/// Headers that differ between two answers to the same request.
const CHANGING: [&str; 4] = ["connection", "date", "server-timing", "x-request-id"];

/// What a host's fault is answered with before the request's own id.
const BEFORE_ID: &str = "the log has it as request ";

/// A request, by the bytes of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The row of the table that counts it.
    pub kind: &'static str,
    pub name: String,
    pub method: &'static str,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    /// The answer's.
    pub status: u16,
    /// What the answer's body must contain.
    pub holds: Vec<u8>,
    /// The answer begins and is then cut short, which the client must see.
    pub is_cut_short: bool,
    /// How often it comes in a round.
    pub times: usize,
    /// It keeps an instance until its time is up: for few clients at a time.
    pub is_endless: bool,
    /// The connection is closed after it.
    pub closes: bool,
}

impl Case {
    /// A request that is answered with this status and a body that holds `holds`; a body of the request's
    /// own is announced by its length.
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
            is_cut_short: false,
            times: 1,
            is_endless: false,
            closes: false,
        }
    }

    /// What is no request, or none that can be made of parts; the connection is closed after it.
    pub fn bytes(kind: &'static str, bytes: &[u8], status: u16) -> Self {
        Self {
            name: format!("{:?}", String::from_utf8_lossy(bytes)),
            head: bytes.to_vec(),
            closes: true,
            ..Self::new(kind, ("GET", "/"), &[], "", status, "")
        }
    }

    /// So many times in a round.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// With this to tell it from others of its path.
    pub fn called(mut self, name: &str) -> Self {
        self.name = format!("{name}, {}", self.name);
        self
    }

    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// All of the request.
    pub fn request(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }

    /// What is wrong with the first answer to it, on the quiet service.
    pub fn wrong_at_first(&self, answer: &Answer) -> Option<String> {
        if self.is_cut_short {
            return self.wrong(answer, answer);
        }
        let holds = self.holds.as_slice();
        let is_there = holds.is_empty() || answer.body.windows(holds.len()).any(|w| w == holds);
        (answer.status != self.status || !answer.is_whole || !is_there).then(|| {
            let holds = shortened(holds);
            format!(
                "expected {} with {holds}, came {}",
                self.status,
                shown(answer)
            )
        })
    }

    /// How an answer differs from the one that the quiet service gave.
    pub fn wrong(&self, quiet: &Answer, answer: &Answer) -> Option<String> {
        if self.is_cut_short {
            // How much of it got out is a matter of luck; that something is missing is not.
            let is_part = answer.status == self.status && self.holds.starts_with(&answer.body);
            return (answer.is_whole || !is_part)
                .then(|| format!("not cut short: {}", shown(answer)));
        }
        (comparable(quiet) != comparable(answer))
            .then(|| format!("came {}, expected {}", shown(answer), shown(quiet)))
    }
}

type Comparable = (u16, bool, Vec<(String, String)>, Vec<u8>);

/// All of an answer that is the same each time.
fn comparable(answer: &Answer) -> Comparable {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !CHANGING.contains(&name.as_str()));
    headers.sort();
    let mut body = answer.body.clone();
    if answer.status == 500
        && let Some(at) = answer.text().find(BEFORE_ID)
    {
        body.truncate(at);
        // The id has more digits in time.
        headers.retain(|(name, _)| name != "content-length");
    }
    (answer.status, answer.is_whole, headers, body)
}

fn shown(answer: &Answer) -> String {
    let whole = if answer.is_whole { "" } else { " (cut short)" };
    let body = shortened(&answer.body);
    format!("{}{whole} {:?} {body}", answer.status, answer.headers)
}

fn shortened(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    format!("{text:?} of {} bytes", bytes.len())
}
