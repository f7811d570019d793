//! The real component under full load: on every route, every client gets the results of its own data, from the engine
//! and from native libraries, which batch requests of several clients.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::backends;
use crate::support::client::send;
use crate::support::models::identity;
use crate::support::service::Service;

const THREADS: u64 = 6;
const ROUNDS: usize = 100;

fn start(backend: &str) -> Service {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("isolation-models");
    identity(&repository, "UINT8", "");
    // Requests of up to 16 values are batched.
    let batching = "[batching]\nmax_size = 16\nmax_delay_us = 1000\n";
    identity(&repository, "FP32", batching);
    let repository = repository.to_str().unwrap();
    Service::start_with(&["--backend", backend, "--models", repository], &[])
}

/// Random values, which are unlikely to equal another client's.
fn values(random: &mut fastrand::Rng) -> Vec<f32> {
    let count = random.usize(1..8);
    std::iter::repeat_with(|| random.u32(..1 << 24) as f32)
        .take(count)
        .collect()
}

/// Send a request of a random kind, and return the difference between the response and the expected one.
fn send_random(address: SocketAddr, random: &mut fastrand::Rng) -> Option<String> {
    let octets = [
        ("content-type", "application/octet-stream"),
        ("accept", "application/octet-stream"),
    ];
    let (sent, actual) = match random.u8(..4) {
        0 => {
            let sent: Vec<u8> = (0..random.usize(1..50_000))
                .map(|_| random.u8(..))
                .collect();
            let response = send(address, "POST", "/infer/identity-uint8", &octets, &sent);
            (json!(sent), json!(response.body))
        }
        1 => {
            let sent: Vec<u8> = values(random)
                .into_iter()
                .flat_map(f32::to_le_bytes)
                .collect();
            let response = send(address, "POST", "/infer/identity-fp32", &octets, &sent);
            (json!(sent), json!(response.body))
        }
        2 => {
            let sent = values(random);
            let path = "/v1/models/identity-fp32:predict";
            let response = send(
                address,
                "POST",
                path,
                &[],
                json!({"instances": sent}).to_string().as_bytes(),
            );
            (json!(sent), response.json()["predictions"].clone())
        }
        // An error that quotes the request.
        _ => {
            let name = format!("x{:016x}", random.u64(..));
            let body =
                json!({"inputs": [{"name": name, "datatype": "FP32", "shape": [1], "data": [1]}]});
            let path = "/v2/models/identity-fp32/infer";
            let response = send(address, "POST", path, &[], body.to_string().as_bytes());
            let error = response.error();
            return (!error.contains(&name)).then(|| format!("sent {name}, got {error}"));
        }
    };
    (sent != actual).then(|| format!("sent {}, got {}", start_of(&sent), start_of(&actual)))
}

fn start_of(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

fn every_client_gets_its_own_data(backend: &str) {
    let service = start(backend);
    let address = service.address;
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    let wrong = (0..ROUNDS).filter_map(|_| send_random(address, &mut random));
                    wrong.collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{backend}: {}", wrong.join("\n"));
}

#[test]
fn every_client_gets_its_own_data_from_the_engine() {
    every_client_gets_its_own_data("wasm");
}

#[test]
fn every_client_gets_its_own_data_from_native_libraries() {
    for backend in backends::installed() {
        every_client_gets_its_own_data(backend);
    }
}
