//! The log, on standard error.

use std::io::{self, BufWriter, IsTerminal, Write, stderr};
use std::time::Duration;

use clap::ValueEnum;
use infer_host::observe::access_log;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people, in colors on a terminal
    Human,
    /// A JSON object a line
    Json,
}

/// Lines that wait to be written. A request writes one of about 300 bytes: some 5 MB at the most.
const MAX_WAITING_LINES: usize = 16 * 1024;

/// The log is written while this is there.
#[must_use]
pub struct Log {
    lost: ErrorCounter,
    /// Writes what is left when it is dropped.
    guard: Option<WorkerGuard>,
}

impl Log {
    /// Begin to log what `RUST_LOG` says; without it, warnings and a line a request.
    ///
    /// A thread of its own writes, so that no request waits for whoever reads the log; lines that there is no
    /// more room for are lost, and counted.
    pub fn begin(format: LogFormat) -> Self {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(MAX_WAITING_LINES)
            .lossy(true)
            .finish(Gathering(BufWriter::new(stderr())));
        let lost = writer.error_counter();
        let default = format!("warn,{}=info", access_log::TARGET);
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
            eprintln!("{lost} lines of the log were lost: they came faster than they were read");
        }
    }
}

/// Waits for more after each flush.
///
/// The thread that writes flushes when there is nothing left to write, and sleeps then until a request wakes it:
/// under load that is a wake and a write a line, which cost a request as much as the line itself. Asleep here, it
/// is not woken, and writes what has come meanwhile at once.
struct Gathering<W: Write>(BufWriter<W>);

/// Nobody who reads a log notices this.
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
