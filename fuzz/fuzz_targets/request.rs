//! Whole requests: head and body through the plan, on the engine. Whatever comes is answered or refused.
//!
//! As text: a line `POST /infer`, lines `name: value`, an empty one, the body. So a seed can be read, and written.

#![no_main]

use infer::protocols::Plan;
use infer::http::request::Head;
use infer::http::settings::Settings;
use infer::http::timing::Timing;
use infer_fuzz::{check_refused, limits, with_service};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") else {
        return Corpus::Reject;
    };
    let (head, body) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 2..]);
    let mut lines = head.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else {
        return Corpus::Reject;
    };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let head = Head::new(method, target, headers);
    let settings = Settings {
        limits: limits(),
        ..Settings::default()
    };
    with_service(|models, engine| {
        let answered = Plan::new(&head, models, &settings)
            .and_then(|plan| plan.respond(body.to_vec(), engine, &mut Timing::default()));
        match answered {
            Ok(response) => {
                assert!(matches!(response.status, 200 | 304), "{}", response.status);
                let is_json = response.header("content-type") == Some("application/json");
                if is_json && response.header("content-encoding").is_none() {
                    serde_json::from_slice::<serde_json::Value>(&response.body)
                        .expect("an answer is JSON");
                }
            }
            Err(error) => check_refused(&error),
        }
    });
    Corpus::Keep
});
