//! Requests that have begun and do not go on: each keeps an instance.

use std::net::SocketAddr;

use super::case::Case;
use super::clients::{Outcome, Table};
use super::tally::Tally;
use crate::support::client::{Answer, Connection};

/// A request whose body is asked for, and not sent yet.
pub struct Begun<'a> {
    connection: Connection,
    row: &'a (Case, Answer),
}

impl<'a> Begun<'a> {
    /// Send a request's head, and wait until its body is asked for: then an instance is at work on it.
    pub fn new(address: SocketAddr, row: &'a (Case, Answer)) -> Result<Self, String> {
        let failed = |error| format!("cannot begin {}: {error}", row.0.name);
        let mut connection = Connection::open(address).map_err(failed)?;
        let end = row.0.head.len() - 2;
        let head = [&row.0.head[..end], b"expect: 100-continue\r\n\r\n"].concat();
        connection.write(&head).map_err(failed)?;
        match connection.is_told_to_continue().map_err(failed)? {
            true => Ok(Self { connection, row }),
            false => Err(format!("no body was asked for: {}", row.0.name)),
        }
    }

    /// Send the body, and count what comes.
    pub fn finish(mut self, tally: &mut Tally) {
        let (case, quiet) = self.row;
        let sent = self.connection.write(&case.body);
        match self.connection.read(case.is_head()) {
            Ok(Some(answer)) => match case.wrong(quiet, &answer) {
                None => {
                    let status = answer.status;
                    tally.count(case.kind, Outcome::Right { status, times: 1 });
                }
                Some(difference) => tally.fail(case, "begun before", &difference),
            },
            other => {
                let problem = format!("no answer: {other:?}, sent: {sent:?}");
                tally.fail(case, "begun before", &problem);
            }
        }
    }
}

/// Let each good request with a body be served in as many instances at the same time as there may be, so that every slot
/// holds what it leaves.
///
/// # Errors
/// What could not be begun.
pub fn in_every_slot(address: SocketAddr, table: &Table, slots: usize) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let with_body = table.iter().filter(|(case, quiet)| {
        !case.body.is_empty() && quiet.status == 200 && !case.closes && !case.is_cut_short
    });
    for row in with_body {
        let begun: Result<Vec<_>, _> = (0..slots).map(|_| Begun::new(address, row)).collect();
        for request in begun? {
            request.finish(&mut tally);
        }
    }
    Ok(tally)
}
