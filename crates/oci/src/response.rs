//! Responses of a registry: headers, bodies with a limit, and errors.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use ureq::http::{Response, StatusCode};
use ureq::{Body, Timeout};

use crate::client::{Answer, Client, host};
use crate::digest::{Digest, Hasher, printable};
use crate::error::RegistryError;

/// The length of an error's body that is read, in bytes.
const ERROR_BYTES: u64 = 64 << 10;

/// The size of the pieces in which bodies are read, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// A registry's errors (distribution-spec, "Error Codes").
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A header's value, if it is text.
pub(crate) fn header(response: &Response<Body>, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// The message of an error's body, without control characters: the specification's messages, or the first line of plain
/// text, as proxies send it.
pub(crate) fn message(response: &mut Response<Body>) -> String {
    let mut body = Vec::new();
    let reader = response.body_mut().as_reader();
    // Whatever keeps the message from being read, the status is what is reported.
    _ = reader.take(ERROR_BYTES).read_to_end(&mut body);
    let Ok(Errors { errors }) = serde_json::from_slice(&body) else {
        let text = String::from_utf8(body).unwrap_or_default();
        let is_text = !is_html(response) && !text.trim_start().starts_with(['{', '[', '<']);
        let line = text.trim().lines().next().filter(|_| is_text);
        return line.map(printable).unwrap_or_default();
    };
    let texts = errors.into_iter().take(3).map(|entry| {
        let text = if entry.message.is_empty() {
            entry.code
        } else {
            entry.message
        };
        printable(&text)
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// The error of a response with an unexpected status.
pub(crate) fn unexpected(client: &Client<'_>, mut answer: Answer, subject: &str) -> RegistryError {
    let status = answer.response.status();
    let retry_after = header(&answer.response, &RETRY_AFTER)
        .and_then(|seconds| seconds.trim().parse().ok())
        .map(Duration::from_secs);
    let is_html = is_html(&answer.response);
    let message = message(&mut answer.response);
    let registry = host(&answer.url);
    let subject = subject.to_owned();
    match status {
        StatusCode::NOT_FOUND if is_html => RegistryError::NotARegistry {
            host: registry,
            problem: "its response is a web page".to_owned(),
        },
        StatusCode::NOT_FOUND => RegistryError::NotFound {
            registry,
            subject,
            message,
        },
        StatusCode::FORBIDDEN => RegistryError::Denied {
            registry,
            name: client.name.to_owned(),
            action: client.action.verb(),
            message,
        },
        StatusCode::PAYLOAD_TOO_LARGE => RegistryError::TooLarge {
            registry,
            subject,
            message,
        },
        StatusCode::TOO_MANY_REQUESTS => RegistryError::RateLimited {
            registry,
            retry_after,
            message,
        },
        status if status.is_server_error() => RegistryError::Server {
            registry,
            status: status.as_u16(),
            subject,
            message,
        },
        status if status.is_success() && is_html => RegistryError::NotARegistry {
            host: registry,
            problem: "its response is a web page".to_owned(),
        },
        status => RegistryError::Status {
            registry,
            status: status.as_u16(),
            subject,
            message,
        },
    }
}

/// Whether a response is a web page.
pub(crate) fn is_html(response: &Response<Body>) -> bool {
    header(response, &CONTENT_TYPE).is_some_and(|value| value.starts_with("text/html"))
}

/// Read a whole body of at most `limit` bytes.
pub(crate) fn read(answer: Answer, limit: u64, subject: &str) -> Result<Vec<u8>, RegistryError> {
    let host = host(&answer.url);
    let expected = answer.response.body().content_length();
    let too_long = || RegistryError::TooLong {
        subject: subject.to_owned(),
        limit,
    };
    if expected.is_some_and(|expected| expected > limit) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    let reader = answer.response.into_body().into_reader();
    match reader.take(limit.saturating_add(1)).read_to_end(&mut body) {
        Ok(_) if body.len() as u64 > limit => Err(too_long()),
        Ok(_) => Ok(body),
        Err(error) => Err(broken(
            &host,
            subject,
            body.len() as u64,
            expected.unwrap_or(limit),
            error,
        )),
    }
}

/// A failed copy.
pub(crate) enum CopyError {
    /// The registry's fault.
    Registry(RegistryError),
    /// The writer's.
    Write(io::Error),
}

/// Copy a body of exactly `size` bytes and check its digest.
pub(crate) fn copy(
    answer: Answer,
    size: u64,
    expected: &Digest,
    subject: &str,
    writer: &mut dyn Write,
    progress: crate::Progress<'_>,
) -> Result<(), CopyError> {
    let host = host(&answer.url);
    let mut reader = answer.response.into_body().into_reader();
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE_BYTES];
    let mut done = 0_u64;
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(CopyError::Registry(broken(
                    &host, subject, done, size, error,
                )));
            }
        };
        done += count as u64;
        if done > size {
            return Err(CopyError::Registry(RegistryError::TooLong {
                subject: subject.to_owned(),
                limit: size,
            }));
        }
        let bytes = piece.get(..count).unwrap_or_default();
        hasher.update(bytes);
        writer.write_all(bytes).map_err(CopyError::Write)?;
        progress(done, size);
    }
    if done < size {
        return Err(CopyError::Registry(RegistryError::Truncated {
            subject: subject.to_owned(),
            host,
            got: done,
            expected: size,
        }));
    }
    check(subject, hasher.finish(), expected).map_err(CopyError::Registry)
}

/// Check a digest.
pub(crate) fn check(subject: &str, got: Digest, expected: &Digest) -> Result<(), RegistryError> {
    if got == *expected {
        Ok(())
    } else {
        Err(RegistryError::WrongDigest {
            subject: subject.to_owned(),
            got: got.to_string(),
            expected: expected.clone(),
        })
    }
}

/// The error of a body that cannot be read to its end.
fn broken(host: &str, subject: &str, got: u64, expected: u64, error: io::Error) -> RegistryError {
    match ureq::Error::from(error) {
        error @ ureq::Error::Timeout(_) => transport(host, error),
        error if is_tls(&error) => transport(host, error),
        _ => RegistryError::Truncated {
            subject: subject.to_owned(),
            host: host.to_owned(),
            got,
            expected,
        },
    }
}

fn is_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
        ureq::Error::Io(error) => error
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>()),
        _ => false,
    }
}

/// The error of a request without a response.
pub(crate) fn transport(host: &str, error: ureq::Error) -> RegistryError {
    let host = host.to_owned();
    let connection = |host, problem: &str| RegistryError::Connection {
        host,
        problem: problem.to_owned(),
    };
    match error {
        error if is_tls(&error) => RegistryError::Tls {
            host,
            problem: match error {
                ureq::Error::Rustls(error) => error.to_string(),
                ureq::Error::Io(error) => error.to_string(),
                error => error.to_string(),
            },
        },
        ureq::Error::HostNotFound => RegistryError::UnknownHost { host },
        ureq::Error::Timeout(phase) => RegistryError::Timeout {
            host,
            phase: match phase {
                Timeout::Resolve => "resolving its name",
                Timeout::Connect => "connecting",
                Timeout::PerWrite | Timeout::SendRequest | Timeout::SendBody => "sending",
                Timeout::RecvResponse => "waiting for the response",
                _ => "reading the response",
            },
        },
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => RegistryError::Refused { host },
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => {
                connection(host, "the other side closed it before it responded")
            }
            _ => connection(host, &error.to_string()),
        },
        ureq::Error::Protocol(error) => RegistryError::NotARegistry {
            host,
            problem: format!("its response is not HTTP ({error})"),
        },
        error => connection(host, &error.to_string()),
    }
}
