//! Clients: each a thread that sends the table of requests over and over, in an order and in manners of its
//! own, until the time is over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::case::Case;
use super::tally::Tally;
use crate::support::client::{Answer, Connection, is_gone};

/// How a client goes about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// On the connection that it has already.
    Kept,
    /// On a connection of its own.
    Fresh,
    /// Twice in one write, and then both answers are read.
    Pipelined,
    /// In many small parts with pauses between them.
    Slow,
    /// The answer is left waiting for a while.
    SlowToRead,
    /// The sending half of the connection is closed after the request.
    HalfClosed,
    /// It is closed in the middle of the body.
    HalfClosedInBody,
    /// Hanging up, at once or in the middle of the head or of the body, when all is sent, or when a part of
    /// the answer is there.
    GoneAtOnce,
    GoneInHead,
    GoneInBody,
    GoneUnanswered,
    GoneInAnswer,
}

/// All of them, the usual ones more often.
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
        GoneUnanswered,
        GoneInAnswer,
    ]
};

/// The longest pause of a slow client's.
const PAUSE_US: u64 = 3000;

/// A kept connection is given up when it was idle for longer: servers close them.
const IDLE: Duration = Duration::from_secs(3);

/// How long the clients go on: until the time or the count is reached, but each for one round at least.
pub struct Plan {
    pub clients: usize,
    pub until: Instant,
    pub max_requests: u64,
    pub seed: u64,
}

/// What is sent, and what the quiet service answered.
pub type Table = Vec<(Case, Answer)>;

/// Run the clients, and count what came.
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
    // Endless requests keep a core each, and the others have a time limit too.
    let is_bold = index < 2;
    let mut round: Vec<&(Case, Answer)> = table
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
        for (case, quiet) in &round {
            let is_over = Instant::now() >= plan.until
                || sent.fetch_add(1, Ordering::Relaxed) >= plan.max_requests;
            if rounds > 0 && is_over {
                return tally;
            }
            // In the first round each request is sent as it should be, once.
            let manner = match rounds {
                0 if index == 0 => Manner::Kept,
                _ => MANNERS[random.usize(..MANNERS.len())],
            };
            match client.ask(case, quiet, manner, &mut random) {
                Ok(outcome) => tally.count(case.kind, outcome),
                Err(problem) => tally.fail(case, &format!("{manner:?}"), &problem),
            }
        }
    }
    tally
}

/// How a request ended, if it ended well.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// With the right answer, so many times.
    Right { status: u16, times: u64 },
    /// With an answer that was cut short, as it had to be.
    CutShort,
    /// The client left before there was an answer to judge.
    Left,
    /// The client stopped sending, and the server hung up on it without an answer.
    HungUp,
}

struct Client {
    address: SocketAddr,
    /// The connection that is kept, and since when it has been idle.
    kept: Option<Connection>,
    last: Instant,
}

impl Client {
    fn ask(
        &mut self,
        case: &Case,
        quiet: &Answer,
        manner: Manner,
        random: &mut fastrand::Rng,
    ) -> Result<Outcome, String> {
        let request = case.request();
        match manner {
            Manner::Kept => return self.on_kept(case, quiet, &request),
            // Both must be answered on one connection.
            Manner::Pipelined if !case.closes && quiet.status == 200 && !case.is_cut_short => {
                let mut connection = self.open()?;
                _ = connection.write(&[&request[..], &request].concat());
                judge(case, quiet, read(&mut connection, case)?)?;
                judge(case, quiet, read(&mut connection, case)?)?;
                let status = quiet.status;
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
                // A server may answer before all is sent; what it says is read below.
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
                // Who sends no more is taken for gone, before the answer or in its middle: that it hangs up is how a
                // server learns that a client no longer waits for an inference.
                return match read(&mut connection, case)? {
                    None => Ok(Outcome::HungUp),
                    Some(answer) if !answer.is_whole => Ok(Outcome::CutShort),
                    answer => judge(case, quiet, answer),
                };
            }
            Manner::HalfClosedInBody => {
                _ = connection.write(&request[..middle(case.head.len(), request.len(), random)]);
                _ = connection.end_writing();
                return match read(&mut connection, case)? {
                    // An answer that began before the body ended is cut short where that fails.
                    Some(answer) if !answer.is_whole => Ok(Outcome::CutShort),
                    Some(answer) if answer.status < 400 && !case.body.is_empty() => {
                        Err("half of a body was answered as a whole one".to_owned())
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
            Manner::GoneUnanswered => {
                _ = connection.write(&request);
                return Ok(Outcome::Left);
            }
            Manner::GoneInAnswer => {
                _ = connection.write(&request);
                _ = connection.wait();
                return Ok(Outcome::Left);
            }
        }
        let answer = read(&mut connection, case)?;
        judge(case, quiet, answer)
    }

    /// On the connection that is kept; it is kept on if the server does.
    fn on_kept(&mut self, case: &Case, quiet: &Answer, request: &[u8]) -> Result<Outcome, String> {
        let kept = self.kept.take().filter(|_| self.last.elapsed() < IDLE);
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open()?,
        };
        _ = connection.write(request);
        let answer = read(&mut connection, case)?;
        // A server that answers before it has read all may close then, and cannot say so any more.
        let is_kept = answer.as_ref().is_some_and(|answer| {
            answer.is_whole && answer.header("connection") != Some("close") && answer.status != 413
        });
        let outcome = judge(case, quiet, answer);
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

fn read(connection: &mut Connection, case: &Case) -> Result<Option<Answer>, String> {
    match connection.read(case.is_head()) {
        Err(error) if is_gone(&error) => Ok(None),
        read => read.map_err(|error| format!("no answer: {error}")),
    }
}

fn judge(case: &Case, quiet: &Answer, answer: Option<Answer>) -> Result<Outcome, String> {
    let Some(answer) = answer else {
        return match case.is_cut_short {
            true => Ok(Outcome::CutShort),
            false => Err("the connection was closed without an answer".to_owned()),
        };
    };
    // A client that is still sending may miss the end of an answer that did not wait for that: the system
    // throws away what was sent to whoever sends to a closed connection.
    if case.status == 413 && answer.status == 413 && !answer.is_whole {
        return Ok(Outcome::CutShort);
    }
    match case.wrong(quiet, &answer) {
        Some(difference) => Err(difference),
        None if case.is_cut_short => Ok(Outcome::CutShort),
        None => Ok(Outcome::Right {
            status: answer.status,
            times: 1,
        }),
    }
}
