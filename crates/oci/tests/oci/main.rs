//! Pushes and pulls against Debian's `docker-registry`, and against a server with the faults that no registry has.

mod client_faults;
mod components;
mod faulty;
mod kinds;
mod login;
mod push_faults;
mod raw;
mod redirects;
mod references;
mod registry;
mod roundtrip;
mod tls;
mod tokens;
