//! Clients: each is a thread that sends the table of requests repeatedly, in its own order and manner, until the time is
//! over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::case::Case;
use super::tally::Tally;
use crate::support::client::{Connection, Response, is_gone};

/// How a client sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// On its persistent connection.
    Kept,
    /// On a new connection.
    Fresh,
    /// Twice in one write, before reading both responses.
    Pipelined,
    /// In small parts with pauses.
    Slow,
    /// Read the response after a pause.
    SlowToRead,
    /// Close the sending half of the connection after the request.
    HalfClosed,
    /// Close the sending half in the middle of the body.
    HalfClosedInBody,
    /// Close the connection: at once, in the middle of the head or the body, after the request, or after a part of the
    /// response.
    GoneAtOnce,
    GoneInHead,
    GoneInBody,
    GoneBeforeResponse,
    GoneInResponse,
}

/// All manners; the usual manners occur more often.
const MANNERS: [Manner; 20] = {
    use Manner::*;
    [
        Kept,
        Kept,
        Kept,
        Kept,
        Kept,
        Kept,
        Kept,
        Fresh,
        Fresh,
        Fresh,
        Pipelined,
        Slow,
        SlowToRead,
        HalfClosed,
        HalfClosedInBody,
        GoneAtOnce,
        GoneInHead,
        GoneInBody,
        GoneBeforeResponse,
        GoneInResponse,
    ]
};

/// The longest pause of a slow client, in microseconds.
const PAUSE_US: u64 = 3000;

/// A client replaces a persistent connection that was idle for longer, since the server may close it.
const IDLE: Duration = Duration::from_secs(3);

/// When the clients stop: at the time or the number of requests, but not before each has sent one round.
pub struct Plan {
    pub clients: usize,
    pub until: Instant,
    pub max_requests: u64,
    pub seed: u64,
}

/// The requests, and the baseline responses from the idle service.
pub type Table = Vec<(Case, Response)>;

/// Run the clients, and count the results.
pub fn run(address: SocketAddr, table: &Table, plan: &Plan) -> Tally {
    let sent = AtomicU64::new(0);
    let sent = &sent;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..plan.clients)
            .map(|index| scope.spawn(move || client(address, table, plan, index, sent)))
            .collect();
        let mut all = Tally::default();
        for client in clients {
            all.add(client.join().unwrap());
        }
        all
    })
}

fn client(
    address: SocketAddr,
    table: &Table,
    plan: &Plan,
    index: usize,
    sent: &AtomicU64,
) -> Tally {
    let mut random = fastrand::Rng::with_seed(plan.seed + index as u64);
    // Each endless request keeps a core busy, and the other requests have a time limit too.
    let is_bold = index < 2;
    let mut round: Vec<&(Case, Response)> = table
        .iter()
        .filter(|(case, _)| is_bold || !case.is_endless)
        .flat_map(|row| std::iter::repeat_n(row, row.0.times))
        .collect();
    let mut tally = Tally::default();
    let mut client = Client {
        address,
        kept: None,
        last: Instant::now(),
    };
    for rounds in 0.. {
        random.shuffle(&mut round);
        for (case, baseline) in &round {
            let is_over = Instant::now() >= plan.until
                || sent.fetch_add(1, Ordering::Relaxed) >= plan.max_requests;
            if rounds > 0 && is_over {
                return tally;
            }
            // One client sends each request properly in the first round.
            let manner = match rounds {
                0 if index == 0 => Manner::Kept,
                _ => MANNERS[random.usize(..MANNERS.len())],
            };
            match client.send(case, baseline, manner, &mut random) {
                Ok(outcome) => tally.count(case.kind, outcome),
                Err(problem) => tally.fail(case, &format!("{manner:?}"), &problem),
            }
        }
    }
    tally
}

/// The acceptable end of a request.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// One or more right responses.
    Right { status: u16, times: u64 },
    /// A response that was truncated, as expected.
    Truncated,
    /// The client left before the response.
    Left,
    /// The client stopped sending, and the server closed the connection without a response.
    HungUp,
}

struct Client {
    address: SocketAddr,
    /// The persistent connection, and when it was last used.
    kept: Option<Connection>,
    last: Instant,
}

impl Client {
    /// Send a request in this manner, and compare the response with the baseline.
    fn send(
        &mut self,
        case: &Case,
        baseline: &Response,
        manner: Manner,
        random: &mut fastrand::Rng,
    ) -> Result<Outcome, String> {
        let request = case.request();
        match manner {
            Manner::Kept => return self.on_kept(case, baseline, &request),
            // Only requests that leave the connection open can be pipelined.
            Manner::Pipelined if !case.closes && baseline.status == 200 && !case.is_truncated => {
                let mut connection = self.open()?;
                _ = connection.write(&[&request[..], &request].concat());
                judge(case, baseline, read(&mut connection, case)?)?;
                judge(case, baseline, read(&mut connection, case)?)?;
                let status = baseline.status;
                return Ok(Outcome::Right { status, times: 2 });
            }
            _ => {}
        }
        let mut connection = self.open()?;
        let middle = |from: usize, to: usize, random: &mut fastrand::Rng| match to - from {
            0 | 1 => from,
            _ => random.usize(from + 1..to),
        };
        match manner {
            Manner::Kept | Manner::Fresh | Manner::Pipelined => {
                // The write fails if the server responds early; the response is read below.
                _ = connection.write(&request);
            }
            Manner::Slow => {
                for part in request.chunks(request.len() / 10 + 1) {
                    _ = connection.write(part);
                    std::thread::sleep(Duration::from_micros(random.u64(..PAUSE_US)));
                }
            }
            Manner::SlowToRead => {
                _ = connection.write(&request);
                std::thread::sleep(Duration::from_micros(random.u64(..10 * PAUSE_US)));
            }
            Manner::HalfClosed => {
                _ = connection.write(&request);
                _ = connection.end_writing();
                // The server treats a client that stops sending as gone, even in the middle of a response: it cannot
                // learn otherwise that a client no longer waits for an inference.
                return match read(&mut connection, case)? {
                    None => Ok(Outcome::HungUp),
                    Some(response) if !response.is_whole => Ok(Outcome::Truncated),
                    response => judge(case, baseline, response),
                };
            }
            Manner::HalfClosedInBody => {
                _ = connection.write(&request[..middle(case.head.len(), request.len(), random)]);
                _ = connection.end_writing();
                return match read(&mut connection, case)? {
                    // A response that began before the end of the body is truncated.
                    Some(response) if !response.is_whole => Ok(Outcome::Truncated),
                    Some(response) if response.status < 400 && !case.body.is_empty() => {
                        Err("half of a body got the response of a whole one".to_owned())
                    }
                    _ => Ok(Outcome::HungUp),
                };
            }
            Manner::GoneAtOnce => return Ok(Outcome::Left),
            Manner::GoneInHead => {
                _ = connection.write(&request[..middle(0, case.head.len(), random)]);
                return Ok(Outcome::Left);
            }
            Manner::GoneInBody => {
                _ = connection.write(&request[..middle(case.head.len(), request.len(), random)]);
                return Ok(Outcome::Left);
            }
            Manner::GoneBeforeResponse => {
                _ = connection.write(&request);
                return Ok(Outcome::Left);
            }
            Manner::GoneInResponse => {
                _ = connection.write(&request);
                _ = connection.wait();
                return Ok(Outcome::Left);
            }
        }
        let response = read(&mut connection, case)?;
        judge(case, baseline, response)
    }

    /// Send on the persistent connection, which stays if the server keeps it open.
    fn on_kept(
        &mut self,
        case: &Case,
        baseline: &Response,
        request: &[u8],
    ) -> Result<Outcome, String> {
        let kept = self.kept.take().filter(|_| self.last.elapsed() < IDLE);
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open()?,
        };
        _ = connection.write(request);
        let response = read(&mut connection, case)?;
        // A server that responds before it has read the body may close the connection without announcing it.
        let is_kept = response.as_ref().is_some_and(|response| {
            response.is_whole
                && response.header("connection") != Some("close")
                && response.status != 413
        });
        let outcome = judge(case, baseline, response);
        if is_kept && !case.closes && outcome.is_ok() {
            self.kept = Some(connection);
            self.last = Instant::now();
        }
        outcome
    }

    fn open(&self) -> Result<Connection, String> {
        Connection::open(self.address).map_err(|error| format!("no connection: {error}"))
    }
}

fn read(connection: &mut Connection, case: &Case) -> Result<Option<Response>, String> {
    match connection.read(case.is_head()) {
        Err(error) if is_gone(&error) => Ok(None),
        read => read.map_err(|error| format!("no response: {error}")),
    }
}

fn judge(case: &Case, baseline: &Response, response: Option<Response>) -> Result<Outcome, String> {
    let Some(response) = response else {
        return match case.is_truncated {
            true => Ok(Outcome::Truncated),
            false => Err("the connection was closed without a response".to_owned()),
        };
    };
    // A client that is still sending may miss the end of an early response: the system discards received data when the
    // client sends to a closed connection.
    if case.status == 413 && response.status == 413 && !response.is_whole {
        return Ok(Outcome::Truncated);
    }
    match case.wrong(baseline, &response) {
        Some(difference) => Err(difference),
        None if case.is_truncated => Ok(Outcome::Truncated),
        None => Ok(Outcome::Right {
            status: response.status,
            times: 1,
        }),
    }
}
