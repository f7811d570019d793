//! The client against a small hub on loopback. No test sleeps: a client's waits are recorded instead.

mod cache;
mod download;
mod fixture;
mod listing;
mod network;
mod python;
mod reference;
mod remote;
mod resume;
mod server;
mod settings;

/// Fail with all problems of a table test.
fn report(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
