//! SIGTERM under load.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::begun::Begun;
use super::case::Case;
use super::clients::{Outcome, Table};
use super::tally::Tally;
use crate::support::client::{Connection, Response};
use crate::support::service::Service;

/// The number of clients that send requests until the end.
const CLIENTS: usize = 4;

/// The number of requests that are in progress when the signal arrives.
const BEGUN: usize = 3;

/// The number of responses before the signal.
const RESPONSES: usize = 40;

/// The time limit for the server to refuse connections after the signal.
const REFUSED: Duration = Duration::from_secs(60);

/// Stop the service while clients send good requests. Requests in progress must get the right response, later ones must
/// be refused rather than get a wrong or truncated response, and the process must exit successfully.
///
/// # Errors
/// If the process failed or its port is still open, or a request could not begin.
pub fn under_load(service: &mut Service, table: &Table, tally: &mut Tally) -> Result<(), String> {
    let address = service.address;
    let good: Vec<_> = table.iter().filter(is_plain).collect();
    let with_body: Vec<_> = good
        .iter()
        .filter(|(case, _)| !case.body.is_empty())
        .collect();
    let is_stopping = AtomicBool::new(false);
    let (sender, responses) = mpsc::channel();
    std::thread::scope(|scope| -> Result<(), String> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                let (good, sender, is_stopping) = (&good, sender.clone(), &is_stopping);
                scope.spawn(move || send_until_refused(address, good, index, &sender, is_stopping))
            })
            .collect();
        drop(sender);
        // Fewer responses arrive if clients fail, which their tallies record.
        _ = responses.iter().take(RESPONSES).count();
        let begun: Result<Vec<_>, _> = (0..BEGUN)
            .map(|index| Begun::new(address, with_body[index % with_body.len()]))
            .collect();
        is_stopping.store(true, Ordering::SeqCst);
        service.signal("TERM");
        // The clients end at the signal, even if a request could not begin.
        for request in begun? {
            request.finish(tally);
        }
        for client in clients {
            tally.add(client.join().unwrap());
        }
        Ok(())
    })?;
    let status = service.wait();
    if !status.success() {
        return Err(format!("after SIGTERM it ended with {status}"));
    }
    match Connection::open(address) {
        Ok(_) => Err("the port is still open after the process has ended".to_owned()),
        Err(_) => Ok(()),
    }
}

/// Whether a request succeeds and leaves the connection open.
fn is_plain((case, baseline): &&(Case, Response)) -> bool {
    baseline.status == 200 && !case.closes && !case.is_truncated
}

fn count(tally: &mut Tally, case: &Case, response: &Response) {
    let status = response.status;
    tally.count(case.kind, Outcome::Right { status, times: 1 });
}

/// Send some requests on each of a series of connections, until the server refuses a connection.
fn send_until_refused(
    address: SocketAddr,
    good: &[&(Case, Response)],
    index: usize,
    sender: &mpsc::Sender<()>,
    is_stopping: &AtomicBool,
) -> Tally {
    let mut tally = Tally::default();
    let mut rows = good.iter().cycle().skip(index * good.len() / CLIENTS);
    let deadline = Instant::now() + REFUSED;
    while Instant::now() < deadline {
        let mut connection = match Connection::open(address) {
            Ok(connection) => connection,
            Err(_) if is_stopping.load(Ordering::SeqCst) => return tally,
            Err(error) => {
                tally.fail(
                    &rows.next().unwrap().0,
                    "before the signal",
                    &error.to_string(),
                );
                return tally;
            }
        };
        for (case, baseline) in rows.by_ref().take(5) {
            _ = connection.write(&case.request());
            match connection.read(case.is_head()) {
                Ok(Some(response)) => match case.wrong(baseline, &response) {
                    None => count(&mut tally, case, &response),
                    Some(difference) => tally.fail(case, "around the signal", &difference),
                },
                // The server closed the connection before it read the request, so a client could try another server.
                Ok(None) if is_stopping.load(Ordering::SeqCst) => break,
                other => {
                    tally.fail(
                        case,
                        "around the signal",
                        &format!("no response: {other:?}"),
                    );
                    return tally;
                }
            }
            // The receiver stops after some responses.
            _ = sender.send(());
        }
    }
    let (case, _) = rows.next().unwrap();
    tally.fail(case, "after the signal", "connections are still accepted");
    tally
}
