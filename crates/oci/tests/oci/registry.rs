//! A running `docker-registry`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use infer_packages::DebianTools;
use tempfile::TempDir;

/// The program, and Debian's package that has it.
const PROGRAM: &str = "docker-registry";

/// Debian's package, unpacked below `target/tools`, or the reason why it is missing.
fn tools() -> Result<&'static DebianTools, String> {
    static TOOLS: OnceLock<Result<DebianTools, String>> = OnceLock::new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools");
    let tools = TOOLS
        .get_or_init(|| DebianTools::get(&folder, &[PROGRAM]).map_err(|error| error.to_string()));
    tools.as_ref().map_err(Clone::clone)
}

/// A registry on a free port of 127.0.0.1, which ends with this value.
pub struct Registry {
    process: Child,
    /// `HOST:PORT`.
    pub address: String,
    log: Arc<Log>,
    _folder: TempDir,
}

/// A registry's output.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

/// The requirements of a registry.
#[derive(Default)]
pub struct Setup<'a> {
    /// Lines of an htpasswd file.
    pub users: Option<&'a str>,
    /// A certificate and its key, in PEM form.
    pub certificate: Option<(&'a str, &'a str)>,
}

impl Registry {
    /// Start a registry. `None`, with a message, if Debian's package cannot be had, except in CI.
    pub fn start(setup: &Setup<'_>) -> Option<Self> {
        let tools = match tools() {
            Ok(tools) => tools,
            Err(problem) if std::env::var_os("CI").is_some() => {
                panic!("Debian's docker-registry is missing: {problem}")
            }
            Err(problem) => {
                println!("skipped: Debian's docker-registry is missing: {problem}");
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
            folder.path().join("data").display()
        );
        if let Some((certificate, key)) = setup.certificate {
            let certificate = file("certificate.pem", certificate);
            let key = file("key.pem", key);
            config += &format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        }
        if let Some(users) = setup.users {
            let users = file("htpasswd", users);
            config += &format!("auth:\n  htpasswd:\n    realm: tests\n    path: {users}\n");
        }
        let config = file("config.yml", &config);
        let mut process = tools
            .command(PROGRAM)
            .args(["serve", &config])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let (sender, lines) = mpsc::channel();
        for stream in [
            Box::new(process.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(process.stderr.take().unwrap()),
        ] {
            let (log, sender) = (Arc::clone(&log), sender.clone());
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    log.lines.lock().unwrap().push(line.clone());
                    log.changed.notify_all();
                    _ = sender.send(line);
                }
            });
        }
        drop(sender);
        let mut registry = Self {
            process,
            address: String::new(),
            log,
            _folder: folder,
        };
        registry.address = address(&lines).unwrap_or_else(|| {
            panic!(
                "docker-registry ended: {:#?}",
                registry.log.lines.lock().unwrap()
            )
        });
        Some(registry)
    }

    /// The registry's log lines up to one with `text`. A request's line may come after its response.
    pub fn log_until(&self, text: &str) -> Vec<String> {
        let lines = self.log.lines.lock().unwrap();
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(text));
        let (lines, waited) = (self.log.changed)
            .wait_timeout_while(lines, Duration::from_secs(60), missing)
            .unwrap();
        assert!(!waited.timed_out(), "`{text}` is not in {lines:#?}");
        lines.clone()
    }
}

/// The address in the line `listening on 127.0.0.1:PORT`, which ends at a quote or a comma.
fn address(lines: &Receiver<String>) -> Option<String> {
    lines.iter().find_map(|line| {
        let (_, rest) = line.split_once("listening on ")?;
        let end = rest.find(['"', ',', ' ']).unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    })
}

impl Drop for Registry {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
