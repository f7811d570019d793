//! A server process: started, probed until it responds, and stopped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::connection::{Connection, Request};

/// The time between two attempts to connect: far below the times that are measured, and no load for the server.
const PAUSE: Duration = Duration::from_millis(1);

/// The first start builds and compiles.
const LONGEST_START: Duration = Duration::from_secs(900);

/// The time that a server has to stop after SIGTERM.
const LONGEST_STOP: Duration = Duration::from_secs(20);

/// The bytes of a log that an error quotes.
const LOG_TAIL: usize = 600;

/// A running server, which stops when dropped.
pub(super) struct Server {
    child: Child,
    log: PathBuf,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Start a server on a free port; its output goes to a file.
    pub(super) fn start(
        command: impl FnOnce(SocketAddr) -> Result<Command>,
        log: PathBuf,
    ) -> Result<Self> {
        // Another process could take the port before the server binds it, which is unlikely.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        drop(listener);
        let output =
            File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let mut command = command(address)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            log,
            address,
        })
    }

    /// The body of the first complete response with status 200. The request is repeated while the server does not
    /// listen or is not ready, and until the process has ended.
    pub(super) fn first_response(&mut self, request: &Request) -> Result<Vec<u8>> {
        let start = Instant::now();
        loop {
            let refused = match self.try_once(request) {
                Ok((200, body)) => return Ok(body),
                Ok((503, _)) => "the status is 503".to_owned(),
                Ok((status, body)) => bail!(
                    "the status of the first response is {status}: {}",
                    String::from_utf8_lossy(&body).trim()
                ),
                Err(error) => format!("{error:#}"),
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("the server has ended ({status}): {}", self.log_tail());
            }
            ensure!(
                start.elapsed() < LONGEST_START,
                "no response within {} s: {refused}",
                LONGEST_START.as_secs()
            );
            std::thread::sleep(PAUSE);
        }
    }

    fn try_once(&self, request: &Request) -> Result<(u16, Vec<u8>)> {
        let mut connection = Connection::open(self.address)?;
        let (status, body) = connection.exchange(request)?;
        Ok((status, body.to_vec()))
    }

    /// The process ID.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM rather than SIGKILL, which would leave a server's workers behind.
        let signaled = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let start = Instant::now();
        while signaled.is_ok() && start.elapsed() < LONGEST_STOP {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
