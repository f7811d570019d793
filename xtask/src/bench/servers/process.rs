//! A server as a process: started, asked until it answers, stopped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::connection::{Connection, Request};

/// Between two attempts to connect: far below what is measured, and no load for the server that starts.
const PAUSE: Duration = Duration::from_millis(1);

/// The first start of all builds and compiles.
const LONGEST_START: Duration = Duration::from_secs(900);

/// What a server has to end by itself once it is asked to.
const LONGEST_STOP: Duration = Duration::from_secs(20);

/// Of a log, what a sentence can quote.
const LOG_TAIL: usize = 600;

/// A server that runs; stopped when dropped.
pub(super) struct Server {
    child: Child,
    log: PathBuf,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Start a server at a free port; its output goes to a file.
    pub(super) fn start(
        command: impl FnOnce(SocketAddr) -> Result<Command>,
        log: PathBuf,
    ) -> Result<Self> {
        // Free now, and not taken by the time that the server binds it, unless something races for ports.
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

    /// The first complete answer with status 200. A server that is not there yet, or not ready, is asked
    /// again; one that has ended will not answer.
    pub(super) fn first_answer(&mut self, request: &Request) -> Result<Vec<u8>> {
        let start = Instant::now();
        loop {
            let refused = match self.try_once(request) {
                Ok((200, body)) => return Ok(body),
                Ok((503, _)) => "it says 503".to_owned(),
                Ok((status, body)) => bail!(
                    "the first request is answered {status}: {}",
                    String::from_utf8_lossy(&body).trim()
                ),
                Err(error) => format!("{error:#}"),
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("it has ended ({status}): {}", self.log_tail());
            }
            ensure!(
                start.elapsed() < LONGEST_START,
                "no answer within {} s: {refused}",
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

    /// The process's number.
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
        // Asked, not killed: a server with workers ends them only then.
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let start = Instant::now();
        while asked.is_ok() && start.elapsed() < LONGEST_STOP {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
