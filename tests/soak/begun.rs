//! Requests that have begun and wait for their clients. Each of them holds an instance.

use std::net::SocketAddr;

use super::case::Case;
use super::clients::{Outcome, Table};
use super::tally::Tally;
use crate::support::client::{Connection, Response};

/// A request whose body the client has not sent yet, although the server waits for it.
pub struct Begun<'a> {
    connection: Connection,
    row: &'a (Case, Response),
}

impl<'a> Begun<'a> {
    /// Send the head of a request, and wait for `100 Continue`: then an instance is serving it.
    pub fn new(address: SocketAddr, row: &'a (Case, Response)) -> Result<Self, String> {
        let failed = |error| format!("cannot begin {}: {error}", row.0.name);
        let mut connection = Connection::open(address).map_err(failed)?;
        let end = row.0.head.len() - 2;
        let head = [&row.0.head[..end], b"expect: 100-continue\r\n\r\n"].concat();
        connection.write(&head).map_err(failed)?;
        match connection.reads_continue().map_err(failed)? {
            true => Ok(Self { connection, row }),
            false => Err(format!("no `100 Continue`: {}", row.0.name)),
        }
    }

    /// Send the body, and count the response.
    pub fn finish(mut self, tally: &mut Tally) {
        let (case, baseline) = self.row;
        let sent = self.connection.write(&case.body);
        match self.connection.read(case.is_head()) {
            Ok(Some(response)) => match case.wrong(baseline, &response) {
                None => {
                    let status = response.status;
                    tally.count(case.kind, Outcome::Right { status, times: 1 });
                }
                Some(difference) => tally.fail(case, "begun before", &difference),
            },
            other => {
                let problem = format!("no response: {other:?}, sent: {sent:?}");
                tally.fail(case, "begun before", &problem);
            }
        }
    }
}

/// Send each good request with a body to all instances concurrently, so that every slot has the memory that the request
/// leaves in it.
///
/// # Errors
/// If a request could not begin.
pub fn in_every_slot(address: SocketAddr, table: &Table, slots: usize) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let with_body = table.iter().filter(|(case, baseline)| {
        !case.body.is_empty() && baseline.status == 200 && !case.closes && !case.is_truncated
    });
    for row in with_body {
        let begun: Result<Vec<_>, _> = (0..slots).map(|_| Begun::new(address, row)).collect();
        for request in begun? {
            request.finish(&mut tally);
        }
    }
    Ok(tally)
}
