//! Requests never see each other's memory: a guest hides a secret wherever it can write, and other requests search all
//! of their memory for it. They share a few instance slots.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use infer_host::Limits;

use super::host::{host, limits};
use crate::support::client::{Connection, get};

/// Longer than any of these tests.
const LIFE: Duration = Duration::from_secs(300);

/// A secret as requests contain it. It is masked, so that a guest that seeks the secret never has it in its own memory
/// (see `guests/trouble/src/secrets.rs`).
fn masked(random: &mut fastrand::Rng) -> String {
    format!("{:016x}", random.u64(..))
}

fn found(address: SocketAddr, action: &str, secret: &str) -> u64 {
    let response = get(address, &format!("/{action}?{secret}"));
    assert_eq!(response.status, 200, "{}", response.text());
    response.text().parse().unwrap()
}

#[test]
fn a_guest_finds_its_own_secret() {
    let host = host(limits());
    let secret = masked(&mut fastrand::Rng::with_seed(1));
    let count = found(host.address, "hide-and-seek", &secret);
    // In globals, in fresh pages and in allocated memory.
    let hidden = 512 + 64 * 64 * 1024 / 8 + 128 * 1024;
    assert!(count >= hidden, "{count} of {hidden}");
}

#[test]
fn no_request_finds_the_secret_of_another() {
    const THREADS: u64 = 4;
    const ROUNDS: usize = 60;
    let host = host(Limits {
        // Fewer slots than threads, so requests keep reusing each other's slots.
        max_instances: 3,
        max_waiting: 64,
        // One request lives as long as the test, while its client sends nothing.
        request_timeout: LIFE,
        body_timeout: LIFE,
        ..limits()
    });
    let address = host.address;
    let mut random = fastrand::Rng::with_seed(2);
    let kept = masked(&mut random);
    // This secret stays in a live instance during the test.
    let (mut living, rest) = wait_while_hiding(address, &kept);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let kept = &kept;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(3 + thread);
                    let mut wrong = Vec::new();
                    for round in 0..ROUNDS {
                        let secret = masked(&mut random);
                        let how = hide(address, &secret, round);
                        for sought in [&secret, kept] {
                            let count = found(address, "seek", sought);
                            if count > 0 {
                                wrong.push(format!("round {round}, {how}: found {count} times"));
                            }
                        }
                    }
                    wrong
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    living.write(rest).unwrap();
    let response = living.read(false).unwrap().unwrap();
    assert_eq!(
        (response.text().as_str(), response.is_whole),
        ("hidden", true)
    );
}

/// Start a request that hides the secret and lives until its client sends the rest.
fn wait_while_hiding(address: SocketAddr, secret: &str) -> (Connection, &'static [u8]) {
    let mut connection = Connection::open(address).unwrap();
    let head =
        format!("POST /hide-and-wait?{secret} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na");
    connection.write(head.as_bytes()).unwrap();
    // The response begins when the guest has hidden the secret.
    assert_ne!(connection.wait().unwrap(), 0);
    (connection, b"b")
}

/// Hide a secret in a request that ends in one of several ways, and return the name of the way.
fn hide(address: SocketAddr, secret: &str, round: usize) -> &'static str {
    let ask = |action: &str| get(address, &format!("/{action}?{secret}")).status;
    match round % 3 {
        0 => {
            assert_eq!(ask("hide-and-trap"), 500);
            "trapped"
        }
        1 => {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = format!("GET /hide-and-spin?{secret} HTTP/1.1\r\nhost: x\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            drop(stream);
            "abandoned by its client"
        }
        _ => {
            assert_eq!(ask("hide"), 200);
            "completed"
        }
    }
}

#[test]
fn no_request_finds_the_secret_of_one_that_timed_out() {
    let host = host(limits());
    let address = host.address;
    let secret = masked(&mut fastrand::Rng::with_seed(4));
    let at_once = |action: &'static str| -> Vec<(u16, String)> {
        let path = format!("/{action}?{secret}");
        std::thread::scope(|scope| {
            let ask = || {
                let response = get(address, &path);
                (response.status, response.text())
            };
            // As many requests as slots.
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    };
    let hidden = at_once("hide-and-spin");
    assert!(
        hidden.iter().all(|(status, _)| *status == 504),
        "{hidden:?}"
    );
    for _ in 0..5 {
        let found = at_once("seek");
        assert_eq!(found, vec![(200, "0".to_owned()); 4]);
    }
}
