//! The log, on standard error.

use std::io::{self, BufWriter, IsTerminal, Write, stderr};
use std::time::Duration;

use clap::ValueEnum;
use infer_host::observe::access_log;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, in color on a terminal
    Human,
    /// One JSON object per line
    Json,
}

/// Lines buffered for writing. A request writes one of about 300 bytes, so the buffer holds at most 5 MB.
const MAX_WAITING_LINES: usize = 16 * 1024;

/// Writes the log until it is dropped.
#[must_use]
pub struct Log {
    lost: ErrorCounter,
    /// Dropping it writes the remaining lines.
    guard: Option<WorkerGuard>,
}

impl Log {
    /// Start to log what `RUST_LOG` selects; by default warnings and one line per request.
    ///
    /// A separate thread writes, so that no request waits for the reader of the log. Lines that do not fit into the
    /// buffer are lost and counted.
    pub fn begin(format: LogFormat) -> Self {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(MAX_WAITING_LINES)
            .lossy(true)
            .finish(Gathering(BufWriter::new(stderr())));
        let lost = writer.error_counter();
        let default = format!(
            "warn,{}=info,{}=info",
            access_log::TARGET,
            super::reload::TARGET
        );
        let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
            Ok(directives) if !directives.trim().is_empty() => EnvFilter::new(directives),
            _ => EnvFilter::new(default),
        };
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(stderr().is_terminal())
            .with_writer(writer);
        match format {
            LogFormat::Human => subscriber.init(),
            LogFormat::Json => subscriber.json().flatten_event(true).init(),
        }
        Self {
            lost,
            guard: Some(guard),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(self.guard.take());
        let lost = self.lost.dropped_lines();
        if lost > 0 {
            eprintln!("{lost} log lines were lost: they came faster than standard error was read");
        }
    }
}

/// Sleeps after each flush, to write lines in batches.
///
/// The writer thread flushes when it has nothing left to write, and then waits until a request wakes it. Under load
/// that is one wake and one write per line, which cost a request as much as the line itself. While it sleeps here,
/// requests need not wake it, and it writes the lines that arrived meanwhile at once.
struct Gathering<W: Write>(BufWriter<W>);

/// Delay of a log line; too short to notice.
const GATHER: Duration = Duration::from_millis(10);

impl<W: Write> Write for Gathering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(GATHER);
        Ok(())
    }
}
