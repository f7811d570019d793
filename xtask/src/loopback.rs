//! A server in this process, and its client.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use infer_host::{App, Server};
use tokio::runtime::Runtime;

/// A server that runs until it is dropped.
pub(crate) struct Loopback {
    address: SocketAddr,
    /// Holds the server's threads.
    _runtime: Runtime,
}

impl Loopback {
    /// Serve on a free loopback port.
    pub(crate) fn start(app: Arc<App>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = runtime.block_on(Server::bind(any, app))?;
        let address = server.local_addr()?;
        runtime.spawn(server.serve(std::future::pending()));
        Ok(Self {
            address,
            _runtime: runtime,
        })
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A client that returns responses of every status, since the body of an error has the reason.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into()
}
