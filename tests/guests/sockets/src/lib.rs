//! Tries to connect to a TCP port, and responds with 200 if that succeeds.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};

struct Sockets;
wasi::http::proxy::export!(Sockets);

impl Guest for Sockets {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let is_connected = std::net::TcpStream::connect("127.0.0.1:9").is_ok();
        let response = OutgoingResponse::new(Fields::new());
        response
            .set_status_code(if is_connected { 200 } else { 500 })
            .expect("a valid status");
        ResponseOutparam::set(out, Ok(response));
    }
}
