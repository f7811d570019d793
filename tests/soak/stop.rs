//! SIGTERM in the middle of the load.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::begun::Begun;
use super::case::Case;
use super::clients::{Outcome, Table};
use super::tally::Tally;
use crate::support::client::{Answer, Connection};
use crate::support::service::Service;

/// Clients that ask on and on.
const CLIENTS: usize = 4;

/// Requests that are being served for sure when the signal comes.
const BEGUN: usize = 3;

/// How many answers there are before it comes.
const ANSWERS: usize = 40;

/// Nobody has to wait that long to be refused.
const REFUSED: Duration = Duration::from_secs(60);

/// Stop the service while clients ask for what is good. What has begun gets its right answer; whoever comes
/// later is refused, and never given a wrong or half an answer; the process ends with success.
///
/// # Errors
/// What of this did not hold.
pub fn under_load(service: &mut Service, table: &Table, tally: &mut Tally) -> Result<(), String> {
    let address = service.address;
    let good: Vec<_> = table.iter().filter(is_plain).collect();
    let with_body: Vec<_> = good
        .iter()
        .filter(|(case, _)| !case.body.is_empty())
        .collect();
    let is_stopping = AtomicBool::new(false);
    let (answered, answers) = mpsc::channel();
    std::thread::scope(|scope| -> Result<(), String> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                let (good, answered, is_stopping) = (&good, answered.clone(), &is_stopping);
                scope.spawn(move || ask_until_refused(address, good, index, &answered, is_stopping))
            })
            .collect();
        drop(answered);
        // Fewer come when the clients have failed, which their tallies say.
        _ = answers.iter().take(ANSWERS).count();
        let begun: Result<Vec<_>, _> = (0..BEGUN)
            .map(|index| Begun::new(address, with_body[index % with_body.len()]))
            .collect();
        is_stopping.store(true, Ordering::SeqCst);
        service.signal("TERM");
        // Whether they could be begun or not, the clients end at the signal alone.
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
        Ok(_) => Err("somebody still listens after the end".to_owned()),
        Err(_) => Ok(()),
    }
}

/// Good, on a connection that is kept.
fn is_plain((case, quiet): &&(Case, Answer)) -> bool {
    quiet.status == 200 && !case.closes && !case.is_cut_short
}

fn count(tally: &mut Tally, case: &Case, answer: &Answer) {
    let status = answer.status;
    tally.count(case.kind, Outcome::Right { status, times: 1 });
}

/// On one connection after another, some requests each.
fn ask_until_refused(
    address: SocketAddr,
    good: &[&(Case, Answer)],
    index: usize,
    answered: &mpsc::Sender<()>,
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
        for (case, quiet) in rows.by_ref().take(5) {
            _ = connection.write(&case.request());
            match connection.read(case.is_head()) {
                Ok(Some(answer)) => match case.wrong(quiet, &answer) {
                    None => count(&mut tally, case, &answer),
                    Some(difference) => tally.fail(case, "around the signal", &difference),
                },
                // Turned away, all of it: another server may be asked.
                Ok(None) if is_stopping.load(Ordering::SeqCst) => break,
                other => {
                    tally.fail(case, "around the signal", &format!("no answer: {other:?}"));
                    return tally;
                }
            }
            // The receiver has enough at some time.
            _ = answered.send(());
        }
    }
    let (case, _) = rows.next().unwrap();
    tally.fail(case, "after the signal", "connections are taken still");
    tally
}
