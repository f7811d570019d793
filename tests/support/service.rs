//! The service as a user runs it: the binary on a free port, stopped by a signal.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than any log line takes to arrive, so that a test fails instead of hanging.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The lines of the log that are printed if the test failed. More would hide the reason.
const LOG_LINES: usize = 100;

/// A running `infer up`. It is killed when dropped, and the end of its log is printed if the test failed.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
    log: Arc<(Mutex<String>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Service {
    /// Start with the project's manifest and models.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// Start with more arguments and settings. The backend is `wasm` unless the arguments select another.
    pub fn start_with(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut command = super::backends::infer(&["up", "--listen", "127.0.0.1:0"]);
        if !arguments.contains(&"--backend") {
            command.args(["--backend", "wasm"]);
        }
        command.args(arguments).envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// Start a server that prints `serving http://ADDRESS` in its first line and stops on a signal.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let mut stderr = child.stderr.take().unwrap();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    log.0.lock().unwrap().push_str(&text);
                    log.1.notify_all();
                }
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("serving http://")
            .and_then(|address| address.parse().ok());
        let Some(address) = address else {
            _ = child.kill();
            _ = child.wait();
            panic!("no address in {line:?}; log:\n{}", log.0.lock().unwrap());
        };
        Self {
            child,
            address,
            log,
            reader: Some(reader),
        }
    }

    /// The process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard error so far.
    pub fn log(&self) -> String {
        self.log.0.lock().unwrap().clone()
    }

    /// Wait until its standard error has this text, which may arrive later than a response.
    pub fn expect_log(&self, text: &str) {
        let (log, written) = &*self.log;
        let is_missing = |log: &mut String| !log.contains(text);
        let log = log.lock().unwrap();
        let (log, waited) = written
            .wait_timeout_while(log, TIMEOUT, is_missing)
            .unwrap();
        // Dropping the service prints the log.
        drop(log);
        assert!(!waited.timed_out(), "no `{text}` in the log");
    }

    /// Send a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Wait until the process has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            _ = reader.join();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            eprintln!("--- the end of the service's log ---\n{end}");
        }
    }
}
