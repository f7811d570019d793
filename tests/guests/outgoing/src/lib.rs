//! Forwards the response of another server, if the host lets it send a request.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::outgoing_handler;
use wasi::http::types::{Fields, IncomingRequest, OutgoingRequest, OutgoingResponse, ResponseOutparam};

struct Outgoing;
wasi::http::proxy::export!(Outgoing);

impl Guest for Outgoing {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let request = OutgoingRequest::new(Fields::new());
        request.set_authority(Some("localhost:9")).expect("an authority");
        let sent = outgoing_handler::handle(request, None);
        let response = OutgoingResponse::new(Fields::new());
        response
            .set_status_code(if sent.is_ok() { 200 } else { 500 })
            .expect("a valid status");
        ResponseOutparam::set(out, Ok(response));
    }
}
